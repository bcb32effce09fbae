"""Frames and flow in the trees of Feichtenhofer's two-stream networks."""

from collections.abc import Callable
from pathlib import Path

from marey.datasets import ClipSet, clips_in, data_set
from marey.video.flow.stored import flow_beside

Make = Callable[..., None]
Shown = Callable[[dict[str, ClipSet]], dict[str, list[tuple[str, str | None, str | None]]]]


def test_two_trees_of_frames_and_flow_are_clips_and_not_classes(tmp_path: Path, make: Make, shown: Shown) -> None:
    for video in ("v_Run_g01_c01", "v_Walk_g02_c01"):
        make(tmp_path, f"jpegs_256/{video}/frame000001.jpg", f"tvl1_flow/u/{video}/frame000001.jpg")
    assert shown(data_set(tmp_path)) == {
        "": [("v_Run_g01_c01", "Run", "v_Run_g01"), ("v_Walk_g02_c01", "Walk", "v_Walk_g02")]
    }
    assert [clip.label for clip in clips_in(tmp_path)] == ["Run", "Walk"]
    make(tmp_path, "jpegs_256/other/frame000001.jpg")
    assert [clip.label for clip in clips_in(tmp_path)] == [None, "Run", "Walk"]


def test_frames_and_flow_in_two_trees_are_found_for_the_videos_that_a_list_names(tmp_path: Path, make: Make) -> None:
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
