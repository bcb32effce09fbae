"""Trains the networks that ship with the package on motion studies by `marey train`, and measures them.

    python benchmarks/bundled_network.py --out OUT                 # all files, report.json, tables for the card
    python benchmarks/bundled_network.py --out OUT --steps 0.01 --clips 2    # a rehearsal
    python benchmarks/bundled_network.py --maxima-only                       # maxima of the files that ship, anew

Every line that is run is printed first. What is there is not made again, so that a run that was stopped goes on.
Towers first learn cells: the two classes of the conjunction are four, color by axis, and who walks faces left or right.
A color, an axis or a way is of no use alone, so a tower that knows the classes only would drop it. Then the network of
the classes starts from these weights and learns what joins them. Last, all of its weights go on learning against an
adversary, so that what its units want to see is what they are for. The late fusion learns scores on the same towers.
The verifier joins its streams after four blocks of five, and meets its adversary while it still learns cells: of those
that began with the classes, some lost which way a walk goes, which a single stream cannot tell.
Clips are in the biased setting. Evaluation is on seeds of its own; nothing was chosen by them.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from bundled_card import CONJUNCTIONS, counts, summary, tables

import marey.families.bundled as bundled_networks
from marey.datasets import StudySet
from marey.datasets.study_list import write_study_list
from marey.evaluation.accuracy import Evaluation
from marey.families.bundled import bundled
from marey.families.network_file import NetworkFile, open_network, save
from marey.families.weights import weights_hash
from marey.network.maxima import Maxima
from marey.network.measured_maxima import measured_maxima
from marey.network.network import Network
from marey.training.stage import clip_probabilities
from marey.video.read.clips import starts

METHODS = ("dis", "dis", "dis", "dis", "tvl1-fast", "dis", "dis", "dis")
TRAINED_ON = StudySet(200, seed=1, frames=14, setting="biased", computed=0.2, methods=METHODS)
CHECKED_ON = (
    replace(TRAINED_ON, count=110, seed=2),
    replace(TRAINED_ON, count=60, seed=2, first=10_000, difficulty="plain"),
)
"""What the verifier learns; without clutter and camera in part, as in preferred inputs."""
MEASURED_ON = replace(TRAINED_ON, count=3)
"""The clips that maxima are relative to."""
SPEEDS = 5.0
"""Bound of the flow, relative to the root mean square of its speed in the median clip."""
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

LEARNING = {"dropout": 0.1, "stream_dropout": 0.0, "label_smoothing": 0.05, "tower_rate": 1.0}
JOINED = {**LEARNING, "auxiliary": False, "learning_rate": 1e-3}
"""Once both streams are to be told from together only: towers have no classifiers of their own."""
SETTINGS = {
    "learning": LEARNING,
    "joined": JOINED,
    "hard-cells": {**LEARNING, "learning_rate": 1e-3},
}
"""Settings that have no option of `marey train`, by the name of their file."""

NETWORK = "--width 0.1875 --frames 1 --no-flip --hold-out 0 --seed 1"
VERIFIER = "--width 0.1875 --frames 1 --fusion conv4 --no-flip --hold-out 0 --seed 2"
CELLS, CLASSES, HARD_CELLS = (f"--settings {name} --steps 0 --fusion-steps" for name in SETTINGS)
LINES = {
    "network": (
        f"cells cells {NETWORK} {CELLS} 4400",
        f"classes classes {NETWORK} --from cells --keep 5 {CLASSES} 600",
        f"hard classes {NETWORK} --from classes --adversary 0.15,0.3 {CLASSES} 2200",
        f"network classes {NETWORK} --from hard --adversary 0.15,0.3 {CLASSES} 1100",
        f"late classes {NETWORK} --from network --keep 5 --fusion late --settings learning --steps 400",
    ),
    "verifier": (
        f"v-cells v-cells {VERIFIER} {CELLS} 3300",
        f"v-hard v-cells {VERIFIER} --from v-cells --adversary 0.1,0.2 {HARD_CELLS} 1300",
        f"v-classes v-classes {VERIFIER} --from v-hard --keep 5 {CLASSES} 400",
        f"v-harder v-even {VERIFIER} --from v-classes --adversary 0.05,0.1 {CLASSES} 400",
        f"v-hardest v-even {VERIFIER} --from v-harder --adversary 0.1,0.2 {CLASSES} 600",
        f"verifier v-even {VERIFIER} --from v-hardest --adversary 0.15,0.3 {CLASSES} 1500",
    ),
}
"""Lines of `marey train`: what comes out, the list of clips, options. A word that names a file of OUT stands for it."""


def lists(count: int) -> dict[str, list[StudySet]]:
    """Lists of clips by name, at most `count` of each class; those of classes and cells have twice the conjunctions."""

    def doubled(sets: Sequence[StudySet]) -> list[StudySet]:
        more = [replace(one, first=one.first + one.count, classes=CONJUNCTIONS) for one in sets]
        return [*sets, *more]

    def cells(sets: Sequence[StudySet]) -> list[StudySet]:
        return [replace(one, labels="cells") for one in sets]

    trained_on, *checked_on = (replace(one, count=min(one.count, count)) for one in (TRAINED_ON, *CHECKED_ON))
    return {
        "classes": doubled([trained_on]),
        "cells": cells(doubled([trained_on])),
        "v-classes": doubled(checked_on),
        "v-cells": cells(doubled(checked_on)),
        "v-even": checked_on,
    }


def trained(out: Path, line: str, part: float) -> None:
    """Run a line of `LINES` with a part of its steps, unless what comes out is there."""
    name, clips, *options = line.split()
    network = out / f"{name}.safetensors"
    if network.exists():
        print(f"{network} is there", flush=True)
        return
    words = ["train", str(out / f"{clips}.json"), "--out", str(network)]
    for option, value in zip(["", *options], options, strict=False):
        if option == "--settings":
            value = str(out / f"{value}.settings.json")
        elif option == "--from":
            value = str(out / f"{value}.safetensors")
        elif option in ("--steps", "--fusion-steps") and value != "0":
            value = str(max(1, round(part * int(value))))
        words.append(value)
    print("marey", *words, flush=True)
    subprocess.run([sys.executable, "-m", "marey", *words], check=True)


def opened(out: Path) -> dict[str, NetworkFile]:
    """The networks by name; the late fusion may lack what the network has too."""
    base = open_network(out / "network.safetensors").module
    return {name: open_network(out / f"{name}.safetensors", base=base) for name in FILES}


def clip_maxima(network: Network) -> Maxima:
    """Maxima and bounds of the network on `MEASURED_ON`, `WINDOWS` windows of each clip."""
    layers = [name for name, one in network.layers.items() if one.kind in ("Conv2d", "Conv3d", "Linear", "ReLU")]
    clips = MEASURED_ON.clips()
    speeds: list[float] = []

    def shown() -> Iterator[dict[str, torch.Tensor]]:
        for clip in clips:
            loaded = MEASURED_ON.load(clip, network.streams)
            windows = [loaded.window(network.streams, start) for start in starts(loaded, network.streams, WINDOWS)]
            stacked = {name: torch.stack([window[name] for window in windows]) for name in windows[0]}
            speeds.append(float(stacked["flow"].square().sum(1).mean().sqrt()))
            yield stacked

    found = measured_maxima(network, shown(), layers, source=f"{len(clips)} generated clips (motion studies)")
    return replace(found, bounds={"flow": min(network.stream("flow").bound, SPEEDS * median(speeds))})


def maxima_only() -> None:
    """Measure the maxima of the bundled networks anew and write them into their files; no weight changes."""
    folder = Path(bundled_networks.__file__).parent
    file = bundled(bundled_networks.MOTION_STUDIES)
    maxima = clip_maxima(file.network())
    late = bundled(bundled_networks.LATE)
    hashes = [weights_hash(one.module) for one in (file, late)]
    for one, name, kept, base in (
        (file, bundled_networks.MOTION_STUDIES, maxima, None),
        (late, bundled_networks.LATE, maxima.only(()), file.module),
    ):
        path = folder / bundled_networks.FILES[name]
        save(replace(one, maxima=kept), path, half=True, base=base)
    assert hashes == [
        weights_hash(bundled(name).module) for name in (bundled_networks.MOTION_STUDIES, bundled_networks.LATE)
    ]
    print(f"{len(maxima.layers)} layers, {maxima.source}, bounds {maxima.bounds}")


def measured(out: Path) -> None:
    """Maxima and bounds, on clips of the training seed; accuracy, on seeds that nothing was chosen by."""
    files = opened(out)
    save(files["network"], out / "network.safetensors", half=True)
    rounded = open_network(out / "network.safetensors")
    maxima = clip_maxima(rounded.network())
    save(replace(rounded, maxima=maxima), out / "network.safetensors", half=True)
    late = replace(files["late"], maxima=maxima.only(()))
    save(late, out / "late.safetensors", half=True, base=rounded.module)
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
            report[f"{test}/{name}"] = counts(found)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--maxima-only", action="store_true", help="measure the maxima of the bundled files anew")
    parser.add_argument("--clips", type=int, default=TRAINED_ON.count, help="most clips of each class")
    parser.add_argument("--steps", type=float, default=1.0, help="part of the steps")
    parser.add_argument("--only", choices=(*LINES, "measure"))
    options = parser.parse_args()
    if options.maxima_only:
        maxima_only()
        return
    if options.out is None:
        parser.error("give --out OUT, or --maxima-only")
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    for name, sets in lists(options.clips).items():
        write_study_list(out / f"{name}.json", sets)
    for name, settings in SETTINGS.items():
        (out / f"{name}.settings.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    for part, lines in LINES.items():
        if options.only in (None, part):
            for line in lines:
                trained(out, line, options.steps)
    if options.only in (None, "measure"):
        measured(out)


if __name__ == "__main__":
    main()
