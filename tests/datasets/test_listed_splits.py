"""Lists of clips in the forms that benchmarks publish."""

from pathlib import Path

import pytest

from marey.datasets import class_folders, data_set
from marey.errors import DatasetError
from marey.video.flow.files import FlowFiles
from marey.video.flow.stored import ImageLayout, StoredFlow, flow_beside


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
        splits = data_set(lists / name, folder=videos)
        assert [(clip.label, clip.group) for clip in splits["train"]] == [("Biking", "g08"), ("Diving", "g08")]
        assert [(clip.label, clip.group) for clip in splits["test"]] == [("Biking", "g01")]
        assert splits["test"].grouping == "guessed: source video, from 'gXX' in the file names (UCF101)"


def test_lines_of_path_and_label_may_hold_spaces_comments_and_blank_lines(tmp_path: Path) -> None:
    make(tmp_path, "a walk/ann 1.avi", "b.avi")
    (tmp_path / "list.txt").write_text("\ufeff# clips\na walk/ann 1.avi walk\n\nb.avi 7\n", encoding="utf-8")
    splits = data_set(tmp_path / "list.txt")
    assert [(clip.path, clip.label) for clip in splits[""]] == [
        (tmp_path / "a walk" / "ann 1.avi", "walk"),
        (tmp_path / "b.avi", "7"),
    ]


def test_a_csv_file_may_say_splits_and_groups(tmp_path: Path) -> None:
    make(tmp_path, "1.avi", "2.avi", "3.avi")
    (tmp_path / "all.csv").write_text(
        "path,label,split,group\n1.avi,walk,train,ann\n2.avi,run,train,ann\n3.avi,run,test,bob\n"
    )
    splits = data_set(tmp_path / "all.csv")
    assert list(splits) == ["train", "test"]
    assert [(clip.label, clip.group) for clip in splits["train"]] == [("walk", "ann"), ("run", "ann")]
    assert splits["test"].groups == ("bob",)
    assert splits["test"].grouping == "from the column 'group' of 'all.csv'"


def test_clips_that_are_not_there_stay_in_the_list_and_are_told(tmp_path: Path) -> None:
    make(tmp_path, "1.avi", "2.avi")
    (tmp_path / "list.txt").write_text("1.avi walk\n2.avi run\n3.avi run\n")
    clips = data_set(tmp_path / "list.txt")[""]
    assert [clip.path.name for clip in clips] == ["1.avi", "2.avi", "3.avi"]
    (note,) = clips.notes
    assert note == f"1 of 3 listed clips are not there, such as '{tmp_path / '3.avi'}'"
    (tmp_path / "list.txt").write_text("4.avi walk\n3.avi run\n")
    with pytest.raises(DatasetError, match=r"none of the 2 clips that '.*list.txt' lists is there, such as '.*4.avi'"):
        data_set(tmp_path / "list.txt")


def test_groups_that_a_published_split_parts_are_given_up(tmp_path: Path) -> None:
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


def test_a_list_named_after_its_split_brings_the_other_one(tmp_path: Path) -> None:
    make(tmp_path, "1.mp4", "2.mp4", "3.mp4")
    (tmp_path / "train.csv").write_text("1.mp4 0\n2.mp4 1\n")
    (tmp_path / "val.csv").write_text("3.mp4 1\n")
    for name in ("train.csv", "val.csv"):
        splits = data_set(tmp_path / name)
        assert {split: [(clip.path.name, clip.label) for clip in part] for split, part in splits.items()} == {
            "train": [("1.mp4", "0"), ("2.mp4", "1")],
            "val": [("3.mp4", "1")],
        }


def test_a_list_may_lie_beside_the_folder_of_its_clips_and_name_videos_of_which_frames_are_there(
    tmp_path: Path,
) -> None:
    make(tmp_path, "frames/walk/a b/img_00001.jpg", "frames/run/c/img_00001.jpg", "lists/list.txt")
    (tmp_path / "lists" / "list.txt").write_text("walk/a b.avi walk\nrun/c.avi run\n")
    clips = data_set(tmp_path / "lists" / "list.txt")[""]
    assert [clip.path.relative_to(tmp_path).as_posix() for clip in clips] == ["frames/walk/a b", "frames/run/c"]


def test_a_mere_file_name_is_not_looked_for_in_other_folders_beside_the_list(tmp_path: Path) -> None:
    make(tmp_path, "others/1.avi", "others/2.avi", "lists/list.txt")
    (tmp_path / "lists" / "list.txt").write_text("1.avi walk\n2.avi run\n")
    with pytest.raises(DatasetError, match="none of the 2 clips"):
        data_set(tmp_path / "lists" / "list.txt")
    assert len(data_set(tmp_path / "lists" / "list.txt", folder=tmp_path / "others")[""]) == 2


def test_frames_and_flow_in_two_trees_are_found_for_the_videos_that_a_list_names(tmp_path: Path) -> None:
    for video in ("v_Run_g01_c01", "v_Walk_g01_c01"):
        make(tmp_path, f"jpegs_256/{video}/frame000001.jpg", f"tvl1_flow/u/{video}/frame000001.jpg")
    (tmp_path / "trainlist01.txt").write_text("Run/v_Run_g01_c01.avi 1\nWalk/v_Walk_g01_c01.avi 2\n")
    clips = data_set(tmp_path / "trainlist01.txt")["train"]
    assert [clip.path.relative_to(tmp_path).as_posix() for clip in clips] == [
        "jpegs_256/v_Run_g01_c01",
        "jpegs_256/v_Walk_g01_c01",
    ]
    stored = flow_beside(clips[0].path)
    assert stored is not None and stored.folder == tmp_path


def test_a_layout_of_images_is_a_setting(tmp_path: Path) -> None:
    files = FlowFiles("of/{video}/x{frame}.png", "of/{video}/y{frame}.png", bound=32.0)
    make(tmp_path, "rgb/run/a/1.png", "rgb/walk/b/1.png", "of/run/a/x1.png", "list.txt")
    (tmp_path / "list.txt").write_text("run/a.mp4 run\nwalk/b.mp4 walk\n")
    layout = ImageLayout("rgb/{video}", files)
    for clips in (
        data_set(tmp_path / "list.txt", images=layout)[""],
        class_folders(tmp_path, images=layout),
    ):
        assert [clip.path.relative_to(tmp_path).as_posix() for clip in clips] == ["rgb/run/a", "rgb/walk/b"]
        assert [clip.flow for clip in clips] == [StoredFlow(tmp_path, "run/a", files), None]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("list.txt", "", "lists no clips; expected lines such as"),
        ("list.csv", "path,class\n1.avi,walk\n", "has no column 'label'; its first line names path, class"),
        ("list.csv", "", "has no column 'path'; its first line names nothing"),
        ("list.csv", "path,label\n,walk\n", "line 2 of '.*list.csv' has no path"),
        ("list.csv", 'path,label\n"1.avi,walk\n', "is no CSV file"),
        ("list.txt", "1.avi\n", "line 1 of '.*list.txt' gives '1.avi' no class"),
        ("list.txt", "1.avi walk\n2.avi walk\n", "has clips of one class only, .walk."),
    ],
)
def test_a_list_that_lacks_something_says_what(tmp_path: Path, name: str, text: str, said: str) -> None:
    make(tmp_path, "1.avi", "2.avi")
    (tmp_path / name).write_text(text)
    with pytest.raises(DatasetError, match=said):
        data_set(tmp_path / name)


def test_a_file_that_is_no_list_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(DatasetError, match="is no text file"):
        data_set(tmp_path / "list.txt")
    with pytest.raises(DatasetError, match="does not exist; expected a folder of clips, a list"):
        data_set(tmp_path / "gone.txt")
