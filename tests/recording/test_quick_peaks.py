"""Compiled loops read and write what a pass makes only where nothing else is changed by it."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import nn

from marey.accelerate.passes import quick_passes
from marey.accelerate.blocks import Block
from marey.network.hooks import observed_calls, passed_on
from marey.network.network import Network
from marey.network.stream import Stream
from marey.recording.kernels import kernels
from marey.recording.peaks import PassPeaks
from marey.recording.quick_peaks import QuickPeaks, pass_peaks, tried

LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]


NEEDS_NUMBA = pytest.mark.skipif(kernels() is None, reason="needs numba")


def _network(module: nn.Module) -> Network:
    return Network(module.eval(), [Stream("rgb", "rgb", times=(0,), height=8, width=8, layout="(n t) c h w")])


@NEEDS_NUMBA
def test_what_only_a_relu_takes_up_is_written_as_it_is_read(left_as_found: LeftAsFound) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        *(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 1))
    )
    network = _network(module)
    modules = dict(module.named_children())
    inputs = {"rgb": torch.rand(2, 3, 1, 8, 8)}
    with torch.no_grad(), quick_passes(network), left_as_found(module):
        found = pass_peaks(network, modules, list(modules), 2)
        assert [modules[name] for name in "124"] == list(found.passed)
        plain = network.forward(inputs)
        with passed_on(found.passed), observed_calls(modules, lambda name, _, output: found.read(name, output)):
            torch.testing.assert_close(network.forward(inputs), plain, rtol=1e-5, atol=1e-6)
        some = pass_peaks(network, modules, ["0", "1", "3"], 2)  # what a ReLU leaves is not asked for
        assert not some.passed


@NEEDS_NUMBA
def test_a_second_answer_of_such_a_layer_is_written_on_too() -> None:
    module = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU()).eval()
    module.get_submodule("1").running_mean.normal_()  # type: ignore[union-attr, operator]
    modules = dict(module.named_children())
    compiled = kernels()
    assert compiled is not None
    found = QuickPeaks(modules, 2, compiled, {"1": "0", "2": "1"}, [Block("0", "1", "2")])
    with torch.no_grad():
        for _ in range(2):
            maps = modules["0"](torch.randn(2, 3, 6, 6)).contiguous(memory_format=torch.channels_last)
            wanted = module[1:](maps)
            found.read("0", maps)
            torch.testing.assert_close(maps, wanted, rtol=1e-5, atol=1e-6)


class _Again(nn.Module):
    """Code uses once more what a convolution gives."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.last = nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 1)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        maps = self.conv(values)
        found: torch.Tensor = self.last(self.relu(maps)) + maps
        return found


@NEEDS_NUMBA
@pytest.mark.parametrize(
    "first",
    [lambda: [_Again()], lambda: [nn.Sequential(nn.Conv2d(3, 16, 3)), nn.ReLU()]],
    ids=["code uses it again", "a part that is recorded, too, ends with it"],
)
def test_what_else_is_made_of_a_convolution_keeps_it_as_it_is(first: Callable[[], list[nn.Module]]) -> None:
    torch.manual_seed(0)
    network = _network(nn.Sequential(*first(), nn.Conv2d(16, 16, 1)))
    modules = {name: part for name, part in network.module.named_modules() if name}
    with torch.no_grad(), quick_passes(network):
        found = pass_peaks(network, modules, list(modules), 2)
    assert isinstance(found, QuickPeaks)
    assert not found.passed


def test_what_is_given_on_is_found_from_one_call() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.relu, self.c = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.ReLU(), nn.Conv2d(1, 1, 1)

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            before = self.b(self.a(values))
            result: torch.Tensor = self.c(self.relu(before + values)) + before
            return result

    network = Sum().eval()
    inputs, share = tried(lambda: network(torch.zeros(1, 1, 2, 2)), dict(network.named_children()))
    assert inputs == {"b": "a", "c": "relu"} and share == 1


@NEEDS_NUMBA
@pytest.mark.parametrize(("viewed", "quick"), [(False, True), (True, False)])
def test_compiled_loops_are_for_networks_that_run_channels_last(viewed: bool, quick: bool) -> None:
    class Viewed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu = nn.Conv2d(3, 4, 3), nn.ReLU()

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.relu(self.conv(values[:, :, 0]))
            return found.view(len(values), -1) if viewed else found.flatten(1)

    network = Network(Viewed().eval(), [Stream("rgb", "rgb", times=(0,), height=8, width=8)])
    with torch.no_grad(), quick_passes(network):
        modules = dict(network.module.named_children())
        found = pass_peaks(network, modules, list(modules), 2)
    assert isinstance(found, QuickPeaks if quick else PassPeaks)
