"""Every parametrization stands for the frames it was made from, and gives noise of the size that was asked for."""

from functools import partial
from typing import Literal

import pytest
import torch

from marey.maximization.parametrizations import coarse, fourier, pixels
from marey.network.stream import Kind

SHAPES = [(3, 4, 8, 8), (3, 5, 7, 11), (2, 7, 13, 6), (2, 1, 9, 17), (2, 3, 1, 1), (3, 1, 23, 29)]


def _kind(shape: tuple[int, int, int, int]) -> Kind:
    return "rgb" if shape[0] == 3 else "flow"


@pytest.mark.parametrize("shape", SHAPES)
def test_fourier_gives_back_the_frames_it_is_given(shape: tuple[int, int, int, int]) -> None:
    held = fourier(shape, kind=_kind(shape))
    frames = torch.randn(2, *shape)
    free = held.encode(frames)
    assert tuple(free.shape[1:]) == held.free_shape
    torch.testing.assert_close(held.decode(free), frames, atol=1e-4, rtol=1e-4)


def test_pixels_are_the_frames_themselves() -> None:
    held = pixels((2, 3, 4, 5))
    frames = torch.randn(1, 2, 3, 4, 5)
    assert torch.equal(held.decode(held.encode(frames)), frames)
    assert held.free_shape == (2, 3, 4, 5)


@pytest.mark.parametrize("shape", [(2, 8, 16, 16), (3, 5, 17, 15), (3, 1, 21, 22), (2, 7, 31, 30)])
def test_white_noise_in_the_spectrum_gives_frames_of_unit_variance(shape: tuple[int, int, int, int]) -> None:
    held = fourier(shape, kind=_kind(shape))
    noise = torch.randn(200, *held.free_shape, generator=torch.Generator().manual_seed(0))
    assert float(held.decode(noise).square().mean().sqrt()) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("by", ["transform", "products"])
def test_noise_has_unit_variance_without_the_finest_frequencies_too(by: Literal["transform", "products"]) -> None:
    held = fourier((2, 4, 36, 40), kind="flow", reach=2 / 3, by=by)
    noise = torch.randn(50, *held.free_shape, generator=torch.Generator().manual_seed(0))
    assert float(held.decode(held.arranged(noise)).square().mean().sqrt()) == pytest.approx(1.0, abs=0.1)


def test_decoding_is_linear() -> None:
    held = fourier((3, 4, 6, 5), kind="rgb")
    a, b = torch.randn(2, 1, *held.free_shape)
    torch.testing.assert_close(held.decode(2 * a - b), 2 * held.decode(a) - held.decode(b), atol=1e-5, rtol=1e-4)


def test_low_frequencies_come_first() -> None:
    held = fourier((2, 8, 16, 16), kind="flow")
    frames = held.decode(torch.randn(64, *held.free_shape, generator=torch.Generator().manual_seed(0)))
    power = torch.fft.fftn(frames, dim=(2, 3, 4)).abs().square().mean((0, 1))
    across, in_time = power.sum((0, 1))[1:9], power.sum((1, 2))[1:5]
    assert bool((across[:-1] > across[1:]).all())
    assert bool((in_time[:-1] > in_time[1:]).all())
    fine = torch.zeros(1, *held.free_shape)
    fine[0, 0, 0, 0, 8, 0] = 1.0
    broad = torch.zeros_like(fine)
    broad[0, 0, 0, 0, 1, 0] = 1.0
    assert float(held.decode(broad).norm()) > 4 * float(held.decode(fine).norm())


def test_colors_are_decorrelated_and_gray_varies_most() -> None:
    held = fourier((3, 1, 16, 16), kind="rgb")
    pictures = held.decode(torch.randn(100, *held.free_shape, generator=torch.Generator().manual_seed(0)))
    along = torch.corrcoef(pictures.transpose(0, 1).flatten(1))
    assert float(along[0, 1]) > 0.6
    assert float(along[1, 2]) > 0.6
    flow = fourier((2, 1, 16, 16), kind="flow")
    fields = flow.decode(torch.randn(200, *flow.free_shape, generator=torch.Generator().manual_seed(0)))
    assert abs(float(torch.corrcoef(fields.transpose(0, 1).flatten(1))[0, 1])) < 0.1


@pytest.mark.parametrize("make", [pixels, partial(fourier, kind="flow")])
def test_smooth_frames_come_back_from_a_coarse_grid(make: object) -> None:
    held = coarse(make, (2, 3, 32, 28), 4)  # type: ignore[arg-type]
    y, x = torch.meshgrid(torch.linspace(0, 3, 32), torch.linspace(0, 3, 28), indexing="ij")
    frames = torch.stack([y.sin(), x.cos()])[None, :, None].expand(1, 2, 3, 32, 28)
    back = held.decode(held.encode(frames))
    assert tuple(back.shape) == tuple(frames.shape)
    assert float((back - frames).square().mean().sqrt()) < 0.05
    assert held.free_shape[:2] == (2, 3)


def test_a_grid_coarser_than_the_frame_has_one_cell() -> None:
    held = coarse(pixels, (2, 3, 5, 5), 8)
    assert held.free_shape == (2, 3, 1, 1)
    assert tuple(held.decode(torch.zeros(1, 2, 3, 1, 1)).shape) == (1, 2, 3, 5, 5)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_free_number_has_a_finite_gradient(shape: tuple[int, int, int, int]) -> None:
    held = fourier(shape, kind=_kind(shape))
    free = torch.randn(1, *held.free_shape, requires_grad=True)
    held.decode(free).square().sum().backward()
    assert free.grad is not None
    assert bool(torch.isfinite(free.grad).all())
