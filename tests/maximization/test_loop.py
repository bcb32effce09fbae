"""The loop's own parts: what keeps an input from NaN, what a dead one is given, and who begins again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from marey.accelerate.forward import forward
from marey.maximization.batches import Batch, Job, batch_of
from marey.maximization.choice import PRIORS
from marey.maximization.loop import Watch, optimize
from marey.maximization.optimized import Optimized
from marey.maximization.parametrizations import Fourier
from marey.maximization.recipe import Recipe
from marey.maximization.targets import targets_of
from marey.maximization.transforms import Shift
from marey.network.hooks import frozen
from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.network.stream import Stream

RECIPE = Recipe(steps=16, precision="fp32", tolerance=0.0)


def _network(module: nn.Module) -> Network:
    return Network(module, [Stream("flow", "flow", times=(0, 1, 2), height=6, width=6)])


def _batch(network: Network, units: Sequence[str], **change: Any) -> Batch:
    """One input for each unit, unless slownesses are given of a single sweep of the first."""
    layers = {unit.split(":", maxsplit=1)[0] for unit in units}
    maxima = Maxima({layer: torch.ones(network.layer(layer).units) for layer in layers})
    targets = targets_of(network, units, maxima, where="center")
    jobs = [Job(place, target, 1.0) for place, target in enumerate(targets)]
    made = batch_of(
        network, jobs, RECIPE, bounds={"flow": 1.0}, transforms=[Shift(1, time=1)], parametrization=Fourier()
    )
    return replace(made, seeds=tuple(range(len(jobs))), **change)


def _climb(batch: Batch, *, recipe: Recipe = RECIPE, watch: Watch | None = None) -> Optimized:
    network = batch.crop.network
    with frozen(network.module):
        way = forward(batch.crop, precision="fp32")
        return optimize(batch, way, recipe, priors=PRIORS, watch=watch)


def test_inputs_that_break_do_not_touch_the_others() -> None:
    class Breaking(nn.Conv3d):
        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = super().forward(x)
            return out * torch.tensor([1.0, float("nan"), 1.0]).view(-1, 1, 1, 1, 1) if len(x) == 3 else out

    torch.manual_seed(0)
    broken = _network(nn.Sequential(Breaking(2, 2, 3)))
    sound = _network(nn.Sequential(nn.Conv3d(2, 2, 3)))
    sound.module.load_state_dict(broken.module.state_dict())
    one, other = (_climb(_batch(network, ["0:0", "0:0", "0:1"])) for network in (broken, sound))
    assert (one.unstable, other.unstable) == ({1}, set())
    for place in (0, 2):
        torch.testing.assert_close(one.frames["flow"][place], other.frames["flow"][place])
    assert bool(torch.isfinite(one.frames["flow"]).all())


def test_an_input_that_breaks_on_its_way_goes_back_to_where_it_was_before_the_last_step() -> None:
    class Breaking(nn.Conv3d):
        """Gives the second clip no finite output from the tenth step on."""

        step = 0

        def forward(self, x: Tensor) -> Tensor:
            last = float("nan") if self.step >= 9 else 1.0
            out: Tensor = super().forward(x)
            return out * torch.tensor([1.0, last]).view(-1, 1, 1, 1, 1) if len(x) == 2 else out

    torch.manual_seed(0)
    breaking = Breaking(2, 1, 3)
    batch = _batch(_network(nn.Sequential(breaking)), ["0:0", "0:0"])

    def count(step: int, _scores: Tensor, _frames: object) -> None:
        breaking.step = step + 1

    def stop(step: int, _scores: Tensor, _frames: object) -> None:
        if step == 7:
            raise KeyboardInterrupt

    broken = _climb(batch, watch=count)
    breaking.step = 0
    before = _climb(batch, watch=stop)
    assert broken.unstable == {1} and before.interrupted
    torch.testing.assert_close(broken.frames["flow"][1], before.frames["flow"][1])
    assert not torch.allclose(broken.frames["flow"][0], before.frames["flow"][0], atol=1e-3)


def test_a_unit_that_is_off_at_the_start_comes_to_life() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv3d(2, 1, 3), nn.ReLU())
    nn.init.constant_(module[0].bias, -0.5)
    batch = _batch(_network(module), ["1:0"], weights=torch.tensor([30.0]))
    optimized = _climb(batch, recipe=replace(RECIPE, steps=48))
    assert float(optimized.history[0]) == 0.0
    assert float(optimized.history[-1]) > 0.1


class _Flat(nn.Conv3d):
    """Silent for the third clip in the first half of the run, and for the fourth in all of it."""

    step = 0

    def forward(self, x: Tensor) -> Tensor:
        heard = torch.tensor([2.0, 1.0, float(self.step >= RECIPE.steps // 2), 0.0])
        out: Tensor = super().forward(x)
        return 10 * out * heard.view(-1, 1, 1, 1, 1) if len(x) == 4 else out


def test_an_input_that_is_lost_at_half_time_goes_on_where_the_nearest_of_its_sweep_is() -> None:
    torch.manual_seed(0)
    flat = _Flat(2, 2, 3, bias=False)
    batch = _batch(_network(nn.Sequential(flat)), ["0:0"] * 4)
    batch = replace(
        batch,
        scene=replace(batch.scene, fastest=(0, 0, 0, 3), slowness=torch.tensor([10.0, 1.0, 0.0, 1.0])),
    )

    def count(step: int, _scores: Tensor, _frames: object) -> None:
        flat.step = step + 1

    optimized = _climb(batch, watch=count)
    half = RECIPE.steps // 2
    assert bool((optimized.history[half - 1, :2] > 0.5).all()) and float(optimized.history[half - 1, 2]) == 0
    assert float(optimized.history[half, 2]) > 0.5, "it begins its second half where the other one is"
    assert optimized.led == {2: 1}, "not the strongest, and another unit's input is left alone"
    assert bool((optimized.history[:, 3] == 0).all())


def test_an_input_that_has_settled_stays_where_it_is_while_others_go_on() -> None:
    torch.manual_seed(0)
    network = _network(nn.Sequential(nn.Conv3d(2, 2, 3), nn.Tanh()))
    recipe = replace(RECIPE, steps=160, tolerance=0.02)
    both, alone = (_climb(_batch(network, units), recipe=recipe) for units in (["1:0", "1:1"], ["1:0"]))
    ended = torch.isfinite(both.history).sum(0).tolist()
    assert 96 <= min(ended) <= len(both.history) < 160
    assert ended[0] == len(alone.history)
    torch.testing.assert_close(both.frames["flow"][0], alone.frames["flow"][0], atol=0.02, rtol=0.02)
