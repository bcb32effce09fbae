"""Trains networks that see RGB alone on motion studies, and asks one what the preferred inputs of another show.

    python benchmarks/rgb_networks.py train r3d --out NETS              # a network, NETS/r3d.pt
    python benchmarks/rgb_networks.py train r3d --hard --out NETS       # goes on against an adversary, NETS/r3d_hard.pt
    RGB_NETWORKS=NETS marey maximize benchmarks/rgb_networks.py:r3d walk --out preferred
    python benchmarks/rgb_networks.py judge r3d r2p1d --nets NETS --out OUT [--ways moved fourier ...]
    python benchmarks/rgb_networks.py report --out OUT
    python benchmarks/rgb_networks.py ship r3d_hard --nets NETS --out OUT     # the network that ships

Kinds are r3d, r2p1d and transformer, see video_networks.py. Clips are made once, into NETS. Training that was stopped
goes on, and preferred inputs that are there are not made again. `judge` maximizes the 26 class units of the first
network and shows what comes out to itself and to the second one. `ways` are ways to make the inputs, see rgb_ways.py.
"""

import argparse
import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rgb_ways import WAYS, Way
from torch import Tensor, nn
from torch.nn import functional
from video_networks import CLIP, made

import marey
from marey.datasets import StudySet
from marey.draw.preferred_input import draw_overview
from marey.families.network_file import NetworkFile, open_network, save
from marey.families.video_resnet import VideoResNet
from marey.families.weights import weights_hash
from marey.network.hooks import frozen
from marey.network.measured_maxima import measured_maxima
from marey.studies import study_classes, study_clip
from marey.training.adversary import Adversary, hardened

CLASSES = study_classes()
ALIKE = (("shave", "brush_teeth"), ("kick", "kick_low"), ("lift_bar", "lift_bar_low"))
"""Classes that look nearly the same, for the second count."""
STEP, FULL = 2, 72
"""Video frames from one to the next that is seen, and the height and width of the clips that crops are from."""
STREAM = marey.rgb_frames(CLIP[0], step=STEP, size=CLIP[1:], short_side=FULL, mean=(0.45,) * 3, std=(0.225,) * 3)
TRAINED_ON, TESTED_ON = (11, 150), (4000, 10)
"""Seed, and clips of each class."""
BATCH, STEPS, HARD_STEPS = 16, 1000, 400
ADVERSARY = Adversary(rgb=0.15)
Frames = NDArray[np.uint8]


def r3d() -> marey.Network:
    return opened(Path(os.environ["RGB_NETWORKS"]), "r3d")


def r3d_hard() -> marey.Network:
    return opened(Path(os.environ["RGB_NETWORKS"]), "r3d_hard")


def r2p1d() -> marey.Network:
    return opened(Path(os.environ["RGB_NETWORKS"]), "r2p1d")


def r2p1d_hard() -> marey.Network:
    return opened(Path(os.environ["RGB_NETWORKS"]), "r2p1d_hard")


def transformer() -> marey.Network:
    return opened(Path(os.environ["RGB_NETWORKS"]), "transformer")


def transformer_hard() -> marey.Network:
    return opened(Path(os.environ["RGB_NETWORKS"]), "transformer_hard")


def opened(nets: Path, name: str) -> marey.Network:
    """A trained network with the maxima of its units on clips that it was trained with."""
    saved = torch.load(nets / f"{name}.pt", weights_only=True)
    module = made(name.removesuffix("_hard"), len(CLASSES))
    module.load_state_dict(saved["weights"])
    maxima = marey.Maxima.from_tensors(saved["maxima"], bounds={}, source=saved["source"])
    return marey.Network(module.eval(), [STREAM], classes=CLASSES, name=name, maxima=maxima)


def clips(nets: Path, seed: int, count: int) -> Frames:
    """Motion studies (clip time height width 3), one of each class after the other."""
    path = nets / f"fair{seed}_{count}.npy"
    if not path.exists():
        shape = (count * len(CLASSES), STEP * CLIP[0], FULL, FULL, 3)
        temporary = path.with_suffix(".part")
        frames = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        for place in range(len(frames)):
            index, label = divmod(place, len(CLASSES))
            frames[place] = study_clip(CLASSES[label], seed, index, size=FULL, frames=shape[1]).frames
        frames.flush()
        temporary.rename(path)
    found: Frames = np.load(path, mmap_mode="r")
    return found


def window(clip: Frames, random: np.random.Generator | None = None) -> Tensor:
    """What the network is shown of a clip (channel time height width), 0..1: its middle, or varied at random."""
    room = FULL - CLIP[1]
    down, right, start = (room // 2, room // 2, 0) if random is None else random.integers(0, (room + 1, room + 1, STEP))
    seen = clip[start::STEP, down : down + CLIP[1], right : right + CLIP[2]]
    values = torch.from_numpy(np.ascontiguousarray(seen)).float().div(255).permute(3, 0, 1, 2)
    if random is None:
        return values
    spread, brighter, grain, *tint = random.uniform((0.8, -0.15, 0, *[0.95] * 3), (1.2, 0.15, 0.04, *[1.05] * 3))
    mean = values.mean()
    values = ((values - mean) * spread + mean + brighter) * torch.tensor(tint, dtype=torch.float32).view(3, 1, 1, 1)
    return (values + grain * torch.randn(values.shape)).clamp(0, 1)


def train(nets: Path, kind: str, *, hard: bool, steps: int) -> None:
    """Train a network, from noise or against an adversary from what was trained before, and save it with its maxima."""
    name = f"{kind}_hard" if hard else kind
    if (nets / f"{name}.pt").exists():
        print(f"{name} is there", flush=True)
        return
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    shown, module = clips(nets, *TRAINED_ON), made(kind, len(CLASSES))
    if hard:
        module.load_state_dict(torch.load(nets / f"{kind}.pt", weights_only=True)["weights"])
    rate = (1e-3 if kind == "transformer" else 2e-3) * (0.5 if hard else 1)
    optimizer = torch.optim.AdamW(module.parameters(), rate, weight_decay=0.02)
    state, first = nets / f"{name}.state", 0
    if state.exists():
        kept = torch.load(state, weights_only=False)
        module.load_state_dict(kept["weights"])
        optimizer.load_state_dict(kept["optimizer"])
        first, random = kept["step"], kept["random"]
    for step in range(first, steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * step / steps))
        chosen = np.sort(random.choice(len(shown), BATCH, replace=False))
        windows = torch.stack([window(shown[place], random) for place in chosen])
        labels = torch.from_numpy(chosen % len(CLASSES))
        if hard:
            windows = _hardened(module, windows, labels, step / steps)
        loss = functional.cross_entropy(_scores(module, windows), labels, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % 300 == 0:
            right = accuracy(module, clips(nets, *TESTED_ON))
            print(f"{name} step {step + 1}: loss {loss.item():.2f}, test {right:.1%}", flush=True)
            kept = {"weights": module.state_dict(), "optimizer": optimizer.state_dict(), "random": random}
            torch.save({**kept, "step": step + 1}, state)
    saved(nets, name, module)


def _scores(module: nn.Module, windows: Tensor) -> Tensor:
    """Class scores of windows of 0..1, as `marey.Network` gives them to the module."""
    given: Tensor = module(((windows - 0.45) / 0.225).contiguous(memory_format=torch.channels_last_3d))
    return given


def _hardened(module: nn.Module, windows: Tensor, labels: Tensor, progress: float) -> Tensor:
    module.eval()
    shares, name = torch.rand(len(windows)), STREAM.name
    found = hardened(
        {name: windows},
        [STREAM],
        lambda inputs: functional.cross_entropy(_scores(module, inputs[name]), labels),
        ADVERSARY,
        progress,
        shares=shares,
    )
    module.train()
    return found[name].detach()


def accuracy(module: nn.Module, frames: Frames) -> float:
    """How often the class of a clip is named, of 0..1; clips are in order of `CLASSES`, again and again."""
    module.eval()
    count = len(CLASSES)
    with torch.no_grad():
        given = [
            _scores(module, torch.stack([window(clip) for clip in frames[start : start + count]])).argmax(1)
            for start in range(0, len(frames), count)
        ]
    module.train()
    return float((torch.stack(given) == torch.arange(count)).float().mean())


def saved(nets: Path, name: str, module: nn.Module) -> None:
    """Save the weights, and the maxima on the first three clips of each class."""
    network = marey.Network(module.eval(), [STREAM], classes=CLASSES)
    layers = [layer.name for layer in network.layers.values() if layer.kind in ("Conv3d", "Linear", "ReLU", "GELU")]
    first = clips(nets, *TRAINED_ON)[: 3 * len(CLASSES)]
    source = f"{len(first)} motion studies"
    maxima = measured_maxima(network, ({STREAM.name: window(clip)[None]} for clip in first), layers, source=source)
    torch.save({"weights": module.state_dict(), "maxima": maxima.tensors(), "source": source}, nets / f"{name}.pt")
    print(f"{name}: test {accuracy(module, clips(nets, *TESTED_ON)):.1%}", flush=True)


def ship(nets: Path, name: str, out: Path) -> None:
    """Write a trained network as it ships: classes in the order of the other bundled ones, weights in 16 bits."""
    network = opened(nets, name)
    module, classes = network.module, tuple(sorted(CLASSES))
    assert isinstance(module, VideoResNet)
    order = [CLASSES.index(label) for label in classes]
    for values in module.scores.parameters():
        values.data = values.data[order]
    made = {
        "made by": f"benchmarks/rgb_networks.py, {name}",
        "clips": TRAINED_ON[1] * len(classes),
        "seed": TRAINED_ON[0],
    }
    path = out / "motion_studies_rgb.safetensors"
    file = NetworkFile(module, (STREAM,), classes, made)
    save(file, path, half=True)
    rounded = open_network(path)
    studies = StudySet(3, seed=TRAINED_ON[0], frames=STEP * CLIP[0])
    maxima = study_maxima(rounded.network(), studies)
    save(replace(rounded, maxima=maxima), path, half=True)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, weights {weights_hash(rounded.module)}, {maxima.source}")


def study_maxima(network: marey.Network, studies: StudySet) -> marey.Maxima:
    """The maxima of the units on generated clips, one window each."""
    layers = [layer.name for layer in network.layers.values() if layer.kind in ("Conv3d", "Linear", "ReLU")]
    clips = studies.clips()
    shown = (
        {name: part[None] for name, part in studies.load(clip, network.streams).window(network.streams, 0).items()}
        for clip in clips
    )
    return measured_maxima(network, shown, layers, source=f"{len(clips)} generated clips (motion studies)")


def inputs(network: marey.Network, way: Way, folder: Path, settings: Mapping[str, Any]) -> list[marey.PreferredInput]:
    """The preferred inputs of all class units."""
    recipe = marey.Recipe.from_json({**marey.Recipe(precision="fp32").to_json(), **settings, **way.recipe})
    return marey.maximize(
        network, [way.objective(network, label) for label in CLASSES], recipe=recipe, folder=folder, **way.parts
    )


def rows(
    maker: marey.Network, judge: marey.Network, way: str, out: Path, settings: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """For each class and slowness the score, and which place the class has among the answers of both networks."""
    results = inputs(maker, WAYS[way], out / "inputs" / maker.name / way.replace(" ", "_"), settings)
    draw_overview(results, out / f"{maker.name}_{way.replace(' ', '_')}.png", title=f"{maker.name}, {way}")
    for number, result in enumerate(results):
        answers = {network.name: _answers(network, result) for network in (maker, judge)}
        for place, chi in enumerate(result.slowness):
            row = {"maker": maker.name, "judge": judge.name, "way": way, "chi": chi, "class": CLASSES[number]}
            row["score"] = result.scores[place]
            for who, network in (("itself", maker), ("known", judge)):
                order = answers[network.name][place].argsort(descending=True)
                row[who] = int((order == number).nonzero())
                row[f"{who} as"] = CLASSES[int(order[0])]
            yield row


def _answers(network: marey.Network, result: marey.PreferredInput) -> Tensor:
    """The class scores (chi class) that a network gives a preferred input."""
    with torch.no_grad(), frozen(network.module):
        return network.activations(dict(result.frames), [network.scores])[network.scores].mean((2, 3, 4)).cpu()


def report(found: list[dict[str, Any]]) -> str:
    """A row for each pair, way and slowness: how many of the 26 classes are known."""
    lines = ["| maximized | judge | way | chi | itself | known | known, pairs merged | in the first three | score |"]
    lines.append("|---" * 9 + "|")
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in found:
        groups.setdefault((row["maker"], row["judge"], row["way"], row["chi"]), []).append(row)
    for key, some in groups.items():
        counts = [sum(row["itself"] == 0 for row in some), sum(row["known"] == 0 for row in some)]
        counts += [sum(_merged(row["class"]) == _merged(row["known as"]) for row in some)]
        counts += [sum(row["known"] < 3 for row in some)]
        score = sum(row["score"] for row in some) / len(some)
        maker, judge, way, chi = key
        cells = [maker, judge, way, f"{chi:g}", *map(str, counts), f"{score:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    wrong = Counter((row["class"], row["known as"]) for row in found if row["known"] > 0 and row["way"] == "moved")
    mistaken = ", ".join(f"{one} as {other} {times}" for (one, other), times in wrong.most_common(8))
    return "\n".join([*lines, "", f"Mistaken most (moved): {mistaken}"])


def _merged(label: str) -> str:
    return next((pair[0] for pair in ALIKE if label in pair), label)


def judge(nets: Path, out: Path, maker: str, other: str, *, ways: Sequence[str], settings: Mapping[str, Any]) -> None:
    path = out / "rows.jsonl"
    networks = opened(nets, maker), opened(nets, other)
    for way in ways:
        key = {"maker": maker, "judge": other, "way": way}
        if any(row.items() >= key.items() for row in read(path)):
            continue
        new = list(rows(*networks, way, out, settings))
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in new))
        print(report(new), flush=True)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("train", "judge", "report", "ship"))
    parser.add_argument("networks", nargs="*", help="a kind to train, or the network to maximize and its judge")
    parser.add_argument("--nets", type=Path, help="the folder of trained networks")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hard", action="store_true", help="go on against an adversary")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--ways", nargs="+", default=["moved", "fourier"], choices=list(WAYS))
    parser.add_argument("--recipe", type=json.loads, default={}, help="settings other than shipped: '{\"steps\": 64}'")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.part == "train":
        steps = options.steps or (HARD_STEPS if options.hard else STEPS)
        train(options.out, *options.networks, hard=options.hard, steps=steps)
    elif options.part == "judge":
        judge(options.nets, options.out, *options.networks, ways=options.ways, settings=options.recipe)
    elif options.part == "ship":
        ship(options.nets, *options.networks, options.out)
    else:
        print(report(read(options.out / "rows.jsonl")))


if __name__ == "__main__":
    main()
