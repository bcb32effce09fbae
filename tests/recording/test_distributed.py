"""A cluster of two nodes records what one process records, also when workers and nodes are lost."""

import importlib.util
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from marey.errors import MareyError
from marey.recording import Recording
from marey.video.read.clips import Clip

pytestmark = pytest.mark.slow

Again = Callable[..., Recording]
Hashes = Callable[[Recording | Path], dict[str, str]]

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'marey[ray]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one processor core each, on this machine."""
    import ray
    from ray.cluster_utils import Cluster

    before = signal.getsignal(signal.SIGTERM)
    node = {"num_cpus": 1, "object_store_memory": 10**8, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=node)
    try:
        made.add_node(num_cpus=1, object_store_memory=10**8)
        ray.init(address=made.address, log_to_driver=False)
        yield made
    finally:
        ray.shutdown()
        made.shutdown()
        signal.signal(signal.SIGTERM, before)


@needs_ray
@pytest.mark.slow
def test_two_nodes_record_what_one_process_records(
    cluster: Any, recording: Recording, clips: list[Clip], again: Again, hashes: Hashes
) -> None:
    found = again(clips, shard_clips=2, ray=cluster.address, workers=1)
    assert hashes(found) == hashes(recording)


@needs_ray
@pytest.mark.slow
def test_a_node_that_is_lost_on_the_way_leaves_no_trace(
    cluster: Any, recording: Recording, clips: list[Clip], again: Again, hashes: Hashes
) -> None:
    lost: list[int] = []

    def lose(done: int, count: int) -> None:
        if not lost and done >= 8:
            lost.append(done)
            cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)

    found = again(clips, shard_clips=1, ray=cluster.address, workers=1, report=lose)
    assert lost and hashes(found) == hashes(recording)


def test_without_ray_the_error_names_the_extra(
    again: Again, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MareyError, match=r"needs Ray; install it with `pip install 'marey\[ray\]'`"):
        again(clips[:1], ray="local")
