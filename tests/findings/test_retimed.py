from pathlib import Path

import pytest
import torch

from marey.findings.retimed import played_to_and_fro, retimed
from marey.network.stream import Stream, rgb_frames
from marey.video.read.clip import Clip, LoadedClip

STREAMS = [rgb_frames(1, first=2, size=12), Stream("flow", "flow", tuple(range(4)), 12, 12)]


def loaded(frames: int = 21) -> LoadedClip:
    """Frame k is of brightness 10 k, and all moves 0.5 px to the right and k px down from frame k on."""
    size = (12, 12)
    brightness = 10 * torch.arange(frames, dtype=torch.uint8)
    fields = torch.zeros(frames - 1, 2, 12, 12)
    fields[:, 0] = 0.5
    fields[:, 1] = torch.arange(frames - 1).view(-1, 1, 1)
    pictures = brightness.view(-1, 1, 1, 1).expand(-1, 12, 12, 3).clone()
    return LoadedClip(Clip(Path("a")), frames, 25.0, size, {size: pictures}, {size: fields.half()})


def parts(clip: LoadedClip) -> tuple[list[int], torch.Tensor]:
    return clip.pictures[12, 12][:, 0, 0, 0].tolist(), clip.fields[12, 12][:, :, 5, 5].float()


def test_a_clip_at_its_own_speed_is_its_middle_window():
    clip = loaded()
    same = retimed(clip, STREAMS, 1.0).window(STREAMS)
    window = clip.window(STREAMS, start_frame=8)
    assert all(torch.equal(same[name], window[name]) for name in window)


def test_at_twice_the_speed_every_other_frame_is_shown_and_flow_adds_up():
    frames, fields = parts(retimed(loaded(), STREAMS, 2.0))
    assert frames == [60, 80, 100, 120, 140]
    assert fields[:, 0].tolist() == [1.0] * 4
    assert fields[:, 1].tolist() == [13, 17, 21, 25]


def test_at_half_the_speed_frames_in_between_are_means_and_flow_is_divided():
    frames, fields = parts(retimed(loaded(), STREAMS, 0.5))
    assert frames == [90, 95, 100, 105, 110]
    assert fields[:, 0].tolist() == [0.25] * 4
    assert fields[:, 1].tolist() == [4.5, 4.5, 5, 5]


def test_the_middle_frame_is_the_same_at_any_speed():
    assert {parts(retimed(loaded(), STREAMS, speed))[0][2] for speed in (0.25, 0.5, 1, 2, 4)} == {100}


def test_a_short_clip_is_played_to_and_fro():
    frames, fields = parts(retimed(loaded(6), STREAMS, 2.0))
    assert frames == [20, 0, 20, 40, 40]  # frames -2, 0, 2, 4, 6
    assert fields[:, 0].tolist() == [-1, 1, 1, 0]
    assert played_to_and_fro(6, STREAMS, 2.0)
    assert not played_to_and_fro(21, STREAMS, 4.0)


def test_flow_adds_up_along_the_way_of_a_pixel():
    clip = loaded(5)
    fields = clip.fields[12, 12]
    fields.zero_()
    fields[2, 0, :, 3] = 4  # from column 3 to 7, and from there 2 px on
    fields[3, 0, :, 7] = 2
    fast = retimed(clip, STREAMS, 2.0).fields[12, 12]
    assert float(fast[2, 0, 5, 3]) == pytest.approx(6, abs=0.01)
