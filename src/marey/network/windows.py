"""Windows of consecutive frames within a stream, as stacks of flow are fed to a motion tower."""

from dataclasses import dataclass, replace

from marey.errors import NetworkError


@dataclass(frozen=True)
class Windows:
    """Overlapping or separate windows of consecutive frames, as stacks of flow are fed to a motion tower.

    `count` windows of `length` frames; window k starts at stream frame k * `step`.
    """

    count: int
    length: int
    step: int

    def __post_init__(self) -> None:
        if min(self.count, self.length, self.step) < 1:
            raise NetworkError(f"windows need a count, length and step of at least 1, got {self}.")
        if self.step > self.length:
            raise NetworkError(
                f"windows with step {self.step} above their length {self.length} leave frames unused; "
                "put only the frames that are seen into the stream and use step = length."
            )

    @property
    def frames(self) -> int:
        """How many frames of the stream the windows cover."""
        return (self.count - 1) * self.step + self.length

    @property
    def index(self) -> list[int]:
        """The stream frame at every place of every window, window by window."""
        return [k * self.step + i for k in range(self.count) for i in range(self.length)]

    def within(self, first: int, frames: int, stream: str) -> "Windows":
        """The windows in `frames` frames from `first` on; NetworkError if one is cut, in the name of their stream."""
        count, left = divmod(frames - self.length, self.step)
        if first % self.step or left or count < 0:
            raise NetworkError(f"frames {first} to {first + frames} of stream '{stream}' cut a window of {self}.")
        return replace(self, count=count + 1)


def spread(times: tuple[int, ...], count: int, *, length: int) -> tuple[int, ...]:
    """Put windows of `length` frames of a stream into the middle of equal parts of a clip of `count` frames.

    Frames of a window are as far apart as `times` says. In a clip that is too short they repeat.

    >>> spread((0, 1, 2), 30, length=1)
    (5, 15, 25)
    >>> spread((0, 1, 2, 3), 30, length=2)
    (7, 8, 21, 22)
    """
    found: list[int] = []
    for first in range(0, len(times), length):
        own = [time - times[first] for time in times[first : first + length]]
        start = (2 * first + length) * max(1, count - own[-1]) // (2 * len(times))
        found += [min(start + time, count - 1) for time in own]
    return tuple(found)
