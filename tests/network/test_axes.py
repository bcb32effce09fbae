"""Clips, units and time are found wherever a module puts them: any batch gives the values of each clip alone."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from marey.errors import NetworkError
from marey.network.axes import Axes
from marey.network.crop import crop_of
from marey.network.network import Network
from marey.network.receptive_field import Field
from marey.network.stream import rgb_frames
from marey.network.unit import Unit
from marey.network.volumes import volumes

LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]
_FRAMES = 4
_RGB = rgb_frames(_FRAMES, size=8, layout="n t c h w")

# What stages over maps do to (n, c, t, h, w), and over sequences to (n, t, c): the module, and around it both ways.
_MAPS: dict[str, tuple[Callable[[int], nn.Module], Callable[[nn.Module, Tensor], Tensor]]] = {
    "conv3d": (lambda c: nn.Conv3d(c, 5, 3, padding=1), lambda m, x: m(x)),
    "frames, clip after clip": (
        lambda c: nn.Conv2d(c, 4, 3, padding=1),
        lambda m, x: m(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (len(x), -1)).transpose(1, 2),
    ),
    "frames, time after time": (
        lambda c: nn.Conv2d(c, 6, 3, padding=1),
        lambda m, x: m(x.permute(2, 0, 1, 3, 4).flatten(0, 1)).unflatten(0, (-1, len(x))).permute(1, 2, 0, 3, 4),
    ),
    "frame by frame": (
        lambda c: nn.Sequential(nn.Conv2d(c, 4, 3, padding=1), nn.ReLU()),
        lambda m, x: torch.stack([m(x[:, :, k]) for k in range(x.shape[2])], 2),
    ),
    "units last": (lambda c: nn.Linear(c, 5), lambda m, x: m(x.permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)),
    "time first, units last": (
        lambda c: nn.Sequential(nn.LayerNorm(c), nn.Linear(c, 4), nn.GELU()),
        lambda m, x: m(x.permute(2, 0, 3, 4, 1)).permute(1, 4, 0, 2, 3),
    ),
    "rows folded between": (  # ((t n h) w c)
        lambda c: nn.Linear(c, 4),
        lambda m, x: (
            m(x.permute(2, 0, 3, 4, 1).flatten(0, 2))
            .unflatten(0, (x.shape[2], len(x), x.shape[3]))
            .permute(1, 4, 0, 2, 3)
        ),
    ),
    "relu": (lambda _: nn.ReLU(), lambda m, x: m(x)),
}
_SEQUENCES: dict[str, tuple[Callable[[int], nn.Module], Callable[[nn.Module, Tensor], Tensor]]] = {
    "lstm": (lambda c: nn.LSTM(c, 5, batch_first=True), lambda m, x: m(x)[0]),
    "lstm, time first": (lambda c: nn.LSTM(c, 4), lambda m, x: m(x.transpose(0, 1))[0].transpose(0, 1)),
    "gru both ways, time first": (
        lambda c: nn.GRU(c, 2, bidirectional=True),
        lambda m, x: m(x.transpose(0, 1))[0].transpose(0, 1),
    ),
    "cells": (lambda c: nn.LSTMCell(c, 4), lambda m, x: torch.stack([m(x[:, k])[0] for k in range(x.shape[1])], 1)),
    "conv1d": (lambda c: nn.Conv1d(c, 4, 3, padding=1), lambda m, x: m(x.transpose(1, 2)).transpose(1, 2)),
    "attention": (
        lambda c: nn.MultiheadAttention(c, 1, batch_first=True),
        lambda m, x: m(x, x, x, need_weights=False)[0],
    ),
    "attention, time first": (
        lambda c: nn.MultiheadAttention(c, 1),
        lambda m, x: m(*[x.transpose(0, 1)] * 3)[0].transpose(0, 1),
    ),
    "encoder, time first": (
        lambda c: nn.TransformerEncoderLayer(c, 1, 6, dropout=0.0),
        lambda m, x: m(x.transpose(0, 1)).transpose(0, 1),
    ),
    "linear": (lambda c: nn.Linear(c, 4), lambda m, x: m(x)),
    "dropout": (lambda _: nn.Sequential(nn.Dropout(0.5), nn.Tanh()), lambda m, x: m(x)),
}


class Stages(nn.Module):
    """Stages in a row, each of which notes what it gave as (clip, unit, position)."""

    def __init__(self, maps: list[str], sequences: list[str]) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        self.around: list[Callable[[nn.Module, Tensor], Tensor]] = []
        self.maps = len(maps)
        self.known: dict[str, Tensor] = {}
        shape = (1, 3, _FRAMES, 6, 6)
        for kinds, names in ((_MAPS, maps), (_SEQUENCES, sequences)):
            given = torch.zeros(shape)
            for name in names:
                make, around = kinds[name]
                part = make(given.shape[1 if kinds is _MAPS else 2])
                given = around(part, given)
                self.stages.append(part)
                self.around.append(around)
            shape = (1, _FRAMES, given.shape[1]) if kinds is _MAPS else shape

    def forward(self, x: Tensor) -> Tensor:
        for number, (part, around) in enumerate(zip(self.stages, self.around, strict=True)):
            if number == self.maps:
                x = x.mean((3, 4)).transpose(1, 2)
            x = around(part, x)
            seen = x.flatten(2) if number < self.maps else x.transpose(1, 2)
            self.known[f"stages.{number}"] = seen.detach()
        return x


@settings(max_examples=40)
@given(
    maps=st.lists(st.sampled_from(sorted(_MAPS)), min_size=1, max_size=3),
    sequences=st.lists(st.sampled_from(sorted(_SEQUENCES)), max_size=3),
    seed=st.integers(0, 3),
)
def test_any_batch_gives_the_values_of_each_clip_alone(maps: list[str], sequences: list[str], seed: int) -> None:
    torch.manual_seed(seed)
    module = Stages(maps, sequences).eval()
    network = Network(module, [rgb_frames(_FRAMES, size=6)])
    names = [f"stages.{number}" for number in range(len(module.stages))]
    assert set(names) <= set(network.layers)
    shown = torch.rand(3, 3, _FRAMES, 6, 6)
    with torch.no_grad():
        alone = [dict(module.known) for clip in shown.split(1) if module(clip) is not None]
    for clips in (1, 2, 3):
        found = network.activations({"rgb": shown[:clips]}, names)
        for name in names:
            values = found[name].flatten(2)
            assert tuple(found[name].shape[1:]) == network.layer(name).shape
            expected = torch.cat([one[name] for one in alone[:clips]])
            torch.testing.assert_close(values, expected, atol=1e-5, rtol=1e-4)


class Mean(nn.Module):
    """Class scores of a convolution over frames, the mean over all of them; `around` runs the convolution."""

    def __init__(self, around: Callable[["Mean", Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.relu, self.fc = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4, 2)
        self.around = around

    def forward(self, clips: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.around(self, clips).mean((1, 3, 4)))
        return scores


def _at_once(net: Mean, clips: Tensor) -> Tensor:
    return net.relu(net.conv(clips.flatten(0, 1))).unflatten(0, clips.shape[:2])


def _by_frame(net: Mean, clips: Tensor) -> Tensor:
    return torch.stack([net.relu(net.conv(frame)) for frame in clips.unbind(1)], 1)


def _backward(net: Mean, clips: Tensor) -> Tensor:
    return torch.stack([net.relu(net.conv(frame)) for frame in reversed(clips.unbind(1))], 1)


def _by_clip(net: Mean, clips: Tensor) -> Tensor:
    return torch.stack([net.relu(net.conv(clip)) for clip in clips])


def _single(net: Mean, clips: Tensor) -> Tensor:
    return net.relu(net.conv(clips.view(_FRAMES, 3, 8, 8))).view(1, _FRAMES, 4, 6, 6)


def _by_image(net: Mean, clips: Tensor) -> Tensor:
    return torch.stack([torch.stack([net.relu(net.conv(image)) for image in clip]) for clip in clips])


def _network(around: Callable[[Mean, Tensor], Tensor]) -> Network:
    return Network(Mean(around).eval(), [_RGB], classes=("a", "b"))


@pytest.mark.parametrize("around", [_by_frame, _by_clip, _single, _by_image])
def test_frames_clips_or_both_in_a_loop_are_read_as_those_at_once(
    around: Callable[[Mean, Tensor], Tensor], left_as_found: LeftAsFound
) -> None:
    network, expected = _network(around), _network(_at_once)
    shown = {"rgb": torch.rand(3, *_RGB.shape)}
    with left_as_found(network.module):
        for layer in ("conv", "relu", "fc"):
            assert network.layer(layer).shape == expected.layer(layer).shape
            assert network.layer(layer).receptive_field == expected.layer(layer).receptive_field
            alike = expected.activations(shown, [layer])[layer]
            torch.testing.assert_close(network.activations(shown, [layer])[layer], alike)
    assert network.axes["conv"].alone == (around is not _by_frame)


@pytest.mark.parametrize("around", [_by_frame, _backward])
def test_calls_are_in_the_order_of_the_pass_and_see_their_own_frame(around: Callable[[Mean, Tensor], Tensor]) -> None:
    network = _network(around)
    layer = network.layer("relu")
    assert (layer.calls, layer.read, layer.note) == (_FRAMES, _FRAMES, None)
    first = Field(0, 1, 1) if around is _by_frame else Field(_FRAMES - 1, -1, 1)
    assert layer.receptive_field.streams["rgb"] == (first, Field(0, 1, 3), Field(0, 1, 3))
    shown = torch.rand(1, *_RGB.shape, requires_grad=True)
    found = network.activations({"rgb": shown}, ["conv"])["conv"]
    (gradient,) = torch.autograd.grad(found[0, :, 1].sum(), shown)
    seen = gradient.abs().sum((0, 1, 3, 4)).nonzero().flatten().tolist()
    assert seen == [1 if around is _by_frame else _FRAMES - 2]


def test_a_position_picks_the_call_and_what_it_sees() -> None:
    crop = crop_of(_network(_by_frame), Unit("conv", 1, (3, 2, 2)))
    assert crop.mode == "unpadded"
    assert crop.corners == {"rgb": (3, 2, 2)} and crop.streams[0].shape == (3, 1, 3, 3)


class Block(nn.Module):
    """One ReLU in two places; frame by frame where `loop` is set."""

    def __init__(self, *, loop: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.loop = loop
        self.one, self.two, self.relu = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()

    def of(self, frames: Tensor) -> Tensor:
        out: Tensor = self.relu(self.two(self.relu(self.one(frames))))
        return out

    def forward(self, clips: Tensor) -> Tensor:
        if self.loop:
            return torch.stack([self.of(frame) for frame in clips.unbind(1)], 1)
        return self.of(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])


@pytest.mark.parametrize("loop", [True, False])
def test_of_a_layer_in_several_places_the_first_is_read_and_that_is_said(loop: bool) -> None:
    module = Block(loop=loop).eval()
    network = Network(module, [_RGB])
    layer = network.layer("relu")
    assert layer.shape == (4, _FRAMES, 6, 6)
    read = "4 of 8 calls are" if loop else "the first of 2 calls is"
    assert layer.note == f"only {read} read: a pass calls 'relu' in several places, or with other sizes"
    shown = torch.rand(2, *_RGB.shape)
    expected = module.one(shown.transpose(1, 2).flatten(0, 1)).relu().unflatten(0, (2, -1)).transpose(1, 2)
    torch.testing.assert_close(network.activations({"rgb": shown}, ["relu"])["relu"], expected)


def test_calls_of_unequal_shapes_are_not_stacked() -> None:
    class Scales(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv3d(3, 4, 3)

        def forward(self, clips: Tensor) -> Tensor:
            return self.conv(clips).mean((2, 3, 4)) + self.conv(clips[..., ::2]).mean((2, 3, 4))

    network = Network(Scales(), [rgb_frames(_FRAMES, size=8)])
    assert network.layer("conv").shape == (4, 2, 6, 6)
    assert network.layer("conv").note is not None


class Beside(nn.Module):
    """Modules of which it is not clear how they lie, or of which nothing is a clip's."""

    def __init__(self) -> None:
        super().__init__()

        class Table(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return torch.ones(1, 4, 5)

        class Mask(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return x > 0

        class Deep(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return x[:, :, None, None, None]

        self.table, self.mask, self.deep, self.conv = Table(), Mask(), Deep(), nn.Conv3d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        for part in (self.table, self.mask, self.deep):
            part(x)
        out: Tensor = self.conv(x)
        return out


def test_a_layer_that_is_not_clear_is_refused_in_one_line() -> None:
    network = Network(Beside(), [rgb_frames(_FRAMES, size=8)], name="Beside")
    assert list(network.layers) == ["conv", "output"]
    assert set(network.unusable) == {"table", "mask", "deep"}
    for layer, reason in (
        ("table", r"gives the same shape \(1, 4, 5\) for one clip and for two, so nothing in it belongs to a clip"),
        ("mask", "it does not give floating-point numbers"),
        ("deep", "has more axes than clips, units, time, height and width"),
    ):
        with pytest.raises(NetworkError, match=f"^layer '{layer}' of Beside cannot be used: .*{reason}") as caught:
            network.unit(f"{layer}:0")
        assert "\n" not in str(caught.value)
    with pytest.raises(NetworkError, match="layer 'mask' of Beside cannot be used"):
        network.activations({"rgb": torch.rand(1, 3, _FRAMES, 8, 8)}, ["mask"])


@pytest.mark.parametrize("kind", ["statistics of the batch", "neighbors"])
def test_clips_that_change_each_other_are_shown_one_at_a_time(kind: str) -> None:
    class Mixing(Mean):
        def __init__(self) -> None:
            super().__init__(_at_once)
            self.norm = nn.BatchNorm2d(4, track_running_stats=False)

        def forward(self, clips: Tensor) -> Tensor:
            maps = self.conv(clips.flatten(0, 1))
            maps = self.relu(self.norm(maps) if kind == "statistics of the batch" else maps + maps.roll(1, 0))
            scores: Tensor = self.fc(maps.mean((2, 3)).unflatten(0, clips.shape[:2]).mean(1))
            return scores

    network = Network(Mixing(), [_RGB])
    assert not network.axes["conv"].alone and network.axes["relu"].alone and network.axes["fc"].alone
    shown = torch.rand(3, *_RGB.shape)
    together = network.activations({"rgb": shown}, ["fc"])["fc"]
    alone = [network.activations({"rgb": clip}, ["fc"])["fc"] for clip in shown.split(1)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_noise_inside_a_network_is_no_reason_to_show_one_clip_at_a_time() -> None:
    network = _network(lambda net, clips: _at_once(net, clips + torch.randn_like(clips)))
    assert not any(axes.alone for axes in network.axes.values())
    assert (network.axes["conv"].outer, network.axes["conv"].inner) == (1, _FRAMES)


def test_units_that_are_all_off_lie_as_the_layer_before_them() -> None:
    class Off(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.off = nn.Conv2d(3, 4, 3), nn.Threshold(1e6, 0.0)

        def forward(self, clips: Tensor) -> Tensor:
            return self.off(self.conv(clips.transpose(0, 1).flatten(0, 1)))

    axes = Network(Off(), [_RGB]).axes
    assert (axes["off"].outer, axes["off"].inner) == (axes["conv"].outer, axes["conv"].inner) == (_FRAMES, 1)


def test_a_norm_that_turns_its_input_has_units_where_it_was_given_them() -> None:
    class Turned(nn.LayerNorm):
        def forward(self, maps: Tensor) -> Tensor:
            return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    network = Network(nn.Sequential(nn.Conv2d(3, 6, 3), Turned(6)), [rgb_frames(1, size=8, layout="n c h w")])
    assert network.layer("1").shape == network.layer("0").shape == (6, 1, 6, 6)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_layers_are_read_while_the_network_runs_as_afterwards(batch: int) -> None:
    network = _network(_by_frame)
    shown = {"rgb": torch.rand(batch, *_RGB.shape)}
    found: dict[str, Tensor] = {}
    with torch.no_grad(), volumes(network, ["conv", "relu", "fc"], batch, found.__setitem__):
        network.forward(shown)
    for layer, values in network.activations(shown, ["conv", "relu", "fc"]).items():
        assert found[layer].equal(values)


def test_values_of_clips_are_spread_over_outputs_as_these_lie() -> None:
    dead = torch.tensor([False, True])
    for axes, shape in (
        (Axes(4, 0, 1, inner=3), (6, 5, 2, 2)),
        (Axes(4, 0, 1, outer=3), (6, 5, 2, 2)),
        (Axes(3, 1, 2, 0), (3, 2, 5)),
    ):
        spread = axes.per_clip(dead, torch.zeros(shape))
        assert spread is not None
        laid = axes.volume([spread.expand(shape).float()], 2)
        assert laid.flatten(1).amin(1).tolist() == laid.flatten(1).amax(1).tolist() == [0.0, 1.0]
    assert Axes(4, 0, 1).per_clip(dead, torch.zeros(3, 5)) is None
