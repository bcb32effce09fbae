"""Products with matrices give what the fast transform gives, of any window and with the same gradient."""

import pytest
import torch

from marey.accelerate.spectrum import Box
from marey.maximization.parametrizations import Parametrization, fourier
from marey.network.stream import Kind

SHAPES = [(3, 4, 8, 8), (3, 5, 7, 11), (2, 7, 13, 6), (2, 1, 9, 17), (2, 3, 1, 1), (2, 2, 2, 3), (3, 1, 23, 29)]


def _both(shape: tuple[int, int, int, int], reach: float = 1.0) -> tuple[Parametrization, Parametrization]:
    kind: Kind = "rgb" if shape[0] == 3 else "flow"
    return fourier(shape, kind=kind, reach=reach), fourier(shape, kind=kind, reach=reach, by="products")


def _box(shape: tuple[int, int, int, int]) -> Box:
    time, rows, columns = (slice(size // 3, size // 3 + max(1, size // 2)) for size in shape[1:])
    return time, rows, columns


@pytest.mark.parametrize("reach", [1.0, 0.6])
@pytest.mark.parametrize("shape", SHAPES)
def test_products_give_the_window_of_the_transform_and_its_gradient(
    shape: tuple[int, int, int, int], reach: float
) -> None:
    torch.manual_seed(0)
    transform, products = _both(shape, reach)
    assert transform.free_shape == products.free_shape
    noise = torch.randn(2, *transform.free_shape)
    free, held = noise.requires_grad_(), products.arranged(noise.detach()).requires_grad_()
    expected = transform.window(free, _box(shape), torch.float32)
    found = products.window(held, _box(shape), torch.float32)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    weights = torch.randn_like(expected)
    (wanted,) = torch.autograd.grad(expected, free, weights)
    (got,) = torch.autograd.grad(found, held, weights)
    torch.testing.assert_close(got, products.arranged(wanted), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_products_give_back_the_frames_that_were_encoded(shape: tuple[int, int, int, int]) -> None:
    _, products = _both(shape)
    frames = torch.randn(2, *shape)
    torch.testing.assert_close(products.decode(products.encode(frames)), frames, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("which", [0, 1])
def test_frames_are_encoded_up_to_the_finest_frequency_that_is_held(which: int) -> None:
    held = _both((2, 3, 12, 20), reach=0.5)[which]
    frames = torch.randn(2, 2, 3, 12, 20)
    spectrum = torch.fft.fftn(frames, dim=(-2, -1))
    fine = (torch.fft.fftfreq(12).abs()[:, None] > 0.25) | (torch.fft.fftfreq(20).abs() > 0.25)
    coarse = torch.fft.ifftn(spectrum.masked_fill(fine, 0.0), dim=(-2, -1)).real
    found = held.decode(held.encode(frames))
    torch.testing.assert_close(found, coarse, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(held.decode(held.encode(found)), found, atol=1e-4, rtol=1e-4)


def test_a_window_is_not_changed_by_the_next_one() -> None:
    _, products = _both((2, 4, 8, 8))
    first, other = torch.randn(2, 1, *products.free_shape)
    seen = products.decode(products.arranged(first))
    kept = seen.clone()
    products.decode(products.arranged(other))
    assert torch.equal(seen, kept)


def _error(shape: tuple[int, int, int, int]) -> float:
    """Of a window in bf16, in parts of it."""
    _, products = _both(shape)
    held = products.arranged(torch.randn(4, *products.free_shape))
    exact = products.decode(held)[(..., *_box(shape))]
    rounded = products.window(held, _box(shape), torch.bfloat16)
    assert rounded.dtype == torch.float32
    return float((rounded - exact).norm() / rounded.norm())


def test_half_precision_products_are_off_by_its_rounding_only() -> None:
    assert 0 < _error((2, 6, 20, 72)) < 3 * 2**-8


def test_small_windows_are_not_rounded_to_half_precision() -> None:
    assert _error((2, 6, 20, 24)) < 1e-6
