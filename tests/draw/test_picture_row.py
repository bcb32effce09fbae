"""A row says at once what is wrong with the clips that it is given."""

import pytest
import torch

from marey.draw.picture_row import PictureRow
from marey.errors import MareyError


def test_a_row_of_the_wrong_shape_says_what_was_expected() -> None:
    with pytest.raises(MareyError, match="neither appearance nor motion"):
        PictureRow("a:0")
    with pytest.raises(MareyError, match=r"motion of 'a:0' has shape \(1, 3, 1, 8, 8\); expected \(chi, 2, time"):
        PictureRow("a:0", motion=torch.zeros(1, 3, 1, 8, 8))
    with pytest.raises(MareyError, match="holds 2 clips for 1 chis"):
        PictureRow("a:0", motion=torch.zeros(2, 2, 1, 8, 8))
    with pytest.raises(MareyError, match="1 captions for 2 chis"):
        PictureRow("a:0", motion=torch.zeros(2, 2, 1, 8, 8), chis=(0, 1), captions=("one",))


def test_chis_are_shown_from_slow_to_fast_whatever_their_order() -> None:
    row = PictureRow("a:0", motion=torch.zeros(3, 2, 1, 8, 8), chis=(1.0, 10.0, 0.0))
    assert row.slow_to_fast == [1, 0, 2]


def test_only_a_single_picture_is_still() -> None:
    assert PictureRow("a:0", appearance=torch.zeros(1, 3, 1, 8, 8)).still
    assert not PictureRow("a:0", appearance=torch.zeros(1, 3, 2, 8, 8)).still
    assert not PictureRow("a:0", motion=torch.zeros(1, 2, 1, 8, 8)).still
