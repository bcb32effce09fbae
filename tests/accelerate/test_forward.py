"""The faster arithmetic is chosen by the clock if it can run at all, and its numbers are those of the crop."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor, nn

from marey.accelerate.forward import Precision, copy_for, faster, forward
from marey.errors import NetworkError
from marey.maximization.recipe import Recipe
from marey.maximization.run import maximize
from marey.network.crop import Crop, crop_of
from marey.network.hooks import frozen
from marey.network.network import Network
from marey.network.stream import rgb_frames

LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]


def _network(module: nn.Module) -> Network:
    return Network(module, [rgb_frames(1, size=8, layout="(n t) c h w")])


def _crop() -> Crop:
    torch.manual_seed(0)
    network = _network(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)))
    return crop_of(network, network.unit("2:1@0,1,1"))


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


@pytest.mark.parametrize(("precision", "close"), [("fp32", 1e-5), ("bf16", 0.03)])
def test_activations_and_gradients_are_those_of_the_crop_up_to_rounding(
    precision: Precision, close: float, left_as_found: LeftAsFound
) -> None:
    crop = _crop()
    module = crop.network.module
    windows = {"rgb": torch.rand(2, *crop.streams[0].shape).requires_grad_()}
    with left_as_found(module), frozen(module):
        way = forward(crop, precision=precision)
        with way.applied():
            found = way(windows)["2"]
        with crop.applied(module):
            expected = crop.activations(windows)["2"]
        slopes = [torch.autograd.grad(one.float().square().sum(), windows["rgb"])[0] for one in (found, expected)]
    assert way.describe() == {"precision": precision, "device": "cpu", "torch": torch.__version__}
    assert windows["rgb"].dtype == slopes[0].dtype == torch.float32
    for one, other in ((found.detach().float(), expected.detach()), slopes):
        torch.testing.assert_close(one, other, atol=close * float(other.abs().max()), rtol=0)


@pytest.mark.parametrize("quick", [True, False])
def test_auto_takes_what_the_clock_says(quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marey.accelerate.forward.faster", lambda _, one, other: other if quick else one)
    monkeypatch.setattr("marey.accelerate.forward._computes_bf16", lambda _: True)
    crop = _crop()
    way = forward(crop)
    assert way.precision == ("bf16" if quick else "fp32")
    assert (way.module is crop.network.module) == (not quick)


class _Stubborn(nn.Conv2d):
    """Computes in single precision only."""

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.dtype != torch.float32:
            raise RuntimeError("not implemented for 'BFloat16'")
        return super().forward(x)


def test_a_network_that_cannot_compute_in_half_precision_does_so_only_where_it_must() -> None:
    network = _network(nn.Sequential(_Stubborn(3, 4, 3)))
    crop = crop_of(network, network.unit("0:1@0,1,1"))
    assert forward(crop).precision == "fp32"
    with pytest.raises(NetworkError, match=r"Sequential does not compute in bf16: not implemented .* precision='fp32'"):
        forward(crop, precision="bf16")


class _Single(nn.Conv2d):
    def __deepcopy__(self, memo: object) -> "_Single":
        raise TypeError("cannot pickle this")


def test_a_module_that_cannot_be_copied_runs_as_it_is() -> None:
    network = _network(nn.Sequential(_Single(3, 4, 3), nn.ReLU()))
    found = maximize(network, "0:1@0,3,3", recipe=Recipe(steps=32, slowness=(0.0,)))
    assert found.provenance["arithmetic"]["precision"] == "fp32"


def test_weights_that_are_used_without_a_call_are_copied_too() -> None:
    class Borrowing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lent, self.spare = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, given: Tensor) -> Tensor:
            return nn.functional.linear(given, self.lent.weight)

    module, given = Borrowing(), torch.randn(2, 3)
    twin = copy_for(lambda m: m(given.to(next(m.parameters()).dtype)), module, torch.bfloat16)
    assert torch.allclose(twin(given.bfloat16()).float(), module(given), atol=0.1)


def test_a_copy_holds_no_weights_that_the_step_does_not_use() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    twin = copy_for(
        lambda m: m.get_submodule("0")(torch.zeros(1, 3, dtype=next(m.parameters()).dtype)), module, torch.bfloat16
    )
    assert [parameter.numel() for parameter in twin.parameters()] == [9, 3, 0, 0]
