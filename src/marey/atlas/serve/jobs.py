"""The queue: one task at a time, a limited number that wait, each of which can be watched and cancelled."""

import secrets
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from marey.atlas.serve.told import ExplainClip, Explained, Finished, LivePicture, MaximizeUnit, Step, Task
from marey.atlas.serve.worker import Stopped
from marey.errors import MareyError

WAITING = 8
"""Tasks that may wait."""

KEPT = 24
"""Tasks that are remembered after their end."""

EXPLAIN_SECONDS, MAXIMIZE_SECONDS = 900.0, 3600.0
"""After which a task is ended: clips come from anybody, and a unit must not hold up all others for ever."""

State = Literal["waiting", "running", "done", "failed", "cancelled"]

Run = Callable[[Task, Callable[[Step], None], Callable[[], str | None]], Finished]
"""Does a task: told steps, and asked whether to stop; see `Worker.run`."""


class QueueFullError(MareyError):
    """Too many tasks wait."""


@dataclass(eq=False)
class Job:
    """A task that somebody asked for.

    id
        nobody guesses it: who knows it may see and cancel the job.
    line
        why it failed.
    drawn
        how often there were new pictures.
    stage
        what is being done, from which step on, and since when.
    """

    task: Task
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: State = "waiting"
    step: Step = field(default_factory=lambda: Step("starting", 0, None))
    pictures: tuple[LivePicture, ...] = ()
    line: str = ""
    result: Explained | None = None
    drawn: int = 0
    begun: float = 0.0
    asked_to_stop: bool = False
    stage: tuple[str, int, float] = ("", 0, 0.0)

    @property
    def ended(self) -> bool:
        """Whether nothing of it will change."""
        return self.state in ("done", "failed", "cancelled")

    def take(self, step: Step) -> None:
        """Go on to a step."""
        if step.what != self.stage[0]:
            self.stage = (step.what, step.done, time.monotonic())
        self.step = step
        if step.pictures:
            self.pictures = step.pictures
            self.drawn += 1

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the steps up to now; None where there is none yet."""
        _, first, begun = self.stage
        seconds, done = time.monotonic() - begun, self.step.done - first
        if self.step.total is None or done <= 0 or seconds < 1:
            return None
        return seconds / done * (self.step.total - self.step.done)


class Jobs:
    """Does tasks one after the other in a thread."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._waiting: deque[Job] = deque()
        self._known: dict[str, Job] = {}
        self._running: Job | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="marey-jobs", daemon=True)
        self._thread.start()

    def add(self, task: Task) -> Job:
        """Put a task at the end of the queue; one that waits or runs for the same unit is returned instead.

        Raises QueueFullError; the private folder of a clip is then removed.
        """
        with self._changed:
            same = None if not isinstance(task, MaximizeUnit) else self._of(task.unit)
            if same is not None:
                return same
            if self.full:
                _clear(task)
                raise QueueFullError(f"{WAITING} tasks are waiting already; try again when some are done.")
            job = Job(task)
            self._waiting.append(job)
            self._known[job.id] = job
            self._forget()
            self._changed.notify_all()
            return job

    @property
    def full(self) -> bool:
        """Whether no more tasks are taken now."""
        return len(self._waiting) >= WAITING

    def find(self, name: str) -> Job | None:
        """The job with an id."""
        return self._known.get(name)

    def of_unit(self, unit: str) -> Job | None:
        """The job that makes the preferred input of a unit, and has not ended."""
        with self._changed:
            return self._of(unit)

    def before(self, job: Job) -> int:
        """How many jobs are done before a waiting one."""
        with self._changed:
            place = self._waiting.index(job) if job in self._waiting else 0
            return place + (self._running is not None)

    def cancel(self, job: Job) -> None:
        """End a job, now or before its turn; one that has ended stays as it is."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                self._end(job, "cancelled", "")
            elif not job.ended:
                job.asked_to_stop = True

    def close(self) -> None:
        """End all jobs."""
        with self._changed:
            self._closed = True
            while self._waiting:
                self._end(self._waiting.popleft(), "cancelled", "the server ended")
            self._changed.notify_all()
        self._thread.join()

    def _of(self, unit: str) -> Job | None:
        jobs = [*self._waiting, *([] if self._running is None else [self._running])]
        return next((job for job in jobs if isinstance(job.task, MaximizeUnit) and job.task.unit == unit), None)

    def _forget(self) -> None:
        """Remember the latest jobs only."""
        ended = [job for job in self._known.values() if job.ended]
        for job in ended[: max(0, len(ended) - KEPT)]:
            del self._known[job.id]

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                finished = self._run(job.task, partial(self._tell, job), partial(self._stop, job))
            except Stopped as reason:
                self._end(job, "failed" if str(reason) else "cancelled", str(reason))
            except MareyError as error:
                self._end(job, "failed", str(error))
            except OSError as error:  # no process could be started
                self._end(job, "failed", f"it cannot be computed here: {error.strerror or error}.")
            else:
                job.result = finished.result
                self._end(job, "done", "")

    def _next(self) -> Job | None:
        """The next job, as soon as there is one; None where the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._waiting))
            if self._closed:
                return None
            job = self._running = self._waiting.popleft()
            job.state, job.begun = "running", time.monotonic()
            return job

    def _tell(self, job: Job, step: Step) -> None:
        with self._changed:
            job.take(step)

    def _stop(self, job: Job) -> str | None:
        """The reason to stop a running job: nothing to say where it was asked for."""
        if job.asked_to_stop or self._closed:
            return ""
        limit = EXPLAIN_SECONDS if isinstance(job.task, ExplainClip) else MAXIMIZE_SECONDS
        return f"it took longer than {limit:g} s, and was ended." if time.monotonic() - job.begun > limit else None

    def _end(self, job: Job, state: State, line: str) -> None:
        with self._changed:
            if self._running is job:
                self._running = None
            job.state, job.line = state, line
            _clear(job.task)


def _clear(task: Task) -> None:
    """Remove the folder of an uploaded clip."""
    if isinstance(task, ExplainClip) and task.private is not None:
        shutil.rmtree(Path(task.private), ignore_errors=True)
