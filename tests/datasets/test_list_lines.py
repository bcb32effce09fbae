"""Columns after a path are told apart: one is the class, frames are none, and several classes are refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from marey.datasets import data_set
from marey.errors import DatasetError

Make = Callable[..., None]

CLIPS = ("walk/a.avi", "walk/b.avi", "run/c.avi", "run/d.avi")


def labels(root: Path, text: str, name: str = "list.txt") -> list[str | None]:
    (root / name).write_text(text, encoding="utf-8", newline="")
    return [clip.label for part in data_set(root / name).values() for clip in part]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("walk/a.avi 40 0\nrun/c.avi 39 1\n", ["0", "1"]),
        ("walk/a.avi,40,0\nrun/c.avi,39,1\n", ["0", "1"]),
        ("walk/a.avi;40;0\r\nrun/c.avi;39;1\r\n", ["0", "1"]),
        ("walk/a.avi\t40\t0\nrun/c.avi\t39\t1\n", ["0", "1"]),
        ("walk/a.avi|0\nrun/c.avi|1\n", ["0", "1"]),
        ("walk/a.avi,40,walk\nrun/c.avi,40,run\n", ["walk", "run"]),
        ("walk/a.avi 40 walk\nrun/c.avi 40 run\n", ["walk", "run"]),
        ("walk/a.avi,0,slow walk\nwalk/b.avi,0,slow walk\nrun/c.avi,1,run\n", ["slow walk", "slow walk", "run"]),
        ("walk/a.avi,walking, slowly\nrun/c.avi,running\n", ["walking, slowly", "running"]),
        ('"walk/a.avi","walking, slowly"\n"run/c.avi","run"\n', ["walking, slowly", "run"]),
        ('"walk/a.avi" "slow walk"\nrun/c.avi run\n', ["slow walk", "run"]),
        ("walk/a.avi scene 1\nwalk/b.avi scene 2\nrun/c.avi scene 1\nrun/d.avi scene 2\n", ["scene 1", "scene 2"] * 2),
        (".\\walk\\a.avi\r\n./run/c.avi\r\n", ["walk", "run"]),
    ],
)
def test_one_column_is_the_class(tmp_path: Path, make: Make, text: str, expected: list[str]) -> None:
    make(tmp_path, *CLIPS)
    assert labels(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "walk/a.avi 0 2\nwalk/b.avi 0\nrun/c.avi 1\n",
            r"line 1 of '.*' has several labels, 'walk/a.avi 0 2'; expected",
        ),
        ("walk/a.avi 40 0\nrun/c.avi 39 1 2\n", "line 2 of .* has several labels"),
        ("walk/a.avi 0 2\nrun/c.avi 1 2\n", "line 1 of .* has several labels"),
        ("walk/a.avi 1 2\nrun/c.avi 2 3\n", "line 1 of .* has several labels"),
        ("walk/a.avi 0,2\nrun/c.avi 1\n", "line 1 of .* has several labels"),
        ("walk/a.avi [0|2]\nrun/c.avi 1\n", "line 1 of .* has several labels"),
        ("walk/a.avi walk,run\nwalk/b.avi walk\nrun/c.avi run\n", "line 1 of .* has several labels"),
        (
            "walk/a.avi,walk,train\nrun/c.avi,run,test\n",
            "line 1 of .* has 2 columns after the path, .*path,label,split",
        ),
        ("walk/a.avi, walk, train\nrun/c.avi, run, test\n", "line 1 of .* has 2 columns after the path"),
        ("walk/a.avi,0,train\nrun/c.avi,1,test\n", "line 1 of .* has 2 columns after the path"),
        ("walk/a.avi 40 jog\nwalk/b.avi 41 jog\nrun/c.avi 39 run\n", "line 1 of .* has a number beside its class"),
        ("walk/a.avi jog 40\nwalk/b.avi jog 41\nrun/c.avi run 39\n", "line 1 of .* has a number beside its class"),
        ("walk/a.avi -1\nrun/c.avi 1\n", "line 1 of .* has the label -1, .* which is no class"),
        (
            "video label\nwalk/a.avi walk\nrun/c.avi run\n",
            "is a header that is not understood, 'video label'; expected",
        ),
        (
            "clip_name;target\nwalk/a.avi;walk\nrun/c.avi;run\n",
            "is a header that is not understood, 'clip_name;target'",
        ),
    ],
)
def test_columns_that_are_not_understood_are_refused(tmp_path: Path, make: Make, text: str, said: str) -> None:
    make(tmp_path, *CLIPS)
    with pytest.raises(DatasetError, match=said):
        labels(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v 1 16 0\nv_2 16 1\n", ["0", "1"]),
        ("v 1 0\nv_2 1\n", ["0", "1"]),
        ("v 1;16;0\nv_2;16;1\n", ["0", "1"]),
        ("v 1,16,0\nv_2,16,1\n", ["0", "1"]),
        ("v 1;Thumb Up 2\nv_2;Stop\n", ["Thumb Up 2", "Stop"]),
        ("v 1 long jump\nv_2 run\n", ["long jump", "run"]),
        ("v 1 long jump\nv_2 run\ngone long jump\n", ["long jump", "run", "long jump"]),
    ],
)
def test_the_path_of_a_folder_is_the_longest_that_is_there(
    tmp_path: Path, make: Make, text: str, expected: list[str]
) -> None:
    make(tmp_path, "v 1/1.jpg", "v_2/1.jpg")
    assert labels(tmp_path, text) == expected


def test_folders_with_several_labels_are_refused(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "v_1/1.jpg", "v_2/1.jpg")
    with pytest.raises(DatasetError, match=r"line 1 of .* has several labels, 'v_1 16 0 2'"):
        labels(tmp_path, "v_1 16 0 2\nv_2 16 1\n")


def test_a_line_that_begins_with_a_number_sign_is_a_clip_where_its_file_is_there(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "#1_fan/a.avi", "#b.avi", "c.avi", "d/1.jpg")
    (tmp_path / "list.txt").write_text("# all clips\n#1_fan/a.avi 0\n#b.avi 1\n#gone.avi 1\nc.avi 1\n")
    clips = data_set(tmp_path / "list.txt")[""]
    assert [clip.path.name for clip in clips] == ["a.avi", "#b.avi", "c.avi"]
    assert clips.notes == ("1 lines that begin with '#' name clips that are not there, such as '#gone.avi 1'",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_a_csv_file_may_come_from_any_office(tmp_path: Path, make: Make, encoding: str, end: str, mark: str) -> None:
    make(tmp_path, "é b.avi", "c.avi")
    lines = [mark.join(cells) for cells in (("path", "label"), ("é b.avi", "walk, slowly"), ("c.avi", "run"))]
    text = end.join(line.replace("walk, slowly", '"walk, slowly"') for line in lines) + end
    data = text.encode(encoding)
    (tmp_path / "list.csv").write_bytes(b"\xfe\xff" + data if encoding == "utf-16-be" else data)
    clips = data_set(tmp_path / "list.csv")[""]
    assert [(clip.path.name, clip.label) for clip in clips] == [("é b.avi", "walk, slowly"), ("c.avi", "run")]
    assert all(clip.path.exists() for clip in clips)


def test_a_csv_file_with_several_labels_in_a_cell_is_refused(tmp_path: Path, make: Make) -> None:
    make(tmp_path, *CLIPS)
    with pytest.raises(DatasetError, match=r"line 2 of .* has several labels, '0;2'"):
        labels(tmp_path, "path,label\nwalk/a.avi,0;2\nrun/c.avi,1\n", "list.csv")


def test_a_list_beside_that_cannot_be_read_is_told(tmp_path: Path, make: Make) -> None:
    make(tmp_path, *CLIPS)
    (tmp_path / "test.txt").write_text("5.avi\n6.avi\n")
    (tmp_path / "train.txt").write_text("walk/a.avi 0\nrun/c.avi 1\n")
    splits = data_set(tmp_path / "train.txt")
    assert list(splits) == ["train"]
    assert splits["train"].notes[0].startswith("the list of split 'test' beside 'train.txt' is not used: line 1 of")
    with pytest.raises(DatasetError, match=r"line 1 of '.*test.txt' gives '5.avi' no class"):
        data_set(tmp_path / "test.txt")
