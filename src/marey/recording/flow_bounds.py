"""How far flow reaches in real clips, which bounds the flow of preferred inputs."""

from collections.abc import Iterable, Mapping

from marey.network.stream import Stream

_SPEEDS = 5.0
"""The bound of a flow stream relative to the root mean square speed (our choice).

Mahendran and Vedaldi take twice the deviation of natural images for B. Flow is zero in most places, so its deviation is
small beside the speed of a limb; this factor comes nearer to it.
"""


def flow_bounds(streams: Iterable[Stream], speeds: Mapping[str, float]) -> dict[str, float]:
    """{flow stream: B of equation (1) in px/frame}, from the root mean square speed of clips in px/frame.

    A bound is 5 times the speed and at most the stream's own bound. Streams without motion have none.
    """
    known = {stream.name: stream for stream in streams}
    return {name: min(known[name].bound, _SPEEDS * speed) for name, speed in speeds.items() if speed > 0}
