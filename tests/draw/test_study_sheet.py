"""The sheet of motion studies shows every class."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from marey.draw.study_sheet import write_study_sheet
from marey.studies import DIFFICULTIES, study_classes, study_clip


def _shows(sheet: np.ndarray, picture: np.ndarray) -> bool:
    """Whether `picture` stands somewhere in `sheet`, pixel by pixel."""
    height, width = picture.shape[:2]
    for y in range(len(sheet) - height + 1):
        x, rest = divmod(sheet[y].tobytes().find(picture[0].tobytes()), 3)
        if x >= 0 and rest == 0 and np.array_equal(sheet[y : y + height, x : x + width], picture):
            return True
    return False


def test_the_sheet_shows_a_frame_of_every_class_without_noise(tmp_path: Path) -> None:
    write_study_sheet(tmp_path / "sheet.png", size=32, frames=6)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB"))
    clean = replace(DIFFICULTIES["natural"], noise=0.0)
    clips = [
        study_clip(label, 0, index, size=32, frames=6, difficulty=clean) for index, label in enumerate(study_classes())
    ]
    assert [clip.label for clip in clips if not _shows(sheet, clip.frames[3])] == []
    assert not _shows(sheet, clips[0].frames[0])
