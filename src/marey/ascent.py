"""The loop: one batch of inputs climbs the objective by Adam. It shows, names and stores nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from marey.objectives import Objective, values_of
from marey.parametrizations import Parametrization, coarse, fourier, pixels
from marey.recipe import Recipe
from marey.region import Region
from marey.regularizers import VARIATION_SCALE, energy_and_differences, projected
from marey.spectrum import WHOLE, Box
from marey.streams import Stream
from marey.taps import REVIVAL_SLOPE, revived
from marey.transforms import Jitter

_WINDOW = 32
"""Steps over which progress is judged."""

_REACHED = 0.1
"""How near, in parts of it, a score must be to its target for a run to end early."""

_STEERING, _STEERED_RANGE = 0.06, 100.0
"""How fast, per step and unit of lacking score, and how far a strength moves where there is a target."""

_LEVELLING, _LEVELLED_RANGE = 0.2, 30.0
"""The same of the weight of spatial variation, per step and logarithm of the ratio to be levelled."""


_SMALL = 64
"""Sides up to which products with matrices transform faster in fp32 too."""


@dataclass(frozen=True)
class Batch:
    """Inputs that are optimized together: all see the same region, each has its own objective, slowness and noise.

    objectives are normalized and have the region's positions; a target that is not finite is none; references,
    where given, are the places of the inputs whose spatial variation each shall have; bounds are physical, by stream.
    """

    region: Region
    objectives: tuple[Objective, ...]
    slowness: tuple[float, ...]
    seeds: tuple[int, ...]
    targets: tuple[float, ...]
    bounds: dict[str, float]
    jitter: Jitter
    references: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.objectives)

    def part(self, start: int, stop: int) -> "Batch":
        """Some of the inputs."""
        return Batch(
            self.region,
            self.objectives[start:stop],
            self.slowness[start:stop],
            self.seeds[start:stop],
            self.targets[start:stop],
            self.bounds,
            self.jitter,
        )


@dataclass
class Ascent:
    """Where the climb ended: frames by stream (input channel time height width), score of every step (step, input).

    Scores are NaN where an input had settled before the others, or the network gave no finite one.
    """

    frames: dict[str, Tensor]
    history: Tensor
    strengths: Tensor
    kappas: Tensor
    interrupted: bool = False
    unstable: set[int] = field(default_factory=set)
    converged: bool = False


def bounded(offset: Tensor, bound: float, stream: Stream) -> Tensor:
    """Values cut to the stream's range, then the nearest frames with |x| <= B at every pixel: the hard bound of R_B."""
    return projected(offset, bound, stream.low - stream.rest, stream.high - stream.rest)


def shown(offset: Tensor, stream: Stream) -> Tensor:
    """The physical input at a distance from rest.

    Its gradient comes back in the memory layout of `offset`: what follows reads both, and is slow in two layouts.
    """
    window: Tensor = _Shown.apply(offset, stream.rest)  # type: ignore[no-untyped-call]
    return window


class _Shown(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, offset: Tensor, rest: float) -> Tensor:
        ctx.save_for_backward(offset)
        return offset + rest if rest else offset.view_as(offset)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (offset,) = ctx.saved_tensors
        return torch.empty_like(offset).copy_(gradient), None


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


def scores_of(batch: Batch, windows: dict[str, Tensor], module: nn.Module | None) -> tuple[Tensor, Tensor, Tensor]:
    """Normalized score and the objective's own priors of every input, and whether one of its units is silent.

    Enter the region's arithmetic first.
    """
    layers = batch.region.layers
    volumes = batch.region.activations(windows, module=module) if layers else {}
    scores, silent = values_of([objective.scored for objective in batch.objectives], volumes, windows)
    own = [objective.priors for objective in batch.objectives]
    priors = torch.zeros_like(scores)
    if any(prior.terms for prior in own):
        priors, _ = values_of(own, volumes, windows)
    silent = scores.detach() == 0
    for clip, objective in enumerate(batch.objectives):
        if len(objective.scored.terms) > 1:
            here = {layer: volumes[layer][clip].detach().float() for layer in layers}
            silent[clip] = any(bool(term.value(here, {}) == 0) for term, _ in objective.scored.terms)
    return scores, priors, silent


def _parametrization(
    recipe: Recipe, stream: Stream, canvas: tuple[int, int, int, int], factor: int, dtype: torch.dtype
) -> Parametrization:
    make: Callable[[tuple[int, int, int, int]], Parametrization] = pixels
    if recipe.parametrization == "fourier":
        few = dtype == torch.bfloat16 or max(canvas[2:]) <= _SMALL
        make = partial(fourier, kind=stream.kind, by="products" if few else "transform")
    return make(canvas) if factor == 1 else coarse(make, canvas, factor)


def _noise(shape: tuple[int, ...], seeds: Sequence[int], salt: int) -> Tensor:
    draws = [torch.randn(shape, generator=torch.Generator().manual_seed(seed * 1_000_003 + salt)) for seed in seeds]
    return torch.stack(draws)


def ascend(
    batch: Batch, module: nn.Module, recipe: Recipe, *, on_step: Callable[[int, Tensor], None] | None = None
) -> Ascent:
    """Climb from noise; `on_step(step, scores)` follows. Ctrl-C ends the climb and keeps what there is.

    An input whose gradient is not finite is put back to its last good state, with Adam's memory of it cleared.
    """
    region = batch.region
    device = region.network.device
    streams = region.streams
    canvases = {stream.name: batch.jitter.canvas(stream) for stream in streams}
    generator = torch.Generator().manual_seed(recipe.seed)
    history: list[Tensor] = []
    losses: list[Tensor] = []
    unstable: set[int] = set()
    strengths = torch.full((len(batch),), recipe.strength, device=device)
    targets = torch.tensor(batch.targets, device=device)
    kappas = torch.full_like(strengths, recipe.kappa)
    result = Ascent({}, torch.zeros(0, len(batch)), strengths.cpu(), kappas.cpu(), unstable=unstable)
    held: dict[str, Parametrization] = {}
    free: dict[str, Tensor] = {}

    weight = next(module.parameters(), None)
    dtype = torch.float32 if weight is None else weight.dtype

    def decoded(boxes: Mapping[str, Box], dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        found = {}
        for stream in streams:
            name, bound = stream.name, batch.bounds[stream.name]
            found[name] = bounded(bound * held[name].window(free[name], boxes[name], dtype), bound, stream)
        return found

    stage_starts = {round(k * recipe.steps / len(recipe.coarse)): factor for k, factor in enumerate(recipe.coarse)}
    optimizer: torch.optim.Adam | None = None
    everything = {stream.name: WHOLE for stream in streams}
    dead = silent = ended = torch.zeros(len(batch), dtype=torch.bool, device=device)
    final: dict[str, Tensor] = {}
    good: dict[str, Tensor] = {}
    try:
        with region.arithmetic(module):
            for step in range(recipe.steps):
                if step in stage_starts:
                    before = {name: offset.detach() for name, offset in decoded(everything).items()} if free else None
                    for salt, stream in enumerate(streams):
                        name = stream.name
                        held[name] = _parametrization(recipe, stream, canvases[name], stage_starts[step], dtype)
                        if before is None:
                            start = held[name].arranged(recipe.noise * _noise(held[name].free_shape, batch.seeds, salt))
                        else:
                            start = held[name].encode(before[name] / batch.bounds[name])
                        free[name] = start.to(device).requires_grad_(True)
                    final = {name: value.detach().clone() for name, value in free.items()}
                    optimizer = torch.optim.Adam(list(free.values()), lr=recipe.step_size, fused=True)
                    good = {name: value.detach().clone() for name, value in free.items()}
                assert optimizer is not None
                fall = 0.55 + 0.45 * torch.cos(torch.tensor(torch.pi * step / recipe.steps)).item()
                for group in optimizer.param_groups:
                    group["lr"] = recipe.step_size * fall
                optimizer.zero_grad(set_to_none=True)
                shift = batch.jitter.draw(generator)
                seen = decoded({stream.name: batch.jitter.box(stream, shift) for stream in streams}, dtype)
                shifted = {stream.name: batch.jitter.zoomed(seen[stream.name], stream, shift) for stream in streams}
                windows = {stream.name: shown(shifted[stream.name], stream) for stream in streams}
                if recipe.input_noise > 0:
                    for name, window in windows.items():
                        grain = torch.randn(window.shape[1:], generator=generator).to(device)  # the same for all
                        windows[name] = window + recipe.input_noise * batch.bounds[name] * grain
                with revived(module, dead | (silent & (step < recipe.steps // 2))):
                    scores, own, silent = scores_of(batch, windows, module)
                terms = prior_terms(shifted, batch, recipe, kappas)
                priors = sum(terms.values(), torch.zeros_like(scores))
                loss = priors - strengths * (scores + own)
                eased = loss - (1 - REVIVAL_SLOPE) * dead * priors  # as weak as the gradient that a dead unit passes on
                torch.autograd.backward(eased.nan_to_num().sum(), inputs=list(free.values()))
                _hold_finite(loss.detach(), free, good, optimizer, unstable)
                optimizer.step()
                if recipe.parametrization == "pixels":
                    with torch.no_grad():
                        for stream in streams:
                            name = stream.name
                            bound = batch.bounds[name]
                            if free[name].shape[1:] == canvases[name]:
                                free[name].copy_(bounded(bound * free[name], bound, stream) / bound)
                strengths = torch.where(ended, strengths, steered(strengths, scores, targets, recipe))
                if recipe.equal_space and step >= recipe.steps // 8:
                    kappas = torch.where(ended, kappas, levelled(kappas, terms, batch, recipe))
                dead = scores.detach() == 0
                history.append(scores.detach().masked_fill(ended, float("nan")).cpu())
                losses.append(torch.where(torch.isfinite(targets), priors, loss).detach())
                if on_step is not None:
                    on_step(step, history[-1])
                settled = _settled(losses, step, stage_starts, recipe)
                if settled is not None:
                    short = torch.isfinite(targets) & ((scores.detach() - targets).abs() > _REACHED * targets)
                    settled = settled & ~dead & ~short
                    for name, value in free.items():
                        final[name][settled & ~ended] = value.detach()[settled & ~ended]
                    ended = ended | settled
                    if bool(ended.all()):
                        result.converged = True
                        break
    except KeyboardInterrupt:
        if len(free) < len(streams):
            raise
        result.interrupted = True
    with torch.no_grad():
        for name, value in free.items():
            value[ended] = final[name][ended]
        ends = batch.jitter.windows(decoded(everything), streams, batch.jitter.middle)
        for stream in streams:
            offset = ends[stream.name]
            safe = torch.where(torch.isfinite(offset), offset, torch.zeros_like(offset))
            result.frames[stream.name] = (safe + stream.rest).cpu()
    result.strengths, result.kappas = strengths.cpu(), kappas.cpu()
    if history:
        result.history = torch.stack(history)
    return result


def _hold_finite(
    loss: Tensor, free: dict[str, Tensor], good: dict[str, Tensor], optimizer: torch.optim.Adam, unstable: set[int]
) -> None:
    finite = torch.isfinite(loss)
    for value in free.values():
        if value.grad is not None:
            finite = finite & torch.isfinite(
                value.grad.flatten(1).sum(1)
            )  # a sum carries any NaN, and is 50 times faster
    if bool(finite.all()):
        for name, value in free.items():
            good[name].copy_(value.detach())
        return
    bad = (~finite).nonzero().flatten()
    unstable.update(bad.tolist())
    with torch.no_grad():
        for name, value in free.items():
            value[bad] = good[name][bad]
            good[name][finite] = value[finite]
            if value.grad is not None:
                value.grad[bad] = 0
            for moment in ("exp_avg", "exp_avg_sq"):
                if moment in optimizer.state.get(value, {}):
                    optimizer.state[value][moment][bad] = 0


def _settled(losses: list[Tensor], step: int, stage_starts: dict[int, int], recipe: Recipe) -> Tensor | None:
    """Which inputs have stopped gaining; None where it is too early to say."""
    if recipe.tolerance == 0 or step - max(stage_starts) < 3 * _WINDOW or (step + 1) % 8:
        return None
    late = torch.stack(losses[-_WINDOW:]).mean(0)
    early = torch.stack(losses[-2 * _WINDOW : -_WINDOW]).mean(0)
    return early - late <= recipe.tolerance * late.abs().clamp_min(1e-6)
