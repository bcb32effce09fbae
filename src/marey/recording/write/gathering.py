"""Gathers the responses to the windows of clips into shards, while further clips are decoded."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marey.accelerate.passes import quick_passes
from marey.network.network import Network
from marey.recording.write.plan import Plan
from marey.recording.write.shard import ClipRow, Shard
from marey.recording.write.window_pass import PassResponses, WindowPass
from marey.video.flow.cache import FlowCache
from marey.video.read.ahead import ClipWindows, windows_ahead
from marey.video.read.clips import Clip, span_frames


@dataclass
class _ClipSoFar:
    """A clip on its way through the network: the responses to its windows so far, the units of all layers in a row."""

    number: int
    made: ClipWindows
    maximum: NDArray[np.float32]
    total: NDArray[np.float64]
    place: NDArray[np.int32]
    window: NDArray[np.uint8]
    scores: NDArray[np.float64] | None = None
    seen: int = 0

    def add(self, maximum: NDArray[np.float32], mean: NDArray[np.float32], place: NDArray[np.int32]) -> None:
        """Take in the next window; of equal maxima the first window's stays."""
        if self.seen == 0:
            self.maximum, self.place = maximum.copy(), place.copy()
        else:
            larger = ~(maximum <= self.maximum)  # also where it is no number
            np.copyto(self.maximum, maximum, where=larger)
            np.copyto(self.place, place, where=larger)
            self.window[larger] = self.seen
        self.total += mean
        self.seen += 1


def shards_of(
    network: Network,
    plan: Plan,
    indices: Iterable[int],
    *,
    cache: FlowCache | None,
    workers: int | None,
    limit_seconds: float,
) -> Iterator[tuple[int, Shard]]:
    """The shards at `indices`, in order; the next index is drawn when decoding gets there.

    Every pass shows the same number of windows, all of one shard, the last one filled up with repetitions: so a clip's
    responses depend neither on the clips beside it nor on where the recording was resumed.
    """
    begun: deque[tuple[int, list[tuple[int, Clip]]]] = deque()

    def clips() -> Iterator[Clip]:
        for index in indices:
            numbered = list(plan.shard(index))
            begun.append((index, numbered))
            yield from (clip for _, clip in numbered)

    ahead = windows_ahead(
        clips(),
        network.streams,
        count=plan.settings.windows,
        flow=plan.settings.flow,
        cache=cache,
        workers=workers,
        ahead=2 * -(-plan.settings.batch // plan.settings.windows),  # the clips that two passes show
        limit_seconds=limit_seconds,
        pinned=network.device.type == "cuda",
    )
    layers = [layer.name for layer in plan.layers]
    with closing(ahead):
        first = next(ahead, None)
        if first is None:
            return
        with torch.no_grad(), quick_passes(network):
            window_pass = WindowPass(network, layers, plan.network["scores"], plan.settings.batch)
            yield from _Gathering(network, plan, window_pass).shards(chain([first], ahead), begun)


class _Gathering:
    """The windows that wait for a pass, and the clips whose responses are not complete."""

    def __init__(self, network: Network, plan: Plan, window_pass: WindowPass) -> None:
        self.network = network
        self.plan = plan
        self.window_pass = window_pass
        self.units = [layer.units for layer in plan.layers]
        self.waiting: list[tuple[_ClipSoFar, dict[str, Tensor]]] = []
        self.sent: tuple[list[_ClipSoFar], PassResponses] | None = None
        """The last pass, which an accelerator may still be computing."""

    def shards(
        self, ahead: Iterable[tuple[Clip, ClipWindows | str]], begun: deque[tuple[int, list[tuple[int, Clip]]]]
    ) -> Iterator[tuple[int, Shard]]:
        filling: list[ClipRow | _ClipSoFar] = []
        for _, made in ahead:
            index, numbered = begun[0]
            number, _ = numbered[len(filling)]
            filling.append(ClipRow(number, made) if isinstance(made, str) else self._take(number, made))
            if len(filling) == len(numbered):
                if self.waiting:
                    self._send()
                self._give()
                yield index, self._shard(filling)
                begun.popleft()
                filling = []

    def _take(self, number: int, made: ClipWindows) -> _ClipSoFar:
        size = sum(self.units)
        gathered = _ClipSoFar(
            number,
            made,
            np.empty(size, np.float32),
            np.zeros(size, np.float64),
            np.empty(size, np.int32),
            np.zeros(size, np.uint8),
        )
        device = self.network.device
        for cut in made.cuts:
            self.waiting.append((gathered, {name: part.to(device, non_blocking=True) for name, part in cut.items()}))
            if len(self.waiting) == self.plan.settings.batch:
                self._send()
        gathered.made = replace(made, cuts=())  # the windows can go
        return gathered

    def _send(self) -> None:
        """Begin a pass over the waiting windows; then take in the responses of the pass before."""
        waiting, self.waiting = self.waiting, []
        responses = self.window_pass.responses([cut for _, cut in waiting])
        self._give()
        self.sent = ([gathered for gathered, _ in waiting], responses)

    def _give(self) -> None:
        """Add the responses of the last pass to its clips."""
        if self.sent is None:
            return
        (clips, responses), self.sent = self.sent, None
        found = responses.maxima
        maximum, mean, place = (part.numpy(force=True) for part in (found.maximum, found.mean, found.place))
        scores = None if responses.scores is None else responses.scores.numpy(force=True).astype(np.float64)
        for row, gathered in enumerate(clips):
            gathered.add(maximum[row], mean[row], place[row])
            if scores is not None:
                gathered.scores = scores[row] if gathered.scores is None else gathered.scores + scores[row]

    def _shard(self, filling: list[ClipRow | _ClipSoFar]) -> Shard:
        rows: list[ClipRow] = []
        kept: list[_ClipSoFar] = []
        for row in filling:
            if isinstance(row, ClipRow):
                rows.append(row)
                continue
            rows.append(self._row(row))
            if rows[-1].failure is None:
                kept.append(row)
        size = sum(self.units)
        responses = {
            "maximum": _side_by_side([one.maximum for one in kept], size, np.float32),
            "mean": _side_by_side([(one.total / one.seen).astype(np.float32) for one in kept], size, np.float32),
            "place": _side_by_side([one.place for one in kept], size, np.int32),
            "window": _side_by_side([one.window for one in kept], size, np.uint8),
        }
        return Shard(tuple(rows), responses)

    def _row(self, gathered: _ClipSoFar) -> ClipRow:
        numbers = np.isfinite(gathered.maximum) & np.isfinite(gathered.total)
        if not numbers.all():
            first = int(numbers.argmin())
            ends = np.cumsum(self.units)
            layer = self.plan.layers[int(np.searchsorted(ends, first, side="right"))]
            return ClipRow(gathered.number, failure=f"layer '{layer.name}' responds with values that are not numbers")
        scores = () if gathered.scores is None else tuple((gathered.scores / gathered.seen).tolist())
        made = gathered.made
        return ClipRow(
            gathered.number,
            frames=made.frames,
            rate=made.rate,
            padded=made.frames < span_frames(self.network.streams, made.frames),
            damage=made.damage,
            start_frames=made.start_frames,
            speeds=made.speeds,
            scores=scores,
        )


def _side_by_side(parts: Sequence[NDArray[np.generic]], size: int, dtype: type[np.generic]) -> NDArray[np.generic]:
    return np.stack(parts, axis=1) if parts else np.empty((size, 0), dtype)
