"""The weights that are steered while inputs climb."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from marey.families.two_stream import TwoStream
from marey.maximization.batches import Batch
from marey.maximization.objectives import unit
from marey.maximization.priors import levelled, lifted, prior_weights
from marey.maximization.recipe import Recipe
from marey.maximization.regularizers import VARIATION_SCALE, differences
from marey.maximization.run import maximize
from marey.maximization.transforms import Jitter
from marey.network.network import Network
from marey.network.region import whole
from marey.network.stream import Stream

RECIPE = Recipe()


def _batch(references: tuple[int, ...]) -> Batch:
    network = Network(nn.Sequential(nn.Conv3d(2, 1, 3)), [Stream("flow", "flow", times=(0, 1, 2), height=6, width=6)])
    count = len(references)
    return Batch(
        region=whole(network, ["0"]),
        objectives=(unit("0:0@0,1,1"),) * count,
        slowness=tuple(float(k) for k in range(count)),
        seeds=(0,) * count,
        targets=(math.inf,) * count,
        bounds={"flow": 2.0},
        jitter=Jitter(0),
        references=references,
    )


@pytest.mark.parametrize(("kernel", "share"), [(3, (3 / 40) ** 2), (20, 0.25), (40, 1.0), (50, 1.0)])
def test_variation_weighs_less_for_units_that_see_little(kernel: int, share: float) -> None:
    stream = Stream("flow", "flow", times=(0, 1, 2), height=60, width=60)
    network = Network(nn.Sequential(nn.Conv3d(2, 1, (1, kernel, kernel))), [stream])
    batch = replace(_batch((0,)), region=whole(network, ["0"]))
    energy, space, time = prior_weights(batch, replace(RECIPE, slowness=(1.0,)), kappas=torch.ones(1))["flow"]
    full = RECIPE.variation / (2.0 / VARIATION_SCALE) ** 2
    assert (float(energy), float(space)) == pytest.approx((RECIPE.energy, share * full))
    assert float(time) == pytest.approx(batch.slowness[0] * float(space))


def test_an_input_that_varies_less_than_its_reference_gets_a_smaller_spatial_weight() -> None:
    batch, sums = _batch((0, 0, 0)), torch.zeros(3)
    found = levelled(sums, {"flow": torch.tensor([1.0, 0.8, 1.25])}, batch, RECIPE)
    assert found is not None
    first, sums = found
    assert first[0] == RECIPE.kappa
    assert first[1] < RECIPE.kappa < first[2]
    assert float(first[1] * first[2]) == pytest.approx(RECIPE.kappa**2, rel=1e-5)
    found = levelled(sums, {"flow": torch.ones(3)}, batch, RECIPE)
    assert found is not None
    second, _ = found
    assert first[1] < second[1] < RECIPE.kappa < second[2] < first[2], "level for now, after it was not"


def test_weights_that_are_levelled_for_long_stay_finite() -> None:
    batch, sums = _batch((0, 0)), torch.zeros(2)
    for varied in (0.0, float("nan"), 1e-9):
        for _ in range(100):
            found = levelled(sums, {"flow": torch.tensor([1.0, varied])}, batch, RECIPE)
            assert found is not None
            weights, sums = found
        assert torch.isfinite(weights).all()
        assert weights[1] >= RECIPE.kappa / 31


@pytest.mark.parametrize(
    ("references", "recipe"),
    [((), RECIPE), ((0, 1), RECIPE), ((0, 0), replace(RECIPE, variation=0.0)), ((0, 0), replace(RECIPE, kappa=0.0))],
)
def test_without_a_sweep_or_a_prior_there_is_nothing_to_level(references: tuple[int, ...], recipe: Recipe) -> None:
    batch = replace(_batch((0, 0)), references=references)
    assert levelled(torch.zeros(2), {"flow": torch.ones(2)}, batch, recipe) is None


def test_along_a_sweep_the_variation_in_space_stays_the_same() -> None:
    torch.manual_seed(0)
    module = TwoStream(10, width=0.125, size=64, frames=1).eval()
    network = Network(module, module.input_streams())
    results = maximize(network, [f"flow.conv3_3:{channel}" for channel in range(4)], recipe=RECIPE)
    spatial = torch.tensor([[float(differences(motion[None])[0]) for motion in one.frames["flow"]] for one in results])
    mean = spatial.mean(0)
    assert float((mean / mean.mean() - 1).abs().max()) < 0.1


def test_a_strength_rises_below_its_floor_and_comes_back_above_it() -> None:
    strengths, floors = torch.full((3,), RECIPE.strength), torch.tensor([0.5, 0.5, -math.inf])
    for _ in range(100):
        strengths = lifted(strengths, torch.tensor([-1.0, 2.0, -1.0]), floors, RECIPE)
    assert strengths.tolist() == [16 * RECIPE.strength, RECIPE.strength, RECIPE.strength]
    for _ in range(100):
        strengths = lifted(strengths, torch.tensor([2.0, float("nan"), float("nan")]), floors, RECIPE)
    assert strengths.tolist() == [RECIPE.strength, 16 * RECIPE.strength, RECIPE.strength]
