"""The table and the figure of the recovery benchmark, each share with its count and interval."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from methods import METHODS
from PIL import Image, ImageDraw

from marey.draw.typeset import Block, below, margined, text_block
from marey.evaluation.accuracy import wilson
from marey.video.encode import write_png

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Measure:
    """What is counted: the rows of a part and kind for which `right` holds."""

    words: str
    part: str
    kind: str
    right: Callable[[Row], bool]


def _moves(row: Row) -> bool:
    return bool(row["direction_off_deg"] <= 15 and row["speed_off"] <= 0.25)


def _edge(row: Row) -> bool:
    return bool(row["edge_off_deg"] <= 15 and row["purity"] > 0.85)


MEASURES = (
    Measure("planted motion: direction within 15°, speed within 25 %", "planted", "motion", _moves),
    Measure("planted edges: angle within 15°, color purity above 0.85", "planted", "edge", _edge),
    Measure("planted conjunctions: both of these", "planted", "conjunction", lambda row: _moves(row) and _edge(row)),
    Measure("trained units: direction within 30°", "units", "direction", lambda row: row["direction_off_deg"] <= 30),
    Measure("trained units: speed within a factor 2", "units", "direction", lambda row: 0.5 <= row["speed_ratio"] <= 2),
    Measure("trained units: edge within 15°", "units", "edge", lambda row: row["edge_off_deg"] <= 15),
    Measure("trained units: color within 30°", "units", "color", lambda row: row["color_off_deg"] <= 30),
    Measure("classes: recognized by the network itself", "classes", "class", lambda row: row["itself"] == row["class"]),
    Measure("classes: recognized by the verifier", "classes", "class", lambda row: row["verifier"] == row["class"]),
)


@dataclass(frozen=True)
class Column:
    """A method at one slowness."""

    method: str
    chi: float

    @property
    def words(self) -> str:
        method = METHODS[self.method].words
        return f"{method}, chi {self.chi:g}" if self.method == "marey" else method


def columns(rows: Sequence[Row]) -> list[Column]:
    """The methods and slownesses that rows are there of, ours first."""
    found = {Column(row["method"], row["chi"]) for row in rows}
    order = list(METHODS)
    return sorted(found, key=lambda one: (order.index(one.method), one.chi))


def share(rows: Iterable[Row], measure: Measure, column: Column) -> tuple[int, int]:
    """How many are right, of how many."""
    chosen = [
        row
        for row in rows
        if (row["part"], row["kind"], row["method"], row["chi"])
        == (measure.part, measure.kind, column.method, column.chi)
    ]
    return sum(measure.right(row) for row in chosen), len(chosen)


def same_over_seeds(rows: Sequence[Row], column: Column) -> tuple[int, int]:
    """Of how many classes the verifier says the same for every seed, right or not."""
    said: dict[str, list[str]] = {}
    for row in rows:
        if row["part"] == "classes" and (row["method"], row["chi"]) == (column.method, column.chi):
            said.setdefault(row["class"], []).append(row["verifier"])
    several = [words for words in said.values() if len(words) > 1]
    return sum(len(set(words)) == 1 for words in several), len(several)


def write_report(rows: Sequence[Row], out: Path) -> None:
    """Write table.md and recovery.png into `out`."""
    shown = columns(rows)
    lines = ["| | " + " | ".join(column.words for column in shown) + " |", "|---" * (len(shown) + 1) + "|"]
    figures: list[tuple[str, list[tuple[int, int]]]] = []
    for measure in MEASURES:
        figures.append((measure.words, [share(rows, measure, column) for column in shown]))
    figures.append(("classes: the same to the verifier for each seed", [same_over_seeds(rows, one) for one in shown]))
    for words, shares in figures:
        lines.append(f"| {words} | " + " | ".join(_cell(right, of) for right, of in shares) + " |")
    (out / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_png(np.asarray(figure(figures, shown)), out / "recovery.png")


def _cell(right: int, of: int) -> str:
    if of == 0:
        return ""
    low, high = wilson(right, of)
    return f"{100 * right / of:.0f} % ({100 * low:.0f} to {100 * high:.0f}; {of})"


_COLORS = {
    "marey": (27, 94, 150),
    "pixels": (190, 80, 50),
    "space": (120, 120, 120),
    "fourier": (200, 150, 30),
    "frames": (110, 70, 150),
}
_WIDTH, _STEP = 420, 13


def figure(figures: Sequence[tuple[str, Sequence[tuple[int, int]]]], shown: Sequence[Column]) -> Block:
    """A dot with its interval of 95 % for each measure and column, on a line from 0 to 100 %."""
    blocks = [_scale()]
    for words, shares in figures:
        present = [(column, right, of) for column, (right, of) in zip(shown, shares, strict=True) if of > 0]
        if not present:
            continue
        lines = Image.new("RGB", (_WIDTH + 260, _STEP * len(present) + 6), (255, 255, 255))
        draw = ImageDraw.Draw(lines)
        for tenth in range(0, 11, 2):
            draw.line([(_x(tenth / 10), 0), (_x(tenth / 10), lines.height)], fill=(228, 228, 228))
        for row, (column, right, of) in enumerate(present):
            y, color = 3 + _STEP * row + _STEP // 2, _COLORS[column.method]
            low, high = wilson(right, of)
            draw.line([(_x(low), y), (_x(high), y)], fill=color, width=2)
            draw.ellipse([_x(right / of) - 4, y - 4, _x(right / of) + 4, y + 4], fill=color)
            lines.paste(text_block(column.words, size=11, color=color), (_WIDTH + 24, y - 7))
        blocks.append(below([text_block(words, size=13), lines], gap=2))
    return margined(below(blocks, gap=10), 14)


def _x(share_: float) -> int:
    return 10 + round((_WIDTH - 20) * share_)


def _scale() -> Block:
    block = Image.new("RGB", (_WIDTH + 260, 16), (255, 255, 255))
    for tenth in range(0, 11, 2):
        label = text_block(f"{10 * tenth} %", size=11)
        block.paste(label, (max(0, min(_x(tenth / 10) - label.width // 2, _WIDTH - label.width)), 0))
    return block
