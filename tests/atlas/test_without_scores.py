"""An atlas of a network that says no class, as one that gives features: its clips have classes all the same."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import marey
from marey.network.network import Network
from marey.recording import RecordingSettings, record
from marey.video.read.clips import Clip


class Features(nn.Module):
    """Five maps, averaged over places."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stage_one = nn.Conv3d(3, 5, 3)

    def forward(self, rgb: Tensor) -> Tensor:
        features: Tensor = self.stage_one(rgb).relu().mean((2, 3, 4))
        return features


@pytest.fixture(scope="module")
def site(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("without-scores")
    names = ["StandingStill", "StandingStill", "Walking"]
    clips = [Clip(path, label=name) for path, name in zip(sorted(shapes.rglob("*.mp4")), names, strict=False)]
    network = Network(Features().eval(), [marey.rgb_frames(4, size=16)], name="features")
    settings = RecordingSettings(windows=1)
    recording = record(network, clips, ["stage_one"], out=place / "recording", settings=settings)
    return marey.write_atlas(recording, out=place / "atlas", network=network).parent


def test_the_front_page_shows_the_classes_of_the_clips(site: Path) -> None:
    text = (site / "index.html").read_text()
    classes = text[text.index("Classes of the clips") : text.index('id="network"')]
    assert classes.count('class="tile"') == classes.count("<img") == 2
    assert "Standing<wbr>Still" in classes and ">2 clips<" in classes and ">1 clip<" in classes
    assert "1 layer and 5 units; 3 clips." in text
    assert "right" not in classes and "classified" not in text


def test_the_page_of_a_class_shows_its_clips(site: Path) -> None:
    text = (site / "class" / "StandingStill.html").read_text()
    assert "2 recorded clips are of this class. The network says no class." in text
    assert text.count("../clip/") == 2
    assert "1 recorded clip is of this class." in (site / "class" / "Walking.html").read_text()
