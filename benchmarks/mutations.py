"""Changes files that marey reads at random, and looks at what comes: refused in a line, equal, or something worse.

python benchmarks/mutations.py --count 2000
python benchmarks/mutations.py --count 1 --seed 17 --of preferred --verbose    # one again, with what was said

Each mutation is read in a process of its own, forked after the imports, with a time limit. Only the first two outcomes
are right. A video has no checksum: of a changed one only the other clips must be equal.
"""

import argparse
import json
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from marey.datasets import class_folders
from marey.draw.preferred_input import draw
from marey.errors import MareyError
from marey.families.network_file import NetworkFile, open_network, save
from marey.families.two_stream import TwoStream
from marey.maximization.recipe import Recipe
from marey.maximization.result import FILE, PreferredInput
from marey.maximization.run import maximize
from marey.recording import Recording, RecordingSettings, exemplars, record
from marey.studies.written import write_study_clips
from marey.video.flow.cache import FlowCache
from marey.video.read.ahead import clip_windows

CLASSES = ("walk", "wave", "bounce_red_ball")
SETTINGS = RecordingSettings(windows=2, flow="dis", batch=4)
LIMIT_SECONDS = 60.0
GOOD = ("refused", "equal")

Found = dict[str, str]
"""What was read: {what: a hash of it, or "refused: " and why}."""


@dataclass(frozen=True)
class Case:
    """One kind of thing that is read: files under `folder`, and how all that is in them is read."""

    name: str
    folder: Path
    read: Callable[[Path], Found]
    files: Callable[[Path], list[Path]]


def hashed(value: Any) -> str:
    """A hash of any value that is read."""
    if isinstance(value, torch.Tensor):
        value = (value.dtype, tuple(value.shape), value.numpy(force=True).tobytes())
    return sha256(repr(value).encode()).hexdigest()


def parts_read(parts: dict[str, Callable[[], Any]]) -> Found:
    """Each part, whatever becomes of the others."""
    found: Found = {}
    for name, read in parts.items():
        try:
            found[name] = hashed(read())
        except MareyError as error:
            found[name] = f"refused: {error}"
    return found


def read_recording(folder: Path) -> Found:
    """All that can be asked of a recording."""
    recording = Recording.open(folder)
    parts: dict[str, Callable[[], Any]] = {
        "layers": lambda: list(recording.layers.items()),
        "streams": lambda: recording.streams,
        "classes": lambda: (recording.classes, recording.summary, repr(recording).replace(str(folder), "")),
        "clips": lambda: [recording.clips.to_pylist()],
        "listed": lambda: (recording.skipped, recording.damaged, recording.padded, recording.speeds()),
        "top": lambda: [recording.top(f"{layer}:0", 3) for layer in recording.layers],
        "class": lambda: recording.top(recording.classes[0], 3),
        "maxima": lambda: [*recording.maxima().tensors().items()],
        "bounds": lambda: recording.maxima().bounds,
        "evaluation": lambda: hashed(recording.evaluation().probabilities),
        "exemplars": lambda: [hashed(w) for one in exemplars(recording, "fc6:0", 1) for w in one.window.values()],
    }
    for layer in recording.layers:
        units = recording.layers[layer].units
        parts[f"units of {layer}"] = lambda layer=layer, units=units: recording.units(layer, 0, units).to_pylist()
        parts[f"statistics of {layer}"] = lambda layer=layer: recording.statistics(layer).to_pylist()
    return parts_read(parts)


def read_preferred(folder: Path) -> Found:
    """A result, and whether it can be drawn."""
    result = PreferredInput.open(folder)
    tensors = {**result.frames, "history": result.history.nan_to_num()}
    parts: dict[str, Callable[[], Any]] = {name: lambda values=values: values for name, values in tensors.items()}
    return parts_read({"values": result.to_json, **parts, "drawn": lambda: draw(result, folder) and None})


def read_network(folder: Path) -> Found:
    """A network, and what it says to a clip at rest."""
    file = open_network(folder / "net.safetensors")
    network = file.network(name="net")
    return parts_read(
        {
            "described": lambda: (file.streams, file.classes, file.provenance, network.weights_hash),
            "maxima": lambda: [(name, hashed(one)) for name, one in file.maxima.tensors().items()],
            "scores": lambda: network.forward(network.rest()),
        }
    )


def read_clips(folder: Path) -> Found:
    """The windows of every clip, decoded."""
    clips = class_folders(folder / "clips")
    streams = TwoStream(3, size=32, width=1 / 16, frames=2, stack=3, step=3, fc=16).input_streams()

    def windows(clip: Any) -> Any:
        made = clip_windows(clip, streams, count=2, flow="dis", cache=None)
        return [hashed(values) for values in made.inputs(streams).values()]

    return parts_read({str(clip.path.relative_to(folder)): lambda clip=clip: windows(clip) for clip in clips})


def read_unfinished(folder: Path) -> Found:
    """The files of a recording that was stopped and goes on."""
    found = recorded(folder, folder.parent / "clips")
    return {str(path.relative_to(folder)): hashed(path.read_bytes()) for path in files_in(found.folder)}


def files_in(folder: Path) -> list[Path]:
    """All files, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


# ---- what is changed


def small_network() -> NetworkFile:
    """A network of random weights, with maxima."""
    torch.manual_seed(0)
    module = TwoStream(len(CLASSES), size=32, width=1 / 16, frames=2, stack=3, step=3, fc=16).eval()
    return NetworkFile(module, tuple(module.input_streams()), CLASSES, {"seed": 0})


def recorded(folder: Path, clips: Path, stop_after: int | None = None) -> Recording:
    """The recording of the clips; `stop_after` so many clips it is stopped."""

    def report(done: int, _: int) -> None:
        if stop_after is not None and done >= stop_after:
            raise KeyboardInterrupt

    layers = ["rgb.conv1_1", "fusion.*", "fc6", "scores"]
    network = small_network().network(name="small")
    found = list(class_folders(clips / "clips"))
    cache = FlowCache(clips / "cache")
    return record(network, found, layers, out=folder, settings=SETTINGS, cache=cache, shard_clips=2, report=report)


def make(place: Path) -> None:
    """Clips, a recording of them, one that was stopped, a network, and a preferred input."""
    write_study_clips(place / "clips", 2, 0, classes=CLASSES, size=48, frames=12)
    recording = recorded(place / "recording", place / "clips")
    with suppress(KeyboardInterrupt):
        recorded(place / "unfinished", place / "clips", stop_after=4)
    file = replace(small_network(), maxima=recording.maxima())
    (place / "network").mkdir()
    save(file, place / "network" / "net.safetensors")
    maximize(file.network(name="net"), "walk", recipe=Recipe(slowness=(0, 5), steps=2)).save(place / "preferred")


def cases(place: Path) -> list[Case]:
    """What was made in `place`."""

    def only(name: str) -> Callable[[Path], list[Path]]:
        return lambda folder: [folder / name]

    return [
        Case("recording", place / "recording", read_recording, files_in),
        Case("preferred", place / "preferred", read_preferred, only(FILE)),
        Case("network", place / "network", read_network, only("net.safetensors")),
        Case("clips", place / "clips", read_clips, lambda folder: files_in(folder / "clips")),
        Case("unfinished", place / "unfinished", read_unfinished, files_in),
    ]


# ---- changes


def changed_bytes(content: bytes, chance: random.Random) -> tuple[str, bytes]:
    """The content with a change of bytes, and its name."""
    size, data = len(content), bytearray(content)
    place = chance.randrange(size)
    length = min(size - place, 2 ** chance.randrange(13))
    kind = chance.choice(["bit", "bit", "bit", "bits", "cut", "zeros", "noise", "moved", "longer", "empty"])
    if kind in ("bit", "bits"):
        for _ in range(1 if kind == "bit" else chance.randrange(2, 50)):
            data[chance.randrange(size)] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del data[place:]
    elif kind == "zeros":
        data[place : place + length] = bytes(length)
    elif kind == "noise":
        data[place : place + length] = chance.randbytes(length)
    elif kind == "moved":
        other = chance.randrange(size)
        data[place : place + length] = content[other : other + length]
    else:
        data = bytearray() if kind == "empty" else data + chance.randbytes(length)
    return kind, bytes(data)


WRONG = (
    *("abc", "", "../../etc/passwd", "/etc/passwd", "\x1b[31m\n\x00", "\u202e"),
    *(-1, 0, 1, 2, 10**6, 10**30, 0.5, -0.5, 1e308, float("nan"), float("inf")),
    *(None, True, False, [], [1, 2], ["a"], [[]], {}, {"a": 1}),
)


def changed_json(text: str, chance: random.Random) -> tuple[str, str]:
    """The text with a wrong value at a random place in it: still JSON, and the name of the change."""
    values = json.loads(text)
    holder, key = {"all": values}, "all"
    while isinstance(holder[key], dict | list) and holder[key] and (holder[key] is values or chance.random() < 0.8):
        holder = holder[key]
        key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    kind = chance.choice(["wrong", "wrong", "wrong", "wrong", "gone", "more", "twice", "deep", "sibling"])
    if kind == "wrong":
        holder[key] = chance.choice(WRONG)
    elif kind == "gone":
        del holder[key]
    elif kind == "sibling":
        other = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        holder[key], holder[other] = holder[other], holder[key]
    elif kind == "more":
        inside = holder[key] if isinstance(holder[key], dict) else {}
        holder[key] = {chance.choice(["a", "__class__", "", "checksum"]): chance.choice(WRONG), **inside}
    else:
        holder[key] = "MARK"
        inside = "[" * 10**5 + "]" * 10**5 if kind == "deep" else '{"a": 1, "a": 2}'
        return kind, json.dumps(values).replace('"MARK"', inside)
    return kind, json.dumps(values)


def changed_description(content: bytes, chance: random.Random) -> tuple[str, bytes]:
    """A safetensors file with another description, or another header around it."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    (entry,) = header["__metadata__"]
    if chance.random() < 0.7:
        kind, header["__metadata__"][entry] = changed_json(header["__metadata__"][entry], chance)
        text = json.dumps(header)
    else:
        kind, text = changed_json(json.dumps(header), chance)
    data = text.encode()
    return kind, struct.pack("<Q", len(data)) + data + content[8 + length :]


def mutate(case: Case, folder: Path, chance: random.Random) -> str:
    """Change a file in the folder; says what was done."""
    path = chance.choice(case.files(folder))
    name = str(path.relative_to(folder))
    if path.suffix in (".json", ".safetensors") and chance.random() < 0.5:
        if path.suffix == ".json":
            kind, text = changed_json(path.read_text(), chance)
            path.write_text(text)
        else:
            kind, content = changed_description(path.read_bytes(), chance)
            path.write_bytes(content)
        return f"{name}: {kind} (JSON)"
    way = chance.choice(["bytes"] * 8 + ["removed", "renamed", "exchanged"])
    if way == "bytes" and path.stat().st_size:
        kind, content = changed_bytes(path.read_bytes(), chance)
        path.write_bytes(content)
        return f"{name}: {kind}"
    if way == "renamed":
        path.rename(path.with_name(f"renamed-{path.name}"))
    elif way == "exchanged":
        other = chance.choice(case.files(folder))
        mine, theirs = path.read_bytes(), other.read_bytes()
        path.write_bytes(theirs)
        other.write_bytes(mine)
        way = f"exchanged with {other.relative_to(folder)}"
    else:
        path.unlink()
    return f"{name}: {way}"


# ---- outcomes


def in_child(work: Callable[[], Any]) -> tuple[str, Any]:
    """("done", what the work returns), or ("refused" | "traceback" | "signal" | "hang", what was said)."""
    with tempfile.TemporaryFile("w+") as answer:
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
                try:
                    said: tuple[str, Any] = ("done", work())
                except MareyError as error:
                    said = ("refused", str(error))
                except BaseException:  # noqa: BLE001 -- what it is about
                    said = ("traceback", traceback.format_exc())
                answer.write(json.dumps(said))
                answer.flush()
            finally:
                os._exit(0)
        end = time.monotonic() + LIMIT_SECONDS
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                break
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return "hang", f"more than {LIMIT_SECONDS:g} s"
            time.sleep(0.002)
        if os.WIFSIGNALED(status):
            return "signal", signal.Signals(os.WTERMSIG(status)).name
        answer.seek(0)
        kind, content = json.loads(answer.read())
        return kind, content


def outcome(case: Case, before: Found, changed: str, came: tuple[str, Any]) -> tuple[str, str]:
    """The word for what came, and the line that was said."""
    kind, content = came
    if kind == "refused":
        return ("refused" if "\n" not in content else "lines"), content
    if kind != "done":
        return kind, str(content)
    found: Found = content
    refused = [text for text in found.values() if text.startswith("refused: ")]
    if case.name == "clips":  # a changed video may show anything, or may no longer be a clip
        own = {name for name in (*before, *found) if name.replace("renamed-", "") in changed}
        found = {name: value for name, value in found.items() if name not in own}
        before = {name: value for name, value in before.items() if name in found}
    wrong = [name for name, value in found.items() if not value.startswith("refused: ") and value != before.get(name)]
    if wrong:
        return "DIFFERENT", ", ".join(wrong)
    if any("\n" in text for text in refused):
        return "lines", "; ".join(refused)
    return ("refused", refused[0]) if refused else ("equal", "")


def mutations(place: Path, seeds: range, names: tuple[str, ...] = ()) -> list[tuple[int, str, str, str, str]]:
    """(seed, what was changed, how, outcome, what was said) of each seed; the things are made in `place`."""
    kind, said = in_child(lambda: make(place))
    assert kind == "done", said
    every = [case for case in cases(place) if not names or case.name in names]
    results = []
    originals: dict[str, Found] = {}
    for seed in seeds:
        chance = random.Random(seed)
        case = every[seed % len(every)]
        folder = place / f"{case.name}-changed"

        def copied(case: Case = case, folder: Path = folder) -> Path:
            shutil.rmtree(folder, ignore_errors=True)
            return shutil.copytree(case.folder, folder)

        if case.name not in originals:
            copied()
            kind, found = in_child(lambda case=case, folder=folder: case.read(folder))
            assert kind == "done", found
            originals[case.name] = found
        how = mutate(case, copied(), chance)
        came = in_child(lambda case=case, folder=folder: case.read(folder))
        word, said = outcome(case, originals[case.name], how, came)
        results.append((seed, case.name, how, word, said))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="of the first mutation")
    parser.add_argument("--of", action="append", default=[], help="recording, preferred, network, clips, unfinished")
    parser.add_argument("--verbose", action="store_true", help="also print what was refused")
    options = parser.parse_args()
    torch.set_num_threads(1)
    np.seterr(all="ignore")
    with tempfile.TemporaryDirectory() as place:
        start = time.monotonic()
        seeds = range(options.seed, options.seed + options.count)
        results = mutations(Path(place), seeds, tuple(options.of))
        seconds = time.monotonic() - start
    for seed, name, how, word, said in results:
        if word not in GOOD or options.verbose:
            print(f"seed {seed}, {name}, {how!r}: {word}: {said.strip() if options.verbose else said.strip()[-300:]}")
    counts = Counter((name, word) for _, name, _, word, _ in results)
    for (name, word), count in sorted(counts.items()):
        print(f"{name:>12} {word:>10} {count:5}")
    print(f"{len(results)} mutations in {seconds:.0f} s")
    sys.exit(any(word not in GOOD for *_, word, _ in results))


if __name__ == "__main__":
    main()
