"""bfloat16 is for devices that are made for it, and for networks whose layers are right in it there."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from marey.errors import MareyError
from marey.training.arithmetic import arithmetic_of, repeatable, wrong_in_bfloat16
from marey.training.settings import Settings


class Altered(TorchFunctionMode):
    """While entered, a device whose 3-D convolutions in bfloat16 give `altered` outputs."""

    def __init__(self, altered: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.altered = altered

    def __torch_function__(
        self, function: Any, _types: object, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = function(*args, **(kwargs or {}))
        half = function is functional.conv3d and torch.is_autocast_enabled("cpu")
        return self.altered(output) if half else output


def deep(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Conv3d(3, 8, 3, padding=1), nn.BatchNorm3d(8), nn.ReLU()]
    layers += [nn.Conv3d(8, 8, 3, padding=1), nn.BatchNorm3d(8), nn.ReLU()] * 3
    return nn.Sequential(*layers, nn.AdaptiveMaxPool3d(1), nn.Flatten(), nn.Linear(8, 3))


def loss(module: nn.Module) -> Tensor:
    shown = torch.rand(4, 3, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    return functional.cross_entropy(module.train()(shown), torch.tensor([0, 1, 2, 0]))


@pytest.mark.parametrize("seed", range(3))
def test_a_network_whose_layers_are_right_stays_in_bfloat16_and_as_it_was(
    seed: int, left_as_found: Callable[..., Any]
) -> None:
    module = deep(seed)
    with left_as_found(module):
        assert wrong_in_bfloat16(module, loss) is None
    assert all(value.grad is None for value in module.parameters())


@pytest.mark.parametrize(
    ("altered", "said"),
    [
        (lambda output: 1.46 * output, r"'0' is 46 % off"),
        (lambda output: output * torch.rand_like(output), r"'0' gives other values in each pass"),
        (lambda output: output * float("nan"), r"'0' gives other values in each pass"),
        (lambda output: torch.where(output == output.max(), torch.inf, output), "'0' is (nan|inf) % off"),
        (lambda output: 1.01 * output, "None"),
    ],
)
def test_a_layer_that_a_device_computes_wrongly_in_bfloat16_is_named(
    altered: Callable[[Tensor], Tensor], said: str
) -> None:
    with Altered(altered):
        found = wrong_in_bfloat16(deep(), loss)
    assert re.fullmatch(said, str(found))


def test_layers_that_do_not_learn_are_not_asked() -> None:
    module = deep()
    module.requires_grad_(False)
    module[-1].requires_grad_(True)
    with Altered(lambda output: 2 * output):
        assert wrong_in_bfloat16(module, loss) is None


@pytest.mark.parametrize(
    ("told", "arithmetic"),
    [
        ({"avx2": True, "avx512_bf16": False, "cpu_name": "bf16 lake"}, "float32"),
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True, "avx512_bf16": False}, "bfloat16"),
        ({}, "float32"),
    ],
)
def test_a_processor_tells_by_itself_what_it_is_made_for(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, object], arithmetic: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told, raising=False)
    assert arithmetic_of(torch.device("cpu")) == arithmetic
    assert Settings().arithmetic_on(torch.device("cpu")) == arithmetic
    assert Settings(arithmetic="bfloat16").arithmetic_on(torch.device("cpu")) == "bfloat16"


def test_a_device_that_tells_nothing_computes_in_float32() -> None:
    assert arithmetic_of(torch.device("meta")) == "float32"


def test_an_unknown_arithmetic_is_refused() -> None:
    with pytest.raises(MareyError, match="arithmetic is 'fp16'; expected one of auto, float32, bfloat16"):
        Settings(arithmetic="fp16")  # type: ignore[arg-type]


def test_what_repeats_on_accelerators_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    with repeatable():
        assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.deterministic and torch.backends.cudnn.benchmark
