"""Heat is bright where and when the unit responds, and the frame is gray elsewhere."""

from pathlib import Path

import pytest
import torch

from marey.draw.heat_loop import heat_loop
from marey.errors import MareyError
from marey.video.read.clips import Clip, LoadedClip


def clip_of(frames: torch.Tensor) -> LoadedClip:
    size = (frames.shape[1], frames.shape[2])
    return LoadedClip(Clip(Path("clip.mp4")), len(frames), 25.0, size, {size: frames}, {})


def test_heat_lies_on_the_responses_and_gray_frames_elsewhere() -> None:
    frames = torch.zeros(2, 64, 80, 3, dtype=torch.uint8)
    frames[..., 0], frames[..., 1], frames[..., 2] = 50, 100, 150  # gray 100
    responses = torch.zeros(2, 56, 56)
    responses[1, 14:28, 28:42] = 2.0
    loop = heat_loop(clip_of(frames), responses)  # four times as large
    assert loop.shape == (2, 224, 224, 3)
    assert (loop[0] == 80).all()
    assert loop[1, 84, 140].tolist() == pytest.approx([0.25 * 80 + 0.75 * part for part in (252, 255, 164)], abs=1)
    assert (loop[1, 150:] == 80).all() and (loop[1, :, :90] == 80).all()


def test_responses_are_relative_to_the_largest_that_is_given_and_none_below_zero_is_drawn() -> None:
    frames = torch.full((1, 56, 56, 3), 100, dtype=torch.uint8)
    responses = torch.ones(1, 56, 56)
    full, quarter = (heat_loop(clip_of(frames), responses, largest=largest)[0, 112, 112] for largest in (1.0, 4.0))
    assert full.astype(int).sum() > quarter.astype(int).sum()
    assert (heat_loop(clip_of(frames), -responses, largest=1.0) == 80).all()


def test_frames_are_cropped_at_the_center_as_the_network_sees_them() -> None:
    frames = torch.zeros(1, 56, 76, 3, dtype=torch.uint8)
    frames[:, :, 10:66] = 100
    assert (heat_loop(clip_of(frames), torch.zeros(1, 56, 56)) == 80).all()


def test_a_clip_without_frames_is_refused() -> None:
    clip = LoadedClip(Clip(Path("clip.mp4")), 3, 25.0, (8, 8), {}, {(8, 8): torch.zeros(2, 2, 8, 8)})
    with pytest.raises(MareyError, match=r"'clip.mp4' was loaded without frames"):
        heat_loop(clip, torch.zeros(3, 8, 8))
