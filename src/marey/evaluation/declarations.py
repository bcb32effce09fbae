"""The ways in which a stream could have been declared instead: what published networks were trained with."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from marey.network.stream import Fit, ShortClips, Stream

About = Literal["channels", "range", "layout", "frames", "fit", "short clips", "classes"]
"""What another declaration changes: order of channels, mean and std, axes, times, crop, padding, names of classes."""


@dataclass(frozen=True)
class Declaration:
    """Streams of a network as they could be declared.

    name
        what is different, in a few words.
    write
        what to write in the declaration.
    stream
        the stream that differs, or "" for all.
    classes
        names of the scores in another order; () for those given.
    """

    name: str
    write: str
    streams: tuple[Stream, ...]
    stream: str = ""
    about: About | None = None
    classes: tuple[str, ...] = ()


Values = tuple[float, ...] | None

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_BYTE = (1 / 255,) * 3
_RGB_RANGES: tuple[tuple[str, str, Values, Values], ...] = (
    ("RGB in 0..1", "mean=None, std=None", None, None),
    ("RGB in 0..255", "mean=None, std=(1 / 255,) * 3", None, _BYTE),
    ("RGB in -1..1", "mean=(0.5,) * 3, std=(0.5,) * 3", (0.5,) * 3, (0.5,) * 3),
    ("ImageNet's mean and std", f"mean={_IMAGENET[0]}, std={_IMAGENET[1]}", *_IMAGENET),
    ("0..255 less the mean", f"mean={_IMAGENET[0]}, std=(1 / 255,) * 3", _IMAGENET[0], _BYTE),
)
_FLOW_RANGES: tuple[tuple[str, str, Values, Values], ...] = (
    ("flow in px", "mean=None, std=None", None, None),
    ("flow in px / 20", "mean=None, std=(20, 20)", None, (20.0, 20.0)),
    ("flow of -20..20 px as -127.5..127.5", "mean=None, std=(20 / 127.5,) * 2", None, (20 / 127.5,) * 2),
    ("flow of -20..20 px as 0..255", "mean=(-20, -20), std=(40 / 255,) * 2", (-20.0,) * 2, (40 / 255,) * 2),
)
_NEAR = 0.25
"""Declarations whose values differ by less, relative to the range of the narrower, count as the same."""


def declarations(streams: Sequence[Stream]) -> list[Declaration]:
    """Every other declaration of one stream, or of what all have in common; each differs in one thing."""
    found = []
    for stream in streams:
        for about, name, write, other in _of_one(stream):
            changed = tuple(other if one is stream else one for one in streams)
            found.append(Declaration(name, write, changed, stream.name, about))
    found += [Declaration(name, write, changed, about=about) for about, name, write, changed in _of_all(streams)]
    return found


def _of_one(stream: Stream) -> Iterator[tuple[About, str, str, Stream]]:
    if stream.kind == "rgb" and stream.order != "gray":
        word: Literal["rgb", "bgr"] = "rgb" if stream.order == "bgr" else "bgr"
        other = _reversed(replace(stream, order=word))
        yield "channels", word.upper(), f'order="{word}"{_values(other)}', other
    if stream.kind == "flow":
        turn: Literal["uv", "vu"] = "uv" if stream.order == "vu" else "vu"
        other = _reversed(replace(stream, order=turn))
        yield "channels", f"{turn[0]} before {turn[1]}", f'order="{turn}"{_values(other)}', other
        std = stream.std or (1.0, 1.0)
        mean = stream.mean or (0.0, 0.0)
        for name, signs in (("flow reversed", (-1, -1)), ("v reversed", (1, -1)), ("u reversed", (-1, 1))):
            signs = signs if stream.ordered == "uv" else signs[::-1]
            turned = tuple(sign * value for sign, value in zip(signs, std, strict=True))
            middle = tuple(sign * value for sign, value in zip(signs, mean, strict=True))
            write = f"std=({turned[0]:.6g}, {turned[1]:.6g})"
            write += f", mean=({middle[0]:.6g}, {middle[1]:.6g})" if stream.mean is not None else ""
            other = replace(stream, std=turned, mean=None if stream.mean is None else middle)
            yield "channels", name, write, other
    for name, write, means, stds in _RGB_RANGES if stream.kind == "rgb" else _FLOW_RANGES:
        other = _ranged(stream, means, stds)
        if not _alike(stream, other):
            yield "range", name, write, other
    for axis in ("t", "l"):
        other = stream.exchanged("c", axis)
        if other != stream and stream.frames > 1:
            yield "layout", "T and C exchanged", f'layout="{other.to_json()["layout"]}"', other


def _of_all(streams: Sequence[Stream]) -> Iterator[tuple[About, str, str, tuple[Stream, ...]]]:
    """What all streams of a network have in common: crop, short clips, number and spacing of frames."""
    for fit in get_args(Fit):
        if fit != streams[0].fit:
            yield "fit", fit, f'fit="{fit}"', tuple(replace(stream, fit=fit) for stream in streams)
    for short in get_args(ShortClips):
        if short != streams[0].short_clips:
            changed = tuple(replace(stream, short_clips=short) for stream in streams)
            yield "short clips", f"short clips: {short}", f'short_clips="{short}"', changed
    for name, write, change in _in_time(streams):
        yield "frames", name, write, tuple(change(stream) for stream in streams)


def _in_time(streams: Sequence[Stream]) -> Iterator[tuple[str, str, Callable[[Stream], Stream]]]:
    """Other numbers and spacings of frames; of networks with flow or windows only the rate, which changes both."""
    if all(stream.still for stream in streams):
        return
    plain = all(stream.kind == "rgb" and stream.windows is None for stream in streams)
    if not plain:
        for factor, name in ((0.5, "half the rate"), (2.0, "twice the rate")):
            rate = None if streams[0].rate is None else streams[0].rate * factor
            if rate is not None:
                yield name, f"rate={rate:g}", lambda stream, rate=rate: replace(stream, rate=rate)  # type: ignore[misc]
        return
    if streams[0].sampling == "spread":
        yield "frames one after the other", 'sampling="step"', lambda stream: replace(stream, sampling="step")
        return
    yield "frames spread over the clip", 'sampling="spread"', lambda stream: replace(stream, sampling="spread")
    for factor in (2, 4):
        yield f"frames {factor} times as far apart", f"step={factor} times as large", _Apart(factor)
    if all(time % 2 == 0 for stream in streams for time in stream.times):
        yield "frames half as far apart", "step=half as large", _Apart(0.5)
    yield "twice as many frames", "twice as many frames", _twice
    if all(stream.frames % 2 == 0 for stream in streams):
        yield (
            "half as many frames",
            "half as many frames",
            lambda stream: replace(stream, times=stream.times[: stream.frames // 2]),
        )


@dataclass(frozen=True)
class _Apart:
    factor: float

    def __call__(self, stream: Stream) -> Stream:
        return replace(stream, times=tuple(round(time * self.factor) for time in stream.times))


def _twice(stream: Stream) -> Stream:
    step = stream.times[-1] - stream.times[-2] if stream.frames > 1 else 1
    further = stream.times[-1] + step - stream.times[0]
    return replace(stream, times=(*stream.times, *(time + further for time in stream.times)))


def _reversed(stream: Stream) -> Stream:
    mean = None if stream.mean is None else stream.mean[::-1]
    return replace(stream, mean=mean, std=None if stream.std is None else stream.std[::-1])


def _values(stream: Stream) -> str:
    """Mean and std as they are written, where they go with the order of channels."""
    given = {"mean": stream.mean, "std": stream.std}
    return "".join(f", {name}={values}" for name, values in given.items() if values and len(set(values)) > 1)


def _ranged(stream: Stream, mean: Values, std: Values) -> Stream:
    """The stream with another mean and std, given in the order of the kind."""
    if stream.order == "gray":
        mean, std = (None if values is None else (sum(values) / len(values),) for values in (mean, std))
    other = replace(stream, mean=mean, std=std)
    return _reversed(other) if stream.order in ("bgr", "vu") else other


def _alike(one: Stream, other: Stream) -> bool:
    """Whether all channels have nearly the same range."""
    for (low, high), (bottom, top) in zip(ranges(one), ranges(other), strict=True):
        narrow = min(high - low, top - bottom)
        if max(abs(low - bottom), abs(high - top)) > _NEAR * narrow:
            return False
    return True


def ranges(stream: Stream) -> list[tuple[float, float]]:
    """Of each channel that the network gets, the smallest and the largest value."""
    count = 1 if stream.order == "gray" else stream.channels
    means, stds = stream.mean or (0.0,) * count, stream.std or (1.0,) * count
    ends = [[(end - mean) / std for end in (stream.low, stream.high)] for mean, std in zip(means, stds, strict=True)]
    return [(min(pair), max(pair)) for pair in ends]
