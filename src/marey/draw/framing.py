"""The whole frame of a clip with a box around the part that a unit saw, so that a small part can be understood."""

from torch import Tensor

from marey.recording import Exemplar

_PART = 0.5
"""A unit that sees less of the frame than this is shown with the whole frame."""


def framing(exemplar: Exemplar) -> Tensor | None:
    """The RGB frame (3, height, width) in the middle of what a unit saw, with a white box in a black one around that.

    None where the unit sees half of the frame or more, and for networks that are shown no RGB.
    """
    streams = [stream for stream in exemplar.streams if stream.kind == "rgb"]
    if not streams:
        return None
    stream = streams[0]
    seen = next(iter(exemplar.boxes)) if stream.name not in exemplar.boxes else stream.name
    times, rows, columns = exemplar.boxes[seen]
    height, width = exemplar.window[seen].shape[2:]
    if (rows.stop - rows.start) * (columns.stop - columns.start) >= _PART * height * width:
        return None
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
