"""Layers, units and classes of a network by their names, and what it says of wrong ones."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from marey.errors import NetworkError
from marey.network.network import Network
from marey.network.stream import Stream, rgb_frames
from marey.network.unit import Unit
from tests.network.layouts import RGB, Plain, Two, UnitsLast, flow


class _Deep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv5 = nn.Conv3d(3, 4, 1)
        self.idle = nn.Conv3d(4, 4, 1)
        self.trap = nn.Conv3d(4, 4, 1)
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.armed = False

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv5(x)
        if self.armed:
            raise AssertionError("the pass went deeper than asked")
        out: Tensor = self.pool(self.trap(x))
        return out


@pytest.fixture
def deep() -> Network:
    return Network(_Deep(), [rgb_frames(2, size=4)], classes=("run", "jack", "jump", "wave2"), name="Deep")


def test_nothing_deeper_than_the_layer_asked_for_runs(deep: Network) -> None:
    _ = deep.layers
    deep.module.armed = True
    assert set(deep.activations({"rgb": torch.rand(1, 3, 2, 4, 4)}, ["conv5"])) == {"conv5"}


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("conv6:1", "no layer 'conv6' in Deep. Did you mean 'conv5'? `marey layers` lists them."),
        ("conv5:4", "unit conv5:4 is out of range: layer 'conv5' has 4 units, 0 to 3."),
        ("conv5:1@0,9,0", "position (0, 9, 0) of unit conv5:1@0,9,0 is outside layer 'conv5'"),
        ("conv5:1@0,0,-5", "is outside layer 'conv5', which has (2, 4, 4) positions; write one as @t,y,x."),
        ("idle:0", "layer 'idle' of Deep is never called or gives no tensor."),
        ("jakc", "'jakc' is neither a class of Deep nor a unit. Did you mean 'jack'?"),
        ("wave", "A unit is written layer:channel, as in 'output:0'."),
        ("conv5", "'conv5' is a layer; name a unit of it, as in 'conv5:0', or some, as in 'conv5:0-3'."),
        ("class:jmp", "no class 'jmp' in Deep. Did you mean 'jump'? It has 4 classes."),
        ("conv5:x", "'conv5:x' is no unit."),
    ],
)
def test_a_wrong_address_is_refused_with_what_is_near(deep: Network, address: str, message: str) -> None:
    with pytest.raises(NetworkError) as caught:
        deep.unit(address)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_classes_are_units_by_their_names(deep: Network) -> None:
    deep_scores = Unit(deep.scores, 3)
    assert deep.unit("wave2") == deep.unit("class:wave2") == deep_scores
    assert deep.label(deep_scores) == "wave2"
    assert deep.label(Unit("conv5", 1)) == "conv5:1"


def test_ranges_and_positions_from_the_end_are_resolved(deep: Network) -> None:
    assert [str(unit) for unit in deep.units(["conv5:1-2@-1,0,-1", "run"])] == [
        "conv5:1@1,0,3",
        "conv5:2@1,0,3",
        str(deep.unit("run")),
    ]


def test_streams_that_are_unknown_or_lacking_are_named(deep: Network) -> None:
    clip = torch.rand(1, 3, 2, 4, 4)
    with pytest.raises(NetworkError, match=r"no stream 'rbg' in Deep; it has rgb. Did you mean 'rgb'\?"):
        deep.forward({"rbg": clip})
    with pytest.raises(NetworkError, match=r"Deep needs the stream 'rgb', got none"):
        deep.forward({})


@pytest.mark.parametrize(
    ("streams", "settings", "message"),
    [
        ([], {}, "needs at least one stream"),
        ([RGB, RGB], {}, "stream names must differ"),
        ([RGB], {"call": "tuple"}, "call is 'tuple'; expected one of arguments, list, dict, keywords"),
    ],
)
def test_a_network_that_cannot_be_is_refused(streams: list[Stream], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        Network(Plain(), streams, **settings)


def test_scores_before_softmax_are_chosen_and_lacking_ones_are_said() -> None:
    module = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, 4), nn.Softmax(1))
    assert Network(module, [RGB], classes=tuple("abcd")).scores == "2"
    with pytest.raises(NetworkError, match="no layer with one score for each of its 7 classes; name the one before"):
        _ = Network(module, [RGB], classes=tuple("abcdefg")).scores
    with pytest.raises(NetworkError, match="no layer 'fc9'"):
        _ = Network(module, [RGB], classes=tuple("abcd"), scores="fc9").scores


def test_a_network_without_a_score_layer_still_has_units() -> None:
    network = Network(nn.Sequential(nn.Conv3d(3, 5, 1)), [rgb_frames(2, size=4)], classes=("a", "b"))
    assert network.label(network.unit("0:3")) == "0:3"
    assert not network.gives_scores("0")
    with pytest.raises(NetworkError, match="no layer with one score for each of its 2 classes"):
        network.unit("a")


def test_units_may_lie_along_the_last_axis() -> None:
    torch.manual_seed(0)
    module = UnitsLast()
    network = Network(module, [rgb_frames(2, size=8)])
    shapes = {name: layer.shape for name, layer in network.layers.items()}
    assert shapes == {
        **dict.fromkeys(("conv", "norm", "mlp.2", "mlp", "act", "back"), (6, 2, 4, 4)),
        **dict.fromkeys(("mlp.0", "mlp.1"), (7, 2, 4, 4)),
        **dict.fromkeys(("top", "output"), (5, 2, 4, 4)),
    }
    last = {name for name, axes in network.axes.items() if axes.units == 4}
    assert last == {"norm", "mlp.0", "mlp.1", "mlp.2", "mlp", "act"}
    assert network.layer("act").receptive_field == network.layer("conv").receptive_field
    clips = torch.rand(3, 3, 2, 8, 8)
    found = network.activations({"rgb": clips}, ["act", "back"])
    assert found["act"].equal(found["back"])
    smaller = network.resized(4, 4, deepest="mlp")
    assert smaller.layer("mlp").shape == (6, 2, 2, 2)


def test_a_network_that_does_not_fit_its_streams_is_said_in_one_line() -> None:
    network = Network(Plain(channels=2), [rgb_frames(2, size=4)])
    with pytest.raises(
        NetworkError, match=r"^Plain does not run on a clip of rgb \(3, 2, 4, 4\), passed on as arguments: "
    ) as error:
        network.unit("conv:0")
    assert "\n" not in str(error.value) and isinstance(error.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
    ],
)
def test_a_lack_of_memory_is_no_network_that_does_not_fit(error: Exception) -> None:
    class Huge(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise error

    with pytest.raises(
        NetworkError, match=r"^memory ran out when Huge ran on a single clip of rgb \(3, 2, 4, 4\); use"
    ):
        _ = Network(Huge(), [rgb_frames(2, size=4)]).layers


def test_the_hash_changes_with_any_weight_and_with_nothing_else(deep: Network) -> None:
    before = deep.weights_hash
    deep.module.eval()
    assert deep.weights_hash == before
    with torch.no_grad():
        deep.module.trap.bias[0] += 1e-6
    assert deep.weights_hash != before


def test_streams_that_are_not_seen_may_be_left_out_where_the_module_can_do_without() -> None:
    class Skipping(Two):
        skips_absent_streams = True

    motion = flow(3)
    assert Network(Skipping(), [RGB, motion]).rest(2, seen=["flow"])["rgb"] is None
    assert Network(Two(), [RGB, motion]).rest(2, seen=["flow"])["rgb"] is not None


def test_half_precision_weights_take_full_precision_frames() -> None:
    network = Network(Plain().to(torch.bfloat16), [RGB])
    found = network.activations({"rgb": torch.rand(1, *RGB.shape)}, ["conv"])["conv"]
    assert found.dtype == torch.bfloat16
    assert network.dtype == torch.bfloat16
