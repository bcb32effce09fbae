"""Kills recordings at random moments, and compares what comes out with an uninterrupted one, byte for byte.

python benchmarks/recording_kills.py --kills 30
python benchmarks/recording_kills.py --kills 30 --ray    # then also Ray workers and nodes
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow
import torch
from forks import ended, forked

from marey.datasets import class_folders
from marey.families.two_stream import TwoStream
from marey.network.network import Network
from marey.recording import Recording, RecordingSettings, record
from marey.studies import study_classes
from marey.studies.written import write_study_clips
from marey.video.flow.cache import FlowCache


def network(classes: tuple[str, ...]) -> Network:
    torch.manual_seed(0)
    module = TwoStream(len(classes), size=32, width=1 / 8, frames=2, stack=3, step=3, fc=16)
    return Network(module.eval(), module.input_streams(), classes=classes, name="small")


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def killed_processes(
    recorded: Callable[..., Recording], kills: int, chance: random.Random, seconds: float, place: Path
) -> list[dict[str, str]]:
    """The files of recordings whose process was killed, once or more, and begun again."""
    results: list[dict[str, str]] = []
    killed = 0
    while killed < kills:
        name = f"killed-{killed}"
        while killed < kills:
            pid = forked(lambda name=name: recorded(name))
            time.sleep(chance.uniform(0.02, seconds))
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                assert os.waitstatus_to_exitcode(status) == 0
                break
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            killed += 1
        well = ended(forked(lambda name=name: recorded(name))) == 0
        results.append(hashes(place / name) if well else {})
        shutil.rmtree(place / name, ignore_errors=True)
    return results


def killed_workers(
    recorded: Callable[..., Recording], kills: int, chance: random.Random, seconds: float, place: Path
) -> list[dict[str, str]]:
    """The files of recordings on two nodes, of which workers, and every fifth time a node, were killed on the way."""
    import ray
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 10**8}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    cluster.add_node(**node)
    ray.init(address=cluster.address, log_to_driver=False)
    results: list[dict[str, str]] = []
    killed = 0

    def kill() -> None:
        nonlocal killed
        nodes = cluster.list_all_nodes()
        if killed % 5 == 4 and len(nodes) == 2:
            cluster.remove_node(nodes[-1], allow_graceful=False)
            killed += 1
            return
        busy = [pid for one in nodes for pid in busy_workers(one.all_processes["raylet"][0].process.pid)]
        if busy:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(busy), signal.SIGKILL)
                killed += 1

    try:
        recorded("first", workers=1, ray=cluster.address)  # its workers have loaded torch
        while killed < kills:
            name, stop = f"lost-{len(results)}", threading.Event()
            if len(cluster.list_all_nodes()) < 2:
                cluster.add_node(**node)

            def killing(stop: threading.Event = stop) -> None:
                while killed < kills and not stop.wait(chance.uniform(0.2, 2 * seconds)):
                    kill()

            thread = threading.Thread(target=killing)
            thread.start()
            recorded(name, workers=1, ray=cluster.address)
            stop.set()
            thread.join()
            results.append(hashes(place / name))
            shutil.rmtree(place / name, ignore_errors=True)
    finally:
        ray.shutdown()
        cluster.shutdown()
    return results


def busy_workers(raylet: int) -> list[int]:
    """The processes that a node has begun and that are at a task of ours."""
    busy = []
    with suppress(OSError):
        for task in Path(f"/proc/{raylet}/task").iterdir():
            for pid in (task / "children").read_text().split():
                if "_recorded" in Path(f"/proc/{pid}/cmdline").read_text():
                    busy.append(int(pid))
    return busy


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--kills", type=int, default=30)
    words.add_argument("--processes", type=int, default=4, help="that record at once in one folder")
    words.add_argument("--people", type=int, default=4, help="actors: 12 clips of each")
    words.add_argument("--ray", action="store_true", help="also on a Ray cluster of two nodes on this machine")
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--out", type=Path, default=None)
    given = words.parse_args()
    torch.set_num_threads(1)
    pyarrow.array([0])  # which loads pandas where that is installed: here once, not in every process
    place = Path(tempfile.mkdtemp(prefix="recording-kills-", dir=given.out))
    chance = random.Random(given.seed)
    classes = study_classes()[:12]
    try:
        # by a process of its own, as OpenCV's threads would not be there in those that are forked from this one
        assert ended(forked(lambda: write_study_clips(place, given.people, 0, classes=classes, size=32, frames=9))) == 0
        folder = place / "clips"
        clips = class_folders(folder)
        net = network(clips.classes)
        net.layers, net.weights_hash  # noqa: B018 -- what torch loads for them is here for every process

        def recorded(name: str, *, workers: int = 2, ray: str | None = None) -> Recording:
            cache = FlowCache(place / f"flow-{name}")
            settings = RecordingSettings(flow="dis", windows=2, batch=4)
            options = {"settings": settings, "cache": cache, "workers": workers, "shard_clips": 3, "ray": ray}
            return record(net, list(clips), out=place / name, **options)

        begun = time.monotonic()
        assert ended(forked(lambda: recorded("whole"))) == 0
        seconds = time.monotonic() - begun
        expected = hashes(place / "whole")
        print(f"{len(clips)} clips, {len(expected)} files, {seconds:.1f} s uninterrupted")

        pids = [forked(lambda: recorded("together")) for _ in range(given.processes)]
        well = [ended(pid) for pid in pids] == [0] * len(pids)
        same = well and hashes(place / "together") == expected
        print(f"{given.processes} processes at once: {'the same' if same else 'DIFFERENT'}", flush=True)

        different = 0
        ways = {"process": killed_processes} | ({"Ray worker or node": killed_workers} if given.ray else {})
        for name, way in ways.items():
            begun = time.monotonic()
            found = way(recorded, given.kills, chance, seconds, place)
            wrong = 0
            for one in found:
                differing = sorted(file for file in one.keys() | expected.keys() if one.get(file) != expected.get(file))
                wrong += bool(differing)
                if differing:
                    print(f"different: {', '.join(differing[:5])}" if one else "a run after a kill failed")
            different += wrong
            took = time.monotonic() - begun
            print(
                f"{name}: {given.kills} kills, {wrong} different of {len(found)} recordings, {took:.0f} s", flush=True
            )
        raise SystemExit(0 if same and different == 0 else 1)
    finally:
        with suppress(OSError):
            shutil.rmtree(place)


if __name__ == "__main__":
    main()
