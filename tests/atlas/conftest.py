"""A small atlas, of a network whose classes, clips and findings have hostile names."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import torch

import marey
from marey.families.two_stream import TwoStream
from marey.findings.chart import Chart, Series
from marey.findings.explanation import SHEET
from marey.findings.finding import Evidence, Finding
from marey.findings.measure import Measure
from marey.findings.provenance import of_recording
from marey.network.network import Network
from marey.recording import Recording, RecordingSettings, record
from marey.video.encode import write_png
from marey.video.read.clips import Clip

HOSTILE = (
    "<script>alert(1)</script>",
    "../../up",
    '"quo\'te" onerror=alert(1)',
    "\N{MAN DANCING} emoji",
    "x" * 300,
    "\N{RIGHT-TO-LEFT OVERRIDE}ltr{{ 7 * 7 }}",
)
HOSTILE_LAYER = "<script>'\"{{ 7 * 7 }}/\N{MAN DANCING}\N{RIGHT-TO-LEFT OVERRIDE}" + "y" * 300
LAYERS = ("rgb.conv1_1", "flow.conv1_1", "fc6", "scores", HOSTILE_LAYER)


class Named(TwoStream):
    """A two-stream network with one more layer, of a hostile name."""

    def __init__(self) -> None:
        super().__init__(6, size=32, width=1 / 16, frames=2, stack=3, step=3, fc=4)
        self.add_module(HOSTILE_LAYER, torch.nn.ReLU())

    def forward(self, *inputs: torch.Tensor | None) -> torch.Tensor:
        shown: torch.Tensor = self.get_submodule(HOSTILE_LAYER)(super().forward(*inputs) + 0)
        return shown


@dataclass(frozen=True)
class Made:
    """What an atlas is made from."""

    network: Network
    recording: Recording
    preferred: Path
    findings: Path
    explanations: Path
    clips: Path

    def atlas(self, out: Path, **options: object) -> Path:
        given = {
            "preferred": self.preferred,
            "findings": self.findings,
            "explanations": self.explanations,
            "clips": 2,
            **options,
        }
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
    network = hostile_network()
    settings = RecordingSettings(flow="dis", windows=1, batch=4)
    recording = record(network, clips, LAYERS, out=place / "recording", settings=settings)
    for unit in ("fc6:1", "scores:0"):
        result = marey.maximize(network, unit, recipe=marey.Recipe(slowness=(0, 10), steps=1))
        result.save(place / "preferred" / unit.replace(":", "-"))
    finding(recording).save(place / "findings" / "specificity")
    explanation(recording).save(place / "explained" / "one" / "finding")
    write_png(np.full((8, 12, 3), 128, np.uint8), place / "explained" / "one" / SHEET)
    return Made(network, recording, place / "preferred", place / "findings", place / "explained", place / "clips")


def hostile_network(seed: int = 0) -> Network:
    """A network that was not trained, with hostile names; with seed 0 the recorded one."""
    torch.manual_seed(seed)
    module = Named()
    return Network(module.eval(), module.input_streams(), classes=HOSTILE, scores="scores", name="<u>net</u>")


def finding(recording: Recording) -> Finding:
    """What specificity might say, in hostile words."""
    rows = [
        {"layer": "fc6", "unit": unit, "kind": "specific", "class": HOSTILE[unit], "serves": [HOSTILE[unit]]}
        | {"auprc": 0.5 + unit / 10, "q": 0.01}
        for unit in range(4)
    ]
    measure = Measure("<b>units</b>", "the network", 0.5, 0.4, 0.6, 4, "units", "share")
    null = Measure("<b>units</b>", "<i>shuffled</i>", 0.1, 0.0, 0.2, 9, "draws", "share")
    return Finding(
        "specificity",
        "Which <b>units</b>?",
        f"Half of them serve {HOSTILE[0]}.",
        (measure,),
        (null,),
        {"units": pyarrow.Table.from_pylist(rows)},
        Chart("<b>", "x", "y", (Series("s", (1,), (2,)),)),
        (
            Evidence(HOSTILE[1], 1.0, "fc6:3", ("<b>clip",)),
            Evidence("none", 1.0, "gone:3", (recording.recorded_clips["path"][1].as_py(),)),
        ),
        provenance=of_recording(recording),
    )


def explanation(recording: Recording) -> Finding:
    """Why the network might say a class of the first clip, in hostile words."""
    rows = [
        {"unit": "fc6:2", "effect": 0.5, "seconds": 0.1},
        {"unit": f"{HOSTILE[0]}:1", "effect": 0.25, "seconds": 0.2},
    ]
    return replace(
        finding(recording),
        question="explain",
        sentence=f"The network says {HOSTILE[4]}.",
        tables={"seen": pyarrow.Table.from_pylist(rows)},
        remarks=(HOSTILE[2],),
        provenance={**of_recording(recording), "clip": recording.recorded_clips["path"][0].as_py()},
    )


@pytest.fixture(scope="session")
def site(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an atlas; nobody writes to it."""
    return made.atlas(tmp_path_factory.mktemp("site") / "inner" / "atlas", network=made.network).parent


@pytest.fixture(scope="session")
def of_classes(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Preferred inputs of all classes."""
    place = tmp_path_factory.mktemp("of-classes")
    for channel in range(len(HOSTILE)):
        recipe = marey.Recipe(slowness=(0, 10), steps=1)
        marey.maximize(hostile_network(), f"scores:{channel}", recipe=recipe).save(place / str(channel))
    return place


@pytest.fixture(scope="session")
def guess_site(made: Made, of_classes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an atlas with a guess page, which the network and another one answered; nobody writes to it."""
    out = tmp_path_factory.mktemp("guess-site") / "atlas"
    verifiers = (hostile_network(), hostile_network(seed=1))
    return made.atlas(out, preferred=of_classes, layers=["scores"], clips=6, verifiers=verifiers).parent


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    def call(folder: Path) -> dict[str, bytes]:
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return call
