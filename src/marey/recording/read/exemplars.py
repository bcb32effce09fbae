"""What a unit saw of the clips that drive it most: its field, or its patch, in the window of its largest response.

A position that sees the whole clip, as a token does, is shown by its patch and one more on each side.
"""

from dataclasses import dataclass, field

from torch import Tensor

from marey.network.stream import Stream
from marey.network.unit import Unit
from marey.recording.read.recording import Recording
from marey.recording.read.response import Response
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.clips import load_clip

Box = tuple[slice, slice, slice]  # frames, rows, columns


@dataclass(frozen=True, eq=False)
class Exemplar:
    """A clip that drives a unit, in the window of the largest response.

    window
        {stream: (channel time height width)}, the input of the network: RGB in 0..1, flow in px/frame.
    boxes
        {stream: frames, rows and columns} within the window, for the streams that the unit sees: of the receptive
        field, or around the patch of a position that sees the whole clip.
    rate
        frames per second of the window.
    """

    response: Response
    streams: tuple[Stream, ...]
    window: dict[str, Tensor] = field(repr=False)
    boxes: dict[str, Box]
    rate: float

    @property
    def crop(self) -> dict[str, Tensor]:
        """{stream: (channel time height width)}: its boxes, in time and space."""
        return {name: self.window[name][:, *box] for name, box in self.boxes.items()}

    def seen(self, kind: str) -> Tensor | None:
        """The crop of the first stream of a kind, "rgb" or "flow"; None where the unit sees none."""
        names = [stream.name for stream in self.streams if stream.kind == kind and stream.name in self.boxes]
        return self.crop[names[0]] if names else None


def exemplars(
    recording: Recording,
    unit: str | Unit,
    count: int = 9,
    *,
    one_per_group: bool = True,
    cache: FlowCache | None = None,
) -> list[Exemplar]:
    """The clips that drive a unit most, strongest first, with the part of them that the unit saw.

    `Recording.top` chooses them, and their files are read. A clip to which the unit responds no more than to an
    ordinary one (`Maxima.ordinary`) does not drive it: a unit that is silent on all clips has none. Raises VideoError
    when a clip is not where it was recorded, NetworkError for a unit that was not recorded.
    """
    flow: Method = recording.summary["settings"]["flow"]
    cache = FlowCache() if cache is None else cache
    found = []
    address = recording.unit(unit)
    ordinary = float(recording.maxima([address.layer]).zeros(address.layer)[address.channel])
    for response in recording.top(address, count, one_per_group=one_per_group):
        if response.value <= ordinary:
            break
        loaded = load_clip(response.clip, recording.streams, flow=flow, cache=cache)
        window = loaded.window(recording.streams, response.start_frame)
        boxes = seen_boxes(recording, response)
        found.append(Exemplar(response, recording.streams, window, boxes, loaded.rate))
    return found


def seen_boxes(recording: Recording, response: Response) -> dict[str, Box]:
    """{stream: frames, rows and columns} of a response's position, within the window, see `Exemplar`."""
    layer = recording.layer(response.unit.layer)
    around = 0 if layer.where == layer.receptive_field else 1
    boxes = {}
    for stream in recording.streams:
        if stream.name in layer.where.streams:
            intervals = layer.where.interval(stream.name, response.position)
            margins = [around * stride for stride in layer.where.stride(stream.name)]
            sizes = (stream.frames, stream.height, stream.width)
            t, y, x = (
                slice(max(0, start - margin), min(size, stop + margin))
                for (start, stop), margin, size in zip(intervals, margins, sizes, strict=True)
            )
            boxes[stream.name] = (t, y, x)
    return boxes
