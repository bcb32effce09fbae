"""Stored flow and the frames it belongs to, paired by the numbers in the names of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from marey.errors import VideoError
from marey.video.flow.files import Pair
from marey.video.flow.stored import StoredFlow
from marey.video.numbering import places, spans
from marey.video.read.clip import Clip
from marey.video.read.image_folders import FramePlaces, frame_images
from marey.video.read.windows import Size

_FIELDS_LESS, _FIELDS_MORE = 2, 1
"""How many fields may be missing, or left over, at the end of a clip without a word: programs disagree on the last."""


def shown_in_order(numbers: Sequence[int] | None) -> bool:
    """Whether every frame of a video is shown, each once or held, so that flow from one to the next is right."""
    return numbers is not None and {after - before for before, after in pairwise(numbers)} <= {0, 1}


@dataclass(frozen=True)
class PairedFlow:
    """The stored flow of a clip: `images` by the place of the frame that the field begins at, counted from the first.

    Note:
        which frames are missing before, between or after those that have flow, in words; None where none is.
    """

    clip: Clip
    stored: StoredFlow
    images: Mapping[int, Pair]
    note: str | None

    @classmethod
    def of(cls, clip: Clip, stored: StoredFlow, count: int | None) -> "PairedFlow":
        """Pair the flow of a clip with its frames, of which there are `count` where the clip has no images.

        Images and fields have the same numbers. Where the two begin and end otherwise, one numbering is moved as little
        as can be: frames may count from 0 and fields from 1, and a field may have the number of the frame it leads to.
        """
        images = stored.images
        numbers = list(images)
        if not numbers:
            raise VideoError(f"'{clip.path}' has no flow images with numbers in '{stored.folder}'.")
        at = dict(zip(places(numbers) or numbers, images.values(), strict=True))
        first, last = min(at), max(at)
        frames = _frame_places(clip)
        if frames is None:
            zero = min(first, stored.files.first_frame)
            end = None if count is None or clip.start_seconds or clip.stop_seconds is not None else count - 1
            frames = FramePlaces(0, 1, (0, last - zero + 1 if end is None else end))
        else:
            end = frames.places[-1]
            low, high = sorted((first - frames.first, last - frames.first - end + 1))
            zero = frames.first + min(max(low, 0), high)
        missing = list(range(first - zero, 0))
        if end is not None and last - zero + 1 - end > _FIELDS_MORE:
            missing += range(end + 1, last - zero + 2)
        note = None
        if missing:
            words = spans(frames.numbers(missing))
            note = f"missing frames ({len(missing)}): {words}; {len(at)} fields of flow are stored for more frames"
        return cls(clip, stored, {place - zero: pair for place, pair in at.items()}, note)

    @property
    def last(self) -> int:
        """The place of the last frame that a field leads to."""
        return max(self.images) + 1

    def with_fields(self, numbers: Sequence[int]) -> list[int]:
        """Leave out of the places of frames those beyond the last field, up to two."""
        if numbers[-1] - self.last > _FIELDS_LESS:
            self._check(numbers[0], numbers[-1] - 1)
        return [number for number in numbers if number <= self.last]

    def fields(self, numbers: Sequence[int], size: Size) -> Tensor:
        """Read the flow from each of some frames to the next, by their places; 0 where a frame is shown again.

        Float16 (time - 1, 2, height, width) in px/frame of `size`; VideoError where a field is missing.
        """
        self._check(numbers[0], numbers[-1] - 1)
        steps = list(pairwise(numbers))
        kept = self.stored.fields([self.images[before] for before, after in steps if after > before], size)
        if len(kept) == len(steps):
            return kept
        fields = kept.new_zeros(len(steps), 2, *size)
        fields[[index for index, (before, after) in enumerate(steps) if after > before]] = kept
        return fields

    def _check(self, first: int, last: int) -> None:
        missing = [place for place in range(first, last + 1) if place not in self.images]
        if missing:
            frames = _frame_places(self.clip) or FramePlaces(self.stored.files.first_frame, 1, (0,))
            raise VideoError(
                f"'{self.clip.path}' has {len(self.images)} flow images, and those from these frames to the next are "
                f"missing ({len(missing)}): {spans(frames.numbers(missing))}. Complete or remove them."
            )


def _frame_places(clip: Clip) -> FramePlaces | None:
    """Find the places of the frame images of a clip; None for a video, and for a folder that holds flow alone."""
    try:
        return FramePlaces.of(frame_images(clip.path)) if clip.path.is_dir() else None
    except VideoError:
        return None
