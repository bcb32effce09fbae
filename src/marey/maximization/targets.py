"""What is asked for, as the loop takes it: normalized objectives, each with the part of the input that it sees."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from marey.errors import NetworkError
from marey.maximization.objectives import Activation, Objective, Projection, Term, unit
from marey.maximization.recipe import Where
from marey.network.maxima import noise_clips, unit_maxima
from marey.network.network import Network
from marey.network.region import Region, region_of, whole
from marey.network.unit import Unit

Target = str | Unit | Objective


@dataclass(frozen=True)
class Goal:
    """One objective with all that its runs at every slowness share.

    objective, label
        as it was asked for.
    region, normalized
        what it sees; the objective in parts of the real maximum, with the region's positions.
    maximum, on_real_clips
        what a single unit's score is a part of; whether all maxima are those of real clips.
    raised
        whether that is a tenth of the layer's median instead, since the unit hardly answers the clips.
    everywhere
        whether a mean over all positions of a layer that has several is asked for.
    """

    objective: Objective
    label: str
    region: Region
    normalized: Objective
    maximum: float | None
    on_real_clips: bool
    raised: bool = False
    everywhere: bool = False

    @property
    def maximum_source(self) -> str:
        """What scores are parts of, in words."""
        clips = "real clips" if self.on_real_clips else "generated clips"
        return f"a tenth of the layer's median on {clips}" if self.raised else clips


def goals_of(network: Network, targets: Sequence[Target], *, where: Where) -> list[Goal]:
    """The goals behind `targets`; layers without real maxima are measured on generated clips.

    Objectives of the same place share one region object. Raises NetworkError for an address that does not exist.
    """
    found = [_objective(network, target, where) for target in targets]
    layers = sorted(frozenset().union(*(objective.layers for objective, _ in found)))
    missing = [layer for layer in layers if layer not in network.maxima]
    maxima = {**network.maxima, **(unit_maxima(network, noise_clips(network, count=8), missing) if missing else {})}
    regions: dict[tuple[frozenset[str], tuple[int, int, int] | None], Region] = {}
    goals = []
    for objective, label in found:
        place = _place(objective)
        key = (objective.layers, place)
        if key not in regions:
            (layer, *others) = sorted(objective.layers)
            one = place is not None and not others
            regions[key] = region_of(network, Unit(layer, 0, place)) if one else whole(network, objective.layers)
        region = regions[key]
        normalized, maximum, raised = _normalized(network, objective, maxima)
        if region.position is not None:
            normalized = normalized.moved(region.position)
        on_real_clips = not any(layer in missing for layer in objective.layers)
        everywhere = place is None and not any(network.gives_scores(layer) for layer in objective.layers)
        goals.append(Goal(objective, label, region, normalized, maximum, on_real_clips, raised, everywhere))
    return goals


def _objective(network: Network, target: Target, where: Where) -> tuple[Objective, str]:
    """The objective with a position wherever one is meant, and its name."""
    if isinstance(target, Objective):
        objective = target.checked(network)
        label = str(objective)
    else:
        address = network.unit(target)
        objective = unit(address)
        label = network.label(address)
    if not objective.layers:
        raise NetworkError(f"the objective '{objective}' reads no activation; add a unit or a direction to it.")
    placed: list[tuple[Term, float]] = []
    for term, weight in objective.terms:
        position = _position(term)
        if isinstance(term, Activation | Projection) and position is None:
            layer = network.layer(term.unit.layer if isinstance(term, Activation) else term.layer)
            central = where == "center" and not network.gives_scores(layer.name)
            if central or layer.positions == (1, 1, 1):
                placed.append((term.moved(layer.center), weight))
                continue
        placed.append((term, weight))
    return Objective.of(placed), label


def _position(term: Term) -> tuple[int, int, int] | None:
    if isinstance(term, Activation):
        return term.unit.position
    return term.position if isinstance(term, Projection) else None


def _place(objective: Objective) -> tuple[int, int, int] | None:
    """The position that all scored terms share; None where they differ."""
    places = {_position(term) for term, _ in objective.scored.terms}
    return places.pop() if len(places) == 1 else None


def _normalized(
    network: Network, objective: Objective, maxima: Mapping[str, Tensor]
) -> tuple[Objective, float | None, bool]:
    """The objective in parts of the real maximum, and, where it is a single unit, that maximum and if it was raised.

    Of a mean over all positions it is about the largest mean on real clips: see `_crowded`.
    """
    terms: list[tuple[Term, float]] = []
    single, raised = 0.0, False
    for term, weight in objective.terms:
        size = 1.0
        if isinstance(term, Activation):
            size = float(maxima[term.unit.layer][term.unit.channel])
            alive = maxima[term.unit.layer][maxima[term.unit.layer] > 1e-6]
            typical = float(alive.median()) if len(alive) else 1.0
            raised = size < 0.1 * typical
            size = max(size, 0.1 * typical)  # a unit that hardly fires on the clips must not drown its priors
            if term.unit.position is None:
                size /= _crowded(network, term.unit.layer)
            single = size
        elif isinstance(term, Projection):
            size = float((torch.tensor(term.vector) * maxima[term.layer]).square().sum().sqrt().clamp_min(1e-6))
            if term.position is None:
                size /= _crowded(network, term.layer)
        terms.append((term, weight / size))
    alone = len(terms) == 1 and isinstance(objective.terms[0][0], Activation) and objective.terms[0][1] == 1
    return Objective.of(terms), single if alone else None, raised and alone


def _crowded(network: Network, name: str) -> float:
    """How many times as large a unit's real maximum is as the largest mean over all of its positions.

    Taken as the square root of how many positions share what one of them sees: all of them over those that fit in the
    frame side by side. What excites one position most seldom does so to its neighbors.
    """
    layer = network.layer(name)
    if network.gives_scores(name):
        return 1.0
    fit = 1.0
    for axis in range(3):
        fields = [(stream, axes[axis]) for stream, axes in layer.receptive_field.streams.items()]
        sizes = [network.stream(stream).shape[1:][axis] / field.length for stream, field in fields if field.stride > 0]
        fit *= max([1.0, *sizes])
    return max(1.0, math.sqrt(math.prod(layer.positions) / fit))
