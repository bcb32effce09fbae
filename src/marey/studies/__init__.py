"""Motion studies: generated clips of actions, whose flow, mask and factors are known exactly."""

from marey.studies.classes import CLASSES, EXPERIMENTS, Experiment, StudyClass, study_classes
from marey.studies.clips import StudyClip, study_clip, study_clips
from marey.studies.difficulty import DIFFICULTIES, Difficulty
from marey.studies.factors import Factors, How, What, Where, Who
from marey.studies.written import write_study_clips

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
    "What",
    "Where",
    "Who",
    "study_classes",
    "study_clip",
    "study_clips",
    "write_study_clips",
]
