"""The faster arithmetic is chosen by the clock, and what cannot run is not chosen."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import nn

from marey.accelerate.arithmetic import copy_for, faster, quick_passes, quickened
from marey.accelerate.compiled import numba_version
from marey.accelerate.quick_layers import QuickConv2d, quick_layers_run
from marey.maximization.recipe import Recipe
from marey.maximization.run import maximize
from marey.network.hooks import arithmetic_copy
from marey.network.network import Network
from marey.network.region import Region, region_of
from marey.network.stream import rgb_frames

needs_quick_layers = pytest.mark.skipif(not quick_layers_run(), reason="this torch lacks the operators")


def test_the_faster_of_two_is_chosen_and_the_first_where_they_are_alike() -> None:
    slow, quick = nn.ReLU(), nn.ReLU()
    assert faster(lambda m: time.sleep(0.03 if m is slow else 0.0), slow, quick) is quick
    assert faster(lambda m: time.sleep(0.03 if m is slow else 0.0), quick, slow) is quick
    assert faster(lambda m: time.sleep(0.03), slow, quick) is slow


def test_a_module_that_cannot_run_the_step_loses() -> None:
    half = nn.Conv3d(2, 2, 1).bfloat16()

    def step(module: nn.Module) -> None:
        if module is half:
            raise RuntimeError("not implemented for 'BFloat16'")

    module = nn.Conv3d(2, 2, 1)
    assert faster(step, module, half) is module


def test_errors_of_the_network_itself_are_left_to_the_run_that_follows() -> None:
    def step(module: nn.Module) -> None:
        raise RuntimeError("sizes do not fit")

    module = nn.Conv3d(2, 2, 1)
    assert faster(step, module, nn.Conv3d(2, 2, 1)) is module


class _Single(nn.Conv2d):
    def __deepcopy__(self, memo: object) -> "_Single":
        raise TypeError("cannot pickle this")


def test_a_module_that_cannot_be_copied_runs_as_it_is() -> None:
    network = _network(nn.Sequential(_Single(3, 4, 3), nn.ReLU()))
    (found,) = maximize(network, ["0:1@0,3,3"], recipe=Recipe(steps=32, slowness=(0.0,)))
    assert found.made["precision"] == ["fp32"]


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


def _region(module: nn.Module, unit: str) -> Region:
    network = _network(module.requires_grad_(False))
    return region_of(network, network.unit(unit))


@needs_quick_layers
def test_quick_layers_stand_for_a_network_of_which_they_give_the_gradients(
    left_as_found: Callable[[nn.Module], AbstractContextManager[None]],
) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    region = _region(module, "2:1@0,1,1")
    with left_as_found(module):
        quick = quickened(region)(module)
    assert isinstance(quick.get_submodule("0"), QuickConv2d)
    assert type(module.get_submodule("0")) is nn.Conv2d


class _Sum(nn.Module):
    """Code, and no module, uses once more what comes before the ReLU."""

    def __init__(self, part: float) -> None:
        super().__init__()
        self.conv, self.relu, self.last, self.part = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), part

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.conv(images)
        found: torch.Tensor = self.last(self.relu(maps) + self.part * maps)
        return found


@needs_quick_layers
@pytest.mark.parametrize(("part", "quick"), [(0.0, True), (0.05, False)])
def test_what_code_uses_between_modules_is_found_out_and_left_as_it_is(part: float, quick: bool) -> None:
    torch.manual_seed(0)
    module = _Sum(part)
    found = quickened(_region(module, "last:1@0,1,1"))(module)
    assert (found is not module) == quick


class _Residual(nn.Module):
    """Code uses once more what the block before the last convolution gives."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.last = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.relu(self.conv(images))
        found: torch.Tensor = self.last(maps) + maps
        return found


@needs_quick_layers
def test_where_chains_are_not_the_same_blocks_alone_may_be() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(_Residual(), nn.Conv2d(4, 4, 1))
    quick = quickened(_region(module, "1:1@0,1,1"))(module)
    parts = [quick.get_submodule(name) for name in ("0.conv", "0.last", "1")]
    assert [len(part.chain) for part in parts if isinstance(part, QuickConv2d)] == [1, 1, 1]


class _Asserting(nn.Sequential):
    """Code that knows how large maps are before they are pooled."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        convolution, relu, pool = self.children()
        maps = relu(convolution(images))
        assert maps.shape[-1] == images.shape[-1] - 2
        found: torch.Tensor = pool(maps)
        return found


def test_code_that_refuses_other_shapes_between_modules_runs_as_it_is() -> None:
    module = _Asserting()
    module.get_parameter("0.bias").data.fill_(1)  # so that it fires
    region = _region(module, "2:1")
    assert (quickened(region)(module) is module) == (numba_version() is not None or not quick_layers_run())
    (found,) = maximize(_network(module), ["2:1"], recipe=Recipe(steps=4, slowness=(0.0,)))
    assert found.scores[0] > 0


@needs_quick_layers
def test_quick_layers_are_not_used_where_their_gradient_cannot_be_compared() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    module.get_parameter("0.weight").data.zero_()
    module.get_parameter("0.bias").data.fill_(-1)
    assert quickened(_region(module, "1:1@0,1,1"))(module) is module


@needs_quick_layers
def test_a_type_that_the_operators_do_not_have_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    module.get_parameter("0.bias").data.fill_(1)  # so that it fires
    quick = quickened(_region(module, "1:1@0,1,1"))
    half = arithmetic_copy(module, torch.bfloat16)
    assert quick(module) is not module

    def refused(*_: object) -> None:
        raise RuntimeError("bf16 path needs the cpu support avx512bw, avx512vl and avx512dq")

    monkeypatch.setattr(torch._C._nn, "mkldnn_reorder_conv2d_weight", refused)
    assert quick(half) is half
