"""Clips as users get them: the same every time, with flow that explains the next frame."""

from collections.abc import Iterator
from itertools import islice

import cv2
import numpy as np
import pytest
import torch

from marey.errors import DatasetError
from marey.families.two_stream import TwoStream
from marey.network.stream import flow_stacks, rgb_frames
from marey.studies import Difficulty, StudyClip, study_classes, study_clip, study_clips
from marey.video.flow.methods import optical_flow


def settled(clip: StudyClip) -> np.ndarray:
    """Pixels (time-1 height width) that are not hidden, and on no border between parts now or one frame later."""
    wide = np.pad(clip.parts, ((0, 0), (1, 1), (1, 1)), mode="edge")
    height, width = clip.parts.shape[1:]
    near = [wide[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    border = np.any([one != clip.parts for one in near], axis=0)
    later = [_warped(border[k + 1].astype(np.float32), clip.flow[:, k], 1.0) for k in range(len(border) - 1)]
    return ~clip.occluded & ~border[:-1] & (np.stack(later) == 0)


def _warped(later: np.ndarray, flow: np.ndarray, outside: float = 0.0) -> np.ndarray:
    height, width = later.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return cv2.remap(later, x + flow[0], y + flow[1], cv2.INTER_LINEAR, borderValue=outside)


def warp_error(clip: StudyClip, flow: np.ndarray, where: np.ndarray) -> float:
    """Mean absolute difference, of 255, between frames and their next ones brought back by the flow."""
    errors = [
        np.abs(_warped(clip.frames[k + 1].astype(np.float32), flow[:, k]) - clip.frames[k]).mean(-1)
        for k in range(len(where))
    ]
    return float(np.stack(errors)[where].mean())


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """OpenCV's threads only get in each other's way at this size."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(threads)


@pytest.mark.parametrize("difficulty", ["plain", "natural"])
def test_exact_flow_explains_the_next_frame_better_than_estimated_flow(difficulty: str) -> None:
    found: dict[str, list[float]] = {"exact": [], "tvl1": [], "dis": []}
    for label in ("walk", "bounce_striped_ball", "conjunction_one"):
        clip = study_clip(label, 3, frames=2, size=80, difficulty=difficulty)  # type: ignore[arg-type]
        on_actor = settled(clip) & clip.mask[:-1]
        found["exact"].append(warp_error(clip, clip.flow, on_actor))
        for method in ("tvl1", "dis"):
            estimated = optical_flow(torch.from_numpy(clip.frames), method=method, bound=None)  # type: ignore[arg-type]
            found[method].append(warp_error(clip, estimated.numpy().transpose(1, 0, 2, 3), on_actor))
    assert np.mean(found["exact"]) < 0.95 * np.mean(found["tvl1"])
    assert np.mean(found["exact"]) < 0.8 * np.mean(found["dis"])
    if difficulty == "plain":
        assert all(exact < other for exact, other in zip(found["exact"], found["dis"], strict=True))


@pytest.mark.parametrize("label", study_classes())
def test_the_same_seed_gives_the_same_bytes(label: str) -> None:
    first = study_clip(label, 7, 3, frames=4, difficulty="natural")
    study_clip("run", 8, 1, frames=3)
    again = study_clip(label, 7, 3, frames=4, difficulty="natural")
    for name in ("frames", "flow", "mask", "occluded", "parts"):
        assert getattr(first, name).tobytes() == getattr(again, name).tobytes()
    assert first.factors == again.factors
    assert first.frames.tobytes() != study_clip(label, 7, 4, frames=4, difficulty="natural").frames.tobytes()


@pytest.mark.parametrize("label", study_classes())
def test_every_class_shows_a_moving_actor(label: str) -> None:
    clip = study_clip(label, 1, 2, size=64, frames=20)
    assert 0.01 < clip.mask.mean() < 0.4
    assert clip.mask.any(axis=(1, 2)).mean() > 0.8
    assert clip.factors.how.speed_px_per_frame > 0.01
    assert clip.frames.std() > 5
    others = [number for number, name in enumerate(clip.part_names) if name in ("backdrop", "logo")]
    assert np.array_equal(clip.mask, ~np.isin(clip.parts, others))


@pytest.mark.parametrize("difficulty", ["plain", "natural", "hard"])
@pytest.mark.parametrize(("size", "frames"), [(112, 16), (50, 40), (160, 2)])
def test_clips_have_the_axes_that_they_say(difficulty: str, size: int, frames: int) -> None:
    clip = study_clip("run", 0, size=size, frames=frames, difficulty=difficulty)  # type: ignore[arg-type]
    assert clip.frames.shape == (frames, size, size, 3) and clip.frames.dtype == np.uint8
    assert clip.flow.shape == (2, frames - 1, size, size) and clip.flow.dtype == np.float32
    assert clip.mask.shape == clip.parts.shape == (frames, size, size) and clip.mask.dtype == bool
    assert clip.occluded.shape == (frames - 1, size, size)
    assert np.isfinite(clip.flow).all() and np.abs(clip.flow).max() < size


def test_noise_and_compression_change_the_frames_and_no_truth() -> None:
    clean = study_clip("squat", 0, frames=4)
    for difficulty in (Difficulty(noise=0.05), Difficulty(compression=36)):
        clip = study_clip("squat", 0, frames=4, difficulty=difficulty)
        assert clip.frames.tobytes() != clean.frames.tobytes()
        assert clip.flow.tobytes() == clean.flow.tobytes() and clip.mask.tobytes() == clean.mask.tobytes()


def test_compressed_clips_are_the_same_every_time_too() -> None:
    def all_frames() -> list[bytes]:
        classes = ("run", "lift_bar", "conjunction_one")
        return [clip.frames.tobytes() for clip in study_clips(1, 0, classes=classes, frames=6, difficulty="hard")]

    assert all_frames() == all_frames()


def test_an_occluder_is_no_part_of_the_actor() -> None:
    clip = study_clip("wave", 0, 3, frames=4, difficulty=Difficulty(occluders=1.0))
    bare = study_clip("wave", 0, 3, frames=4)
    assert clip.part_names[-1] in ("post", "box", "logo")
    assert clip.mask.sum() <= bare.mask.sum()


def test_a_network_with_stacks_of_flow_gets_its_inputs() -> None:
    with torch.random.fork_rng():
        network = TwoStream(3, size=64, width=0.125, frames=3, step=5, stack=10, fc=16, pooling="global")
    streams = network.input_streams()
    clip = study_clip("skip", 0, size=73, frames=24)  # 73: the short side that the network wants
    inputs = clip.inputs(streams)
    assert {name: tuple(value.shape) for name, value in inputs.items()} == {one.name: one.shape for one in streams}
    assert float(inputs["rgb"].min()) >= 0 and float(inputs["rgb"].max()) <= 1
    (times,) = (stream.times for stream in streams if stream.kind == "flow")
    expected = torch.from_numpy(clip.flow)[:, list(times), 4:68, 4:68]
    assert torch.allclose(inputs["flow"], expected, atol=0.01)


def test_inputs_of_another_size_have_their_flow_in_pixels_of_that_size() -> None:
    clip = study_clip("conjunction_one", 0, frames=8)
    streams = (rgb_frames(1, first=2, size=56), flow_stacks(1, length=4, size=56))
    inputs = clip.inputs(streams)
    whole = torch.from_numpy(clip.flow)[:, :4]
    assert float(inputs["flow"].abs().mean()) == pytest.approx(float(whole.abs().mean()) / 2, rel=0.05)


def test_a_batch_of_every_class_comes_index_by_index() -> None:
    clips = list(islice(study_clips(2, 0, classes=("wave", "clap"), size=40, frames=2), 4))
    assert [(clip.label, clip.factors.index) for clip in clips] == [("wave", 0), ("clap", 0), ("wave", 1), ("clap", 1)]


def test_the_record_is_plain_and_tells_who_what_where_and_how_fast() -> None:
    record = study_clip("throw", 5, frames=4).factors.to_json()
    assert {"who", "what", "where", "how"} <= set(record)
    assert record["what"]["thing"] == "ball" and record["how"]["speed_px_per_frame"] > 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"label": "wawe"}, "no motion study 'wawe'. Did you mean 'wave'?"),
        ({"size": 8}, "expected 2 to 120 frames of at least 32 px"),
        ({"frames": 1}, "expected 2 to 120 frames of at least 32 px"),
        ({"frames": 121}, "expected 2 to 120 frames of at least 32 px"),
        ({"seed": -1}, "seed and index not below 0"),
        ({"difficulty": "natrual"}, "Did you mean 'natural'?"),
        ({"setting": "unfair"}, "expected 'fair' or 'biased'"),
    ],
)
def test_what_cannot_be_made_is_said_in_a_line(given: dict[str, object], said: str) -> None:
    with pytest.raises(DatasetError, match=said.replace("?", "\\?")):
        study_clip(**({"label": "wave", "seed": 0} | given))  # type: ignore[arg-type]
