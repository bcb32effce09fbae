"""The whole frame of a clip with a box around the part that a unit saw, so that a small part can be understood."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from marey.network.stream import Stream
from marey.recording import Exemplar
from marey.recording.read.exemplars import Box

_PART = 0.5
"""A unit that sees less of the frame than this is shown with the whole frame."""


def sees_part(streams: Sequence[Stream], boxes: Mapping[str, Box]) -> bool:
    """Whether what a unit saw is so small a part of the RGB frame that it is shown within the whole frame."""
    names = [stream.name for stream in streams if stream.kind == "rgb"]
    if not names:
        return False
    seen = names[0] if names[0] in boxes else next(iter(boxes))
    stream = next(stream for stream in streams if stream.name == seen)
    _, rows, columns = boxes[seen]
    area: int = (rows.stop - rows.start) * (columns.stop - columns.start)
    return area < _PART * stream.height * stream.width


def framing(exemplar: Exemplar) -> Tensor | None:
    """The RGB frame (3, height, width) in the middle of what a unit saw, with a white box in a black one around that.

    None where the unit sees half of the frame or more, and for networks that are shown no RGB.
    """
    if not sees_part(exemplar.streams, exemplar.boxes):
        return None
    stream = next(stream for stream in exemplar.streams if stream.kind == "rgb")
    seen = next(iter(exemplar.boxes)) if stream.name not in exemplar.boxes else stream.name
    times, rows, columns = exemplar.boxes[seen]
    height, width = exemplar.window[seen].shape[2:]
    clip = exemplar.window[stream.name]
    moment = (times.start + times.stop - 1) // 2 * clip.shape[1] // exemplar.window[seen].shape[1]
    frame = clip[:, moment].clone()
    scale = frame.shape[1] / height, frame.shape[2] / width
    top, bottom = round(rows.start * scale[0]), round(rows.stop * scale[0])
    left, right = round(columns.start * scale[1]), round(columns.stop * scale[1])
    inside = frame[:, top:bottom, left:right].clone()
    for distance, shade in ((2, 0.0), (1, 1.0)):
        frame[:, max(0, top - distance) : bottom + distance, max(0, left - distance) : right + distance] = shade
    frame[:, top:bottom, left:right] = inside
    return frame
