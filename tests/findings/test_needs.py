from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from marey.findings.finding import Finding
from marey.findings.labeled_clips import LabeledClips, labeled_clips
from marey.findings.losses import losses
from marey.findings.needs import needs
from marey.recording import Recording
from marey.video.read.clip import Clip


def labeled(clips: int, classes: int, groups: int) -> LabeledClips:
    labels = np.arange(clips) % classes
    names = tuple(f"person{(k // classes) % groups}" for k in range(clips))
    made = tuple(Clip(Path(f"{k}.mp4")) for k in range(clips))
    return LabeledClips(made, np.arange(clips), tuple("abcdefgh"[:classes]), labels, names)


@pytest.mark.slow
def test_each_unit_needs_what_it_was_made_of(
    tmp_path: Path, recorded: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch, brightness: ModuleType
):
    monkeypatch.chdir(tmp_path)
    found = needs(brightness.recording(tmp_path, recorded), brightness.network(), permutations=99)
    table = found.tables["units"].to_pylist()
    needed = {(row["unit"], row["change"]) for row in table if row["needed"]}
    assert {change for unit, change in needed if unit == brightness.LEVEL} == {"carried noise", "actor only"}
    assert {change for unit, change in needed if unit == brightness.RISES} >= {"one frame", "shuffled", "reversed"}
    assert "one frame" in {change for unit, change in needed if unit == brightness.CHANGES}
    assert not needed & {(brightness.CHANGES, "shuffled"), (brightness.CHANGES, "reversed")}
    order = [one for one in found.nulls if one.name == "units that need order"]
    assert [one.value for one in order if one.of == "a network of single frames"] == [0]
    assert any("estimated from what moves" in note for note in found.remarks)
    assert found.sentence.startswith("Of 3 units of 1 layers ")
    opened = Finding.open(found.save(tmp_path / "needs"))
    assert str(opened) == str(found)


def test_a_loss_is_relative_to_the_range_and_to_what_others_lose():
    clips = labeled(60, 6, 10)
    driven = (clips.labels == 0).astype(np.float32)
    noise = np.random.default_rng(0).random((60, 3)).astype(np.float32) * 0.01
    before = 2 * driven[:, None] + noise
    after = np.stack([before - 1, before * 0.25, before])  # all fall; the best fall; nothing
    found = losses(
        before, after, clips, needs=[[0], [1], [2]], layers=[3], counted=np.ones(3, bool), permutations=99, seed=0
    )
    assert found.own[0] == pytest.approx(0.5, abs=0.01)
    assert found.beyond.value == pytest.approx(np.array([[0.0] * 3, [0.75] * 3, [0.0] * 3]), abs=0.01)
    assert found.needed.tolist() == [[False] * 3, [True] * 3, [False] * 3]
    assert found.shares.value[:, -1].tolist() == [0, 1, 0]


def slow_beyond(before: np.ndarray, after: np.ndarray, clips: LabeledClips) -> float:
    """What the best clips of one unit lose beyond those of classes that none of them has, clip by clip."""
    order = sorted(range(len(before)), key=lambda clip: -before[clip])[: max(5, len(before) // 10)]
    served = {clips.labels[clip] for clip in order}
    reach = np.mean([before[clip] for clip in order]) - np.median(before)
    others = [clip for clip in range(len(before)) if clips.labels[clip] not in served]
    lost = [before[clip] - after[clip] for clip in range(len(before))]
    return float(np.mean([lost[clip] for clip in order]) / reach - np.mean([lost[clip] for clip in others]) / reach)


def test_losses_are_those_of_a_slow_count():
    random = np.random.default_rng(5)
    clips = labeled(80, 8, 10)
    before = (random.random((80, 5)) + 0.5 * clips.labels[:, None]).astype(np.float32)
    after = (before * random.random((80, 5)) + random.random((80, 5))).astype(np.float32)
    found = losses(
        before, after[None], clips, needs=[[0]], layers=[5], counted=np.ones(5, bool), permutations=19, seed=0
    )
    slow = [slow_beyond(before[:, unit], after[:, unit], clips) for unit in range(5)]
    assert found.beyond.value[0] == pytest.approx(slow, rel=1e-4)


def test_p_is_uniform_where_a_change_costs_best_clips_what_it_costs_any():
    random = np.random.default_rng(2)
    clips = labeled(100, 5, 10)
    before = random.random((100, 400)).astype(np.float32)
    after = before - random.random((100, 400)).astype(np.float32)
    found = losses(
        before, after[None], clips, needs=[[0]], layers=[400], counted=np.ones(400, bool), permutations=199, seed=0
    )
    assert (found.p <= 0.05).mean() == pytest.approx(0.05, abs=0.035)
    assert found.p.mean() == pytest.approx(0.5, abs=0.05)
    assert found.needed.mean() <= 0.05


def test_groups_of_one_class_each_have_the_same_law_and_show_a_need():
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(5), 20)
    groups = tuple(f"video{clip // 4}" for clip in range(100))
    clips = replace(labeled(100, 5, 25), labels=labels, groups=groups)
    video = random.random((25, 200))[np.arange(100) // 4]  # clips of a video are copies
    lost = random.random((25, 200))[np.arange(100) // 4]
    planted = (labels == 2) * 1.0 + 0.01 * random.random(100)
    before = np.column_stack([video, planted]).astype(np.float32)
    after = (before - np.column_stack([lost, planted])).astype(np.float32)
    found = losses(
        before, after[None], clips, needs=[[0]], layers=[201], counted=np.ones(201, bool), permutations=199, seed=0
    )
    assert found.p[0, 200] <= 0.01 and found.beyond.value[0, 200] > 0.9
    assert (found.p[0, :200] <= 0.05).mean() <= 0.09
    assert found.p[0, :200].mean() == pytest.approx(0.5, abs=0.07)


def test_fewer_clips_are_even_over_classes_and_groups(recorded: Callable[..., Recording]):
    labels = [label for label in "abcd" for _ in range(10)]
    groups = [f"person{k}" for _ in "abcd" for k in range(10)]
    every = labeled_clips(recorded({"a": np.zeros((40, 1))}, labels, groups))
    fewer = every.at_most(12)
    assert fewer.counts.tolist() == [3] * 4
    assert len(set(fewer.groups)) >= 8
    assert fewer.remarks == ("12 of 40 labeled clips are asked, chosen evenly from every class",)
    assert every.at_most(40) is every
