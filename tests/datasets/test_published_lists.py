"""The lists that benchmarks publish, with the traps that each of them has."""

import json
from pathlib import Path

import pytest

from marey.datasets import ClipSet, clips_in, data_set
from marey.errors import DatasetError


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def shown(splits: dict[str, ClipSet]) -> dict[str, list[tuple[str, str | None, str | None]]]:
    return {split: [(clip.path.name, clip.label, clip.group) for clip in part] for split, part in splits.items()}


# UCF101


def ucf101(root: Path) -> Path:
    make(root, "UCF-101/Biking/v_Biking_g08_c01.avi", "UCF-101/Biking/v_Biking_g01_c01.avi")
    make(root, "UCF-101/Diving/v_Diving_g08_c01.avi", "ucfTrainTestlist/classInd.txt")
    lists = root / "ucfTrainTestlist"
    (lists / "classInd.txt").write_text("1 Biking\r\n2 Diving\r\n")
    (lists / "trainlist01.txt").write_text("Biking/v_Biking_g08_c01.avi 1\r\nDiving/v_Diving_g08_c01.avi 2\r\n")
    (lists / "testlist01.txt").write_text("Biking/v_Biking_g01_c01.avi\r\nDiving/v_Diving_g02_c01.avi\r\n")
    return lists


def test_labels_of_ucf101_count_from_1_and_its_test_list_has_none(tmp_path: Path) -> None:
    lists = ucf101(tmp_path)
    for place in (lists, lists / "trainlist01.txt", lists / "testlist01.txt"):
        splits = data_set(place)
        assert shown(splits) == {
            "train": [("v_Biking_g08_c01.avi", "Biking", "g08"), ("v_Diving_g08_c01.avi", "Diving", "g08")],
            "test": [("v_Biking_g01_c01.avi", "Biking", "g01"), ("v_Diving_g02_c01.avi", "Diving", "g02")],
        }
        assert splits["test"].notes[0].startswith("1 of 4 listed clips are not there, such as '")
    assert len(clips_in(lists)) == len(clips_in(lists / "testlist01.txt")) == 4


def test_a_label_that_the_class_list_does_not_name_is_an_error(tmp_path: Path) -> None:
    lists = ucf101(tmp_path)
    (lists / "trainlist01.txt").write_text("Biking/v_Biking_g08_c01.avi 0\n")
    with pytest.raises(DatasetError, match=r"line 1 of '.*trainlist01.txt' has label 0, which classInd.txt does not"):
        data_set(lists)


# HMDB51


def test_label_0_of_hmdb51_is_unused_and_neither_trains_nor_tests(tmp_path: Path) -> None:
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


def test_hmdb51_lists_may_be_named_with_an_underscore_before_the_number(tmp_path: Path) -> None:
    make(tmp_path, "run/a_run_1.avi", "wave/b_wave_1.avi")
    (tmp_path / "run_test_split_1.txt").write_text("a_run_1.avi 1\n")
    (tmp_path / "wave_test_split_1.txt").write_text("b_wave_1.avi 2\n")
    assert set(data_set(tmp_path / "run_test_split_1.txt")) == {"train", "test"}
    (tmp_path / "wave_test_split_1.txt").write_text("b_wave_1.avi\n")
    with pytest.raises(DatasetError, match=r"line 1 of '.*wave_test_split_1.txt' is 'b_wave_1.avi'; expected"):
        data_set(tmp_path / "run_test_split_1.txt")


# Kinetics

HEAD = "label,youtube_id,time_start,time_end,split\n"


def test_kinetics_names_its_files_by_video_and_seconds_in_any_folder(tmp_path: Path) -> None:
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


def test_lists_in_a_folder_are_the_data_set_and_not_its_folders(tmp_path: Path) -> None:
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


def test_a_csv_file_without_the_columns_of_kinetics_leaves_class_folders_as_they_are(tmp_path: Path) -> None:
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


# Something-Something v2


@pytest.mark.parametrize("before", ["", "something-something-v2-"])
def test_templates_of_something_something_lose_their_brackets(tmp_path: Path, before: str) -> None:
    make(tmp_path, "20bn-something-something-v2/78687.webm", "20bn-something-something-v2/42.mp4", "lists/x")
    lists = tmp_path / "lists"
    labels = {"Holding something next to something": "0", "Dropping something": "1"}
    train = [
        {"id": "78687", "label": "holding potato next to bottle", "template": "Holding [something] next to [something]"}
    ]
    (lists / f"{before}labels.json").write_text(json.dumps(labels))
    (lists / f"{before}train.json").write_text(json.dumps(train))
    (lists / f"{before}validation.json").write_text(json.dumps([{"id": 42, "template": "Dropping [something]"}]))
    for split in ("train", "validation"):
        assert shown(data_set(lists / f"{before}{split}.json")) == {
            "train": [("78687.webm", "Holding something next to something", None)],
            "validation": [("42.mp4", "Dropping something", None)],
        }
    assert shown(data_set(lists)) == shown(data_set(lists / f"{before}train.json"))
    (lists / f"{before}train.json").write_text(json.dumps([{"id": "1", "template": "Droping [something]"}]))
    with pytest.raises(DatasetError, match=r"entry 0 of .* 'Droping something', which .* Did you mean 'Dropping some"):
        data_set(lists / f"{before}train.json")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("train.json", "{", "is no JSON"),
        ("train.json", "{}", "holds no list of entries with id and template"),
        ("train.json", '[{"id": 1}]', "entry 0 of .* has no id and template"),
        ("labels.json", "{}", "is no list of Something-Something; expected train.json"),
    ],
)
def test_a_json_file_that_is_no_such_list_says_so(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DatasetError, match=said):
        data_set(tmp_path / name)


# mmaction2, SlowFast


def test_folders_of_frames_have_a_total_and_a_label(tmp_path: Path) -> None:
    make(tmp_path, "rawframes/Biking/v 1/img_00001.jpg", "rawframes/Diving/v_2/img_00001.jpg")
    (tmp_path / "list.txt").write_text("Biking/v 1 163 0\nDiving/v_2 98 1\n")
    assert shown(data_set(tmp_path / "list.txt"))[""] == [("v 1", "0", None), ("v_2", "1", None)]
    (tmp_path / "label_map.txt").write_text("biking\ndiving\n")
    assert [clip.label for clip in data_set(tmp_path / "list.txt")[""]] == ["biking", "diving"]


def test_a_class_list_that_counts_from_1_beside_labels_that_count_from_0_is_seen_through(tmp_path: Path) -> None:
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


def test_labels_and_paths_may_hold_spaces(tmp_path: Path) -> None:
    make(tmp_path, "my clips/one 1.mp4", "my clips/two.WEBM")
    (tmp_path / "list.txt").write_text("my clips/one 1.mp4 playing guitar\nmy clips/two.WEBM 12\n")
    assert shown(data_set(tmp_path / "list.txt"))[""] == [
        ("one 1.mp4", "playing guitar", None),
        ("two.WEBM", "12", None),
    ]


# folders


def test_two_trees_of_frames_and_flow_are_clips_and_not_classes(tmp_path: Path) -> None:
    for video in ("v_Run_g01_c01", "v_Walk_g02_c01"):
        make(tmp_path, f"jpegs_256/{video}/frame000001.jpg", f"tvl1_flow/u/{video}/frame000001.jpg")
    assert shown(data_set(tmp_path)) == {"": [("v_Run_g01_c01", "Run", "g01"), ("v_Walk_g02_c01", "Walk", "g02")]}
    assert [clip.label for clip in clips_in(tmp_path)] == ["Run", "Walk"]
    make(tmp_path, "jpegs_256/other/frame000001.jpg")
    assert [clip.label for clip in clips_in(tmp_path)] == [None, "Run", "Walk"]


def test_files_that_are_no_videos_are_counted(tmp_path: Path) -> None:
    make(tmp_path, "run/a.avi", "run/b.doc", "walk/c.avi", "walk/.hidden")
    (note,) = data_set(tmp_path)[""].notes
    assert note == f"1 files that are no videos are passed over, such as '{tmp_path / 'run' / 'b.doc'}'"
