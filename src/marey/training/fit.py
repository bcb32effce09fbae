"""Training of a two-stream network: appearance tower, motion tower, then both with the fusion."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from marey._version import __version__
from marey.datasets.clip_set import classes_of
from marey.datasets.skipped_clip import SkippedClip
from marey.datasets.splits import Split
from marey.errors import DatasetError, OutputError
from marey.evaluation.accuracy import Evaluation, averaged
from marey.families.two_stream import TwoStream
from marey.families.weights import NetworkFile, save, take_weights, weights_hash
from marey.network.hooks import lay_channels_last
from marey.network.stream import Stream
from marey.threads import clip_threads
from marey.training.clip_store import free_memory
from marey.training.saved_state import open_state, save_state
from marey.training.settings import Settings
from marey.training.stage import Stage, clip_probabilities, faster_in_bf16, seeded
from marey.training.training_data import WORKERS, TrainingData, loaded_data
from marey.video.flow.cache import FlowCache

_SHARES = {"appearance": 0.25, "motion": 0.3, "fusion": 0.45}
"""Parts of `Settings.minutes`; what a stage leaves over is for those after it."""


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training is: the stage, its steps, the recent training loss."""

    stage: str
    step: int
    steps: int
    loss: float


@dataclass(frozen=True)
class Trained:
    """A finished training: the file's content and how it does on the clips left out.

    results
        {"appearance", "motion", "late", "fusion": evaluation on the clips held out}; empty when none were. The first
        three, and `late`, are those of towers with stages of their own.
    left_out
        clips that are missing or cannot be read; they neither trained nor tested.
    late
        the same towers, each with its own classifier, before the fusion changed them: the mean of their scores.
    """

    file: NetworkFile
    results: Mapping[str, Evaluation]
    interrupted: bool = False
    left_out: tuple[SkippedClip, ...] = ()
    late: NetworkFile | None = None


def train(
    split: Split,
    out: str | Path,
    *,
    settings: Settings | None = None,
    name: str = "",
    cache: FlowCache | None = None,
    start: NetworkFile | None = None,
    device: str | torch.device = "cpu",
    windows: int = 5,
    save_seconds: float = 60.0,
    memory_bytes: int | None = None,
    on_load: Callable[[int, int], None] | None = None,
    on_step: Callable[[TrainingProgress], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Trained:
    """Train on `split.train`, evaluate on `split.held_out`, write the network to `out` (.safetensors).

    Clips are kept in memory, resized, with their flow, as far as `memory_bytes` go (None: half of what is free); the
    others are decoded again at each use, their flow coming from the cache. The result does not depend on it. The state
    is saved beside `out` every `save_seconds` and on Ctrl-C; the same call goes on from it, and removes it when done.
    Nothing is chosen by the clips held out. `start` is a network to start from, which may have other classes: the
    weights whose names and shapes fit are taken (build the same with `Settings.built_as`), the others are random.
    `on_note` is told, in a line, what the user should know.

    Raises DatasetError for a split without clips or a state of other settings, VideoError when no clip of a class can
    be read, OutputError, before the long part, for an `out` that cannot be written.
    """
    settings = settings if settings is not None else Settings()
    out = _writable(Path(out))
    classes = classes_of(split.train)
    if len(classes) < 2:
        raise DatasetError(f"there are {len(classes)} classes to train on; expected clips of at least two.")
    unknown = {clip.label for clip in split.held_out} - set(classes)
    if unknown:
        raise DatasetError(
            f"class '{min(map(str, unknown))}' is held out as a whole; hold out groups that leave some of it."
        )
    begun = time.monotonic()
    with seeded(settings.seed):
        shown = TwoStream(len(classes), **settings.architecture()).input_streams()
    cache = cache if cache is not None else FlowCache()
    memory = free_memory() // 2 if memory_bytes is None else memory_bytes
    with clip_threads(WORKERS) as pool:
        data = loaded_data(
            split,
            classes,
            shown,
            settings,
            cache=cache,
            memory=memory,
            pool=pool,
            on_load=on_load,
            on_note=on_note,
        )
        paths = sorted(f"{clip.label}/{clip.path.name}" for clip in data.train.sources)
        started = {} if start is None else {"start": weights_hash(start.module)}
        key = {**settings.record(), "classes": list(classes), "clips": paths, **started}
        state_path = out.with_name(out.name + ".training")
        state = open_state(state_path, key) or {"settings": key, "done": {}, "current": None, "seconds": 0.0}
        runner = _Runner(
            settings,
            data,
            state,
            state_path,
            torch.device(device),
            save_seconds=save_seconds,
            on_step=on_step,
            begun=begun,
        )
        towers, network = _fitted(runner, len(classes), start)
        tested = data.held_out and not runner.interrupted
        results = _results(towers, network, data, split, windows=windows) if tested else {}
    provenance = _provenance(name, split, data, settings, runner=runner, results=results) | started
    if start is not None:
        provenance["before"] = dict(start.provenance)
    file = NetworkFile(network, shown, classes, provenance)
    if runner.interrupted:
        return Trained(file, results, interrupted=True, left_out=data.left_out)
    save(file, out)
    state_path.unlink(missing_ok=True)
    late = NetworkFile(_late(towers, settings), shown, classes, provenance) if towers else None
    return Trained(file, results, left_out=data.left_out, late=late)


def _fitted(runner: "_Runner", classes: int, start: NetworkFile | None) -> tuple[dict[str, TwoStream], TwoStream]:
    """The towers by the names of their stages, and the network that is made of them, trained."""
    towers = {}
    tower_rates = {"": 1.0} if start is None else runner.settings.tower_rates()
    for stage_name, stream in (("appearance", "rgb"), ("motion", "flow")):
        if stage_name not in runner.settings.stages:
            continue
        with seeded(runner.settings.seed):  # for each network, so that a resumed run starts it from the same weights
            tower = TwoStream(classes, **{**runner.settings.architecture(), "frames": 1}, streams=(stream,))
        if start is not None:
            take_weights(tower, start.module)
        towers[stage_name] = runner.finished(
            stage_name, tower, steps=runner.settings.tower_steps, batch=runner.settings.batch, rates=tower_rates
        )
    with seeded(runner.settings.seed):
        network = TwoStream(
            classes,
            **runner.settings.architecture(),
            fusion=runner.settings.fusion,
            auxiliary=runner.settings.auxiliary and runner.settings.fusion != "late",
        )
    if start is not None:
        take_weights(network, start.module)
    trained = {key: value for tower in towers.values() for key, value in tower.state_dict().items()}
    fitting = {key: value for key, value in trained.items() if key in network.state_dict()}
    network.load_state_dict(fitting, strict=False)
    if runner.settings.fusion == "late":
        network.to(runner.device).eval()
    else:
        network = runner.finished(
            "fusion",
            network,
            steps=runner.settings.fusion_steps,
            batch=runner.settings.fusion_batch,
            rates=runner.settings.fusion_rates(),
        )
    return towers, network


def _late(towers: Mapping[str, TwoStream], settings: Settings) -> TwoStream:
    """The mean of the towers' scores as one network."""
    (classes,) = {tower.config["classes"] for tower in towers.values()}
    with seeded(settings.seed):
        network = TwoStream(classes, **settings.architecture(), fusion="late")
    weights = {key: value for tower in towers.values() for key, value in tower.state_dict().items()}
    network.load_state_dict(weights)
    return network.eval()


def _writable(out: Path) -> Path:
    if out.suffix != ".safetensors":
        raise OutputError(f"'{out}' does not end in .safetensors, which is what networks are saved as.")
    if not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise OutputError(f"no network can be written to '{out.parent}'; name a folder that exists and can be written.")
    if out.is_dir():
        raise OutputError(f"'{out}' is a folder; name a file for the network.")
    return out


class _Runner:
    """Runs stages one after the other, keeps the state on disk, and stops all that follows at Ctrl-C."""

    def __init__(
        self,
        settings: Settings,
        data: TrainingData,
        state: dict[str, Any],
        path: Path,
        device: torch.device,
        *,
        save_seconds: float,
        on_step: Callable[[TrainingProgress], None] | None,
        begun: float,
    ) -> None:
        self.settings, self.data, self.state, self.path, self.device = settings, data, state, path, device
        self.save_seconds, self.on_step, self.begun = save_seconds, on_step, begun
        self.interrupted = False
        self.before = float(state["seconds"])

    @property
    def seconds(self) -> float:
        """Time spent so far, in earlier runs too."""
        return self.before + time.monotonic() - self.begun

    def finished(self, name: str, module: TwoStream, *, steps: int, batch: int, rates: dict[str, float]) -> TwoStream:
        """The module after the stage `name`: trained now, or as an earlier run left it."""
        lay_channels_last(module)
        module.to(self.device)
        done = self.state["done"].get(name)
        if done is not None:
            module.load_state_dict(done["module"])
            return module.eval()
        if self.interrupted:
            return module.eval()
        streams = module.input_streams()
        current = self.state["current"]
        resumed = current is not None and current["name"] == name
        stage = Stage(
            name=name,
            module=module,
            streams=streams,
            clips=self.data.train,
            labels=self.data.labels(self.data.train),
            watched=self.data.watched,
            watched_labels=self.data.labels(self.data.watched),
            settings=self.settings,
            steps=steps,
            batch=batch,
            rates=rates,
            bf16=current["bf16"] if resumed else faster_in_bf16(module, streams, batch),
        )
        if resumed:
            stage.resume(current)
        saved = time.monotonic()

        def after(stage: Stage) -> None:
            nonlocal saved
            if self.on_step is not None:
                recent = stage.losses[-20:]
                self.on_step(TrainingProgress(name, stage.step, stage.steps, sum(recent) / len(recent)))
            if time.monotonic() - saved > self.save_seconds:
                self._save(stage)
                saved = time.monotonic()

        try:
            stage.run(after, self._limit_seconds(name))
        except KeyboardInterrupt:
            self.interrupted = True
            self._save(stage)
            return module.eval()
        self.state["done"][name] = {
            "module": module.state_dict(),
            "step": stage.step,
            "seconds": stage.seconds,
            "bf16": stage.bf16,
        }
        self.state["current"] = None
        self._save(None)
        return module

    def _limit_seconds(self, name: str) -> float | None:
        if self.settings.minutes is None:
            return None
        done = self.state["done"]
        left = 60 * self.settings.minutes - sum(stage["seconds"] for stage in done.values())
        return float(left * _SHARES[name] / sum(_SHARES[stage] for stage in self.settings.stages if stage not in done))

    def _save(self, stage: Stage | None) -> None:
        current = None if stage is None else stage.state
        save_state({**self.state, "current": current, "seconds": self.seconds}, self.path)


def _results(
    towers: Mapping[str, TwoStream], network: TwoStream, data: TrainingData, split: Split, *, windows: int
) -> dict[str, Evaluation]:
    labels = data.labels(data.held_out)
    names = tuple(str(clip.path) for clip in data.held_out.sources)
    asked = {str(clip.path) for clip in split.held_out}
    left_out = tuple(one for one in data.left_out if one.path in asked)

    held = tuple(str(clip.path) for clip in data.held_out.sources if clip in data.short)
    damaged = tuple((str(clip.path), data.damaged[clip]) for clip in data.held_out.sources if clip in data.damaged)

    def evaluation(module: TwoStream, streams: tuple[Stream, ...]) -> Evaluation:
        probabilities = clip_probabilities(module, streams, data.held_out, windows=windows)
        return Evaluation(data.classes, names, labels, probabilities, left_out, held, damaged)

    found = {name: evaluation(tower, tower.input_streams()) for name, tower in towers.items()}
    if towers:
        found["late"] = averaged([found["appearance"], found["motion"]])
    found["fusion"] = evaluation(network, network.input_streams())
    return found


def _provenance(
    name: str,
    split: Split,
    data: TrainingData,
    settings: Settings,
    *,
    runner: "_Runner",
    results: Mapping[str, Evaluation],
) -> dict[str, Any]:
    return {
        "data": name,
        "clips": {"train": len(data.train), "watched": len(data.watched), "held_out": len(data.held_out)},
        "left_out": len(data.left_out),
        "held_out_groups": list(split.held_out_groups),
        "settings": settings.record(),
        "steps": {stage: done["step"] for stage, done in runner.state["done"].items()},
        "arithmetic": {stage: "bf16" if done["bf16"] else "fp32" for stage, done in runner.state["done"].items()},
        "seconds": round(runner.seconds, 1),
        "results": {kind: evaluation.record() for kind, evaluation in results.items()},
        "versions": {"marey": __version__, "torch": str(torch.__version__)},
    }
