"""Training of a two-stream network: appearance tower, motion tower, then both with the fusion."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from marey._version import __version__
from marey.accelerate.memory import free_memory
from marey.datasets.clip_set import classes_of
from marey.datasets.skipped_clip import SkippedClip
from marey.datasets.splits import Split
from marey.errors import DatasetError, MareyError, OutputError, WeightsError
from marey.evaluation.accuracy import Evaluation, averaged
from marey.families.network_file import NetworkFile, check_name, open_network, save
from marey.families.two_stream import TwoStream
from marey.families.vgg_weights import checked_digest, load_vgg
from marey.families.weights import take_weights, weights_hash
from marey.network.stream import Stream
from marey.threads import clip_threads
from marey.training.arithmetic import repeatable
from marey.training.runner import Runner, TrainingProgress
from marey.training.saved_state import first_difference
from marey.training.settings import Settings
from marey.training.stage import clip_probabilities, seeded
from marey.training.training_data import WORKERS, TrainingData, loaded_data
from marey.video.flow.cache import FlowCache


@dataclass(frozen=True)
class Trained:
    """A finished training: the content of the network's file, and its accuracy on the clips held out.

    results
        {"appearance", "motion", "late", "fusion": evaluation on the clips held out}; empty when none were held out. The
        first three exist, as `late` does, where towers had stages of their own.
    before
        whether the network was finished before, and nothing was done; without results.
    skipped
        clips that are missing or cannot be read; they neither trained nor tested.
    late
        the same towers before the fusion changed them, each with its own classifier: the mean of their scores.
    """

    file: NetworkFile
    results: Mapping[str, Evaluation]
    interrupted: bool = False
    skipped: tuple[SkippedClip, ...] = ()
    late: NetworkFile | None = None
    before: bool = False


@dataclass(frozen=True)
class _Start:
    """The weights that networks start from: random ones, and on them those of a network or of an ImageNet VGG-16."""

    network: NetworkFile | None
    imagenet: Path | None

    def __post_init__(self) -> None:
        if self.network is not None and self.imagenet is not None:
            raise MareyError("training starts from a network or from ImageNet weights, got both; give one of them.")

    def put_into(self, module: TwoStream) -> None:
        """Copy the weights that fit into `module`."""
        if self.network is not None:
            take_weights(module, self.network.module)
        if self.imagenet is not None:
            load_vgg(module, self.imagenet)

    def to_json(self) -> dict[str, str]:
        """The hashes of the weights, as plain values for JSON."""
        named = {} if self.network is None else {"start": weights_hash(self.network.module)}
        return named if self.imagenet is None else {**named, "imagenet": checked_digest(self.imagenet)}

    @property
    def given(self) -> bool:
        """Whether networks start from weights that were learned before."""
        return self.network is not None or self.imagenet is not None


def train(
    split: Split,
    out: str | Path,
    *,
    settings: Settings | None = None,
    name: str = "",
    cache: FlowCache | None = None,
    start: NetworkFile | None = None,
    imagenet: str | Path | None = None,
    again: bool = False,
    device: str | torch.device = "cpu",
    windows: int = 5,
    save_seconds: float = 60.0,
    memory_bytes: int | None = None,
    on_load: Callable[[int, int], None] | None = None,
    on_step: Callable[[TrainingProgress], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Trained:
    """Train on `split.train`, evaluate on `split.held_out`, write the network to `out` (.safetensors).

    Clips are kept in memory, resized, with their flow, as far as `memory_bytes` go (None: half of the free memory); the
    others are decoded again at each use, their flow coming from the cache. The result does not depend on it. The state
    is saved beside `out` every `save_seconds` and on Ctrl-C; the same call goes on from it, and removes it when done.
    Nothing is chosen by the clips held out. A network that these settings and clips made before is given back as it is.

    start
        a network to start from, which may have other classes: weights whose names and shapes fit are taken (build the
        same with `Settings.built_as`), the others are random.
    imagenet
        a file of VGG-16 weights in torchvision's format, from which networks of width 1 start, see `load_vgg`.
    again
        whether to train anew where `out` is a finished network.
    on_load, on_step, on_note
        told how many clips of how many are loaded, every step, and in one line what the user should know.

    Raises DatasetError for a split without clips or a state of other settings, VideoError when no clip of a class can
    be read, WeightsError or NetworkError for weights that do not fit, OutputError for an `out` that cannot be
    written or is another finished network; all of them before the long part.
    """
    settings = settings if settings is not None else Settings()
    out = _writable(Path(out))
    classes = _classes(split)
    begin = _Start(start, None if imagenet is None else Path(imagenet))
    begun = time.monotonic()
    shown = _shown(len(classes), settings, begin)
    key = {**settings.to_json(), "classes": list(classes), **begin.to_json()}
    asked = _clips_hash(split)
    if out.exists() and not again:
        file = _finished(out, key, asked)
        _state(out).unlink(missing_ok=True)
        return Trained(file, {}, before=True)
    with repeatable(), clip_threads(WORKERS) as pool:
        data = loaded_data(
            split,
            classes,
            shown,
            settings,
            cache=cache if cache is not None else FlowCache(),
            memory=free_memory() // 2 if memory_bytes is None else memory_bytes,
            pool=pool,
            on_load=on_load,
            on_note=on_note,
        )
        key["clips"] = sorted(f"{clip.label}/{clip.path.name}" for clip in data.train.sources)
        runner = Runner(
            settings,
            data,
            _state(out),
            key,
            torch.device(device),
            save_seconds=save_seconds,
            on_step=on_step,
            on_note=on_note,
            begun=begun,
        )
        towers = _towers(runner, len(classes), begin)
        network = _network(runner, len(classes), begin, towers)
        tested = data.held_out and not runner.interrupted
        results = _results(towers, network, data, split, windows=windows) if tested else {}
    provenance = {**_provenance(name, split, runner, begin, results), "clips_hash": asked}
    file = NetworkFile(network, shown, classes, provenance)
    if runner.interrupted:
        return Trained(file, results, interrupted=True, skipped=data.skipped)
    save(file, out)
    runner.path.unlink(missing_ok=True)
    late = replace(file, module=_late(towers, settings)) if towers else None
    return Trained(file, results, skipped=data.skipped, late=late)


def _state(out: Path) -> Path:
    """Where the state of an unfinished training is kept."""
    return out.with_name(out.name + ".training")


def _clips_hash(split: Split) -> str:
    """SHA-256 over the classes and file names of the clips on both sides of a split, in any order."""
    sides = [sorted(f"{clip.label}/{clip.path.name}" for clip in side) for side in (split.train, split.held_out)]
    return hashlib.sha256(json.dumps(sides).encode()).hexdigest()


def _finished(out: Path, key: Mapping[str, Any], clips: str) -> NetworkFile:
    """The finished network at `out`; OutputError when it is not what a training with `key` and `clips` makes."""
    try:
        file = open_network(out)
    except WeightsError as error:
        raise OutputError(
            f"{error} It is not overwritten: give another --out, or --again to train in its place."
        ) from None
    made = file.provenance
    starts = {name: made.get(name) for name in ("start", "imagenet")}
    before = {**made.get("settings", {}), **starts, "classes": list(file.classes)}
    what = first_difference(before, {**dict.fromkeys(starts), **key}) if "settings" in made else "no settings"
    if what is None and made.get("clips_hash") != clips:
        what = "other clips"
    if what is not None:
        raise OutputError(
            f"'{out}' is a finished network with {what}; give another --out, or --again to train anew in its place."
        )
    return file


def _classes(split: Split) -> tuple[str, ...]:
    """The classes that are trained, at least two; DatasetError where a class is held out as a whole."""
    classes = classes_of(split.train)
    if len(classes) < 2:
        raise DatasetError(f"there are {len(classes)} classes to train on; expected clips of at least two.")
    unknown = {clip.label for clip in split.held_out} - set(classes)
    if unknown:
        raise DatasetError(
            f"class '{min(map(str, unknown))}' is held out as a whole; hold out groups that leave some of it."
        )
    return classes


def _shown(classes: int, settings: Settings, begin: _Start) -> tuple[Stream, ...]:
    """The streams of the network, which must take the weights that it starts from."""
    with seeded(settings.seed):
        network = TwoStream(classes, **settings.architecture())
    begin.put_into(network)
    return network.input_streams()


def _towers(runner: Runner, classes: int, begin: _Start) -> dict[str, TwoStream]:
    """{name of its stage: trained tower}."""
    towers = {}
    settings = runner.settings
    rates = settings.tower_rates() if begin.given else {"": 1.0}
    for stage, stream in (("appearance", "rgb"), ("motion", "flow")):
        if stage not in settings.stages:
            continue
        with seeded(settings.seed):  # for each network, so that a resumed run starts it from the same weights
            tower = TwoStream(classes, **{**settings.architecture(), "frames": 1}, streams=(stream,))
        begin.put_into(tower)
        towers[stage] = runner.finished(stage, tower, steps=settings.tower_steps, batch=settings.batch, rates=rates)
    return towers


def _network(runner: Runner, classes: int, begin: _Start, towers: Mapping[str, TwoStream]) -> TwoStream:
    """The network of the trained towers after the stage of its fusion."""
    settings = runner.settings
    late = settings.fusion == "late"
    with seeded(settings.seed):
        network = TwoStream(
            classes,
            **settings.architecture(),
            fusion=settings.fusion,
            auxiliary=settings.auxiliary and not late,
        )
    begin.put_into(network)
    trained = {key: value for tower in towers.values() for key, value in tower.state_dict().items()}
    fitting = {key: value for key, value in trained.items() if key in network.state_dict()}
    network.load_state_dict(fitting, strict=False)
    if late:
        return network.to(runner.device).eval()
    return runner.finished(
        "fusion", network, steps=settings.fusion_steps, batch=settings.fusion_batch, rates=settings.fusion_rates()
    )


def _late(towers: Mapping[str, TwoStream], settings: Settings) -> TwoStream:
    """The mean of the towers' scores as one network."""
    (classes,) = {tower.config["classes"] for tower in towers.values()}
    with seeded(settings.seed):
        network = TwoStream(classes, **settings.architecture(), fusion="late")
    weights = {key: value for tower in towers.values() for key, value in tower.state_dict().items()}
    network.load_state_dict(weights)
    return network.eval()


def _writable(out: Path) -> Path:
    """`out`; OutputError when no network can be written there."""
    check_name(out)
    if not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise OutputError(f"no network can be written to '{out.parent}'; name a folder that exists and can be written.")
    if out.is_dir():
        raise OutputError(f"'{out}' is a folder; name a file for the network.")
    return out


def _results(
    towers: Mapping[str, TwoStream], network: TwoStream, data: TrainingData, split: Split, *, windows: int
) -> dict[str, Evaluation]:
    """Evaluations of the towers, of the mean of their scores and of the network, on the clips held out."""
    labels = data.labels(data.held_out)
    names = tuple(str(clip.path) for clip in data.held_out.sources)
    tested = {str(clip.path) for clip in split.held_out}
    skipped = tuple(one for one in data.skipped if one.path in tested)
    padded = tuple(str(clip.path) for clip in data.held_out.sources if clip in data.short)
    damaged = tuple((str(clip.path), data.damaged[clip]) for clip in data.held_out.sources if clip in data.damaged)

    def evaluation(module: TwoStream, streams: tuple[Stream, ...]) -> Evaluation:
        probabilities = clip_probabilities(module, streams, data.held_out, windows=windows)
        return Evaluation(data.classes, names, labels, probabilities, skipped, padded, damaged)

    found = {name: evaluation(tower, tower.input_streams()) for name, tower in towers.items()}
    if towers:
        found["late"] = averaged([found["appearance"], found["motion"]])
    found["fusion"] = evaluation(network, network.input_streams())
    return found


def _provenance(
    name: str, split: Split, runner: Runner, begin: _Start, results: Mapping[str, Evaluation]
) -> dict[str, Any]:
    """How the network was made, as plain values for JSON."""
    data, done = runner.data, runner.state["done"]
    before = {} if begin.network is None else {"before": dict(begin.network.provenance)}
    return {
        "data": name,
        "clips": {"train": len(data.train), "watched": len(data.watched), "held_out": len(data.held_out)},
        "skipped": len(data.skipped),
        "held_out_groups": list(split.held_out_groups),
        "settings": runner.settings.to_json(),
        "steps": {stage: one["step"] for stage, one in done.items()},
        "arithmetic": {stage: "bfloat16" if one["bf16"] else "float32" for stage, one in done.items()},
        "threads": runner.state["threads"],
        "seconds": round(runner.seconds, 1),
        "results": {kind: evaluation.to_json() for kind, evaluation in results.items()},
        "versions": {"marey": __version__, "torch": str(torch.__version__)},
        **begin.to_json(),
        **before,
    }
