"""What is made, and how all that is in it is read."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

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
