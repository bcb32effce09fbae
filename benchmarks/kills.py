"""Kills commands at random moments, runs the same line again until it ends, and compares with an uninterrupted one.

python benchmarks/kills.py flow maximize train record --kills 12
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import pyarrow
import torch
from forks import ended, forked
from safetensors import safe_open

import marey.evaluation.classify
import marey.maximization.run
import marey.recording
import marey.training.fit  # noqa: F401 -- what is imported here is there in every process
from marey.cli import run
from marey.families.network_file import NetworkFile, save
from marey.families.two_stream import TwoStream
from marey.studies import study_classes
from marey.studies.written import write_study_clips

CLASSES = study_classes()[:3]
TIMES = frozenset({"seconds", "sha256"})
"""Keys of stored times, which no two runs have in common, and of a hash over all that is stored."""

SMALL = {"size": 32, "width": 0.0625, "frames": 2, "stack": 3, "step": 3, "fc": 16, "tower_steps": 6, "fusion_steps": 6}
SMALL |= {"batch": 4, "validation": 0.0}

LINES: dict[str, list[str]] = {
    "flow": ["flow", "clips", "--form", "denseflow", "--out", "OUT"],
    "maximize": ["maximize", "net.safetensors", "classes", "--slowness", "0,5", "--steps", "8", "--out", "OUT"],
    "train": ["train", "clips", "--settings", "small.json", "--flow", "dis", "--out", "OUT/net.safetensors"],
    "record": ["record", "net.safetensors", "clips", "--flow", "dis", "--out", "OUT"],
}
"""The line of each command; OUT is another folder every time."""


def begun(line: list[str], out: str) -> int:
    """The id of a process that runs a line quietly, with a cache of its own."""

    def quiet() -> int:
        os.environ["MAREY_CACHE"] = f"cache-{out}"
        with Path(f"{out}.log").open("w", encoding="utf-8") as log:
            for stream in (sys.stdout, sys.stderr):
                os.dup2(log.fileno(), stream.fileno())
            return run([word.replace("OUT", out) for word in line])

    return forked(quiet)


def contents(folder: Path) -> dict[str, str]:
    """A hash of every file in a folder; of tensors and their description, without the times in it."""
    return {str(path.relative_to(folder)): _hash(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    if path.suffix != ".safetensors":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    with safe_open(path, framework="pt") as file:
        for name in sorted(file.keys()):
            values = file.get_tensor(name)
            digest.update(f"{name} {values.dtype} {list(values.shape)}".encode())
            digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
        said = {name: _timeless(json.loads(text)) for name, text in (file.metadata() or {}).items()}
    digest.update(json.dumps(said, sort_keys=True).encode())
    return digest.hexdigest()


def _timeless(value: object) -> object:
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if key not in TIMES}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value


def prepared(people: int) -> None:
    """Write the clips, the network and the settings that the lines name."""
    write_study_clips(Path(), people, 0, classes=CLASSES, size=32, frames=9)
    torch.manual_seed(0)
    module = TwoStream(len(CLASSES), size=32, width=1 / 16, frames=2, stack=3, step=3, fc=16).eval()
    save(NetworkFile(module, module.input_streams(), tuple(CLASSES), {}), "net.safetensors")
    Path("small.json").write_text(json.dumps(SMALL), encoding="utf-8")


def compared(command: str, kills: int, chance: random.Random) -> bool:
    """Whether a command that is killed again and again makes what an uninterrupted one makes; prints how it went."""
    line, whole = LINES[command], f"{command}-whole"
    start = time.monotonic()
    if ended(begun(line, whole)):
        print(f"{command}: failed uninterrupted: {Path(f'{whole}.log').read_text()}")
        return False
    seconds, expected = time.monotonic() - start, contents(Path(whole))
    killed, runs, wrong = 0, 0, 0
    while killed < kills:
        out, status = f"{command}-{killed}", -signal.SIGKILL
        while killed < kills:
            process = begun(line, out)
            time.sleep(chance.uniform(0.02, seconds))
            os.kill(process, signal.SIGKILL)  # until it is waited for, an ended process is still there
            status = ended(process)
            if status != -signal.SIGKILL:
                break
            killed += 1
        if status == -signal.SIGKILL:
            status = ended(begun(line, out))
        runs += 1
        found = contents(Path(out))
        differing = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        if status or differing:
            wrong += 1
            print(f"{command}: {', '.join(differing[:5])} differ; status {status}: {Path(f'{out}.log').read_text()}")
        shutil.rmtree(out, ignore_errors=True)
    print(
        f"{command}: {kills} kills, {wrong} of {runs} different; {len(expected)} files, {seconds:.1f} s uninterrupted"
    )
    return wrong == 0


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("commands", nargs="+", choices=tuple(LINES))
    words.add_argument("--kills", type=int, default=12)
    words.add_argument("--people", type=int, default=4, help="clips of each of three classes")
    words.add_argument("--seed", type=int, default=0)
    given = words.parse_args()
    torch.set_num_threads(1)
    pyarrow.array([0])  # which loads pandas where that is installed: here once, not in every process
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        os.chdir(place)
        # by a process of its own, as OpenCV's threads would not be there in those that are forked from this one
        assert ended(forked(lambda: prepared(given.people))) == 0
        chance = random.Random(given.seed)
        same = [compared(command, given.kills, chance) for command in given.commands]
        os.chdir("/")
    raise SystemExit(0 if all(same) else 1)


if __name__ == "__main__":
    main()
