"""Frames and stored flow are paired by the numbers in their names, and what is missing is told."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image

from marey.errors import VideoError
from marey.network.stream import Stream, rgb_frames
from marey.video.read.clip import LoadedClip
from marey.video.read.clips import Clip, load_clip
from marey.video.read.decode import probe, read_video

SIZE = (16, 16)
RGB, FLOW = rgb_frames(1, size=SIZE), Stream("flow", "flow", (0,), *SIZE)
NAMES = ["img_{:05d}.png", "{}.png", "v_Walk_g01_c02_{:04d}.png", "frame{:06d}.png", "2024_cam3_{}.png"]


def frames(folder: Path, numbers: Iterable[int], name: str = NAMES[0], *, first: int = 1, step: int = 1) -> Path:
    """Write frames, each of 10 times its place from 1 on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        gray = 10 * ((number - first) // step + 1)
        Image.fromarray(np.full((*SIZE, 3), gray, np.uint8)).save(folder / name.format(number))
    return folder


def fields(folder: Path, numbers: Iterable[int], name: str = "flow_{axis}_{k:05d}.jpg", *, first: int = 1) -> None:
    """Write fields of u of as many px/frame as their place from 1 on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        for axis, u in (("x", number - first + 1), ("y", 0)):
            gray = np.full(SIZE, round(127.5 + u * 127.5 / 20), np.uint8)
            Image.fromarray(gray).save(folder / name.format(axis=axis, k=number), quality=100)


def shown(loaded: LoadedClip) -> list[int]:
    return [round(float(picture.float().mean()) / 10) for picture in loaded.pictures[SIZE]]


def moving(loaded: LoadedClip) -> list[int]:
    return [round(float(field[0].float().mean())) for field in loaded.fields[SIZE]]


@given(
    name=some.sampled_from(NAMES),
    padded=some.booleans(),
    count=some.integers(6, 14),
    starts=some.tuples(some.sampled_from([0, 1, 100]), some.sampled_from([0, 1])),
    step=some.sampled_from([1, 5]),
    data=some.data(),
)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_every_field_is_that_of_its_frame_whatever_the_numbers_and_gaps(  # type: ignore[no-untyped-def]
    tmp_path_factory: pytest.TempPathFactory, name, padded, count, starts, step, data
):
    folder = tmp_path_factory.mktemp("clip") / "v_01"
    inside = some.integers(2, count - 1)
    missing = data.draw(some.sets(inside, max_size=count // 3))
    first, first_field = starts
    frames(folder, [first + step * k for k in range(count) if k + 1 not in missing], name, first=first, step=step)
    pattern = "flow_{axis}_{k:05d}.jpg" if padded else "flow_{axis}_{k}.jpg"
    fields(folder, range(first_field, first_field + count - 1), pattern, first=first_field)
    loaded = load_clip(Clip(folder), [RGB, FLOW])
    assert loaded.frames == count and moving(loaded) == list(range(1, count))
    there = [k for k in range(1, count + 1) if k not in missing]
    assert shown(loaded) == [min(there, key=lambda place: (abs(place - k), place)) for k in range(1, count + 1)]
    if missing:
        assert loaded.damage is not None and f"missing frame images ({len(missing)}): " in loaded.damage
        assert str(first + step * (min(missing) - 1)) in loaded.damage
    else:
        assert loaded.damage is None


@pytest.mark.parametrize(
    ("numbers", "stored", "places", "told"),
    [
        (range(1, 21), range(1, 20), range(1, 21), None),
        (range(1, 21), range(20), range(1, 21), r"missing frames \(1\): 0; 20 fields"),
        (range(3, 21), range(1, 20), range(3, 21), r"missing frames \(2\): 1 to 2; 19 fields"),
        (range(1, 6), range(1, 20), range(1, 6), r"missing frames \(15\): 6 to 20; 19 fields"),
        (range(1, 20), range(1, 20), range(1, 20), None),
        (range(1, 21), range(2, 21), range(1, 21), None),
        (range(2, 19), range(1, 20), range(2, 19), r"missing frames \(3\): 1, 19 to 20; 19 fields"),
    ],
)
def test_frames_missing_before_and_after_are_told(tmp_path: Path, numbers, stored, places, told: str | None):  # type: ignore[no-untyped-def]
    folder = frames(tmp_path / "v_01", numbers)
    fields(folder, stored, first=2 if 20 in stored else 1)
    loaded = load_clip(Clip(folder), [RGB, FLOW])
    assert shown(loaded) == list(places)
    if told is None:
        assert loaded.damage is None and moving(loaded) == list(places)[:-1]
    else:
        with pytest.raises(AssertionError, match=told):
            raise AssertionError(loaded.damage)
        assert load_clip(Clip(folder), [FLOW]).damage == loaded.damage
        assert moving(loaded) == list(places)[:-1]


def test_a_gap_in_the_flow_leaves_the_clip_out_and_names_the_frames(tmp_path: Path):
    folder = frames(tmp_path / "v_01", range(1, 13))
    fields(folder, [1, 2, 4, 5, 8, 9, 10, 11])
    for streams in ([RGB, FLOW], [FLOW]):
        with pytest.raises(VideoError, match=r"has 8 flow images, .* missing \(3\): 3, 6 to 7\. Complete or remove"):
            load_clip(Clip(folder), streams)


def test_parts_of_a_clip_with_a_gap_are_those_of_its_numbers(tmp_path: Path):
    folder = frames(tmp_path / "v_01", [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12])
    fields(folder, range(1, 12))
    for streams in ([RGB, FLOW], [FLOW]):
        loaded = load_clip(Clip(folder, start_seconds=0.12, stop_seconds=0.28), streams)  # frames 4 to 7
        assert moving(loaded) == [4, 5, 6]
    assert shown(load_clip(Clip(folder, start_seconds=0.12, stop_seconds=0.28), [RGB])) == [4, 4, 6, 7]


def test_a_folder_with_gaps_keeps_its_time(tmp_path: Path):
    folder = frames(tmp_path / "v_01", [1, 2, 4], "{}.png")
    video = read_video(folder)
    assert video.times_seconds == pytest.approx((0, 0.04, 0.12)) and video.rate == 25
    assert probe(folder).frames == 3 and probe(folder).seconds == pytest.approx(0.16)
    assert shown(load_clip(Clip(folder), [RGB])) == [1, 2, 2, 4]


def test_names_whose_numbers_do_not_count_are_taken_in_order(tmp_path: Path):
    names = ["1305031102.175304", "1305031102.211214", "1305031102.243211", "1305031102.275326"]
    for k, name in enumerate(names):
        frames(tmp_path / "v_01", [k + 1], name + ".png")
    fields(tmp_path / "v_01", range(1, 4))
    loaded = load_clip(Clip(tmp_path / "v_01"), [RGB, FLOW])
    assert shown(loaded) == [1, 2, 3, 4] and moving(loaded) == [1, 2, 3] and loaded.damage is None


def test_far_more_fields_than_frames_of_a_video_are_told(tmp_path: Path, write_video, plain):  # type: ignore[no-untyped-def]
    path = write_video("v_01.mp4", plain([40] * 5, *SIZE), rate=25)
    fields(tmp_path / "v_01", range(1, 20))
    loaded = load_clip(Clip(path), [RGB, FLOW])
    assert moving(loaded) == [1, 2, 3, 4]
    assert loaded.damage == "missing frames (15): 5 to 19; 19 fields of flow are stored for more frames"
    assert torch.equal(loaded.fields[SIZE], load_clip(Clip(path), [FLOW]).fields[SIZE][:4])
