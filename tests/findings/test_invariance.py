from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from torch import nn

from marey.errors import MareyError
from marey.findings.finding import Finding
from marey.findings.invariance import invariance
from marey.findings.invariance_told import CLASSES, GROUPS, evidence, replayed_classes
from marey.findings.labeled_clips import LabeledClips
from marey.findings.replays import Replays
from marey.findings.speed_tuning import SPEEDS
from marey.network.network import Network
from marey.network.stream import rgb_frames
from marey.recording import Recording
from marey.video.read.clips import Clip


@pytest.mark.slow
def test_units_of_level_are_invariant_and_units_of_change_are_not(
    tmp_path: Path, recorded: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch, brightness: ModuleType
):
    monkeypatch.chdir(tmp_path)
    found = invariance(brightness.recording(tmp_path, recorded), brightness.network())
    units = found.tables["units"].to_pylist()
    assert units[brightness.LEVEL]["bandwidth_octaves"] == 4
    assert units[brightness.RISES]["bandwidth_octaves"] < 2
    assert units[brightness.RISES]["preferred_octaves"] == 2
    assert abs(units[brightness.LEVEL]["lost_by_one_frame"]) < 0.1
    assert units[brightness.RISES]["lost_by_reversed"] > 0.8
    assert abs(units[brightness.CHANGES]["lost_by_reversed"]) < 0.1
    assert units[brightness.RISES]["classes"] == pytest.approx(1, abs=0.01)
    assert "tempo" not in found.tables
    assert str(Finding.open(found.save(tmp_path / "invariance"))) == str(found)


def test_a_class_that_becomes_another_one_at_twice_its_speed_is_told() -> None:
    clips = tuple(Clip(Path(f"{label}/{number}.mp4"), label=label) for label in ("run", "walk") for number in range(4))
    labels = np.repeat([0, 1], 4)
    labeled = LabeledClips(clips, np.arange(8), ("run", "walk"), labels, tuple("abcdabcd"))
    scores = np.tile(np.eye(2, dtype=np.float32)[labels], (len(SPEEDS), 1, 1))
    scores[SPEEDS.index(2.0), 4:7] = (1, 0)  # three of four that walk
    scores[SPEEDS.index(0.5), :2] = (0, 1)  # two of four that run are not most
    network = Network(nn.Conv3d(3, 2, 1), [rgb_frames(2, size=8)], classes=("run", "walk"))
    (told,) = replayed_classes(Replays(labeled, {}, scores, {}), network)
    assert told.what == "at 2 times its speed 'walk' is called 'run' in 75 % of 4 clips"
    assert all(Path(clip).parent.name == "walk" for clip in told.clips)


def test_what_cannot_be_asked_is_said(recorded: Callable[..., Recording]):
    made = recorded({"a": np.random.default_rng(0).random((8, 2))}, [*"xyxyxyxy"], [*"aabbccdd"])
    still = Network(nn.Conv2d(3, 2, 1), [rgb_frames(1, size=8, layout="n c h w")], name="still")
    with pytest.raises(MareyError, match="'still' sees single pictures, which have no speed"):
        invariance(made, still)


def test_a_unit_that_responds_to_no_clip_at_its_own_speed_is_no_evidence_of_tuning() -> None:
    told = SimpleNamespace(
        sizes={"a": 2},
        moving=["a"],
        tuning=SimpleNamespace(alive=np.array([True, True]), bandwidth=np.array([0.5, 1.5])),
        spans={CLASSES: np.ones(2), GROUPS: np.ones(2)},
    )
    clips = tuple(Clip(Path(f"{name}.mp4")) for name in "xyz")
    labeled = LabeledClips(clips, np.arange(3), ("x",), np.zeros(3, np.intp), ("a", "b", "c"))
    found = evidence(told, None, {"a": np.array([[0, 1.0], [0, 3], [0, 2]])}, labeled)
    assert (found[0].unit, found[0].what) == ("a:1", "is tuned to speed, 1.5 octaves wide")
    assert found[0].clips == ("y.mp4", "z.mp4", "x.mp4")
