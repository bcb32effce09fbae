"""The loop's own parts: what holds an input back from NaN, and what a dead one is given."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from marey.accelerate.measures import projected
from marey.maximization.batches import Batch
from marey.maximization.loop import ascend
from marey.maximization.objectives import Objective, unit
from marey.maximization.offsets import limits_of
from marey.maximization.priors import prior_terms
from marey.maximization.recipe import Recipe
from marey.maximization.regularizers import differences, energy_of
from marey.maximization.transforms import Jitter
from marey.network.hooks import frozen
from marey.network.network import Network
from marey.network.region import whole
from marey.network.stream import Stream, flow_stacks, rgb_frames

RECIPE = replace(Recipe(), steps=16, precision="fp32", tolerance=0.0)


def _batch(network: Network, objectives: list[Objective], **change: object) -> Batch:
    count = len(objectives)
    region = whole(network, frozenset().union(*(objective.layers for objective in objectives)))
    bounds = {stream.name: 1.0 for stream in network.streams}
    made = Batch(
        region=region,
        objectives=tuple(objectives),
        slowness=(1.0,) * count,
        seeds=tuple(range(count)),
        targets=(float("inf"),) * count,
        bounds=bounds,
        jitter=Jitter(1, time=1),
    )
    return replace(made, **change)  # type: ignore[arg-type]


def _network(module: nn.Module) -> Network:
    return Network(module, [Stream("flow", "flow", times=(0, 1, 2), height=6, width=6)])


def test_inputs_that_break_do_not_touch_the_others() -> None:
    class Breaking(nn.Conv3d):
        def forward(self, x: Tensor) -> Tensor:
            out = super().forward(x)
            return out * torch.tensor([1.0, float("nan"), 1.0][: len(x)]).view(-1, 1, 1, 1, 1)

    torch.manual_seed(0)
    network = _network(nn.Sequential(Breaking(2, 2, 3)))
    climbs = []
    with frozen(network.module):
        for module in (network.module, nn.Sequential(nn.Conv3d(2, 2, 3))):
            module.load_state_dict(network.module.state_dict())
            objectives = [unit("0:0@0,1,1"), unit("0:0@0,1,1"), unit("0:1@0,1,1")]
            climbs.append(ascend(_batch(network, objectives), module.requires_grad_(False), RECIPE))
    broken, sound = climbs
    assert broken.unstable == {1}
    assert sound.unstable == set()
    for place in (0, 2):
        torch.testing.assert_close(broken.frames["flow"][place], sound.frames["flow"][place])
    assert bool(torch.isfinite(broken.frames["flow"]).all())


def test_an_input_that_breaks_on_its_way_goes_back_to_where_it_was_before_the_last_step() -> None:
    class Breaking(nn.Conv3d):
        """Gives the second clip no finite output from the tenth step on."""

        step = 0

        def forward(self, x: Tensor) -> Tensor:
            last = float("nan") if self.step >= 9 else 1.0
            out: Tensor = super().forward(x) * torch.tensor([1.0, last]).view(-1, 1, 1, 1, 1)
            return out

    torch.manual_seed(0)
    breaking = Breaking(2, 1, 3)
    network = _network(nn.Sequential(breaking))

    def on_step(step: int, _scores: Tensor) -> None:
        breaking.step = step + 1

    def stop(step: int, _scores: Tensor) -> None:
        if step == 7:
            raise KeyboardInterrupt

    with frozen(network.module):
        batch = _batch(network, [unit("0:0@0,1,1")] * 2)
        broken = ascend(batch, network.module, RECIPE, on_step=on_step)
        breaking.step = 0
        before = ascend(batch, network.module, RECIPE, on_step=stop)
    assert broken.unstable == {1} and before.interrupted
    torch.testing.assert_close(broken.frames["flow"][1], before.frames["flow"][1])
    assert not torch.allclose(broken.frames["flow"][0], before.frames["flow"][0], atol=1e-3)


def test_a_unit_that_is_off_at_the_start_comes_to_life() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv3d(2, 1, 3), nn.ReLU())
    nn.init.constant_(module[0].bias, -0.5)
    network = _network(module)
    with frozen(module):
        climb = ascend(_batch(network, [unit("1:0@0,1,1")]), module, replace(RECIPE, steps=96, strength=30.0))
    assert float(climb.history[0]) == 0.0
    assert float(climb.history[-1]) > 0.0


@pytest.mark.parametrize("stream", [rgb_frames(2, size=4), flow_stacks(1, length=2, size=4)])
@pytest.mark.parametrize("bound", [0.3, 5.0])
def test_written_out_gradients_are_those_of_differences_of_values(stream: Stream, bound: float) -> None:
    torch.manual_seed(0)
    offset = (0.6 * torch.randn(2, stream.channels, 2, 3, 4, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: projected(x, limits_of(stream, bound)), (offset,))
    assert torch.autograd.gradcheck(lambda x: energy_of(x, bound), (offset,))
    assert torch.autograd.gradcheck(lambda x: energy_of(x, bound, exponent=6.0), (offset,))
    assert torch.autograd.gradcheck(differences, (offset,))


def test_slowness_weighs_flow_in_time_and_stillness_rgb_beside_it() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sum = nn.Conv3d(5, 1, 1)

        def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
            out: Tensor = self.sum(torch.cat([rgb, flow], 1))
            return out

    flow = Stream("flow", "flow", times=(0, 1), height=4, width=4)
    both = Network(Both(), [rgb_frames(2, size=4), flow])
    alone = Network(nn.Sequential(nn.Conv3d(3, 1, 1)), [rgb_frames(2, size=4)])
    recipe = replace(Recipe(), stillness=7.0, kappa=2.0, variation=1.0)
    offsets = {"rgb": torch.randn(1, 3, 2, 4, 4), "flow": torch.randn(1, 2, 2, 4, 4)}

    def in_time(network: Network, layer: str, chi: float) -> dict[str, float]:
        batch = _batch(network, [unit(f"{layer}:0")], slowness=(chi,))
        shown = {stream.name: offsets[stream.name] for stream in network.streams}
        terms = prior_terms(shown, batch, recipe)
        return {name: float(terms[f"variation of {name} in time"] / differences(shown[name])[1]) for name in shown}

    size = (6.5 / 40) ** 2  # units that see a single pixel
    assert in_time(both, "sum", 3.0) == pytest.approx({"rgb": 2 * 7.0 * size, "flow": 2 * 3.0 * size}, rel=1e-4)
    assert in_time(alone, "0", 3.0) == pytest.approx({"rgb": 2 * 3.0 * size}, rel=1e-4)


def test_with_a_target_the_score_ends_near_it() -> None:
    torch.manual_seed(0)
    network = _network(nn.Sequential(nn.Conv3d(2, 1, 3)))
    recipe = replace(Recipe(), steps=300, precision="fp32", tolerance=0.0, target=0.4)
    with frozen(network.module):
        batch = _batch(network, [unit("0:0@0,1,1"), unit("0:0@0,1,1")], targets=(0.2, 0.4), jitter=Jitter(0))
        climb = ascend(batch, network.module, recipe)
    assert climb.history[-20:].mean(0).tolist() == pytest.approx([0.2, 0.4], rel=0.25)


def test_an_input_that_is_lost_at_half_time_goes_on_where_the_nearest_of_its_sweep_is() -> None:
    class Flat(nn.Conv3d):
        """Silent for the third clip in the first half of the run, and for the fourth in all of it."""

        step = 0

        def forward(self, x: Tensor) -> Tensor:
            heard = torch.tensor([2.0, 1.0, float(self.step >= RECIPE.steps // 2), 0.0])[: len(x)]
            out: Tensor = 10 * super().forward(x) * heard.view(-1, 1, 1, 1, 1)
            return out

    torch.manual_seed(0)
    flat = Flat(2, 2, 3, bias=False)
    network = _network(nn.Sequential(flat))
    objectives = [unit("0:0@0,1,1")] * 4

    def on_step(step: int, _scores: Tensor) -> None:
        flat.step = step + 1

    with frozen(network.module):
        batch = _batch(network, objectives, references=(0, 0, 0, 3), slowness=(10.0, 1.0, 0.0, 1.0))
        climb = ascend(batch, network.module, RECIPE, on_step=on_step)
    half = RECIPE.steps // 2
    assert bool((climb.history[half - 1, :2] > 0.5).all()) and float(climb.history[half - 1, 2]) == 0
    assert float(climb.history[half, 2]) > 0.5, "it begins its second half where the other one is"
    assert climb.led == {2: 1}, "not the strongest, and another unit's input is left alone"
    assert bool((climb.history[:, 3] == 0).all())
