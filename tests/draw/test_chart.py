"""The figure of a finding holds its series, in light and dark, and is the same bytes for the same numbers."""

from pathlib import Path

import pytest
from PIL import Image

from marey.draw.chart import chart, save_chart
from marey.findings.chart import Chart, Series

pytest.importorskip("matplotlib")

SHOWN = Chart(
    "Units that serve classes",
    "layer",
    "share of units",
    (
        Series("serve one class", ("conv1", "conv2"), (0.1, 0.6), (0.0, 0.5), (0.2, 0.7)),
        Series("shuffled labels", ("conv1", "conv2"), (0.0, 0.0), null=True),
    ),
)


def test_every_series_is_drawn_and_named() -> None:
    (axes,) = chart(SHOWN).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["serve one class", "shuffled labels"]
    assert [line.get_ydata().tolist() for line in axes.lines] == [[0.1, 0.6], [0.0, 0.0]]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["conv1", "conv2"]


def test_the_same_numbers_give_the_same_files_in_light_and_dark(tmp_path: Path) -> None:
    first, second = (save_chart(SHOWN, tmp_path / name) for name in ("a", "b"))
    assert [path.name for path in first] == [
        "figure-light.svg",
        "figure-light.png",
        "figure-dark.svg",
        "figure-dark.png",
    ]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    light, dark = (Image.open(path).convert("L").getpixel((0, 0)) for path in (first[1], first[3]))
    assert light == 255 and dark < 40


def test_an_axis_of_numbers_stays_one() -> None:
    shown = Chart("speed", "times", "response", (Series("units", (0.25, 0.5, 1.0), (0.1, 0.9, 0.4)),))
    (axes,) = chart(shown, "dark").axes
    assert axes.lines[0].get_xdata().tolist() == [0.25, 0.5, 1.0]
