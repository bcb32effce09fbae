"""Runs the stages of a training one after the other, and keeps its state on disk."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from marey.families.two_stream import TwoStream
from marey.network.hooks import lay_channels_last
from marey.training.saved_state import open_state, save_state
from marey.training.settings import Settings
from marey.training.stage import Stage
from marey.training.training_data import TrainingData

_SHARES = {"appearance": 0.25, "motion": 0.3, "fusion": 0.45}
"""Parts of `Settings.minutes`; time that a stage does not use is for the stages after it."""


@dataclass(frozen=True)
class TrainingProgress:
    """The stage that a training is in, its steps so far and at most, and the mean loss of the last 20 steps."""

    stage: str
    step: int
    steps: int
    loss: float


class Runner:
    """Trains one module after the other; at Ctrl-C it saves the state and runs no stage that follows.

    path
        where the state is kept, whole, every `save_seconds`; an unfinished training there goes on. Raises DatasetError
        when that state was made with another `key`: settings, classes and clips by name.
    settings
        the settings, whose arithmetic is the one that stages begin in.
    begun
        `time.monotonic()` at the start of the training.
    on_note
        told in one line what the user should know.
    """

    def __init__(
        self,
        settings: Settings,
        data: TrainingData,
        path: Path,
        key: dict[str, Any],
        device: torch.device,
        *,
        save_seconds: float,
        on_step: Callable[[TrainingProgress], None] | None,
        on_note: Callable[[str], None] | None,
        begun: float,
    ) -> None:
        self.data, self.path, self.device = data, path, device
        self.save_seconds, self.on_step, self.begun = save_seconds, on_step, begun
        self.on_note = on_note if on_note is not None else lambda note: None
        threads = torch.get_num_threads()
        self.state = open_state(path, key) or {
            "settings": {**key, "arithmetic": settings.arithmetic_on(device)},
            "threads": threads,
            "done": {},
            "current": None,
            "seconds": 0.0,
        }
        self.settings = replace(settings, arithmetic=self.state["settings"]["arithmetic"])
        if self.state["threads"] != threads:
            self.on_note(
                f"the training began with {self.state['threads']} threads and goes on with {threads}: "
                "its weights differ by rounding from those of one run"
            )
        self.interrupted = False
        self.before = float(self.state["seconds"])

    @property
    def seconds(self) -> float:
        """Time spent so far, earlier runs included."""
        return self.before + time.monotonic() - self.begun

    def finished(self, name: str, module: TwoStream, *, steps: int, batch: int, rates: dict[str, float]) -> TwoStream:
        """The module after the stage `name`: trained now, or as an earlier run left it."""
        lay_channels_last(module)
        module.to(self.device)
        done = self.state["done"].get(name)
        if done is not None:
            module.load_state_dict(done["module"])
            return module.eval()
        if self.interrupted:
            return module.eval()
        stage = self._stage(name, module, steps, batch, rates)
        try:
            stage.run(self._follower(), self._limit_seconds(stage))
        except KeyboardInterrupt:
            self.interrupted = True
            self._save(stage)
            return module.eval()
        self.state["done"][name] = {
            "module": module.state_dict(),
            "step": stage.step,
            "seconds": stage.seconds,
            "bf16": stage.bf16,
        }
        self.state["current"] = None
        self._save(None)
        return module

    def _stage(self, name: str, module: TwoStream, steps: int, batch: int, rates: dict[str, float]) -> Stage:
        """The stage `name` at its start, or where an earlier run stopped it."""
        streams = module.input_streams()
        current = self.state["current"]
        resumed = current is not None and current["name"] == name
        stage = Stage(
            name=name,
            module=module,
            streams=streams,
            clips=self.data.train,
            labels=self.data.labels(self.data.train),
            watched=self.data.watched,
            watched_labels=self.data.labels(self.data.watched),
            settings=self.settings,
            steps=steps,
            batch=batch,
            rates=rates,
            bf16=self.settings.arithmetic == "bfloat16",
            on_note=self.on_note,
        )
        if resumed:
            stage.resume(current)
        else:
            stage.check_arithmetic()
        return stage

    def _follower(self) -> Callable[[Stage], None]:
        """What happens after every step of a stage: progress is told, and the state is saved when it is time."""
        saved = time.monotonic()

        def after(stage: Stage) -> None:
            nonlocal saved
            if self.on_step is not None:
                recent = stage.losses[-20:]
                self.on_step(TrainingProgress(stage.name, stage.step, stage.steps, sum(recent) / len(recent)))
            if time.monotonic() - saved > self.save_seconds:
                self._save(stage)
                saved = time.monotonic()

        return after

    def _limit_seconds(self, stage: Stage) -> float | None:
        """The time that a stage may take, of what decoding and the stages before it left; None: as long as it needs."""
        if self.settings.minutes is None:
            return None
        done = self.state["done"]
        left = max(0.0, 60 * self.settings.minutes - (self.seconds - stage.seconds))
        return left * _SHARES[stage.name] / sum(_SHARES[name] for name in self.settings.stages if name not in done)

    def _save(self, stage: Stage | None) -> None:
        current = None if stage is None else stage.state
        save_state({**self.state, "current": current, "seconds": self.seconds}, self.path)
