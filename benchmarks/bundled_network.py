"""Trains networks on motion studies, which shall ship with the package once they reach their goals, and measures them.

    python benchmarks/bundled_network.py --out OUT                 # all four files, report.json, tables for the card
    python benchmarks/bundled_network.py --out OUT --steps 0.01 --clips 2    # a rehearsal

Networks are trained on clips in the biased setting. Flow is exact on most of them and computed on the others, because
clips of users come with computed flow. Evaluation is on seeds of its own; nothing was chosen by them.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from marey.datasets.clip_set import classes_of
from marey.datasets.motion_studies import StudySet
from marey.datasets.splits import Split
from marey.evaluation import Evaluation, wilson
from marey.maxima import unit_maxima
from marey.network import Network
from marey.networks.early_fusion import EarlyFusion
from marey.networks.loading import from_file
from marey.networks.two_stream import TwoStream
from marey.networks.weights import NetworkFile, open_network, save, weights_hash
from marey.training.augmentation import Augmentation
from marey.training.fit import train
from marey.training.settings import Settings
from marey.training.stage import Stage, channels_last, clip_probabilities, faster_in_bf16, seeded
from marey.video.clips import Clip, LoadedClip, starts

PLANTED = ("kick", "lift_bar", "brush_teeth", "shave")
"""Classes that are built to fail: by bias, by confusion."""
CONJUNCTIONS = ("conjunction_one", "conjunction_two")

TRAINED_ON = StudySet(150, seed=1, setting="biased", computed=0.25, methods=("dis", "dis", "dis", "tvl1-fast"))
CHECKED_ON = replace(TRAINED_ON, count=70, seed=2, methods=("dis",))
TESTED_ON = StudySet(10, seed=2000, frames=24)
TESTS = {
    "fair": TESTED_ON,
    "biased": replace(TESTED_ON, seed=2001, setting="biased"),
    "fair, tvl1-fast": replace(TESTED_ON, count=4, computed=1.0, methods=("tvl1-fast",)),
    "fair, dis": replace(TESTED_ON, count=4, computed=1.0, methods=("dis",)),
}
BOUND = 5.0
"""The bound of the flow in parts of the speed's root mean square, as in marey.real_maxima."""
FILES = ("network", "late", "verifier")
SETTINGS = Settings(
    width=0.1875,
    frames=1,
    dropout=0.1,
    tower_steps=1000,
    fusion_steps=1600,
    batch=16,
    fusion_batch=16,
    tower_rate=1.0,
    kept_blocks=2,
    stream_dropout=0.1,
    seed=1,
    augmentation=Augmentation(grain=0.08, flow_grain=0.3, erase=0.3),
)
"""Towers go on learning with the fusion: alone they have no use for the color and the axis of conjunctions."""
JOINED_STEPS = 700
"""Steps at the end in which all of the network learns, on clips a third of which are conjunctions."""
VERIFIER_STEPS = 1300


def studied(studies: StudySet) -> tuple[Clip, ...]:
    """The clips, with three times as many of the conjunctions: what must be joined is learned last."""
    more = replace(studies, first=studies.first + studies.count, count=2 * studies.count, classes=CONJUNCTIONS)
    return (*studies.clips(), *more.clips())


def two_stream(out: Path, studies: StudySet, settings: Settings) -> None:
    """Train the two-stream network, and write it and the late fusion of its towers."""
    begun = time.monotonic()
    last = begun

    def told(progress: object) -> None:
        nonlocal last
        if time.monotonic() - last > 20:
            last = time.monotonic()
            print(f"{last - begun:6.0f} s  {progress}", flush=True)

    trained = train(
        Split(studied(studies), ()),
        out / "network.safetensors",
        settings=settings,
        name=named(studies),
        loader=studies.load,
        memory_bytes=12 * 2**30,
        on_step=told,
    )
    assert trained.late is not None
    save(trained.late, out / "late.safetensors")


def joined(out: Path, studies: StudySet, settings: Settings, steps: int) -> None:
    """Train the whole network further on fewer clips with more conjunctions; the late fusion stays as it is."""
    begun = time.monotonic()
    file = open_network(out / "network.safetensors")
    few = replace(studies, count=max(2, 2 * studies.count // 5))
    more = replace(studies, first=few.count, count=4 * few.count, classes=CONJUNCTIONS)
    settings = replace(settings, kept_blocks=0, stream_dropout=0.0)
    loaded = [studies.load(clip, file.streams) for clip in (*few.clips(), *more.clips())]
    labels = torch.tensor([file.classes.index(str(one.clip.label)) for one in loaded])
    module = file.module
    assert isinstance(module, TwoStream)
    channels_last(module)
    bf16 = faster_in_bf16(module, file.streams, settings.batch)
    fit(Stage("joined", module, file.streams, loaded, labels, (), labels[:0], settings, steps, 16, {"": 1.0}, bf16))
    seconds = round(file.provenance["seconds"] + time.monotonic() - begun, 1)
    counts = {**file.provenance["steps"], "joined": steps}
    save(
        replace(file, provenance={**file.provenance, "steps": counts, "seconds": seconds}), out / "network.safetensors"
    )


def fit(stage: Stage) -> None:
    """Run a stage to its end, saying how it goes."""

    def told(stage: Stage) -> None:
        if stage.step % 50 == 0:
            print(f"{stage.name} {stage.step} of {stage.steps}: loss {sum(stage.losses[-50:]) / 50:.2f}", flush=True)

    stage.run(told, None)


def named(studies: StudySet) -> str:
    """What the clips are, in words."""
    return (
        f"{studies.count} motion studies of each of {len(studies.classes)} classes, three times as many conjunctions, "
        f"seed {studies.seed}, "
        f"{studies.frames} frames, {studies.setting}, {studies.difficulty}; "
        f"computed flow on {studies.computed:.0%}, exact on the others"
    )


def verifier(out: Path, studies: StudySet, settings: Settings, steps: int) -> None:
    """Train the verifier: another architecture, seed and clips."""
    begun = time.monotonic()
    clips = studied(studies)
    classes = classes_of(clips)
    with seeded(settings.seed):
        module = EarlyFusion(len(classes))
    channels_last(module)
    streams = module.input_streams()
    loaded: list[LoadedClip] = [studies.load(clip, streams) for clip in clips]
    labels = torch.tensor([classes.index(str(clip.label)) for clip in clips])
    bf16 = faster_in_bf16(module, streams, settings.batch)
    fit(Stage("verifier", module, streams, loaded, labels, (), labels[:0], settings, steps, 16, {"": 1.0}, bf16))
    provenance = {
        "data": named(studies),
        "settings": settings.record(),
        "steps": steps,
        "seconds": round(time.monotonic() - begun, 1),
    }
    save(NetworkFile(module, streams, classes, provenance), out / "verifier.safetensors")


def measured(out: Path) -> None:
    """Real maxima and bounds, on clips of the training seed; accuracy, on seeds that nothing was chosen by."""
    files = {name: open_network(out / f"{name}.safetensors") for name in FILES}
    network = from_file(files["network"])
    with_maxima(network, replace(TRAINED_ON, count=3))
    provenance = {**files["network"].provenance, "bounds": dict(network.bounds)}
    files["network"] = replace(files["network"], provenance=provenance, maxima=dict(network.maxima))
    late = replace(files["late"], provenance={**files["late"].provenance, "bounds": dict(network.bounds)})
    files["late"] = late
    for name in ("network", "late"):
        save(files[name], out / f"{name}.safetensors")
    streams = files["network"].streams
    report: dict[str, Any] = {"weights_sha256": {name: weights_hash(file.module) for name, file in files.items()}}
    for test, studies in TESTS.items():
        clips = studies.clips()
        loaded = [studies.load(clip, streams) for clip in clips]
        labels = torch.tensor([files["network"].classes.index(str(clip.label)) for clip in clips])
        for name, file in files.items():
            measured_on = {"network": tuple(TESTS), "late": ("fair", "biased"), "verifier": ("fair",)}[name]
            if test not in measured_on:
                continue
            probabilities = clip_probabilities(file.module, streams, loaded, windows=5)
            found = Evaluation(file.classes, tuple(str(clip.path) for clip in clips), labels, probabilities)
            report[f"{test}/{name}"] = record(found)
            print(f"{test:18} {name:9} {summary(found)}", flush=True)
            (out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def with_maxima(network: Network, studies: StudySet) -> None:
    """Fill in the largest activation of every unit and the bound of the flow, as `marey maximize --clips` does."""
    speeds: list[float] = []

    def batches() -> Iterator[dict[str, torch.Tensor]]:
        for clip in studies.clips():
            loaded = studies.load(clip, network.streams)
            parts = [loaded.window(network.streams, start) for start in starts(loaded, network.streams, 3)]
            batch = {stream.name: torch.stack([part[stream.name] for part in parts]) for stream in network.streams}
            speeds.append(float(batch["flow"].square().sum(1).mean().sqrt()))
            yield batch

    layers = [
        str(name) for name, layer in network.layers.items() if layer.kind in ("Conv2d", "Conv3d", "Linear", "ReLU")
    ]
    network.maxima.update(unit_maxima(network, batches(), layers))
    network.bounds["flow"] = BOUND * median(speeds)


def record(found: Evaluation) -> dict[str, Any]:
    """Counts of right clips: over all classes, those that are not planted to fail, the experiments, and each class."""
    rows = {
        "not planted": [name for name in found.classes if name not in PLANTED],
        "conjunctions": list(CONJUNCTIONS),
        "bias": ["kick", "lift_bar"],
        "confusion": ["brush_teeth", "shave"],
    }
    of_class = {name: counted(found, [name]) for name in found.classes}
    return {
        "all": counted(found, list(found.classes)),
        **{name: counted(found, classes) for name, classes in rows.items()},
        "classes": of_class,
        "confusion_matrix": found.confusion.tolist(),
    }


def counted(found: Evaluation, classes: list[str]) -> dict[str, Any]:
    """How many clips of `classes` are right, of how many, with Wilson's interval of 95 %."""
    chosen = torch.isin(found.labels, torch.tensor([found.classes.index(name) for name in classes]))
    right, count = int((found.predictions == found.labels)[chosen].sum()), int(chosen.sum())
    return {"right": right, "of": count, "interval": list(wilson(right, count))}


def summary(found: Evaluation) -> str:
    """The record in a line."""
    rows = record(found)
    names = ("all", "not planted", "conjunctions", "bias", "confusion")
    return "  ".join(f"{name} {100 * rows[name]['right'] / rows[name]['of']:.1f} %" for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=TRAINED_ON.count)
    parser.add_argument("--steps", type=float, default=1.0, help="part of the steps")
    parser.add_argument("--only", choices=("network", "joined", "verifier", "measure"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    def part(steps: int) -> int:
        return max(1, round(steps * options.steps))

    settings = replace(SETTINGS, tower_steps=part(SETTINGS.tower_steps), fusion_steps=part(SETTINGS.fusion_steps))
    if options.only in (None, "network"):
        two_stream(options.out, replace(TRAINED_ON, count=options.clips), settings)
    if options.only in (None, "joined"):
        joined(options.out, replace(TRAINED_ON, count=options.clips), settings, part(JOINED_STEPS))
    if options.only in (None, "verifier"):
        studies = replace(CHECKED_ON, count=min(options.clips, CHECKED_ON.count))
        verifier(options.out, studies, replace(settings, seed=2), part(VERIFIER_STEPS))
    if options.only in (None, "measure"):
        measured(options.out)


if __name__ == "__main__":
    main()
