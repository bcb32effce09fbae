"""Visits to a network leave it as it was found, whatever happens inside."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor, nn

from marey.errors import NetworkError
from marey.network.axes import Axes
from marey.network.hooks import (
    arithmetic_copy,
    called,
    calls_of,
    channels_last,
    frozen,
    observed,
    revived,
    unpadded,
)


def outputs_of(run: Callable[[], object], modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """The first call of every module."""
    return {name: first for name, (first,) in calls_of(run, modules, dict.fromkeys(modules, (0,))).items()}


LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]


_MAPS = {"relu": Axes(4, 0, 1)}


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.same = nn.Conv2d(4, 4, 3, padding="same")
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        kept = self.conv(x)
        kept += 1.0  # as residual sums do
        return self.drop(self.same(self.pool(self.relu(self.norm(kept)))))


@pytest.fixture
def net() -> _Net:
    """A network in a mixed state: partly training, one weight frozen, one gradient there."""
    made = _Net()
    made.norm.eval()
    made.conv.bias.requires_grad_(False)
    made.same.weight.grad = torch.ones_like(made.same.weight)
    return made


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_behind_by_any_of_them(
    net: _Net, left_as_found: LeftAsFound, error: type[BaseException] | None
) -> None:
    def visit() -> None:
        everything = dict(net.named_modules())
        with (
            frozen(net),
            unpadded(net),
            revived(net, torch.tensor([True]), _MAPS),
            observed(everything, lambda *_: None),
        ):
            with channels_last(net):
                net(torch.randn(1, 3, 12, 12)).sum()
            if error is not None:
                raise error

    with left_as_found(net):
        if error is None:
            visit()
        else:
            with pytest.raises(error):
                visit()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_forward_pass_that_breaks_leaves_the_network_as_found(
    net: _Net, left_as_found: LeftAsFound, error: type[BaseException]
) -> None:
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise error

    net.drop = Broken()
    with left_as_found(net), pytest.raises(error), frozen(net):
        outputs_of(lambda: net(torch.randn(1, 3, 12, 12)), {"relu": net.relu, "drop": net.drop})


def test_inside_frozen_it_is_in_evaluation_mode_and_wants_no_weight_gradients(net: _Net) -> None:
    with frozen(net):
        assert not any(part.training for part in net.modules())
        assert not any(parameter.requires_grad for parameter in net.parameters())
        assert not net.relu.inplace
        x = torch.randn(1, 3, 12, 12, requires_grad=True)
        net(x).sum().backward()
        assert x.grad is not None
    assert net.conv.weight.grad is None


def test_visits_may_be_nested(net: _Net, left_as_found: LeftAsFound) -> None:
    with left_as_found(net), frozen(net):
        with frozen(net):
            pass
        assert not net.relu.inplace
        assert not net.training


def test_the_pass_stops_at_the_deepest_layer_asked_for(net: _Net) -> None:
    class Never(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise AssertionError

    net.pool = Never()
    with frozen(net):
        found = outputs_of(lambda: net(torch.randn(1, 3, 12, 12)), {"conv": net.conv, "relu": net.relu})
    assert set(found) == {"conv", "relu"}


def test_an_output_that_is_changed_in_place_later_is_given_as_it_was(net: _Net) -> None:
    x = torch.randn(1, 3, 12, 12)
    with frozen(net):
        alone = outputs_of(lambda: net(x), {"conv": net.conv})["conv"].clone()
        among = outputs_of(lambda: net(x), {"conv": net.conv, "relu": net.relu})["conv"]
        torch.testing.assert_close(among, net.conv(x))
        with torch.inference_mode():
            inferred = outputs_of(lambda: net(x), {"conv": net.conv, "relu": net.relu})["conv"]
    torch.testing.assert_close(inferred.clone(), among)
    torch.testing.assert_close(alone, net.conv(x))


def test_a_layer_that_is_never_called_is_named(net: _Net) -> None:
    with pytest.raises(NetworkError, match="gets no tensor from layer 'idle'"):
        outputs_of(lambda: net(torch.randn(1, 3, 12, 12)), {"conv": net.conv, "idle": nn.ReLU()})


@pytest.mark.parametrize("wrap", [lambda x: (x, None), lambda x: [x], lambda x: {"out": x}, lambda x: (None, x)])
def test_the_first_tensor_of_an_output_answers(wrap: Callable[[Tensor], object]) -> None:
    class Wrapping(nn.Module):
        def forward(self, x: Tensor) -> object:
            return wrap(2 * x)

    module = Wrapping()
    found = outputs_of(lambda: module(torch.ones(1, 2)), {"it": module})
    assert found["it"].tolist() == [[2.0, 2.0]]


def test_a_layer_called_twice_answers_with_its_first_call() -> None:
    module = nn.ReLU()
    found = outputs_of(lambda: module(module(torch.tensor([[1.0]])) + 5), {"it": module})
    assert found["it"].tolist() == [[1.0]]


def test_without_padding_convolutions_and_pools_shrink(net: _Net) -> None:
    with frozen(net), unpadded(net):
        assert tuple(net(torch.randn(1, 3, 13, 13)).shape) == (1, 4, 3, 3)
    assert tuple(net(torch.randn(1, 3, 13, 13)).shape) == (1, 4, 7, 7)


def test_a_dead_clip_gets_a_gradient_and_a_live_one_keeps_its_own() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1), nn.ReLU())
    nn.init.constant_(module[2].bias, -100.0)
    x = torch.randn(2, 3)

    def gradient(dead: list[bool]) -> tuple[Tensor, Tensor]:
        given = x.clone().requires_grad_()
        with revived(module, torch.tensor(dead), dict.fromkeys("0123", Axes(2, 0, 1))):
            output = module(given)
        output.sum().backward()
        assert given.grad is not None
        return output.detach(), given.grad

    still, nothing = gradient([False, False])
    output, grad = gradient([True, False])
    assert bool((nothing == 0).all())
    assert torch.equal(output, still)
    assert bool((grad[0] != 0).any())
    assert bool((grad[1] == 0).all())


def test_a_copy_in_another_arithmetic_shares_nothing(net: _Net, left_as_found: LeftAsFound) -> None:
    with left_as_found(net):
        twin = arithmetic_copy(net, torch.bfloat16)
        with torch.no_grad():
            for parameter in twin.parameters():
                parameter.zero_()
    assert {parameter.dtype for parameter in twin.parameters()} == {torch.bfloat16}
    assert twin.same.weight.is_contiguous(memory_format=torch.channels_last)  # type: ignore[union-attr]


def test_the_parts_that_a_call_enters_are_named(net: _Net, left_as_found: LeftAsFound) -> None:
    with left_as_found(net):
        assert called(lambda: net.same(torch.zeros(1, 4, 8, 8)), net) == {"same"}


def test_a_copy_of_some_parts_holds_no_weights_of_the_others() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5))
    twin = arithmetic_copy(module, torch.bfloat16, parts={"", "0"})
    assert {parameter.dtype for parameter in twin.parameters()} == {torch.bfloat16}
    assert [parameter.numel() for parameter in twin.parameters()] == [12, 4, 0, 0]
    given = torch.randn(2, 3)
    assert torch.allclose(twin.get_submodule("0")(given.bfloat16()).float(), module[0](given), atol=0.1)
    with pytest.raises(RuntimeError):
        twin(given.bfloat16())
