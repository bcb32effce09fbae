"""Inputs as distances from rest, as the loop holds them: within which limits, and as physical values."""

from torch import Tensor

from marey.accelerate.measures import Limits
from marey.network.stream import Stream


def limits_of(stream: Stream, bound: float, *, scale: float = 1.0) -> Limits:
    """The stream's range and the hard bound of R_B, for frames in units of `scale`."""
    return Limits(bound, stream.low - stream.rest, stream.high - stream.rest, scale)


def shown(offset: Tensor, stream: Stream) -> Tensor:
    """The physical input at a distance from rest."""
    return offset + stream.rest if stream.rest else offset
