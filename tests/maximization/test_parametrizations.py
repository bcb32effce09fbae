"""Free numbers stand for frames of unit size: pixels as they are, waves larger the longer they are."""

import pytest
import torch
from torch import Tensor

from marey.errors import MareyError
from marey.maximization.choice import parametrization_of
from marey.maximization.parametrizations import Fourier, Parametrization, Pixels, Shape
from marey.network.stream import Kind

SHAPES: list[Shape] = [(3, 4, 8, 8), (3, 5, 7, 11), (2, 7, 13, 6), (2, 1, 9, 17), (2, 3, 1, 1), (3, 1, 23, 29)]
PLAIN = Fourier(reach=1.0)


def _kind(shape: Shape) -> Kind:
    return "rgb" if shape[0] == 3 else "flow"


def _noise(held: Parametrization, shape: Shape, clips: int) -> Tensor:
    free = held.free_shape(_kind(shape), shape)
    return torch.randn(clips, *free, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("held", [Pixels(), Fourier(), Fourier(reach=0.5)])
@pytest.mark.parametrize("shape", SHAPES)
def test_frames_have_the_shape_of_the_stream_and_every_free_number_a_finite_gradient(
    held: Parametrization, shape: Shape
) -> None:
    free = _noise(held, shape, 2).requires_grad_()
    frames = held.frames(free, _kind(shape), shape)
    assert frames.shape == (2, *shape)
    (slope,) = torch.autograd.grad(frames.square().sum(), free)
    assert bool(torch.isfinite(slope).all())


def test_pixels_are_the_frames_themselves_and_are_kept_within_the_bound() -> None:
    free = torch.randn(1, 2, 3, 4, 5)
    assert Pixels().frames(free, "flow", (2, 3, 4, 5)) is free
    assert torch.equal(Pixels().bounded(free, lambda frames: frames.clamp(-1, 1)), free.clamp(-1, 1))
    assert Fourier().bounded(free, lambda frames: frames.clamp(-1, 1)) is free


@pytest.mark.parametrize("reach", [None, 1.0, 0.5])
@pytest.mark.parametrize("shape", [(2, 8, 16, 16), (3, 5, 17, 15), (3, 1, 21, 22), (2, 7, 31, 30), (2, 4, 36, 40)])
def test_white_noise_in_the_spectrum_gives_frames_of_unit_variance(shape: Shape, reach: float | None) -> None:
    held = Fourier(reach=reach)
    frames = held.frames(_noise(held, shape, 100), _kind(shape), shape)
    assert float(frames.square().mean().sqrt()) == pytest.approx(1.0, abs=0.1)


def test_frames_are_linear_in_the_free_numbers() -> None:
    shape = (3, 4, 7, 6)
    a, b = _noise(PLAIN, shape, 2).unsqueeze(1)

    def frames(free: Tensor) -> Tensor:
        return PLAIN.frames(free, "rgb", shape)

    torch.testing.assert_close(frames(2 * a - b), 2 * frames(a) - frames(b), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("size", "reach", "expected"), [(36, 0.5, 0.5), (40, None, 2 / 3), (32, None, 1.0)])
def test_no_wave_is_finer_than_the_reach(size: int, reach: float | None, expected: float) -> None:
    shape = (2, 4, size, size)
    held = Fourier(reach=reach)
    power = torch.fft.fft2(held.frames(_noise(held, shape, 8), "flow", shape)).abs().square().mean((0, 1, 2))
    finest = torch.fft.fftfreq(size).abs() * 2  # relative to the highest that pixels show
    for one in (power.sum(0), power.sum(1)):
        there = finest[one > 1e-6 * one.max()]
        assert expected - 2 / size - 1e-6 <= float(there.max()) <= expected + 1e-6


def test_low_frequencies_come_first() -> None:
    shape = (2, 8, 16, 16)
    frames = PLAIN.frames(_noise(PLAIN, shape, 64), "flow", shape)
    power = torch.fft.fftn(frames, dim=(2, 3, 4)).abs().square().mean((0, 1))
    across, in_time = power.sum((0, 1))[1:9], power.sum((1, 2))[1:5]
    assert bool((across[:-1] > across[1:]).all())
    assert bool((in_time[:-1] > in_time[1:]).all())


def test_the_decays_say_how_much_more_long_waves_are_moved() -> None:
    shape = (2, 8, 16, 16)
    flat = Fourier(decay=0.0, time_decay=0.0, reach=1.0)
    power = torch.fft.fftn(flat.frames(_noise(flat, shape, 200), "flow", shape), dim=(2, 3, 4)).abs().square()
    apart = power.mean((0, 1)).sum(0)
    assert float(apart.std() / apart.mean()) < 0.25, "white"


def test_colors_are_decorrelated_and_gray_varies_most() -> None:
    shape = (3, 1, 16, 16)
    pictures = PLAIN.frames(_noise(PLAIN, shape, 100), "rgb", shape)
    along = torch.corrcoef(pictures.transpose(0, 1).flatten(1))
    assert float(along[0, 1]) > 0.6
    assert float(along[1, 2]) > 0.6
    fields = PLAIN.frames(_noise(PLAIN, (2, 1, 16, 16), 200), "flow", (2, 1, 16, 16))
    assert abs(float(torch.corrcoef(fields.transpose(0, 1).flatten(1))[0, 1])) < 0.1


def test_words_stand_for_parametrizations_and_others_are_refused() -> None:
    assert parametrization_of("fourier") == Fourier() and parametrization_of("pixels") == Pixels()
    own = Fourier(decay=2.0)
    assert parametrization_of(own) is own
    with pytest.raises(
        MareyError, match="parametrization is 'wavelets'; expected fourier, moved, pixels, or one of your own"
    ):
        parametrization_of("wavelets")
