"""Recovery benchmark: is what a preferred input shows what truly drives the unit?

    python benchmarks/recovery --out OUT            # all of it: rows.jsonl, table.md, recovery.png
    python benchmarks/recovery --out OUT --parts planted
    python benchmarks/recovery --out OUT --parts report
    python benchmarks/recovery --out OUT --parts inputs --network NET    # what is judged, kept in OUT/inputs

Three parts. Planted: units with weights set by hand. Units: those of the bundled network that a regression on exact
motion, color and edges gives a clear answer for. Classes: whether a network trained apart says the class that was asked
for. Rows that are there already are not made again, so a stopped run goes on.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import classes
import units
from methods import METHODS
from planted import planted
from report import write_report

import marey


def kept(path: Path) -> list[dict[str, Any]]:
    """The rows of earlier runs."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", default=["planted", "units", "classes", "report"])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--steps", type=int, default=marey.Recipe().steps)
    parser.add_argument("--weight", type=float, help="of the score")
    parser.add_argument("--units", type=int, default=32, help="most units of each kind")
    parser.add_argument("--classes", type=int, default=26, help="the first classes")
    parser.add_argument("--network", default="motion-studies")
    parser.add_argument("--verifier", default="motion-studies-verifier")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "rows.jsonl"
    done = {(row["part"], row["method"], row["seed"]) for row in kept(path)}

    def write(part: str, method: str, seed: int, rows: Iterable[dict[str, Any]]) -> None:
        if (part, method, seed) in done:
            return
        found = [json.dumps(row) for row in rows]
        with path.open("a", encoding="utf-8") as file:
            file.write("\n".join(found) + "\n")
        print(f"{part} {method} seed {seed}: {len(found)} rows", flush=True)

    if "planted" in options.parts:
        for seed in options.seeds:
            for method in options.methods:
                write("planted", method, seed, planted(seed, options.steps, [method], options.weight))
    if "units" in options.parts:
        network = marey.load(options.network)
        found = units.answers(network)
        print(f"{len(found)} units with a clear answer", flush=True)
        chosen = []
        for kind in ("direction", "color", "edge"):
            clearest = sorted((one for one in found if one.kind == kind), key=lambda one: -one.clearness)
            chosen += clearest[: options.units]
        for seed in options.seeds:
            for method in options.methods:
                rows = units.rows(network, chosen, method, seed=seed, steps=options.steps)
                write("units", method, seed, rows)
    if {"inputs", "classes"} & set(options.parts):
        network = marey.load(options.network)
        verifier = marey.load(options.verifier) if "classes" in options.parts else None
        labels, folder = network.classes[: options.classes], options.out / "inputs"
        for seed in options.seeds:
            for method in options.methods:
                if ("classes", method, seed) in done:
                    continue
                made = classes.inputs(
                    network, labels, method, seed=seed, steps=options.steps, weight=options.weight, folder=folder
                )
                if verifier is not None:
                    write("classes", method, seed, classes.rows(network, verifier, made, method, seed=seed))
    if "report" in options.parts:
        write_report(kept(path), options.out)


if __name__ == "__main__":
    main()
