"""On an accelerator, here a pretended one, inputs come out the same; it seldom waits, and its memory comes back."""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from marey.maximization.maximization import Progress
from marey.maximization.objectives import direction, unit
from marey.maximization.priors import Energy, Scene
from marey.maximization.recipe import Recipe
from marey.maximization.run import maximize
from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.network.stream import Stream, rgb_frames

pytestmark = pytest.mark.slow

UNITS = [f"fuse:{channel}" for channel in range(6)]
MAXIMA = Maxima({"fuse": torch.linspace(0.5, 1.0, 6)})
RECIPE = Recipe(slowness=(0.0, 5.0), steps=6, precision="fp32", tolerance=0.0)


class _Streams(nn.Module):
    """Convolutions with normalization and pooling, of two streams that are fused."""

    def __init__(self) -> None:
        super().__init__()
        self.rgb = nn.Sequential(nn.Conv3d(3, 4, (1, 3, 3)), nn.BatchNorm3d(4), nn.ReLU(), nn.MaxPool3d((1, 2, 2)))
        self.flow = nn.Sequential(nn.Conv3d(2, 4, (1, 3, 3)), nn.ReLU(inplace=True), nn.MaxPool3d((1, 2, 2)))
        self.fuse, self.relu = nn.Conv3d(8, 6, (2, 3, 3)), nn.ReLU()

    def forward(self, rgb: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.relu(
            self.fuse(torch.cat([self.rgb(rgb).expand(-1, -1, 3, -1, -1), self.flow(flow)], 1))
        )
        return out


def _network(place: str = "cpu") -> Network:
    torch.manual_seed(0)
    streams = [rgb_frames(1, size=18), Stream("flow", "flow", times=(0, 1, 2), height=18, width=18)]
    network = Network(_Streams().eval(), streams)
    network.module.to(place)
    return network


@pytest.fixture(scope="module")
def there(pretend: ModuleType) -> Iterator[Network]:
    """The network on the device, its layers known."""
    network = _network(pretend.install())
    network.layers  # noqa: B018
    with torch.autograd.set_multithreading_enabled(False):
        yield network


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"parametrization": "pixels"},
        {"change": {"where": "everywhere"}},
        {"change": {"precision": "bf16"}},
        {"priors": []},
    ],
)
def test_inputs_are_those_of_the_processor_and_no_tensor_is_on_the_wrong_device(
    there: Network, pretend: ModuleType, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    monkeypatch.setattr("marey.accelerate.passes.channels_last", lambda _: nullcontext())  # what rounds otherwise
    recipe = Recipe(**{**RECIPE.__dict__, **options.get("change", {})})
    rest = {name: value for name, value in options.items() if name != "change"}
    dead = unit("relu:2") - 0.5 * unit("relu:3@0,1,1")
    targets = ["fuse:1", dead, direction("fuse", [1.0, -1.0, 0.0, 0.0, 2.0, 0.0])]
    here = maximize(_network(), targets, recipe=recipe, **rest)
    with pretend.watched() as seen:
        found = maximize(there, targets, recipe=recipe, **rest)
    assert not seen.refused and sum(seen.kernels.values()) > 1000
    for one, other in zip(here, found, strict=True):
        assert other.provenance["arithmetic"]["device"] == pretend.NAME
        assert other.scores == pytest.approx(one.scores, abs=1e-3)
        for name, frames in one.frames.items():
            torch.testing.assert_close(other.frames[name], frames, atol=2e-3, rtol=1e-3)


def test_a_dead_unit_comes_to_life_there_too(there: Network, pretend: ModuleType) -> None:
    bias = there.module.get_parameter("fuse.bias")
    before = bias.detach().clone()
    with torch.no_grad():
        bias.sub_(0.5)
    recipe = Recipe(slowness=(0.0,), steps=32, precision="fp32", weight=20.0)
    result = maximize(there, "relu:1", recipe=recipe, maxima=Maxima({"relu": torch.ones(6)}))
    with torch.no_grad():
        bias.copy_(before)
    assert float(result.history[0]) == 0.0 and float(result.history[-1]) > 0.0


def test_a_step_hardly_ever_waits_for_the_device(there: Network, pretend: ModuleType) -> None:
    recipe = Recipe(slowness=(0.0, 5.0), steps=120, precision="fp32", tolerance=1e-9)
    target = unit("fuse:1") + direction("fuse", [1.0] * 6)
    told: list[Progress] = []
    waits: list[int] = []

    def watch(progress: Progress) -> None:
        told.append(progress)
        waits.append(sum(seen.waits.values()))

    with pretend.watched() as seen:
        maximize(there, target, recipe=recipe, maxima=MAXIMA, callback=watch)
    assert waits[111] - waits[63] <= 2 * 48 / 8 + 2, "two questions every eight steps"
    assert waits[59] - waits[11] <= 48 / 8 + 2, "at first one"
    assert told[0].scores.device.type == told[0].frames["flow"].device.type == pretend.NAME


def _held_after(pretend: ModuleType, run: Callable[[], object]) -> int:
    """Bytes that stay on the device after a run, without help of the garbage collector."""
    gc.collect()
    before = int(pretend.held())
    gc.disable()
    try:
        run()
        return int(pretend.held()) - before
    finally:
        gc.enable()


def test_a_run_leaves_no_memory_behind(there: Network, pretend: ModuleType) -> None:
    def run() -> None:
        maximize(there, UNITS[:2], recipe=RECIPE, maxima=MAXIMA)

    run()
    assert _held_after(pretend, run) == 0
    kept: list[object] = []
    left = _held_after(pretend, lambda: maximize(there, UNITS[:2], recipe=RECIPE, maxima=MAXIMA, callback=kept.append))
    assert left > 0, "the measure sees what is kept"


@dataclass(frozen=True)
class _Keeping(Energy):
    """Keeps what it computes, and with it the graph of the step."""

    kept: list[Any] = field(default_factory=list, repr=False)

    def terms(self, offsets: Mapping[str, torch.Tensor], scene: Scene) -> dict[str, torch.Tensor]:
        self.kept.append(super().terms(offsets, scene))
        return self.kept[-1]


@pytest.mark.parametrize("kind", [Energy, _Keeping])
def test_memory_is_flat_over_fifty_batches_unless_somebody_keeps_a_graph(
    there: Network, pretend: ModuleType, kind: type[Energy]
) -> None:
    recipe = Recipe(slowness=(0.0,), steps=1, precision="fp32", batch=1)
    held: list[int] = []

    def count(_: Progress) -> None:
        held.append(pretend.held())

    gc.disable()
    try:
        maximize(there, UNITS[:1] * 50, recipe=recipe, maxima=MAXIMA, priors=[kind()], callback=count)
    finally:
        gc.enable()
    assert len(held) == 50
    of_the_frames = 4 * (3 * 9 * 9 + 2 * 3 * 9 * 9)
    growth = (held[-1] - held[9]) / 40
    assert growth > of_the_frames if kind is _Keeping else growth == 0


@pytest.mark.parametrize("told", [True, False])
def test_with_little_memory_less_is_done_at_once_whether_it_is_known_before_or_runs_out(
    there: Network, pretend: ModuleType, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    gc.collect()
    before = pretend.held()
    with pretend.watched() as seen:
        plenty = maximize(there, UNITS[:4], recipe=RECIPE, maxima=MAXIMA)
    if not told:
        monkeypatch.setattr("marey.accelerate.memory.free_on", lambda _: None)
    with pretend.watched(limit=before + int(0.5 * (seen.peak - before))) as tight:
        found = maximize(there, UNITS[:4], recipe=RECIPE, maxima=MAXIMA)
    assert [result.label for result in found] == [result.label for result in plenty]
    assert tight.peak < 0.55 * seen.peak
    for one, other in zip(found, plenty, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-2)
