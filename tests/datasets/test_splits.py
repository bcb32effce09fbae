"""Splits never put a person on both sides, and spread the classes as whole groups allow."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.datasets import Fold, Split, grouped_split
from marey.datasets.clip_set import group_of
from marey.errors import DatasetError
from marey.video.read.clips import Clip


def clip(label: str, group: str | None, take: int = 0) -> Clip:
    return Clip(Path(f"{label}/{group}_{take}.avi"), label=label, group=group)


PEOPLE = ("ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal", "ida")
STUDY = [clip(label, who) for label in ("run", "walk", "wave") for who in PEOPLE]

studies = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("uvwxyz"), st.integers(0, 3)),
    min_size=4,
    max_size=40,
    unique=True,
)
ways = st.one_of(st.floats(0.05, 0.95), st.tuples(st.integers(1, 3), st.just(3)).map(lambda pair: Fold(*pair)))


@given(studies, ways, st.integers(0, 99))
def test_no_group_is_ever_on_both_sides_and_no_clip_is_lost(
    study: list[tuple[str, str, int]], held_out: float | Fold, seed: int
) -> None:
    clips = [clip(*each) for each in study]
    try:
        split = grouped_split(clips, held_out=held_out, seed=seed)
    except DatasetError:
        return
    assert not {c.group for c in split.train} & {c.group for c in split.held_out}
    assert Counter(split.train) + Counter(split.held_out) == Counter(clips)
    assert split.train and split.held_out
    assert {c.label for c in split.train} == {c.label for c in clips}
    assert grouped_split(clips, held_out=held_out, seed=seed) == split


@pytest.mark.parametrize("seed", range(3))
def test_folds_share_no_group_and_cover_all_evenly(seed: int) -> None:
    folds = [grouped_split(STUDY, held_out=Fold(k, 3), seed=seed).held_out for k in (1, 2, 3)]
    assert sorted(group for fold in folds for group in {c.group for c in fold}) == sorted(PEOPLE)
    for fold in folds:
        assert Counter(c.label for c in fold) == {"run": 3, "walk": 3, "wave": 3}


def test_another_seed_gives_other_folds() -> None:
    held = {grouped_split(STUDY, held_out=Fold(1, 3), seed=seed).held_out_groups for seed in range(5)}
    assert len(held) > 1


def test_a_share_is_met_in_every_class_as_well_as_groups_allow() -> None:
    split = grouped_split(STUDY, held_out=1 / 3)
    assert Counter(c.label for c in split.held_out) == {"run": 3, "walk": 3, "wave": 3}
    uneven = [clip("run", "big", take) for take in range(20)] + STUDY
    assert "big" not in grouped_split(uneven, held_out=0.2).held_out_groups


def test_named_groups_are_held_out() -> None:
    split = grouped_split(STUDY, held_out=["eve", "ann"])
    assert split.held_out_groups == ("ann", "eve")
    assert len(split.held_out) == 6
    assert grouped_split(STUDY, held_out="eve").held_out_groups == ("eve",)


def test_clips_without_group_are_one_each() -> None:
    clips = [clip(label, None, take) for label in ("run", "walk") for take in range(10)]
    split = grouped_split(clips, held_out=0.3)
    assert Counter(c.label for c in split.held_out) == {"run": 3, "walk": 3}
    assert len({group_of(c) for c in clips}) == 20


def test_a_class_that_one_group_alone_has_stays_in_training_where_it_can() -> None:
    clips = [*STUDY, clip("jump", "ann")]
    for seed in range(5):
        assert "ann" not in grouped_split(clips, held_out=0.3, seed=seed).held_out_groups


@pytest.mark.parametrize(
    ("held_out", "said"),
    [
        (["anne"], "no group 'anne' to hold out. Did you mean 'ann'"),
        ([], "0 of 9 groups are held out; leave some on either side"),
        (PEOPLE, "9 of 9 groups are held out"),
        (0.0, "a share of 0 cannot be held out"),
        (1.0, "a share of 1 cannot be held out"),
        (Fold(1, 10), "10 folds need as many groups, got 9"),
    ],
)
def test_what_cannot_be_held_out_is_an_error(held_out: list[str] | float | Fold, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        grouped_split(STUDY, held_out=held_out)


def test_a_class_left_without_training_clips_is_an_error() -> None:
    with pytest.raises(DatasetError, match="holding out ann leaves class 'jump' without training clips"):
        grouped_split([*STUDY, clip("jump", "ann")], held_out=["ann"])


def test_one_group_and_clips_without_class_cannot_be_split() -> None:
    with pytest.raises(DatasetError, match="2 clips of 1 group cannot be split"):
        grouped_split([clip("run", "ann"), clip("walk", "ann")], held_out=0.5)
    with pytest.raises(DatasetError, match=r"x.avi' has no class; give every clip a label"):
        grouped_split([Clip(Path("x.avi"))], held_out=0.5)


def test_a_split_with_a_person_on_both_sides_cannot_be_made() -> None:
    with pytest.raises(DatasetError, match="group 'ann' is on both sides of the split"):
        Split((clip("run", "ann"),), (clip("walk", "ann"),))


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/1", "a/3", "1", "1/", "1/2/3", ""])
def test_a_fold_is_written_k_of_n(text: str) -> None:
    with pytest.raises(DatasetError, match="no fold"):
        Fold.parse(text)
