"""Motion studies: generated clips of actions whose flow, mask and factors are known."""

from marey.datasets.motion_studies.classes import CLASSES, EXPERIMENTS, Experiment, StudyClass, study_classes
from marey.datasets.motion_studies.clips import StudyClip, study_clip, study_clips
from marey.datasets.motion_studies.difficulty import DIFFICULTIES, Difficulty
from marey.datasets.motion_studies.factors import Factors, How, What, Where, Who
from marey.datasets.motion_studies.study_set import StudySet

__all__ = [
    "CLASSES",
    "DIFFICULTIES",
    "EXPERIMENTS",
    "Difficulty",
    "Experiment",
    "Factors",
    "How",
    "StudyClass",
    "StudyClip",
    "StudySet",
    "What",
    "Where",
    "Who",
    "study_classes",
    "study_clip",
    "study_clips",
]
