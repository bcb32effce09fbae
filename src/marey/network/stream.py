"""What a network is shown: physical video inside, the network's own layout and scaling at the edge.

Inside marey every stream is a float tensor of axes (clip, channel, time, height, width): RGB in 0..1, flow in pixels
per frame, u (to the right) before v (down). Only this module knows how a network wants it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, get_args

import torch
from einops import EinopsError, rearrange
from torch import Tensor

from marey.errors import NetworkError
from marey.network.channels import ORDERS, Order, ordered, per_channel, physical_channels, scaled
from marey.network.windows import Windows, spread
from marey.schema import SchemaError, typed

Kind = Literal["rgb", "flow"]
Fit = Literal["crop", "letterbox", "stretch"]
ShortClips = Literal["hold", "zeros", "loop"]
Sampling = Literal["step", "spread"]

_WORDS = {"fit": get_args(Fit), "short_clips": get_args(ShortClips), "sampling": get_args(Sampling)}
_NEWER = ("order", "fit", "short_clips", "sampling")
"""Fields that files leave out at their defaults, so that files without them are the same as before there were any."""


@dataclass(frozen=True)
class Stream:
    """One input of a network.

    name
        how the stream is called in `{name: tensor}`.
    kind
        "rgb" (3 channels, 0..1) or "flow" (2 channels u, v in pixels per frame, clipped to +-`bound`).
    times
        for every frame of the stream, which video frame it shows, counted from the first one that the clip needs.
    height, width
        of the input, in pixels.
    layout
        the tensor that the network wants, as an einops pattern of n, c, t, h, w; with `windows` set, t is written
        as s (which window) and l (place in the window). Examples: "n c t h w" (3-D networks), "n t c h w" (video
        transformers), "n (t c) h w" (2-D networks on stacked flow, u and v interleaved), "(n t) c h w" (frame by
        frame), "n c h w" (one image), "n (l c) s h w" (flow stacks over time).
    order
        the channels that the network gets: "rgb", "bgr" or "gray" (one channel); of flow "uv" or "vu". None: the first.
    mean, std
        per channel that the network gets, in physical units: it sees (value - mean) / std. For RGB in 0..255 `std` is
        (1 / 255,) * 3.
    fit
        how the frames of a video come to `height` x `width`: "crop" cuts them from the middle, "letterbox" shows all of
        the frame between black bars (flow 0), "stretch" resizes it without regard to its proportions.
    short_side
        frames of a video are resized to this short side before the crop; None: as small as the crop allows.
    rate
        frames per second that `times` counts in; None: those of the video.
    sampling
        "step": frames are as far apart as `times` says. "spread": they lie in the middle of as many equal parts of the
        whole clip, with `windows` as many whole windows; `times` says which frames of a window are seen.
    short_clips
        what is shown after the end of a clip: "hold" its last frame and flow 0, "zeros" black frames and flow 0, "loop"
        the clip from its start on.

    >>> flow = Stream("flow", "flow", times=tuple(range(10)), height=224, width=224, layout="n (t c) h w")
    >>> tuple(flow.to_network(torch.zeros(1, 2, 10, 224, 224)).shape)
    (1, 20, 224, 224)
    """

    name: str
    kind: Kind
    times: tuple[int, ...]
    height: int
    width: int
    layout: str = "n c t h w"
    windows: Windows | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    bound: float = 20.0
    short_side: int | None = None
    rate: float | None = None
    order: Order | None = None
    fit: Fit = "crop"
    short_clips: ShortClips = "hold"
    sampling: Sampling = "step"

    def __post_init__(self) -> None:
        if self.kind not in ("rgb", "flow"):
            raise NetworkError(f"stream '{self.name}' has kind '{self.kind}'; expected 'rgb' or 'flow'.")
        if not self.times or min(self.height, self.width) < 1:
            raise NetworkError(
                f"stream '{self.name}' is empty: {len(self.times)} frames of {self.height} x {self.width}."
            )
        if list(self.times) != sorted(set(self.times)):
            raise NetworkError(f"times of stream '{self.name}' must rise, got {self.times}.")
        for label, known in {"order": ORDERS[self.kind], **_WORDS}.items():
            if (value := getattr(self, label)) not in known and (label, value) != ("order", None):
                expected = " or ".join(f"'{word}'" for word in known)
                raise NetworkError(f"{label} of {self.kind} stream '{self.name}' is '{value}'; expected {expected}.")
        count = 1 if self.order == "gray" else self.channels
        for label, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) != count:
                raise NetworkError(
                    f"{label} of stream '{self.name}' has {len(values)} values; "
                    f"kind '{self.kind}' has {self.channels} channels, order 'gray' has 1."
                )
        if self.windows is not None and self.windows.frames != self.frames:
            raise NetworkError(
                f"windows of stream '{self.name}' cover {self.windows.frames} frames, the stream has {self.frames}."
            )
        if self.sampling == "spread" and self.windows is not None and self.windows.step < self.windows.length:
            raise NetworkError(f"windows of stream '{self.name}' overlap, so they cannot be spread over a clip.")
        try:
            self.to_network(torch.zeros(1, self.channels, self.frames, 1, 1))
        except EinopsError as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise NetworkError(
                f"layout '{self.layout}' of stream '{self.name}' does not fit {self._pattern}: {reason}"
            ) from None

    @property
    def ordered(self) -> Order:
        """The channels that the network gets."""
        return ORDERS[self.kind][0] if self.order is None else self.order

    @property
    def channels(self) -> int:
        """3 for RGB, 2 for flow: the channels of physical clips, whatever the network gets of them."""
        return 3 if self.kind == "rgb" else 2

    @property
    def frames(self) -> int:
        """Number of frames, T."""
        return len(self.times)

    @property
    def still(self) -> bool:
        """Whether it shows a single picture, and so no motion."""
        return self.kind == "rgb" and self.frames == 1

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Channels, frames, height and width of one physical input."""
        return (self.channels, self.frames, self.height, self.width)

    @property
    def low(self) -> float:
        """Smallest physical value."""
        return 0.0 if self.kind == "rgb" else -self.bound

    @property
    def high(self) -> float:
        """Largest physical value."""
        return 1.0 if self.kind == "rgb" else self.bound

    @property
    def rest(self) -> float:
        """The value that shows nothing: mid-gray, or no motion."""
        return 0.5 if self.kind == "rgb" else 0.0

    def times_in(self, count: int) -> tuple[int, ...]:
        """Which of a clip's `count` frames, or fields of flow, the stream shows from a start on; some may lie beyond.

        Of those that are spread over the clip none does.
        """
        if self.sampling == "step":
            return self.times
        return spread(self.times, count, length=1 if self.windows is None else self.windows.length)

    def as_seen(self, clips: Tensor) -> Tensor:
        """The physical clips with what the network does not see of their channels taken away: gray, of a gray stream.

        Differences of clips are treated alike.
        """
        return physical_channels(ordered(clips, self.ordered), self.ordered) if self.order == "gray" else clips

    @cached_property
    def _pattern(self) -> str:
        if self.windows is not None:
            return "n c (s l) h w"
        names = self.layout.replace("(", " ").replace(")", " ").split()
        return "n c t h w" if "t" in names else "n c 1 h w"

    @cached_property
    def _axes(self) -> list[str]:
        """The axes of the network's input: single letters, or all that are joined in brackets."""
        return [joined or single for joined, single in re.findall(r"\(([^)]*)\)|(\S+)", self.layout)]

    def to_network(self, clips: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
        """The network's input for physical `clips` (clip channel time height width); differentiable, of any size.

        It is in the network's `dtype`, None: that of the clips. One clip many times, as `expand` gives it, is laid out
        once, where the layout has an axis of clips.
        """
        if len(clips) > 1 and clips.stride(0) == 0 and "n" in self._axes:
            one = self.to_network(clips[:1], dtype=dtype)
            return one.expand([len(clips) if axis == "n" else -1 for axis in self._axes])
        mean, std = (per_channel(values, clips.dtype, clips.device) for values in (self.mean, self.std))
        shown = scaled(ordered(clips, self.ordered), mean, std, dtype=dtype)
        if self.windows is None:
            return shown if self._pattern == self.layout else rearrange(shown, f"{self._pattern} -> {self.layout}")
        if self.windows.step < self.windows.length:
            shown = shown[:, :, self.windows.index]
        return rearrange(shown, f"{self._pattern} -> {self.layout}", l=self.windows.length)

    def to_json(self) -> dict[str, Any]:
        """The stream as plain values for JSON; `from_json` reads them."""
        usual = {one.name: one.default for one in fields(self) if one.name in _NEWER}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if name not in usual or value != usual[name]
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Stream":
        """The stream that `to_json` gave; NetworkError for values that are none."""
        try:
            return typed(dict(values), cls)
        except SchemaError as error:
            raise NetworkError(f"a stream cannot be described so: {error}.") from None

    def resized(self, height: int, width: int) -> "Stream":
        """The same stream with another input size; `short_side` keeps its proportion."""
        side = self.short_side
        if side is not None:
            side = round(side * min(height, width) / min(self.height, self.width))
        return replace(self, height=height, width=width, short_side=side)

    def exchanged(self, one: str, other: str) -> "Stream":
        """The same stream with two axes of its layout in each other's place; itself where the layout lacks one."""
        axes = {one: other, other: one}
        layout = re.sub(r"\w+", lambda found: axes.get(found[0], found[0]), self.layout)
        return replace(self, layout=layout) if axes.keys() <= set(re.findall(r"\w+", self.layout)) else self

    def cropped(self, first: int, frames: int, height: int, width: int) -> "Stream":
        """The same stream with `frames` frames from `first` on, and another size; NetworkError if windows are cut."""
        windows = None if self.windows is None else self.windows.within(first, frames, self.name)
        return replace(self, times=self.times[first : first + frames], height=height, width=width, windows=windows)


def rgb_frames(
    count: int,
    *,
    step: int = 1,
    first: int = 0,
    size: int | tuple[int, int] = 224,
    layout: str = "n c t h w",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    name: str = "rgb",
    short_side: int | None = None,
    rate: float | None = None,
    order: Order | None = None,
    fit: Fit = "crop",
    short_clips: ShortClips = "hold",
    sampling: Sampling = "step",
) -> Stream:
    """A stream of `count` RGB frames, `step` video frames apart.

    >>> rgb_frames(5, step=10, first=5).times
    (5, 15, 25, 35, 45)
    """
    height, width = (size, size) if isinstance(size, int) else size
    return Stream(
        name=name,
        kind="rgb",
        times=tuple(first + step * k for k in range(count)),
        height=height,
        width=width,
        layout=layout,
        mean=None if mean is None else tuple(mean),
        std=None if std is None else tuple(std),
        short_side=short_side,
        rate=rate,
        order=order,
        fit=fit,
        short_clips=short_clips,
        sampling=sampling,
    )


def flow_stacks(
    count: int,
    *,
    length: int = 10,
    step: int = 10,
    size: int | tuple[int, int] = 224,
    layout: str = "n (l c) s h w",
    scale: float = 20.0,
    name: str = "flow",
    short_side: int | None = None,
    rate: float | None = None,
    order: Order | None = None,
    fit: Fit = "crop",
    short_clips: ShortClips = "hold",
    sampling: Sampling = "step",
) -> Stream:
    """A stream of `count` stacks of `length` flow fields, the stacks `step` video frames apart.

    Stacks that overlap in time (`step` < `length`) share their fields; with larger steps only the fields that are seen
    belong to the stream. The network sees flow / `scale`.

    >>> flow_stacks(2, length=3, step=2).times
    (0, 1, 2, 3, 4)
    >>> flow_stacks(2, length=3, step=5).times
    (0, 1, 2, 5, 6, 7)
    """
    height, width = (size, size) if isinstance(size, int) else size
    times = sorted({k * step + i for k in range(count) for i in range(length)})
    return Stream(
        name=name,
        kind="flow",
        times=tuple(times),
        height=height,
        width=width,
        layout=layout,
        windows=Windows(count, length, min(step, length)),
        std=(scale, scale),
        short_side=short_side,
        rate=rate,
        order=order,
        fit=fit,
        short_clips=short_clips,
        sampling=sampling,
    )
