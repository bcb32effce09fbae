"""Bounds on a single video, so that a damaged header cannot fill the memory or hold up a data set."""

from dataclasses import dataclass
from pathlib import Path

from marey.errors import VideoError


@dataclass(frozen=True)
class Limits:
    """Bounds on one video; beyond them it is refused with a VideoError.

    side_px, pixels
        the longest side of a frame, and height times width. The defaults let 8K video pass.
    decode_seconds
        time spent in decoding, which does not count what is done with the frames.
    clip_bytes
        frames and flow of a clip in memory, resized.
    """

    side_px: int = 8192
    pixels: int = 36_000_000
    decode_seconds: float = 300.0
    clip_bytes: int = 4 * 2**30

    def __post_init__(self) -> None:
        if not min(self.side_px, self.pixels, self.decode_seconds, self.clip_bytes) > 0:
            raise VideoError(f"limits of a video must be above 0, got {self}.")

    def check_size(self, path: Path, height: int, width: int) -> None:
        """Raise VideoError for frames above the limits."""
        if max(height, width) > self.side_px or height * width > self.pixels:
            raise VideoError(
                f"'{path}' has frames of {width} x {height} px; at most {self.side_px} px a side and "
                f"{self.pixels / 1e6:g} million in all are read. Resize it, or give other Limits."
            )

    def too_slow(self, path: Path) -> VideoError:
        """Make the error for decoding that has taken too long."""
        return VideoError(
            f"'{path}' takes more than {self.decode_seconds:g} s to decode; cut it up, or give other Limits."
        )

    def check_bytes(self, path: Path, count: int, frame_bytes: int) -> None:
        """Raise VideoError when `count` frames do not fit."""
        if count * frame_bytes > self.clip_bytes:
            raise VideoError(
                f"'{path}' has {count} frames or more, of {frame_bytes / 1e6:.1f} MB each as the network wants them: "
                f"more than {self.clip_bytes / 1e9:.1f} GB; cut it up, or give other Limits."
            )


LIMITS = Limits()
