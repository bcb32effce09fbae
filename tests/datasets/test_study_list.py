"""Lists of motion studies: a file that stands for clips that are made while they are read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import marey
from marey.datasets import StudySet
from marey.datasets.clips_in import clips_in
from marey.datasets.data_set import data_set
from marey.datasets.study_list import is_study_list, study_list, write_study_list
from marey.errors import DatasetError, MareyError
from marey.evaluation.classify import evaluated
from marey.recording.write.record import record
from marey.studies.casting import drawn_factors
from marey.studies.difficulty import Difficulty, named
from marey.video.read.clips import load_clip, starts, stream_inputs

CELLS = StudySet(6, seed=3, classes=("conjunction_one", "walk", "wave"), labels="cells", setting="biased")


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "studies.json"
    write_study_list(path, [CELLS, replace(CELLS, count=1, first=6, classes=("conjunction_one",), difficulty="plain")])
    return path


def test_a_list_gives_the_clips_of_its_sets_wherever_clips_on_disk_do(listed: Path) -> None:
    assert is_study_list(listed)
    (found,) = data_set(listed).values()
    assert list(found) == clips_in(listed) == list(study_list(listed))
    assert found[:18].clips == CELLS.clips().clips and len(found) == 19 and found.name == "studies"
    assert found[18].path == Path("motion-studies/conjunction_one/3-6")


def test_cells_tell_the_color_and_axis_of_a_conjunction_and_the_way_of_a_walk(listed: Path) -> None:
    for clip in CELLS.clips():
        label, index = clip.path.parent.name, int(clip.path.name.split("-")[1])
        factors = drawn_factors(label, 3, index, "biased", named("natural"))
        wanted = label
        if label == "walk":
            wanted = "walk, left" if factors.where.mirrored else "walk, right"
        if label == "conjunction_one":
            assert factors.what.thing_color is not None
            wanted += ", " + ("warm" if factors.what.thing_color[0] > 0.5 else "cool") + f" {factors.what.axis}"
        assert clip.label == wanted
    assert set(study_list(listed).classes) == {
        "conjunction_one, warm up-down",
        "conjunction_one, cool left-right",
        "walk, left",
        "walk, right",
        "wave",
    }


def test_a_clip_that_is_made_is_loaded_shown_and_judged_like_one_on_disk(listed: Path) -> None:
    network = marey.load("motion-studies")
    clip = study_list(listed)[2]
    made = CELLS.load(clip, network.streams)
    loaded = load_clip(clip, network.streams)
    assert all(made.pictures[size].equal(frames) for size, frames in loaded.pictures.items())
    shown = stream_inputs(clip, network.streams)
    assert shown["flow"].equal(made.window(network.streams, starts(clip, network.streams, 1)[0])["flow"])
    fair = StudySet(2, seed=9, classes=("wave", "jump")).clips()
    assert evaluated(network, fair).accuracy == 1.0


def test_what_is_not_on_disk_is_not_recorded(listed: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"'motion-studies/.*' is not on disk.* `marey studies --out DIR`"):
        record(marey.load("motion-studies"), study_list(listed), ["scores"], out=tmp_path / "recording")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"motion_studies": [', r"is no JSON: .* in line 1"),
        ('{"motion_studies": []}', r"lists no motion studies; expected"),
        ('{"motion_studies": [{"seed": 1}]}', r"entry 0 of '.*' has no count"),
        ('{"motion_studies": [{"count": 2, "sed": 1}]}', r"entry 0 of '.*' has 'sed'. Did you mean 'seed'"),
        ('{"motion_studies": [{"count": "two"}]}', r"entry 0 of '.*' is no set of motion studies"),
        ('{"motion_studies": [{"count": 2, "classes": ["wvae"]}]}', r"no motion study 'wvae'.*Did you mean 'wave'"),
        ('{"motion_studies": [{"count": 2, "labels": "cell"}]}', r"labels .* are classes or cells, got 'cell'"),
        ('{"motion_studies": [{"count": 2, "difficulty": "esay"}]}', r"no difficulty 'esay'"),
        ('{"motion_studies": [{"count": 2, "methods": ["dsi"]}]}', r"no flow method 'dsi'"),
        ('{"motion_studies": [{"count": 2}, {"count": 1}]}', r"lists 'motion-studies/.*' twice"),
    ],
)
def test_a_wrong_list_is_refused_in_a_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(MareyError, match=said):
        data_set(path)


def test_a_list_is_written_as_a_person_would(tmp_path: Path) -> None:
    path = tmp_path / "studies.json"
    hard = replace(CELLS, seed=4, difficulty=Difficulty(clutter=3))
    write_study_list(path, [StudySet(5), CELLS, hard])
    assert study_list(path)[-1].maker == hard
    written: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert written["motion_studies"][0] == {"count": 5}
    assert written["motion_studies"][1]["classes"] == ["conjunction_one", "walk", "wave"]
    assert set(written["motion_studies"][1]) == {"count", "seed", "classes", "setting", "labels"}
