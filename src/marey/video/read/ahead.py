"""Windows of many clips, made on all cores ahead of the network, so that it never waits for a decoder."""

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Sequence
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
from marey.video.read.clips import Clip, LoadedClip, decoded_before, load_clip, starts
from marey.video.read.kept_clips import DamagedEntryError, KeptClip
from marey.video.read.loaded_clip import cut_window, physical

_DAMAGE = (VideoError, OSError, ValueError, MemoryError, av.FFmpegError, cv2.error)
"""What decoding and flow raise for files that are damaged in ways that nobody foresaw; others are bugs."""


@dataclass(frozen=True)
class ClipWindows:
    """The windows of a clip as `marey.video.read.loaded_clip.cut_window` gives them, and the frames at which they start.

    `speeds` are the root mean squares of speed in px/frame, of each stream of flow.
    """

    cuts: tuple[dict[str, Tensor], ...]
    start_frames: tuple[int, ...]
    frames: int
    rate: float
    damage: str | None
    speeds: tuple[float, ...] = ()

    def inputs(self, streams: Sequence[Stream]) -> dict[str, Tensor]:
        """As a network sees them: {stream: float32 (window channel time height width)}."""
        return {one.name: torch.stack([physical(cut[one.name], one) for cut in self.cuts]) for one in streams}


@dataclass
class _Task:
    clip: Clip
    work: Work = field(default_factory=Work)
    begun: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    begun_seconds: float = 0.0
    result: ClipWindows | str | BaseException = ""


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def clip_windows(
    clip: Clip, streams: Sequence[Stream], *, count: int, flow: Method, cache: FlowCache | None = None
) -> ClipWindows:
    """At most `count` windows of a clip, spread over it, centers cropped; VideoError where that cannot be.

    Of a clip that is in the cache nothing is decoded, and only the windows are read.
    """
    kept = None if cache is None else decoded_before(clip, streams, flow=flow, cache=cache)
    if kept is not None:
        with suppress(DamagedEntryError):
            return _windows(kept, streams, count)
    return _windows(load_clip(clip, streams, flow=flow, cache=cache), streams, count)


def _windows(clip: LoadedClip | KeptClip, streams: Sequence[Stream], count: int) -> ClipWindows:
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
    held: int = 0,
    limit_seconds: float = 600.0,
    pinned: bool = False,
) -> Generator[tuple[Clip, ClipWindows | str]]:
    """`clip_windows` of many clips in their order, made on `workers` threads (None: one for each core) ahead of use.

    A clip that cannot be used gives the reason in its place, also one that takes more than `limit_seconds`: its thread,
    which ends with the frame that it is busy with, is left to itself, and another takes over. Twice as many clips as
    there are workers are held at most, or `held` if that is more, so that who takes several at once finds them made.
    `pinned` puts the windows where an accelerator fetches them by itself.
    """
    workers = cores() if workers is None else workers
    hired: list[threading.Thread] = []
    inbox: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
    ready = threading.Event()
    threads = torch.get_num_threads()

    def work() -> None:
        compute_alone(threads)
        ready.set()
        while (task := inbox.get()) is not None:
            task.begun_seconds = time.monotonic()
            task.begun.set()
            try:
                with task.work:
                    made = clip_windows(task.clip, streams, count=count, flow=flow, cache=cache)
                    task.result = _pinned(made) if pinned else made
            except _DAMAGE as error:
                task.result = str(error) or type(error).__name__
            except BaseException as error:  # noqa: BLE001 -- a bug, raised again where the clip is asked for
                task.result = error
            task.done.set()
            if task.work.stopped:
                return

    def hire() -> None:
        hired.append(threading.Thread(target=work, name=CLIP_THREADS, daemon=True))
        ready.clear()
        hired[-1].start()
        ready.wait()  # in a forked process, threads that set their number at once would race

    def outcome(task: _Task) -> ClipWindows | str:
        task.begun.wait()
        left = task.begun_seconds + limit_seconds - time.monotonic()
        if not task.done.wait(max(0.0, left)):
            task.work.stop()
            hire()
            return f"'{task.clip.path}' takes more than {limit_seconds:g} s to decode, flow included; it is left out."
        if isinstance(task.result, BaseException):
            raise task.result
        return task.result

    def next_made() -> tuple[Clip, ClipWindows | str]:
        made = outcome(waiting[0])  # while it is waited for, it is among those that the end stops
        return waiting.popleft().clip, made

    opencv_threads = cv2.getNumThreads()
    cv2.setNumThreads(max(1, opencv_threads // workers))
    waiting: deque[_Task] = deque()
    try:
        for _ in range(workers):
            hire()
        for clip in clips:
            task = _Task(clip)
            waiting.append(task)
            inbox.put(task)
            if len(waiting) >= max(held, 2 * workers):
                yield next_made()
        while waiting:
            yield next_made()
    finally:
        for task in waiting:
            task.work.stop()
        for _ in hired:
            inbox.put(None)
        cv2.setNumThreads(opencv_threads)


def _pinned(made: ClipWindows) -> ClipWindows:
    cuts = tuple({name: values.contiguous().pin_memory() for name, values in cut.items()} for cut in made.cuts)
    return replace(made, cuts=cuts)
