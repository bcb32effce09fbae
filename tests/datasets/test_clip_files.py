"""What systems and viewers put between clips is passed over."""

from collections.abc import Callable
from pathlib import Path

import pytest

from marey.datasets import clips_in, data_set
from marey.errors import DatasetError

Make = Callable[..., None]


def names(place: Path) -> list[tuple[str | None, str]]:
    return [(clip.label, clip.path.name) for clip in clips_in(place)]


@pytest.mark.parametrize(
    "litter",
    [
        "__MACOSX/walk/._a.avi",
        "@eaDir/walk/x.jpg",
        "walk/@eaDir/a.avi/SYNOPHOTO_FILM_M.mp4",
        "walk/@eaDir/x.jpg",
        "walk/thumbs/cover.jpg",
        "thumbs/cover.jpg",
        "thumbs/walk/a.jpg",
        "walk/Thumbs.db",
        "walk/._a.avi",
        "empty/.DS_Store",
        ".ipynb_checkpoints/a.avi",
        "walk/.ipynb_checkpoints/a.avi",
        "lost+found/a.avi",
        "walk/frames/._2.jpg",
    ],
)
def test_metadata_beside_clips_is_passed_over(tmp_path: Path, make: Make, litter: str) -> None:
    make(tmp_path, "walk/a.avi", "run/b.avi", litter)
    assert names(tmp_path) == [("run", "b.avi"), ("walk", "a.avi")]
    assert data_set(tmp_path)[""].notes == ()


def test_metadata_beside_clips_without_classes_is_passed_over(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "a.avi", "b/1.jpg", "thumbs/a.jpg", "@eaDir/x.jpg", "__MACOSX/._a.avi")
    assert names(tmp_path) == [(None, "a.avi"), (None, "b")]


def test_a_class_may_be_called_thumbs(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "thumbs/a.avi", "walk/b.avi", "walk/thumbs/b.jpg")
    assert names(tmp_path) == [("thumbs", "a.avi"), ("walk", "b.avi")]
    make(tmp_path / "frames", "thumbs/ann/1.jpg", "walk/bob/1.jpg")
    assert names(tmp_path / "frames") == [("thumbs", "ann"), ("walk", "bob")]


def test_an_empty_class_folder_is_still_an_error(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "walk/a.avi", "run/b.avi")
    (tmp_path / "jump").mkdir()
    with pytest.raises(DatasetError, match=r"class folder '.*jump' holds no clips"):
        data_set(tmp_path)


def test_clips_that_are_found_in_any_folder_are_not_found_in_metadata(tmp_path: Path, make: Make) -> None:
    make(tmp_path, "videos/x_000001_000011.mp4", "videos/y_000001_000011.mp4", "cover.jpg")
    make(tmp_path, "@eaDir/x_000001_000011.mp4", "@eaDir/y_000001_000011/1.jpg")
    head = "label,youtube_id,time_start,time_end,split\n"
    (tmp_path / "train.csv").write_text(f"{head}walk,x,1,11,train\nrun,y,1,11,train\n")
    assert {clip.path.parent.name for clip in clips_in(tmp_path / "train.csv")} == {"videos"}
