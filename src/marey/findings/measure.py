"""One number of an answer, with its interval and what it was counted on."""

from dataclasses import dataclass, replace
from math import hypot, isfinite


@dataclass(frozen=True)
class Measure:
    """A number, its 95 % interval, and how many things it was measured on.

    name
        what was measured, in words: "units that serve one class".
    of
        what it was measured on: "the network", or the null: "shuffled labels", "an untrained copy".
    value, low, high
        the number and the ends of its interval; the ends are not a number where no interval can be given.
    count, counted
        how many, and of what: 512, "units".
    unit
        "share" is printed as a percentage; any other word is printed behind the number, "" is nothing.
    """

    name: str
    of: str
    value: float
    low: float
    high: float
    count: int
    counted: str
    unit: str = ""

    def __str__(self) -> str:
        """The number with its interval.

        >>> str(Measure("units that serve one class", "the network", 0.4, 0.35, 0.46, 512, "units", "share"))
        '40 % [35, 46]'
        >>> str(Measure("bandwidth", "the network", 1.25, float("nan"), float("nan"), 9, "units", "octaves"))
        '1.25 octaves'
        """
        if self.unit == "share":
            ends = f" [{100 * self.low:.0f}, {100 * self.high:.0f}]" if self.has_interval else ""
            return f"{100 * self.value:.0f} %{ends}"
        ends = f" [{self.low:.3g}, {self.high:.3g}]" if self.has_interval else ""
        return f"{self.value:.3g}{ends}{' ' + self.unit if self.unit else ''}"

    @property
    def has_interval(self) -> bool:
        """Whether both ends of the interval are numbers."""
        return isfinite(self.low) and isfinite(self.high)


def beyond(own: Measure, null: Measure) -> Measure:
    """How far a number lies above its null; the interval is that of a difference of independent ones (Newcombe 1998).

    >>> own = Measure("units", "the network", 0.4, 0.35, 0.46, 512, "units", "share")
    >>> str(beyond(own, Measure("units", "an untrained copy", 0.1, 0.07, 0.14, 512, "units", "share")))
    '30 % [24, 37]'
    """
    value = own.value - null.value
    low = value - hypot(own.value - own.low, null.high - null.value)
    high = value + hypot(own.high - own.value, null.value - null.low)
    return replace(own, of=f"beyond {null.of}", value=value, low=low, high=high)
