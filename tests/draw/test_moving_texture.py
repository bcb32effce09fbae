"""The texture shows to the eye which way and how fast a field moves."""

import numpy as np
import torch

from marey.draw.moving_texture import moving_texture


def test_the_texture_moves_with_the_flow() -> None:
    fields = torch.zeros(2, 6, 48, 48)
    fields[0] = 2.0
    loop = moving_texture(fields, steps=2)[..., 0].astype(float)  # one pixel to the right in each picture
    assert loop.shape == (12, 48, 48)
    now, then = loop[:-1, :, 12:-12], loop[1:]

    def agreement(shift: int) -> float:
        there = then[:, :, 12 + shift : then.shape[2] - 12 + shift]
        return float(np.corrcoef(now.ravel(), there.ravel())[0, 1])

    assert max(range(-4, 5), key=agreement) == 1
    assert agreement(1) > 0.9


def test_the_texture_is_still_where_nothing_moves() -> None:
    loop = moving_texture(torch.zeros(2, 3, 20, 30), steps=2)
    assert (loop == loop[0]).all()


def test_the_loop_of_the_texture_has_no_seam() -> None:
    torch.manual_seed(0)
    fields = torch.randn(2, 10, 1, 1).expand(2, 10, 32, 32)
    loop = moving_texture(fields, steps=2).astype(float)
    jumps = np.abs(np.roll(loop, -1, axis=0) - loop).mean((1, 2, 3))
    assert jumps[-1] < 2 * np.median(jumps)
