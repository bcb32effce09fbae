"""What is shown of a clip is what the unit saw of it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import marey
from marey.draw.exemplars import draw_exemplars, seen_loop, sheet_with_exemplars
from marey.draw.heat_loop import heat_loop
from marey.draw.picture_row import PictureRow
from marey.errors import MareyError, VideoError
from marey.network.network import Network
from marey.network.unit import Unit
from marey.recording import Recording, exemplars, record
from marey.recording.read.heat import heat, heats
from marey.recording.write.settings import RecordingSettings
from marey.video.read.clips import Clip, load_clip
from marey.video.read.decode import read_video

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("unit", ["rgb.conv1_1:3", "flow.relu3_3:5", "fusion.conv5:2", "fc6:1"])
def test_what_lies_outside_the_crop_does_not_matter(recording: Recording, network: Network, unit: str) -> None:
    for one in exemplars(recording, unit, 2):
        alone = {stream.name: torch.full_like(one.window[stream.name], stream.rest) for stream in network.streams}
        for name, box in one.boxes.items():
            alone[name][:, *box] = one.crop[name]
        layer, channel = one.response.unit.layer, one.response.unit.channel
        with torch.no_grad():
            inputs = {name: values[None] for name, values in alone.items()}
            found = network.activations(inputs, [layer])[layer][0, channel][one.response.position]
        assert float(found) == pytest.approx(one.response.value, rel=1e-4, abs=1e-6)


def test_a_unit_of_one_stream_is_shown_in_that_stream(recording: Recording) -> None:
    (one,) = exemplars(recording, "rgb.conv1_1:0", 1)
    assert set(one.boxes) == {"rgb"} and one.seen("flow") is None
    assert one.crop["rgb"].shape[1] == 1 and max(one.crop["rgb"].shape[2:]) <= 3
    (both,) = exemplars(recording, "fusion.conv5:0", 1)
    assert set(both.boxes) == {"rgb", "flow"}


def test_loops_and_sheets_are_drawn(recording: Recording, tmp_path: Path) -> None:
    found = exemplars(recording, "fusion.conv5:0", 3)
    loop = seen_loop(found[0])
    assert loop.shape[0] == 24 and loop.shape[2] == 2 * loop.shape[1] and loop.dtype == np.uint8
    paths = draw_exemplars(found, tmp_path)
    assert [path.name for path in paths] == ["real_01.mp4", "real_02.mp4", "real_03.mp4", "real_clips.png"]
    assert len(read_video(paths[0]).frames) % 24 == 0
    row = PictureRow("fusion.conv5:0", appearance=torch.rand(1, 3, 2, 32, 32), motion=torch.rand(1, 2, 6, 32, 32))
    alone, beside = sheet_with_exemplars(row, []), sheet_with_exemplars(row, found)
    assert beside.shape[0] > alone.shape[0]


def test_a_unit_that_is_silent_on_every_clip_is_driven_by_none(
    small: Callable[..., Network], clips: list[Clip], tmp_path: Path
) -> None:
    silent = small()
    layer = silent.module.get_submodule("fc6")  # relu6 follows
    with torch.no_grad():
        layer.weight[3], layer.bias[3] = 0, -1
    found = record(silent, clips[:3], ["relu6"], out=tmp_path, settings=RecordingSettings(flow="dis"))
    assert len(found.top("relu6:3")) == 3
    assert exemplars(found, "relu6:3") == []


def test_a_clip_that_is_gone_is_named(network: Network, clips: list[Clip], tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(clips[0].path.read_bytes())
    found = record(
        network, [Clip(copy)], ["fusion.relu5"], out=tmp_path / "out", settings=RecordingSettings(flow="dis")
    )
    copy.unlink()
    assert found.top("fusion.relu5:0")[0].clip.path == copy
    with pytest.raises(VideoError, match=r"copy.mp4"):
        exemplars(found, "fusion.relu5:0")


class Gray(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.gray = nn.Conv2d(3, 1, size, stride=size, bias=False)
        self.gray.weight.data.fill_(1 / (3 * size * size))

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        return self.gray(rgb)


def test_heat_lies_where_and_when_the_unit_responds(
    clips: list[Clip], left_as_found: Callable[[nn.Module], AbstractContextManager[None]]
) -> None:
    network = Network(Gray(1), [marey.rgb_frames(1, size=32, layout="n c h w")])
    with left_as_found(network.module):
        loaded, responses = heat(network, "gray:0", clips[0], batch=4)
    frames = next(iter(loaded.pictures.values())).float().mean(-1) / 255
    torch.testing.assert_close(responses, frames, atol=1e-4, rtol=1e-4)
    double = Network(
        nn.Sequential(Gray(1), nn.Conv2d(1, 2, 1)).eval(), [marey.rgb_frames(1, size=32, layout="n c h w")]
    )
    units = [Unit("0.gray", 0), Unit("1", 1), Unit("1", 0)]
    for unit, several in heats(double, units, loaded):
        torch.testing.assert_close(several, heat(double, unit, clips[0])[1])
    coarse = Network(Gray(4), [marey.rgb_frames(1, size=32, layout="n c h w")])
    _, responses = heat(coarse, "gray:0", clips[0])
    means = torch.nn.functional.avg_pool2d(frames[:, None], 4)[:, 0]
    # Four pixels lie around the middle of a patch; in between is a straight line, so their mean is the patch's.
    around = responses.unfold(1, 2, 1).unfold(2, 2, 1).mean((-2, -1))[:, 1::4, 1::4]
    torch.testing.assert_close(around[:, 1:-1, 1:-1], means[:, 1:-1, 1:-1], atol=0.06, rtol=0.2)
    loop = heat_loop(loaded, responses)
    assert loop.shape == (len(frames), 224, 224, 3)
    dark = heat_loop(loaded, torch.zeros_like(responses), largest=1.0)
    assert (dark[..., 0] == dark[..., 2]).all()


def test_heat_needs_frames(network: Network, clips: list[Clip]) -> None:
    loaded = load_clip(clips[0], [network.stream("flow")], flow="dis")
    with pytest.raises(MareyError, match="without frames"):
        heat_loop(loaded, torch.zeros(loaded.frames, 32, 32))
