"""What goes wrong while inputs are made is said, and nothing that is made already is lost."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from marey.errors import MareyError
from marey.maximization import maximization
from marey.maximization.maximization import Progress
from marey.maximization.optimized import Optimized
from marey.maximization.recipe import Recipe
from marey.maximization.run import maximize
from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.network.stream import Stream

LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]
FLOW = Stream("flow", "flow", times=(0, 1, 2, 3, 4), height=6, width=6)
QUICK = replace(Recipe(), slowness=(0.0, 5.0), steps=24, precision="fp32", tolerance=0.0)
ONE = Maxima({"0": torch.ones(1)})


class _Breaking(nn.Module):
    """Like a unit, but for some calls its output, or only its gradient, is no number."""

    def __init__(self, what: str, calls: range) -> None:
        super().__init__()
        self.conv = nn.Conv3d(2, 1, 3)
        self.what, self.calls, self.count = what, calls, 0

    def forward(self, flow: Tensor) -> Tensor:
        out: Tensor = self.conv(flow)
        if out.requires_grad:
            self.count += 1
            if self.count in self.calls and self.what == "output":
                return out * float("nan")
            if self.count in self.calls:
                zero = (flow * 0).sum()
                return out + (zero.abs().sqrt() if self.what == "gradient" else zero)
        elif self.what == "end":
            return out / 0 * 0
        return out


@pytest.mark.parametrize("what", ["output", "gradient"])
@pytest.mark.parametrize("calls", [range(1, 4), range(10, 13), range(1, 1000)])
def test_steps_without_a_number_leave_none_in_the_result_and_are_said(what: str, calls: range) -> None:
    torch.manual_seed(0)
    module = _Breaking(what, calls)
    network = Network(nn.Sequential(module), [FLOW], maxima=ONE)
    result = maximize(network, "0:0@0,0,0", recipe=replace(QUICK, slowness=(0.0,)))
    assert bool(torch.isfinite(result.frames["flow"]).all())
    assert all(abs(score) < 1e6 for score in result.scores)
    assert any("unstable" in note for note in result.notes[0])


def test_a_result_without_a_finite_score_says_so() -> None:
    network = Network(nn.Sequential(_Breaking("end", range(0))), [FLOW], maxima=ONE)
    network.layers  # noqa: B018
    result = maximize(network, "0:0@0,0,0", recipe=replace(QUICK, slowness=(0.0,)))
    assert result.scores == (0.0,)
    assert any("no finite score" in note for note in result.notes[0])


def test_one_input_that_does_not_fit_is_said_with_what_to_do(
    network: Network, monkeypatch: pytest.MonkeyPatch, left_as_found: LeftAsFound
) -> None:
    def never(*_: Any, **__: Any) -> Optimized:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(maximization, "optimize", never)
    with left_as_found(network.module), pytest.raises(MareyError, match="memory ran out with a single input of run"):
        maximize(network, "run", recipe=QUICK)


def test_other_errors_of_a_network_come_through_and_leave_it_as_found(left_as_found: LeftAsFound) -> None:
    class Failing(nn.Conv3d):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            if self.calls > 8:
                raise RuntimeError("sizes do not fit")
            return super().forward(x)

    module = nn.Sequential(nn.ReLU(inplace=True), Failing(2, 1, 3))
    network = Network(module, [FLOW], maxima=Maxima({"1": torch.ones(1)}))
    with left_as_found(module), pytest.raises(RuntimeError, match="sizes do not fit"):
        maximize(network, "1:0", recipe=QUICK)


def test_ctrl_c_keeps_the_best_so_far_and_says_so(network: Network, left_as_found: LeftAsFound) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == 10:
            raise KeyboardInterrupt

    with left_as_found(network.module):
        result = maximize(network, "run", recipe=QUICK, callback=stop)
    assert result.interrupted
    assert len(result.history) == 10
    assert all("interrupted" in notes for notes in result.notes)
    assert min(result.scores) > float(result.history[0].max())


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("target", ["run", "fuse:2@1,4,4", "fuse:2@1,0,9"])
def test_nothing_is_left_on_a_network_by_an_error_or_ctrl_c(
    network: Network, target: str, error: type[BaseException], left_as_found: LeftAsFound
) -> None:
    def stop(_: Progress) -> None:
        raise error

    network.layers  # noqa: B018
    with left_as_found(network.module):
        if error is KeyboardInterrupt:
            assert maximize(network, target, recipe=QUICK, callback=stop).interrupted
        else:
            with pytest.raises(error):
                maximize(network, target, recipe=QUICK, callback=stop)


def test_ctrl_c_before_the_first_step_gives_nothing(network: Network, left_as_found: LeftAsFound) -> None:
    def stop(_module: nn.Module, given: tuple[Tensor, ...]) -> None:
        if given[0].requires_grad:
            raise KeyboardInterrupt

    handle = network.module.register_forward_pre_hook(stop)
    with left_as_found(network.module), pytest.raises(KeyboardInterrupt):
        maximize(network, "run", recipe=QUICK)
    handle.remove()


def test_ctrl_c_in_a_later_batch_keeps_the_earlier_ones(network: Network) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == 24 + 5:
            raise KeyboardInterrupt

    results = maximize(network, ["run", "jack", "bend"], recipe=replace(QUICK, batch=1), callback=stop)
    assert [len(result.slowness) for result in results] == [2, 2]
    assert [result.interrupted for result in results] == [False, True]
