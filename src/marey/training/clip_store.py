"""The clips of a training: those that fit stay in memory, the others are decoded again ahead of each use."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import overload

from marey.video.read.clips import Clip, LoadedClip


class ClipStore(Sequence[LoadedClip]):
    """Clips as a sequence; `sources` are the same clips unloaded.

    Clips that are not in `kept` come from `load`, on the threads of `pool` where they were expected. Which clips are
    kept changes the time and nothing else.
    """

    def __init__(
        self,
        sources: Sequence[Clip],
        kept: Mapping[Clip, LoadedClip],
        load: Callable[[Clip], LoadedClip],
        pool: Executor,
        *,
        ahead: int = 4,
    ) -> None:
        """`ahead`: how many clips are loaded in advance where they are taken in order."""
        self.sources, self._kept, self._load, self._pool, self._ahead = tuple(sources), kept, load, pool, ahead
        self._coming: dict[int, Future[LoadedClip]] = {}

    @overload
    def __getitem__(self, index: int) -> LoadedClip: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LoadedClip]: ...
    def __getitem__(self, index: int | slice) -> LoadedClip | Sequence[LoadedClip]:
        if isinstance(index, slice):
            return ClipStore(self.sources[index], self._kept, self._load, self._pool, ahead=self._ahead)
        clip = self.sources[index]
        kept = self._kept.get(clip)
        if kept is not None:
            return kept
        coming = self._coming.pop(index % len(self.sources), None)
        return self._load(clip) if coming is None else coming.result()

    def __len__(self) -> int:
        return len(self.sources)

    def __iter__(self) -> Iterator[LoadedClip]:
        for index in range(len(self.sources)):
            self.expect(range(index, min(len(self.sources), index + 1 + self._ahead)))
            yield self[index]

    def expect(self, indices: Iterable[int]) -> None:
        """Begin to load the clips at `indices`, which are needed next, and forget others that were expected."""
        wanted = dict.fromkeys(index for index in indices if self.sources[index] not in self._kept)
        for index in [index for index in self._coming if index not in wanted]:
            self._coming.pop(index).cancel()
        for index in wanted:
            if index not in self._coming:
                self._coming[index] = self._pool.submit(self._load, self.sources[index])
