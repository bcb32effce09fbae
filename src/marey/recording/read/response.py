"""The strongest response of a unit to a recorded clip."""

from dataclasses import dataclass

from marey.network.unit import Unit
from marey.video.read.clips import Clip


@dataclass(frozen=True)
class Response:
    """The strongest response of a unit to a clip.

    value
        the maximum over windows and positions.
    mean
        the mean over windows and positions.
    position
        of the maximum (t, y, x) in the layer, in the window that starts at `start_frame` (at the rate of the streams).
    seconds
        of the video, the middle of what this position sees, or of its patch, see `Layer`.
    prediction
        the class with the highest score for the clip.
    """

    unit: Unit
    number: int
    clip: Clip
    value: float
    mean: float
    position: tuple[int, int, int]
    start_frame: int
    seconds: float
    prediction: str | None
