"""The unit that makes a network say the wrong class is named, with where it responds and what it adds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from marey.draw.explanation import explanation_sheet
from marey.errors import MareyError, NetworkError, VideoError
from marey.findings.explain import explain
from marey.findings.finding import Finding
from marey.recording import Recording
from tests.findings.colors import BLUE, CULPRIT, FAILING, GREEN, RED, clip, network, recorded_colors
from tests.findings.test_deep_passes import late


def test_the_culprit_is_named_with_what_it_adds_and_where(tmp_path: Path) -> None:
    recording = recorded_colors(tmp_path / "clips", {"red": [RED, FAILING], "green": [GREEN], "blue": [BLUE]}, groups=2)
    shown = clip(tmp_path / "shown", FAILING, label="red", group="a", spot=(1, 5))
    found = explain(network(), shown, recording=recording, units=1, draws=99)
    (one,) = found.seen
    assert one.unit == f"maps:{CULPRIT}"
    assert one.y < 0.4 and one.x > 0.6
    assert {label for _, label in one.top} == {"red"}
    assert found.finding.asks.startswith("Why does the network say 'green' and not 'red'")
    lead, held, *_ = found.finding.measures
    assert lead.value > 0 > held.value
    assert ", with as many random units " in found.finding.sentence
    assert "no few units make the difference" not in found.finding.sentence
    assert Finding.open(found.save(tmp_path / "found")).sentence == found.finding.sentence


def test_as_many_windows_are_shown_as_the_recording_has(tmp_path: Path) -> None:
    recording = recorded_colors(tmp_path / "clips", {"red": [RED, FAILING], "green": [GREEN]}, groups=2)
    shown = clip(tmp_path / "shown", FAILING, label="red", group="a")
    windows = recording.summary["settings"]["windows"]

    def shown_windows(**given: Recording | int) -> int:
        made = explain(network(), shown, units=1, draws=9, **given).finding.provenance
        return int(made["settings"]["windows"])

    assert windows != 5 and shown_windows(recording=recording) == windows
    assert shown_windows() == 5 and shown_windows(recording=recording, windows=2) == 2


def test_without_a_recording_units_are_held_at_what_gray_frames_give(tmp_path: Path) -> None:
    shown = clip(tmp_path / "shown", FAILING, label="red", group="a")
    found = explain(network(), shown, units=2, draws=9)
    assert found.finding.remarks[0] == "units are held at what they give for gray frames without motion"
    assert found.seen[0].unit == f"maps:{CULPRIT}"
    assert found.seen[0].effect == pytest.approx(2.0, abs=0.05)  # 4 times 0.5


def test_the_effects_of_units_that_speak_for_nothing_are_zero(tmp_path: Path) -> None:
    shown = clip(tmp_path / "shown", FAILING, label="red", group="a")
    table = explain(network(), shown, instead="blue", draws=9).finding.tables["effects"]
    effects = dict(zip(table["unit"].to_pylist(), table["effect"].to_pylist(), strict=True))
    assert all(abs(effects[unit]) < 1e-6 for unit in range(4, 80))
    assert effects[2] < 0  # blue itself


def test_a_row_is_drawn_for_every_unit(tmp_path: Path) -> None:
    shown = clip(tmp_path / "shown", FAILING, label="red", group="a", spot=(1, 5))
    sheet = explanation_sheet(explain(network(), shown, units=2, draws=9))
    assert sheet.dtype == np.uint8 and sheet.shape[0] > 2 * 150


def test_what_is_wrong_is_said_in_a_line(tmp_path: Path) -> None:
    shown = clip(tmp_path / "shown", FAILING, label="red", group="a")
    with pytest.raises(
        NetworkError, match=r"no class 'gren' in colors. Did you mean 'green'\? It has blue, green, red"
    ):
        explain(network(), shown, instead="gren")
    with pytest.raises(MareyError, match="the network says 'green' of this clip itself; name another class"):
        explain(network(), shown, instead="green")
    with pytest.raises(VideoError, match="nothing"):
        explain(network(), tmp_path / "nothing.mp4")
    other = network()
    with torch.no_grad():
        other.module.get_submodule("scores").weight.add_(1)
    recording = recorded_colors(tmp_path / "clips", {"red": [RED], "green": [GREEN]}, groups=2)
    with pytest.raises(NetworkError, match="is of other weights"):
        explain(other, shown, recording=recording)


@pytest.mark.slow
def test_where_streams_meet_in_the_scores_alone_units_of_one_of_them_explain(tmp_path: Path) -> None:
    shown = clip(tmp_path / "shown", RED, label="a", group="a", spot=(2, 2))
    found = explain(late(), shown, units=2, draws=9)
    assert {one.unit.split(":")[0] for one in found.seen} <= {"rgb.conv5_3", "flow.conv5_3"}
    assert any(note.startswith("streams meet in the class scores alone; ") for note in found.finding.remarks)
