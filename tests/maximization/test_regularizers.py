"""The priors are equations (1) and (2) of the method, written here as loops, and the bound is a projection."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import Tensor, nn

from marey.accelerate.measures import projected
from marey.errors import NetworkError
from marey.maximization.offsets import limits_of
from marey.maximization.regularizers import RGB_BOUND, default_bound, energy, energy_of, variation, variation_of
from marey.network.network import Network
from marey.network.stream import flow_stacks, rgb_frames


def _energy(x: Tensor, bound: float, alpha: float) -> float:
    """R_B = sum_ijk (sum_d x_ijkd^2)^(alpha/2) / (H W T B^alpha)."""
    channels, frames, height, width = x.shape
    total = 0.0
    for k in range(frames):
        for i in range(height):
            for j in range(width):
                squared = sum(float(x[d, k, i, j]) ** 2 for d in range(channels))
                total += squared ** (alpha / 2)
    return total / (height * width * frames * bound**alpha)


def _variation(x: Tensor, bound: float, kappa: float, chi: float) -> float:
    """R_TV = sum_ijkd [kappa ((d_x x)^2 + (d_y x)^2) + chi (d_t x)^2] / (H W T V^2), V = B / 6.5."""
    channels, frames, height, width = x.shape
    total = 0.0
    for d in range(channels):
        for k in range(frames):
            for i in range(height):
                for j in range(width):
                    here = float(x[d, k, i, j])
                    if j + 1 < width:
                        total += kappa * (float(x[d, k, i, j + 1]) - here) ** 2
                    if i + 1 < height:
                        total += kappa * (float(x[d, k, i + 1, j]) - here) ** 2
                    if k + 1 < frames:
                        total += chi * (float(x[d, k + 1, i, j]) - here) ** 2
    return total / (height * width * frames * (bound / 6.5) ** 2)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 1, 3, 3), (2, 4, 1, 1)])
@pytest.mark.parametrize("alpha", [2.0, 3.0, 6.0])
def test_local_energy_is_that_of_the_loops(shape: tuple[int, ...], alpha: float) -> None:
    x = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    found = energy_of(x, 1.7, exponent=alpha)
    assert found.tolist() == pytest.approx([_energy(one, 1.7, alpha) for one in x], rel=1e-4)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 1, 3, 3), (2, 4, 1, 1)])
@pytest.mark.parametrize(("kappa", "chi"), [(1.0, 0.0), (0.0, 1.0), (0.5, 10.0)])
def test_variation_is_that_of_the_loops(shape: tuple[int, ...], kappa: float, chi: float) -> None:
    x = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    found = variation_of(x, 2.5, space=kappa, time=chi)
    assert found.tolist() == pytest.approx([_variation(one, 2.5, kappa, chi) for one in x], rel=1e-4)


def test_as_objectives_they_have_the_same_values_about_rest() -> None:
    rgb = rgb_frames(2, size=4)
    network = Network(nn.Conv3d(3, 1, 1), [rgb])
    x = torch.rand(rgb.shape)
    both = (energy("rgb", bound=0.6) + 2 * variation("rgb", space=1.0, time=3.0, bound=0.6)).checked(network)
    expected = _energy(x - 0.5, 0.6, 3.0) + 2 * _variation(x, 0.6, 1.0, 3.0)
    assert float(both.value({}, {"rgb": x})) == pytest.approx(expected, rel=1e-4)


def test_a_prior_without_a_bound_takes_that_of_the_stream() -> None:
    flow = flow_stacks(1, length=3, size=4)
    module = nn.Conv3d(6, 1, 1)
    x = torch.randn(flow.shape)
    plain, known = Network(module, [flow]), Network(module, [flow], bounds={"flow": 2.0})
    assert default_bound(flow) == 5.0
    assert default_bound(rgb_frames(1)) == RGB_BOUND
    for network, bound in ((plain, 5.0), (known, 2.0)):
        for prior in (energy, variation):
            found = prior("flow").checked(network).value({}, {"flow": x})
            torch.testing.assert_close(found, prior("flow", bound=bound).value({}, {"flow": x}))
    with pytest.raises(NetworkError, match="the bound of stream 'flow' is not known"):
        energy("flow").value({}, {"flow": x})


def test_a_still_and_uniform_input_varies_nowhere() -> None:
    assert variation_of(torch.full((1, 2, 3, 4, 4), 3.0), 1.0, space=1.0, time=1.0).tolist() == [0.0]


def test_the_gradient_of_the_energy_at_rest_is_zero_and_no_nan() -> None:
    x = torch.zeros(1, 2, 2, 3, 3, requires_grad=True)
    energy_of(x, 1.0).sum().backward()
    assert x.grad is not None
    assert bool((x.grad == 0).all())


seeds = some.integers(0, 10_000)
sizes = some.floats(0.1, 30)


def _frames(seed: int, size: float) -> Tensor:
    return size * torch.randn(1, 2, 2, 3, 3, generator=torch.Generator().manual_seed(seed))


@given(seeds, sizes)
def test_no_pixel_is_above_the_bound_after_projection(seed: int, size: float) -> None:
    held = projected(_frames(seed, size), limits_of(flow_stacks(1), 5.0))
    assert float(held.square().sum(1).sqrt().max()) <= 5.0 * (1 + 1e-6)


@given(seeds, sizes)
def test_the_projection_is_idempotent_and_leaves_what_is_inside(seed: int, size: float) -> None:
    held = projected(_frames(seed, size), limits_of(flow_stacks(1), 5.0))
    torch.testing.assert_close(projected(held, limits_of(flow_stacks(1), 5.0)), held)
    inside = held * 0.99
    torch.testing.assert_close(projected(inside, limits_of(flow_stacks(1), 5.0)), inside)


@given(seeds, seeds, sizes)
def test_the_projection_brings_no_two_inputs_farther_apart(one: int, other: int, size: float) -> None:
    a, b = _frames(one, size), _frames(other, 3.0)
    before = (a - b).norm()
    after = (projected(a, limits_of(flow_stacks(1), 5.0)) - projected(b, limits_of(flow_stacks(1), 5.0))).norm()
    assert float(after) <= float(before) * (1 + 1e-5) + 1e-5


@given(seeds, sizes)
def test_the_projection_is_the_nearest_point_of_the_ball(seed: int, size: float) -> None:
    given_, stream = _frames(seed, size).clamp(-20, 20), flow_stacks(1)
    held = projected(given_, limits_of(stream, 5.0))
    direction = torch.randn(held.shape, generator=torch.Generator().manual_seed(seed + 1))
    other = projected(held + 0.1 * direction, limits_of(stream, 5.0))
    assert float((given_ - held).norm()) <= float((given_ - other).norm()) + 1e-4


def test_values_never_leave_the_range_of_the_stream() -> None:
    held = projected(3 * torch.randn(1, 3, 1, 8, 8), limits_of(rgb_frames(1), 10.0))
    assert float(held.abs().max()) <= 0.5
