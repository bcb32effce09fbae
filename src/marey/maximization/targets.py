"""From what users name to what the loop climbs: an objective, the range its score is relative to, and what it sees."""

from collections.abc import Sequence
from dataclasses import dataclass

from marey.errors import NetworkError
from marey.maximization.choice import moves_alone
from marey.maximization.objectives import Activation, Margin, Objective, Position, Scale, Term, unit
from marey.maximization.recipe import OfClass, Where
from marey.network.crop import Crop, crop_of, whole
from marey.network.gradient import check_gradient, check_seen
from marey.network.maxima import Maxima
from marey.network.measured_maxima import measured_maxima
from marey.network.network import Network
from marey.network.noise_clips import noise_clips
from marey.network.unit import Unit

Named = str | Unit | Objective
"""A class, an address, a unit or an objective."""

_GENERATED = 8
"""Generated clips on which layers without maxima are measured."""


@dataclass(frozen=True)
class Target:
    """One objective with all that its runs at every slowness share.

    objective, label
        as it was named.
    crop
        the part of the input that it sees.
    placed
        the objective with the positions that its units have in the crop.
    scales
        of every term what its value is relative to: the score is the sum of weight * (value - ordinary) / reach.
    source
        on which clips these were measured, in words.
    class_scores
        whether the objective reads class scores.
    raised
        what is maximized in place of the score; None: the score.
    """

    objective: Objective
    label: str
    crop: Crop
    placed: Objective
    scales: tuple[Scale, ...]
    source: str
    class_scores: bool
    raised: Term | None = None


def targets_of(
    network: Network,
    named: Sequence[Named],
    maxima: Maxima | None,
    *,
    where: Where,
    of_class: OfClass | None = None,
) -> list[Target]:
    """The targets behind `named`.

    Ranges come from `maxima`, else from the network's file, else from generated clips. Objectives of the same layers
    and position share one crop. Raises NetworkError for an address that does not exist, and where no gradient
    comes back.
    """
    found = [_objective(network, one, where) for one in named]
    crops: dict[tuple[frozenset[str], Position | None], Crop] = {}
    for objective, _ in found:
        if (key := (objective.layers, objective.position)) not in crops:
            crops[key] = _crop(network, objective)
            check_gradient(crops[key])
    known = [one for one in (maxima, network.maxima) if one is not None]
    missing = {layer for objective, _ in found for layer in objective.layers if not any(layer in one for one in known)}
    if missing:
        known.append(_generated(network, missing))
    targets = []
    for objective, label in found:
        crop = crops[objective.layers, objective.position]
        ranges = Maxima.merged(*(one.only(objective.layers) for one in known))
        scales = tuple(term.scale(ranges) for term, _ in objective.terms)
        placed = objective if crop.position is None else objective.at(crop.position)
        class_scores = any(network.gives_scores(layer) for layer in objective.layers)
        raised = _margin(network, objective, ranges) if _wants_margin(crop, of_class) else None
        targets.append(Target(objective, label, crop, placed, scales, ranges.source, class_scores, raised))
    return targets


def _wants_margin(crop: Crop, of_class: OfClass | None) -> bool:
    return moves_alone(crop) if of_class is None else of_class == "margin"


def _margin(network: Network, objective: Objective, ranges: Maxima) -> Margin | None:
    """The margin of the class that is maximized; None where it is not one class alone."""
    (term, weight), *others = objective.terms
    if others or weight <= 0 or not isinstance(term, Activation) or not network.gives_scores(term.unit.layer):
        return None
    layer = term.unit.layer
    if len(network.classes) == 1:
        return None
    return Margin(term.unit, tuple(ranges.zeros(layer).tolist()), tuple(ranges.reach(layer).tolist()))


def _generated(network: Network, layers: set[str]) -> Maxima:
    clips = noise_clips(network, count=_GENERATED)
    return measured_maxima(network, clips, sorted(layers), source=f"{_GENERATED} generated clips")


def _objective(network: Network, named: Named, where: Where) -> tuple[Objective, str]:
    """The objective with a position wherever one is meant, and its name."""
    if isinstance(named, Objective):
        objective = named.checked(network)
        label = str(objective)
    else:
        address = network.unit(named)
        objective = unit(address)
        label = network.label(address)
    if not objective.terms:
        raise NetworkError(f"the objective '{objective}' has no terms; add a unit or a direction to it.")
    placed = []
    for term, weight in objective.terms:
        layers = [network.layer(name) for name in term.layers]
        if term.position is None and len(layers) == 1:
            (layer,) = layers
            central = where == "center" and not network.gives_scores(layer.name)
            if central or layer.positions == (1, 1, 1):
                term = term.at(layer.center)
        placed.append((term, weight))
    return Objective.of(*placed), label


def _crop(network: Network, objective: Objective) -> Crop:
    """What a neuron sees where one layer is read at one position; else the full frame."""
    layers, position = sorted(objective.layers), objective.position
    for layer in layers:
        check_seen(network, layer)
    if position is None or len(layers) > 1:
        return whole(network, layers)
    return crop_of(network, Unit(layers[0], 0, position))
