"""Clips on disk."""

import json
from pathlib import Path

import numpy as np
import pytest

from marey.datasets import class_folders
from marey.studies.clips import study_clip
from marey.studies.written import write_study_clips
from marey.video.read.decode import frames_between


@pytest.mark.parametrize("form", ["mp4", "frames"])
def test_written_clips_open_as_class_folders_with_the_truth_beside_them(tmp_path: Path, form: str) -> None:
    write_study_clips(tmp_path, 2, 5, classes=("wave", "kick"), size=48, frames=4, form=form)  # type: ignore[arg-type]
    clips = class_folders(tmp_path / "clips")
    assert clips.classes == ("kick", "wave") and len(clips) == 4 and clips.groups == ("actor00000", "actor00001")
    lines = [json.loads(line) for line in (tmp_path / "factors.jsonl").read_text().splitlines()]
    assert len(lines) == 4
    for line in lines:
        again = study_clip(line["class"], line["seed"], line["index"], size=48, frames=4)
        shown = np.stack([picture() for _, picture in frames_between(tmp_path / line["path"], 0.0, None)])
        assert np.abs(shown.astype(int) - again.frames).mean() < (6 if form == "mp4" else 1e-9)
        with np.load((tmp_path / "truth" / Path(line["path"]).relative_to("clips")).with_suffix(".npz")) as truth:
            assert np.array_equal(truth["flow"], again.flow) and np.array_equal(truth["mask"], again.mask)
