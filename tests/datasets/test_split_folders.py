"""Folders called train, val and test with class folders in them are the published split."""

from collections.abc import Callable
from pathlib import Path

import pytest

from marey.datasets import ClipSet, Split, clips_in, data_set
from marey.errors import DatasetError

Make = Callable[..., None]
Shown = Callable[[dict[str, ClipSet]], dict[str, list[tuple[str, str | None, str | None]]]]


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("train", "val"), ["train", "val"]),
        (("test", "train", "val"), ["train", "test", "val"]),
        (("Train", "Validation"), ["train", "validation"]),
        (("train_256", "val_256"), ["train", "val"]),
        (("TRAINING", "testing"), ["training", "testing"]),
    ],
)
def test_each_folder_is_a_split(
    tmp_path: Path, make: Make, shown: Shown, folders: tuple[str, ...], splits: list[str]
) -> None:
    for folder in folders:
        make(tmp_path, f"{folder}/walk/{folder}1.avi", f"{folder}/run/{folder}2/1.jpg", f"{folder}/.DS_Store")
    make(tmp_path, "__MACOSX/train/walk/._1.avi", "annotations/train.txt", "README.md", "overview.mp4", "cover.jpg")
    read = data_set(tmp_path)
    assert list(read) == splits
    assert [len(part) for part in read.values()] == [2] * len(splits)
    assert all(part.classes == ("run", "walk") for part in read.values())
    assert len(clips_in(tmp_path)) == 2 * len(splits)


def test_files_of_one_name_in_two_splits_are_two_groups(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "train/walk/1.avi", "train/run/1.avi", "val/walk/1.avi", "val/run/2.avi")
    splits = data_set(tmp_path)
    split = Split(tuple(splits["train"]), tuple(splits["val"]))
    assert split.held_out_groups == ("run/2.avi", "val/walk/1.avi")


def test_a_folder_of_videos_without_classes_beside_them_is_told(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "train/walk/1.avi", "train/run/2.avi", "test/3.avi")
    (note,) = data_set(tmp_path)["train"].notes
    assert note == f"'{tmp_path / 'test'}' has no class folders and is passed over"


def test_classes_may_be_called_train_and_test(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "train/1.avi", "test/2.avi", "walk/3/1.jpg")
    assert data_set(tmp_path)[""].classes == ("test", "train", "walk")


def test_folders_of_splits_beside_classes_are_refused(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "train/walk/1.avi", "train/run/1.avi", "jump/2.avi")
    with pytest.raises(DatasetError, match=r"class folder '.*train' holds no clips"):
        data_set(tmp_path)


def test_two_folders_of_one_split_are_refused(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "train/walk/1.avi", "train_256/walk/1.avi")
    with pytest.raises(DatasetError, match=r"holds two folders of the split 'train', 'train' and 'train_256'"):
        data_set(tmp_path)


def test_a_folder_whose_split_is_not_known_is_refused(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "train/walk/1.avi", "train/run/2.avi", "eval/walk/3.avi")
    with pytest.raises(DatasetError, match=r"holds folders of splits and 'eval', which is none; call it train, val or"):
        data_set(tmp_path)
