"""Compiled modules are looked through, and what has no layers that hooks see is refused with what to do."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from marey import Recipe, maximize
from marey.errors import NetworkError
from marey.network.network import Network
from marey.network.original import original
from marey.network.stream import rgb_frames
from marey.network.unit import Unit

LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]

# what torch itself warns of: its old and its new ways to export
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


class Plain(nn.Module):
    """Scores of maps."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cnn, self.relu, self.fc = nn.Conv3d(3, 4, 3), nn.ReLU(inplace=True), nn.Linear(4, 2)

    def forward(self, clips: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.relu(self.cnn(clips)).mean((2, 3, 4)))
        return scores


class Holder(nn.Module):
    """Has a part that is compiled or in TorchScript."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part, self.head = part, nn.Linear(2, 2)

    def forward(self, clips: Tensor) -> Tensor:
        scores: Tensor = self.head(self.part(clips))
        return scores


def shown(module: Any) -> Network:
    return Network(module, [rgb_frames(4, size=8)], classes=["a", "b"])


def refusing(graph: Any, _inputs: Any) -> Any:
    """In place of a compiler: what is compiled all the same fails."""
    raise AssertionError("compiled")


@pytest.fixture(params=["wrapper", "in place", "part"])
def compiled(request: pytest.FixtureRequest) -> nn.Module:
    module = Plain()
    if request.param == "in place":
        module.compile(backend=refusing)
        return module
    wrapper: Any = torch.compile(module, backend=refusing)
    return wrapper if request.param == "wrapper" else Holder(wrapper)


def test_a_compiled_network_is_visited_as_it_was_written(compiled: nn.Module, left_as_found: LeftAsFound) -> None:
    network = shown(compiled)
    with left_as_found(compiled):
        prefix = "part." if isinstance(compiled, Holder) else ""
        assert list(network.layers)[:3] == [f"{prefix}cnn", f"{prefix}relu", f"{prefix}fc"]
        assert not any("_orig_mod" in name for name in network.layers)
        assert maximize(network, "b", recipe=Recipe(slowness=(0,), steps=2)).frames["rgb"].shape[2] == 4
        long = f"{prefix}_orig_mod.cnn"
        assert network.unit(f"{long}:1") == Unit(f"{prefix}cnn", 1)
        assert network.activations({"rgb": torch.rand(1, 3, 4, 8, 8)}, [long])[long].shape == (1, 4, 2, 6, 6)


def test_the_weights_of_a_compiled_network_have_the_hash_of_the_original() -> None:
    module: Any = torch.compile(Plain(), backend=refusing)
    assert shown(module).weights_hash == shown(Plain()).weights_hash
    assert shown(module).name == "Plain"


SCRIPT = "hooks see no layer inside a TorchScript module; give the Python module it was made from."
EXPORTED = (
    "hooks see no layer inside an exported program; give the Python module it was made from, or "
    "torch.export.unflatten(program)."
)
CLIP = torch.rand(1, 3, 4, 8, 8)


def _program() -> Any:
    return torch.export.export(Plain().eval(), (CLIP,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: torch.jit.script(Plain()), SCRIPT),
        (lambda: torch.jit.trace(Plain(), CLIP), SCRIPT),
        (_program, EXPORTED),
        (
            lambda: _program().module(),
            "is one graph without layers, as `.module()` of an exported program is; give",
        ),
        (lambda: "net.onnx", "a network is a torch.nn.Module, got str; give the Python module that has its layers."),
        (lambda: Plain, "a network is a torch.nn.Module, got the class Plain; give"),
        (lambda: Plain().state_dict(), "a network is a torch.nn.Module, got OrderedDict; give"),
    ],
)
def test_what_has_no_layers_is_refused_with_what_to_do(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(NetworkError) as error:
        shown(make())
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "make", [lambda: torch.export.unflatten(_program()), lambda: torch.fx.symbolic_trace(Plain().eval())]
)
def test_graphs_that_call_their_modules_work(make: Callable[[], Any]) -> None:
    network = shown(make())
    assert list(network.layers) == ["cnn", "relu", "fc", "output"]
    assert network.scores == "fc"
    assert maximize(network, "cnn:1", recipe=Recipe(slowness=(0,), steps=2)).frames["rgb"].std() > 0


@pytest.mark.parametrize("make", [torch.jit.script, lambda module: torch.jit.trace(module, CLIP)])
def test_of_a_part_in_torchscript_the_layers_around_it_are_seen(make: Callable[[nn.Module], Any]) -> None:
    network = shown(Holder(make(Plain())))
    assert list(network.layers) == ["head", "output"]
    assert maximize(network, "b", recipe=Recipe(slowness=(0,), steps=2)).frames["rgb"].std() > 0
    with pytest.raises(NetworkError, match=r"hooks see no layer inside a TorchScript module, as .* 'part.cnn' names"):
        network.unit("part.cnn:0")


def test_an_ordinary_module_is_its_own_original() -> None:
    module = Plain()
    assert original(module) is module
