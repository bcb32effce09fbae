"""Positions lie where the layer got them from: what a moved patch changes most is the token of its place."""

from itertools import product
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from marey.network.network import Network
from marey.network.receptive_field import Field
from marey.network.stream import rgb_frames

ORDERS = (
    "time_first",
    "space_first",
    "backwards",
    "class_token_first",
    "class_token_last",
    "registers",
    "shifted_windows",
    "frames_in_batch",
)
CELLS = (Field(0, 2, 2), Field(0, 4, 4), Field(0, 4, 4))


def found_places(network: Network, layers: list[str], sizes: tuple[int, int, int]) -> dict[str, list[bool]]:
    """For every patch (frames, rows, columns): does its change change each layer most where the patch lies?"""
    (stream,) = network.streams
    generator = torch.Generator().manual_seed(0)
    first, other = torch.rand(2, *stream.shape, generator=generator)
    corners = list(product(*(range(0, full, part) for full, part in zip(stream.shape[1:], sizes, strict=True))))
    clips = first.repeat(len(corners) + 1, 1, 1, 1, 1)
    boxes = [tuple(slice(low, low + part) for low, part in zip(one, sizes, strict=True)) for one in corners]
    for clip, box in zip(clips[1:], boxes, strict=True):
        clip[:, *box] = other[:, *box]
    found: dict[str, list[bool]] = {layer: [] for layer in layers}
    with torch.no_grad():
        volumes = network.activations({stream.name: clips}, layers)
    for layer, volume in volumes.items():
        patch = network.layer(layer).patch
        assert patch is not None
        for change, corner in zip((volume[1:] - volume[:1]).norm(dim=1), corners, strict=True):
            t, y, x = (int(place) for place in torch.unravel_index(change.argmax(), change.shape))
            cell = patch.interval(stream.name, (t, y, x))
            inside = [low < at + part and high > at for (low, high), at, part in zip(cell, corner, sizes, strict=True)]
            found[layer].append(all(inside))
    return found


@pytest.mark.parametrize("order", ORDERS)
def test_a_token_lies_where_a_moved_patch_lies(token_networks: ModuleType, order: str) -> None:
    network = token_networks.transformer(order)
    layers = ["blocks.0.norm", "blocks.0.mlp.2", "blocks.0", "blocks.1.mlp.2", "blocks.1"]
    for name in [*layers, "blocks.1.joined"]:
        layer = network.layer(name)
        assert layer.positions == token_networks.GRID
        assert layer.unplaced == token_networks.ORDERS[order][1]
        assert layer.patch is not None and layer.patch.streams == {"rgb": CELLS}
    for name, hits in found_places(network, layers, token_networks.PATCH).items():
        assert sum(hits) >= 0.95 * len(hits), (name, hits)


def test_a_token_sees_its_patch_before_attention_and_everything_after(token_networks: ModuleType) -> None:
    network = token_networks.transformer("space_first")
    assert network.layer("blocks.0.norm").receptive_field.streams == {"rgb": CELLS}
    assert network.layer("blocks.0").receptive_field.length("rgb") == (4, 16, 16)


@pytest.mark.parametrize("order", ["time_first", "class_token_last"])
def test_heads_that_are_kept_apart_have_units_of_their_own(token_networks: ModuleType, order: str) -> None:
    network = token_networks.transformer(order)
    clip = {"rgb": torch.rand(2, 3, 4, 16, 16)}
    with torch.no_grad():
        found = network.activations(clip, ["blocks.1.kept", "blocks.1.joined"])
    assert network.layer("blocks.1.kept").units == token_networks.WIDTH
    assert network.layer("blocks.1.kept").unplaced == token_networks.ORDERS[order][1]
    torch.testing.assert_close(found["blocks.1.kept"], found["blocks.1.joined"])


class Gated(nn.Module):
    """Maps weighed by what is seen in all of the clip (squeeze and excitation), then pooled; the border is padded."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gate = nn.Conv3d(3, 4, 3, padding=1), nn.Linear(4, 4)
        self.norm, self.pool = nn.GroupNorm(2, 4), nn.MaxPool3d((1, 3, 3), (1, 2, 2), padding=(0, 1, 1))

    def forward(self, clip: Tensor) -> Tensor:
        maps = self.conv(clip)
        maps = maps * (maps > -1) + torch.where(maps < 1, maps, 1)
        weights = self.gate(maps.mean((2, 3, 4))).sigmoid()
        pooled: Tensor = self.pool(self.norm(maps * weights[:, :, None, None, None]))
        return pooled


def test_maps_that_see_the_whole_clip_still_lie_where_they_came_from() -> None:
    network = Network(Gated().eval(), [rgb_frames(3, size=8)])
    layer = network.layer("pool")
    assert layer.receptive_field.stride("rgb") == (0, 0, 0) and network.axes["pool"].grid is None
    assert layer.patch is not None and layer.patch.streams == {"rgb": (Field(0, 1, 1), Field(0, 2, 2), Field(0, 2, 2))}


class Sorted(nn.Module):
    """Tokens in the order of their size."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.last = nn.Conv2d(3, 4, 4, stride=4), nn.Linear(4, 4)

    def forward(self, frame: Tensor) -> Tensor:
        tokens = self.embed(frame).flatten(2).mT
        index = tokens.norm(dim=2).argsort(1)[..., None].expand_as(tokens)
        last: Tensor = self.last(tokens.gather(1, index))
        return last


class Averaged(nn.Module):
    """A token for each quarter of the channels, none of which belongs anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.last = nn.Conv2d(3, 16, 4, stride=4), nn.Linear(4, 4)

    def forward(self, frame: Tensor) -> Tensor:
        last: Tensor = self.last(self.embed(frame).mean((2, 3)).unflatten(1, (4, 4)))
        return last


@pytest.mark.parametrize("module", [Sorted(), Averaged()])
def test_where_tokens_lie_is_not_known_if_what_is_seen_decides_or_nothing_does(module: nn.Module) -> None:
    network = Network(module, [rgb_frames(1, size=8, layout="n c h w")])
    layer = network.layer("last")
    assert layer.patch is None and layer.positions == (1, 1, 4)


def test_frames_that_are_averaged_have_a_place_in_time_alone() -> None:
    class Frames(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.last = nn.Conv3d(3, 4, (2, 4, 4), stride=(2, 4, 4)), nn.TransformerEncoderLayer(4, 1, 8)

        def forward(self, clip: Tensor) -> Tensor:
            last: Tensor = self.last(self.embed(clip).mean((3, 4)).permute(2, 0, 1))  # time clip channel
            return last

    layer = Network(Frames().eval(), [rgb_frames(6, size=8)]).layer("last")
    assert layer.positions == (3, 1, 1)
    assert layer.patch is not None and layer.patch.streams == {"rgb": (Field(0, 2, 2), Field(0, 0, 8), Field(0, 0, 8))}
