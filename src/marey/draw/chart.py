"""The figure of a finding: points with intervals over layers, classes or speeds, as SVG and PNG, light and dark."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from marey.errors import MareyError
from marey.files import replacing
from marey.findings.chart import Chart, Series

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")

_PAPER = {"light": "#ffffff", "dark": "#16181c"}
_INK = {"light": "#1c1c1e", "dark": "#e8e8ea"}
_QUIET = {"light": "#8a8a90", "dark": "#8a8a90"}
_HUES = {
    "light": ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#5b4db3"),
    "dark": ("#56b4e9", "#e69f00", "#3fc79a", "#e59ac7", "#f0e442", "#a79af0"),
}
"""Hues that people with color vision deficiency tell apart (Okabe and Ito 2008); shapes of the points differ, too."""

_SHAPES = "osD^vP"
_DASHES = ((0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (2, 4)))
"""Of lines that show what chance gives, which are gray."""

_SIZE_INCHES, _DPI = (10.0, 4.8), 144
_MOST_WORDS = 32
"""Words along the axis; of more, only every so manyth is written."""


def chart(shown: Chart, theme: Theme = "light") -> Any:
    """Draw a chart as a `matplotlib.figure.Figure`; MareyError where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MareyError("figures need matplotlib: pip install 'marey[figures]'; the numbers do not.") from None
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, facecolor=_PAPER[theme], layout="constrained")
    axes = figure.add_subplot(facecolor=_PAPER[theme])
    words = _words(shown.series)
    for one in shown.series:
        place = [other for other in shown.series if other.null == one.null].index(one)
        _draw(axes, one, words, theme, place)
    _dress(axes, shown, words, theme)
    return figure


def save_chart(shown: Chart, folder: str | Path) -> list[Path]:
    """Write `figure-light.svg`, `figure-light.png` and the dark twins to a folder; equal charts give equal bytes."""
    import matplotlib as mpl

    written = []
    with mpl.rc_context({"svg.hashsalt": "marey", "svg.fonttype": "none", "font.family": "sans-serif"}):
        for theme in THEMES:
            figure = chart(shown, theme)
            for suffix in ("svg", "png"):
                path = Path(folder) / f"figure-{theme}.{suffix}"
                with replacing(path) as draft:
                    figure.savefig(
                        draft, format=suffix, metadata={"Date": None} if suffix == "svg" else {"Software": None}
                    )
                written.append(path)
    return written


def _words(series: Sequence[Series]) -> list[str] | None:
    """The words along the axis, in the order in which they come; None for an axis of numbers."""
    every = [x for one in series for x in one.x]
    if all(isinstance(x, int | float) for x in every):
        return None
    return list(dict.fromkeys(str(x) for x in every))


def _draw(axes: Any, one: Series, words: list[str] | None, theme: Theme, place: int) -> None:
    x = [words.index(str(value)) for value in one.x] if words is not None else list(one.x)
    color = _QUIET[theme] if one.null else _HUES[theme][place % len(_HUES[theme])]
    line = _DASHES[place % len(_DASHES)] if one.null else "-"
    shape = "." if one.null else _SHAPES[place % len(_SHAPES)]
    size = 5 if len(x) <= _MOST_WORDS else 3
    axes.plot(x, one.y, linestyle=line, color=color, marker=shape, markersize=size, linewidth=1.4, label=one.name)
    if one.low and all(map(isfinite, (*one.low, *one.high))):
        axes.fill_between(x, one.low, one.high, color=color, alpha=0.18, linewidth=0)


def _dress(axes: Any, shown: Chart, words: list[str] | None, theme: Theme) -> None:
    ink = _INK[theme]
    axes.set_title(shown.title, color=ink, loc="left", fontsize=12)
    axes.set_xlabel(shown.x_label, color=ink)
    axes.set_ylabel(shown.y_label, color=ink)
    if words is not None:
        step = -(-len(words) // _MOST_WORDS)
        size = 9 if len(words) <= 16 else 7
        axes.set_xticks(range(0, len(words), step), words[::step], rotation=90 if len(words) > 4 else 0, fontsize=size)
    axes.tick_params(colors=ink)
    axes.grid(axis="y", color=_QUIET[theme], alpha=0.25, linewidth=0.6)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_QUIET[theme])
    axes.legend(frameon=False, labelcolor=ink, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
