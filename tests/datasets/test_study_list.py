"""Lists of motion studies: a file that stands for clips that are made while they are read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from marey.datasets import StudySet
from marey.datasets.clip_set import check_on_disk
from marey.datasets.clips_in import clips_in
from marey.datasets.data_set import data_set
from marey.datasets.study_list import StudyLists, write_study_list
from marey.errors import DatasetError, MareyError
from marey.network.stream import flow_stacks, rgb_frames
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
    assert StudyLists().matches(listed)
    (found,) = data_set(listed).values()
    assert list(found) == clips_in(listed)
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
    assert {clip.label for clip in clips_in(listed)} == {
        "conjunction_one, warm up-down",
        "conjunction_one, cool left-right",
        "walk, left",
        "walk, right",
        "wave",
    }


def test_a_clip_that_is_made_is_loaded_and_shown_like_one_on_disk(listed: Path) -> None:
    streams = [rgb_frames(1, first=1, size=32, short_side=40), flow_stacks(1, length=3, size=32, short_side=40)]
    clip = clips_in(listed)[2]
    made = CELLS.load(clip, streams)
    loaded = load_clip(clip, streams)
    assert loaded.pictures[40, 40].equal(made.pictures[40, 40]) and loaded.fields[40, 40].equal(made.fields[40, 40])
    shown = stream_inputs(clip, streams)
    window = made.window(streams, starts(clip, streams, 1)[0])
    assert shown["rgb"].equal(window["rgb"]) and shown["flow"].equal(window["flow"])


def test_clips_that_are_made_are_refused_where_files_are_needed(listed: Path) -> None:
    with pytest.raises(DatasetError, match=r"'motion-studies/.*' is not on disk.* `marey studies --out DIR`"):
        check_on_disk(clips_in(listed))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"motion_studies": [', r"is no JSON: .* in line 1"),
        ('{"motion_studies": []}', r"lists no motion studies; expected"),
        ('{"motion_studies": [{"seed": 1}]}', r"entry 0 of '.*: 'count' is missing; expected as"),
        ('{"motion_studies": [{"count": 2, "sed": 1}]}', r"entry 0 of '.*: 'sed' is not known. Did you mean 'seed'"),
        ('{"motion_studies": [{"count": "two"}]}', "'count' is \"two\"; expected a whole number"),
        ('{"motion_studies": [{"count": 2, "classes": ["wvae"]}]}', r"no motion study 'wvae'.*Did you mean 'wave'"),
        ('{"motion_studies": [{"count": 2, "labels": "cell"}]}', '\'labels\' is "cell"; expected "classes" or "cells"'),
        (
            '{"motion_studies": [{"count": 2, "difficulty": "esay"}]}',
            '\'difficulty\' is "esay"; expected an object or "plain" or',
        ),
        ('{"motion_studies": [{"count": 2, "methods": ["dsi"]}]}', r"'methods\[0\]' is \"dsi\"; expected"),
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
    assert clips_in(path)[-1].maker == hard
    written: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert written["motion_studies"][0] == {"count": 5}
    assert written["motion_studies"][1]["classes"] == ["conjunction_one", "walk", "wave"]
    assert set(written["motion_studies"][1]) == {"count", "seed", "classes", "setting", "labels"}
