"""The cells of a sheet: one frame or one flow field in a box of fixed size."""

from dataclasses import dataclass, replace

from PIL import Image
from torch import Tensor

from marey.draw.color_wheel import Component
from marey.draw.frames import appearance_picture, motion_picture, strongest_field
from marey.draw.picture_row import PictureRow
from marey.draw.typeset import QUIET, Block, framed, placed, text_block
from marey.video.encode import Picture


@dataclass(frozen=True)
class Cells:
    """Draw the pictures of one sheet: all in boxes of `size` (height, width), all motion full at `max_px` px/frame."""

    size: tuple[int, int]
    max_px: float

    @property
    def width(self) -> int:
        """The width of a cell with its hairline."""
        return self.size[1] + 2

    @property
    def height(self) -> int:
        """The height of a cell with its hairline."""
        return self.size[0] + 2

    def sized(self, size: tuple[int, int]) -> "Cells":
        """Make the same cells in boxes of another size."""
        return replace(self, size=size)

    def appearance_of(self, row: PictureRow, place: int) -> Block:
        """Draw the frame in the middle of the clip at this place of the chis; the row must show appearance."""
        assert row.appearance is not None
        return self.appearance(middle_frame(row.appearance[place]))

    def motion_of(self, row: PictureRow, place: int, component: Component | None = None) -> Block:
        """Draw the strongest field of the clip at this place of the chis; the row must show motion."""
        assert row.motion is not None
        return self.motion(strongest(row.motion[place]), component)

    def appearance(self, frame: Tensor) -> Block:
        """Draw an RGB frame (3, height, width)."""
        return self._boxed(appearance_picture(frame, self.within(frame)))

    def motion(self, field: Tensor, component: Component | None = None) -> Block:
        """Draw a flow field (2, height, width), or one component of it."""
        return self._boxed(motion_picture(field, self.within(field), max_px=self.max_px, component=component))

    def missing(self, text: str) -> Block:
        """Draw an empty cell with the reason in it."""
        words = text_block(text, size=12, color=QUIET, width=self.size[1], align="center")
        return framed(placed(words, width=self.size[1], height=self.size[0]))

    def within(self, frame: Tensor) -> tuple[int, int]:
        """Find the largest height and width of the frame's proportions that fit the box."""
        height, width = frame.shape[-2:]
        factor = min(self.size[0] / height, self.size[1] / width)
        return max(1, round(height * factor)), max(1, round(width * factor))

    def _boxed(self, picture: Picture) -> Block:
        return placed(framed(Image.fromarray(picture)), width=self.width, height=self.height)


def middle_frame(clip: Tensor) -> Tensor:
    """Take the frame (channel, height, width) in the middle of a clip (channel, time, height, width)."""
    return clip[:, clip.shape[1] // 2]


def strongest(clip: Tensor) -> Tensor:
    """Take the field (2, height, width) that moves most in a clip of flow (2, time, height, width)."""
    return clip[:, strongest_field(clip)]
