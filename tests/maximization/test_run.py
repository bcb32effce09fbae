"""Maximization: repeatable, independent of its company, honest about what went wrong, and harmless to the network."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from marey.accelerate.quick_layers import QuickConv2d, quick_copy, quick_layers_run
from marey.errors import NetworkError
from marey.maximization import run as maximization
from marey.maximization.batches import Batch
from marey.maximization.loop import Ascent, ascend
from marey.maximization.objectives import direction, unit
from marey.maximization.recipe import Precision, Recipe
from marey.maximization.regularizers import variation
from marey.maximization.result import PreferredInput
from marey.maximization.run import maximize
from marey.network.network import Network
from marey.network.stream import rgb_frames

LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]
QUICK = replace(Recipe(), slowness=(0.0, 5.0), steps=24, precision="fp32", tolerance=0.0)


def _close(one: PreferredInput, other: PreferredInput) -> None:
    """Alike up to the rounding of sums in another order, which the climb enlarges."""
    for name, frames in one.frames.items():
        torch.testing.assert_close(frames, other.frames[name], atol=0.02, rtol=0.02)


@pytest.mark.parametrize("target", ["run", "fuse:2", "fuse:2@1,0,9", "flow:1", "rgb:3@0,4,4"])
def test_every_target_reaches_a_higher_score_than_its_start(
    network: Network, target: str, left_as_found: LeftAsFound
) -> None:
    with left_as_found(network.module):
        (result,) = maximize(network, target, recipe=QUICK)
    assert len(result.slowness) == len(result.scores) == len(result.notes) == 2
    assert tuple(result.history.shape) == (24, 2)
    assert all(score > float(start) for score, start in zip(result.scores, result.history[0], strict=True))
    for frames in result.frames.values():
        assert bool(torch.isfinite(frames).all())
    assert result.label == (target if target == "run" else str(network.unit(target)))


def test_the_same_seed_gives_the_same_frames_and_another_one_others(network: Network) -> None:
    one, two = (maximize(network, "run", recipe=QUICK)[0] for _ in range(2))
    assert all(torch.equal(one.frames[name], two.frames[name]) for name in one.frames)
    (other,) = maximize(network, "run", recipe=replace(QUICK, seed=1))
    assert not torch.equal(one.frames["flow"], other.frames["flow"])


def test_a_unit_comes_out_the_same_alone_and_in_company(network: Network) -> None:
    alone = maximize(network, ["run"], recipe=QUICK)
    company = maximize(network, ["bend", "run", "jack"], recipe=QUICK)
    in_twos = maximize(network, ["run", "jack"], recipe=replace(QUICK, batch=2))
    _close(alone[0], company[1])
    _close(alone[0], in_twos[0])


def test_a_run_that_settles_early_ends_alike_alone_and_in_company(known: ModuleType) -> None:
    network = known.motion_network([(-2.0, 0.0), (0.0, 4.0)])
    recipe = replace(Recipe(), slowness=(1.0,), precision="fp32", tolerance=0.02, steps=200, target=None)
    alone, both = (
        maximize(network, "motions:0", recipe=recipe),
        maximize(network, ["motions:0", "motions:1"], recipe=recipe),
    )
    _close(alone[0], both[0])
    steps = int(torch.isfinite(both[0].history[:, 0]).sum())
    assert steps == len(alone[0].history) < 200


def test_no_pixel_of_a_result_is_above_its_bound(network: Network) -> None:
    (result,) = maximize(network, "run", recipe=replace(QUICK, bounds={"flow": 1.5, "rgb": 0.3}, strength=100.0))
    assert float(result.frames["flow"].square().sum(1).sqrt().max()) <= 1.5 * 1.0001
    assert float((result.frames["rgb"] - 0.5).square().sum(1).sqrt().max()) <= 0.3 * 1.0001


@pytest.mark.parametrize("parametrization", ["pixels", "fourier"])
@pytest.mark.parametrize("coarse", [(1,), (4, 2, 1)])
def test_both_parametrizations_climb_in_one_and_in_several_stages(
    network: Network, parametrization: Any, coarse: tuple[int, ...]
) -> None:
    (result,) = maximize(
        network, "run", recipe=replace(QUICK, strength=20.0, parametrization=parametrization, coarse=coarse)
    )
    assert min(result.scores) > float(result.history[0].max())


def test_sums_and_differences_are_maximized(network: Network) -> None:
    run, jack = unit("fc:0"), unit("fc:1")
    both, less, along = maximize(network, [run + jack, run - jack, direction("fc", [1.0, -1.0, 0.0])], recipe=QUICK)
    with torch.no_grad():
        scores = {}
        for name, result in (("both", both), ("less", less), ("along", along)):
            scores[name] = network.activations(result.inputs(0), ["fc"])["fc"].flatten().tolist()
    assert scores["less"][0] - scores["less"][1] > scores["both"][0] - scores["both"][1]
    assert scores["both"][0] + scores["both"][1] > scores["less"][0] + scores["less"][1]
    assert scores["along"][0] > scores["both"][0] - scores["both"][1]
    assert less.label == "fc:0 - fc:1"
    assert both.maximum is None


def test_a_sum_may_read_layers_that_see_different_streams(network: Network) -> None:
    (result,) = maximize(network, unit("rgb:1") + unit("flow:2"), recipe=QUICK)
    assert set(result.frames) == {"rgb", "flow"}
    assert all(result.history[-1] > result.history[0])


def test_a_prior_in_the_objective_is_kept(network: Network) -> None:
    recipe = replace(QUICK, variation=0.0, energy=0.0)
    free, smooth = maximize(network, [unit("fc:0"), unit("fc:0") - 2.0 * variation("flow", space=1)], recipe=recipe)

    def rough(result: PreferredInput) -> float:
        return float(result.frames["flow"].diff(dim=-1).square().mean())

    assert rough(smooth) < 0.5 * rough(free)


def test_a_channel_everywhere_reads_the_mean_over_all_positions(network: Network) -> None:
    (result,) = maximize(network, "fuse:2", recipe=replace(QUICK, where="everywhere"))
    assert result.frames["rgb"].shape[-2:] == (10, 10)
    assert result.target == "fuse:2"
    with torch.no_grad():
        mean = network.activations(result.inputs(1), ["fuse"])["fuse"][0, 2].mean()
    assert result.maximum is not None
    assert float(mean) / result.maximum == pytest.approx(result.scores[1], rel=1e-3)


@pytest.mark.parametrize(("kernel", "stride", "crowded"), [(3, 1, 2.5), (3, 3, 1.0), (12, 1, 1.0), (6, 2, 2.0)])
def test_of_a_mean_over_positions_that_share_what_they_see_the_maximum_is_smaller(
    kernel: int, stride: int, crowded: float
) -> None:
    network = Network(nn.Sequential(nn.Conv3d(3, 1, (1, kernel, kernel), stride=stride)), [rgb_frames(1, size=12)])
    network.maxima["0"] = torch.tensor([3.0])
    everywhere, central = (
        maximize(network, "0:0", recipe=replace(QUICK, steps=1, where=where))[0] for where in ("everywhere", "center")
    )
    assert (central.maximum, everywhere.maximum) == (3.0, pytest.approx(3.0 / crowded))


def test_the_score_is_the_activation_over_the_real_maximum(network: Network) -> None:
    network.maxima["fc"] = torch.tensor([2.0, 1.0, 1.0])
    (result,) = maximize(network, "run", recipe=QUICK)
    with torch.no_grad():
        activation = float(network.activations(result.inputs(0), ["fc"])["fc"][0, 0])
    assert result.scores[0] == pytest.approx(activation / 2, rel=1e-4)
    assert (result.maximum, result.maximum_source) == (2.0, "real clips")
    (other,) = maximize(network, "fuse:1", recipe=QUICK)
    assert other.maximum_source == "generated clips"


def test_a_unit_that_hardly_answers_real_clips_is_scored_against_its_layer_and_says_so(network: Network) -> None:
    network.maxima["fc"] = torch.tensor([-1.0, 2.0, 4.0])
    result, other = maximize(network, ["run", "fc:1"], recipe=QUICK)
    assert result.maximum == pytest.approx(0.1 * 2.0)
    assert result.maximum_source == "a tenth of the layer's median on real clips"
    assert (other.maximum, other.maximum_source) == (2.0, "real clips")


def test_an_input_that_was_led_by_another_says_so(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marey.maximization.loop._Climb.find_lost", lambda climb: climb.led.update({0: 1}))
    (result,) = maximize(network, "run", recipe=replace(QUICK, slowness=(0.0, 5.0)))
    assert "from chi 5 at half time" in result.notes[0] and "from chi 5 at half time" not in result.notes[1]


def test_shares_of_all_terms_add_up_to_one(network: Network) -> None:
    (result,) = maximize(network, "run", recipe=QUICK)
    for shares in result.shares:
        assert sum(shares.values()) == pytest.approx(1.0)
        assert {"score", "energy of rgb", "variation of flow in time"} <= set(shares)


def test_class_inputs_say_what_the_network_takes_them_for(network: Network) -> None:
    results = maximize(network, ["run", "jack", "bend"], recipe=replace(QUICK, steps=64))
    with torch.no_grad():
        for result in results:
            chosen = network.activations(result.inputs(0), ["fc"])["fc"].flatten().argmax()
            assert result.recognized[0] == network.classes[int(chosen)]


def test_it_stops_when_converged_and_not_before(known: ModuleType) -> None:
    network = known.motion_network([(-2.0, 0.0)])
    recipe = replace(Recipe(), slowness=(1.0,), precision="fp32", steps=600, target=None)
    (early,) = maximize(network, "motions:0", recipe=replace(recipe, tolerance=0.01))
    (late,) = maximize(network, "motions:0", recipe=replace(recipe, tolerance=0.0, steps=300))
    assert 96 <= len(early.history) < 600
    assert len(late.history) == 300
    assert early.scores[0] > 0.9 * late.scores[0]


def test_a_unit_of_one_picture_is_made_once_for_the_whole_sweep(
    known: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = known.edge_network([(0.0, known.RED_GREEN), (90.0, known.RED_GREEN)])
    sizes: list[int] = []

    def counted(batch: Batch, module: nn.Module, recipe: Recipe, **rest: Any) -> Ascent:
        sizes.append(len(batch))
        return ascend(batch, module, recipe, **rest)

    monkeypatch.setattr(maximization, "ascend", counted)
    results = maximize(network, ["edges:0", "edges:1"], recipe=QUICK)
    assert sizes == [2]
    for result in results:
        assert result.still and result.slowness == QUICK.slowness and len(set(result.scores)) == 1
        assert result.frames["rgb"][0].equal(result.frames["rgb"][1])
        assert result.history.shape == (QUICK.steps, len(QUICK.slowness))
    (fast,) = maximize(network, "edges:0", recipe=replace(QUICK, slowness=QUICK.slowness[-1:]))
    assert fast.frames["rgb"].allclose(results[0].frames["rgb"][-1:])


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("x"), MemoryError(), RuntimeError("can't allocate memory")])
def test_the_batch_is_halved_when_memory_runs_out(
    network: Network, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    sizes: list[int] = []

    def tight(batch: Batch, module: nn.Module, recipe: Recipe, **rest: Any) -> Ascent:
        sizes.append(len(batch))
        if len(batch) > 2:
            raise error
        return ascend(batch, module, recipe, **rest)

    plenty = maximize(network, ["run", "jack", "bend"], recipe=QUICK)
    monkeypatch.setattr(maximization, "ascend", tight)
    results = maximize(network, ["run", "jack", "bend"], recipe=QUICK)
    assert sizes == [6, 2, 4, 2, 2]  # whole sweeps stay together
    for one, other in zip(results, plenty, strict=True):
        assert one.slowness == other.slowness
        _close(one, other)


def test_half_precision_arithmetic_gives_nearly_the_same(network: Network) -> None:
    recipe = replace(QUICK, jitter=0, steps=48)
    (full,) = maximize(network, "run", recipe=recipe)
    (half,) = maximize(network, "run", recipe=replace(recipe, precision="bf16"))
    assert (full.made["precision"], half.made["precision"]) == (["fp32"], ["bf16"])
    assert all(frames.dtype == torch.float32 for frames in half.frames.values())
    assert half.scores == pytest.approx(full.scores, rel=0.1)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([], "no unit was given to maximize; name at least one"),
        (["fuse:99"], "unit fuse:99 is out of range"),
        (["fuze:1"], "no layer 'fuze' in TwoStreams. Did you mean 'fuse'?"),
        ([variation("flow")], "reads no activation; add a unit or a direction"),
    ],
)
def test_wrong_targets_are_refused_before_the_long_part(
    network: Network, targets: list[Any], message: str, left_as_found: LeftAsFound
) -> None:
    with left_as_found(network.module), pytest.raises(NetworkError) as caught:
        maximize(network, targets, recipe=QUICK, progress=lambda _: pytest.fail("it began"))
    assert message in str(caught.value)


def test_a_bound_for_a_stream_that_the_network_lacks_is_refused(network: Network) -> None:
    with pytest.raises(NetworkError, match="no stream 'depth' in TwoStreams; it has rgb, flow"):
        maximize(network, "run", recipe=replace(QUICK, bounds={"depth": 1.0}))


@pytest.mark.gpu
def test_an_accelerator_gives_nearly_the_same(network: Network) -> None:
    (here,) = maximize(network, "run", recipe=QUICK)
    network.module.cuda()
    (there,) = maximize(network, "run", recipe=QUICK)
    assert there.scores == pytest.approx(here.scores, rel=0.05)
    assert all(frames.device.type == "cpu" for frames in there.frames.values())


class _Blocks(nn.Sequential):
    """Convolutions with what follows them, on single frames."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(3, 8, 5, padding=2), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(8, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 6, 3)),
        )


@pytest.mark.skipif(not quick_layers_run(), reason="this torch lacks the operators")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_quick_layers_make_the_same_inputs_in_fewer_passes(
    precision: Precision, monkeypatch: pytest.MonkeyPatch, left_as_found: LeftAsFound
) -> None:
    torch.manual_seed(0)
    network = Network(_Blocks(), [rgb_frames(1, size=80, layout="(n t) c h w")])
    recipe = replace(QUICK, steps=12, precision=precision)
    made: list[nn.Module] = []

    def spied(*given: Any, **more: Any) -> nn.Module:
        made.append(quick_copy(*given, **more))
        return made[-1]

    monkeypatch.setattr("marey.accelerate.arithmetic.quick_copy", spied)
    with left_as_found(network.module):
        (quick,) = maximize(network, ["6:1"], recipe=recipe)
    assert {QuickConv2d, nn.Identity} <= {kind for part in made[-1].children() for kind in type(part).__mro__}
    monkeypatch.setattr("marey.accelerate.arithmetic.quick_layers_run", lambda: False)
    (plain,) = maximize(network, ["6:1"], recipe=recipe)
    assert len(made) == (1 if precision == "fp32" else 2)
    assert quick.scores[0] == pytest.approx(plain.scores[0], rel=0.02)
    assert quick.scores[0] > 0
