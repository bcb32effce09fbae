"""Lists of lines "path label", as mmaction2 and SlowFast write them too."""

from collections.abc import Callable
from pathlib import Path

import pytest

from marey.datasets import ClipSet, data_set
from marey.errors import DatasetError

Make = Callable[..., None]
Shown = Callable[[dict[str, ClipSet]], dict[str, list[tuple[str, str | None, str | None]]]]


def test_folders_of_frames_have_a_total_and_a_label(tmp_path: Path, make: Make, shown: Shown) -> None:
    make(tmp_path, "rawframes/Biking/v 1/img_00001.jpg", "rawframes/Diving/v_2/img_00001.jpg")
    (tmp_path / "list.txt").write_text("Biking/v 1 163 0\nDiving/v_2 98 1\n")
    assert shown(data_set(tmp_path / "list.txt"))[""] == [("v 1", "0", None), ("v_2", "1", None)]
    (tmp_path / "label_map.txt").write_text("biking\ndiving\n")
    assert [clip.label for clip in data_set(tmp_path / "list.txt")[""]] == ["biking", "diving"]


def test_a_class_list_that_counts_from_1_beside_labels_that_count_from_0_is_seen_through(
    tmp_path: Path, make: Make
) -> None:
    make(tmp_path, "Biking/a.avi", "Diving/b.avi", "Skiing/c.avi")
    (tmp_path / "classInd.txt").write_text("1 Biking\n2 Diving\n3 Skiing\n")
    cases = {
        "Biking/a.avi 0\nDiving/b.avi 1\n": ["Biking", "Diving"],
        "Biking/a.avi 1\nDiving/b.avi 2\n": ["Biking", "Diving"],
        "Diving/b.avi 1\nSkiing/c.avi 2\n": ["Diving", "Skiing"],  # from 0, though there is no 0: the folders tell
    }
    for text, expected in cases.items():
        (tmp_path / "list.txt").write_text(text)
        assert [clip.label for clip in data_set(tmp_path / "list.txt")[""]] == expected
    (tmp_path / "list.txt").write_text("Biking/a.avi 2\nDiving/b.avi 1\n")
    with pytest.raises(DatasetError, match=r"are not the numbers of classInd.txt beside it, counted from 1 or from 0"):
        data_set(tmp_path / "list.txt")


def test_labels_and_paths_may_hold_spaces(tmp_path: Path, make: Make, shown: Shown) -> None:
    make(tmp_path, "my clips/one 1.mp4", "my clips/two.WEBM")
    (tmp_path / "list.txt").write_text("my clips/one 1.mp4 playing guitar\nmy clips/two.WEBM 12\n")
    assert shown(data_set(tmp_path / "list.txt"))[""] == [
        ("one 1.mp4", "playing guitar", None),
        ("two.WEBM", "12", None),
    ]


def test_lines_of_path_and_label_may_hold_spaces_comments_and_blank_lines(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "a walk/ann 1.avi", "b.avi")
    (tmp_path / "list.txt").write_text("\ufeff# clips\na walk/ann 1.avi walk\n\nb.avi 7\n", encoding="utf-8")
    splits = data_set(tmp_path / "list.txt")
    assert [(clip.path, clip.label) for clip in splits[""]] == [
        (tmp_path / "a walk" / "ann 1.avi", "walk"),
        (tmp_path / "b.avi", "7"),
    ]


def test_a_list_named_after_its_split_brings_the_other_one(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "1.mp4", "2.mp4", "3.mp4")
    (tmp_path / "train.csv").write_text("1.mp4 0\n2.mp4 1\n")
    (tmp_path / "val.csv").write_text("3.mp4 1\n")
    for name in ("train.csv", "val.csv"):
        splits = data_set(tmp_path / name)
        assert {split: [(clip.path.name, clip.label) for clip in part] for split, part in splits.items()} == {
            "train": [("1.mp4", "0"), ("2.mp4", "1")],
            "val": [("3.mp4", "1")],
        }


def test_a_file_that_is_no_list_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(DatasetError, match="is no text file"):
        data_set(tmp_path / "list.txt")
    with pytest.raises(DatasetError, match="does not exist; expected a folder of clips, a list"):
        data_set(tmp_path / "gone.txt")
