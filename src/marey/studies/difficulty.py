"""How hard a clip is to see: clutter, camera, occlusion, noise and compression, in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from marey.errors import DatasetError, did_you_mean

DifficultyName = Literal["plain", "natural", "hard"]


@dataclass(frozen=True)
class Difficulty:
    """Obstacles between the actor and the eye; a value of 0 or None switches one off.

    clutter
        largest number of shapes behind the actor.
    pan_px
        fastest pan of the camera, in px/frame at 112 px.
    shake_px
        deviation of the camera's shake, in px at 112 px.
    occluders
        probability that something stands before the actor.
    noise
        largest deviation of sensor noise, in 0..1.
    compression
        constant rate factor of the H.264 that frames go through (18 is good, 40 bad); None: no compression.
    """

    clutter: int = 0
    pan_px: float = 0.0
    shake_px: float = 0.0
    occluders: float = 0.0
    noise: float = 0.0
    compression: int | None = None

    def __post_init__(self) -> None:
        for name in ("clutter", "pan_px", "shake_px", "noise"):
            if not getattr(self, name) >= 0:
                raise DatasetError(f"{name} of a difficulty is {getattr(self, name)}; expected at least 0.")
        if not 0 <= self.occluders <= 1:
            raise DatasetError(f"occluders of a difficulty is {self.occluders}; expected a probability in 0..1.")
        if self.compression is not None and not 0 <= self.compression <= 51:
            raise DatasetError(f"compression is {self.compression}; expected a rate factor from 0 (best) to 51.")


DIFFICULTIES: Mapping[str, Difficulty] = {
    "plain": Difficulty(),
    "natural": Difficulty(clutter=7, pan_px=0.5, shake_px=0.35, occluders=0.1, noise=0.02),
    "hard": Difficulty(clutter=16, pan_px=1.2, shake_px=0.9, occluders=0.5, noise=0.05, compression=32),
}
"""Named difficulties."""


def named(difficulty: Difficulty | DifficultyName) -> Difficulty:
    """Return the difficulty of this name, or the one given; DatasetError when there is none of the name."""
    if isinstance(difficulty, Difficulty):
        return difficulty
    if difficulty not in DIFFICULTIES:
        near = did_you_mean(difficulty, DIFFICULTIES)
        raise DatasetError(f"no difficulty '{difficulty}'.{near} There are {', '.join(DIFFICULTIES)}.")
    return DIFFICULTIES[difficulty]
