"""The figure of a finding in its folder, where matplotlib is there to draw it."""

from pathlib import Path
from typing import TYPE_CHECKING

from marey.cli.screen import say

if TYPE_CHECKING:
    from marey.findings.chart import Chart


def draw_figure(shown: "Chart", folder: Path) -> None:
    """Write the figure, or say what it needs; the numbers are there either way."""
    from marey.draw.chart import save_chart

    try:
        import matplotlib as _  # noqa: F401
    except ImportError:
        say("no figure is drawn, for figures need matplotlib: pip install 'marey[figures]'.", error=True)
        return
    save_chart(shown, folder)
