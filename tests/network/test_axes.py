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
