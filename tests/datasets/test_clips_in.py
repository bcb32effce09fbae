"""A user may point at clips in any layout."""

from pathlib import Path

import pytest
from PIL import Image

from marey.datasets import clips_in, data_set
from marey.datasets.clips_in import clip_set_in
from marey.errors import DatasetError


def _frames(folder: Path) -> None:
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "000.png")


def _video(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_one_video_and_one_folder_of_frames_are_a_clip(tmp_path: Path) -> None:
    video = _video(tmp_path / "walk.mp4")
    _frames(tmp_path / "frames")
    assert [clip.path for clip in clips_in(video)] == [video]
    assert [clip.path for clip in clips_in(tmp_path / "frames")] == [tmp_path / "frames"]


def test_a_plain_folder_holds_videos_and_folders_of_frames(tmp_path: Path) -> None:
    _video(tmp_path / "b.avi")
    _frames(tmp_path / "a")
    _frames(tmp_path / "c")
    (tmp_path / "notes.txt").touch()
    assert [clip.path.name for clip in clips_in(tmp_path)] == ["a", "b.avi", "c"]
    assert {clip.label for clip in clips_in(tmp_path)} == {None}


def test_class_folders_give_their_labels_even_where_there_is_one_only(tmp_path: Path) -> None:
    _video(tmp_path / "walk" / "ann.avi")
    assert [clip.label for clip in clips_in(tmp_path)] == ["walk"]
    _video(tmp_path / "run" / "ann.avi")
    _frames(tmp_path / "run" / "bob")
    assert [clip.label for clip in clips_in(tmp_path)] == ["run", "run", "walk"]


def test_a_picture_beside_class_folders_does_not_make_them_a_clip(tmp_path: Path) -> None:
    for name in ("run", "walk"):
        _video(tmp_path / name / "ann.avi")
    Image.new("RGB", (8, 8)).save(tmp_path / "overview.png")
    assert len(clips_in(tmp_path)) == 2


def test_a_split_file_gives_the_clips_of_all_its_splits(tmp_path: Path) -> None:
    for name in ("run/ann.avi", "walk/ann.avi"):
        _video(tmp_path / name)
    (tmp_path / "list.csv").write_text("path,label,split\nrun/ann.avi,run,train\nwalk/ann.avi,walk,test\n")
    assert [clip.label for clip in clips_in(tmp_path / "list.csv")] == ["run", "walk"]


def test_clips_of_one_class_are_enough_but_no_data_set(tmp_path: Path) -> None:
    _video(tmp_path / "walk" / "ann.avi")
    (tmp_path / "list.txt").write_text("walk/ann.avi walk\n")
    for place in (tmp_path, tmp_path / "list.txt"):
        assert [clip.label for clip in clips_in(place)] == ["walk"]
        with pytest.raises(DatasetError, match="has clips of one class only, 'walk'; expected two classes or more"):
            data_set(place)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent", "does not exist; expected a folder"),
        ("empty", "holds no clips; expected"),
        ("a.doc", "is no folder of"),
    ],
)
def test_a_place_without_clips_is_an_error(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.doc").touch()
    with pytest.raises(DatasetError, match=said):
        clips_in(tmp_path / name)


def test_clips_of_all_splits_keep_the_words_on_them(tmp_path: Path) -> None:
    for name in ("train/walk/ann.avi", "train/walk/note.doc", "val/walk/bob.avi", "test/eve.avi"):
        _video(tmp_path / name)
    found = clip_set_in(tmp_path)
    assert [clip.path.name for clip in found] == ["ann.avi", "bob.avi"]
    assert found.grouping == "every clip is its own group: none could be guessed from the file names"
    assert [note.partition(" ")[0] for note in found.notes] == ["1", f"'{tmp_path / 'test'}'"]
