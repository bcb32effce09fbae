"""A small atlas, of a network whose classes, clips and findings have hostile names."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow
import pytest
import torch

import marey
from marey.families.two_stream import TwoStream
from marey.findings.chart import Chart, Series
from marey.findings.finding import Evidence, Finding
from marey.findings.measure import Measure
from marey.findings.provenance import of_recording
from marey.network.network import Network
from marey.recording import Recording, RecordingSettings, record
from marey.video.read.clips import Clip

HOSTILE = (
    "<script>alert(1)</script>",
    "../../up",
    '"quo\'te" onerror=alert(1)',
    "\N{MAN DANCING} emoji",
    "x" * 300,
    "\N{RIGHT-TO-LEFT OVERRIDE}ltr{{ 7 * 7 }}",
)
LAYERS = ("rgb.conv1_1", "fc6", "scores")


@dataclass(frozen=True)
class Made:
    """What an atlas is made from."""

    recording: Recording
    preferred: Path
    findings: Path
    clips: Path
    network: Network

    def atlas(self, out: Path, **options: object) -> Path:
        given = {"preferred": self.preferred, "findings": self.findings, "clips": 2, **options}
        return marey.write_atlas(self.recording.folder, out=out, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def made(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    place = tmp_path_factory.mktemp("made")
    clips = []
    for number, path in enumerate(sorted(shapes.rglob("*.mp4"))[::4]):
        label = HOSTILE[number % len(HOSTILE)]
        copy = place / "clips" / f"{number} <b>\"'&#?%20.mp4"
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(path, copy)
        clips.append(Clip(copy, label=label, group=f"<i>{number}"))
    torch.manual_seed(0)
    module = TwoStream(6, size=32, width=1 / 16, frames=2, stack=3, step=3, fc=4)
    network = Network(module.eval(), module.input_streams(), classes=HOSTILE, name="<u>net</u>")
    settings = RecordingSettings(flow="dis", windows=1, batch=4)
    recording = record(network, clips, LAYERS, out=place / "recording", settings=settings)
    for unit in ("fc6:1", "scores:0"):
        result = marey.maximize(network, unit, recipe=marey.Recipe(slowness=(0, 10), steps=1))
        result.save(place / "preferred" / unit.replace(":", "-"))
    finding(recording).save(place / "findings" / "specificity")
    return Made(recording, place / "preferred", place / "findings", place / "clips", network)


def finding(recording: Recording) -> Finding:
    """What specificity might say, in hostile words."""
    rows = [
        {"layer": "fc6", "unit": unit, "kind": "specific", "class": HOSTILE[unit], "serves": [HOSTILE[unit]]}
        | {"auprc": 0.5 + unit / 10, "q": 0.01}
        for unit in range(4)
    ]
    measure = Measure("<b>units</b>", "the network", 0.5, 0.4, 0.6, 4, "units", "share")
    return Finding(
        "specificity",
        "Which <b>units</b>?",
        f"Half of them serve {HOSTILE[0]}.",
        (measure,),
        (measure,),
        {"units": pyarrow.Table.from_pylist(rows)},
        Chart("<b>", "x", "y", (Series("s", (1,), (2,)),)),
        (Evidence(HOSTILE[1], 1.0, "fc6:3", ("<b>clip",)), Evidence("none", 1.0, "gone:3")),
        provenance=of_recording(recording),
    )


@pytest.fixture(scope="session")
def site(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an atlas; nobody writes to it."""
    return made.atlas(tmp_path_factory.mktemp("site") / "inner" / "atlas").parent


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    def call(folder: Path) -> dict[str, bytes]:
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return call
