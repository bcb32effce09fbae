"""Do the preferred inputs of class units mean their class to a network that did not make them?

    python benchmarks/second_network.py a.safetensors b.safetensors c.safetensors --clips DATA

The class units of every network are maximized, and what comes out is shown to the network itself and to all others,
which should have been trained with other seeds on other people. Beside the shipped settings stands the same without
priors: pixels, no energy, no variation, the same bounds. "next" is the mean over the pairs a-b, b-c, c-a, which follow
it; "all" that over all ordered pairs. With `--judges x y z`, networks of another start, a is shown to y, b to z, c to
x, and these are not maximized themselves.
"""

import argparse
import json
from collections import Counter
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import torch

import marey
from marey.draw.preferred_input import draw_overview
from marey.network.hooks import frozen
from marey.recording import measure_maxima


def answers(network: marey.Network, results: list[marey.PreferredInput]) -> torch.Tensor:
    """The class (unit, slowness) that `network` gives every preferred input."""
    with torch.no_grad(), frozen(network.module):
        rows = [
            network.activations(dict(result.frames), [network.scores])[network.scores].mean((2, 3, 4)).argmax(1)
            for result in results
        ]
    return torch.stack(rows).cpu()


def table(
    networks: list[marey.Network],
    judges: list[marey.Network],
    recipe: marey.Recipe,
    maxima: list[marey.Maxima | None],
    *,
    name: str,
    out: Path | None,
    **parts: Any,
) -> None:
    """Print a row for every slowness, and what is mistaken for what most; `judges` may be the networks themselves."""
    classes = networks[0].classes
    truth = torch.arange(len(classes))[:, None]
    right: dict[tuple[int, int], torch.Tensor] = {}
    scores = []
    own = []
    mistaken: Counter[tuple[str, str]] = Counter()
    for maker, network in enumerate(networks):
        results = marey.maximize(network, list(classes), recipe=recipe, maxima=maxima[maker], **parts)
        scores.append(torch.tensor([result.scores for result in results]))
        if out is not None:
            draw_overview(results, out / f"{name.replace(' ', '_')}_{network.name}.png", title=network.name)
        own.append((answers(network, results) == truth).sum(0))
        for judge, other in enumerate(judges):
            said = answers(other, results)
            right[maker, judge] = (said == truth).sum(0)
            if maker != judge:
                wrong = [(unit, answer) for unit, row in enumerate(said.tolist()) for answer in row if unit != answer]
                mistaken.update((classes[unit], other.classes[answer]) for unit, answer in wrong)
    count = len(networks)
    itself = torch.stack(own).float().mean(0)
    following = torch.stack([right[k, (k + 1) % count] for k in range(count)])
    every = torch.stack([right[pair] for pair in permutations(range(count), 2)]).float().mean(0)
    score = torch.cat(scores).mean(0)
    for place, chi in enumerate(recipe.slowness):
        pairs = ", ".join(str(int(value)) for value in following[:, place])
        print(
            f"{name:12} chi {chi:<4g} itself {itself[place]:5.1f} ",
            f"next {following[:, place].float().mean():5.1f} ({pairs})  all {every[place]:5.1f} ",
            f"score / real maximum {score[place]:.2f}",
            flush=True,
        )
    common = ", ".join(f"{unit} as {answer} {times}" for (unit, answer), times in mistaken.most_common(5))
    print(f"{name:12} most mistaken by others: {common}", flush=True)


def main() -> None:
    """Print the table, with the shipped settings and without priors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="+", help="two or more .safetensors files with the same classes")
    parser.add_argument("--judges", nargs="+", default=[], help="as many others, that left out the same people in turn")
    parser.add_argument(
        "--clips",
        type=Path,
        help="real clips, on which the range of the class scores is measured; default: the networks' files",
    )
    parser.add_argument("--recipe", type=json.loads, default={}, help="settings other than shipped: '{\"steps\": 64}'")
    parser.add_argument("--no-baseline", action="store_true", help="leave the row without priors out")
    parser.add_argument("--out", type=Path, help="a folder for an overview of each network's units")
    options = parser.parse_args()
    networks = [marey.load(net) for net in options.nets]
    judges = [marey.load(net) for net in options.judges] or networks
    if len(networks) < 2 or any(network.classes != networks[0].classes for network in [*networks, *judges]):
        parser.error("give at least two networks with the same classes.")
    if len(judges) != len(networks):
        parser.error(f"{len(networks)} networks and {len(judges)} judges; give as many.")
    maxima: list[marey.Maxima | None] = []
    for network in networks:
        if options.clips is None and (network.maxima is None or network.scores not in network.maxima):
            parser.error(f"the file of {network.name} does not say how far its scores reach; give --clips.")
        clips = options.clips
        maxima.append(None if clips is None else measure_maxima(network, clips, {network.scores}))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    recipe = marey.Recipe.from_json({**marey.Recipe().to_json(), **options.recipe})
    name = "shipped" if not options.recipe else "as given"
    table(networks, judges, recipe, maxima, name=name, out=options.out)
    if not options.no_baseline:
        bare = replace(recipe, slowness=(0.0,))
        table(networks, judges, bare, maxima, name="no priors", out=options.out, parametrization="pixels", priors=[])


if __name__ == "__main__":
    main()
