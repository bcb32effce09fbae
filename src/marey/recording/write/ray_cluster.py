"""Recording on many machines: each task of a Ray cluster makes a few shards and writes them."""

import importlib.util
import os
import sys
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from torch import nn

from marey.errors import MareyError
from marey.network.network import Network
from marey.recording.write.gathering import shards_of
from marey.recording.write.plan import Plan
from marey.recording.write.shard import shard_path
from marey.video.flow.cache import FlowCache

_RETRIES = 1000  # of a task whose worker or node was lost
_TOGETHER = 4  # shards in a task, over which the network does not wait for a decoder


def filled_by_ray(
    network: Network,
    plan: Plan,
    shards: Path,
    indices: Iterator[int],
    *,
    address: str,
    cache: FlowCache | None,
    workers: int | None,
    limit_seconds: float,
) -> Iterator[int]:
    """Record the shards at `indices` on a Ray cluster, and write them to `shards`; gives the indices of those on disk.

    `address` names a cluster: "auto" is the one that this machine is part of, "local" begins one here. All machines see
    the clips and `shards` under the same paths. A task takes `workers` processor cores (None: 1), and an accelerator if
    the network is on one. Shards that are lost with a worker or a node are made again elsewhere. A shard is written
    whole or not at all, and every machine writes the same, so no shard counts twice.

    Raises MareyError when Ray is not installed, or the cluster cannot be reached.
    """
    if importlib.util.find_spec("ray") is None:
        raise MareyError("recording on many machines needs Ray; install it with `pip install 'marey[ray]'`.")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    begun_here = not ray.is_initialized()
    if begun_here:
        _connect(address)
    running: deque[Any] = deque()
    try:
        _carry_source(network.module)
        accelerators = 0 if network.device.type == "cpu" else 1
        cores = 1 if workers is None else workers
        remote: Any = ray.remote
        task = remote(num_cpus=cores, num_gpus=accelerators, max_retries=_RETRIES)(_recorded)
        shared = _shared(network, plan)
        given = {
            "shards": shards.resolve(),
            "cache": None if cache is None else cache.folder,
            "cores": cores,
            "limit_seconds": limit_seconds,
        }
        while True:
            at_once = 2 * max(1, int(_cores_of_the_cluster()) // cores)
            while len(running) < at_once and (some := list(islice(indices, _TOGETHER))):
                running.append(task.remote(shared, some, **given))
            if not running:
                return
            done, left = ray.wait(list(running), num_returns=1)
            running = deque(left)
            for one in done:
                yield from _result(one)
    finally:
        if begun_here:
            ray.shutdown()
        elif ray.is_initialized():
            for one in running:
                ray.cancel(one, force=True)


def _connect(address: str) -> None:
    """Begin or join a cluster; MareyError when there is none."""
    import ray

    try:
        ray.init(address=None if address == "local" else address, log_to_driver=False, include_dashboard=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise MareyError(f"no Ray cluster at '{address}': {reason}. Give its address, or 'local'.") from None


def _shared(network: Network, plan: Plan) -> Any:
    """The network, in the memory of a processor, and the plan, where all workers find them."""
    import ray

    device = str(network.device)
    network.module.to("cpu")
    try:
        return ray.put((network, plan))
    finally:
        network.module.to(device)


def _cores_of_the_cluster() -> float:
    import ray

    resources: dict[str, float] = ray.cluster_resources()
    return resources.get("CPU", 1.0)


def _result(task: Any) -> list[int]:
    """The shards that a task has written. An error of marey is raised here as it was there."""
    import ray

    try:
        made: list[int] = ray.get(task)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, MareyError):
            raise error.cause from None
        raise
    return made


def _recorded(
    shared: tuple[Network, Plan],
    indices: list[int],
    *,
    shards: Path,
    cache: Path | None,
    cores: int,
    limit_seconds: float,
) -> list[int]:
    """Make, on a worker, the shards that are not on disk yet."""
    network, plan = shared
    if not shards.is_dir():
        raise MareyError(
            f"a machine of the cluster does not see '{shards}'; record into a folder that all machines share."
        )
    network.module.to(plan.network["device"])
    left = (index for index in indices if not shard_path(shards, index).exists())
    made = shards_of(
        network,
        plan,
        left,
        cache=None if cache is None else FlowCache(cache),
        workers=cores,
        limit_seconds=limit_seconds,
    )
    for index, shard in made:
        shard.save(shard_path(shards, index))
    return indices


def _carry_source(module: nn.Module) -> None:
    """Send the classes of a user's own file along: workers cannot import them by their names."""
    from ray import cloudpickle

    for part in module.modules():
        origin = sys.modules.get(type(part).__module__)
        if origin is not None and origin.__name__.startswith("marey_network_of_"):
            cloudpickle.register_pickle_by_value(origin)
