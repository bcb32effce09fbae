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


def test_a_listed_video_is_found_with_another_suffix_or_as_frames(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "walk/a.mp4", "walk/b.webm", "run/c.MKV", "run/d/1.jpg", "run/e.avi", "run/e/flow_x_00001.jpg")
    (tmp_path / "list.txt").write_text("walk/a.avi\nwalk/b.avi\nrun/c.avi\nrun/d.avi\nrun/e\nrun/e.avi\n")
    clips = data_set(tmp_path / "list.txt")[""]
    assert [clip.path.name for clip in clips] == ["a.mp4", "b.webm", "c.MKV", "d", "e", "e.avi"]
    assert all(clip.path.exists() for clip in clips)


@pytest.mark.parametrize("before", ["/home/ann/data/", "C:\\data\\", "data/", "./data/", "../elsewhere/data/"])
@pytest.mark.parametrize("place", ["list.txt", "lists/list.txt"])
def test_paths_of_another_machine_are_found_by_their_ends(tmp_path: Path, make: Make, before: str, place: str) -> None:
    make(tmp_path, "videos/UCF/walk/1.avi", "videos/UCF/run/1.avi", place)
    mark = "\\" if "\\" in before else "/"
    (tmp_path / place).write_text("".join(f"{before}UCF{mark}{name}{mark}1.avi\n" for name in ("walk", "run")))
    clips = data_set(tmp_path / place)[""]
    assert [(clip.path.parent.name, clip.path.exists(), clip.label) for clip in clips] == [
        ("walk", True, "walk"),
        ("run", True, "run"),
    ]


def test_two_clips_are_not_read_from_one_file(tmp_path: Path, make: Make) -> None:
    place = tmp_path / "alone" / "list.txt"
    make(place.parent, "1.avi", "2.avi")
    place.write_text("/far/walk/1.avi walk\n/far/run/1.avi run\n")
    with pytest.raises(DatasetError, match=r"none of the 2 clips .* is there, such as '/far/walk/1.avi'"):
        data_set(place)
    place.write_text("/far/walk/1.avi walk\n/far/run/2.avi run\n")
    assert [clip.path for clip in data_set(place)[""]] == [place.with_name("1.avi"), place.with_name("2.avi")]


def test_each_split_is_looked_for_in_folders_of_its_name_first(tmp_path: Path, make: Make) -> None:
    for split in ("train", "val"):
        make(tmp_path, f"videos_{split}/walk/1.mp4", f"videos_{split}/run/2.mp4")
        (tmp_path / f"set_{split}_list.txt").write_text("walk/1.mp4 0\nrun/2.mp4 1\n")
    splits = data_set(tmp_path / "set_val_list.txt")
    assert {split: {clip.path.parts[-3] for clip in part} for split, part in splits.items()} == {
        "train": {"videos_train"},
        "val": {"videos_val"},
    }


def test_a_name_with_a_backslash_in_it_is_found(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "a\\b.avi", "c.avi")
    (tmp_path / "list.txt").write_text("a\\b.avi walk\nc.avi run\n")
    assert [clip.path.exists() for clip in data_set(tmp_path / "list.txt")[""]] == [True, True]
