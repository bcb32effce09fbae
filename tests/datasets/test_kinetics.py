"""The lists of Kinetics: files are named by video and seconds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from marey.datasets import ClipSet, clips_in, data_set
from marey.errors import DatasetError

Make = Callable[..., None]
Shown = Callable[[dict[str, ClipSet]], dict[str, list[tuple[str, str | None, str | None]]]]

HEAD = "label,youtube_id,time_start,time_end,split\n"


def test_kinetics_names_its_files_by_video_and_seconds_in_any_folder(tmp_path: Path, make: Make, shown: Shown) -> None:
    make(tmp_path, "train/playing guitar/-aB_c1234567_000007_000017.mp4", "val/x2345678901_000100_000110.mkv")
    rows = 'playing guitar,-aB_c1234567,7,17,train\n"fixing, hair",missing0000,0,10,train\n'
    (tmp_path / "train.csv").write_text(HEAD + rows)
    (tmp_path / "validate.csv").write_text(HEAD + '"fixing, hair",x2345678901,100.0,110.0,validate\n')
    for name in ("train.csv", "validate.csv"):
        splits = data_set(tmp_path / name)
        assert shown(splits) == {
            "train": [
                ("-aB_c1234567_000007_000017.mp4", "playing guitar", "-aB_c1234567"),
                ("missing0000_000000_000010.mp4", "fixing, hair", "missing0000"),
            ],
            "validate": [("x2345678901_000100_000110.mkv", "fixing, hair", "x2345678901")],
        }
        assert splits["train"].notes[0].startswith("1 of 3 listed clips are not there")


def test_lists_in_a_folder_are_the_data_set_and_not_its_folders(tmp_path: Path, make: Make, shown: Shown) -> None:
    make(tmp_path, "train/run/a_000000_000010.mp4", "val/b_000000_000010.mp4", ".hidden.csv", "notes.csv", "test/x.mp4")
    (tmp_path / "train.csv").write_text(HEAD + "run,a,0,10,train\n")
    (tmp_path / "val.csv").write_text(HEAD + "jump,b,0,10,val\n")
    (tmp_path / "test.csv").write_text(HEAD + "jump,c,0,10,test\n")
    expected = {"train": [("a_000000_000010.mp4", "run", "a")], "val": [("b_000000_000010.mp4", "jump", "b")]}
    assert shown(data_set(tmp_path)) == shown(data_set(tmp_path / "train.csv")) == expected
    assert [clip.label for clip in clips_in(tmp_path)] == ["run", "jump"]
    (tmp_path / "train.csv").unlink()
    with pytest.raises(DatasetError, match=r"holds several lists, such as 'test.csv' and 'val.csv'; name the one"):
        data_set(tmp_path)


def test_a_csv_file_without_the_columns_of_kinetics_leaves_class_folders_as_they_are(
    tmp_path: Path, make: Make
) -> None:
    make(tmp_path, "run/a.mp4", "jump/b.mp4")
    (tmp_path / "test.csv").write_text("youtube_id,time_start,time_end,split\na,0,10,test\n")
    (tmp_path / "train.json").write_text("[]")
    (tmp_path / "gray.csv").write_bytes(b"\xff\xfe\x00")
    assert data_set(tmp_path)[""].classes == ("jump", "run")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,id1,soon,10,train\n", r"line 2 of '.*k.csv' is from soon to 10 s; expected numbers"),
        (",id1,0,10,test\n", r"line 2 of '.*k.csv' has no label; give a list in which every clip has one"),
        ("a,,0,10,test\n", r"line 2 of '.*k.csv' has no youtube_id"),
    ],
)
def test_a_row_of_kinetics_that_lacks_something_says_what(tmp_path: Path, row: str, said: str) -> None:
    (tmp_path / "k.csv").write_text(HEAD + row)
    with pytest.raises(DatasetError, match=said):
        data_set(tmp_path / "k.csv")


def test_the_list_of_hidden_test_videos_beside_a_list_is_not_read(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "a_000000_000010.mp4", "b_000000_000010.mp4")
    (tmp_path / "train.csv").write_text(HEAD + "run,a,0,10,train\njump,b,0,10,train\n")
    (tmp_path / "test.csv").write_text("youtube_id,time_start,time_end,split\nc,0,10,test\n")
    assert list(data_set(tmp_path)) == list(data_set(tmp_path / "train.csv")) == ["train"]
    with pytest.raises(DatasetError, match=r"test.csv' has no column 'label'; its first line names youtube_id"):
        data_set(tmp_path / "test.csv")
