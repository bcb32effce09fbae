"""Clips of a list are found in or beside its folder, and those that are missing are told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from marey.datasets import class_folders, data_set
from marey.errors import DatasetError
from marey.video.flow.files import FlowFiles
from marey.video.flow.stored import ImageLayout, StoredFlow

Make = Callable[..., None]


def test_clips_that_are_not_there_stay_in_the_list_and_are_told(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "1.avi", "2.avi")
    (tmp_path / "list.txt").write_text("1.avi walk\n2.avi run\n3.avi run\n")
    clips = data_set(tmp_path / "list.txt")[""]
    assert [clip.path.name for clip in clips] == ["1.avi", "2.avi", "3.avi"]
    (note,) = clips.notes
    assert note == f"1 of 3 listed clips are not there, such as '{tmp_path / '3.avi'}'"
    (tmp_path / "list.txt").write_text("4.avi walk\n3.avi run\n")
    with pytest.raises(DatasetError, match=r"none of the 2 clips that '.*list.txt' lists is there, such as '.*4.avi'"):
        data_set(tmp_path / "list.txt")


def test_a_list_may_lie_beside_the_folder_of_its_clips_and_name_videos_of_which_frames_are_there(
    tmp_path: Path, make: Make
) -> None:
    make(tmp_path, "frames/walk/a b/img_00001.jpg", "frames/run/c/img_00001.jpg", "lists/list.txt")
    (tmp_path / "lists" / "list.txt").write_text("walk/a b.avi walk\nrun/c.avi run\n")
    clips = data_set(tmp_path / "lists" / "list.txt")[""]
    assert [clip.path.relative_to(tmp_path).as_posix() for clip in clips] == ["frames/walk/a b", "frames/run/c"]


def test_a_mere_file_name_is_not_looked_for_in_other_folders_beside_the_list(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "others/1.avi", "others/2.avi", "lists/list.txt")
    (tmp_path / "lists" / "list.txt").write_text("1.avi walk\n2.avi run\n")
    with pytest.raises(DatasetError, match="none of the 2 clips"):
        data_set(tmp_path / "lists" / "list.txt")
    assert len(data_set(tmp_path / "lists" / "list.txt", folder=tmp_path / "others")[""]) == 2


def test_a_layout_of_images_is_a_setting(tmp_path: Path, make: Make) -> None:
    files = FlowFiles("of/{video}/x{frame}.png", "of/{video}/y{frame}.png", bound=32.0)
    make(tmp_path, "rgb/run/a/1.png", "rgb/walk/b/1.png", "of/run/a/x1.png", "list.txt")
    (tmp_path / "list.txt").write_text("run/a.mp4 run\nwalk/b.mp4 walk\n")
    layout = ImageLayout("rgb/{video}", files)
    for clips in (
        data_set(tmp_path / "list.txt", images=layout)[""],
        class_folders(tmp_path, images=layout),
    ):
        assert [clip.path.relative_to(tmp_path).as_posix() for clip in clips] == ["rgb/run/a", "rgb/walk/b"]
        assert [clip.flow for clip in clips] == [StoredFlow(tmp_path, "run/a", files), None]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("list.txt", "", "lists no clips; expected lines such as"),
        ("list.csv", "path,class\n1.avi,walk\n", "has no column 'label'; its first line names path, class"),
        ("list.csv", "", "has no column 'path'; its first line names nothing"),
        ("list.csv", "path,label\n,walk\n", "line 2 of '.*list.csv' has no path"),
        ("list.csv", 'path,label\n"1.avi,walk\n', "is no CSV file"),
        ("list.txt", "1.avi\n", "line 1 of '.*list.txt' gives '1.avi' no class"),
        ("list.txt", "1.avi walk\n2.avi walk\n", "has clips of one class only, .walk."),
    ],
)
def test_a_list_that_lacks_something_says_what(tmp_path: Path, make: Make, name: str, text: str, said: str) -> None:
    make(tmp_path, "1.avi", "2.avi")
    (tmp_path / name).write_text(text)
    with pytest.raises(DatasetError, match=said):
        data_set(tmp_path / name)
