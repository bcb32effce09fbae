"""The strongest inputs and outputs of units, computed once and kept in a file of the atlas."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from marey.atlas.folder import AtlasFolder
from marey.findings.ties import Ties, unit_ties
from marey.network.network import Network
from marey.network.unit import Unit
from marey.recording import Recording

_MOST = 6
_VERSION = 2


@dataclass(frozen=True)
class Tied:
    """A unit at the other end of a tie; `moves` is a share of the range of the one that is fed, see `unit_ties`."""

    unit: Unit
    moves: float


@dataclass(frozen=True)
class KeptTies:
    """{unit: the units that feed it}, and {unit: the units that it feeds}, strongest first."""

    inputs: Mapping[Unit, tuple[Tied, ...]]
    outputs: Mapping[Unit, tuple[Tied, ...]]


def kept_ties(
    network: Network, recording: Recording, folder: AtlasFolder, *, report: Callable[[int, int], None]
) -> KeptTies:
    """Compute the ties of all recorded units, or read them where the atlas has them."""
    about = recording.summary
    made_from = [
        _VERSION,
        about["network"]["weights"],
        about["clips"]["sha256"],
        about["settings"],
        list(recording.layers),
    ]
    digest = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:24]
    path = f"ties/{digest}.json"
    text = folder.text(path)
    if text is None:
        text = json.dumps(_written(unit_ties(network, recording, report=report)))
        folder.page(path, text)
    folder.keep(path)
    values = json.loads(text)
    return KeptTies(_read(values["inputs"]), _read(values["outputs"]))


def _written(ties: Ties) -> dict[str, dict[str, list[Any]]]:
    """{"inputs" or "outputs": {layer: for every unit [layer, channel, moves] of the strongest}}."""
    strongest: dict[str, dict[str, list[Any]]] = {"inputs": {}, "outputs": {}}
    for (layer, source), moves in ties.moves.items():
        for which, name, other, rows in (("inputs", layer, source, moves), ("outputs", source, layer, moves.T)):
            found = _strongest(rows, other)
            before = strongest[which].get(name, [[]] * len(found))
            strongest[which][name] = [
                sorted([*old, *new], key=lambda one: -abs(one[2]))[:_MOST]
                for old, new in zip(before, found, strict=True)
            ]
    for group in ties.wiring.alike:
        for of_layers in strongest.values():
            if group[-1] in of_layers:
                of_layers |= dict.fromkeys(group, of_layers[group[-1]])
    return strongest


def _strongest(rows: Tensor, other: str) -> list[list[list[Any]]]:
    order = rows.abs().topk(min(_MOST, rows.shape[1]), dim=1).indices.tolist()
    return [
        [[other, channel, value] for channel in chosen if (value := round(float(row[channel]), 4))]
        for chosen, row in zip(order, rows, strict=True)
    ]


def _read(layers: Mapping[str, Sequence[Any]]) -> dict[Unit, tuple[Tied, ...]]:
    return {
        Unit(name, channel): tuple(Tied(Unit(layer, other), moves) for layer, other, moves in rows)
        for name, units in layers.items()
        for channel, rows in enumerate(units)
    }
