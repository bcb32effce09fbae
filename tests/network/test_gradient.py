"""Where a network cuts the gradient, this is said before anything is made; where it saves memory, it is passed by."""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
import torch.utils.checkpoint
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from marey import Recipe, maximize
from marey.errors import NetworkError
from marey.network.network import Network
from marey.network.stream import rgb_frames

LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]

WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "detach": lambda maps: maps.detach(),
    "data": lambda maps: maps.data,
    "argmax": lambda maps: maps.argmax(1, keepdim=True).expand(-1, 4, -1, -1, -1).float(),
    "numpy": lambda maps: torch.from_numpy(maps.detach().numpy()),
    "threshold": lambda maps: (maps > 0).float(),
}


class Cut(nn.Module):
    """Maps of which something is taken that has no gradient, and scores."""

    def __init__(self, cut: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cnn, self.fc, self.cut = nn.Conv3d(3, 4, 3, stride=2), nn.Linear(4, 2), cut

    def forward(self, clips: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.cut(self.cnn(clips)).mean((2, 3, 4)))
        return scores


def shown(module: nn.Module, streams: int = 1) -> Network:
    return Network(
        module, [rgb_frames(4, size=12, name=name) for name in ("rgb", "other")[:streams]], classes=["a", "b"]
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_cut_gradient_is_said_before_the_first_step(way: str, left_as_found: LeftAsFound) -> None:
    network, steps = shown(Cut(WAYS[way])), list[object]()
    with left_as_found(network.module), pytest.raises(NetworkError) as error:
        maximize(network, ["a", "cnn:0"], recipe=Recipe(slowness=(0,), steps=2), callback=steps.append)
    assert str(error.value) == (
        "no gradient reaches the input from 'fc': Cut cuts it (torch.no_grad, detach, .data, argmax, numpy), so "
        "nothing is made; choose a layer up to 'cnn', or run that part of its code with gradients."
    )
    assert not steps
    assert maximize(network, "cnn:0", recipe=Recipe(slowness=(0,), steps=2)).frames["rgb"].std() > 0


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("further", [False, True])
def test_a_network_without_gradients_is_said(mode: Callable[[], Any], further: bool) -> None:
    class Without(Cut):
        def forward(self, clips: Tensor) -> Tensor:
            with mode():
                scores = super().forward(clips)
            return scores * clips.mean() if further and mode is torch.inference_mode else scores

    with pytest.raises(NetworkError, match=r"no gradient reaches the input from '(fc|output)': Without cuts it "):
        maximize(shown(Without(nn.Identity())), "a", recipe=Recipe(slowness=(0,), steps=2))


def test_a_gradient_that_is_cut_for_one_of_two_streams_goes_on() -> None:
    class Half(Cut):
        def forward(self, clips: Tensor, other: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(clips) + super().forward(other).detach()

    made = maximize(shown(Half(nn.Identity()), streams=2), "a", recipe=Recipe(slowness=(0,), steps=2))
    assert set(made.frames) == {"rgb", "other"}


def test_a_dead_unit_is_no_cut_gradient() -> None:
    module = Cut(nn.ReLU())
    module.cnn.bias.data.fill_(-100)
    made = maximize(shown(module), "cut:1", recipe=Recipe(slowness=(0,), steps=2))
    assert any("dead" in note for note in made.notes[0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_quantized_layers_have_no_gradient_and_their_weights_a_hash() -> None:
    quantized = torch.ao.quantization.quantize_dynamic(Cut(nn.Identity()).eval(), {nn.Linear}, dtype=torch.qint8)
    network = shown(quantized)
    with pytest.raises(NetworkError, match="from 'fc': Cut has quantized layers, which give none; use the net"):
        maximize(network, "a", recipe=Recipe(slowness=(0,), steps=2))
    assert maximize(network, "cnn:0", recipe=Recipe(slowness=(0,), steps=2)).frames["rgb"].std() > 0
    assert len(network.weights_hash) == 64


class Blocks(nn.Module):
    """Two blocks under checkpoints that `call` makes."""

    def __init__(self, call: Callable[..., Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv3d(3, 4, 3, stride=2)
        self.blocks = nn.Sequential(
            *(nn.Sequential(nn.Conv3d(4, 4, 1), nn.BatchNorm3d(4), nn.ReLU(inplace=True)) for _ in range(2))
        )
        self.fc, self.call = nn.Linear(4, 2), call

    def forward(self, clips: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.call(self.blocks, self.stem(clips)).mean((2, 3, 4)))
        return scores


CHECKPOINTS: dict[str, Callable[..., Any]] = {
    "by name, reentrant": functools.partial(checkpoint, use_reentrant=True),
    "by name, not reentrant": functools.partial(checkpoint, use_reentrant=False),
    "looked up": lambda blocks, maps: torch.utils.checkpoint.checkpoint(blocks, maps, use_reentrant=True),
    "sequential": lambda blocks, maps: checkpoint_sequential(blocks, 2, maps, use_reentrant=True),
    "sequential, not reentrant": lambda blocks, maps: checkpoint_sequential(blocks, 2, maps, use_reentrant=False),
    "keywords": lambda blocks, maps: checkpoint(blocks, input=maps, use_reentrant=False, preserve_rng_state=False),
}


@pytest.mark.parametrize("way", CHECKPOINTS)
@pytest.mark.parametrize("target", ["blocks.0.0:1", "a"])
def test_gradient_checkpoints_are_passed_by(way: str, target: str, left_as_found: LeftAsFound) -> None:
    recipe = Recipe(slowness=(0,), steps=3, where="everywhere")
    plain = maximize(shown(Blocks(lambda blocks, maps: blocks(maps))), target, recipe=recipe)
    network = shown(Blocks(CHECKPOINTS[way]))
    with left_as_found(network.module):
        made = maximize(network, target, recipe=recipe)
    assert made.frames["rgb"].equal(plain.frames["rgb"])


def test_checkpoints_are_as_before_after_a_visit() -> None:
    before = dict(vars(torch.utils.checkpoint))
    own = dict(vars(torch.utils.checkpoint.CheckpointFunction))
    network = shown(Blocks(CHECKPOINTS["by name, reentrant"]))
    assert network.layers
    with pytest.raises(RuntimeError):
        network.forward({"rgb": torch.rand(1, 3, 4, 1, 1)})
    assert dict(vars(torch.utils.checkpoint)) == before
    assert dict(vars(torch.utils.checkpoint.CheckpointFunction)) == own


def _rebound(mixed: Tensor, maps: Tensor) -> Tensor:
    mixed += maps
    return mixed


def _out_of_place(mixed: Tensor, maps: Tensor) -> Tensor:
    return mixed + maps


def _alone(mixed: Tensor, maps: Tensor) -> Tensor:
    mixed.add_(maps)
    return mixed


class Changing(nn.Module):
    """A residual network that adds to what its ReLU returned, which the gradient of the ReLU needs."""

    def __init__(self, added: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cnn, self.mixed, self.fc = nn.Conv3d(3, 4, 3, stride=2), nn.Conv3d(4, 4, 1), nn.Linear(4, 2)
        self.added = added

    def forward(self, clips: Tensor) -> Tensor:
        maps = self.cnn(clips)
        scores: Tensor = self.fc(self.added(self.mixed(maps).relu(), maps).mean((2, 3, 4)))
        return scores


def test_a_network_that_changes_in_place_what_its_gradient_needs_is_maximized(left_as_found: LeftAsFound) -> None:
    recipe, results = Recipe(slowness=(0,), steps=4), []
    for network in (shown(Changing(_rebound)), shown(Changing(_out_of_place))):
        with left_as_found(network.module):
            results += [maximize(network, "a", recipe=recipe) for _ in range(2)]
    assert len({result.scores for result in results}) == 1


def test_a_change_in_place_that_cannot_be_undone_is_said_before_the_first_step(left_as_found: LeftAsFound) -> None:
    network, steps = shown(Changing(_alone)), list[object]()
    for _ in range(2):
        with left_as_found(network.module), pytest.raises(NetworkError) as error:
            maximize(network, "a", recipe=Recipe(slowness=(0,), steps=2), callback=steps.append)
        assert str(error.value) == (
            "Changing changes in place what its gradient needs, as x += y after x = relu(x), so nothing is made; write "
            "x = x + y there."
        )
    assert not steps
