"""Inputs that see the same part of a clip share a forward pass, sweeps stay whole, scores are those of each alone."""

from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType

import pytest
import torch

from marey.maximization.batches import Batch, Job, batch_of, halves, jobs_in_batches
from marey.maximization.objectives import unit
from marey.maximization.parametrizations import Fourier
from marey.maximization.recipe import Recipe
from marey.maximization.targets import Named, targets_of
from marey.maximization.transforms import Shift
from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.network.stream import rgb_frames

RECIPE = Recipe(slowness=(0.0, 5.0))
RANGES = Maxima({"fuse": torch.arange(1.0, 7.0), "flow": torch.ones(4), "fc": torch.ones(3)})


def _batches(network: Network, named: Sequence[Named], recipe: Recipe = RECIPE) -> list[list[tuple[int, float]]]:
    """Place and slowness of the jobs of every batch."""
    targets = targets_of(network, named, RANGES, where="center")
    return [[(job.place, job.slowness) for job in jobs] for jobs in jobs_in_batches(targets, recipe)]


def _batch(network: Network, named: Sequence[Named], recipe: Recipe = RECIPE) -> Batch:
    targets = targets_of(network, named, RANGES, where=recipe.where)
    (jobs,) = jobs_in_batches(targets, recipe)
    return batch_of(network, jobs, recipe, bounds={}, transforms=None, parametrization=Fourier())


def test_units_of_a_layer_share_a_batch_and_those_that_see_something_else_do_not(network: Network) -> None:
    found = _batches(network, ["fuse:1", "run", "fuse:4", "flow:0"])
    assert found == [[(0, 0.0), (0, 5.0), (2, 0.0), (2, 5.0)], [(1, 0.0), (1, 5.0)], [(3, 0.0), (3, 5.0)]]


@pytest.mark.parametrize(("batch", "sizes"), [(1, [2, 2, 2]), (2, [2, 2, 2]), (3, [2, 2, 2]), (5, [4, 2]), (9, [6])])
def test_whole_sweeps_are_optimized_together_however_few_inputs_one_pass_holds(
    network: Network, batch: int, sizes: list[int]
) -> None:
    found = _batches(network, ["fuse:1", "fuse:2", "fuse:3"], replace(RECIPE, batch=batch))
    assert [len(jobs) for jobs in found] == sizes


def test_of_a_unit_of_one_picture_there_is_one_input(known: ModuleType) -> None:
    network = known.edge_network([(0.0, known.RED_GREEN), (90.0, known.RED_GREEN)])
    targets = targets_of(network, ["edges:0", "edges:1"], Maxima({"edges": torch.ones(2)}), where="center")
    assert [[(job.place, job.slowness) for job in jobs] for jobs in jobs_in_batches(targets, RECIPE)] == [
        [(0, 0.0), (1, 0.0)]
    ]


def test_halves_are_whole_sweeps_too(network: Network) -> None:
    (target,) = targets_of(network, ["fuse:1"], RANGES, where="center")
    jobs = [Job(place, target, chi) for place in range(3) for chi in RECIPE.slowness]
    first, second = halves(jobs, RECIPE)
    assert (len(first), [*first, *second]) == (2, jobs)
    assert [len(part) for part in halves(jobs[:2], RECIPE)] == [1, 1], "but for a single sweep"


def test_scores_are_those_of_every_input_alone(network: Network) -> None:
    named = [unit("fuse:1@2,5,5") - 2 * unit("fuse:3@2,5,5"), unit("fuse:2@2,5,5")]
    batch = _batch(network, named, replace(RECIPE, slowness=(0.0,)))
    volume = torch.randn(2, 6, *network.layer("fuse").positions, generator=torch.Generator().manual_seed(0))
    at = batch.jobs[0].target.placed.position
    assert at is not None
    found = batch.scores({"fuse": volume})
    first, second = volume[(0, slice(None), *at)], volume[(1, slice(None), *at)]
    expected = [first[1] / 2 - 2 * first[3] / 4, second[2] / 3]  # relative to the ranges of units 1, 3 and 2
    torch.testing.assert_close(found.relative, torch.stack(expected))
    torch.testing.assert_close(batch.part(1, 2).scores({"fuse": volume[1:]}).relative, torch.stack(expected[1:]))


def test_an_input_is_dead_where_all_of_its_terms_are_0_and_silent_where_some_are(network: Network) -> None:
    named = [unit("fuse:1@2,5,5") + unit("fuse:3@2,5,5"), unit("fuse:2@2,5,5")]
    batch = _batch(network, named, replace(RECIPE, slowness=(0.0,)))
    volume = torch.ones(2, 6, *network.layer("fuse").positions)
    for off, dead, silent in (((), [False, False], [False, False]), ((3,), [False, False], [True, False]),
                              ((1, 2, 3), [True, True], [True, False])):  # fmt: skip
        volume[:, list(off)] = 0
        found = batch.scores({"fuse": volume})
        assert (found.dead.tolist(), found.silent.tolist()) == (dead, silent)


def test_the_fastest_of_a_sweep_is_known_to_the_priors(network: Network) -> None:
    scene = _batch(network, ["fuse:1", "fuse:2"], replace(RECIPE, slowness=(5.0, 0.0, 1.0))).scene
    assert scene.fastest == (1, 1, 1, 4, 4, 4)
    assert scene.slowness.tolist() == [5.0, 0.0, 1.0] * 2


def test_the_noise_of_a_unit_does_not_depend_on_its_company_but_on_the_seed(network: Network) -> None:
    alone, company, other = (
        _batch(network, named, replace(RECIPE, seed=seed)).seeds
        for named, seed in ((["fuse:2"], 0), (["fuse:1", "fuse:2"], 0), (["fuse:2"], 1))
    )
    assert company[2:] == alone and len(set(company)) == 2 and other != alone


def test_without_transforms_of_ones_own_inputs_are_shifted_by_up_to_the_stride() -> None:
    def shifts(size: int, *layers: torch.nn.Module) -> tuple[object, ...]:
        network = Network(torch.nn.Sequential(*layers), [rgb_frames(1, size=size, layout="n c h w")])
        last = list(network.layers)[-1]
        target = targets_of(network, [f"{last}:0"], Maxima({last: torch.ones(4)}), where="center")[0]
        return batch_of(
            network, [Job(0, target, 0.0)], RECIPE, bounds={}, transforms=None, parametrization=Fourier()
        ).transforms

    conv = [torch.nn.Conv2d(3, 4, 3, stride=3)]
    assert shifts(40, *conv) == (Shift(3),)
    assert shifts(42, *conv, torch.nn.AdaptiveAvgPool2d(1)) == (Shift(3),), "that of the deepest layer with places"
    assert shifts(14, *conv, torch.nn.AdaptiveAvgPool2d(1)) == (Shift(1),), "but no more than a 14th of the picture"
