"""Preferred inputs: the frames, in all streams together, that excite a unit most (equation (1))."""

import math
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from marey._version import __version__
from marey.arithmetic import faster_module
from marey.ascent import Ascent, Batch, ascend, prior_terms, scores_of
from marey.errors import MareyError, NetworkError
from marey.maxima import noise_clips, unit_maxima
from marey.network import Network
from marey.objectives import Activation, Objective, Projection, Term, unit
from marey.preferred_input import PreferredInput, merged
from marey.recipe import Recipe
from marey.region import Region, region_of, whole
from marey.regularizers import default_bound
from marey.streams import Stream
from marey.taps import arithmetic_copy, frozen
from marey.transforms import Jitter
from marey.units import Unit

Target = str | Unit | Objective

_ELEMENTS = 48_000_000
"""Input values in one forward pass where `Recipe.batch` is None."""

_UNMOVED = 0.05
"""A unit whose score loses less than this part when its motion is taken away has no motion preference."""

_NOISY = 0.2
"""Motion whose neighboring vectors correlate less than this is called noise."""


_UNIFORM = 0.05
"""Motion whose variance in space is less than this part of its mean square is the same everywhere, not noise."""


@dataclass(frozen=True)
class Progress:
    """How far a maximization is: steps done and planned at most over all batches, and scores of the running one."""

    done: int
    planned: int
    scores: Tensor


@dataclass(frozen=True)
class _Goal:
    """One objective with all that its runs at every slowness share."""

    objective: Objective
    label: str
    region: Region
    normalized: Objective
    maximum: float | None
    source: str


@dataclass(frozen=True)
class _Made:
    """One input: its goal's place in the list, its slowness, and what came out."""

    goal: int
    slowness: float
    frames: dict[str, Tensor]
    history: Tensor
    score: float
    shares: dict[str, float]
    notes: tuple[str, ...]
    recognized: str | None
    precision: str


def maximize(
    network: Network,
    targets: Target | Iterable[Target],
    *,
    recipe: Recipe | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> list[PreferredInput]:
    """The preferred inputs of units, classes (by name) or objectives: one result each, with the whole chi sweep in it.

    Units of a layer share forward passes, and a neuron is optimized on its receptive field alone. Scores are normalized
    by `network.maxima`; layers not in it are measured on generated clips, and the result says so. Ctrl-C ends the run
    and returns what there is, marked as interrupted. The network is left as it was found.

    Raises NetworkError for an address that the network does not have.
    """
    recipe = recipe if recipe is not None else Recipe()
    given = [targets] if isinstance(targets, str | Unit | Objective) else list(targets)
    if not given:
        raise NetworkError("no unit was given to maximize; name at least one, as in 'fusion.conv5:21', or a class.")
    for stream in recipe.bounds:
        network.stream(stream)
    with frozen(network.module):
        goals = _goals(network, given, recipe)
        made = _run(network, goals, recipe, progress)
    return [
        _result(network, goal, [one for one in made if one.goal == index], recipe)
        for index, goal in enumerate(goals)
        if any(one.goal == index for one in made)
    ]


def _goals(network: Network, given: Sequence[Target], recipe: Recipe) -> list[_Goal]:
    found = [_objective(network, target, recipe) for target in given]
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
        normalized, maximum = _normalized(objective, maxima)
        if region.position is not None:
            normalized = normalized.moved(region.position)
        source = "generated clips" if any(layer in missing for layer in objective.layers) else "real clips"
        goals.append(_Goal(objective, label, region, normalized, maximum, source))
    return goals


def _objective(network: Network, target: Target, recipe: Recipe) -> tuple[Objective, str]:
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
            central = recipe.where == "center" and not network.gives_scores(layer.name)
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


def _normalized(objective: Objective, maxima: Mapping[str, Tensor]) -> tuple[Objective, float | None]:
    """The objective in parts of the real maximum, and that maximum where it is a single unit."""
    terms: list[tuple[Term, float]] = []
    single: float | None = None
    for term, weight in objective.terms:
        size = 1.0
        if isinstance(term, Activation):
            size = float(maxima[term.unit.layer][term.unit.channel])
            alive = maxima[term.unit.layer][maxima[term.unit.layer] > 1e-6]
            typical = float(alive.median()) if len(alive) else 1.0
            size = max(size, 0.1 * typical)  # a unit that hardly fires on the clips must not drown its priors
            single = size
        elif isinstance(term, Projection):
            size = float((torch.tensor(term.vector) * maxima[term.layer]).square().sum().sqrt().clamp_min(1e-6))
        terms.append((term, weight / size))
    return Objective.of(terms), single if len(objective.terms) == 1 and objective.terms[0][1] == 1 else None


def _run(
    network: Network, goals: Sequence[_Goal], recipe: Recipe, progress: Callable[[Progress], None] | None
) -> list[_Made]:
    groups: dict[tuple[Any, ...], list[tuple[int, float]]] = {}
    for index, goal in enumerate(goals):
        shapes = tuple(stream.shape for stream in goal.region.streams)
        key = (goal.region.mode, goal.region.layers, goal.region.position, shapes)
        groups.setdefault(key, []).extend((index, chi) for chi in recipe.slowness)
    made: list[_Made] = []
    planned, done = 0, 0
    batches: list[tuple[Region, list[tuple[int, float]]]] = []
    for jobs in groups.values():
        region = goals[jobs[0][0]].region
        size = _batch_size(region, recipe)
        batches += [(region, jobs[start : start + size]) for start in range(0, len(jobs), size)]
    planned = len(batches) * recipe.steps
    arithmetic: dict[int, tuple[nn.Module, str]] = {}
    for number, (region, jobs) in enumerate(batches):
        done = number * recipe.steps

        def on_step(step: int, scores: Tensor, done: int = done) -> None:
            if progress is not None:
                progress(Progress(done + step + 1, planned, scores))

        try:
            results, interrupted = _batch(network, goals, region, jobs, recipe, arithmetic=arithmetic, on_step=on_step)
        except KeyboardInterrupt:
            if not made:
                raise
            break
        made += results
        if interrupted:
            break
    return made


def _batch_size(region: Region, recipe: Recipe) -> int:
    elements = sum(math.prod(stream.shape) for stream in region.streams)
    most = max(1, min(256, _ELEMENTS // elements)) if recipe.batch is None else recipe.batch
    return _whole_sweeps(most, recipe)


def _whole_sweeps(inputs: int, recipe: Recipe) -> int:
    """At most so many inputs that the whole sweeps of some units fill them; a part of one where no whole one fits."""
    sweep = len(recipe.slowness)
    return inputs if inputs < sweep else inputs - inputs % sweep


def _batch(
    network: Network,
    goals: Sequence[_Goal],
    region: Region,
    jobs: list[tuple[int, float]],
    recipe: Recipe,
    *,
    arithmetic: dict[int, tuple[nn.Module, str]],
    on_step: Callable[[int, Tensor], None],
) -> tuple[list[_Made], bool]:
    """The inputs of one batch, in halves when memory runs out."""
    try:
        batch = _batch_of(network, goals, region, jobs, recipe)
        if id(region) not in arithmetic:
            arithmetic[id(region)] = _arithmetic(network, batch, recipe)
        module, precision = arithmetic[id(region)]
        climb = ascend(batch, module, recipe, on_step=on_step)
        return _finished(network, goals, batch, climb, jobs, recipe=recipe, precision=precision), climb.interrupted
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
    if len(jobs) == 1:
        shapes = ", ".join(f"{stream.name} {stream.shape}" for stream in region.streams)
        raise MareyError(
            f"memory ran out with a single input of {goals[jobs[0][0]].label} ({shapes}); "
            "use smaller input, a layer less deep, or precision='bf16'."
        )
    half = _whole_sweeps(len(jobs) // 2, recipe)
    first, interrupted = _batch(network, goals, region, jobs[:half], recipe, arithmetic=arithmetic, on_step=on_step)
    if interrupted:
        return first, True
    second, interrupted = _batch(network, goals, region, jobs[half:], recipe, arithmetic=arithmetic, on_step=on_step)
    return first + second, interrupted


def _out_of_memory(error: BaseException) -> bool:
    words = str(error).lower()
    return (
        isinstance(error, MemoryError | torch.OutOfMemoryError)
        or "out of memory" in words
        or "can't allocate memory" in words
        or "not enough memory" in words
    )


def _batch_of(
    network: Network, goals: Sequence[_Goal], region: Region, jobs: Sequence[tuple[int, float]], recipe: Recipe
) -> Batch:
    bounds = {
        stream.name: recipe.bounds.get(stream.name, network.bounds.get(stream.name, default_bound(stream)))
        for stream in region.streams
    }
    return Batch(
        region=region,
        objectives=tuple(goals[index].normalized for index, _ in jobs),
        slowness=tuple(chi for _, chi in jobs),
        seeds=tuple(_seed(str(goals[index].objective), recipe.seed) for index, _ in jobs),
        targets=tuple(_target(goals[index], recipe) for index, _ in jobs),
        references=_references(jobs),
        bounds=bounds,
        jitter=Jitter(
            _stride(network, region) if recipe.jitter is None else recipe.jitter, recipe.time_jitter, recipe.zoom
        ),
    )


def _references(jobs: Sequence[tuple[int, float]]) -> tuple[int, ...]:
    """For every input the place of the fastest one of the same unit in the batch."""
    fastest: dict[int, int] = {}
    for place, (index, chi) in enumerate(jobs):
        if index not in fastest or chi < jobs[fastest[index]][1]:
            fastest[index] = place
    return tuple(fastest[index] for index, _ in jobs)


def _target(goal: _Goal, recipe: Recipe) -> float:
    """The score that is enough; none where the maximum is not that of real clips, as it may be far below them."""
    return math.inf if recipe.target is None or goal.source != "real clips" else recipe.target


def _seed(text: str, seed: int) -> int:
    """A seed of the unit's own, so that its noise does not depend on what else is in the batch."""
    value = seed
    for letter in text.encode():
        value = (value * 31 + letter) % 1_000_003
    return value


def _stride(network: Network, region: Region) -> int:
    """The layer's stride in pixels; for layers without places that of the deepest layer that has them."""
    strides = []
    for layer in region.layers:
        field = network.layer(layer).receptive_field
        strides += [axis.stride for name in region.corners for axis in field.streams[name][1:]]
    if max(strides, default=0) > 0:
        return max(strides)
    side = min(min(stream.height, stream.width) for stream in network.streams)
    every = [
        axis.stride
        for layer in network.layers.values()
        for axes in layer.receptive_field.streams.values()
        for axis in axes[1:]
    ]
    return min(max(every, default=1), max(1, side // 14))


def _arithmetic(network: Network, batch: Batch, recipe: Recipe) -> tuple[nn.Module, str]:
    if recipe.precision == "fp32" or (recipe.precision == "auto" and recipe.steps < 32):
        return network.module, "fp32"
    if recipe.precision == "bf16":
        return arithmetic_copy(network.module, torch.bfloat16), "bf16"

    def step(module: nn.Module) -> None:
        windows = {
            stream.name: torch.full((len(batch), *stream.shape), stream.rest, device=network.device, requires_grad=True)
            for stream in batch.region.streams
        }
        with batch.region.arithmetic(module):
            scores, _, _ = scores_of(batch, windows, module)
            torch.autograd.backward(scores.sum(), inputs=list(windows.values()))

    return faster_module(network.module, step)


def _stilled(frames: Mapping[str, Tensor], streams: Mapping[str, Stream]) -> dict[str, Tensor]:
    """The same inputs without motion: no flow, or where only RGB is seen, its mean over time."""
    flow = any(stream.kind == "flow" for stream in streams.values())
    still = {}
    for name, video in frames.items():
        if streams[name].kind == "flow":
            video = torch.full_like(video, streams[name].rest)
        elif not flow:
            video = video.mean(2, keepdim=True).expand_as(video)
        still[name] = video
    return still


def _finished(
    network: Network,
    goals: Sequence[_Goal],
    batch: Batch,
    climb: Ascent,
    jobs: Sequence[tuple[int, float]],
    *,
    recipe: Recipe,
    precision: str,
) -> list[_Made]:
    """Every input with its score in full precision, without jitter, and what must be said of it."""
    device = network.device
    frames = {name: video.to(device) for name, video in climb.frames.items()}
    streams = {stream.name: stream for stream in batch.region.streams}
    offsets = {name: video - streams[name].rest for name, video in frames.items()}
    made = []
    with torch.no_grad(), batch.region.arithmetic(network.module):
        scores = _scored(batch, frames)[0]
        lost = ~torch.isfinite(scores)
        scores = scores.nan_to_num(0.0, 0.0, 0.0)
        moving = any(stream.kind == "flow" or stream.frames > 1 for stream in streams.values())
        unmoved = _scored(batch, _stilled(frames, streams))[0] if moving else None
        terms = {"score": climb.strengths.to(device) * scores} | prior_terms(
            offsets, batch, recipe, climb.kappas.to(device)
        )
    recognized = _recognized(network, batch, frames)
    for place, (goal, chi) in enumerate(jobs):
        score = float(scores[place])
        sizes = {name: abs(float(values[place])) for name, values in terms.items()}
        total = sum(sizes.values()) or 1.0
        notes = []
        if not moving:
            notes.append("sees no motion")
        elif unmoved is not None and score > 0 and float(unmoved[place]) > (1 - _UNMOVED) * score:
            notes.append("no motion preference")
        flow = next((video[place] for name, video in frames.items() if streams[name].kind == "flow"), None)
        if flow is not None and _correlation(flow) < _NOISY:
            notes.append("the motion is noise")
        if goals[goal].maximum is not None and abs(score) < 1e-6 and not lost[place]:
            notes.append("dead: it never fires")
        if lost[place]:
            notes.append("unstable: the network gives it no finite score, so 0 stands for it")
        if place in climb.unstable:
            notes.append("unstable: some steps had no finite gradient and were taken back")
        if climb.interrupted:
            notes.append("interrupted")
        made.append(
            _Made(
                goal=goal,
                slowness=chi,
                frames={name: video[place].cpu() for name, video in frames.items()},
                history=climb.history[:, place],
                score=score,
                shares={name: size / total for name, size in sizes.items()},
                notes=tuple(notes),
                recognized=recognized[place],
                precision=precision,
            )
        )
    return made


def _scored(batch: Batch, frames: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Scores in the network's own arithmetic, few inputs at a time."""
    scores, priors = [], []
    for start in range(0, len(batch), 8):
        part = batch.part(start, start + 8)
        score, prior, _ = scores_of(part, {name: video[start : start + 8] for name, video in frames.items()}, None)
        scores.append(score)
        priors.append(prior)
    return torch.cat(scores), torch.cat(priors)


def _correlation(flow: Tensor) -> float:
    """Mean correlation of neighboring flow vectors (channel time height width) of one input."""
    if min(flow.shape[-2:]) < 2:
        return 1.0
    centered = flow - flow.mean(dim=(-2, -1), keepdim=True)
    power = centered.square().mean()
    if float(power) <= _UNIFORM * float(flow.square().mean()) + 1e-8:
        return 1.0
    pairs = (centered[..., 1:] * centered[..., :-1]).mean() + (centered[..., 1:, :] * centered[..., :-1, :]).mean()
    return float(pairs / (2 * power))


def _recognized(network: Network, batch: Batch, frames: dict[str, Tensor]) -> list[str | None]:
    """The class that the network gives every input, where the input fills it."""
    if (
        not any(map(network.gives_scores, network.layers))
        or batch.region.mode != "whole"
        or set(frames) != {s.name for s in network.streams}
    ):
        return [None] * len(batch)
    found: list[str | None] = []
    with torch.no_grad():
        for start in range(0, len(batch), 8):
            part = {name: video[start : start + 8] for name, video in frames.items()}
            scores = network.activations(part, [network.scores])[network.scores].mean((2, 3, 4))
            found += [network.classes[index] for index in scores.argmax(1).tolist()]
    return found


def _result(network: Network, goal: _Goal, made: Sequence[_Made], recipe: Recipe) -> PreferredInput:
    return PreferredInput(
        target=str(goal.objective),
        label=goal.label,
        slowness=tuple(one.slowness for one in made),
        streams=goal.region.streams,
        frames={name: torch.stack([one.frames[name] for one in made]) for name in made[0].frames},
        scores=tuple(one.score for one in made),
        maximum=goal.maximum,
        maximum_source=goal.source,
        history=merged([one.history for one in made]),
        shares=tuple(one.shares for one in made),
        notes=tuple(one.notes for one in made),
        recognized=tuple(one.recognized for one in made),
        made={
            "network": network.name,
            "weights_sha256": network.weights_hash,
            "classes": list(network.classes),
            "recipe": recipe.record(),
            "region": {"mode": goal.region.mode, "corners": {k: list(v) for k, v in goal.region.corners.items()}},
            "precision": sorted({one.precision for one in made}),
            "marey": __version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
    )
