"""Data sets: clips with classes and groups, read from folders and lists, and splits that keep groups whole."""

from marey.datasets.clip_set import ClipSet, classes_of, group_of
from marey.datasets.clips_in import clips_in
from marey.datasets.data_set import class_folders, data_set
from marey.datasets.layout import Hints, Layout
from marey.datasets.layouts import LAYOUTS
from marey.datasets.skipped_clip import SkippedClip
from marey.datasets.splits import Fold, Split, grouped_split
from marey.datasets.study_list import write_study_list
from marey.datasets.study_set import StudySet

__all__ = [
    "LAYOUTS",
    "ClipSet",
    "Fold",
    "Hints",
    "Layout",
    "SkippedClip",
    "Split",
    "StudySet",
    "class_folders",
    "classes_of",
    "clips_in",
    "data_set",
    "group_of",
    "grouped_split",
    "write_study_list",
]
