"""The address of a unit: layer, channel and, for one neuron, its position."""

import re
from dataclasses import dataclass

from marey.errors import NetworkError

_ADDRESS = re.compile(r"^(?P<layer>[^:@\s]+):(?P<channel>\d+)(?:@(?P<position>-?\d+(?:,-?\d+){0,2}))?$")
_RANGE = re.compile(r"^(?P<layer>[^:@\s]+):(?P<first>\d+)-(?P<last>\d+)(?P<position>@.*)?$")


@dataclass(frozen=True, order=True)
class Unit:
    """One channel of a layer; with a position (t, y, x), one neuron of it.

    >>> Unit.parse("fusion.conv5:21")
    Unit(layer='fusion.conv5', channel=21, position=None)
    >>> str(Unit.parse("rgb.conv3_3:7@0,5,5"))
    'rgb.conv3_3:7@0,5,5'
    """

    layer: str
    channel: int
    position: tuple[int, int, int] | None = None

    @classmethod
    def parse(cls, address: str) -> "Unit":
        """The unit at `layer:channel` or `layer:channel@t,y,x` (`@y,x` and `@x` leave the first axes 0).

        Raises NetworkError when the text is no such address.
        """
        match = _ADDRESS.match(address)
        if match is None:
            raise NetworkError(
                f"'{address}' is no unit. A unit is written layer:channel, with a number from 0 after the colon, or "
                "layer:channel@t,y,x for one position."
            )
        position = None
        if match["position"] is not None:
            given = [int(part) for part in match["position"].split(",")]
            t, y, x = [0] * (3 - len(given)) + given
            position = (t, y, x)
        return cls(match["layer"], int(match["channel"]), position)

    def __str__(self) -> str:
        place = "" if self.position is None else "@" + ",".join(str(index) for index in self.position)
        return f"{self.layer}:{self.channel}{place}"


def expand(address: str) -> list[str]:
    """The addresses in a range of channels; any other text is returned alone.

    >>> expand("fusion.conv5:3-5")
    ['fusion.conv5:3', 'fusion.conv5:4', 'fusion.conv5:5']
    """
    match = _RANGE.match(address)
    if match is None:
        return [address]
    first, last = int(match["first"]), int(match["last"])
    if last < first:
        raise NetworkError(
            f"'{address}' is an empty range of units: {first} is above {last}. Write the lower one first."
        )
    return [f"{match['layer']}:{channel}{match['position'] or ''}" for channel in range(first, last + 1)]
