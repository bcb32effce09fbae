"""Which frames and pixels of every stream a position of a layer sees: from the operations, checked by gradients."""

from collections.abc import Sequence
from dataclasses import dataclass

from marey.errors import NetworkError
from marey.network.axes import Axes
from marey.network.footprints.footprint import Footprint
from marey.network.footprints.places import single
from marey.network.visit import Visit

Interval = tuple[int, int]
Box = tuple[Interval, Interval, Interval]

_ASKEW = "positions that do not lie along one axis"


@dataclass(frozen=True)
class Field:
    """What positions see along one axis: position p sees the inputs start + stride * p up to, not with, + length.

    start is below 0 where padding is seen. stride 0: the same inputs for every position.
    """

    start: int
    stride: int
    length: int


@dataclass(frozen=True)
class ReceptiveField:
    """What the positions (t, y, x) of a layer see of every stream, any of its channels, in stream frames and pixels.

    streams
        {stream: fields along time, height and width}; streams that the layer does not see are left out.
    exact
        False when an operation was only bounded: the fields then hold all that is seen, and maybe more.
    bounded_by
        those operations.

    >>> field = ReceptiveField({"rgb": (Field(0, 1, 1), Field(-1, 2, 3), Field(-1, 2, 3))})
    >>> field.interval("rgb", (0, 4, 5))
    ((0, 1), (7, 10), (9, 12))
    """

    streams: dict[str, tuple[Field, Field, Field]]
    exact: bool = True
    bounded_by: tuple[str, ...] = ()

    def _fields(self, stream: str) -> tuple[Field, Field, Field]:
        if stream not in self.streams:
            raise NetworkError(
                f"the layer does not see stream '{stream}'; it sees {', '.join(self.streams) or 'no stream at all'}."
            )
        return self.streams[stream]

    def length(self, stream: str) -> tuple[int, int, int]:
        """Frames, rows and columns that one position sees, borders not clipped."""
        t, y, x = self._fields(stream)
        return (t.length, y.length, x.length)

    def stride(self, stream: str) -> tuple[int, int, int]:
        """Frames, rows and columns from one position to the next; 0 where all positions see the same."""
        t, y, x = self._fields(stream)
        return (t.stride, y.stride, x.stride)

    def interval(self, stream: str, position: tuple[int, int, int]) -> Box:
        """First and one past the last frame, row and column that `position` (t, y, x) sees, borders not clipped."""
        starts = [field.start + field.stride * p for field, p in zip(self._fields(stream), position, strict=True)]
        t, y, x = ((start, start + size) for start, size in zip(starts, self.length(stream), strict=True))
        return (t, y, x)


def receptive_field(axes: Axes, calls: Sequence[Visit]) -> ReceptiveField:
    """What the positions of a layer see, from its calls that are read in one pass of one clip.

    Follows the operations: the union of what all inputs of each see, as an interval per axis. Gaps inside (dilation)
    and padding count as seen, so fields may be larger than the inputs. Operations that are not known see everything,
    and are named in `bounded_by`.
    """
    union = axes.footprint([call.footprint for call in calls])
    for axis in range(3):
        union = single(union, axis, cause=_ASKEW)
    causes: set[str] = set()
    streams: dict[str, tuple[Field, Field, Field]] = {}
    for stream in dict.fromkeys(name for name, _ in union.spans):
        t, y, x = (_along(union, (stream, axis), axis, causes) for axis in range(3))
        streams[stream] = (t, y, x)
    return ReceptiveField(streams, not causes, tuple(sorted(causes)))


def _along(footprint: Footprint, pair: tuple[str, int], place: int, causes: set[str]) -> Field:
    """The field of one pair for positions along the dimension `place`; adds to `causes` what makes it a bound."""
    span = footprint.spans[pair]
    start, stop, stride = span.start, span.stop, 0
    causes |= span.loose
    for dim, factors in enumerate(footprint.dims):
        for factor in factors:
            causes |= {factor.loose[pair]} if pair in factor.loose else set()
            step = factor.steps.get(pair, 0)
            if dim == place:
                stride = step
            elif step and factor.size > 1:
                causes.add(_ASKEW)
                start, stop = start + min(0, step * (factor.size - 1)), stop + max(0, step * (factor.size - 1))
    return Field(start, stride, stop - start)
