"""Augmentation leaves the class alone: it flips the flow with the picture, and all streams share what it draws."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from marey.errors import MareyError
from marey.families.two_stream import TwoStream
from marey.network.stream import Stream
from marey.training.augmentation import Augmentation, augmented_window, mirror, stacked
from marey.video.read.clips import Clip, LoadedClip, resized_size

NONE = Augmentation(
    flip=0, zoom=0, crop=False, brightness=0, contrast=0, tint=0, jitter=False, grain=0, flow_grain=0, erase=0
)
STREAMS = TwoStream(2, size=32, width=1 / 16, frames=2, stack=3, step=3).input_streams()


def _clip(frames: int = 12, height: int = 40, width: int = 50, streams: tuple[Stream, ...] = STREAMS) -> LoadedClip:
    generator = torch.Generator().manual_seed(frames)
    pictures, fields = {}, {}
    for stream in streams:
        size = resized_size((height, width), stream)
        if stream.kind == "rgb":
            pictures[size] = torch.randint(0, 256, (frames, *size, 3), generator=generator, dtype=torch.uint8)
        else:
            fields[size] = torch.randn(frames - 1, 2, *size, generator=generator).half()
    return LoadedClip(Clip("made"), frames, 25.0, (height, width), pictures, fields)


def _window(augmentation: Augmentation, seed: int = 0, clip: LoadedClip | None = None) -> dict[str, Tensor]:
    clip = _clip() if clip is None else clip
    return augmented_window(clip, STREAMS, augmentation, torch.Generator().manual_seed(seed))


def test_with_everything_off_the_window_is_the_middle_of_the_clip() -> None:
    clip = _clip()
    expected = clip.window(STREAMS, (12 - 7) // 2)
    found = _window(NONE, clip=clip)
    assert all(torch.allclose(found[name], expected[name], atol=1e-6) for name in expected)


def test_a_flip_mirrors_the_picture_and_negates_u() -> None:
    plain, flipped = _window(NONE), _window(dataclasses.replace(NONE, flip=1.0))
    assert flipped["rgb"].equal(plain["rgb"].flip(-1))
    assert flipped["flow"][0].equal(-plain["flow"][0].flip(-1))
    assert flipped["flow"][1].equal(plain["flow"][1].flip(-1))


def test_a_mirror_image_of_a_mirror_image_is_the_image() -> None:
    for stream in STREAMS:
        values = torch.randn(stream.shape)
        assert mirror(mirror(values, stream), stream).equal(values)


@given(st.integers(0, 500), st.integers(24, 60), st.integers(24, 60), st.integers(2, 12), st.floats(0, 0.9))
def test_windows_have_the_size_of_their_stream_and_physical_values(
    seed: int, height: int, width: int, frames: int, zoom: float
) -> None:
    found = _window(Augmentation(zoom=zoom), seed, _clip(frames, height, width))
    for stream in STREAMS:
        assert found[stream.name].shape == stream.shape
        assert float(found[stream.name].min()) >= stream.low and float(found[stream.name].max()) <= stream.high


def test_the_same_generator_gives_the_same_window_and_another_another() -> None:
    again = [_window(Augmentation(), seed)["rgb"] for seed in (1, 1, 2)]
    assert again[0].equal(again[1]) and not again[0].equal(again[2])


def test_flow_is_scaled_with_a_zoomed_crop() -> None:
    clip = _clip()
    (size,) = clip.fields
    even = dataclasses.replace(clip, fields={size: torch.ones_like(clip.fields[size])})
    speeds = {
        float(_window(Augmentation(flip=0, zoom=0.15, flow_grain=0, erase=0), k, even)["flow"].mean()) for k in range(6)
    }
    assert len(speeds) > 1 and all(1 / 1.16 < speed < 1 / 0.84 for speed in speeds)


def test_grain_has_the_asked_deviation_at_most_and_differs_between_windows() -> None:
    plain = _window(NONE)
    grainy = [_window(dataclasses.replace(NONE, flow_grain=0.5), k) for k in range(20)]
    spreads = [float((window["flow"] - plain["flow"]).std()) for window in grainy]
    assert all(window["rgb"].equal(plain["rgb"]) for window in grainy)
    assert max(spreads) <= 0.5 + 1e-4 and max(spreads) > 0.3 and min(spreads) < 0.15


def test_an_erased_rectangle_is_at_rest_at_the_same_place_of_every_stream() -> None:
    plain, erased = _window(NONE), _window(dataclasses.replace(NONE, erase=1.0))
    gone = [(erased[s.name] != plain[s.name]).any(0).any(0) for s in STREAMS]
    rows, columns = gone[1].any(1).sum(), gone[1].any(0).sum()
    assert 4 <= rows <= 16 and 4 <= columns <= 16 and gone[1].sum() == rows * columns
    assert not (gone[0] & ~gone[1]).any()
    assert erased["flow"][:, :, gone[1]].eq(0).all() and erased["rgb"][:, :, gone[1]].eq(0.5).all()


def test_windows_are_stacked_by_stream() -> None:
    batch = stacked([_window(Augmentation(), k) for k in range(3)])
    assert {name: tuple(values.shape) for name, values in batch.items()} == {
        stream.name: (3, *stream.shape) for stream in STREAMS
    }


@pytest.mark.parametrize("options", [{"flip": 1.5}, {"zoom": 1.0}, {"contrast": 1.0}, {"tint": -0.1}, {"erase": 2}])
def test_an_augmentation_out_of_range_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(MareyError, match=f"{next(iter(options))} of an augmentation is 0 to 1"):
        Augmentation(**options)
