"""What is shown of a unit is what the recording and the findings say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import marey
from marey.atlas.clips import DrivenUnits, clip_data
from marey.atlas.films import Film
from marey.atlas.preferred import preferred_units
from marey.atlas.sources import Sources, opened
from marey.atlas.told import told_of_units
from marey.atlas.units import layer_data
from marey.draw.color_wheel import nice_max_px
from marey.draw.preferred_input import picture_row
from marey.findings.finding import Finding
from marey.maximization.result import PreferredInput
from marey.network.unit import Unit
from marey.recording import Recording


def _sources(recording: Recording) -> Sources:
    options = dict.fromkeys(("preferred", "findings", "explanations", "network", "layers"))
    return opened(recording, clips=3, **options)  # type: ignore[arg-type]


def test_a_unit_has_the_numbers_of_the_recording(made) -> None:  # type: ignore[no-untyped-def]
    recording = made.recording
    matrix = recording.matrix("fc6")
    data = layer_data(_sources(recording), "fc6", matrix, ties=None)
    labels = recording.recorded_clips["label"].to_pylist()
    clip_rows = recording.recorded_clips["clip"].to_pylist()
    for channel, unit in enumerate(data.units):
        values = matrix[:, channel].tolist()
        assert unit.largest == max(values)
        means = {
            label: sum(own) / len(own)
            for label in set(labels)
            if (own := [value for value, other in zip(values, labels, strict=True) if other == label])
        }
        assert {one.label: one.mean for one in unit.by_class if one.label} == pytest.approx(means)
        assert unit.best_class is None or means[unit.best_class] == pytest.approx(max(means.values()))
        top = [one.number for one in recording.top(f"fc6:{channel}", 3) if one.value > unit.ordinary]
        assert [one.response.number for one in unit.driving] == top
        for one in unit.quantiles:
            assert one.value == pytest.approx(matrix[clip_rows.index(one.clip.number), channel])
            assert sum(value <= one.value for value in values) >= one.share * (len(values) - 1)
        assert [one.value for one in unit.quantiles] == sorted((one.value for one in unit.quantiles), reverse=True)
        for by_class in unit.by_class:
            low, high = by_class.chance or (-np.inf, np.inf)
            assert (by_class.chance is None) == (by_class.label is None)
            assert low <= np.mean(values) <= high


def test_a_preferred_input_goes_from_slow_to_fast_and_its_best_is_on_the_tile(made) -> None:  # type: ignore[no-untyped-def]
    found, others = preferred_units(made.preferred, made.recording)
    assert set(found) == {Unit("fc6", 1), Unit("scores", 0)} and others == 0
    result = PreferredInput.open(made.preferred / "fc6-1")
    one = found[Unit("fc6", 1)]
    assert [speed.slowness for speed in one.speeds] == [10, 0]
    assert one.best.score == max(result.scores)


def test_films_are_named_by_what_they_show(made, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    one = preferred_units(made.preferred, made.recording)[0][Unit("fc6", 1)]
    again = preferred_units(made.preferred, made.recording)[0][Unit("fc6", 1)]
    assert one.speeds == again.speeds
    films = [film for speed in one.speeds for film in speed.films]
    assert len({film.digest for film in films}) == 4
    assert one.write(tmp_path) == 4 and one.write(tmp_path) == 0
    (tmp_path / films[0].path).unlink()
    assert one.write(tmp_path) == 1


def test_four_slownesses_of_a_unit_take_less_than_60_kb(tmp_path: Path) -> None:
    torch.manual_seed(0)
    total = 0
    for chi in range(4):
        coarse = torch.randn(1, 2, 10, 8, 8)  # motion in patches of 16 px, another in every field
        motion = torch.nn.functional.interpolate(coarse, size=(10, 112, 112), mode="trilinear")[0]
        picture = torch.nn.functional.interpolate(torch.rand(1, 3, 1, 40, 40), size=(1, 112, 112), mode="trilinear")[0]
        for clip in (motion, picture):
            film = Film.of("", (clip.shape[1], 112, 112), [chi, len(clip)])
            film.write(tmp_path, clip, max_px=4.0)
            total += (tmp_path / film.path).stat().st_size
    assert 20_000 < total < 60_000


@pytest.mark.slow
def test_a_unit_of_the_network_that_ships_takes_less_than_60_kb_and_150_kb_twice_as_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = marey.Recipe(slowness=(0, 1, 5, 10), steps=16)  # rough yet, which takes more bytes than 256 steps
    row = picture_row(marey.maximize(marey.load("motion-studies"), "walk", recipe=recipe))
    assert row.appearance is not None and row.motion is not None
    max_px = nice_max_px(row.motion.movedim(1, 2))
    for side, most in ((112, 60_000), (224, 150_000)):
        monkeypatch.setattr("marey.draw.film.SIDE", side)
        folder = tmp_path / str(side)
        for chi, clips in enumerate(zip(row.appearance, row.motion, strict=True)):
            for clip in clips:
                size = (clip.shape[1], clip.shape[2], clip.shape[3])
                Film.of("", size, [chi, len(clip)]).write(folder, clip, max_px=max_px)
        sizes = [path.stat().st_size for path in folder.rglob("*.webp")]
        assert len(sizes) == 8 and most / 6 < sum(sizes) < most


def test_a_table_without_words_of_its_own_is_shown_as_it_is(made) -> None:  # type: ignore[no-untyped-def]
    found = replace(Finding.open(made.findings / "specificity"), question="another")
    (told,) = told_of_units([found], "fc6")[2]
    assert told.rows[0]["auprc"] == "0.7" and told.sentence == ""
    assert told_of_units([found], "scores") == {}


def test_a_clip_has_the_scores_of_the_recording_and_the_units_that_it_drives(made) -> None:  # type: ignore[no-untyped-def]
    recording = made.recording
    driven = DrivenUnits()
    values, top = recording.matrix("fc6"), recording.largest("fc6")
    ordinary = recording.maxima(["fc6"]).zeros("fc6")
    driven.add("fc6", values, ordinary, top)
    sources = _sources(recording)
    for row, number in enumerate(recording.recorded_clips["clip"].to_pylist()):
        data = clip_data(sources.clips, number, driven=driven, explained={})
        shares = torch.tensor(recording.recorded_clips["scores"][row].as_py()).softmax(0)
        assert data.scores[0] == (data.clip.prediction, pytest.approx(float(shares.max())))
        assert data.clip.label in [name for name, _ in data.scores]
        relative = ((values[row] - ordinary) / (top - ordinary)).nan_to_num(-1.0).tolist()
        for layer, units in data.driven:
            assert layer == "fc6" and units[0].score == pytest.approx(max(relative))
            for one in units:
                assert one.score == pytest.approx(relative[one.unit.channel])


def test_the_clip_that_drives_a_unit_most_has_score_1(made) -> None:  # type: ignore[no-untyped-def]
    recording = made.recording
    driven = DrivenUnits()
    values, top = recording.matrix("scores"), recording.largest("scores")
    driven.add("scores", values, recording.maxima(["scores"]).zeros("scores"), top)
    row = int(values[:, 0].argmax())
    assert 1.0 in [one.score for _, units in driven.of(row) for one in units]
