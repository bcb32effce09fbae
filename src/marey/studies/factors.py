"""The causes of a clip, as typed records: who, what, where and how fast."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Color = tuple[float, float, float]
Cloth = Literal["plain", "stripes", "bands", "check", "dots"]
Place = Literal["studio", "wall", "room", "street", "meadow"]
Setting = Literal["fair", "biased"]

CLOTHS: tuple[Cloth, ...] = ("plain", "stripes", "bands", "check", "dots")
PLACES: tuple[Place, ...] = ("studio", "wall", "room", "street", "meadow")


@dataclass(frozen=True)
class Who:
    """The actor: height relative to the frame, girth and length of limbs around 1, colors as RGB in 0..1."""

    height: float
    girth: float
    limbs: float
    skin: Color
    hair: Color
    hair_style: Literal["short", "long", "bun", "cap"]
    shirt: Color
    shirt_second: Color
    cloth: Cloth
    long_sleeves: bool
    trousers: Color
    shorts: bool
    shoes: Color


@dataclass(frozen=True)
class What:
    """The action: its program, the thing that takes part, and the axis of a floating thing's motion."""

    label: str
    program: str
    thing: str | None
    thing_color: Color | None
    axis: Literal["up-down", "left-right"] | None


@dataclass(frozen=True)
class Where:
    """The scene: place, and the view of it.

    logo
        whether a mark stands in the corner of the picture.
    view_degrees
        the side from which the actor is seen: 0 is the front, 90 the actor's right.
    mirrored
        whether the picture is mirrored, so that the actor is seen from its left and acts with the other hand.
    x, y
        place of the ground between the feet in the middle of the clip, in 0..1 of the frame.
    pan_px_per_frame, shake_px
        the camera's velocity (right, down), and the deviation of its shake, for a frame of 112 px.
    follow
        share of the actor's way that the camera follows, so that the actor stays in the picture.
    clutter, occluded_by, noise
        largest number of shapes behind the actor, the thing before it, and the deviation of sensor noise in 0..1.
    """

    place: Place
    logo: bool
    view_degrees: float
    elevation_degrees: float
    mirrored: bool
    x: float
    y: float
    pan_px_per_frame: tuple[float, float]
    shake_px: float
    follow: float
    clutter: int
    occluded_by: Literal["post", "box"] | None
    noise: float


@dataclass(frozen=True)
class How:
    """The motion: cycles per second at 25 frames per second, phase in cycles at the first frame, relative amplitude.

    `speed_px_per_frame` is the actor's mean speed in the picture, measured on the exact flow.
    """

    tempo: float
    phase: float
    amplitude: float
    speed_px_per_frame: float = 0.0


@dataclass(frozen=True)
class Factors:
    """All causes of a clip. Its class, `seed` and `index`, with size, frames, setting and difficulty, make it again."""

    seed: int
    index: int
    setting: Setting
    who: Who
    what: What
    where: Where
    how: How

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON, nested as the fields are."""
        return asdict(self)
