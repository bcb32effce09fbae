"""Kills recordings at random moments, and compares what comes out with an uninterrupted one, byte for byte.

python benchmarks/recording_kills.py --kills 30
python benchmarks/recording_kills.py --kills 30 --ray    # kills a Ray worker each time
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

from marey.datasets import class_folders
from marey.datasets.moving_shapes import write_moving_shapes
from marey.network import Network
from marey.networks.two_stream import TwoStream
from marey.recording import Recording, record
from marey.recording.plan import Settings
from marey.video.flow_cache import FlowCache


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


def forked(work: Callable[[], object]) -> int:
    """The id of a process that does the work; started by a fork before torch has threads, so that it begins at once."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def ended(pid: int) -> bool:
    """Whether the process ended well, once it has."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--kills", type=int, default=30)
    words.add_argument("--processes", type=int, default=4, help="that record at once in one folder")
    words.add_argument("--people", type=int, default=4, help="moving shapes: 12 clips of each")
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--out", type=Path, default=None)
    given = words.parse_args()
    torch.set_num_threads(1)
    place = Path(tempfile.mkdtemp(prefix="recording-kills-", dir=given.out))
    chance = random.Random(given.seed)
    try:
        folder = write_moving_shapes(place / "clips", people=given.people, takes=2, size=32, frames=9)
        found = class_folders(folder)
        net = network(found.classes)

        def recorded(name: str) -> Recording:
            cache = FlowCache(place / f"flow-{name}")
            settings = Settings(flow="dis", windows=2, batch=4)
            return record(net, list(found), out=place / name, settings=settings, cache=cache, workers=2, shard_clips=3)

        begun = time.monotonic()
        assert ended(forked(lambda: recorded("whole")))
        seconds = time.monotonic() - begun
        expected = hashes(place / "whole")
        print(f"{len(found)} clips, {len(expected)} files, {seconds:.1f} s uninterrupted")

        pids = [forked(lambda: recorded("together")) for _ in range(given.processes)]
        well = [ended(pid) for pid in pids] == [True] * len(pids)
        same = well and hashes(place / "together") == expected
        print(f"{given.processes} processes at once: {'the same' if same else 'DIFFERENT'}")

        different = kills = 0
        begun_files: list[int] = []
        while kills < given.kills:
            name = f"killed-{kills}"
            while kills < given.kills:
                pid = forked(lambda name=name: recorded(name))
                time.sleep(chance.uniform(0.02, seconds))
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    assert os.waitstatus_to_exitcode(status) == 0
                    break
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                kills += 1
                begun_files.append(len(list((place / name).rglob("*"))))
            well = ended(forked(lambda name=name: recorded(name)))
            different += not well or hashes(place / name) != expected
            shutil.rmtree(place / name, ignore_errors=True)
        print(f"{kills} kills, {different} different; files found after a kill: {begun_files}")
        raise SystemExit(0 if same and different == 0 else 1)
    finally:
        with suppress(OSError):
            shutil.rmtree(place)


if __name__ == "__main__":
    main()
