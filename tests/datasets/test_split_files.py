"""Lists of clips in the forms that benchmarks publish."""

from pathlib import Path

import pytest

from marey.datasets import split_file
from marey.errors import DatasetError


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_either_list_of_ucf101_gives_both_splits(tmp_path: Path) -> None:
    lists, videos = tmp_path / "lists", tmp_path / "videos"
    make(videos, "Biking/v_Biking_g08_c01.avi", "Diving/v_Diving_g08_c01.avi", "Biking/v_Biking_g01_c01.avi")
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 Biking\n2 Diving\n")
    (lists / "trainlist01.txt").write_text("Biking/v_Biking_g08_c01.avi 1\r\nDiving/v_Diving_g08_c01.avi 2\r\n")
    (lists / "testlist01.txt").write_text("Biking/v_Biking_g01_c01.avi\n")
    for name in ("trainlist01.txt", "testlist01.txt"):
        splits = split_file(lists / name, folder=videos)
        assert [(clip.label, clip.group) for clip in splits["train"]] == [("Biking", "g08"), ("Diving", "g08")]
        assert [(clip.label, clip.group) for clip in splits["test"]] == [("Biking", "g01")]
        assert splits["test"].grouping == "guessed: source video, from 'gXX' in the file names (UCF101)"


def test_lines_of_path_and_label_may_hold_spaces_comments_and_blank_lines(tmp_path: Path) -> None:
    make(tmp_path, "a walk/ann 1.avi", "b.avi")
    (tmp_path / "list.txt").write_text("\ufeff# clips\na walk/ann 1.avi walk\n\nb.avi 7\n", encoding="utf-8")
    splits = split_file(tmp_path / "list.txt")
    assert [(clip.path, clip.label) for clip in splits[""]] == [
        (tmp_path / "a walk" / "ann 1.avi", "walk"),
        (tmp_path / "b.avi", "7"),
    ]


def test_a_csv_file_may_say_splits_and_groups(tmp_path: Path) -> None:
    make(tmp_path, "1.avi", "2.avi", "3.avi")
    (tmp_path / "all.csv").write_text(
        "path,label,split,group\n1.avi,walk,train,ann\n2.avi,run,train,ann\n3.avi,run,test,bob\n"
    )
    splits = split_file(tmp_path / "all.csv")
    assert list(splits) == ["train", "test"]
    assert [(clip.label, clip.group) for clip in splits["train"]] == [("walk", "ann"), ("run", "ann")]
    assert splits["test"].groups == ("bob",)
    assert splits["test"].grouping == "from the column 'group' of 'all.csv'"


def test_clips_that_are_not_there_are_an_error_or_left_out(tmp_path: Path) -> None:
    make(tmp_path, "1.avi", "2.avi")
    (tmp_path / "list.txt").write_text("1.avi walk\n2.avi run\n3.avi run\n")
    with pytest.raises(DatasetError, match=r"3.avi', listed in 'list.txt', does not exist \(1 of 3 clips\)"):
        split_file(tmp_path / "list.txt")
    assert len(split_file(tmp_path / "list.txt", missing="skip")[""]) == 2


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("list.txt", "", "lists no clips; expected lines such as"),
        ("list.csv", "path,class\n1.avi,walk\n", "has no column 'label'; its first line names path, class"),
        ("list.csv", "", "has no column 'path'; its first line names nothing"),
        ("list.csv", "path,label\n,walk\n", "line 2 of '.*list.csv' has no path"),
        ("list.csv", 'path,label\n"1.avi,walk\n', "is no CSV file"),
        ("list.txt", "1.avi\n", "line 1 of '.*list.txt' gives '1.avi' no class"),
        ("list.txt", "1.avi walk\n2.avi walk\n", "lists clips of one class only, .walk."),
    ],
)
def test_a_list_that_lacks_something_says_what(tmp_path: Path, name: str, text: str, said: str) -> None:
    make(tmp_path, "1.avi", "2.avi")
    (tmp_path / name).write_text(text)
    with pytest.raises(DatasetError, match=said):
        split_file(tmp_path / name)


def test_a_file_that_is_no_list_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(DatasetError, match="is no text file"):
        split_file(tmp_path / "list.txt")
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        split_file(tmp_path / "gone.txt")
