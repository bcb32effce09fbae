"""The clips of a training, read once to find what is there, what is damaged and how much fits into memory."""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

import torch
from torch import Tensor

from marey.datasets.skipped_clip import SkippedClip
from marey.datasets.splits import Split, grouped_split
from marey.errors import VideoError
from marey.network.stream import Stream
from marey.training.clip_store import ClipStore
from marey.training.settings import Settings
from marey.video.flow.cache import FlowCache
from marey.video.read.clips import Clip, LoadedClip, load_clip, load_clips, span_frames

WORKERS = 2
"""Threads that load clips."""


@dataclass(frozen=True)
class TrainingData:
    """Clips that train, that are watched, and that are held out; clips that cannot be read are in `skipped` only."""

    classes: tuple[str, ...]
    train: ClipStore
    watched: ClipStore
    held_out: ClipStore
    skipped: tuple[SkippedClip, ...]
    short: frozenset[Clip]
    damaged: Mapping[Clip, str]

    def labels(self, clips: ClipStore) -> Tensor:
        """The class of every clip, as an index (clip)."""
        return torch.tensor([self.classes.index(str(clip.label)) for clip in clips.sources], dtype=torch.long)


def loaded_data(
    split: Split,
    classes: tuple[str, ...],
    streams: tuple[Stream, ...],
    settings: Settings,
    *,
    cache: FlowCache,
    memory: int,
    pool: Executor,
    on_load: Callable[[int, int], None] | None,
    on_note: Callable[[str], None] | None,
) -> TrainingData:
    """The clips of `split`, each read once; as many as fit into `memory` bytes stay loaded.

    Raises VideoError when a class has no clip to train on.
    """
    train, watched = _watched(split, settings)
    every = list(dict.fromkeys([*train, *watched, *split.held_out]))
    skipped: list[SkippedClip] = []
    kept: dict[Clip, LoadedClip] = {}
    readable: set[Clip] = set()
    short: set[Clip] = set()
    damaged: dict[Clip, str] = {}
    spent = streamed_flow = 0

    def failed(clip: Clip, error: VideoError) -> None:
        skipped.append(SkippedClip.of(clip, error))

    def load(clip: Clip) -> LoadedClip:
        return load_clip(clip, streams, flow=settings.flow, cache=cache)

    if on_load is not None:
        on_load(0, len(every))
    for loaded in load_clips(every, streams, flow=settings.flow, cache=cache, workers=WORKERS, failed=failed):
        readable.add(loaded.clip)
        if loaded.frames < span_frames(streams, loaded.frames):
            short.add(loaded.clip)
        if loaded.damage is not None:
            damaged[loaded.clip] = loaded.damage
        if spent + loaded.bytes <= memory:
            kept[loaded.clip] = loaded
            spent += loaded.bytes
        else:
            streamed_flow += sum(fields.nbytes for fields in loaded.fields.values())
        if on_load is not None:
            on_load(len(readable) + len(skipped), len(every))
    stores = [
        ClipStore([clip for clip in part if clip in readable], kept, load, pool)
        for part in (train, watched, split.held_out)
    ]
    empty = set(classes) - {str(clip.label) for clip in stores[0].sources}
    if empty:
        raise VideoError(
            f"no clip of class '{min(empty)}' can be used to train on; the first error: {skipped[0].reason}"
        )
    if on_note is not None:
        for note in _notes(readable, kept, short, damaged, memory=memory, flow=streamed_flow, limit=cache.limit_bytes):
            on_note(note)
    return TrainingData(classes, stores[0], stores[1], stores[2], tuple(skipped), frozenset(short), damaged)


def _watched(split: Split, settings: Settings) -> tuple[tuple[Clip, ...], tuple[Clip, ...]]:
    """The clips that train, and the clips of the training groups that are only watched."""
    if settings.validation == 0:
        return split.train, ()
    inner = grouped_split(split.train, held_out=settings.validation, seed=settings.seed)
    return inner.train, inner.held_out


def _notes(
    readable: Collection[Clip],
    kept: Collection[Clip],
    short: Collection[Clip],
    damaged: Mapping[Clip, str],
    *,
    memory: int,
    flow: int,
    limit: int,
) -> list[str]:
    """Lines that tell the user which clips are damaged, short or too many for the memory."""
    notes = [f"damaged: {clip.path}: {what}; used as far as it can be read" for clip, what in damaged.items()]
    if short:
        notes.append(f"{len(short)} clips are shorter than the network's window: they are padded with their last frame")
    streamed = len(readable) - len(kept)
    if streamed:
        notes.append(
            f"{streamed} of {len(readable)} clips do not fit into {memory / 1e9:.1f} GB of memory: they are decoded "
            "again at each use"
        )
    if flow > limit:
        notes.append(
            f"their flow takes up to {flow / 1e9:.0f} GB and the cache holds {limit / 1e9:.0f}: it is computed again "
            "and again unless MAREY_CACHE_GB allows more, or flow images are stored beside the frames"
        )
    return notes
