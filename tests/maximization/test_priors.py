"""The priors are equations (1) and (2) of the method, written here as loops; the leveling keeps space as it is."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from marey.errors import MareyError
from marey.families.two_stream import TwoStream
from marey.maximization.priors import VARIATION_SCALE, Energy, Scene, Variation, differences, energy
from marey.maximization.recipe import Recipe
from marey.maximization.run import maximize
from marey.network.network import Network
from marey.network.stream import Stream, rgb_frames

SHAPES = [(2, 3, 4, 5), (3, 1, 3, 3), (2, 4, 1, 1)]
FLOW = Stream("flow", "flow", times=(0, 1, 2), height=6, width=6)
IN_SPACE, IN_TIME = "variation of flow in space", "variation of flow in time"


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


def _noise(shape: Sequence[int], clips: int = 2) -> Tensor:
    return torch.randn(clips, *shape, generator=torch.Generator().manual_seed(0))


def _scene(*streams: Stream, slowness: Sequence[float] = (0.0, 1.0), **change: Any) -> Scene:
    """Inputs of one sweep of a unit that sees enough for the full variation."""
    chis = torch.tensor(slowness)
    made = Scene({s.name: s for s in streams}, {s.name: 2.5 for s in streams}, chis, (0,) * len(chis), sees=40)
    return replace(made, **change)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.0, 6.0])
def test_local_energy_is_that_of_the_loops(shape: tuple[int, ...], alpha: float) -> None:
    x = _noise(shape)
    found = Energy(2.0, exponent=alpha).terms({"flow": x}, _scene(FLOW, bounds={"flow": 1.7}))
    assert found["energy of flow"].tolist() == pytest.approx([2 * _energy(one, 1.7, alpha) for one in x], rel=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kappa", [1.0, 0.5, 0.0])
def test_variation_is_that_of_the_loops_at_every_slowness(shape: tuple[int, ...], kappa: float) -> None:
    x = _noise(shape)
    found = Variation(3.0, kappa=kappa).terms({"flow": x}, _scene(FLOW, slowness=(0.0, 10.0)))
    total = (found[IN_SPACE] + found[IN_TIME]).tolist()
    chis = (0.0, 10.0 * kappa)  # relative to kappa
    expected = [3 * _variation(one, 2.5, kappa, chi) for one, chi in zip(x, chis, strict=True)]
    assert total == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("one", [0, 1])
def test_the_written_out_gradient_of_differences_is_that_of_a_slow_loop(shape: tuple[int, ...], one: int) -> None:
    x = _noise(shape).double().requires_grad_()
    slow = torch.zeros(2, dtype=torch.float64)
    for place in [(d, k, i, j) for d in range(shape[0]) for k in range(shape[1]) for i in range(shape[2])
                  for j in range(shape[3])]:  # fmt: skip
        for axis in (2, 3) if one == 0 else (1,):
            after = [index + (number == axis) for number, index in enumerate(place)]
            if after[axis] < shape[axis]:
                slow = slow + (x[:, *after] - x[:, *place]).square()
    slow = slow / math.prod(shape[1:])
    found = differences(x)[one]
    torch.testing.assert_close(found, slow)
    weights = torch.tensor([1.0, -0.7], dtype=torch.float64)
    if slow.requires_grad:
        (expected,) = torch.autograd.grad(slow @ weights, x)
    else:  # a single row, column or frame differs from nothing
        expected = torch.zeros_like(x)
    torch.testing.assert_close(torch.autograd.grad(found @ weights, x)[0], expected)


def test_written_out_gradients_are_those_of_differences_of_values() -> None:
    x = _noise((2, 2, 3, 4)).double().requires_grad_()
    assert torch.autograd.gradcheck(differences, (x,))
    for exponent in (3.0, 1.0, 6.0):
        assert torch.autograd.gradcheck(lambda x, e=exponent: energy(x, 1.3, e), (x,))


def test_a_still_and_uniform_input_varies_nowhere() -> None:
    found = Variation().terms({"flow": torch.full((2, 2, 3, 4, 4), 3.0)}, _scene(FLOW))
    assert [term.tolist() for term in found.values()] == [[0.0, 0.0], [0.0, 0.0]]


def test_the_gradient_of_the_energy_at_rest_is_zero_and_no_nan() -> None:
    for exponent in (1.0, 3.0):
        x = torch.zeros(1, 2, 2, 3, 3, requires_grad=True)
        (slope,) = torch.autograd.grad(energy(x, 1.0, exponent).sum(), x)
        assert bool((slope == 0).all())


def test_slowness_weighs_flow_in_time_and_stillness_rgb_beside_it() -> None:
    rgb, flow = rgb_frames(2, size=4), Stream("flow", "flow", times=(0, 1), height=4, width=4)
    offsets = {"rgb": _noise(rgb.shape, 1), "flow": _noise(flow.shape, 1)}
    prior = Variation(1.0, kappa=2.0, stillness=7.0)

    def in_time(*streams: Stream) -> dict[str, float]:
        shown = {stream.name: offsets[stream.name] for stream in streams}
        scene = _scene(*streams, slowness=(3.0,), bounds={stream.name: 6.5 for stream in streams})
        terms = prior.terms(shown, scene)
        return {name: float(terms[f"variation of {name} in time"] / differences(shown[name])[1]) for name in shown}

    assert in_time(rgb, flow) == pytest.approx({"rgb": 2 * 7.0, "flow": 2 * 3.0}, rel=1e-4)
    assert in_time(rgb) == pytest.approx({"rgb": 2 * 3.0}, rel=1e-4)


@pytest.mark.parametrize(("sees", "share"), [(3, (3 / 40) ** 2), (20, 0.25), (40, 1.0), (50, 1.0)])
def test_variation_weighs_less_for_units_that_see_little(sees: int, share: float) -> None:
    x = _noise(FLOW.shape)
    little, full = (Variation().terms({"flow": x}, _scene(FLOW, sees=pixels)) for pixels in (sees, 1000))
    for name, term in little.items():
        torch.testing.assert_close(term, share * full[name])


def _leveled(space: Sequence[float], prior: Variation, *, fastest: tuple[int, ...] | None = None) -> Variation:
    """The prior after a step in which flow varied so in space, half-way."""
    scene = _scene(FLOW, slowness=(1.0,) * len(space))
    scene = scene if fastest is None else replace(scene, fastest=fastest)
    weights = _weights(prior, len(space))
    return prior.adapted(
        {IN_SPACE: torch.tensor(space) * weights, IN_TIME: torch.zeros(len(space))}, scene, progress=0.5
    )


def _weights(prior: Variation, clips: int) -> Tensor:
    """By how much the spatial weight of each input is steered."""
    x = _noise(FLOW.shape, 1).expand(clips, -1, -1, -1, -1)
    scene = _scene(FLOW, slowness=(1.0,) * clips)
    plain = Variation(equal_space=False).terms({"flow": x}, scene)
    return prior.terms({"flow": x}, scene)[IN_SPACE] / plain[IN_SPACE]


def test_an_input_that_varies_less_than_the_fastest_gets_a_smaller_spatial_weight() -> None:
    prior = _leveled([1.0, 0.8, 1.25], Variation())
    first = _weights(prior, 3)
    assert float(first[0]) == pytest.approx(1.0)
    assert first[1] < 1 < first[2]
    assert float(first[1] * first[2]) == pytest.approx(1.0, rel=1e-5)
    second = _weights(_leveled([1.0, 1.0, 1.0], prior), 3)
    assert first[1] < second[1] < 1 < second[2] < first[2], "level for now, after it was not"


@pytest.mark.parametrize("varied", [0.0, float("nan"), 1e-9])
def test_weights_that_are_leveled_for_long_stay_finite(varied: float) -> None:
    prior = Variation()
    for _ in range(100):
        prior = _leveled([1.0, varied], prior)
    assert 1 / 31 <= float(_weights(prior, 2)[1]) <= 1.01


@pytest.mark.parametrize(
    ("prior", "fastest"),
    [(Variation(), (0, 1)), (Variation(0.0), None), (Variation(kappa=0.0), None), (Variation(equal_space=False), None)],
)
def test_without_a_sweep_or_a_weight_there_is_nothing_to_level(prior: Variation, fastest: tuple[int, ...]) -> None:
    scene = replace(_scene(FLOW), fastest=fastest or (0, 0))
    assert prior.adapted({IN_SPACE: torch.tensor([1.0, 0.5])}, scene, progress=0.9) is prior


def test_the_leveling_begins_after_an_eighth_of_all_steps() -> None:
    prior, terms = Variation(), {IN_SPACE: torch.tensor([1.0, 0.5])}
    assert prior.adapted(terms, _scene(FLOW), progress=0.1) is prior
    assert prior.adapted(terms, _scene(FLOW), progress=0.2) is not prior


def test_along_a_sweep_the_variation_in_space_stays_the_same() -> None:
    torch.manual_seed(0)
    module = TwoStream(10, width=0.125, size=32, frames=1, stack=4).eval()
    network = Network(module, module.input_streams())
    recipe = Recipe(slowness=(0.0, 10.0), precision="fp32")
    results = maximize(network, [f"flow.conv2_2:{channel}" for channel in range(4)], recipe=recipe)
    spatial = torch.tensor([[float(differences(motion[None])[0]) for motion in one.frames["flow"]] for one in results])
    mean = spatial.mean(0)
    assert float((mean / mean.mean() - 1).abs().max()) < 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Variation(kappa=-1.0), r"kappa of Variation is -1\.0; expected a number of at least 0"),
        (lambda: Energy(float("nan")), "weight of Energy is nan; expected"),
    ],
)
def test_priors_with_impossible_numbers_are_refused(make: Any, message: str) -> None:
    with pytest.raises(MareyError, match=message):
        make()


def test_a_difference_of_a_bound_over_the_scale_counts_as_one() -> None:
    step = torch.zeros(1, 2, 1, 1, 2)
    step[0, 0, 0, 0, 1] = 2.5 / VARIATION_SCALE
    found = Variation(1.0).terms({"flow": step}, _scene(FLOW, slowness=(0.0,)))
    assert float(found[IN_SPACE]) == pytest.approx(1 / 2)  # of two pixels
