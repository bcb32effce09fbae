"""Which layers pass on the output of one before them."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import marey
from marey.network.network import Network
from marey.network.twins import passed_on


class Wrapped(nn.Module):
    """A wrapper as others make them: it passes on what its module returns."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.model = module

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return self.model(clip)


def _network(module: nn.Module) -> Network:
    return Network(module, [marey.rgb_frames(2, size=8)])


def test_a_block_that_ends_with_a_layer_and_dropout_and_flattening_give_an_earlier_output() -> None:
    head = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Dropout(), nn.Linear(4, 3))
    network = _network(Wrapped(nn.Sequential(nn.Conv3d(3, 4, 1), nn.ReLU(), head)))
    assert passed_on(network.visits) == {
        "model.2.1": "model.2.0",
        "model.2.2": "model.2.0",
        "model.2": "model.2.3",
        "model": "model.2.3",
        "output": "model.2.3",
    }


def test_a_layer_that_works_in_place_has_an_output_of_its_own() -> None:
    network = _network(nn.Sequential(nn.Conv3d(3, 4, 1), nn.ReLU(inplace=True)))
    assert passed_on(network.visits) == {"output": "1"}


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["layer", "wrapper", "block"]), min_size=1, max_size=6))
def test_however_modules_are_nested_each_layer_of_its_own_is_told_once(kinds: list[str]) -> None:
    module: nn.Module = nn.Conv3d(3, 3, 1)
    for kind in kinds:
        module = Wrapped(module) if kind == "wrapper" else nn.Sequential(module)
        if kind == "layer":
            module.append(nn.ReLU())
    network = _network(Wrapped(module))
    found = passed_on(network.visits)
    own = [name for name in network.layers if name not in found]
    assert len(own) == 1 + kinds.count("layer")
    assert {type(network.module.get_submodule(name)) for name in own} <= {nn.Conv3d, nn.ReLU}
    assert set(found.values()) <= set(own)
