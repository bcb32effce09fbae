"""The weighted priors of a batch, and the weights that are steered while it climbs."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from marey.accelerate.measures import priors_of
from marey.maximization.batches import Batch
from marey.maximization.recipe import Recipe
from marey.maximization.regularizers import VARIATION_SCALE
from marey.network.region import Region

_SEEN = 40
"""Pixels that a unit sees from which on variation is weighed in full: those of VGG's conv3_3."""

_STEERING, _STEERED_RANGE = 0.06, 100.0
"""How fast, per step and unit of lacking score, and how far a strength moves where there is a target."""

_LIFTING, _LIFTED = 0.25, 16.0
"""How fast, per step and unit of lacking score, and how many times as large a strength gets below its floor."""

_LEVELLING, _LEVELLING_SUM, _LEVELLED_RANGE = 1.2, 0.12, 30.0
"""How strongly the logarithm of the ratio to be levelled moves that of a spatial weight, how strongly its sum over the
steps does, and how far."""


def swept(region: Region) -> set[str]:
    """The streams whose temporal variation the chi sweep weighs: those of flow, or else those of RGB."""
    flows = {stream.name for stream in region.streams if stream.kind == "flow"}
    return flows if flows else {stream.name for stream in region.streams}


def prior_weights(batch: Batch, recipe: Recipe, *, kappas: Tensor | None = None) -> dict[str, Tensor]:
    """By stream, the weights (3, input) of energy and of variation in space and in time, as `priors_of` takes them.

    `kappas` weigh the spatial variation of the streams of the sweep, one for each input; None: the recipe's. A pattern
    at half of its size has twice the differences from pixel to pixel: for units that see less than `_SEEN` pixels
    variation counts in parts of what they see. Otherwise the first filters of a network would all want one color. With
    a target it counts in full, as the strength is steered to what the score takes.
    """
    small = min(1.0, batch.region.sees / _SEEN) ** 2 if recipe.target is None else 1.0
    device = batch.region.network.device
    slowness = torch.tensor(batch.slowness, device=device)
    same = torch.ones_like(slowness)
    moving = swept(batch.region)
    weights = {}
    for name, bound in batch.bounds.items():
        share = small * recipe.variation / (bound / VARIATION_SCALE) ** 2
        kappa = kappas if kappas is not None and name in moving else recipe.kappa * same
        chi = recipe.kappa * (slowness if name in moving else recipe.stillness * same)
        weights[name] = torch.stack((recipe.energy * same, share * kappa, share * chi))
    return weights


def prior_terms(
    offsets: Mapping[str, Tensor], batch: Batch, recipe: Recipe, kappas: Tensor | None = None
) -> dict[str, Tensor]:
    """The weighted priors of every input by name: local energy and spatial and temporal variation of every stream."""
    weights = prior_weights(batch, recipe, kappas=kappas)
    terms: dict[str, Tensor] = {}
    for name, offset in offsets.items():
        measures = priors_of(offset, batch.bounds[name], weights[name], exponent=recipe.exponent).measures
        energy, space, time = weights[name] * measures
        terms |= {f"energy of {name}": energy, f"variation of {name} in space": space}
        terms[f"variation of {name} in time"] = time
    return terms


def levelled(sums: Tensor, spatial: Mapping[str, Tensor], batch: Batch, recipe: Recipe) -> tuple[Tensor, Tensor] | None:
    """The spatial weights for the next step: smaller for an input that varies less in space than its reference.

    `spatial` is the mean squared difference of every input by stream. So chi changes time only: along the published
    sweeps the spatial variation is the same within 5 %. A weight follows the ratio itself and its `sums` over the steps
    so far, whose new values come beside the weights. None where there is nothing to level.
    """
    alone = batch.references == tuple(range(len(batch)))
    if recipe.variation == 0 or recipe.kappa == 0 or not batch.references or alone:
        return None
    space: Tensor = sum(spatial[name] / batch.bounds[name] ** 2 for name in swept(batch.region))  # type: ignore[assignment]
    ratio = (space / space[list(batch.references)]).nan_to_num(1.0).clamp(math.exp(-1), math.exp(1)).log()
    reach = math.log(_LEVELLED_RANGE)
    sums = (sums + _LEVELLING_SUM * ratio).clamp(-reach, reach)
    return recipe.kappa * torch.exp((sums + _LEVELLING * ratio).clamp(-reach, reach)), sums


def steered(strengths: Tensor, scores: Tensor, targets: Tensor, recipe: Recipe) -> Tensor:
    """The strengths for the next step: larger below the target, smaller above it, as they were where there is none.

    This climbs the dual of the constrained problem: the smallest priors among inputs whose score reaches the target.
    """
    return _steered(strengths, scores, targets, recipe, rate=_STEERING, reach=(1 / _STEERED_RANGE, _STEERED_RANGE))


def lifted(strengths: Tensor, scores: Tensor, floors: Tensor, recipe: Recipe) -> Tensor:
    """The strengths for the next step: larger below the floor, and above it smaller again, down to the recipe's."""
    return _steered(strengths, scores, floors, recipe, rate=_LIFTING, reach=(1.0, _LIFTED))


def _steered(
    strengths: Tensor, scores: Tensor, wanted: Tensor, recipe: Recipe, *, rate: float, reach: tuple[float, float]
) -> Tensor:
    """Strengths rise where `wanted` is finite and not reached, and fall beyond it, within parts of the recipe's."""
    some = torch.isfinite(wanted)
    if not bool(some.any()):
        return strengths
    lack = (wanted - scores.detach().nan_to_num()).clamp(-1, 1)
    moved = strengths * torch.exp(rate * lack)
    return torch.where(some, moved.clamp(*(recipe.strength * part for part in reach)), strengths)
