"""A folder per class becomes clips with classes and groups."""

from pathlib import Path

import pytest

from marey.datasets import class_folders
from marey.errors import DatasetError


def folders(root: Path, names: dict[str, list[str]]) -> Path:
    for label, files in names.items():
        (root / label).mkdir(parents=True)
        for file in files:
            (root / label / file).touch()
    return root


def test_every_video_and_every_folder_of_frames_is_a_clip_of_its_class(tmp_path: Path) -> None:
    root = folders(
        tmp_path / "acts", {"walk": ["b.avi", "a.MP4", "notes.txt", ".hidden.avi"], "run": ["c.webm"], ".git": []}
    )
    frames = root / "run" / "frames"
    frames.mkdir()
    (frames / "img_00001.jpg").touch()
    (root / "run" / "empty").mkdir()
    data = class_folders(root)
    assert [(clip.label, clip.path.name) for clip in data] == [
        ("run", "c.webm"),
        ("run", "frames"),
        ("walk", "a.MP4"),
        ("walk", "b.avi"),
    ]
    assert data.name == "acts"
    assert data.classes == ("run", "walk")
    assert data[1:].clips == data.clips[1:]


def test_a_pattern_says_who_a_clip_shows(tmp_path: Path) -> None:
    root = folders(tmp_path, {"walk": ["s1-ann.avi", "s2-bob.avi"], "run": ["s1-bob.avi", "s2-ann.avi"]})
    data = class_folders(root, group=r"-(\w+)\.")
    assert data.groups == ("ann", "bob")
    assert data.grouping == r"from the pattern '-(\w+)\.' in the file names"
    assert class_folders(root, group=r"s\d").groups == ("s1", "s2")


def test_source_videos_of_ucf101_are_those_of_a_class_as_each_class_counts_its_own(tmp_path: Path) -> None:
    names = {
        label: [f"v_{label}_g{g:02}_c{c:02}.avi" for g in (1, 2) for c in (1, 2)] for label in ("Biking", "Diving")
    }
    data = class_folders(folders(tmp_path, names))
    assert data.groups == ("v_Biking_g01", "v_Biking_g02", "v_Diving_g01", "v_Diving_g02")
    assert data.grouping == "guessed: source video, from 'CLASS_gXX' in the file names (UCF101)"


def test_people_are_guessed_from_the_names_before_the_first_underscore(tmp_path: Path) -> None:
    names = {label: [f"{who}_{label}.avi" for who in ("ann", "bob", "eve")] for label in ("run", "walk")}
    data = class_folders(folders(tmp_path, names))
    assert data.groups == ("ann", "bob", "eve")
    assert data.grouping == "guessed: 3 groups, from the file names before the first '_'"


@pytest.mark.parametrize(
    "names",
    [
        {"run": ["run_1.avi", "run_2.avi"], "walk": ["walk_1.avi", "walk_2.avi"]},
        {"run": ["v_1.avi", "v_2.avi"], "walk": ["v_3.avi", "v_4.avi"]},
        {"run": ["a_1.avi", "b_2.avi"], "walk": ["c_3.avi", "d_4.avi"]},
        {"run": ["a_1.avi", "b.avi"], "walk": ["a_3.avi", "b_4.avi"]},
    ],
    ids=["the prefix is the class", "one prefix", "a prefix for every clip", "a name without prefix"],
)
def test_names_that_tell_no_groups_leave_every_clip_its_own(tmp_path: Path, names: dict[str, list[str]]) -> None:
    data = class_folders(folders(tmp_path, names))
    assert {clip.group for clip in data} == {None}
    assert len(data.groups) == len(data) == 4
    assert data.grouping == "every clip is its own group: none could be guessed from the file names"


def test_a_pattern_that_does_not_fit_every_clip_is_an_error(tmp_path: Path) -> None:
    root = folders(tmp_path, {"walk": ["s1.avi"], "run": ["t1.avi"]})
    with pytest.raises(DatasetError, match=r"pattern 's\\d' does not fit 't1.avi' \(1 of 2 clips\)"):
        class_folders(root, group=r"s\d")
    with pytest.raises(DatasetError, match=r"'\(' is no regular expression"):
        class_folders(root, group="(")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({}, "holds no clips; expected videos, folders of frames, or"),
        ({"walk": ["a.avi"]}, "has clips of one class only, 'walk'"),
        ({"walk": ["a.avi"], "run": []}, "class folder '.*run' holds no clips. Put videos"),
        (
            {"walk": ["a.avi"], "run": ["a.txt", "b.txt"]},
            "run' holds no clips; it holds 2 other entries, such as 'a.txt'",
        ),
    ],
    ids=["empty", "one class", "a class without clips", "a class of text files"],
)
def test_a_folder_that_is_no_data_set_says_what_is_missing(
    tmp_path: Path, names: dict[str, list[str]], said: str
) -> None:
    with pytest.raises(DatasetError, match=said):
        class_folders(folders(tmp_path, names))


def test_the_folder_inside_that_holds_the_classes_is_named(tmp_path: Path) -> None:
    folders(tmp_path / "clips", {"run": ["a.avi"], "walk": ["b.avi"]})
    (tmp_path / "truth").mkdir()
    with pytest.raises(DatasetError, match="Its folder 'clips' holds some: name that one"):
        class_folders(tmp_path)


def test_a_place_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"'.*gone' does not exist; expected a folder"):
        class_folders(tmp_path / "gone")
    with pytest.raises(DatasetError, match=r"'.*file' is no folder of clips.*no layout matches: ClassFolders"):
        class_folders(tmp_path / "file")


def test_the_people_of_weizmann_are_found(real_clips: Path) -> None:
    data = class_folders(real_clips / "weizmann")
    assert len(data) == 90
    assert len(data.classes) == 10
    assert data.groups == ("daria", "denis", "eli", "ido", "ira", "lena", "lyova", "moshe", "shahar")


def test_files_that_are_no_videos_are_counted(tmp_path: Path) -> None:
    folders(tmp_path, {"run": ["a.avi", "b.doc"], "walk": ["c.avi", ".hidden"]})
    (note,) = class_folders(tmp_path).notes
    assert note == f"1 files that are no videos are passed over, such as '{tmp_path / 'run' / 'b.doc'}'"
