"""`marey check` says what a network is given and gives, and exits with 1 where something is likely wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

Marey = Callable[..., Any]

CODE = """
import torch
import marey


class Reddish(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scores = torch.nn.Linear(3, 2, bias=False)
        self.scores.weight.data = torch.tensor([[1.0, 0.0, -1.0], [-1.0, 0.0, 1.0]])

    def forward(self, shown):
        return self.scores(shown.mean((2, 3, 4)))


def made(**how):
    return marey.Network(Reddish().eval(), [marey.rgb_frames(2, size=16, **how)], classes=["red", "blue"])


def right():
    return made()


def wrong():
    return made(order="bgr", rate=25)


def few():
    return marey.Network(Reddish().eval(), [marey.rgb_frames(2, size=16)], classes=["red", "green", "blue"])
"""


@pytest.fixture
def colors(tmp_path: Path) -> Path:
    """Folders of red and of blue images, ten clips each."""
    (tmp_path / "colors.py").write_text(CODE)
    for label, place in (("red", 2), ("blue", 0)):  # as OpenCV writes, blue first
        for clip in range(10):
            folder = tmp_path / "clips" / label / f"{label}{clip}"
            folder.mkdir(parents=True)
            for number in range(3):
                image = np.full((16, 16, 3), 60, np.uint8)
                image[..., place] = 150 + clip
                cv2.imwrite(str(folder / f"{number:04d}.png"), image)
    return tmp_path


def test_a_right_declaration_exits_with_0_and_says_what_the_network_is_given(marey: Marey, colors: Path) -> None:
    found = marey("check", f"{colors / 'colors.py'}:right", "--clips", colors / "clips")
    assert found.status == 0, found
    assert "nothing is likely wrong" in found.out
    assert "1 × 3 × 2 × 16 × 16" in found.out
    assert "class scores from 'scores'; 2 classes: red, blue" in found.out
    assert "on 20 clips" in found.out
    assert "not noticed here:" in found.out


def test_a_wrong_declaration_exits_with_1_and_says_what_to_write(marey: Marey, colors: Path) -> None:
    found = marey("check", f"{colors / 'colors.py'}:wrong", "--clips", colors / "clips")
    assert found.status == 1
    assert "likely wrong: channels of 'rgb': declared right on 0 of 20" in found.out
    assert 'write order="rgb"' in found.out
    assert "from 0 to 1 at 25 frames/s" in found.out


def test_without_clips_the_network_alone_is_asked(marey: Marey, colors: Path) -> None:
    found = marey("check", f"{colors / 'colors.py'}:right")
    assert found.status == 0
    assert "without labeled clips" in found.out
    found = marey("check", f"{colors / 'colors.py'}:few")
    assert found.status == 1
    assert "3 names are declared and it returns 2 scores" in found.out
