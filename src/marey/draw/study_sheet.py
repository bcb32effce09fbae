"""The sheet of motion studies: a clip of every class, with its exact flow, on one page."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from marey.draw.color_wheel import color_wheel
from marey.draw.typeset import Block, below, beside, margined, text_block
from marey.studies.classes import study_classes
from marey.studies.clips import StudyClip, study_clip
from marey.studies.difficulty import Difficulty, DifficultyName, named
from marey.studies.factors import Setting
from marey.video.encode import write_png

_GAP = 14


def write_study_sheet(
    path: str | Path,
    *,
    seed: int = 0,
    size: int = 112,
    frames: int = 24,
    columns: int = 3,
    setting: Setting = "fair",
    difficulty: Difficulty | DifficultyName = "natural",
) -> None:
    """Write a PNG with every class in a cell: three frames of a clip, and the exact flow of the middle frame.

    Sensor noise is left away, because it would make the file half as large again.
    """
    clean = replace(named(difficulty), noise=0.0)
    cells = []
    for index, label in enumerate(study_classes()):
        clip = study_clip(label, seed, index, size=size, frames=frames, setting=setting, difficulty=clean)
        cells.append(_cell(clip))
    rows = [beside(cells[k : k + columns], gap=_GAP) for k in range(0, len(cells), columns)]
    write_png(np.asarray(margined(below(rows, gap=_GAP), _GAP)), path)


def _cell(clip: StudyClip) -> Block:
    count = len(clip.frames)
    shown = [clip.frames[k] for k in (count // 6, count // 2, count - 1 - count // 6)]
    flow = torch.from_numpy(clip.flow[:, count // 2])
    strip = Image.fromarray(np.concatenate([*shown, color_wheel(flow, max_px=3.5 * clip.frames.shape[1] / 112)], 1))
    return below([text_block(clip.label.replace("_", " "), size=13), strip], gap=3)
