"""What the figure of a finding shows, as plain numbers; `marey.draw.chart` draws it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Series:
    """Points that belong together: y with the ends of its interval over x.

    null
        whether these are what is to be expected by chance, which is drawn in gray.
    """

    name: str
    x: tuple[str | float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    null: bool = False


@dataclass(frozen=True)
class Chart:
    """A figure: series over one axis of words (layers, classes) or of numbers (speeds)."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
