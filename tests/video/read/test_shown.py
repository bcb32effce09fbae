"""What streams can say of published networks: each word gives the network exactly the tensor of a slow reference."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from marey.errors import NetworkError
from marey.network.network import Network
from marey.network.stream import Stream, flow_stacks, rgb_frames
from marey.recording.read.heat import heat
from marey.video.flow.cache import FlowCache
from marey.video.read.clip import LoadedClip
from marey.video.read.clips import Clip, load_clip, starts, stream_inputs
from marey.video.read.windows import span_frames
from tests.network.physical import physical

WriteVideo = Callable[..., Path]
Picture = NDArray[np.float64]


class Keeps(nn.Module):
    """A network that keeps what it is given."""

    given: Tensor

    def forward(self, frames: Tensor) -> Tensor:
        self.given = frames
        return frames.flatten(1).mean(1, keepdim=True)


def given(clip: Clip | LoadedClip, stream: Stream, *, start: int = 0) -> Tensor:
    """What the network gets of a clip."""
    if isinstance(clip, LoadedClip):
        window = clip.window([stream], start)
    else:
        window = stream_inputs(clip, [stream], start_frame=start)
    network = Network(Keeps(), [stream])
    network.forward({name: values[None] for name, values in window.items()})
    kept: Tensor = network.module.given  # type: ignore[assignment]
    return kept[0]


@pytest.fixture(scope="module")
def frames() -> NDArray[np.uint8]:
    """Nine frames of noise, 24 x 12."""
    return np.random.default_rng(0).integers(0, 256, (9, 24, 12, 3)).astype(np.uint8)


@pytest.fixture
def tall(write_video: WriteVideo, frames: NDArray[np.uint8]) -> Clip:
    """The frames as a video without loss."""
    return Clip(write_video("tall.mkv", list(frames), codec="ffv1", pixels="bgr0"))


def smaller(picture: NDArray[np.uint8], down: int, across: int) -> Picture:
    """Means of blocks of `down` x `across` pixels, rounded as images are."""
    height, width = picture.shape[0] // down, picture.shape[1] // across
    made = np.zeros((height, width, 3))
    for y in range(height):
        for x in range(width):
            for color in range(3):
                block = picture[y * down : (y + 1) * down, x * across : (x + 1) * across, color]
                made[y, x, color] = np.rint(block.astype(float).mean())
    return made


def test_letterbox_shows_the_whole_frame_between_black_bars(tall: Clip, frames: NDArray[np.uint8]) -> None:
    expected = np.zeros((3, 2, 8, 8))
    for t in range(2):
        expected[:, t, :, 2:6] = smaller(frames[t], 3, 3).transpose(2, 0, 1) / 255
    shown = given(tall, rgb_frames(2, size=8, fit="letterbox"))
    torch.testing.assert_close(shown, torch.tensor(expected, dtype=torch.float32), atol=1.01 / 255, rtol=0)
    assert shown[..., :2].abs().max() == shown[..., 6:].abs().max() == 0


def test_stretch_shows_the_whole_frame_without_its_proportions(tall: Clip, frames: NDArray[np.uint8]) -> None:
    expected = smaller(frames[0], 3, 2).transpose(2, 0, 1)[:, None] / 255
    shown = given(tall, rgb_frames(1, size=(8, 6), fit="stretch"))
    torch.testing.assert_close(shown, torch.tensor(expected, dtype=torch.float32), atol=1.01 / 255, rtol=0)


def test_bars_of_flow_are_without_motion(tall: Clip) -> None:
    shown = given(tall, flow_stacks(1, length=3, size=16, fit="letterbox", layout="n c s l h w"))  # 16 x 8 in it
    assert shown[..., :4].abs().max() == shown[..., 12:].abs().max() == 0
    assert shown[..., 4:12].abs().max() > 0


@pytest.mark.parametrize(
    ("short_clips", "pictures", "fields"),
    [
        ("hold", [7, 8, 8, 8, 8], [7, None, None, None]),
        ("zeros", [7, 8, None, None, None], [7, None, None, None]),
        ("loop", [7, 8, 0, 1, 2], [7, 0, 1, 2]),
    ],
)
def test_after_the_end_a_short_clip_is_held_black_or_begins_anew(
    tall: Clip, frames: NDArray[np.uint8], short_clips: str, pictures: list[int | None], fields: list[int | None]
) -> None:
    moving = Stream("flow", "flow", (0, 1, 2, 3), 12, 12, short_clips=short_clips)  # type: ignore[arg-type]
    stream = replace(rgb_frames(5, size=(24, 12)), short_clips=short_clips)
    rng = np.random.default_rng(1)
    flow = rng.normal(size=(8, 2, 24, 12)).astype(np.float16)
    clip = LoadedClip(tall, 9, 25.0, (24, 12), {(24, 12): torch.tensor(frames)}, {(24, 12): torch.tensor(flow)})
    seen = given(clip, stream, start=7)
    for t, number in enumerate(pictures):
        expected = np.zeros((3, 24, 12)) if number is None else frames[number].transpose(2, 0, 1) / 255
        torch.testing.assert_close(seen[:, t], torch.tensor(expected, dtype=torch.float32))
    moved = given(clip, moving, start=7)
    for t, number in enumerate(fields):
        expected = np.zeros((2, 12, 12)) if number is None else flow[number][:, 6:18]
        torch.testing.assert_close(moved[:, t], torch.tensor(expected, dtype=torch.float32))


@pytest.mark.parametrize(("count", "shown"), [(1, [4]), (3, [1, 4, 7]), (4, [1, 3, 5, 7]), (12, None)])
def test_spread_frames_lie_in_the_middle_of_equal_parts_of_the_whole_clip(
    tall: Clip, frames: NDArray[np.uint8], count: int, shown: list[int] | None
) -> None:
    stream = rgb_frames(count, step=2, size=(24, 12), sampling="spread")
    places = [min(range(9), key=lambda k: abs(k + 0.5 - (part + 0.5) * 9 / count)) for part in range(count)]
    assert shown is None or places == shown
    seen = given(tall, stream)
    for t, place in enumerate(places):
        torch.testing.assert_close(seen[:, t], torch.tensor(frames[place]).permute(2, 0, 1) / 255)
    loaded = load_clip(tall, [stream])
    assert starts(loaded, [stream], 5) == [0]
    assert span_frames([stream], loaded.frames) == 9  # never shorter than a window


def test_spread_stacks_are_whole_and_have_their_fields_one_after_the_other() -> None:
    stream = flow_stacks(3, length=2, size=4, scale=1.0, sampling="spread", layout="n c s l h w")
    fields = torch.arange(30.0).view(30, 1, 1, 1).expand(30, 2, 4, 4).half()
    clip = LoadedClip(Clip("made"), 31, 25.0, (4, 4), {}, {(4, 4): fields})
    seen = given(clip, replace(stream, bound=100.0))
    assert seen[0, :, :, 0, 0].tolist() == [[4, 5], [14, 15], [24, 25]]  # of ten fields each


def test_gray_is_one_channel_of_luminance(tall: Clip, frames: NDArray[np.uint8]) -> None:
    stream = rgb_frames(2, size=(24, 12), order="gray", mean=(0.5,), std=(0.25,))
    expected = np.zeros((1, 2, 24, 12))
    for t in range(2):
        for y in range(24):
            for x in range(12):
                red, green, blue = frames[t, y, x] / 255
                expected[0, t, y, x] = (0.299 * red + 0.587 * green + 0.114 * blue - 0.5) / 0.25
    torch.testing.assert_close(given(tall, stream), torch.tensor(expected, dtype=torch.float32), atol=1e-5, rtol=1e-5)


def test_bgr_has_blue_first_and_mean_and_std_in_that_order(tall: Clip, frames: NDArray[np.uint8]) -> None:
    mean, std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    seen = given(tall, rgb_frames(1, size=(24, 12), order="bgr", mean=mean, std=std))
    for place, color in enumerate((2, 1, 0)):
        expected = (frames[0, :, :, color] / 255 - mean[place]) / std[place]
        torch.testing.assert_close(seen[place, 0], torch.tensor(expected, dtype=torch.float32))


def test_flow_can_have_v_first() -> None:
    clips = torch.arange(8.0).view(1, 2, 1, 2, 2)
    stream = Stream("flow", "flow", (0,), 2, 2, order="vu", std=(2.0, 1.0))
    assert stream.to_network(clips)[0, :, 0, 0, 0].tolist() == [2.0, 0.0]


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_every_order_of_color_comes_back(order: str) -> None:
    stream = rgb_frames(2, size=3, order=order, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))  # type: ignore[arg-type]
    clips = torch.rand(2, *stream.shape)
    torch.testing.assert_close(physical(stream, stream.to_network(clips), count=2), clips)


def test_gray_comes_back_as_three_equal_channels_and_is_all_that_is_seen() -> None:
    stream = rgb_frames(2, size=3, order="gray", std=(0.5,))
    clips = torch.rand(2, *stream.shape)
    seen = stream.as_seen(clips)
    torch.testing.assert_close(physical(stream, stream.to_network(clips), count=2), seen)
    torch.testing.assert_close(stream.to_network(seen), stream.to_network(clips))
    assert torch.equal(seen[:, 0], seen[:, 2])
    colored = rgb_frames(2, size=3)
    assert colored.as_seen(clips) is clips


def test_frames_per_second_and_all_words_come_back_from_json_and_old_files_lack_them() -> None:
    plain = rgb_frames(4, size=8, rate=15)
    assert not {"order", "fit", "short_clips", "sampling"} & plain.to_json().keys()
    assert Stream.from_json(plain.to_json()) == plain
    told = replace(plain, order="bgr", fit="letterbox", short_clips="loop", sampling="spread")
    assert Stream.from_json(told.to_json()) == told


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"order": "uv"}, "order of rgb stream 'rgb' is 'uv'; expected 'rgb' or 'bgr' or 'gray'"),
        ({"fit": "pad"}, "fit of rgb stream 'rgb' is 'pad'; expected 'crop' or 'letterbox' or 'stretch'"),
        ({"short_clips": "repeat"}, "short_clips of rgb stream 'rgb' is 'repeat'"),
        ({"sampling": "even"}, "sampling of rgb stream 'rgb' is 'even'; expected 'step' or 'spread'"),
        ({"order": "gray", "mean": (0.1, 0.2, 0.3)}, "mean of stream 'rgb' has 3 values"),
    ],
)
def test_other_words_are_refused_with_those_that_there_are(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(NetworkError, match=said):
        replace(rgb_frames(2, size=8), **wrong)  # type: ignore[arg-type]


def test_streams_that_are_spread_and_not_cannot_be_shown_together(tall: Clip) -> None:
    streams = [rgb_frames(2, size=8), rgb_frames(2, size=8, name="other", sampling="spread")]
    with pytest.raises(NetworkError, match="need one sampling"):
        stream_inputs(tall, streams)
    with pytest.raises(NetworkError, match="overlap"):
        flow_stacks(2, length=3, step=2, size=8, sampling="spread")


def test_the_cache_keeps_letterboxed_frames_apart_from_cropped_ones(tall: Clip, tmp_path: Path) -> None:
    cache = FlowCache(tmp_path)
    wide, whole = rgb_frames(1, size=8), rgb_frames(1, size=8, fit="letterbox")
    for stream in (wide, whole, wide, whole):
        loaded = load_clip(tall, [stream], cache=cache)
        assert torch.equal(loaded.window([stream])["rgb"], load_clip(tall, [stream]).window([stream])["rgb"])


def test_heat_of_frames_spread_over_a_clip_lies_at_these_frames() -> None:
    module = nn.Sequential(nn.Conv3d(3, 1, 1, bias=False))
    nn.init.ones_(module[0].weight)  # type: ignore[arg-type]
    pictures = torch.zeros(9, 4, 4, 3, dtype=torch.uint8)
    pictures[6:] = 255
    network = Network(module, [rgb_frames(3, size=4, sampling="spread")])

    class Made:
        def load(self, clip: Clip, streams: object) -> LoadedClip:
            return LoadedClip(clip, 9, 25.0, (4, 4), {(4, 4): pictures}, {})

    _, responses = heat(network, "0:0", Clip("made", maker=Made()))
    assert responses.amax((1, 2)).gt(1).tolist() == [False] * 6 + [True] * 3
