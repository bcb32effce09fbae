"""What the networks that ship are right on: the tables of benchmarks/results/bundled_networks.md."""

from typing import Any

import torch

from marey.evaluation.accuracy import Evaluation, wilson

PLANTED = ("kick", "kick_low", "lift_bar", "lift_bar_low", "brush_teeth", "shave")
"""Classes that are built to fail on the fair set: by bias, by confusion."""
CONJUNCTIONS = ("conjunction_one", "conjunction_two")


def counts(found: Evaluation) -> dict[str, Any]:
    """Counts of right clips: over all classes, those that are not planted to fail, the experiments, and each class."""
    rows = {
        "not planted": [name for name in found.classes if name not in PLANTED],
        "conjunctions": list(CONJUNCTIONS),
        "bias": ["kick", "lift_bar"],
        "not biased": ["kick_low", "lift_bar_low"],
        "confusion": ["brush_teeth", "shave"],
    }
    of_class = {name: counted(found, [name]) for name in found.classes}
    return {
        "all": counted(found, list(found.classes)),
        **{name: counted(found, classes) for name, classes in rows.items()},
        "classes": of_class,
        "confusion_matrix": found.confusion.tolist(),
    }


def tables(report: dict[str, Any]) -> str:
    """The tables of the card: each test and network by experiment, then each class on the fair and biased clips."""
    rows = ("all", "not planted", "conjunctions", "bias", "not biased", "confusion")
    shown = [key for key in report if "/" in key]
    lines = ["| clips, network | " + " | ".join(rows) + " |", "|---" * (len(rows) + 1) + "|"]
    for key in shown:
        cells = (_cell(report[key][name]) for name in rows)
        lines.append(f"| {key.replace('/', ', ')} | " + " | ".join(cells) + " |")
    few = [key for key in ("fair/network", "biased/network", "fair/late", "fair/verifier") if key in shown]
    lines += ["", "| class | " + " | ".join(key.replace("/", ", ") for key in few) + " | on fair clips taken for |"]
    lines.append("|---" * (len(few) + 2) + "|")
    names = list(report[few[0]]["classes"])
    for name, row in zip(names, report[few[0]]["confusion_matrix"], strict=True):
        wrong = sorted(((count, other) for other, count in zip(names, row, strict=True) if count), reverse=True)
        taken = ", ".join(f"{other} {count}" for count, other in wrong if other != name)
        cells = (report[key]["classes"][name] for key in few)
        lines.append(f"| {name} | " + " | ".join(f"{one['right']} of {one['of']}" for one in cells) + f" | {taken} |")
    return "\n".join(lines) + "\n"


def _cell(count: dict[str, Any]) -> str:
    low, high = count["interval"]
    return f"{100 * count['right'] / count['of']:.1f} % ({100 * low:.0f} to {100 * high:.0f}; {count['of']})"


def counted(found: Evaluation, classes: list[str]) -> dict[str, Any]:
    """How many clips of `classes` are right, of how many, with Wilson's interval of 95 %."""
    chosen = torch.isin(found.labels, torch.tensor([found.classes.index(name) for name in classes]))
    right, count = int((found.predictions == found.labels)[chosen].sum()), int(chosen.sum())
    return {"right": right, "of": count, "interval": list(wilson(right, count))}


def summary(found: Evaluation) -> str:
    """Shares of right clips in one line."""
    rows = counts(found)
    names = ("all", "not planted", "conjunctions", "bias", "not biased", "confusion")
    return "  ".join(f"{name} {100 * rows[name]['right'] / rows[name]['of']:.1f} %" for name in names)
