"""One stage of training: a module, its streams and its clips, from a step on until it is done, stopped or out of time."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.networks.two_stream import TwoStream
from marey.streams import Stream
from marey.training.augmentation import augmented_window, stacked
from marey.training.settings import Settings
from marey.video.clips import LoadedClip, starts


@dataclass
class Stage:
    """What a stage needs, and where it is: everything that `state` holds makes it go on as if it had not been stopped."""

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
    step: int = 0
    losses: list[float] = field(default_factory=list)
    best: float = -math.inf
    best_step: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.settings.seed * 7919 + sum(self.name.encode()))
        self.order: list[int] = []
        groups = []
        for prefix, factor in self.rates.items():
            chosen = [value for name, value in self.module.named_parameters() if self._rate_of(name) == prefix]
            for decay, group in (
                (self.settings.weight_decay, [value for value in chosen if value.dim() > 1]),
                (0.0, [value for value in chosen if value.dim() <= 1]),
            ):
                if group:
                    groups.append({"params": group, "weight_decay": decay, "factor": factor})
        self.optimizer = torch.optim.AdamW(groups, lr=self.settings.learning_rate, betas=(0.9, 0.99))

    def _rate_of(self, name: str) -> str:
        return next(prefix for prefix in self.rates if name.startswith(prefix))

    def run(self, on_step: Callable[["Stage"], bool], seconds: float | None) -> None:
        """Train until the last step, an early stop, `seconds`, or until `on_step` says True."""
        begun = time.monotonic()
        while self.step < self.steps:
            self._train_one()
            if self.step % self.settings.look == 0 or self.step == self.steps:
                self._look()
                if self.step - self.best_step >= self.settings.patience * self.settings.look:
                    break
            if on_step(self) or (seconds is not None and time.monotonic() - begun > seconds):
                break
        if self.best_weights and self.watched:
            self.module.load_state_dict(self.best_weights)
        self.module.eval()

    def _train_one(self) -> None:
        rate = self.settings.learning_rate * one_cycle(self.step / self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        while len(self.order) < self.batch:
            self.order += torch.randperm(len(self.clips), generator=self.generator).tolist()
        index, self.order = self.order[: self.batch], self.order[self.batch :]
        windows = [
            augmented_window(self.clips[k], self.streams, self.settings.augmentation, self.generator) for k in index
        ]
        self.module.train()
        torch.manual_seed(self.settings.seed * 100_003 + self.step)  # for dropout, so that a resumed run is the same
        scores = scores_of(self.module, self.streams, stacked(windows), bf16=self.bf16)
        losses = [
            functional.cross_entropy(one.float(), self.labels[index].to(one.device), label_smoothing=self.settings.label_smoothing)
            for one in scores.values()
        ]
        loss = torch.stack(losses).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.losses.append(float(losses[0].detach()))
        self.step += 1

    def _look(self) -> None:
        """Note how good the weights are: accuracy and loss on the watched clips, or else the recent training loss."""
        if self.watched:
            probabilities = clip_probabilities(self.module, self.streams, self.watched, windows=2)["fused"]
            found = probabilities.argmax(1) == self.watched_labels
            chosen = probabilities[torch.arange(len(found)), self.watched_labels].clamp_min(1e-6)
            quality = float(found.float().mean() + 0.01 * chosen.log().mean())
        else:
            recent = self.losses[-self.settings.look :]
            quality = -sum(recent) / len(recent)
        if quality > self.best + 1e-3:
            self.best, self.best_step = quality, self.step
            if self.watched:
                self.best_weights = {name: value.clone() for name, value in self.module.state_dict().items()}

    @property
    def state(self) -> dict[str, Any]:
        """All that changes while the stage runs."""
        return {
            "name": self.name,
            "step": self.step,
            "losses": self.losses,
            "best": self.best,
            "best_step": self.best_step,
            "best_weights": self.best_weights,
            "order": self.order,
            "generator": self.generator.get_state(),
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self.step, self.losses = state["step"], list(state["losses"])
        self.best, self.best_step, self.best_weights = state["best"], state["best_step"], dict(state["best_weights"])
        self.order = list(state["order"])
        self.generator.set_state(state["generator"])
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])


def one_cycle(progress: float, *, warm: float = 0.2) -> float:
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
) -> dict[str, Tensor]:
    """Mean class probabilities (clip class) over `windows` windows of each clip, centers cropped, by kind of scores."""
    was_training = module.training
    module.eval()
    found: dict[str, list[Tensor]] = {}
    with torch.no_grad():
        for clip in clips:
            places = starts(clip, streams, windows)
            inputs = stacked([clip.window(streams, start, short="repeat") for start in places])
            for name, scores in scores_of(module, streams, inputs, bf16=False).items():
                found.setdefault(name, []).append(scores.float().softmax(1).mean(0).cpu())
    module.train(was_training)
    return {name: torch.stack(rows) for name, rows in found.items()}


def faster_in_bf16(module: TwoStream, streams: Sequence[Stream], batch: int) -> bool:
    """Whether a training step is faster in bf16 arithmetic here, by timing one of each after one to warm up."""
    inputs = {stream.name: torch.zeros(batch, *stream.shape) for stream in streams}
    best = {}
    kept = {name: value.clone() for name, value in module.state_dict().items()}
    module.train()
    for bf16 in (False, True, False, True):
        start = time.perf_counter()
        scores = scores_of(module, streams, inputs, bf16=bf16)
        torch.stack([one.float().sum() for one in scores.values()]).sum().backward()
        best[bf16] = min(best.get(bf16, math.inf), time.perf_counter() - start)
    module.zero_grad(set_to_none=True)
    module.load_state_dict(kept)
    return best[True] < best[False]


def channels_last(module: nn.Module) -> None:
    """Lay the convolutions' weights out channels last, which is faster on the processors that have bf16."""
    for value in module.parameters():
        if value.dim() == 4:
            value.data = value.data.contiguous(memory_format=torch.channels_last)
        elif value.dim() == 5:
            value.data = value.data.contiguous(memory_format=torch.channels_last_3d)
