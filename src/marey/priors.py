"""The weighted priors of a batch, and the weights that are steered while it climbs."""

import torch
from torch import Tensor

from marey.batches import Batch
from marey.recipe import Recipe
from marey.region import Region
from marey.regularizers import VARIATION_SCALE, energy_and_differences

_STEERING, _STEERED_RANGE = 0.06, 100.0
"""How fast, per step and unit of lacking score, and how far a strength moves where there is a target."""

_LEVELLING, _LEVELLED_RANGE = 0.2, 30.0
"""The same of the weight of spatial variation, per step and logarithm of the ratio to be levelled."""


def swept(region: Region) -> set[str]:
    """The streams whose temporal variation the chi sweep weighs: those of flow, or else those of RGB."""
    flows = {stream.name for stream in region.streams if stream.kind == "flow"}
    return flows if flows else {stream.name for stream in region.streams}


def prior_terms(
    offsets: dict[str, Tensor], batch: Batch, recipe: Recipe, kappas: Tensor | None = None
) -> dict[str, Tensor]:
    """The weighted priors of every input by name: local energy and spatial and temporal variation of every stream.

    `kappas` weigh the spatial variation of the streams of the sweep, one for each input; None: the recipe's.
    """
    device = next(iter(offsets.values())).device
    slowness = torch.tensor(batch.slowness, device=device)
    even = torch.full_like(slowness, recipe.kappa)
    moving = swept(batch.region)
    terms = {}
    for name, offset in offsets.items():
        bound = batch.bounds[name]
        energy, spatial, temporal = energy_and_differences(offset, bound, exponent=recipe.exponent)
        scale = (bound / VARIATION_SCALE) ** 2
        kappa = kappas if kappas is not None and name in moving else even
        chi = recipe.kappa * (slowness if name in moving else torch.full_like(slowness, recipe.stillness))
        terms[f"energy of {name}"] = recipe.energy * energy
        terms[f"variation of {name} in space"] = recipe.variation * kappa * spatial / scale
        terms[f"variation of {name} in time"] = recipe.variation * chi * temporal / scale
    return terms


def levelled(kappas: Tensor, terms: dict[str, Tensor], batch: Batch, recipe: Recipe) -> Tensor:
    """The spatial weights for the next step: smaller for an input that varies less in space than its reference.

    So chi changes time only: along the published sweeps the spatial variation is the same within 5 %.
    """
    if recipe.variation == 0 or recipe.kappa == 0 or not batch.references:
        return kappas
    space = sum(terms[f"variation of {name} in space"].detach() for name in swept(batch.region)) / kappas
    ratio = (space / space[list(batch.references)]).nan_to_num(1.0).clamp(1e-3, 1e3).log()
    moved = kappas * torch.exp(_LEVELLING * ratio.clamp(-1, 1))
    return moved.clamp(recipe.kappa / _LEVELLED_RANGE, recipe.kappa * _LEVELLED_RANGE)


def steered(strengths: Tensor, scores: Tensor, targets: Tensor, recipe: Recipe) -> Tensor:
    """The strengths for the next step: larger below the target, smaller above it, as they were where there is none.

    This climbs the dual of the constrained problem: the smallest priors among inputs whose score reaches the target.
    """
    lack = (targets - scores.detach().nan_to_num()).clamp(-1, 1)
    moved = strengths * torch.exp(_STEERING * lack)
    reach = (recipe.strength / _STEERED_RANGE, recipe.strength * _STEERED_RANGE)
    return torch.where(torch.isfinite(targets), moved.clamp(*reach), strengths)
