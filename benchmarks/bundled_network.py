"""Trains the networks that ship with the package on motion studies, and measures them.

    python benchmarks/bundled_network.py --out OUT                 # all four files, report.json, tables for the card
    python benchmarks/bundled_network.py --out OUT --steps 0.01 --clips 2    # a rehearsal

Towers first learn cells: the two classes of the conjunction are four, color by axis, and who walks faces left or right.
A color, an axis or a way is of no use alone, so a tower that knows the classes only would drop it. Then the network of
the classes starts from these weights and learns what joins them. Last, all of its weights go on learning against an
adversary, so that what its units want to see is what they are for. The late fusion learns scores on the same towers.
The verifier meets its adversary while it still learns cells: of those that began with the classes, some lost which way
a walk goes, which a single stream cannot tell.
Clips are in the biased setting. Evaluation is on seeds of its own; nothing was chosen by them.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from bundled_card import CONJUNCTIONS, record, summary, tables
from bundled_clips import studied

from marey.datasets.motion_studies import StudySet
from marey.evaluation import Evaluation
from marey.maxima import unit_maxima
from marey.network import Network
from marey.networks.loading import from_file
from marey.networks.two_stream import TwoStream
from marey.networks.weights import NetworkFile, open_network, save, take_weights, weights_hash
from marey.real_maxima import put_bounds
from marey.taps import lay_channels_last
from marey.training.adversary import Adversary
from marey.training.augmentation import Augmentation
from marey.training.settings import Settings
from marey.training.stage import Stage, clip_probabilities, faster_in_bf16, seeded
from marey.video.clips import LoadedClip, starts

METHODS = ("dis", "dis", "dis", "dis", "tvl1-fast", "dis", "dis", "dis")
TRAINED_ON = StudySet(200, seed=1, frames=14, setting="biased", computed=0.2, methods=METHODS)
CHECKED_ON = (
    replace(TRAINED_ON, count=110, seed=2),
    replace(TRAINED_ON, count=60, seed=2, first=10_000, difficulty="plain"),
)
"""What the verifier learns; without clutter and camera in part, as in preferred inputs."""
TESTED_ON = StudySet(30, seed=4000, frames=16)
TESTS = {
    "fair": TESTED_ON,
    "biased": replace(TESTED_ON, seed=4001, setting="biased"),
    "fair, tvl1-fast": replace(TESTED_ON, count=5, computed=1.0, methods=("tvl1-fast",)),
    "fair, dis": replace(TESTED_ON, count=10, computed=1.0, methods=("dis",)),
}
PAIRED = replace(TESTED_ON, count=100, seed=4002, classes=CONJUNCTIONS)
"""Clips on which both conjunctions are told apart by their scores."""
WINDOWS = 3
"""Windows of a clip whose scores are averaged."""
FILES = ("network", "late", "verifier")
SETTINGS = Settings(
    width=0.1875,
    frames=1,
    dropout=0.1,
    stream_dropout=0.0,
    label_smoothing=0.05,
    seed=1,
    augmentation=Augmentation(flip=0.0),
)
STREAMS = TwoStream(2, **SETTINGS.architecture()).input_streams()
CELL_STEPS, CLASS_STEPS, HARD_STEPS, LATE_STEPS = 4400, 600, 2200, 400
VERIFIER_CELL_STEPS, VERIFIER_HARD_CELL_STEPS, VERIFIER_CLASS_STEPS, VERIFIER_HARD_STEPS = 3300, 1300, 400, (400, 600)
HARD = replace(SETTINGS, learning_rate=1e-3, adversary=Adversary(rgb=0.15, flow=0.3))
"""The last stage, in which all weights learn."""
CHECKING = replace(SETTINGS, seed=2)
HARDER_CHECKING = replace(HARD, seed=2, adversary=Adversary(rgb=0.1, flow=0.2))
HARD_CHECKING = replace(HARD, seed=2, adversary=Adversary(rgb=0.05, flow=0.1))
KEPT_TOWERS = replace(SETTINGS, kept_blocks=5, tower_rate=1.0).fusion_rates()
"""Rates of a stage in which the towers' convolutions stay as they are."""


def run(
    name: str,
    module: TwoStream,
    clips: Sequence[LoadedClip],
    names: Sequence[str],
    *,
    settings: Settings,
    steps: int,
    rates: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Train a module on clips by their names, those in alphabetical order being the scores; what was done, in words."""
    known = sorted(set(names))
    labels = torch.tensor([known.index(one) for one in names])
    streams = module.input_streams()
    lay_channels_last(module)
    bf16 = faster_in_bf16(module, streams, settings.batch)
    stage = Stage(
        name,
        module,
        streams,
        clips,
        labels,
        (),
        labels[:0],
        settings,
        steps,
        settings.batch,
        dict(rates or {"": 1.0}),
        bf16,
    )

    def told(stage: Stage) -> None:
        if stage.step % 50 == 0:
            loss = sum(stage.losses[-50:]) / 50
            print(f"{name} {stage.step} of {stage.steps}: loss {loss:.3f}, {stage.seconds:.0f} s", flush=True)

    stage.run(told, None)
    return {"steps": stage.step, "seconds": round(stage.seconds, 1), "arithmetic": "bf16" if stage.bf16 else "fp32"}


def told_of(sets: Sequence[StudySet], settings: Settings, stages: Mapping[str, Any]) -> dict[str, Any]:
    """How a file of weights was made."""
    data = [
        f"{studies.count} motion studies of each of {len(studies.classes)} classes, twice as many conjunctions, "
        f"seed {studies.seed}, {studies.frames} frames, {studies.setting}, {studies.difficulty}; "
        f"computed flow on {studies.computed:.0%}, exact on the others"
        for studies in sets
    ]
    seconds = round(sum(stage["seconds"] for stage in stages.values()), 1)
    return {"data": "; and ".join(data), "settings": settings.record(), "stages": dict(stages), "seconds": seconds}


def cells_learned(
    out: Path, sets: Sequence[StudySet], settings: Settings, steps: int, *, name: str, fusion: str
) -> None:
    """Train both towers and the fusion on cells: `name`.safetensors."""
    data = studied(sets, out, STREAMS)
    known = sorted(set(data.cells))
    with seeded(settings.seed):
        module = TwoStream(len(known), **settings.architecture(), fusion=fusion, auxiliary=True)
    stages = {name: run(name, module, data.clips, data.cells, settings=settings, steps=steps)}
    file = NetworkFile(module, module.input_streams(), tuple(known), told_of(sets, settings, stages))
    save(file, out / f"{name}.safetensors")


def classes_learned(
    out: Path,
    sets: Sequence[StudySet],
    settings: Settings,
    steps: int,
    *,
    name: str,
    start: str,
    fusion: str,
    rate: float,
) -> None:
    """Train a network of the classes from `start`.safetensors, its towers staying as they are: `name`.safetensors.

    With `fusion="late"` scores of each tower are learned.
    """
    data = studied(sets, out, STREAMS)
    known = sorted(set(data.classes))
    before = open_network(out / f"{start}.safetensors")
    with seeded(settings.seed):
        module = TwoStream(len(known), **settings.architecture(), fusion=fusion)
    take_weights(module, before.module)
    rates = {**KEPT_TOWERS, "": rate}
    stage = run(name, module, data.clips, data.classes, settings=settings, steps=steps, rates=rates)
    stages = {**before.provenance["stages"], name: stage}
    file = NetworkFile(module, before.streams, tuple(known), told_of(sets, settings, stages))
    save(file, out / f"{name}.safetensors")


def hardened(
    out: Path,
    sets: Sequence[StudySet],
    settings: Settings,
    steps: int,
    *,
    name: str,
    cells: bool = False,
    even: bool = False,
) -> None:
    """Train all weights of `name`.safetensors on, against the adversary of `settings`, and write it anew.

    `cells`: it knows cells. `even`: on as many clips of every class.
    """
    data = studied(sets, out, STREAMS, even=even)
    start = open_network(out / f"{name}.safetensors")
    module, label = start.module.train(), f"{name} hard"
    if label in start.provenance["stages"]:
        label += ", again"
    stage = run(label, module, data.clips, data.cells if cells else data.classes, settings=settings, steps=steps)
    stages = {**start.provenance["stages"], label: stage | {"adversary": asdict(settings.adversary)}}
    file = NetworkFile(module, start.streams, start.classes, told_of(sets, settings, stages))
    save(file, out / f"{name}.safetensors")


def opened(out: Path) -> dict[str, NetworkFile]:
    """The networks by name; the late fusion may lack what the network has too."""
    base = open_network(out / "network.safetensors").module
    return {name: open_network(out / f"{name}.safetensors", base=base) for name in FILES}


def measured(out: Path) -> None:
    """Real maxima and bounds, on clips of the training seed; accuracy, on seeds that nothing was chosen by."""
    files = opened(out)
    network = from_file(files["network"])
    with_maxima(network, replace(TRAINED_ON, count=3))
    provenance = {**files["network"].provenance, "bounds": dict(network.bounds)}
    files["network"] = replace(files["network"], provenance=provenance, maxima=dict(network.maxima))
    late = replace(files["late"], provenance={**files["late"].provenance, "bounds": dict(network.bounds)})
    files["late"] = late
    save(files["network"], out / "network.safetensors", half=True)
    rounded = open_network(out / "network.safetensors").module
    save(files["late"], out / "late.safetensors", half=True, base=rounded)
    save(files["verifier"], out / "verifier.safetensors", half=True)
    streams = files["network"].streams
    files = opened(out)  # what is measured is what is shipped
    report: dict[str, Any] = {"weights_sha256": {name: weights_hash(file.module) for name, file in files.items()}}
    for test, studies in TESTS.items():
        clips = studies.clips()
        loaded = [studies.load(clip, streams) for clip in clips]
        labels = torch.tensor([files["network"].classes.index(str(clip.label)) for clip in clips])
        for name, file in files.items():
            measured_on = {"network": tuple(TESTS), "late": ("fair", "biased"), "verifier": ("fair", "biased")}[name]
            if test not in measured_on:
                continue
            probabilities = clip_probabilities(file.module, streams, loaded, windows=WINDOWS)
            found = Evaluation(file.classes, tuple(str(clip.path) for clip in clips), labels, probabilities)
            report[f"{test}/{name}"] = record(found)
            print(f"{test:18} {name:9} {summary(found)}", flush=True)
            (out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for name, file in files.items():
        report.setdefault("conjunctions told apart", {})[name] = told_apart(file, PAIRED)
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (out / "tables.md").write_text(tables(report), encoding="utf-8")


def told_apart(file: NetworkFile, studies: StudySet) -> dict[str, float]:
    """How often a clip of class one has the larger difference of both scores than one of class two: 0.5 is chance.

    The share of right answers would not do for a late fusion: the scores of the four cells are sums, of which a single
    threshold gets one, two or three right. Of sums, half of the pairs are in order whatever they are.
    """
    clips = studies.clips()
    loaded = [studies.load(clip, file.streams) for clip in clips]
    log = clip_probabilities(file.module, file.streams, loaded, windows=WINDOWS).log()
    difference = log[:, file.classes.index(CONJUNCTIONS[0])] - log[:, file.classes.index(CONJUNCTIONS[1])]
    first = torch.tensor([clip.label == CONJUNCTIONS[0] for clip in clips])
    ordered = (difference[first][:, None] - difference[~first][None]).sign()
    return {"in order": float((ordered + 1).mean() / 2), "clips": len(clips)}


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
    put_bounds(network, {"flow": median(speeds)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=TRAINED_ON.count)
    parser.add_argument("--steps", type=float, default=1.0, help="part of the steps")
    parser.add_argument("--only", choices=("cells", "classes", "hard", "late", "verifier", "measure"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    def part(steps: int) -> int:
        return max(1, round(steps * options.steps))

    def fewer(sets: Sequence[StudySet]) -> list[StudySet]:
        return [replace(studies, count=min(options.clips, studies.count)) for studies in sets]

    out, sets = options.out, fewer([TRAINED_ON])
    if options.only in (None, "cells"):
        cells_learned(out, sets, SETTINGS, part(CELL_STEPS), name="cells", fusion="conv5")
    if options.only in (None, "classes"):
        steps = part(CLASS_STEPS)
        classes_learned(out, sets, SETTINGS, steps, name="network", start="cells", fusion="conv5", rate=0.5)
    if options.only in (None, "hard"):
        hardened(out, sets, HARD, part(HARD_STEPS), name="network")
    if options.only in (None, "late"):
        classes_learned(out, sets, SETTINGS, part(LATE_STEPS), name="late", start="network", fusion="late", rate=1.0)
    if options.only in (None, "verifier"):
        sets, start = fewer(CHECKED_ON), "verifier-cells"
        cells_learned(out, sets, CHECKING, part(VERIFIER_CELL_STEPS), name=start, fusion="conv4")
        hardened(out, sets, HARDER_CHECKING, part(VERIFIER_HARD_CELL_STEPS), name=start, cells=True)
        steps = part(VERIFIER_CLASS_STEPS)
        classes_learned(out, sets, CHECKING, steps, name="verifier", start=start, fusion="conv4", rate=0.5)
        for settings, steps in zip((HARD_CHECKING, HARDER_CHECKING), VERIFIER_HARD_STEPS, strict=True):
            hardened(out, sets, settings, part(steps), name="verifier", even=True)
    if options.only in (None, "measure"):
        measured(options.out)


if __name__ == "__main__":
    main()
