"""One stage of training: a module, its streams and its clips, from a step on until done, stopped or out of time."""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.errors import MareyError
from marey.families.two_stream import TwoStream
from marey.network.stream import Stream
from marey.training.adversary import hardened
from marey.training.arithmetic import wrong_in_bfloat16
from marey.training.augmentation import augmented_window, stacked
from marey.training.clip_store import ClipStore
from marey.training.settings import Settings
from marey.video.read.clips import LoadedClip, starts

_WARM = 0.2
_RATE_IS_DOWN = 0.1
"""Part of its peak to which the learning rate must have come down before a plateau ends a stage."""


@dataclass
class Best:
    """The best look so far: its quality, its step and, where clips are watched, its weights."""

    quality: float = -math.inf
    step: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)


@dataclass
class Stage:
    """A stage with its data and its progress; with the progress in `state` it goes on as if never stopped.

    clips, labels
        the clips that are learned, and the class of each as an index (clip).
    watched, watched_labels
        clips that only decide which weights are kept, see `Settings.validation`.
    steps, batch
        most steps, and clips per step.
    rates
        {start of the names of weights: learning rate relative to `Settings.learning_rate`}; the first match counts.
    bf16
        whether passes run in bfloat16 where that may be done.
    on_note
        told in one line when the stage goes over to float32.
    step, seconds, losses, best
        the progress: steps and seconds so far, the loss of every step, the best look.
    """

    name: str
    module: TwoStream
    streams: tuple[Stream, ...]
    clips: Sequence[LoadedClip]
    labels: Tensor
    watched: Sequence[LoadedClip]
    watched_labels: Tensor
    settings: Settings
    steps: int
    batch: int
    rates: dict[str, float]
    bf16: bool
    on_note: Callable[[str], None] = lambda note: None
    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    best: Best = field(default_factory=Best)

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.settings.seed * 7919 + sum(self.name.encode()))
        self.order: list[int] = []
        groups = []
        for prefix, factor in self.rates.items():
            chosen = [value for name, value in self.module.named_parameters() if self._rate_of(name) == prefix]
            for value in chosen:
                value.requires_grad_(factor > 0)
            if factor == 0:
                continue
            for decay, group in (
                (self.settings.weight_decay, [value for value in chosen if value.dim() > 1]),
                (0.0, [value for value in chosen if value.dim() <= 1]),
            ):
                if group:
                    groups.append({"params": group, "weight_decay": decay, "factor": factor})
        self.optimizer = torch.optim.AdamW(groups, lr=self.settings.learning_rate, betas=(0.9, 0.99))

    def check_arithmetic(self) -> None:
        """Go over to float32, and say so, where bfloat16 is wrong in a layer of the module on this device."""
        if not self.bf16:
            return
        generator = torch.Generator().manual_seed(self.settings.seed)
        index = [k % len(self.clips) for k in range(self.batch)]
        augmentation = self.settings.augmentation
        shown = stacked([augmented_window(self.clips[k], self.streams, augmentation, generator) for k in index])

        def loss(module: nn.Module) -> Tensor:
            with seeded(self.settings.seed):
                return torch.stack(self._losses(index, shown, module=cast(TwoStream, module.train()))).sum()

        self.bf16 = False  # for the pass whose layers are compared
        wrong = wrong_in_bfloat16(self.module, loss)
        self.bf16 = wrong is None
        if wrong is not None:
            self._leave_bf16(f"layer {wrong}")

    def _leave_bf16(self, why: str) -> None:
        self.bf16 = False
        self.on_note(f"stage '{self.name}' computes in float32 from step {self.step + 1} on: in bfloat16 {why}")

    def _rate_of(self, name: str) -> str:
        return next(prefix for prefix in self.rates if name.startswith(prefix))

    def run(self, on_step: Callable[["Stage"], None], seconds: float | None) -> None:
        """Train until the last step, an early stop, or `seconds`, those of earlier runs included.

        The learning rate comes down with the steps or with the time, whichever is further. A plateau does not end the
        stage before the rate is at a tenth of its peak. Ctrl-C waits for the end
        of a step, and `on_step` may raise KeyboardInterrupt: the state is whole at both.
        """
        while not self._done(seconds):
            begun = time.monotonic()
            with _interrupt_waits():
                progress = self._progress(seconds)
                self._train_one(progress)
                if self.step % self.settings.look == 0 or self.step == self.steps:
                    self._look(progress)
                self.seconds += time.monotonic() - begun
            on_step(self)
        if self.best.weights and self.watched:
            self.module.load_state_dict(self.best.weights)
        self.module.requires_grad_(True).eval()

    def _progress(self, seconds: float | None) -> float:
        """How far the learning rate is on its way, 0..1."""
        late = 0.0 if seconds is None else self.seconds / max(seconds, 1e-9)
        return min(1.0, max(self.step / self.steps, late))

    def _done(self, seconds: float | None) -> bool:
        down = one_cycle(self._progress(seconds)) <= _RATE_IS_DOWN and self._progress(seconds) > _WARM
        stale = self.step - self.best.step >= self.settings.patience * self.settings.look
        looked = self.step % self.settings.look == 0
        late = seconds is not None and self.seconds > seconds
        return self.step >= self.steps or (stale and looked and down) or late

    def _train_one(self, progress: float) -> None:
        rate = self.settings.learning_rate * one_cycle(progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        while len(self.order) < self.batch:
            self.order += torch.randperm(len(self.clips), generator=self.generator).tolist()
        index, self.order = self.order[: self.batch], self.order[self.batch :]
        if isinstance(self.clips, ClipStore):
            self.clips.expect([*index, *self.order[: self.batch]])
        windows = [
            self._hidden(augmented_window(self.clips[k], self.streams, self.settings.augmentation, self.generator))
            for k in index
        ]
        inputs = self._hardened(index, stacked(windows), progress)
        self.module.train()
        loss = self._gradients(index, inputs)
        if self.bf16 and not self._finite():
            self._leave_bf16("a gradient is not finite")
            loss = self._gradients(index, inputs)
        if not self._finite():
            raise MareyError(
                f"training diverged at step {self.step + 1} of stage '{self.name}': no finite gradient; "
                f"use a learning rate below {self.settings.learning_rate:g}."
            )
        self.optimizer.step()
        self.losses.append(loss)
        self.step += 1

    def _finite(self) -> bool:
        gradients = [value.grad for value in self.module.parameters() if value.grad is not None]
        return bool(torch.stack([gradient.isfinite().all() for gradient in gradients]).all())

    def _hardened(self, index: list[int], inputs: dict[str, Tensor], progress: float) -> dict[str, Tensor]:
        """The windows as the adversary changes them, against the module in evaluation mode, without dropout."""
        adversary = self.settings.adversary
        if not adversary.acts:
            return inputs
        self.module.eval()
        shares = torch.rand(len(index), generator=self.generator)
        return hardened(
            inputs,
            self.streams,
            lambda shown: torch.stack(self._losses(index, shown)).sum(),
            adversary,
            progress,
            shares=shares,
        )

    def _gradients(self, index: list[int], inputs: Mapping[str, Tensor]) -> float:
        """Set the gradients for the clips at `index`; the loss of the scores."""
        with seeded(self.settings.seed * 100_003 + self.step):  # for dropout, so that a resumed run is the same
            losses = self._losses(index, inputs)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(losses).sum())
        return float(losses[0].detach())

    def _losses(
        self, index: list[int], inputs: Mapping[str, Tensor], *, module: TwoStream | None = None
    ) -> list[Tensor]:
        """The loss of the scores, then the losses of the towers' own classifiers."""
        scores = scores_of(self.module if module is None else module, self.streams, inputs, bf16=self.bf16)
        return [
            functional.cross_entropy(
                one.float(), self.labels[index].to(one.device), label_smoothing=self.settings.label_smoothing
            )
            for one in scores.values()
        ]

    def _hidden(self, window: dict[str, Tensor]) -> dict[str, Tensor]:
        """The window, or with probability `stream_dropout` one of its streams at rest: gray, or no motion."""
        share, place = torch.rand(2, generator=self.generator).tolist()
        if len(self.streams) == 1 or share >= self.settings.stream_dropout:
            return window
        stream = self.streams[int(place * len(self.streams))]
        return {**window, stream.name: torch.full_like(window[stream.name], stream.rest)}

    def _look(self, progress: float) -> None:
        """Note how good the weights are: accuracy and loss on the watched clips, or else the recent training loss."""
        if self.watched:
            probabilities = clip_probabilities(self.module, self.streams, self.watched, windows=2)
            found = probabilities.argmax(1) == self.watched_labels
            chosen = probabilities[torch.arange(len(found)), self.watched_labels].clamp_min(1e-6)
            quality = float(found.float().mean() + 0.01 * chosen.log().mean())
        else:
            recent = self.losses[-self.settings.look :]
            quality = -sum(recent) / len(recent)
            if self.settings.adversary.grows(progress):
                self.best.quality = -math.inf  # the losses so far were those of an easier task
        if quality > self.best.quality + 1e-3:
            weights = {name: value.clone() for name, value in self.module.state_dict().items()} if self.watched else {}
            self.best = Best(quality, self.step, weights)

    @property
    def state(self) -> dict[str, Any]:
        """Everything that changes while the stage runs, as tensors and plain values."""
        return {
            "name": self.name,
            "bf16": self.bf16,
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
            "best": dict(vars(self.best)),
            "order": self.order,
            "generator": self.generator.get_state(),
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from the `state` of a stage that was stopped."""
        self.bf16 = state["bf16"]
        self.step, self.seconds, self.losses = state["step"], state["seconds"], list(state["losses"])
        self.best = Best(**state["best"])
        self.order = list(state["order"])
        self.generator.set_state(state["generator"])
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """While inside, torch's random numbers come from `seed`; afterwards they go on from where they were."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@contextmanager
def _interrupt_waits() -> Iterator[None]:
    """Hold Ctrl-C back until the block ends, because half a step can neither be saved nor taken back."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    asked = False

    def note(*_: object) -> None:
        nonlocal asked
        asked = True

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt


def one_cycle(progress: float, *, warm: float = _WARM) -> float:
    """The learning rate as a part of its peak at `progress` 0..1: up along a cosine for `warm`, then down to 0.

    >>> [round(one_cycle(progress), 2) for progress in (0, 0.1, 0.2, 0.6, 1)]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """
    if progress < warm:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * progress / warm)) / 2
    return (1 + math.cos(math.pi * (progress - warm) / (1 - warm))) / 2


def scores_of(
    module: TwoStream, streams: Sequence[Stream], inputs: Mapping[str, Tensor], *, bf16: bool
) -> dict[str, Tensor]:
    """Scores (clip class) of "fused" and of the towers' own classifiers, for physical inputs on any device."""
    device = next(module.parameters()).device
    values = [
        stream.to_network(inputs[stream.name].to(device)).contiguous(memory_format=torch.channels_last_3d)
        for stream in streams
    ]
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        scores: dict[str, Tensor] = module.forward_all(*values)
    return scores


def clip_probabilities(
    module: TwoStream, streams: Sequence[Stream], clips: Sequence[LoadedClip], *, windows: int
) -> Tensor:
    """Class probabilities (clip class) of the mean scores over `windows` windows of each clip, in fp32."""
    was_training = module.training
    module.eval()
    rows = []
    with torch.no_grad():
        for clip in clips:
            places = starts(clip, streams, windows)
            inputs = stacked([clip.window(streams, start) for start in places])
            rows.append(scores_of(module, streams, inputs, bf16=False)["fused"].float().mean(0).softmax(0).cpu())
    module.train(was_training)
    return torch.stack(rows)
