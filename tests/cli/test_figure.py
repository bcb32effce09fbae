"""A finding is complete without a figure, where matplotlib is not installed."""

import sys
from pathlib import Path

import pytest

from marey.cli.figure import draw_figure
from marey.findings.chart import Chart, Series

SHOWN = Chart("Units", "layer", "share", (Series("serve one class", ("conv1", "conv2"), (0.1, 0.6)),))


def test_without_matplotlib_a_line_says_what_a_figure_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    draw_figure(SHOWN, tmp_path)
    said = "no figure is drawn, for figures need matplotlib: pip install 'marey[figures]'.\n"
    assert capsys.readouterr().err == said and not list(tmp_path.iterdir())


def test_with_it_there_are_four_files(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    draw_figure(SHOWN, tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
