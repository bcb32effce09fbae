from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from torch import nn

from marey.errors import MareyError
from marey.findings.finding import Finding
from marey.findings.invariance import invariance
from marey.network.network import Network
from marey.network.stream import rgb_frames
from marey.recording import Recording


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


def test_what_cannot_be_asked_is_said(recorded: Callable[..., Recording]):
    made = recorded({"a": np.random.default_rng(0).random((8, 2))}, [*"xyxyxyxy"], [*"aabbccdd"])
    still = Network(nn.Conv2d(3, 2, 1), [rgb_frames(1, size=8, layout="n c h w")], name="still")
    with pytest.raises(MareyError, match="'still' sees single pictures, which have no speed"):
        invariance(made, still)
