"""What a network is shown: physical video inside, the network's own layout and scaling at the edge.

Inside marey every stream is a float tensor of axes (clip, channel, time, height, width): RGB in 0..1, flow in pixels
per frame, u (to the right) before v (down). Only this module knows how a network wants it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
from einops import EinopsError, rearrange
from torch import Tensor
from torch.autograd.function import once_differentiable

from marey.errors import NetworkError
from marey.schema import SchemaError, typed

Kind = Literal["rgb", "flow"]


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
    mean, std
        per channel, in physical units: the network sees (value - mean) / std.
    short_side
        frames of a video are resized to this short side before the crop of `height` x `width`; None: to the crop.
    rate
        frames per second that `times` counts in; None: those of the video.

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

    def __post_init__(self) -> None:
        if self.kind not in ("rgb", "flow"):
            raise NetworkError(f"stream '{self.name}' has kind '{self.kind}'; expected 'rgb' or 'flow'.")
        if not self.times or min(self.height, self.width) < 1:
            raise NetworkError(
                f"stream '{self.name}' is empty: {len(self.times)} frames of {self.height} x {self.width}."
            )
        if list(self.times) != sorted(set(self.times)):
            raise NetworkError(f"times of stream '{self.name}' must rise, got {self.times}.")
        for label, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) != self.channels:
                raise NetworkError(
                    f"{label} of stream '{self.name}' has {len(values)} values; "
                    f"kind '{self.kind}' has {self.channels} channels."
                )
        if self.windows is not None and self.windows.frames != self.frames:
            raise NetworkError(
                f"windows of stream '{self.name}' cover {self.windows.frames} frames, the stream has {self.frames}."
            )
        try:
            self.to_network(torch.zeros(1, self.channels, self.frames, 1, 1))
        except EinopsError as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise NetworkError(
                f"layout '{self.layout}' of stream '{self.name}' does not fit {self._pattern}: {reason}"
            ) from None

    @property
    def channels(self) -> int:
        """3 for RGB, 2 for flow."""
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

    def _scale(self, like: Tensor) -> tuple[Tensor, ...]:
        key = (like.dtype, like.device)
        if key not in self._scales:
            mean, std = self.mean or (0.0,) * self.channels, self.std or (1.0,) * self.channels
            self._scales[key] = tuple(like.new_tensor(values).view(1, -1, 1, 1, 1) for values in (mean, std))
        return self._scales[key]

    @cached_property
    def _scales(self) -> dict[tuple[torch.dtype, torch.device], tuple[Tensor, ...]]:
        return {}

    def to_network(self, clips: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
        """The network's input for physical `clips` (clip channel time height width); differentiable, of any size.

        It is in the network's `dtype`, None: that of the clips. One clip many times, as `expand` gives it, is laid out
        once, where the layout has an axis of clips.
        """
        if len(clips) > 1 and clips.stride(0) == 0 and "n" in self._axes:
            one = self.to_network(clips[:1], dtype=dtype)
            return one.expand([len(clips) if axis == "n" else -1 for axis in self._axes])
        mean, std = self._scale(clips)
        scaled: Tensor = _Scaled.apply(  # type: ignore[no-untyped-call]
            clips, None if self.mean is None else mean, None if self.std is None else std, dtype
        )
        if self.windows is None:
            return scaled if self._pattern == self.layout else rearrange(scaled, f"{self._pattern} -> {self.layout}")
        if self.windows.step < self.windows.length:
            scaled = scaled[:, :, self.windows.index]
        return rearrange(scaled, f"{self._pattern} -> {self.layout}", l=self.windows.length)

    def from_network(self, values: Tensor, *, count: int) -> Tensor:
        """The physical clips behind the network's input `values` of `count` clips; frames seen twice are averaged."""
        axes = {"n": count, "c": self.channels}
        if self.windows is not None:
            axes |= {"s": self.windows.count, "l": self.windows.length}
        named = self.layout.replace("(", " ").replace(")", " ").split()
        known = {axis: size for axis, size in axes.items() if axis in named}
        clips = rearrange(values, f"{self.layout} -> {self._pattern}", **known)
        if self.windows is not None and self.windows.step < self.windows.length:
            index = torch.tensor(self.windows.index, device=clips.device)
            total = clips.new_zeros(count, self.channels, self.frames, *clips.shape[3:]).index_add(2, index, clips)
            seen = torch.bincount(index, minlength=self.frames).to(clips).view(1, 1, -1, 1, 1)
            clips = total / seen
        mean, std = self._scale(clips)
        return clips * std + mean

    def to_json(self) -> dict[str, Any]:
        """The stream as plain values for JSON; `from_json` reads them."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

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

    def cropped(self, first: int, frames: int, height: int, width: int) -> "Stream":
        """The same stream with `frames` frames from `first` on, and another size; NetworkError if windows are cut."""
        windows = self.windows
        if windows is not None:
            count, left = divmod(frames - windows.length, windows.step)
            if first % windows.step or left or count < 0:
                raise NetworkError(
                    f"frames {first} to {first + frames} of stream '{self.name}' cut a window of {windows}."
                )
            windows = replace(windows, count=count + 1)
        return replace(self, times=self.times[first : first + frames], height=height, width=width, windows=windows)


class _Scaled(torch.autograd.Function):
    """(clips - mean) / std in another type, before the frames are brought into the network's order.

    The gradient comes back in that order, and is brought into that of the clips before anything is computed with it:
    sums and products of transposed tensors take ten times as long.
    """

    @staticmethod
    def forward(ctx: Any, clips: Tensor, mean: Tensor | None, std: Tensor | None, dtype: torch.dtype | None) -> Tensor:
        ctx.std, ctx.dtype = std, clips.dtype
        scaled = clips if mean is None else clips - mean
        scaled = scaled if std is None else scaled / std if mean is None else scaled.div_(std)
        scaled = scaled if dtype is None else scaled.to(dtype)
        return scaled.view_as(scaled) if scaled is clips else scaled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        of_clips = torch.empty(gradient.shape, dtype=ctx.dtype, device=gradient.device).copy_(gradient)
        return of_clips if ctx.std is None else of_clips.div_(ctx.std), None, None, None


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
    )
