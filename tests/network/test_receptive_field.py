import gc
import re
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import _get_current_dispatch_mode

from marey.errors import NetworkError
from marey.network.axes import Axes
from marey.network.probe import axes_of
from marey.network.receptive_field import Field, ReceptiveField, receptive_field
from marey.network.stream import flow_stacks, rgb_frames
from marey.network.visit import visited_calls
from tests.network.gradient_extent import gradient_extent

Inputs = dict[str, Tensor]


def rgb(frames: int = 1, size: int = 32, channels: int = 3) -> Inputs:
    return {"rgb": torch.zeros(1, channels, frames, size, size, dtype=torch.float64)}


def image(run: Callable[[Tensor], Any]) -> Callable[[Mapping[str, Tensor]], Any]:
    """A 2-D network on the frames of the stream, folded into the batch."""
    return lambda inputs: run(inputs["rgb"].transpose(1, 2).flatten(0, 1))


def video(run: Callable[[Tensor], Any]) -> Callable[[Mapping[str, Tensor]], Any]:
    return lambda inputs: run(inputs["rgb"])


def one_clip_axes(run: Any, inputs: Mapping[str, Any], module: nn.Module) -> Axes:
    """How a layer lies in a pass of one clip."""
    axes = axes_of(visited_calls(run, inputs, {"it": module})["it"], module)
    assert isinstance(axes, Axes)
    return axes


def receptive_fields(
    run: Any, inputs: Mapping[str, Any], modules: Mapping[str, nn.Module]
) -> dict[str, tuple[ReceptiveField, tuple[int, ...]]]:
    """The receptive field of every module that is called, and the shape of its first output."""
    found = {}
    for name, calls in visited_calls(run, inputs, modules).items():
        axes = axes_of(calls, modules[name])
        assert isinstance(axes, Axes)
        found[name] = (receptive_field(axes, [calls[number] for number in axes.read]), calls[0].shape)
    return found


def positive(module: nn.Module) -> nn.Module:
    module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.abs() + 0.1)
    return module


def fields(run: Any, inputs: Inputs, module: nn.Module) -> dict[str, tuple[ReceptiveField, tuple[int, ...]]]:
    return receptive_fields(run, inputs, {name: part for name, part in module.named_modules() if name})


def clipped(field: ReceptiveField, inputs: Inputs, position: tuple[int, int, int]) -> dict[str, Any]:
    return {
        name: tuple(
            (max(0, low), min(size, high))
            for (low, high), size in zip(field.interval(name, position), inputs[name].shape[2:], strict=True)
        )
        for name in field.streams
    }


def check(
    run: Any, inputs: Inputs, module: nn.Module, position: tuple[int, int, int], *, layer: str, equal: bool = True
) -> ReceptiveField:
    """The computed field of a layer against the gradient; returns the field."""
    part = module.get_submodule(layer)
    field, _ = receptive_fields(run, inputs, {layer: part})[layer]
    computed = clipped(field, inputs, position)
    measured = gradient_extent(run, inputs, part, position, 0, axes=one_clip_axes(run, inputs, part))
    if equal:
        assert computed == measured
        assert field.exact
    else:
        assert computed.keys() == measured.keys()
        for name, box in measured.items():
            for (low, high), (first, last) in zip(computed[name], box, strict=True):
                assert low <= first and last <= high
    return field


class VGG(nn.Module):
    """The tower of VGG-16 with few channels, fully connected layers as convolutions, layers named as in the paper."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        before = 3
        for block, (count, after) in enumerate(((2, 2), (2, 2), (3, 3), (3, 4), (3, 4)), start=1):
            for k in range(1, count + 1):
                self.layers[f"conv{block}_{k}"] = nn.Conv2d(before, after, 3, padding=1)
                self.layers[f"relu{block}_{k}"] = nn.ReLU(inplace=True)
                before = after
            self.layers[f"pool{block}"] = nn.MaxPool2d(2)
        self.layers["fc6"] = nn.Conv2d(4, 5, 7)
        self.layers["fc7"] = nn.Conv2d(5, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers.values():
            x = layer(x)
        return x


def test_the_vgg_tower_has_the_published_fields_even_where_they_exceed_the_input() -> None:
    tower = VGG()
    found = receptive_fields(image(tower), {"rgb": torch.zeros(1, 3, 2, 224, 224)}, dict(tower.layers.items()))
    expected = {
        "conv1_1": (3, 1),
        "conv3_3": (40, 4),
        "conv4_3": (92, 8),
        "conv5_3": (196, 16),
        "relu5_3": (196, 16),
        "pool5": (212, 32),
        "fc6": (404, 32),
        "fc7": (404, 32),
    }
    for layer, (length, stride) in expected.items():
        field, _ = found[layer]
        assert field.exact
        assert field.length("rgb") == (1, length, length)
        assert field.stride("rgb") == (1, stride, stride)
    assert list(found) == list(tower.layers)
    assert found["fc6"][1] == (2, 5, 1, 1)
    assert found["conv3_3"][0].interval("rgb", (1, 0, 5)) == ((1, 2), (-18, 22), (2, 42))


def test_a_fully_connected_layer_sees_the_union_of_all_positions() -> None:
    network = positive(nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(2 * 8 * 8, 4)))
    field = check(image(network), rgb(2, 8), network, (1, 0, 0), layer="3")
    assert field.streams["rgb"] == (Field(0, 1, 1), Field(-1, 0, 10), Field(-1, 0, 10))


class Residual(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, 1, 1)
        self.skip = nn.Conv2d(before, after, 1, stride) if stride > 1 or before != after else nn.Identity()
        self.end = nn.Softplus()

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(self.norm(self.first(x)).relu_())
        y += self.skip(x)
        return self.end(y)


def test_residual_sums_see_the_union_of_both_branches() -> None:
    network = positive(nn.Sequential(nn.Conv2d(3, 4, 7, 2, 3), Residual(4, 4, 1), Residual(4, 6, 2), Residual(6, 6, 1)))
    # The first convolution sees 7; blocks at strides 2, 2 then 4, and 4 add 8, 12 and 16.
    field = check(image(network), rgb(1, 64), network, (0, 8, 7), layer="3.end")
    assert field.length("rgb") == (1, 43, 43)
    assert field.stride("rgb")[1:] == (4, 4)


def test_global_context_that_scales_channels_makes_every_position_see_all() -> None:
    class Squeeze(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)
            self.end = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return self.end(x * x.mean((2, 3), keepdim=True).sigmoid())

    network = positive(Squeeze())
    field = check(image(network), rgb(1, 8), network, (0, 3, 3), layer="end")
    assert field.stride("rgb")[1:] == (0, 0)


def test_convolutions_over_time_stride_in_frames() -> None:
    network = positive(
        nn.Sequential(
            nn.Conv3d(3, 2, (5, 3, 3), (2, 2, 2), (2, 1, 1)),
            nn.Tanh(),
            nn.AvgPool3d((2, 1, 1)),
            nn.Conv3d(2, 2, (3, 1, 1)),
        )
    )
    field = check(video(network), rgb(20, 12), network, (1, 2, 3), layer="3")
    assert field.streams["rgb"] == (Field(-2, 4, 15), Field(-1, 2, 3), Field(-1, 2, 3))


def test_a_2d_network_on_stacked_flow_sees_all_frames_of_the_stack() -> None:
    stream = flow_stacks(1, size=16)
    network = positive(nn.Sequential(nn.Conv2d(20, 3, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2)))
    inputs = {"flow": torch.zeros(1, *stream.shape, dtype=torch.float64)}

    def run(inputs: Mapping[str, Tensor]) -> Tensor:
        return network(stream.to_network(inputs["flow"])[:, :, 0])

    field = check(run, inputs, network, (0, 3, 3), layer="2")
    assert field.streams["flow"] == (Field(0, 0, 10), Field(-1, 2, 4), Field(-1, 2, 4))


@pytest.mark.parametrize(("length", "step", "stride"), [(4, 4, 4), (4, 2, 2), (3, 1, 1), (4, 9, 4)])
def test_stacks_of_flow_over_time_are_followed_through_windows(length: int, step: int, stride: int) -> None:
    stream = flow_stacks(3, length=length, step=step, size=12)
    network = positive(nn.Sequential(nn.Conv3d(2 * length, 2, (1, 3, 3)), nn.Tanh(), nn.Conv3d(2, 2, (2, 1, 1))))
    inputs = {"flow": torch.zeros(1, *stream.shape, dtype=torch.float64)}

    def run(inputs: Mapping[str, Tensor]) -> Tensor:
        return network(stream.to_network(inputs["flow"]))

    assert check(run, inputs, network, (2, 3, 4), layer="0").streams["flow"][0] == Field(0, stride, length)
    assert check(run, inputs, network, (1, 3, 4), layer="2").streams["flow"][0] == Field(0, stride, length + stride)


@pytest.mark.parametrize("layout", ["n c t h w", "n t c h w", "(n t) c h w"])
def test_every_layout_of_a_stream_gives_the_same_physical_field(layout: str) -> None:
    stream = rgb_frames(4, size=16, layout=layout, mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.2))
    network = positive(nn.Conv2d(3, 2, 5, 2, 1))

    def run(inputs: Mapping[str, Tensor]) -> Tensor:
        x = stream.to_network(inputs["rgb"])
        if layout == "n c t h w":
            x = x.transpose(1, 2)
        return network(x.reshape(-1, 3, 16, 16))

    field, shape = receptive_fields(run, rgb(4, 16), {"conv": network})["conv"]
    assert shape == (4, 2, 7, 7)
    assert field == ReceptiveField({"rgb": (Field(0, 1, 1), Field(-1, 2, 5), Field(-1, 2, 5))})


class TwoRates(nn.Module):
    """Frames and, at four times their rate, flow; a convolution over both, then a mean over time."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = nn.Conv2d(3, 2, 3, padding=1)
        self.fast = nn.Conv3d(2, 2, (5, 3, 3), (4, 1, 1), (2, 1, 1))
        self.fused = nn.Conv3d(4, 3, 3, padding=1)
        self.pooled = nn.AdaptiveAvgPool3d(1)
        self.scores = nn.Linear(3, 2)

    def forward(self, frames: Tensor, flow: Tensor) -> Tensor:
        count = frames.shape[2]
        slow = self.slow(frames.transpose(1, 2).flatten(0, 1)).unflatten(0, (-1, count)).transpose(1, 2)
        fused = self.fused(torch.cat([slow, self.fast(flow)], 1)).tanh()
        return self.scores(self.pooled(fused).flatten(1))


def test_two_streams_of_different_rates_have_fields_in_their_own_frames() -> None:
    network = positive(TwoRates())
    inputs = {
        "rgb": torch.zeros(1, 3, 4, 10, 10, dtype=torch.float64),
        "flow": torch.zeros(1, 2, 16, 10, 10, dtype=torch.float64),
    }

    def run(inputs: Mapping[str, Tensor]) -> Tensor:
        return network(inputs["rgb"], inputs["flow"])

    found = fields(run, inputs, network)
    assert set(found["slow"][0].streams) == {"rgb"}
    assert set(found["fast"][0].streams) == {"flow"}
    field = check(run, inputs, network, (2, 5, 5), layer="fused")
    assert field.streams["rgb"] == (Field(-1, 1, 3), Field(-2, 1, 5), Field(-2, 1, 5))
    assert field.streams["flow"] == (Field(-6, 4, 13), Field(-2, 1, 5), Field(-2, 1, 5))
    # The last frame of flow is seen by a position behind the last one, which is padding: a bound at the border.
    check(run, inputs, network, (0, 0, 0), layer="scores", equal=False)
    with pytest.raises(NetworkError, match="does not see stream 'flow'; it sees rgb"):
        found["slow"][0].length("flow")


def test_frames_taken_every_fourth_have_a_stride_of_four() -> None:
    network = positive(nn.Conv3d(3, 2, (3, 1, 1)))
    inputs = rgb(16, 6)
    holder = nn.ModuleDict({"conv": network})
    field = check(lambda x: network(x["rgb"][:, :, 1::4]), inputs, holder, (1, 2, 2), layer="conv")
    assert field.streams["rgb"][0] == Field(1, 4, 9)
    uneven = torch.linspace(0, 15, 7).long()
    field = check(
        lambda x: network(x["rgb"].index_select(2, uneven)), inputs, holder, (1, 2, 2), layer="conv", equal=False
    )
    assert field.bounded_by == ("index_select",)


def test_dilated_and_grouped_convolutions_and_ceiling_pools_are_exact() -> None:
    network = positive(
        nn.Sequential(
            nn.Conv2d(3, 6, 3, dilation=3, padding=3),
            nn.Tanh(),
            nn.Conv2d(6, 6, 3, groups=6),
            nn.AvgPool2d(3, 2, 1, True),
        )
    )
    field = check(image(network), rgb(1, 30), network, (0, 6, 7), layer="3")
    assert field.length("rgb") == (1, 11, 11)


class Block(nn.Module):
    def __init__(self, width: int, *, fused: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.fused = fused

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, tokens, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        if self.fused:
            mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        else:
            mixed = (q @ k.transpose(-2, -1)).softmax(-1) @ v
        return x + self.out(mixed.transpose(1, 2).reshape(n, tokens, width))


class Transformer(nn.Module):
    def __init__(self, *, fused: bool) -> None:
        super().__init__()
        self.patches = nn.Conv3d(3, 8, (2, 4, 4), (2, 4, 4))
        self.first = nn.Parameter(torch.zeros(1, 1, 8))
        self.places = nn.Parameter(torch.zeros(1, 2 * 9 + 1, 8))
        self.start = nn.Identity()
        self.block = Block(8, fused=fused)
        self.end = nn.LayerNorm(8)
        self.scores = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = self.start(torch.cat([self.first.expand(tokens.shape[0], -1, -1), tokens], 1) + self.places)
        return self.scores(self.end(self.block(tokens))[:, 0])


@pytest.mark.parametrize("fused", [True, False])
def test_attention_sees_the_whole_input_and_patches_their_own(fused: bool) -> None:
    network = Transformer(fused=fused).double().eval()
    everything = (Field(0, 0, 4), Field(0, 0, 12), Field(0, 0, 12))
    patches = check(video(network), rgb(4, 12), network, (1, 2, 0), layer="patches")
    assert patches.streams["rgb"] == (Field(0, 2, 2), Field(0, 4, 4), Field(0, 4, 4))
    assert check(video(network), rgb(4, 12), network, (0, 0, 3), layer="start", equal=False).bounded_by == ("cat",)
    assert check(video(network), rgb(4, 12), network, (0, 0, 3), layer="block").streams["rgb"] == everything
    assert check(video(network), rgb(4, 12), network, (0, 0, 0), layer="scores").streams["rgb"] == everything


@pytest.mark.parametrize("training", [True, False])
def test_the_attention_layers_of_torch_see_all_tokens(training: bool) -> None:
    network = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), nn.Identity())
    network.double().train(training)

    def run(inputs: Mapping[str, Tensor]) -> Tensor:
        return network(inputs["rgb"].unfold(4, 8, 8)[0, :, 0].flatten(1, 2))

    field, _ = receptive_fields(run, rgb(1, 16), {"end": network[1]})["end"]
    assert field.exact
    assert field.streams["rgb"] == (Field(0, 0, 1), Field(0, 0, 16), Field(0, 0, 16))


def test_attention_inside_windows_sees_its_window_only() -> None:
    class Windowed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 4, 2, 2)
            self.block = Block(4, fused=True)
            self.merge = nn.Conv2d(4, 4, 4, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = self.patches(x).permute(0, 2, 3, 1)
            n, h, w, c = x.shape
            windows = x.view(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
            y = self.block(windows).view(n, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
            return self.merge((x + y).permute(0, 3, 1, 2))

    network = Windowed().double()
    field = check(image(network), rgb(2, 24), network, (1, 2, 1), layer="merge", equal=True)
    t, y, x = field.streams["rgb"]
    assert t == Field(0, 1, 1)
    assert y.stride == x.stride == 8
    assert gradient_extent(image(network), rgb(2, 24), network.merge, (1, 2, 1), 0, axes=Axes(4, 0, 1, inner=2))[
        "rgb"
    ] == (
        (1, 2),
        (16, 24),
        (8, 16),
    )


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_see_no_less_than_the_gradient_says(kind: type[nn.RNNBase]) -> None:
    network = nn.ModuleDict({"frame": nn.Conv2d(3, 4, 8), "over_time": kind(4, 5, batch_first=True)}).double()

    def run(inputs: Mapping[str, Tensor]) -> Any:
        features = network["frame"](inputs["rgb"].transpose(1, 2).flatten(0, 1)).flatten(1)
        return network["over_time"](features.unflatten(0, (1, -1)))

    check(run, rgb(4, 8), network, (2, 0, 0), layer="over_time", equal=False)


@pytest.mark.parametrize("way", ["assigned", "concatenated", "padded"])
def test_channels_shifted_in_time_see_their_neighbors(way: str) -> None:
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            x = x.transpose(1, 2)
            zero = torch.zeros_like(x[:, :1, :1])
            if way == "assigned":
                y = torch.zeros_like(x)
                y[:, :-1, :1] = x[:, 1:, :1]
                y[:, 1:, 1:2] = x[:, :-1, 1:2]
                y[:, :, 2:] = x[:, :, 2:]
            elif way == "concatenated":
                back, ahead = torch.cat([x[:, 1:, :1], zero], 1), torch.cat([zero, x[:, :-1, 1:2]], 1)
                y = torch.cat([back, ahead, x[:, :, 2:]], 2)
            else:
                back, ahead = (
                    nn.functional.pad(x[:, :, :1], (0, 0) * 3 + (-1, 1)),
                    nn.functional.pad(x[:, :, 1:2], (0, 0) * 3 + (1, -1)),
                )
                y = torch.cat([back, ahead, x[:, :, 2:]], 2)
            return self.conv(y.flatten(0, 1))

    network = positive(Shifted())
    field = check(video(network), rgb(6, 8), network, (2, 4, 4), layer="conv")
    assert field.streams["rgb"] == (Field(-1, 1, 3), Field(-1, 1, 3), Field(-1, 1, 3))


def test_frames_run_in_a_loop_and_stacked_keep_their_time() -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frame = nn.Conv2d(3, 2, 3)
            self.clip = nn.Conv3d(2, 2, (2, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            return self.clip(torch.stack([self.frame(x[:, :, 2 * k]) for k in range(4)], 2))

    network = positive(Loop())
    assert check(video(network), rgb(8, 8), network, (1, 2, 3), layer="clip").streams["rgb"][0] == Field(0, 2, 3)
    check(video(network), rgb(8, 8), network, (0, 2, 3), layer="frame")


def test_branches_side_by_side_see_the_union() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide = nn.Conv2d(3, 2, 5, padding=2)
            self.pool = nn.AvgPool2d(3, 1, 1)
            self.end = nn.Conv2d(5, 1, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.end(torch.cat([self.wide(x), self.pool(x)], 1))

    network = positive(Branches())
    assert check(image(network), rgb(2, 12), network, (1, 5, 5), layer="end").length("rgb") == (1, 5, 5)


@pytest.mark.parametrize(
    ("make", "exact"),
    [
        (lambda x: nn.functional.interpolate(x, scale_factor=2), False),
        (lambda x: nn.functional.interpolate(x, scale_factor=2, mode="bilinear"), False),
        (lambda x: nn.functional.adaptive_avg_pool2d(x, 5), False),
        (lambda x: nn.functional.adaptive_avg_pool2d(x, 4), True),
        (lambda x: nn.functional.pad(x, (2, 2, 2, 2), mode="reflect"), False),
        (lambda x: nn.functional.pad(x, (2, 2, 2, 2), mode="circular"), False),
        (lambda x: nn.functional.pad(x, (2, 2, 2, 2), mode="replicate"), False),
        (lambda x: nn.functional.conv_transpose2d(x, torch.ones(3, 3, 3, 3, dtype=x.dtype), stride=2), False),
        (lambda x: nn.functional.pixel_unshuffle(x, 2)[:, :3], None),
        (lambda x: x.roll(3, 2), False),
        (lambda x: x.flip(3), True),
        (lambda x: x.cumsum(2), False),
        (lambda x: torch.fft.ifft2(torch.fft.fft2(x)).real, False),
        (lambda x: x.softmax(3), True),
        (nn.functional.instance_norm, True),
        (lambda x: nn.functional.unfold(x, 3, padding=1)[:, :3].reshape(x.shape), None),
        (lambda x: x.as_strided(x.shape, x.stride()), False),
        (lambda x: torch.where(x > 0, x, x.mean()), None),
        (lambda x: x.repeat(1, 1, 2, 1), None),
        (lambda x: torch.cat([x[:, :0], x], 1), True),
        (lambda x: x[:, :, [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]], False),
        (lambda x: x[:, :, [0, 0, 1, 1, 2, 2, 4, 4, 5, 5, 6, 6]], None),
        (lambda x: x.max(2, keepdim=True).values.expand_as(x), True),
        (lambda x: x - x.mean(), True),
        (lambda x: nn.functional.glu(x.repeat(1, 2, 1, 1), 1), True),
        (lambda x: nn.functional.max_pool2d(x, 3, 2, 1, ceil_mode=True), True),
        (lambda x: nn.functional.local_response_norm(x, 2), True),
        (lambda x: x.permute(0, 2, 3, 1).contiguous().flatten(1).reshape(2, 12, 12, 3).permute(0, 3, 1, 2), True),
        (lambda x: nn.functional.grid_sample(x, torch.zeros(2, 12, 12, 2, dtype=x.dtype), align_corners=False), False),
        (lambda x: x.clone().index_put((torch.tensor([0]),), x[1]), False),
        (lambda x: x.sort(2).values, False),
        (lambda x: torch.einsum("nchw,nchv->nchw", x, x), None),
    ],
)
def test_operations_without_a_simple_field_are_bounds_that_hold(
    make: Callable[[Tensor], Tensor], exact: bool | None
) -> None:
    conv = nn.Conv2d(3, 2, 3, padding=1).double()
    holder = nn.ModuleDict({"conv": conv})
    for position in ((0, 0, 0), (1, 2, 1), (1, 3, 3)):
        field = check(image(lambda x: conv(make(x))), rgb(2, 12), holder, position, layer="conv", equal=False)
    if exact is not None:
        assert field.exact is exact


def test_an_unknown_operation_sees_everything_and_is_named() -> None:
    conv = nn.Conv2d(3, 2, 3, padding=1).double()
    run = image(lambda x: conv(torch.fft.fft2(x).real))
    field, _ = receptive_fields(run, rgb(1, 12), {"conv": conv})["conv"]
    assert not field.exact
    assert "_fft_c2c" in field.bounded_by
    assert field.streams["rgb"][1] == Field(0, 0, 12)


def test_inference_mode_inside_a_network_changes_nothing() -> None:
    network = positive(nn.Sequential(nn.Conv2d(3, 2, 3, padding="same"), nn.Flatten(2), nn.Linear(64, 3)))

    def guarded(inputs: Mapping[str, Tensor]) -> Any:
        with torch.inference_mode():
            return image(network)(inputs)

    assert fields(guarded, rgb(2, 8), network) == fields(image(network), rgb(2, 8), network)


_stage = st.tuples(
    st.sampled_from(["conv", "pool", "dilated", "residual"]),
    st.tuples(st.integers(1, 3), st.integers(1, 4)),  # kernel in time and space
    st.tuples(st.integers(1, 2), st.integers(1, 2)),  # stride
)


def _built(stages: list[tuple[str, tuple[int, int], tuple[int, int]]]) -> nn.Module:
    parts: list[nn.Module] = []
    for kind, (kt, ks), (st_, ss) in stages:
        kernel, stride = (kt, ks, ks), (st_, ss, ss)
        padding = tuple(k // 2 for k in kernel)
        if kind == "pool":
            parts.append(nn.AvgPool3d(kernel, stride, padding, count_include_pad=False))
        elif kind == "dilated":
            parts.append(nn.Conv3d(1, 1, kernel, stride, padding, dilation=(1, 2, 2)))
        elif kind == "conv":
            parts.append(nn.Conv3d(1, 1, kernel, stride, padding))
        else:
            parts.append(_Sum(kt, ks))
    return positive(nn.Sequential(*parts))


class _Sum(nn.Module):
    def __init__(self, kt: int, ks: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 1, (2 * kt - 1, 2 * ks - 1, 2 * ks - 1), padding=(kt - 1, ks - 1, ks - 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x)


@settings(max_examples=40, deadline=None)
@given(st.lists(_stage, min_size=1, max_size=5))
def test_random_stacks_agree_with_the_gradient(stages: list[tuple[str, tuple[int, int], tuple[int, int]]]) -> None:
    network = _built(stages)
    last = str(len(stages) - 1)
    inputs = {"rgb": torch.zeros(1, 1, 12, 40, 40, dtype=torch.float64)}
    field, shape = receptive_fields(video(network), inputs, {last: network.get_submodule(last)})[last]
    middle = (shape[2] // 2, shape[3] // 2, shape[4] // 2)
    measured = gradient_extent(
        video(network), inputs, network.get_submodule(last), middle, 0, axes=Axes(5, 0, 1, 2), samples=1
    )["rgb"]
    assert field.exact
    for (low, high), (first, end), size, axis in zip(
        field.interval("rgb", middle), measured, (12, 40, 40), field.streams["rgb"], strict=True
    ):
        if low >= 0 and high <= size:
            assert (low, high) == (first, end), axis
        assert low <= first and end <= high


def test_nothing_is_kept_alive_or_left_behind() -> None:
    made: list[weakref.ref[Tensor]] = []
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))

    def run(inputs: Mapping[str, Tensor]) -> Tensor:
        x = inputs["rgb"][:, :, 0]
        for layer in network:
            x = layer(x)
            assert sum(ref() is not None for ref in made) <= 1
            made.append(weakref.ref(x))
        return x

    inputs = {"rgb": torch.zeros(1, 3, 1, 16, 16)}
    receptive_fields(run, inputs, {"2": network[2]})
    gc.collect()
    assert not any(ref() is not None for ref in made)
    assert not any(part._forward_hooks for part in network.modules())


def test_an_error_inside_the_network_leaves_no_mode_and_no_hook() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(5, 5))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        fields(image(network), {"rgb": torch.zeros(1, 3, 1, 16, 16)}, network)
    assert _get_current_dispatch_mode() is None
    assert torch.is_grad_enabled()
    assert not any(part._forward_hooks for part in network.modules())


def test_a_stream_that_is_absent_stays_absent() -> None:
    network = nn.Conv3d(3, 2, 3)
    given = {"rgb": torch.zeros(1, 3, 3, 8, 8), "flow": None}
    field, _ = receptive_fields(lambda x: network(x["rgb"]) if x["flow"] is None else None, given, {"c": network})["c"]
    assert set(field.streams) == {"rgb"}


def test_bad_inputs_and_positions_are_said_in_one_line() -> None:
    network = nn.Conv2d(3, 2, 3)
    with pytest.raises(NetworkError, match=re.escape("stream 'rgb' has shape (3, 8, 8); expected (clip, channel")):
        receptive_fields(image(network), {"rgb": torch.zeros(3, 8, 8)}, {"conv": network})
    with pytest.raises(
        NetworkError, match=re.escape("position (0, 9, 0) of channel 1 is outside the layer's output (1, 2, 1, 6, 6).")
    ):
        gradient_extent(image(network), {"rgb": torch.zeros(1, 3, 1, 8, 8)}, network, (0, 9, 0), 1, axes=Axes(4, 0, 1))
