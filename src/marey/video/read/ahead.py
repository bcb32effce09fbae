"""Windows of many clips, made on all cores ahead of the network, so that it never waits for a decoder."""

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import av
import cv2
import numpy as np
import torch
from torch import Tensor

from marey.errors import VideoError
from marey.network.stream import Stream
from marey.threads import CLIP_THREADS, Work, compute_alone
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.cached_clips import CachedClip, DamagedEntryError
from marey.video.read.clip import Clip, LoadedClip
from marey.video.read.clips import decoded_before, load_clip, starts
from marey.video.read.windows import cut_window, physical

_DAMAGE = (VideoError, OSError, ValueError, MemoryError, av.FFmpegError, cv2.error)
"""The errors of decoding and flow for files that are damaged in ways that nobody foresaw; other errors are bugs."""


@dataclass(frozen=True)
class ClipWindows:
    """The windows of a clip as `marey.video.read.windows.cut_window` cuts them, and their start frames.

    `speeds` are root mean squares of speed in px/frame, one for each stream of flow. `frames`, `rate` and `damage` are
    those of the clip.
    """

    cuts: tuple[dict[str, Tensor], ...]
    start_frames: tuple[int, ...]
    frames: int
    rate: float
    damage: str | None
    speeds: tuple[float, ...] = ()

    def inputs(self, streams: Sequence[Stream]) -> dict[str, Tensor]:
        """Convert the windows to the network's inputs: {stream: float32 (window channel time height width)}."""
        return {one.name: torch.stack([physical(cut[one.name], one) for cut in self.cuts]) for one in streams}


def cores() -> int:
    """Count the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def clip_windows(
    clip: Clip, streams: Sequence[Stream], *, count: int, flow: Method, cache: FlowCache | None = None
) -> ClipWindows:
    """Cut at most `count` windows of a clip, spread over it, at the center; VideoError for a clip that cannot be used.

    A clip that is in the cache is not decoded, and only its windows are read.
    """
    kept = None if cache is None else decoded_before(clip, streams, flow=flow, cache=cache)
    if kept is not None:
        with suppress(DamagedEntryError):
            return _windows(kept, streams, count)
    return _windows(load_clip(clip, streams, flow=flow, cache=cache), streams, count)


def _windows(clip: LoadedClip | CachedClip, streams: Sequence[Stream], count: int) -> ClipWindows:
    start_frames = tuple(starts(clip, streams, count))
    cuts = tuple(cut_window(clip, streams, start) for start in start_frames)
    speeds = tuple(_speed([cut[one.name] for cut in cuts], one) for one in streams if one.kind == "flow")
    return ClipWindows(cuts, start_frames, clip.frames, clip.rate, clip.damage, speeds)


def _speed(cuts: Sequence[Tensor], stream: Stream) -> float:
    """The root mean square speed; the same bits for any number of threads, which torch's sums are not."""
    scratch = torch.empty(stream.shape)
    fields = scratch.numpy().reshape(scratch.shape[0] * scratch.shape[1], -1)
    total = 0.0
    for cut in cuts:
        physical(cut, stream, out=scratch)
        total += float(np.einsum("ij,ij->i", fields, fields).sum(dtype=np.float64))
    return float(np.sqrt(total / (len(cuts) * scratch[0].numel())))


def windows_ahead(
    clips: Iterable[Clip],
    streams: Sequence[Stream],
    *,
    count: int,
    flow: Method,
    cache: FlowCache | None = None,
    workers: int | None = None,
    ahead: int = 0,
    limit_seconds: float = 600.0,
    pinned: bool = False,
) -> Generator[tuple[Clip, ClipWindows | str]]:
    """Cut the `clip_windows` of many clips, in their order, on `workers` threads (None: one for each core).

    A clip that cannot be used gives the reason in place of its windows, also a clip that takes more than
    `limit_seconds`: another thread takes over, and the slow one ends with its frame. Twice as many clips as workers are
    in memory at most, or `ahead` clips if that is more, so that a caller who takes several at once finds them made.
    `pinned` puts the windows into memory from which an accelerator fetches them by itself.
    """
    workers = cores() if workers is None else workers

    def make(clip: Clip) -> ClipWindows:
        made = clip_windows(clip, streams, count=count, flow=flow, cache=cache)
        return _pinned(made) if pinned else made

    opencv_threads = cv2.getNumThreads()
    cv2.setNumThreads(max(1, opencv_threads // workers))
    crew = _Crew(make, limit_seconds)
    waiting: deque[_Task] = deque()

    def next_made() -> tuple[Clip, ClipWindows | str]:
        made = crew.outcome(waiting[0])  # while it is waited for, it is among those that the end stops
        return waiting.popleft().clip, made

    try:
        for _ in range(workers):
            crew.hire()
        for clip in clips:
            waiting.append(crew.begin(clip))
            if len(waiting) >= max(ahead, 2 * workers):
                yield next_made()
        while waiting:
            yield next_made()
    finally:
        for task in waiting:
            task.work.stop()
        crew.dismiss()
        cv2.setNumThreads(opencv_threads)


def _pinned(made: ClipWindows) -> ClipWindows:
    cuts = tuple({name: values.contiguous().pin_memory() for name, values in cut.items()} for cut in made.cuts)
    return replace(made, cuts=cuts)


@dataclass
class _Task:
    clip: Clip
    work: Work = field(default_factory=Work)
    begun: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    begun_seconds: float = 0.0
    result: ClipWindows | str | BaseException = ""


class _Crew:
    """Threads that make the windows of clips, each computing alone."""

    def __init__(self, make: Callable[[Clip], ClipWindows], limit_seconds: float) -> None:
        self._make, self._limit_seconds = make, limit_seconds
        self._inbox: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._hired = 0
        self._torch_threads = torch.get_num_threads()

    def hire(self) -> None:
        """Start one more thread."""
        ready = threading.Event()
        threading.Thread(target=self._work, args=(ready,), name=CLIP_THREADS, daemon=True).start()
        self._hired += 1
        ready.wait()  # in a forked process, threads that set their number at once would race

    def begin(self, clip: Clip) -> _Task:
        """Put a clip in line."""
        task = _Task(clip)
        self._inbox.put(task)
        return task

    def outcome(self, task: _Task) -> ClipWindows | str:
        """Wait for the windows of a clip, or for the reason why there are none; a bug is raised here."""
        task.begun.wait()
        left = task.begun_seconds + self._limit_seconds - time.monotonic()
        if not task.done.wait(max(0.0, left)):
            task.work.stop()
            self.hire()
            return (
                f"'{task.clip.path}' takes more than {self._limit_seconds:g} s to decode, flow included; it is skipped."
            )
        if isinstance(task.result, BaseException):
            raise task.result
        return task.result

    def dismiss(self) -> None:
        """Let every thread end after its clip."""
        for _ in range(self._hired):
            self._inbox.put(None)

    def _work(self, ready: threading.Event) -> None:
        compute_alone(self._torch_threads)
        ready.set()
        while (task := self._inbox.get()) is not None:
            task.begun_seconds = time.monotonic()
            task.begun.set()
            try:
                with task.work:
                    task.result = self._make(task.clip)
            except _DAMAGE as error:
                task.result = str(error) or type(error).__name__
            except BaseException as error:  # noqa: BLE001 -- a bug, raised again where the clip is asked for
                task.result = error
            task.done.set()
            if task.work.stopped:
                return
