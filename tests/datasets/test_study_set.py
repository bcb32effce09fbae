"""Motion studies as a data set: made while read, the same each time, with exact or computed flow."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from marey.datasets import StudySet
from marey.errors import DatasetError
from marey.network.stream import flow_stacks, rgb_frames
from marey.studies import study_classes, study_clip
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import optical_flow

STREAMS = [rgb_frames(1, first=1, size=32, short_side=40), flow_stacks(1, length=3, size=32, short_side=40)]
SIZE = (40, 40)


@pytest.fixture
def studies(tmp_path: Path) -> StudySet:
    return StudySet(4, seed=3, classes=("wave", "kick"), frames=5, cache=FlowCache(tmp_path))


def test_clips_are_named_by_class_seed_and_index_and_grouped_by_actor(studies: StudySet) -> None:
    clips = replace(studies, first=2).clips()
    assert [str(clip.path) for clip in clips[:3]] == [
        "motion-studies/wave/3-2",
        "motion-studies/kick/3-2",
        "motion-studies/wave/3-3",
    ]
    assert clips.classes == ("kick", "wave") and len(clips.groups) == 4 and len(clips) == 8
    assert StudySet(1).clips().classes == tuple(sorted(study_classes()))


def test_a_clip_is_made_in_the_size_that_the_streams_want_with_its_exact_flow(studies: StudySet) -> None:
    clip = studies.clips()[3]
    loaded = studies.load(clip, STREAMS)
    made = study_clip("kick", 3, 1, size=40, frames=5, difficulty="natural")
    assert loaded.clip == clip and loaded.frames == 5 and loaded.source_size == SIZE
    assert loaded.pictures[SIZE].equal(torch.from_numpy(made.frames))
    assert loaded.fields[SIZE].equal(torch.from_numpy(made.flow).transpose(0, 1).half())
    assert loaded.window(STREAMS)["flow"].shape == (2, 3, 32, 32)


def test_a_share_of_the_clips_has_flow_computed_by_one_method_after_the_other(studies: StudySet) -> None:
    mixed = replace(studies, computed=0.5, methods=("dis", "farneback"))
    for index, method in enumerate((None, "dis", None, "farneback")):
        clip = mixed.clips()[2 * index]
        fields = mixed.load(clip, STREAMS).fields[SIZE]
        exact = studies.load(clip, STREAMS).fields[SIZE]
        frames = torch.from_numpy(mixed.study(clip, size=40).frames)
        wanted = exact if method is None else optical_flow(frames, method=method, bound=None).half()
        assert fields.equal(wanted)


def test_some_clips_of_a_biased_set_may_be_fair(studies: StudySet) -> None:
    mixed = replace(studies, setting="biased", fair=0.25)
    settings = [mixed.study(clip, size=32).factors.setting for clip in mixed.clips() if clip.label == "kick"]
    assert settings == ["biased", "biased", "biased", "fair"]


def test_sets_that_cannot_be_are_refused() -> None:
    with pytest.raises(DatasetError, match="no 0 motion studies"):
        StudySet(0)
    with pytest.raises(DatasetError, match="no motion study 'wav'"):
        StudySet(1, classes=("wav",))
