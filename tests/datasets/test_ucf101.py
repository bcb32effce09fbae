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
            "train": [
                ("v_Biking_g08_c01.avi", "Biking", "v_Biking_g08"),
                ("v_Diving_g08_c01.avi", "Diving", "v_Diving_g08"),
            ],
            "test": [
                ("v_Biking_g01_c01.avi", "Biking", "v_Biking_g01"),
                ("v_Diving_g02_c01.avi", "Diving", "v_Diving_g02"),
            ],
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
    assert splits["test"].groups == ("v_Biking_g01", "v_Diving_g02")
    assert splits["test"].grouping == "guessed: source video, from 'CLASS_gXX' in the file names (UCF101)"


@pytest.mark.parametrize("suffix", ["mp4", "webm", "MKV"])
def test_videos_of_ucf101_may_have_another_suffix_on_disk_and_in_the_lists(
    tmp_path: Path, make: Make, suffix: str
) -> None:
    make(tmp_path, *(f"UCF/{name}/v_{name}_g0{g}_c01.{suffix}" for name in ("Run", "Long Jump") for g in (1, 2)))
    (tmp_path / "classInd.txt").write_text("1 Long Jump\n2 Run\n")
    for listed in (suffix, "avi"):
        for mark in ("/", "\\"):
            lines = [f"{name}{mark}v_{name}_g0{{}}_c01.{listed}" for name in ("Run", "Long Jump")]
            train = f"{lines[0].format(1)} 2\r\n{lines[1].format(1)} 1\r\n"
            (tmp_path / "trainlist01.txt").write_text(train, newline="")
            (tmp_path / "testlist01.txt").write_text("\r\n".join(line.format(2) for line in lines), newline="")
            splits = data_set(tmp_path)
            assert {split: [clip.label for clip in part] for split, part in splits.items()} == {
                "train": ["Run", "Long Jump"],
                "test": ["Run", "Long Jump"],
            }
            assert all(clip.path.exists() for part in splits.values() for clip in part)


def test_lists_of_ucf101_may_name_folders_of_frames(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "frames/Run/v Run 1/1.jpg", "frames/Walk/v_Walk_2/1.jpg")
    (tmp_path / "classInd.txt").write_text("1 Run\n2 Walk\n")
    (tmp_path / "trainlist01.txt").write_text("Run/v Run 1 1\nWalk/v_Walk_2 2\n")
    (tmp_path / "testlist01.txt").write_text("Run/v Run\nWalk/v_Walk_2\n")
    splits = data_set(tmp_path)
    assert [clip.label for part in splits.values() for clip in part] == ["Run", "Walk"] * 2


def test_labels_of_ucf101_that_are_not_those_of_their_folders_are_refused(tmp_path: Path, make: Make) -> None:
    lists = ucf101(tmp_path, make)
    (lists / "trainlist01.txt").write_text("Biking/v_Biking_g08_c01.avi 2\nDiving/v_Diving_g08_c01.avi 1\n")
    with pytest.raises(DatasetError, match=r"has label 2, which is 'Diving' in classInd.txt, and lies in folder 'Biki"):
        data_set(lists)
