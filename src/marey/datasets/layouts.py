"""The list of data layouts: where several match a place, the first one reads it."""

from marey.datasets.class_folders import ClassFolders
from marey.datasets.csv_lists import CsvLists
from marey.datasets.hmdb51 import Hmdb51
from marey.datasets.kinetics import Kinetics
from marey.datasets.layout import Layout
from marey.datasets.loose_clips import LooseClips
from marey.datasets.path_lists import PathLists
from marey.datasets.something_something import SomethingSomething
from marey.datasets.split_folders import SplitFolders
from marey.datasets.study_list import StudyLists
from marey.datasets.two_stream_tree import TwoStreamTree
from marey.datasets.ucf101 import Ucf101

LAYOUTS: tuple[Layout, ...] = (
    StudyLists(),
    Ucf101(),
    Hmdb51(),
    Kinetics(),
    SomethingSomething(),
    CsvLists(),
    PathLists(),
    TwoStreamTree(),
    SplitFolders(),
    LooseClips(),
    ClassFolders(),
)
"""Special layouts come before general ones: any folder may be one of class folders."""
