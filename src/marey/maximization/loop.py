"""The loop: Adam maximizes equation (1) for one batch of inputs. It shows, names and stores nothing."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor

from marey.accelerate.forward import Forward
from marey.errors import out_of_memory
from marey.maximization.batches import Batch, Scores
from marey.maximization.bound import projected
from marey.maximization.optimized import Optimized
from marey.maximization.parametrizations import FINE, Rendered
from marey.maximization.priors import Prior
from marey.maximization.recipe import Recipe
from marey.maximization.starts import best_start
from marey.maximization.transforms import canvas, middle
from marey.network.hooks import REVIVAL_SLOPE, revived
from marey.network.stream import Stream

_WINDOW = 32
"""Steps over which progress is judged."""

_EVERY = 8
"""Steps from one question whether inputs have settled to the next; on an accelerator, of any question to it."""

_CALM = 0.1
"""Step size, relative to the first one, from which on an input may settle: what the last steps leave of noise stays."""

_LOST, _FOUND = 0.1, 0.5
"""Scores at half time: below the first an input is lost where another of its sweep is above the second."""

_STEP, _FINE_STEP = 0.045, 0.1
"""Adam's first step relative to the bound, where the recipe names none: larger for units that see little, which may
want motion that is the same everywhere. Larger inputs come out overdone with it, and other networks know fewer."""

Watch = Callable[[int, Tensor, dict[str, Tensor]], None]
"""Told after every step its number, the scores (input) and what the network was shown, physical, by stream."""


def optimize(
    batch: Batch,
    forward: Forward,
    recipe: Recipe,
    *,
    priors: Sequence[Prior],
    watch: Watch | None = None,
) -> Optimized:
    """Optimize inputs from noise; Ctrl-C ends the loop and keeps what there is."""
    loop = _Loop(batch, forward, recipe, tuple(priors))
    interrupted = False
    try:
        with forward.applied():
            loop.choose_start()
            for step in range(recipe.steps):
                if 0 < step == recipe.steps // 2:
                    loop.find_lost()
                offsets = loop.step(step)
                if watch is not None:
                    watch(step, loop.history[-1], loop.windows(offsets))
                loop.settle(step)
                if loop.all_ended:
                    break
    except KeyboardInterrupt:
        if not loop.history:
            raise
        interrupted = True
    return loop.result(interrupted=interrupted)


class _Loop:
    """Inputs on their way up: the free numbers that Adam moves, the priors that adapt, and who has settled."""

    def __init__(
        self,
        batch: Batch,
        forward: Forward,
        recipe: Recipe,
        priors: tuple[Prior, ...],
    ) -> None:
        self.batch, self.forward, self.recipe, self.priors = batch, forward, recipe, priors
        self.canvases = tuple(canvas(batch.transforms, stream) for stream in batch.crop.streams)
        self.held = batch.parametrization.held(self.canvases)
        self.device = batch.crop.network.device
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.free = {
            stream.name: self._start(stream, salt).to(self.device).requires_grad_(True)
            for salt, stream in enumerate(self.held)
        }
        self.first_step = _first_step(recipe, batch.crop.streams)
        values = list(self.free.values())
        self.optimizer = torch.optim.Adam(values, lr=self.first_step, fused=self.device.type in ("cpu", "cuda"))
        self.before = {name: value.detach().clone() for name, value in self.free.items()}  # the last step
        self.final = {name: value.detach().clone() for name, value in self.free.items()}  # where they settled
        nobody = torch.zeros(len(batch), dtype=torch.bool, device=self.device)
        self.dead, self.silent, self.ended, self.unstable = nobody, nobody, nobody, nobody
        self.reviving = self.all_ended = False
        self._divide(len(batch) if forward.most is None else min(len(batch), forward.most))
        self.led: dict[int, int] = {}
        self.history: list[Tensor] = []
        self.losses: list[Tensor] = []

    def choose_start(self) -> None:
        """Begin each input at the start of the parametrization that excites it most."""
        free = {name: value.detach().clone() for name, value in self.free.items()}
        starts = self.batch.parametrization.starts(free, self.held)
        with torch.no_grad():
            for name, value in best_start(free, starts, self._scores_at).items():
                self.free[name].copy_(value)

    def step(self, step: int) -> dict[str, Tensor]:
        """Gradient, Adam's step, and the priors of the next step; gives what was shown, as distances from rest."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.first_step * _fall(step / self.recipe.steps)
        self.optimizer.zero_grad()
        rendered = self._rendered(self.free)
        offsets = self._shown(rendered.frames)
        judged = rendered.parts or offsets
        terms = {name: term for prior in self.priors for name, term in prior.terms(judged, self.batch.scene).items()}
        scores, slopes = self._passes(offsets, step)
        # what keeps a dead unit's input calm is as weak as what a dead unit passes on
        calm = 1 - (1 - REVIVAL_SLOPE) * self.dead
        penalty = sum(terms.values(), torch.zeros_like(scores.relative))
        self._differentiate(calm * penalty, offsets, slopes)

        with torch.no_grad():
            loss = penalty - self.batch.weights * scores.raised
            self._hold_finite(loss)
            for name, value in self.free.items():
                self.before[name].copy_(value)
            self.optimizer.step()
            self._bound()
            done = step / self.recipe.steps
            self.priors = tuple(prior.adapted(terms, self.batch.scene, progress=done) for prior in self.priors)
            self.dead, self.silent = scores.dead, scores.silent
            self.history.append(scores.relative.masked_fill(self.ended, float("nan")))
            self.losses.append(loss)
        return {name: offset.detach() for name, offset in offsets.items()}

    def windows(self, offsets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Distances from rest in physical values."""
        return {stream.name: offsets[stream.name] + stream.rest for stream in self.batch.crop.streams}

    def find_lost(self) -> None:
        """Put inputs that are still nearly silent where another of their sweep is that is not: the nearest in slowness.

        Noise may lie where a deep network is flat; which inputs of a sweep find their way out is chance.
        """
        late = torch.stack(self.history[-_EVERY:]).nanmean(0).tolist()
        chis, fastest = self.batch.scene.slowness.tolist(), self.batch.scene.fastest
        ended = self.ended.tolist()
        for place, sweep in enumerate(fastest):
            there = [k for k, its in enumerate(fastest) if its == sweep and late[k] > _FOUND]
            if not there or not late[place] < _LOST or ended[place]:
                continue
            other = self.led[place] = min(there, key=lambda k: abs(chis[k] - chis[place]))
            for value in self.free.values():
                for part in (value.data, *self._moments(value)):
                    part[place] = part[other]

    def settle(self, step: int) -> None:
        """End the inputs that have stopped gaining, where they are; too early, and at most steps, nothing is asked."""
        loud = _fall(step / self.recipe.steps) > _CALM
        if self.recipe.tolerance == 0 or loud or step < 3 * _WINDOW or (step + 1) % _EVERY:
            return
        late = torch.stack(self.losses[-_WINDOW:]).mean(0)
        early = torch.stack(self.losses[-2 * _WINDOW : -_WINDOW]).mean(0)
        settled = early - late <= self.recipe.tolerance * late.abs().clamp_min(1e-6)
        new = settled & ~self.dead & ~self.ended
        for name, value in self.free.items():
            here = new.view(-1, *[1] * (value.dim() - 1))
            self.final[name] = torch.where(here, value.detach(), self.final[name])
        self.ended = self.ended | new
        self.all_ended = bool(self.ended.all())

    def result(self, *, interrupted: bool) -> Optimized:
        """What there is: every input where it settled, or else where it is."""
        with torch.no_grad():
            for name, value in self.free.items():
                value[self.ended] = self.final[name][self.ended]
            rendered = self._rendered(self.free)
            offsets = {name: offset.nan_to_num(0.0, 0.0, 0.0) for name, offset in self._centered(rendered).items()}
            frames = {name: video.cpu() for name, video in self.windows(offsets).items()}
            parts = {
                name: (middle(part, stream).nan_to_num(0.0, 0.0, 0.0) + stream.rest).cpu()
                for name, stream in self.batch.scene.streams.items()
                if (part := rendered.parts.get(name)) is not None
            }
        return Optimized(
            frames=frames,
            parts=parts,
            history=torch.stack(self.history).cpu(),
            priors=self.priors,
            unstable=frozenset(self.unstable.nonzero().flatten().tolist()),
            led=self.led,
            interrupted=interrupted,
            most=self.most if self.most < len(self.batch) else None,
        )

    def _start(self, stream: Stream, salt: int) -> Tensor:
        """White noise (clip, ...), each clip's from a seed of its own."""
        shape = self.batch.parametrization.free_shape(stream.kind, stream.shape)
        seeds = (torch.Generator().manual_seed(seed * 1_000_003 + salt) for seed in self.batch.seeds)
        return self.recipe.noise * torch.stack([torch.randn(shape, generator=seed) for seed in seeds])

    def _scores_at(self, free: Mapping[str, Tensor]) -> Tensor:
        """What is maximized (input) of other free numbers, without any transform."""
        offsets = self._centered(self._rendered(free))
        parts = [({name: offset[some] for name, offset in offsets.items()}, batch) for some, batch in self.parts]
        return torch.cat([batch.scores(self.forward(self.windows(part))).raised for part, batch in parts])

    def _centered(self, rendered: Rendered) -> dict[str, Tensor]:
        """The middle of every canvas, within the bound."""
        frames = rendered.frames
        return {one.name: self._bounded(middle(frames[one.name], one), one) for one in self.batch.crop.streams}

    def _rendered(self, free: Mapping[str, Tensor]) -> Rendered:
        """All frames of the canvases, and what priors judge instead of them."""
        made = self.batch.parametrization
        held = {one.name: made.frames(free[one.name], one.kind, one.shape) for one in self.held}
        return made.rendered(held, self.canvases, self.batch.scene.bounds)

    def _bounded(self, frames: Tensor, stream: Stream) -> Tensor:
        """Frames that are relative to the bound in physical units and within it, as distances from rest."""
        return projected(stream.as_seen(frames), stream, self.batch.scene.bounds[stream.name])

    def _shown(self, frames: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What one draw of all transforms shows of every stream, within the bound."""
        views = [transform.draw(self.generator) for transform in self.batch.transforms]
        shown = {}
        for stream in self.batch.crop.streams:
            seen = frames[stream.name]
            for view in views:
                seen = view(seen, stream)
            shown[stream.name] = self._bounded(seen, stream)
        return shown

    def _passes(self, offsets: Mapping[str, Tensor], step: int) -> tuple[Scores, dict[str, Tensor]]:
        """The scores, and the slopes of what is minimized of them, by stream: in as many passes as memory asks for.

        Gradients reach dead units, and in the first half those that are silent while others are not.
        """
        lost = self.dead | self.silent if step < self.recipe.steps // 2 else self.dead
        if self.device.type == "cpu" or step % _EVERY == 1:  # from the second step on it is known who is dead
            self.reviving = bool(lost.any())
        found: list[tuple[Scores, dict[str, Tensor]]] = []
        while not found:
            try:
                found = [self._pass(offsets, lost, some, part) for some, part in self.parts]
            except (MemoryError, RuntimeError) as error:
                if self.most == 1 or not out_of_memory(error):
                    raise
            if not found:  # outside, where the error holds nothing anymore
                self._divide(self.most // 2)
        scores = Scores(*(torch.cat(values) for values in zip(*(scores for scores, _ in found), strict=True)))
        return scores, {name: torch.cat([slopes[name] for _, slopes in found]) for name in found[0][1]}

    def _divide(self, most: int) -> None:
        """Take at most so many inputs in one pass from here on."""
        self.most = most
        starts = range(0, len(self.batch), most)
        self.parts = [(slice(start, start + most), self.batch.part(start, start + most)) for start in starts]

    def _pass(
        self, offsets: Mapping[str, Tensor], lost: Tensor, some: slice, batch: Batch
    ) -> tuple[Scores, dict[str, Tensor]]:
        """Scores and slopes of some of the inputs, which leave nothing else behind."""
        leaves = {name: offset.detach()[some].requires_grad_() for name, offset in offsets.items()}
        axes = self.batch.crop.network.axes
        with revived(self.forward.module, lost[some], axes) if self.reviving else nullcontext():
            scores = batch.scores(self.forward(self.windows(leaves)))
        if scores.raised.requires_grad:
            torch.autograd.backward(-(batch.weights * scores.raised).sum(), inputs=list(leaves.values()))
        slopes = {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
        return Scores(*(values.detach() for values in scores)), slopes

    def _differentiate(self, penalty: Tensor, offsets: Mapping[str, Tensor], slopes: Mapping[str, Tensor]) -> None:
        """The gradient of penalties and of what was shown, whose slopes are known, to the free numbers."""
        ends = [(offsets[name], slope) for name, slope in slopes.items() if offsets[name].requires_grad]
        if penalty.requires_grad:
            ends.append((penalty.sum(), torch.ones_like(penalty.sum())))
        if ends:
            tensors, gradients = zip(*ends, strict=True)
            torch.autograd.backward(tensors, gradients, inputs=list(self.free.values()))

    def _bound(self) -> None:
        """Bring free numbers within the bound, where the parametrization does so after every step."""
        for stream in self.held:
            value, bound = self.free[stream.name], self.batch.scene.bounds[stream.name]
            bounded = self.batch.parametrization.bounded(value, partial(_projected, stream=stream, bound=bound))
            if bounded is not value:
                value.copy_(bounded)

    def _hold_finite(self, loss: Tensor) -> None:
        """Put inputs without a finite loss or gradient back to where they were before the last step; let them stay."""
        # a sum carries whatever is not finite in it, and is 50 times faster than to ask of each value
        total = loss + sum(value.grad.flatten(1).sum(1) for value in self.free.values() if value.grad is not None)
        if self.device.type == "cpu" and math.isfinite(float(total.sum())):
            return
        bad = ~torch.isfinite(total)
        self.unstable = self.unstable | bad
        for name, value in self.free.items():
            here = bad.view(-1, *[1] * (value.dim() - 1))
            value.copy_(torch.where(here, self.before[name], value))
            for part in (value.grad, *self._moments(value)):
                if part is not None:
                    part.masked_fill_(here, 0.0)

    def _moments(self, value: Tensor) -> list[Tensor]:
        """Adam's memory of free numbers; nothing before the first step."""
        state = self.optimizer.state.get(value, {})
        return [state[name] for name in ("exp_avg", "exp_avg_sq") if name in state]


def _projected(frames: Tensor, *, stream: Stream, bound: float) -> Tensor:
    """The nearest frames within the bound, relative to it."""
    return projected(frames, stream, bound) / bound


def _first_step(recipe: Recipe, streams: Sequence[Stream]) -> float:
    """Adam's first step for inputs with these streams."""
    if recipe.step_size is not None:
        return recipe.step_size
    return _FINE_STEP if max(max(stream.height, stream.width) for stream in streams) <= FINE else _STEP


def _fall(part: float) -> float:
    """The step size after a part (0..1) of all steps, relative to the first one: half a cosine down to a fiftieth."""
    return 0.51 + 0.49 * math.cos(math.pi * part)
