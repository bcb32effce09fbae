"""Maximization: repeatable, independent of its company, and harmless to the network."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from marey.accelerate.forward import Forward
from marey.errors import NetworkError
from marey.maximization import maximization
from marey.maximization.batches import Batch
from marey.maximization.loop import optimize
from marey.maximization.maximization import Progress
from marey.maximization.objectives import direction, unit
from marey.maximization.optimized import Optimized
from marey.maximization.priors import Energy, Variation
from marey.maximization.recipe import Recipe
from marey.maximization.result import PreferredInput
from marey.maximization.run import maximize
from marey.network.maxima import Maxima
from marey.network.network import Network

LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]
QUICK = Recipe(slowness=(0.0, 5.0), steps=12, precision="fp32", tolerance=0.0)


def _close(one: PreferredInput, other: PreferredInput) -> None:
    """Alike up to the rounding of sums in another order, which the climb enlarges."""
    for name, frames in one.frames.items():
        torch.testing.assert_close(frames, other.frames[name], atol=0.02, rtol=0.02)


@pytest.mark.parametrize("target", ["run", "fuse:2", "fuse:2@1,0,9", "flow:1", "rgb:3@0,4,4"])
def test_every_target_is_excited_more_than_by_its_start_and_the_network_is_left_as_found(
    network: Network, target: str, left_as_found: LeftAsFound
) -> None:
    with left_as_found(network.module):
        result = maximize(network, target, recipe=QUICK)
    assert len(result.slowness) == len(result.scores) == len(result.notes) == 2
    assert tuple(result.history.shape) == (12, 2)
    assert all(score > float(start) + 0.2 for score, start in zip(result.scores, result.history[0], strict=True))
    assert all(bool(torch.isfinite(frames).all()) for frames in result.frames.values())
    assert result.label == (target if target == "run" else str(network.unit(target)))


def test_one_target_gives_one_result_and_a_list_a_list(network: Network) -> None:
    once = replace(QUICK, steps=1, slowness=(0.0,))
    for one in ("run", unit("fc:0"), network.unit("fc:0")):
        assert isinstance(maximize(network, one, recipe=once), PreferredInput)
        (alone,) = maximize(network, [one], recipe=once)
        assert isinstance(alone, PreferredInput)
    several = maximize(network, ("jack", "run", "jack"), recipe=once)
    assert [result.label for result in several] == ["jack", "run", "jack"]


def test_the_same_seed_gives_the_same_frames_and_another_one_others(network: Network) -> None:
    one, two, other = (maximize(network, "run", recipe=replace(QUICK, seed=seed)) for seed in (0, 0, 1))
    assert all(torch.equal(one.frames[name], two.frames[name]) for name in one.frames)
    assert not torch.allclose(one.frames["flow"], other.frames["flow"], atol=0.1)


def test_where_the_caller_wants_no_gradients_inputs_are_made_all_the_same(network: Network) -> None:
    before = maximize(network, "run", recipe=QUICK)
    with torch.no_grad():
        assert maximize(network, "run", recipe=QUICK) == before
        assert not torch.is_grad_enabled()


def test_a_unit_comes_out_the_same_alone_and_in_company(network: Network) -> None:
    alone = maximize(network, "run", recipe=QUICK)
    company = maximize(network, ["bend", "run", "jack"], recipe=QUICK)
    in_twos = maximize(network, ["run", "jack"], recipe=replace(QUICK, batch=2))
    _close(alone, company[1])
    _close(alone, in_twos[0])


def test_no_pixel_of_a_result_is_above_its_bound(network: Network) -> None:
    bounds = {"flow": 1.5, "rgb": 0.3}
    result = maximize(network, "run", recipe=replace(QUICK, bounds=bounds, weight=100.0))
    largest = {
        name: float((frames - 0.5 * (name == "rgb")).norm(dim=1).max()) for name, frames in result.frames.items()
    }
    assert largest == pytest.approx(bounds, rel=1e-3), "so heavy a score drives some pixel to it"


def test_bounds_are_those_of_the_recipe_then_of_the_maxima_then_of_the_networks_file(network: Network) -> None:
    def largest(**options: Any) -> float:
        heavy = replace(QUICK, weight=100.0, slowness=(0.0,), **options.pop("change", {}))
        return float(maximize(network, "run", recipe=heavy, **options).frames["flow"].norm(dim=1).max())

    network.maxima = Maxima(bounds={"flow": 3.0})
    given = Maxima(bounds={"flow": 2.0})
    assert largest() == pytest.approx(3.0, rel=1e-3)
    assert largest(maxima=given) == pytest.approx(2.0, rel=1e-3)
    assert largest(maxima=given, change={"bounds": {"flow": 1.0}}) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("parametrization", ["pixels", "fourier"])
def test_both_parametrizations_climb(network: Network, parametrization: str) -> None:
    result = maximize(network, "run", recipe=replace(QUICK, weight=20.0), parametrization=parametrization)
    assert min(result.scores) > float(result.history[0].max()) + 0.5


def test_sums_and_differences_are_maximized(network: Network) -> None:
    run, jack = unit("fc:0"), unit("fc:1")
    made = maximize(network, [run + jack, run - jack, direction("fc", [1.0, -1.0, 0.0])], recipe=QUICK)
    with torch.no_grad():
        both, less, along = (network.activations(one.inputs(0), ["fc"])["fc"].flatten().tolist() for one in made)
    assert less[0] - less[1] > both[0] - both[1]
    assert both[0] + both[1] > less[0] + less[1]
    assert along[0] - along[1] > both[0] - both[1]
    assert made[1].label == "fc:0 - fc:1"
    assert made[0].ordinary is None and made[0].relative(1.0) is None


def test_a_sum_may_read_layers_that_see_different_streams(network: Network) -> None:
    result = maximize(network, unit("rgb:1") + unit("flow:2"), recipe=QUICK)
    assert set(result.frames) == {"rgb", "flow"}
    assert all(result.history[-1] > result.history[0] + 0.2)


def test_the_weights_of_priors_are_not_multiplied_by_the_weight_of_the_score(network: Network) -> None:
    once = replace(QUICK, steps=1, slowness=(0.0,))
    light, heavy, none = (
        maximize(network, "run", recipe=replace(once, weight=weight), priors=priors).shares[0]
        for weight, priors in ((1.0, [Energy(0.5)]), (4.0, [Energy(0.5)]), (1.0, []))
    )
    for stream in ("rgb", "flow"):
        before, after = (one[f"energy of {stream}"] / one["score"] for one in (light, heavy))
        assert after == pytest.approx(before / 4, rel=0.3)
    assert none == {"score": 1.0}


def test_other_priors_make_other_inputs(network: Network) -> None:
    rough, smooth = (
        maximize(network, "run", recipe=QUICK, priors=[Variation(weight)]).frames["flow"] for weight in (0.0, 300.0)
    )
    assert float(smooth.diff(dim=-1).square().mean()) < 0.5 * float(rough.diff(dim=-1).square().mean())


def test_the_callback_sees_every_step_with_its_scores_and_frames(network: Network) -> None:
    seen: list[Progress] = []
    results = maximize(network, ["run", "jack"], recipe=replace(QUICK, batch=2), callback=seen.append)
    assert [one.done for one in seen] == list(range(1, 25)) and {one.planned for one in seen} == {24}
    assert [one.step for one in seen] == [*range(12), *range(12)]
    assert seen[0].labels == ("run", "run") and seen[-1].labels == ("jack", "jack")
    assert all(one.slowness == QUICK.slowness for one in seen)
    for place, result in enumerate(results):
        scores = torch.stack([one.scores for one in seen[12 * place : 12 * place + 12]])
        torch.testing.assert_close(scores, result.history)
    shown = seen[3].frames
    assert {name: tuple(one.shape) for name, one in shown.items()} == {
        "rgb": (2, 3, 1, 10, 10),
        "flow": (2, 2, 4, 10, 10),
    }
    assert 0.2 < float(shown["rgb"].mean()) < 0.8, "physical values, gray in the middle"
    with torch.no_grad():
        score = network.activations(dict(shown), ["fc"])["fc"][:, 0].flatten()
    torch.testing.assert_close((score - results[0].ordinary) / results[0].reach, seen[3].scores, atol=1e-3, rtol=1e-3)


def test_it_stops_when_converged_and_not_before(known: ModuleType) -> None:
    network = known.motion_network([(-2.0, 0.0), (0.0, 4.0)])
    recipe = Recipe(slowness=(1.0,), precision="fp32", steps=200)
    early = maximize(network, ["motions:0", "motions:1"], recipe=replace(recipe, tolerance=0.02))[0]
    late = maximize(network, "motions:0", recipe=replace(recipe, tolerance=0.0))
    assert 96 <= int(torch.isfinite(early.history).sum()) < 200
    assert len(late.history) == 200
    assert early.scores[0] > 0.9 * late.scores[0]


def test_a_unit_of_one_picture_is_made_once_for_the_whole_sweep(
    known: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = known.edge_network([(0.0, known.RED_GREEN), (90.0, known.RED_GREEN)])
    sizes: list[int] = []

    def counted(batch: Batch, *given: Any, **options: Any) -> Optimized:
        sizes.append(len(batch))
        return optimize(batch, *given, **options)

    monkeypatch.setattr(maximization, "optimize", counted)
    results = maximize(network, ["edges:0", "edges:1"], recipe=QUICK)
    assert sizes == [2]
    for result in results:
        assert result.still and result.slowness == QUICK.slowness and len(set(result.scores)) == 1
        assert result.frames["rgb"][0].equal(result.frames["rgb"][1])
        assert result.history.shape == (QUICK.steps, len(QUICK.slowness))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("x"), MemoryError(), RuntimeError("can't allocate memory")])
def test_passes_are_halved_when_memory_runs_out_and_nothing_else_changes(
    network: Network, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    sizes: list[int] = []

    def tight(self: Forward, windows: dict[str, Tensor]) -> dict[str, Tensor]:
        sizes.append(len(windows["rgb"]))
        if sizes[-1] > 2:
            raise error
        return plain(self, windows)

    plain = Forward.__call__
    plenty = maximize(network, ["run", "jack", "bend"], recipe=QUICK)
    monkeypatch.setattr(Forward, "__call__", tight)
    results = maximize(network, ["run", "jack", "bend"], recipe=QUICK)
    assert sizes[:3] == [6, 3, 1] and set(sizes[2:]) == {1}, "once it is known, no more is tried"
    for one, other in zip(results, plenty, strict=True):
        assert one.slowness == other.slowness
        _close(one, other)


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_how_many_inputs_one_pass_holds_changes_nothing_but_rounding(network: Network, most: int) -> None:
    plenty = maximize(network, ["run", "jack", "bend"], recipe=QUICK)
    few = maximize(network, ["run", "jack", "bend"], recipe=replace(QUICK, batch=most))
    for one, other in zip(few, plenty, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-3) and one.notes == other.notes
        for name, frames in one.frames.items():
            torch.testing.assert_close(frames, other.frames[name], atol=1e-3, rtol=1e-3)


def test_half_precision_arithmetic_gives_nearly_the_same(network: Network) -> None:
    full, half = (
        maximize(network, "run", recipe=replace(QUICK, precision=precision), transforms=[])
        for precision in ("fp32", "bf16")
    )
    assert [one.provenance["arithmetic"]["precision"] for one in (full, half)] == ["fp32", "bf16"]
    assert all(frames.dtype == torch.float32 for frames in half.frames.values())
    assert half.scores == pytest.approx(full.scores, rel=0.1)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([], "no unit was given to maximize; name at least one"),
        (["fuse:99"], "unit fuse:99 is out of range"),
        (["fuze:1"], "no layer 'fuze' in TwoStreams. Did you mean 'fuse'?"),
        ([unit("fc:0") - unit("fc:0")], "the objective '0' has no terms; add a unit or a direction to it"),
    ],
)
def test_wrong_targets_are_refused_before_the_long_part(
    network: Network, targets: list[Any], message: str, left_as_found: LeftAsFound
) -> None:
    with left_as_found(network.module), pytest.raises(NetworkError) as caught:
        maximize(network, targets, recipe=QUICK, callback=lambda _: pytest.fail("it began"))
    assert message in str(caught.value)


def test_a_bound_for_a_stream_that_the_network_lacks_is_refused(network: Network) -> None:
    with pytest.raises(NetworkError, match="no stream 'depth' in TwoStreams; it has rgb, flow"):
        maximize(network, "run", recipe=replace(QUICK, bounds={"depth": 1.0}))


def test_a_result_says_how_it_was_made(network: Network) -> None:
    made = maximize(network, "fuse:2@1,4,4", recipe=QUICK, priors=[Energy(2.0)], parametrization="pixels").provenance
    assert made["priors"] == ["Energy(weight=2.0, exponent=3.0)"] and made["parametrization"] == "Pixels()"
    assert Recipe.from_json(made["recipe"]) == QUICK
    assert made["crop"]["mode"] in ("padded", "unpadded") and made["arithmetic"]["device"] == "cpu"


@pytest.mark.gpu
def test_an_accelerator_gives_nearly_the_same(network: Network) -> None:
    here = maximize(network, "run", recipe=QUICK)
    network.module.cuda()
    there = maximize(network, "run", recipe=QUICK)
    assert there.scores == pytest.approx(here.scores, rel=0.05)
    assert all(frames.device.type == "cpu" for frames in there.frames.values())
