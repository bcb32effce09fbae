"""A recording of frames that are spread over whole clips says when in each clip a unit responds."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from torch import nn

from marey.network.network import Network
from marey.network.stream import rgb_frames
from marey.recording import record
from marey.video.read.clips import Clip


def flash(folder: Path, *, frames: int, bright: int) -> Clip:
    """A folder of so many black images but one."""
    folder.mkdir()
    for number in range(frames):
        cv2.imwrite(str(folder / f"{number:04d}.png"), np.full((4, 4, 3), 255 if number == bright else 0, np.uint8))
    return Clip(folder)


def test_a_response_to_spread_frames_has_its_moment_in_the_clip(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv3d(3, 1, 1, bias=False))
    nn.init.ones_(module[0].weight)  # type: ignore[arg-type]
    network = Network(module, [rgb_frames(4, size=4, sampling="spread")])
    clips = [
        flash(tmp_path / "third quarter", frames=40, bright=25),
        flash(tmp_path / "last quarter", frames=80, bright=70),
    ]
    recording = record(network, clips, ["0"], out=tmp_path / "recording")
    assert recording.padded == ()
    moments = {response.clip.path.name: response.seconds for response in recording.top("0:0", 2)}
    assert moments["third quarter"] == pytest.approx(1.0, abs=0.01)
    assert moments["last quarter"] == pytest.approx(2.8, abs=0.01)
