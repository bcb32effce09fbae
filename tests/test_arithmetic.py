"""The faster arithmetic is chosen by the clock, and what cannot run is not chosen."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import nn

from marey.arithmetic import copy_for, faster_module, quick_passes
from marey.network import Network
from marey.streams import rgb_frames


def _is_half(module: nn.Module) -> bool:
    return next(module.parameters()).dtype == torch.bfloat16


@pytest.mark.parametrize(("slow_half", "chosen"), [(True, "fp32"), (False, "bf16")])
def test_the_quicker_of_the_two_is_chosen(
    slow_half: bool, chosen: str, left_as_found: Callable[[nn.Module], AbstractContextManager[None]]
) -> None:
    module = nn.Conv3d(2, 2, 1)
    with left_as_found(module):
        found, name = faster_module(module, lambda m: time.sleep(0.03 if _is_half(m) == slow_half else 0.0))
    assert name == chosen
    assert _is_half(found) == (chosen == "bf16")
    assert (found is module) == (chosen == "fp32")


def test_arithmetic_that_cannot_run_the_step_loses() -> None:
    def step(module: nn.Module) -> None:
        if _is_half(module):
            raise RuntimeError("not implemented for 'BFloat16'")

    assert faster_module(nn.Conv3d(2, 2, 1), step)[1] == "fp32"


def test_a_module_that_cannot_be_copied_runs_as_it_is() -> None:
    class Single(nn.Conv3d):
        def __deepcopy__(self, memo: object) -> "Single":
            raise TypeError("cannot pickle this")

    module = Single(2, 2, 1)
    assert faster_module(module, lambda m: None) == (module, "fp32")


def test_errors_of_the_network_itself_are_left_to_the_run_that_follows() -> None:
    def step(module: nn.Module) -> None:
        raise RuntimeError("sizes do not fit")

    assert faster_module(nn.Conv3d(2, 2, 1), step)[1] == "fp32"


def test_weights_that_are_used_without_a_call_are_copied_too() -> None:
    class Borrowing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lent, self.spare = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return nn.functional.linear(given, self.lent.weight)

    module = Borrowing()
    given = torch.randn(2, 3)
    twin = copy_for(lambda m: m(given.to(next(m.parameters()).dtype)), module, torch.bfloat16)
    assert torch.allclose(twin(given.bfloat16()).float(), module(given), atol=0.1)


def test_a_copy_holds_no_weights_that_the_step_does_not_use() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    twin = copy_for(
        lambda m: m.get_submodule("0")(torch.zeros(1, 3, dtype=next(m.parameters()).dtype)), module, torch.bfloat16
    )
    assert [parameter.numel() for parameter in twin.parameters()] == [9, 3, 0, 0]


class _Views(nn.Module):
    """A network whose code needs its maps in the usual order; it counts its passes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.passes = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        maps: torch.Tensor = self.conv(images)
        return maps.view(len(images), -1)


def _network(module: nn.Module) -> Network:
    return Network(module, [rgb_frames(1, size=8, layout="(n t) c h w")])


def test_inside_quick_passes_maps_lie_channels_last_and_the_weights_come_back_as_they_were(
    left_as_found: Callable[[nn.Module], AbstractContextManager[None]],
) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    network, images = _network(module), torch.rand(2, 3, 1, 8, 8)
    weight = module.get_parameter("0.weight")
    before, plain = weight.data_ptr(), module(network.stream("rgb").to_network(images))

    def stopped() -> None:
        with quick_passes(network):
            output = network.forward({"rgb": images})
            assert isinstance(output, torch.Tensor)
            assert output.is_contiguous(memory_format=torch.channels_last)
            torch.testing.assert_close(output, plain)
            raise KeyboardInterrupt

    with left_as_found(module), pytest.raises(KeyboardInterrupt):
        stopped()
    assert weight.is_contiguous() and weight.data_ptr() == before


def test_a_network_whose_code_needs_the_usual_order_has_it_and_is_asked_once() -> None:
    module = _Views()
    network, images = _network(module), {"rgb": torch.rand(2, 3, 1, 8, 8)}
    for passes in (2, 3):
        with quick_passes(network):
            network.forward(images)
        assert module.passes == passes


def test_what_runs_up_to_a_layer_says_nothing_of_the_network_beyond() -> None:
    network = _network(_Views())
    with quick_passes(network.resized(16, 16, deepest="conv")):
        pass
    with quick_passes(network):
        network.forward({"rgb": torch.rand(2, 3, 1, 8, 8)})


def test_an_error_of_the_network_itself_is_raised() -> None:
    class Broken(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise ValueError("a bug of the network")

    with pytest.raises(ValueError, match="a bug of the network"), quick_passes(_network(Broken())):
        pass
