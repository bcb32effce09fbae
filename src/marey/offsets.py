"""Inputs as distances from rest, as the loop holds them: kept within their bound, and shown as physical values."""

from torch import Tensor

from marey.measures import Limits, projected
from marey.streams import Stream


def limits_of(stream: Stream, bound: float, *, scale: float = 1.0) -> Limits:
    """The stream's range and the hard bound of R_B, for frames in units of `scale`."""
    return Limits(bound, stream.low - stream.rest, stream.high - stream.rest, scale)


def bounded(offset: Tensor, bound: float, stream: Stream) -> Tensor:
    """Values cut to the stream's range, then the nearest frames with |x| <= B at every pixel: the hard bound of R_B."""
    return projected(offset, limits_of(stream, bound))


def shown(offset: Tensor, stream: Stream) -> Tensor:
    """The physical input at a distance from rest."""
    return offset + stream.rest if stream.rest else offset
