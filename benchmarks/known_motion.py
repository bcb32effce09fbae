"""Networks that see RGB alone and whose motion is known: do preferred inputs show it?

    python benchmarks/known_motion.py --out OUT [--parts trained long planted still time report] [--seeds 0 1 2 3 4]

long
    the same with 32 frames that lie 2 apart, and with two streams of 16 and 4 frames; moved alone is worth the time.
trained
    a small 3-D network is trained on textures that move left, right, up or down at 1 to 3 px/frame. The preferred
    motion of each class has a component along the class's direction: is its sign right, and its size 1 to 3 px/frame?
planted
    units with weights set by hand (motion energy) at 6 directions and 3 speeds: is the direction found within 15
    degrees and the speed within 25 %?
still
    features of single frames and their mean: is it said that they have no motion preference?
time
    processor seconds of a sweep, in turns.

Each part compares "moved", the default of such units, with "fourier", free clips. A free clip has no velocities: its
motion is measured, by DIS flow (trained) or as that of its strongest wave (planted), and so is that of moved clips
beside their velocities. Rows that are there are not made again.
"""

import argparse
import importlib.util
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

import marey
from marey.video.flow.methods import optical_flow

HELD = ("moved", "fourier")
RECIPE = marey.Recipe(precision="fp32")  # "auto" is a matter of speed
SWEEP = RECIPE.slowness
PLANTED = [
    (speed * math.cos(math.radians(angle)), speed * math.sin(math.radians(angle)))
    for speed in (1.0, 2.0, 3.0)
    for angle in range(0, 360, 60)
]
LONG: dict[str, tuple[Sequence[int], Sequence[int]]] = {
    "32 frames at step 2": (range(0, 64, 2), ()),
    "16 and 4 frames at steps 2 and 8": (range(0, 32, 2), range(4, 32, 8)),
}
"""Clips by the times of their frames, and those of their slow stream."""
Row = dict[str, Any]


def known() -> ModuleType:
    """The networks of the tests."""
    path = Path(__file__).parents[1] / "tests" / "known_rgb.py"
    spec = importlib.util.spec_from_file_location("known_rgb", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measured(frames: Tensor) -> tuple[float, float]:
    """Mean DIS flow of a clip (channel time height width), px/frame."""
    pictures = (frames.movedim(0, 3) * 255).round().to(torch.uint8).contiguous()
    u, v = optical_flow(pictures, method="dis").mean((0, 2, 3)).tolist()
    return u, v


def rows_of(result: marey.PreferredInput, measure: Callable[[Tensor], tuple[float, float]]) -> Iterator[Row]:
    """For each slowness the motion that is shown, by its velocities and as it is measured, and what is said."""
    for place, chi in enumerate(result.slowness):
        velocities, motion = result.velocities, result.motion
        row: Row = {"label": result.label, "chi": chi, "score": result.scores[place], **result.controls[place]}
        row["measured"] = measure(result.frames["rgb"][place])
        row["velocity"] = None if velocities is None else velocities[place].mean((1, 2, 3)).tolist()
        row["motion"] = None if motion is None else motion[place].tolist()
        row["notes"], row["recognized"] = list(result.notes[place]), result.recognized[place]
        yield row


def trained(seed: int, held: str, out: Path) -> Iterator[Row]:
    networks = known()
    file = out / f"network-{seed}.pt"
    network = networks.trained(seed, steps=0 if file.exists() else networks.STEPS)
    if file.exists():
        network.module.load_state_dict(torch.load(file, weights_only=True))
    torch.save(network.module.state_dict(), file)
    right, maxima = networks.held_out(network)
    results = marey.maximize(
        network, list(networks.DIRECTIONS), recipe=replace(RECIPE, seed=seed), maxima=maxima, parametrization=held
    )
    for result in results:
        result.save(out / "inputs" / f"{held}-{seed}-{result.label}")
        if seed == 0 and held == "moved":
            result.picture().save(out / f"{result.label}.png")
        for row in rows_of(result, measured):
            yield {**row, "held_out": right}


def long(seed: int, held: str, out: Path) -> Iterator[Row]:
    """Many frames, frames that lie apart, and two rates, with the network of "trained"."""
    networks = known()
    for name, (times, slow) in LONG.items():
        network = networks.trained(seed, steps=100, times=times, slow=slow)
        right, maxima = networks.held_out(network, count=32)
        recipe = replace(RECIPE, seed=seed, slowness=(0.0, 10.0))
        before = time.process_time()
        results = marey.maximize(network, list(networks.DIRECTIONS), recipe=recipe, maxima=maxima, parametrization=held)
        seconds = time.process_time() - before
        for result in results:
            result.save(out / "inputs" / f"{held}-{name}-{seed}-{result.label}")
            for row in rows_of(result, measured):
                row["measured"] = [value / (times[1] - times[0]) for value in row["measured"]]
                yield {**row, "clip": name, "held_out": right, "seconds": seconds}


def planted(seed: int, held: str, out: Path) -> Iterator[Row]:
    networks = known()
    units = [f"energy:{k}" for k in range(len(PLANTED))]
    network = networks.energy_network(PLANTED)
    maxima = networks.wave_maxima(network, PLANTED)
    results = marey.maximize(network, units, recipe=replace(RECIPE, seed=seed), maxima=maxima, parametrization=held)
    for velocity, result in zip(PLANTED, results, strict=True):
        if result.label == "energy:6":
            result.save(out / "inputs" / f"{held}-{seed}-planted")
        for row in rows_of(result, networks.wave_velocity):
            yield {**row, "wanted": velocity}


def still(seed: int, held: str, out: Path) -> Iterator[Row]:
    network = known().still_network(seed)
    for result in marey.maximize(network, list("abcd"), recipe=replace(RECIPE, seed=seed), parametrization=held):
        yield from rows_of(result, measured)


def timed(seed: int, held: str, out: Path) -> Iterator[Row]:
    networks = known()
    network = networks.trained(0, steps=1)
    _, maxima = networks.held_out(network, count=8)
    recipe = replace(RECIPE, steps=48, tolerance=0.0)
    for turn in range(3):
        for way in HELD if turn % 2 else HELD[::-1]:
            before, clock = time.process_time(), time.perf_counter()
            marey.maximize(network, "left", recipe=recipe, maxima=maxima, parametrization=way)
            yield {"way": way, "processor": time.process_time() - before, "clock": time.perf_counter() - clock}


PARTS: dict[str, Callable[[int, str, Path], Iterator[Row]]] = {
    "trained": trained,
    "long": long,
    "planted": planted,
    "still": still,
    "time": timed,
}


def shown(row: Row, by: str) -> tuple[float, float] | None:
    return None if row.get(by) is None else (row[by][0], row[by][1])


def along(row: Row, by: str) -> float | None:
    """The component of the motion along the direction of the row's class."""
    motion, (u, v) = shown(row, by), known().DIRECTIONS[row["label"]]
    return None if motion is None else motion[0] * u + motion[1] * v


def found(row: Row, by: str) -> bool | None:
    """Whether the motion of a planted unit is within 15 degrees and 25 %."""
    motion = shown(row, by)
    if motion is None:
        return None
    speed, wanted = math.hypot(*motion), math.hypot(*row["wanted"])
    cosine = (motion[0] * row["wanted"][0] + motion[1] * row["wanted"][1]) / max(1e-9, speed * wanted)
    return cosine >= math.cos(math.radians(15)) and abs(speed - wanted) <= 0.25 * wanted


def share(values: Sequence[bool | None]) -> str:
    """Percent with Wilson's interval of 95 % and the count."""
    there = [value for value in values if value is not None]
    if not there:
        return ""
    n, p, z = len(there), sum(there) / len(there), 1.96
    middle, half = (p + z * z / (2 * n)), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return f"{100 * p:.0f} % ({100 * max(0.0, low):.0f} to {100 * min(1.0, high):.0f}; {n})"


def mean(rows: Sequence[Row], name: str) -> str:
    there = [row[name] for row in rows if row.get(name) is not None]
    return f"{sum(there) / len(there):.2f}" if there else ""


QUESTIONS: Mapping[str, Mapping[str, Callable[[Sequence[Row]], str]]] = {
    "trained": {
        "sign right, by velocity": lambda rows: share([a and a > 0 for a in (along(row, "velocity") for row in rows)]),
        "sign right, measured": lambda rows: share([along(row, "measured") > 0 for row in rows]),
        "1 to 3 px/frame, by velocity": lambda rows: share(
            [a and 1 <= a <= 3 for a in (along(r, "velocity") for r in rows)]
        ),
        "1 to 3 px/frame, measured": lambda rows: share([1 <= along(row, "measured") <= 3 for row in rows]),
        "recognized by the network": lambda rows: share([row["recognized"] == row["label"] for row in rows]),
    },
    "planted": {
        "found, by velocity": lambda rows: share([found(row, "velocity") for row in rows]),
        "found, by motion seen": lambda rows: share([found(row, "motion") for row in rows]),
        "found, strongest wave": lambda rows: share([found(row, "measured") for row in rows]),
    },
    "still": {
        "said to have no motion preference": lambda rows: share(
            ["no motion preference" in row["notes"] for row in rows]
        ),
    },
}


def report(rows: Sequence[Row], out: Path) -> None:
    """Write a table for each part: a column for each parametrization and slowness."""
    text = []
    for part, questions in QUESTIONS.items():
        columns = [(held, chi) for held in HELD for chi in SWEEP]
        picked = {key: [r for r in rows if (r["part"], r["held"], r.get("chi")) == (part, *key)] for key in columns}
        text += [f"## {part}", "", "| | " + " | ".join(f"{held}, chi {chi:g}" for held, chi in columns) + " |"]
        text.append("|---" * (len(columns) + 1) + "|")
        names = ("score", "still picture", "random order", "free clip", "explained by flow")
        measures = {**questions, **{f"mean of {name}": lambda rows, name=name: mean(rows, name) for name in names}}
        for name, value in measures.items():
            text.append(
                f"| {name} | " + " | ".join(value(picked[key]) if picked[key] else "" for key in columns) + " |"
            )
        text.append("")
    seconds = {way: sorted(r["processor"] for r in rows if r["part"] == "time" and r["way"] == way) for way in HELD}
    if all(seconds.values()):
        text.append("processor seconds of 48 steps of a sweep, medians: ")
        text.append(", ".join(f"{way} {values[len(values) // 2]:.2f}" for way, values in seconds.items()))
    (out / "table.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", default=[*PARTS, "report"], choices=[*PARTS, "report"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--held", nargs="+", default=list(HELD), choices=HELD)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "rows.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    for part in (part for part in options.parts if part in PARTS):
        for seed in options.seeds if part in ("trained", "still") else options.seeds[:1]:
            for held in options.held if part != "time" else ("both",):
                key = {"part": part, "seed": seed, "held": held}
                if any(row.items() >= key.items() for row in rows):
                    continue
                made = [{**key, **row} for row in PARTS[part](seed, held, options.out)]
                with path.open("a", encoding="utf-8") as file:
                    file.write("".join(json.dumps(row) + "\n" for row in made))
                rows += made
                print(f"{part} {held} seed {seed}: {len(made)} rows", flush=True)
    if "report" in options.parts:
        report(rows, options.out)


if __name__ == "__main__":
    main()
