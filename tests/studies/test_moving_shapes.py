"""Moving shapes move as their class says, and the same seed gives the same frames."""

from pathlib import Path

import numpy as np
import pytest

from marey.studies.moving_shapes import CLASSES, moving_shape, write_moving_shapes
from marey.video.read.decode import read_video


@pytest.mark.parametrize("label", CLASSES)
@pytest.mark.parametrize("seed", range(3))
def test_the_drawn_motion_is_what_the_class_says(label: str, seed: int) -> None:
    shape, direction = CLASSES[label]
    clip = moving_shape(label, np.random.default_rng(seed), size=48, frames=7).astype(float)
    strength = clip[..., 0] - clip[..., 2] if shape == "disc" else clip[..., 2] - clip[..., 0]
    cover = strength > 0.5 * np.quantile(strength, 0.99)
    y, x = np.mgrid[0:48, 0:48]
    centers = np.array([[x[seen].mean(), y[seen].mean()] for seen in cover])
    velocity = (centers[-1] - centers[0]) / 6
    along = float(velocity @ direction)
    across = float(np.hypot(*(velocity - along * np.array(direction))))
    assert 0.9 <= along <= 2.1 and across < 0.15


def test_shapes_of_one_outline_share_their_colors_and_not_those_of_the_other() -> None:
    warm = [moving_shape(label, np.random.default_rng(1), size=32, frames=1)[0] for label in CLASSES]
    reds = [int(clip[16, 16, 0]) - int(clip[16, 16, 2]) for clip in warm]
    assert all((red > 0) == label.startswith("disc") for red, label in zip(reds, CLASSES, strict=True))


def test_the_same_seed_writes_the_same_frames_and_another_others(tmp_path: Path) -> None:
    folders = [
        write_moving_shapes(tmp_path / name, people=1, takes=1, size=32, frames=3, seed=seed)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    clips = [read_video(folder / "disc_left" / "person0_0.mp4").frames for folder in folders]
    assert clips[0].equal(clips[1]) and not clips[0].equal(clips[2])
    assert sorted(path.name for path in folders[0].iterdir()) == sorted(CLASSES)
