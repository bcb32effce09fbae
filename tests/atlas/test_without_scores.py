"""An atlas of a network that says no class, as one that gives features: its clips have classes all the same."""

from pathlib import Path

import pytest

import marey
from marey.atlas.serve.live import offered
from marey.atlas.serve.made import MadeAtlas
from marey.recording import Recording, RecordingSettings, record
from marey.video.read.clips import Clip

_CODE = """
import marey
import torch

class Features(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stage_one = torch.nn.Conv3d(3, 5, 3)

    def forward(self, rgb):
        return self.stage_one(rgb).relu().mean((2, 3, 4))

def features():
    return marey.Network(Features().eval(), [marey.rgb_frames(4, size=16)], name="features")
"""


@pytest.fixture(scope="module")
def site(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("without-scores")
    (place / "networks.py").write_text(_CODE)
    names = ["StandingStill", "StandingStill", "Walking"]
    clips = [Clip(path, label=name) for path, name in zip(sorted(shapes.rglob("*.mp4")), names, strict=False)]
    network = marey.load(f"{place / 'networks.py'}:features")
    settings = RecordingSettings(windows=1)
    recording = record(network, clips, ["stage_one"], out=place / "recording", settings=settings)
    return marey.write_atlas(recording, out=place / "atlas", network=network).parent


def test_the_front_page_shows_the_classes_of_the_clips_after_the_network(site: Path) -> None:
    text = (site / "index.html").read_text()
    assert text.index('id="network"') < text.index("Classes of the clips")
    classes = text[text.index("Classes of the clips") : text.index("<h2>Network")]
    assert classes.count('class="tile"') == classes.count("<img") == 2
    assert "Standing<wbr>Still" in classes and ">2 clips<" in classes and ">1 clip<" in classes
    assert "1 layer and 5 units; 3 clips." in text
    assert "right" not in classes and "classified" not in text


def test_the_page_of_a_class_shows_its_clips(site: Path) -> None:
    text = (site / "class" / "StandingStill.html").read_text()
    assert "2 recorded clips are of this class. The network says no class." in text
    assert text.count("../clip/") == 2
    assert "1 recorded clip is of this class." in (site / "class" / "Walking.html").read_text()


def test_a_server_offers_units_and_says_why_no_clip_is_explained(site: Path) -> None:
    made = MadeAtlas.of(site)
    offer = offered(made, Recording.open(made.recorded), f"{site.parent / 'networks.py'}:features")
    assert offer.no_units is None
    assert offer.no_clips == "This network says no class, so there is nothing to explain."
