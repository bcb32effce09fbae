"""Any module in any layout is one kind of network: layers, units, activations, and what it says of wrong names."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from marey.errors import NetworkError
from marey.network.network import Network
from marey.network.stream import Stream, flow_stacks, rgb_frames
from marey.network.unit import Unit

LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]


def _flow(frames: int, *, layout: str = "n c t h w") -> Stream:
    return Stream("flow", "flow", times=tuple(range(frames)), height=8, width=8, layout=layout)


class Plain(nn.Module):
    """(N, C, T, H, W)."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.relu(self.conv(x)).mean((2, 3, 4)))
        return out


class TimeFirst(Plain):
    """(N, T, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2))


class Clips(Plain):
    """(N, clips, C, T, H, W), the clips folded into the batch and averaged."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(0, 1)).unflatten(0, x.shape[:2]).mean(1)


class UnitsLast(nn.Module):
    """Between two convolutions, what a Swin transformer and a ConvNeXt do: units along the last axis."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 6, (1, 2, 2), stride=(1, 2, 2))
        self.norm = nn.LayerNorm(6)
        self.mlp = nn.Sequential(nn.Linear(6, 7), nn.GELU(), nn.Linear(7, 6))
        self.act = nn.ReLU()
        self.back = nn.Identity()
        self.top = nn.Conv3d(6, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).permute(0, 2, 3, 4, 1)
        x = self.act(x + self.mlp(self.norm(x)))
        scores: Tensor = self.top(self.back(x.permute(0, 4, 1, 2, 3)))
        return scores


class TwoRates(nn.Module):
    """[slow, fast] in one list."""

    def __init__(self) -> None:
        super().__init__()
        self.slow, self.fast = Plain(), Plain()
        self.fc = nn.Linear(10, 5)

    def forward(self, pathways: Sequence[Tensor]) -> Tensor:
        slow, fast = pathways
        assert slow.shape[2] * 4 == fast.shape[2]
        out: Tensor = self.fc(torch.cat([self.slow(slow), self.fast(fast)], 1))
        return out


class Two(nn.Module):
    """Two arguments, or keywords."""

    def __init__(self) -> None:
        super().__init__()
        self.appearance, self.motion = Plain(), Plain(2)
        self.fc = nn.Linear(10, 5)

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        out: Tensor = self.fc(torch.cat([self.appearance(rgb), self.motion(flow)], 1))
        return out


class Named(Two):
    """One dict."""

    def forward(self, streams: Mapping[str, Tensor]) -> Tensor:  # type: ignore[override]
        return super().forward(streams["rgb"], streams["flow"])


class Stacked(nn.Module):
    """(N, 2L, H, W) or (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3, padding=1)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.conv(x).relu().mean((2, 3)))
        return out


class Stacks(nn.Module):
    """Stacks of flow over time, (N, 2L, S, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(6, 4, (1, 3, 3), padding=(0, 1, 1))
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.conv(x).mean((2, 3, 4)))
        return out


class Folded(nn.Module):
    """((N T), C, H, W): frame by frame, averaged by segments."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.conv(x).mean((2, 3))).unflatten(0, (-1, 4)).mean(1)
        return out


class Tokens(nn.Module):
    """A transformer over tubelets, (N, T, C, H, W), that answers with an object of named parts."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv3d(3, 6, (2, 4, 4), stride=(2, 4, 4))
        self.block = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True, dropout=0.0)
        self.fc = nn.Linear(6, 5)

    def forward(self, pixel_values: Tensor) -> Any:
        tokens = self.embed(pixel_values.transpose(1, 2)).flatten(2).transpose(1, 2)
        return SimpleNamespace(logits=self.fc(self.block(tokens).mean(1)))


_RGB, _SLOW = rgb_frames(4, size=8), rgb_frames(2, size=8, step=4, name="slow")
CASES: dict[str, tuple[Network, str, tuple[int, int, int, int]]] = {
    "one tensor": (Network(Plain(), [_RGB]), "conv", (4, 4, 8, 8)),
    "time before channels": (Network(TimeFirst(), [rgb_frames(4, size=8, layout="n t c h w")]), "conv", (4, 4, 8, 8)),
    "clips": (Network(Clips(), [rgb_frames(4, size=8, layout="n 1 c t h w")]), "conv", (4, 4, 8, 8)),
    "arguments": (Network(Two(), [_RGB, _flow(3)]), "motion.conv", (4, 3, 8, 8)),
    "keywords": (Network(Two(), [_flow(3), _RGB], call="keywords"), "motion.conv", (4, 3, 8, 8)),
    "dict": (Network(Named(), [_RGB, _flow(3)], call="dict"), "appearance.conv", (4, 4, 8, 8)),
    "list of two rates": (
        Network(TwoRates(), [_SLOW, rgb_frames(8, size=8, name="fast")], call="list"),
        "fast.conv",
        (4, 8, 8, 8),
    ),
    "stacked flow": (Network(Stacked(10), [_flow(5, layout="n (t c) h w")]), "conv", (4, 1, 8, 8)),
    "stacks of flow": (Network(Stacks(), [flow_stacks(2, length=3, step=3, size=8)]), "conv", (4, 2, 8, 8)),
    "one image": (Network(Stacked(3), [rgb_frames(1, size=8, layout="n c h w")]), "conv", (4, 1, 8, 8)),
    "frames in the batch": (
        Network(Folded(), [rgb_frames(4, size=8, layout="(n t) c h w")], scores="fc"),
        "conv",
        (4, 4, 8, 8),
    ),
    "tokens": (Network(Tokens(), [rgb_frames(4, size=8, layout="n t c h w")]), "block", (6, 2, 2, 2)),
}


@pytest.mark.parametrize("case", CASES)
def test_every_layout_is_shown_and_read_alike(case: str, left_as_found: LeftAsFound) -> None:
    network, layer, shape = CASES[case]
    with left_as_found(network.module):
        inputs = {stream.name: torch.rand(2, *stream.shape) for stream in network.streams}
        found = network.activations(inputs, [layer, "fc"])
        assert network.layer(layer).shape == shape
        assert tuple(found[layer].shape) == (2, *shape)
        assert network.scores == "fc"
        assert found["fc"].shape[:2] == (2, 5)


@pytest.mark.parametrize("case", CASES)
def test_each_clip_of_a_batch_gets_its_own_activations(case: str) -> None:
    network, layer, _ = CASES[case]
    inputs = {stream.name: torch.rand(3, *stream.shape) for stream in network.streams}
    together = network.activations(inputs, [layer])[layer]
    for clip in range(3):
        alone = network.activations({name: value[clip : clip + 1] for name, value in inputs.items()}, [layer])[layer]
        torch.testing.assert_close(together[clip : clip + 1], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_gradients_reach_every_stream_in_physical_units(case: str) -> None:
    network, _, _ = CASES[case]
    inputs = {stream.name: torch.rand(1, *stream.shape, requires_grad=True) for stream in network.streams}
    network.module.eval()
    score = network.activations(inputs, ["fc"])["fc"][0, 2]
    gradients = torch.autograd.grad(score.sum(), list(inputs.values()))
    assert all(float(gradient.abs().sum()) > 0 for gradient in gradients)


@pytest.mark.parametrize(
    ("wrap", "name"), [(lambda x: (x, 1), "tuple"), (lambda x: {"features": x}, "dict"), (lambda x: [x, x], "list")]
)
def test_a_layer_may_answer_with_several_things(wrap: Callable[[Tensor], object], name: str) -> None:
    class Wrapping(nn.Module):
        def forward(self, x: Tensor) -> object:
            return wrap(2 * x)

    module = nn.Sequential(nn.Conv3d(3, 2, 1), Wrapping())
    network = Network(module, [rgb_frames(1, size=4)])
    inputs = {"rgb": torch.rand(1, 3, 1, 4, 4)}
    torch.testing.assert_close(network.activations(inputs, ["1"])["1"], 2 * module[0](inputs["rgb"]))


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
        ([_RGB, _RGB], {}, "stream names must differ"),
        ([_RGB], {"call": "tuple"}, "call is 'tuple'; expected one of arguments, list, dict, keywords"),
    ],
)
def test_a_network_that_cannot_be_is_refused(streams: list[Stream], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        Network(Plain(), streams, **settings)


def test_scores_before_softmax_are_chosen_and_lacking_ones_are_said() -> None:
    module = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, 4), nn.Softmax(1))
    assert Network(module, [_RGB], classes=tuple("abcd")).scores == "2"
    with pytest.raises(NetworkError, match="no layer with one score for each of its 7 classes; name the one before"):
        _ = Network(module, [_RGB], classes=tuple("abcdefg")).scores
    with pytest.raises(NetworkError, match="no layer 'fc9'"):
        _ = Network(module, [_RGB], classes=tuple("abcd"), scores="fc9").scores


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

    flow = _flow(3)
    assert Network(Skipping(), [_RGB, flow]).rest(2, seen=["flow"])["rgb"] is None
    assert Network(Two(), [_RGB, flow]).rest(2, seen=["flow"])["rgb"] is not None


def test_half_precision_weights_take_full_precision_frames() -> None:
    network = Network(Plain().to(torch.bfloat16), [_RGB])
    found = network.activations({"rgb": torch.rand(1, *_RGB.shape)}, ["conv"])["conv"]
    assert found.dtype == torch.bfloat16
    assert network.dtype == torch.bfloat16
