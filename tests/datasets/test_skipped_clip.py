"""A clip that could not be used tells its path and the reason in one line."""

from pathlib import Path

from marey.datasets import SkippedClip
from marey.errors import VideoError
from marey.video.read.clips import Clip


def test_the_line_names_the_file_once() -> None:
    clip = Clip(Path("walk/ann.avi"), label="walk")
    assert str(SkippedClip.of(clip, VideoError("no video at 'walk/ann.avi'"))) == "skipped: no video at 'walk/ann.avi'"
    assert str(SkippedClip.of(clip, VideoError("it takes too long"))) == "skipped: walk/ann.avi: it takes too long"


def test_the_values_for_json_make_the_clip_again() -> None:
    skipped = SkippedClip("walk/ann.avi", None, "no video")
    assert SkippedClip(**skipped.to_json()) == skipped
