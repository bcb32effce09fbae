"""Clips beyond the memory are loaded again, ahead of their use, and nothing else changes."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from marey.training.clip_store import ClipStore
from marey.video.read.clips import Clip, LoadedClip

MakeClip = Callable[..., LoadedClip]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


@pytest.fixture
def clips(make_clip: MakeClip) -> list[LoadedClip]:
    return [make_clip(name=f"clip{k}") for k in range(8)]


class Loading:
    """Loads by looking up, and counts."""

    def __init__(self, clips: list[LoadedClip]) -> None:
        self.known = {loaded.clip: loaded for loaded in clips}
        self.count: Counter[str] = Counter()
        self.threads: set[str] = set()

    def __call__(self, clip: Clip) -> LoadedClip:
        self.count[clip.path.stem] += 1
        self.threads.add(threading.current_thread().name)
        return self.known[clip]


@pytest.mark.parametrize("kept", [0, 3, 8])
def test_it_is_the_same_sequence_however_many_clips_are_kept(
    clips: list[LoadedClip], pool: ThreadPoolExecutor, kept: int
) -> None:
    load = Loading(clips)
    store = ClipStore([one.clip for one in clips], {one.clip: one for one in clips[:kept]}, load, pool)
    assert list(store) == clips and [store[k] for k in (5, 0, -1)] == [clips[5], clips[0], clips[-1]]
    assert list(store[2:4]) == clips[2:4]
    assert len(store) == 8 and store.sources == tuple(one.clip for one in clips)
    assert not {one.clip.path.stem for one in clips[:kept]} & set(load.count)


def test_what_is_expected_is_loaded_once_on_another_thread_and_not_held_after_its_use(
    clips: list[LoadedClip], pool: ThreadPoolExecutor
) -> None:
    load = Loading(clips)
    store = ClipStore([one.clip for one in clips], {clips[1].clip: clips[1]}, load, pool)
    store.expect([0, 1, 2, 2])
    assert [store[k] for k in (0, 1, 2)] == clips[:3]
    assert load.count == {"clip0": 1, "clip2": 1}
    assert threading.current_thread().name not in load.threads
    assert store[0] is clips[0] and load.count["clip0"] == 2
    store.expect([3, 4])
    store.expect([4])
    assert store[4] is clips[4] and load.count["clip4"] == 1
