from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from marey.errors import NetworkError, VideoError
from marey.network.stream import Stream, flow_stacks, rgb_frames
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import optical_flow
from marey.video.read.clips import (
    Clip,
    LoadedClip,
    load_clip,
    load_clips,
    resized_size,
    span_frames,
    starts,
    stream_inputs,
)
from marey.video.read.decode import read_video

WriteVideo = Callable[..., Path]

VALUES = list(range(20, 220, 10))


def shown(rgb: torch.Tensor) -> list[int]:
    """The grays of the frames of an input, rounded to tens."""
    return [round(float(value) * 25.5) * 10 for value in rgb.mean(dim=(0, 2, 3))]


@pytest.fixture
def grays(write_video: WriteVideo, plain) -> Clip:
    """Twenty plain frames of 48 x 64, gray 20, 30, ... at 10 frames per second."""
    return Clip(write_video("grays.mp4", plain(VALUES)))


@pytest.fixture
def sliding(write_video: WriteVideo, slide) -> Clip:
    """Eight frames of 64 x 80 that slide by (4, -2) px/frame."""
    frames = slide(4.0, -2.0, frames=8)
    return Clip(write_video("slide.mkv", list(frames.numpy()), codec="ffv1", pixels="bgr0"))


def test_a_stream_shows_the_frames_that_its_times_name(grays: Clip):
    inputs = stream_inputs(grays, [rgb_frames(4, step=3, first=1, size=(16, 20))], start_frame=5)
    assert inputs["rgb"].shape == (3, 4, 16, 20)
    assert inputs["rgb"].dtype == torch.float32
    assert shown(inputs["rgb"]) == [80, 110, 140, 170]


def test_without_a_start_the_window_is_in_the_middle(grays: Clip):
    assert shown(stream_inputs(grays, [rgb_frames(2, size=16)])["rgb"]) == [110, 120]


def test_a_rate_samples_by_time_and_not_by_frame(grays: Clip):
    half = rgb_frames(4, size=16, rate=5)
    assert shown(stream_inputs(grays, [half], start_frame=0)["rgb"]) == [20, 40, 60, 80]
    double = rgb_frames(40, size=16, rate=20)
    assert load_clip(grays, [double]).frames == 40
    same = rgb_frames(20, size=16, rate=10)
    assert shown(stream_inputs(grays, [same])["rgb"]) == VALUES


def test_start_and_stop_cut_the_clip(grays: Clip):
    part = replace(grays, start_seconds=0.5, stop_seconds=1.0)
    for rate in (None, 10):
        loaded = load_clip(part, [rgb_frames(5, size=16, rate=rate)])
        assert loaded.frames == 5
        assert shown(loaded.window([rgb_frames(5, size=16, rate=rate)])["rgb"]) == [70, 80, 90, 100, 110]


def test_a_varying_frame_rate_is_evened_out(write_video: WriteVideo, plain):
    ticks = [0, 100, 200, 300, 600, 700, 800]  # 300 ms without a new frame
    path = write_video("v.mkv", plain([20, 40, 60, 80, 100, 120, 140]), ticks=ticks)
    loaded = load_clip(Clip(path), [rgb_frames(9, size=16)])
    assert loaded.rate == pytest.approx(10, rel=0.02)
    assert shown(loaded.window([rgb_frames(9, size=16)])["rgb"]) == [20, 40, 60, 80, 80, 100, 100, 120, 140]


def test_a_folder_of_images_is_a_clip(tmp_path: Path, plain):
    for index, picture in enumerate(plain(VALUES)):
        Image.fromarray(picture).save(tmp_path / f"img_{index:05d}.png")
    inputs = stream_inputs(Clip(tmp_path), [rgb_frames(3, size=16, rate=5)], start_frame=0, folder_rate=10)
    assert shown(inputs["rgb"]) == [20, 40, 60]


@pytest.mark.parametrize(
    ("source", "crop", "short_side", "expected"),
    [
        ((144, 180), (96, 96), 112, (112, 140)),
        ((144, 180), (112, 112), None, (112, 140)),
        ((180, 144), (112, 112), None, (140, 112)),
        ((48, 64), (112, 112), 64, (112, 149)),
        ((48, 64), (30, 90), None, (68, 90)),
        ((97, 33), (33, 33), 33, (97, 33)),
    ],
)
def test_frames_keep_their_proportion_and_cover_the_crop(source, crop, short_side, expected):
    assert resized_size(source, rgb_frames(1, size=crop, short_side=short_side)) == expected


@given(some.tuples(some.integers(1, 500), some.integers(1, 500)), some.integers(1, 64), some.integers(1, 64))
def test_the_crop_always_fits(source, height, width):
    resized = resized_size(source, rgb_frames(1, size=(height, width), short_side=24))
    assert resized[0] >= height
    assert resized[1] >= width


def test_the_crop_lies_where_its_place_says(sliding: Clip):
    whole = read_video(sliding.path).frames[0].permute(2, 0, 1).float() / 255
    stream = rgb_frames(1, size=(40, 50), short_side=64)
    corners = {(0.0, 0.0): (0, 0), (1.0, 1.0): (24, 30), (0.5, 0.5): (12, 15), (0.0, 1.0): (0, 30)}
    for crop, (top, left) in corners.items():
        cut = stream_inputs(sliding, [stream], start_frame=0, crop=crop)["rgb"][:, 0]
        assert torch.equal(cut, whole[:, top : top + 40, left : left + 50])
    centered = stream_inputs(sliding, [stream], start_frame=0)["rgb"][:, 0]
    assert torch.equal(centered, whole[:, 12:52, 15:65])
    with pytest.raises(VideoError, match=r"no crop at y 1\.5"):
        stream_inputs(sliding, [stream], crop=(1.5, 0.0))


def test_flow_is_in_pixels_of_the_resized_frames_and_from_each_frame_to_the_next(sliding: Clip):
    full = flow_stacks(1, length=3, size=(40, 50), short_side=64)
    half = flow_stacks(1, length=3, size=(20, 25), short_side=32, name="half")
    inputs = stream_inputs(sliding, [full, half])
    assert inputs["flow"].shape == (2, 3, 40, 50)
    assert inputs["flow"].mean(dim=(1, 2, 3)).tolist() == pytest.approx([4, -2], abs=0.2)
    assert inputs["half"].mean(dim=(1, 2, 3)).tolist() == pytest.approx([2, -1], abs=0.2)


def test_flow_is_that_of_the_frames_at_its_times(sliding: Clip):
    stream = Stream("flow", "flow", times=(0, 2, 5), height=64, width=80)
    fields = optical_flow(read_video(sliding.path).frames, method="farneback").half().float()
    inputs = stream_inputs(sliding, [stream], start_frame=1, flow="farneback")
    assert torch.equal(inputs["flow"], fields[[1, 3, 6]].transpose(0, 1))


def test_flow_of_a_lower_rate_spans_more_frames(sliding: Clip):
    slow = Stream("flow", "flow", times=(0, 1), height=64, width=80, rate=5)
    flow = stream_inputs(sliding, [slow], start_frame=0, flow="dis")["flow"][:, :, 16:-16, 16:-16]
    assert flow.mean(dim=(1, 2, 3)).tolist() == pytest.approx([8, -4], abs=0.4)


def test_flow_is_clipped_to_the_bound_of_its_stream(sliding: Clip):
    narrow = Stream("flow", "flow", times=(0,), height=64, width=80, bound=3.0)
    flow = stream_inputs(sliding, [narrow])["flow"]
    assert flow.max() == 3.0
    assert flow[1].mean() == pytest.approx(-2, abs=0.3)


def test_windows_of_a_loaded_clip_are_the_inputs_cut_one_by_one(sliding: Clip, tmp_path: Path):
    streams = [
        rgb_frames(2, step=2, size=32, short_side=48),
        flow_stacks(2, length=2, step=1, size=(24, 40), short_side=40),
        flow_stacks(1, length=1, size=32, short_side=48, name="other"),
    ]
    loaded = load_clip(sliding, streams, flow="dis")
    cache = FlowCache(tmp_path / "cache")
    for start, crop in ((0, (0.5, 0.5)), (3, (0.0, 1.0)), (4, (0.3, 0.7))):
        cut = loaded.window(streams, start, *crop)
        for kept in (None, cache, cache):
            alone = stream_inputs(sliding, streams, start_frame=start, crop=crop, flow="dis", cache=kept)
            assert cut.keys() == alone.keys() == {"rgb", "flow", "other"}
            for name, values in cut.items():
                assert torch.equal(values, alone[name])
                assert values.is_contiguous()


def test_a_loaded_clip_keeps_only_what_its_streams_show(sliding: Clip):
    flow = flow_stacks(1, length=2, size=24, short_side=48)
    assert load_clip(sliding, [flow], flow="dis").pictures == {}
    rgb = rgb_frames(1, size=24, short_side=48)
    loaded = load_clip(sliding, [rgb])
    assert loaded.fields == {}
    assert loaded.pictures[48, 60].dtype == torch.uint8
    with pytest.raises(NetworkError, match="clip loaded without flow of 48 x 60 px, as 'flow' wants"):
        loaded.window([flow])


def test_cutting_a_window_leaves_the_loaded_clip_as_it_was(sliding: Clip):
    streams = [rgb_frames(1, size=(64, 80)), Stream("flow", "flow", times=(0,), height=64, width=80, bound=1.0)]
    loaded = load_clip(sliding, streams, flow="dis")
    before = [tensor.clone() for tensor in (*loaded.pictures.values(), *loaded.fields.values())]
    for value in loaded.window(streams).values():
        value.zero_()
    after = [*loaded.pictures.values(), *loaded.fields.values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_span_counts_the_frame_after_the_last_field():
    assert span_frames([rgb_frames(5, step=10, first=5)]) == 46
    assert span_frames([flow_stacks(1, length=10)]) == 11
    assert span_frames([rgb_frames(1, first=10), flow_stacks(1, length=10)]) == 11


def test_starts_are_spread_over_all_that_is_possible(grays: Clip):
    streams = [rgb_frames(5, size=16)]
    assert starts(grays, streams, 1) == [7]
    assert starts(grays, streams, 2) == [0, 15]
    assert starts(load_clip(grays, streams), streams, 4) == [0, 5, 10, 15]
    assert starts(grays, streams, 100) == list(range(16))
    assert starts(grays, [rgb_frames(30, size=16)], 3) == [0]
    for start in starts(grays, streams, 7):
        stream_inputs(grays, streams, start_frame=start)


def test_a_clip_that_is_too_short_says_how_much(grays: Clip):
    with pytest.raises(VideoError, match=r"grays\.mp4' has 20 frames, and a window needs 25; ") as caught:
        stream_inputs(grays, [rgb_frames(25, size=16)], short="error")
    assert "\n" not in str(caught.value)
    with pytest.raises(VideoError, match="has 20 frames, and a window needs 5 from frame 16 on"):
        stream_inputs(grays, [rgb_frames(5, size=16)], start_frame=16, short="error")
    with pytest.raises(VideoError, match="has 20 frames, and a window needs 21"):
        load_clip(grays, [flow_stacks(2, size=16)], flow="dis").window([flow_stacks(2, size=16)], short="error")
    for start in (-1, 20):
        with pytest.raises(VideoError, match="has 20 frames"):
            stream_inputs(grays, [rgb_frames(1, size=16)], start_frame=start)


def test_a_short_clip_is_padded_with_its_last_frame_without_motion(sliding: Clip):
    streams = [rgb_frames(4, size=(64, 80)), Stream("flow", "flow", times=(0, 1, 2, 3), height=64, width=80)]
    exact = read_video(sliding.path).frames[6:8].permute(3, 0, 1, 2).float() / 255
    for inputs in (
        stream_inputs(sliding, streams, start_frame=6),
        load_clip(sliding, streams).window(streams, 6),
    ):
        assert torch.equal(inputs["rgb"], exact[:, [0, 1, 1, 1]])
        assert inputs["flow"][0, 0].mean() > 3
        assert inputs["flow"][:, 1:].abs().max() == 0


def test_a_clip_of_one_frame_shows_no_motion_and_is_refused_where_motion_is_asked_for(write_video: WriteVideo, plain):
    clip = Clip(write_video("one.mp4", plain([100])))
    streams = [rgb_frames(1, size=16), flow_stacks(1, length=2, size=16)]
    for load in (load_clip, stream_inputs):
        with pytest.raises(VideoError, match=r"one\.mp4' has 1 frame; a clip needs at least 2 to show motion"):
            load(clip, streams)
    assert shown(stream_inputs(clip, [rgb_frames(1, size=16)])["rgb"]) == [100]


def test_streams_of_two_rates_cannot_be_cut_together(grays: Clip):
    with pytest.raises(NetworkError, match=r"streams shown together need one rate, got \['25', 'None'\]"):
        stream_inputs(grays, [rgb_frames(1, size=16), rgb_frames(1, size=16, rate=25, name="other")])


def test_an_unknown_method_is_refused_before_anything_is_decoded():
    with pytest.raises(VideoError, match="no flow method 'fast'"):
        load_clip(Clip(Path("missing.avi")), [rgb_frames(1)], flow="fast")


def test_many_clips_come_in_order_whatever_the_number_of_workers(sliding: Clip, grays: Clip):
    streams = [flow_stacks(1, length=2, size=24, short_side=32)]
    clips = [sliding, grays, sliding, grays, grays]
    threads = cv2.getNumThreads()
    alone = list(load_clips(clips, streams, flow="dis"))
    together = list(load_clips(clips, streams, flow="dis", workers=3))
    assert [loaded.clip for loaded in together] == clips
    assert cv2.getNumThreads() == threads
    for one, other in zip(alone, together, strict=True):
        assert isinstance(one, LoadedClip)
        assert all(torch.equal(one.fields[size], other.fields[size]) for size in one.fields)


def test_a_bad_clip_stops_the_loading_or_is_told(grays: Clip):
    streams = [rgb_frames(1, size=16)]
    clips = [grays, Clip(Path("missing.avi")), grays]
    with pytest.raises(VideoError, match=r"no video at '.*missing\.avi'"):
        list(load_clips(clips, streams, workers=2))
    told: list[str] = []
    loaded = list(load_clips(clips, streams, workers=2, failed=lambda clip, error: told.append(clip.path.name)))
    assert len(loaded) == 2
    assert told == ["missing.avi"]


def test_real_clips_become_inputs(real_clips: Path, tmp_path: Path):
    clip = Clip(real_clips / "weizmann" / "run" / "shahar_run.avi")
    streams = [rgb_frames(1, first=5, size=96, short_side=112), flow_stacks(1, length=3, size=96, short_side=112)]
    inputs = stream_inputs(clip, streams, start_frame=20)
    assert {name: tuple(values.shape) for name, values in inputs.items()} == {
        "rgb": (3, 1, 96, 96),
        "flow": (2, 3, 96, 96),
    }
    assert 0 <= inputs["rgb"].min() < 0.3 < inputs["rgb"].max() <= 1
    assert inputs["flow"].abs().max() > 2  # someone runs
    assert np.median(inputs["flow"].abs()) < 0.2  # before a wall
