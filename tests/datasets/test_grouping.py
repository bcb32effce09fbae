"""A guess of groups fits every name, or is no guess; a pattern that the user gives must fit."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.datasets import ClipSet, Split, grouped_split
from marey.datasets.grouping import grouped_splits
from marey.errors import DatasetError
from marey.video.read.clips import Clip

_ID = st.text("abcXYZ019_-", min_size=11, max_size=11)
_NAME = st.text("ab_.-# é0", min_size=1, max_size=12).filter(lambda name: name.strip(". ") != "")


def grouped(names: list[str], pattern: str | None = None) -> ClipSet:
    clips = [Clip(Path(label) / name, label=label) for name in names for label in ("walk", "run")]
    return grouped_splits({"": ClipSet("clips", tuple(clips))}, pattern)[""]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(ids=st.lists(_ID, min_size=2, max_size=8, unique=True), seconds=st.integers(0, 999_989))
def test_the_group_of_kinetics_is_the_whole_youtube_id(ids: list[str], seconds: int) -> None:
    data = grouped([f"{one}_{seconds:06d}_{seconds + 10:06d}.mp4" for one in ids])
    assert {clip.group for clip in data} == set(ids)
    assert data.grouping == "guessed: YouTube video, from the file names ID_SSSSSS_EEEEEE (Kinetics)"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(names=st.lists(_NAME, min_size=2, max_size=8, unique=True))
def test_whatever_names_are_a_guess_fits_all_of_them_and_is_no_error(names: list[str]) -> None:
    data = grouped(names)
    without = {clip.group is None for clip in data}
    assert without == {"every clip is its own group" in data.grouping}
    split = grouped_split(data, held_out=0.25)
    assert split.train and split.held_out


@pytest.mark.parametrize("odd", ["_aB3xY7kQ2w_1.mp4", "plain.mp4"])
def test_a_prefix_that_one_name_lacks_is_no_guess(odd: str) -> None:
    data = grouped(["ann_1.mp4", "ann_2.mp4", "bob_1.mp4", odd])
    assert {clip.group for clip in data} == {None}
    assert data.grouping == "every clip is its own group: none could be guessed from the file names"
    with pytest.raises(DatasetError, match=r"the group pattern '\^\(\[\^_\]\+\)_' does not fit '"):
        grouped(["ann_1.mp4", "bob_1.mp4", odd], "^([^_]+)_")


def test_one_source_video_for_all_clips_is_no_guess() -> None:
    data = grouped(["v_x_g01_c01.avi", "v_x_g01_c02.avi"])
    assert {clip.group for clip in data} == {None}


def test_a_clip_on_both_sides_of_a_split_is_named_as_a_clip() -> None:
    clip = Clip(Path("walk/a.avi"), label="walk")
    with pytest.raises(DatasetError, match=r"the clip 'walk/a.avi' is on both sides of the split; list it on one"):
        Split((clip,), (clip,))
