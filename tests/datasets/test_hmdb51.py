"""The lists of HMDB51: one for each class, whose lines tell who trains and who tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from marey.datasets import ClipSet, data_set
from marey.errors import DatasetError

Make = Callable[..., None]
Shown = Callable[[dict[str, ClipSet]], dict[str, list[tuple[str, str | None, str | None]]]]


def test_label_0_of_hmdb51_is_unused_and_neither_trains_nor_tests(tmp_path: Path, make: Make, shown: Shown) -> None:
    make(tmp_path, "hmdb/brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi", "hmdb/wave/A#1_wave_u_cm_np1.avi")
    lists = tmp_path / "splits"
    lists.mkdir()
    (lists / "brush_hair_test_split1.txt").write_text(
        "April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1 \nApril_09_brush_hair_u_nm_np1_ba_goo_1.avi 0 \n"
    )
    (lists / "wave_test_split1.txt").write_text("A#1_wave_u_cm_np1.avi 2 \nB (2)_wave_u_cm_np1.avi 1 \n")
    (lists / "wave_test_split2.txt").write_text("A#1_wave_u_cm_np1.avi 1 \n")
    for place in (lists, lists / "wave_test_split1.txt"):
        splits = data_set(place)
        assert shown(splits) == {
            "train": [
                ("April_09_brush_hair_u_nm_np1_ba_goo_0.avi", "brush_hair", "April_09"),
                ("B (2)_wave_u_cm_np1.avi", "wave", "B (2)"),
            ],
            "test": [("A#1_wave_u_cm_np1.avi", "wave", "A#1")],
        }
        assert splits["train"].notes[0] == "1 clips are in neither part of this split of HMDB51"
        assert splits["train"][0].path.exists() and splits["test"][0].path.exists()


def test_hmdb51_lists_may_be_named_with_an_underscore_before_the_number(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "run/a_run_1.avi", "wave/b_wave_1.avi")
    (tmp_path / "run_test_split_1.txt").write_text("a_run_1.avi 1\n")
    (tmp_path / "wave_test_split_1.txt").write_text("b_wave_1.avi 2\n")
    assert set(data_set(tmp_path / "run_test_split_1.txt")) == {"train", "test"}
    (tmp_path / "wave_test_split_1.txt").write_text("b_wave_1.avi\n")
    with pytest.raises(DatasetError, match=r"line 1 of '.*wave_test_split_1.txt' is 'b_wave_1.avi'; expected"):
        data_set(tmp_path / "run_test_split_1.txt")


def test_no_line_of_hmdb51_is_a_comment_where_it_names_a_video(tmp_path: Path, make: Make, shown: Shown) -> None:
    make(tmp_path, "clap/#20_Drum_clap_u_goo_0.avi", "run/Ann_run_u_goo_0.mp4", "._clap_test_split1.txt")
    (tmp_path / "clap_test_split1.txt").write_text(
        "# by hand\n#20_Drum_clap_u_goo_0.avi 1 \n#21 Drum_clap_u_goo_1.avi 2 \n"
    )
    (tmp_path / "run_test_split1.txt").write_text("Ann_run_u_goo_0.avi 1 \n")
    assert shown(data_set(tmp_path)) == {
        "train": [("#20_Drum_clap_u_goo_0.avi", "clap", "#20_Drum"), ("Ann_run_u_goo_0.mp4", "run", "Ann")],
        "test": [("#21 Drum_clap_u_goo_1.avi", "clap", "#21 Drum")],
    }


def test_a_list_of_paths_may_be_named_as_those_of_hmdb51(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "walk/a.avi", "run/b.avi")
    (tmp_path / "my_test_split1.txt").write_text("walk/a.avi 7\nrun/b.avi 8\n")
    assert [clip.label for clip in data_set(tmp_path / "my_test_split1.txt")["test"]] == ["7", "8"]
