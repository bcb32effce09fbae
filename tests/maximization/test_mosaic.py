"""In a mosaic every unit is excited nearly as much as alone."""

import re
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from marey.errors import NetworkError
from marey.maximization.mosaic import maximize_mosaic
from marey.maximization.recipe import Recipe
from marey.maximization.result import PreferredInput
from marey.maximization.run import maximize
from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.network.stream import rgb_frames
from marey.network.unit import Unit

OPTIONS: dict[str, Any] = {"recipe": Recipe(slowness=(0.0,), steps=64, precision="fp32"), "transforms": ()}


def _padded() -> Network:
    torch.manual_seed(1)
    parts = [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 7, 3, padding=1)]
    nn.init.zeros_(parts[3].bias)
    return Network(nn.Sequential(*parts), [rgb_frames(1, size=24, layout="n c h w")])


@pytest.mark.parametrize("which", ["padded", "unpadded"])
def test_every_unit_is_excited_nearly_as_much_as_alone(which: str, known: ModuleType) -> None:
    if which == "padded":
        network, units = _padded(), [f"3:{k}" for k in range(5)]
    else:
        edges = [(angle, known.RED_GREEN) for angle in (0.0, 60.0, 120.0, 180.0)]
        network, units = known.edge_network(edges), [f"edges:{k}" for k in range(4)]
    layer = units[0].split(":", maxsplit=1)[0]
    maxima = Maxima({layer: torch.full((network.layer(layer).units,), 0.2)})
    alone = [result.scores[0] for result in maximize(network, units, maxima=maxima, **OPTIONS)]
    mosaic = maximize_mosaic(network, units, maxima=maxima, **OPTIONS)
    assert mosaic.provenance["mosaic"] == {"units": units, "rows": 2, "columns": -(-len(units) // 2)}
    reached = _at_home(network, mosaic) / 0.2
    shares = [together / single for together, single in zip(reached.diagonal().tolist(), alone, strict=True)]
    assert min(shares) > 0.5, shares
    assert sum(shares) / len(shares) > 0.75, shares


def _at_home(network: Network, mosaic: PreferredInput) -> Tensor:
    """Activation of every unit (column) at the place of every unit (row)."""
    units = [Unit.parse(address) for address in mosaic.provenance["mosaic"]["units"]]
    places = {term.channel: term.position for term in map(Unit.parse, re.findall(r"[\w.]+:\d+@[\d,]+", mosaic.target))}
    larger = network.resized(*mosaic.frames["rgb"].shape[-2:])
    with torch.no_grad():
        volume = larger.activations(mosaic.inputs(0), [units[0].layer])[units[0].layer][0]
    columns = [unit.channel for unit in units]
    return torch.stack([volume[(columns, *places[unit.channel])] for unit in units])


def test_at_its_place_no_other_unit_responds_as_strongly(known: ModuleType) -> None:
    network = known.edge_network([(angle, known.RED_GREEN) for angle in (0.0, 90.0, 180.0, -90.0)])
    mosaic = maximize_mosaic(network, [f"edges:{k}" for k in range(4)], **OPTIONS)
    assert _at_home(network, mosaic).argmax(1).tolist() == [0, 1, 2, 3]
    assert mosaic.label == "edges:0-3 mosaic"


def test_units_of_several_layers_or_without_places_are_refused() -> None:
    network = _padded()
    with pytest.raises(NetworkError, match="a mosaic shows units of one layer, got 2: 0, 3"):
        maximize_mosaic(network, ["0:1", "3:1"])
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1))
    flat = Network(module, [rgb_frames(1, size=8, layout="n c h w")])
    with pytest.raises(NetworkError, match="layer '1' sees the whole frame: its units cannot share one picture"):
        maximize_mosaic(flat, ["1:0", "1:1"])
