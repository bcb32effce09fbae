"""The lists of UCF101: labels count from 1, and the test list has none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from marey.datasets import ClipSet, clips_in, data_set
from marey.errors import DatasetError

Make = Callable[..., None]
Shown = Callable[[dict[str, ClipSet]], dict[str, list[tuple[str, str | None, str | None]]]]


def ucf101(root: Path, make: Make) -> Path:
    make(root, "UCF-101/Biking/v_Biking_g08_c01.avi", "UCF-101/Biking/v_Biking_g01_c01.avi")
    make(root, "UCF-101/Diving/v_Diving_g08_c01.avi", "ucfTrainTestlist/classInd.txt")
    lists = root / "ucfTrainTestlist"
    (lists / "classInd.txt").write_text("1 Biking\r\n2 Diving\r\n")
    (lists / "trainlist01.txt").write_text("Biking/v_Biking_g08_c01.avi 1\r\nDiving/v_Diving_g08_c01.avi 2\r\n")
    (lists / "testlist01.txt").write_text("Biking/v_Biking_g01_c01.avi\r\nDiving/v_Diving_g02_c01.avi\r\n")
    return lists


def test_labels_of_ucf101_count_from_1_and_its_test_list_has_none(tmp_path: Path, make: Make, shown: Shown) -> None:
    lists = ucf101(tmp_path, make)
    for place in (lists, lists / "trainlist01.txt", lists / "testlist01.txt"):
        splits = data_set(place)
        assert shown(splits) == {
            "train": [("v_Biking_g08_c01.avi", "Biking", "g08"), ("v_Diving_g08_c01.avi", "Diving", "g08")],
            "test": [("v_Biking_g01_c01.avi", "Biking", "g01"), ("v_Diving_g02_c01.avi", "Diving", "g02")],
        }
        assert splits["test"].notes[0].startswith("1 of 4 listed clips are not there, such as '")
    assert len(clips_in(lists)) == len(clips_in(lists / "testlist01.txt")) == 4


def test_a_label_that_the_class_list_does_not_name_is_an_error(tmp_path: Path, make: Make) -> None:
    lists = ucf101(tmp_path, make)
    (lists / "trainlist01.txt").write_text("Biking/v_Biking_g08_c01.avi 0\n")
    with pytest.raises(DatasetError, match=r"line 1 of '.*trainlist01.txt' has label 0, which classInd.txt does not"):
        data_set(lists)


def test_the_folder_of_the_videos_may_be_given_and_groups_are_source_videos(tmp_path: Path, make: Make) -> None:
    lists = ucf101(tmp_path / "here", make)
    make(tmp_path / "there", "Biking/v_Biking_g08_c01.avi")
    splits = data_set(lists, folder=tmp_path / "there")
    assert splits["train"][0].path == tmp_path / "there" / "Biking" / "v_Biking_g08_c01.avi"
    assert splits["test"].groups == ("g01", "g02")
    assert splits["test"].grouping == "guessed: source video, from 'gXX' in the file names (UCF101)"
