"""CSV lists with the columns path and label, and if wanted split and group."""

from collections.abc import Callable
from pathlib import Path

from marey.datasets import data_set

Make = Callable[..., None]


def test_a_csv_file_may_say_splits_and_groups(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "1.avi", "2.avi", "3.avi")
    (tmp_path / "all.csv").write_text(
        "path,label,split,group\n1.avi,walk,train,ann\n2.avi,run,train,ann\n3.avi,run,test,bob\n"
    )
    splits = data_set(tmp_path / "all.csv")
    assert list(splits) == ["train", "test"]
    assert [(clip.label, clip.group) for clip in splits["train"]] == [("walk", "ann"), ("run", "ann")]
    assert splits["test"].groups == ("bob",)
    assert splits["test"].grouping == "from the column 'group' of 'all.csv'"


def test_groups_that_a_published_split_parts_are_given_up(tmp_path: Path, make: Make) -> None:
    names = [f"{label}/{who}_{label}.avi" for label in ("run", "walk") for who in ("ann", "bob", "eve")]
    make(tmp_path, *names)
    rows = [f"{name},{name[:3]},{'test' if 'eve_w' in name else 'train'}" for name in names]
    (tmp_path / "all.csv").write_text("path,label,split\n" + "\n".join(rows))
    splits = data_set(tmp_path / "all.csv")
    assert {clip.group for part in splits.values() for clip in part} == {None}
    assert "'eve' (guessed: 3 groups" in splits["test"].grouping
    assert "is on both sides of the published split" in splits["test"].grouping
    given = data_set(tmp_path / "all.csv", group="^([a-z]+)_")
    assert given["test"].groups == ("eve",)


def test_columns_may_come_in_any_order_and_case_and_rows_may_lack_the_last_ones(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "run/1.avi", "walk/2.avi")
    (tmp_path / "all.csv").write_text('\ufeffLabel, "Path", Group\nrun, run/1.avi, ann\n"",walk/2.avi\n', "utf-8")
    clips = data_set(tmp_path / "all.csv")[""]
    assert [(clip.path.name, clip.label, clip.group) for clip in clips] == [
        ("1.avi", "run", "ann"),
        ("2.avi", "walk", None),
    ]
