"""The network's passes over the windows of clips, gathered into shards; decoding and the network overlap."""

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
from marey.recording.lanes import Answers, Lanes, Watch, lanes_of
from marey.recording.plan import Plan
from marey.recording.shard import ClipRow, Shard
from marey.video.flow.cache import FlowCache
from marey.video.read.ahead import ClipWindows, windows_ahead
from marey.video.read.clips import Clip, span_frames


@dataclass
class _Gathered:
    """A clip on its way through the network: its windows' answers so far, all layers side by side."""

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
    answers depend neither on the clips beside it nor on where the recording was resumed.
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
        held=3 * -(-plan.settings.batch // plan.settings.windows),  # what three passes show: two are taken at a time
        limit_seconds=limit_seconds,
        pinned=network.device.type == "cuda",
    )
    watch = Watch(tuple(layer.name for layer in plan.layers), plan.network["scores"], plan.settings.batch)
    with closing(ahead):
        first = next(ahead, None)
        if first is None:
            return
        # the next clips are decoded while lanes are made
        with torch.no_grad(), quick_passes(network), lanes_of(network, watch) as lanes:
            yield from _Passes(network, plan, lanes).shards(chain([first], ahead), begun)


class _Passes:
    """The windows that wait for a pass, and the clips of those that are on their way through the network."""

    def __init__(self, network: Network, plan: Plan, lanes: Lanes) -> None:
        self.network = network
        self.plan = plan
        self.lanes = lanes
        self.units = [layer.units for layer in plan.layers]
        self.waiting: list[tuple[_Gathered, dict[str, Tensor]]] = []
        self.sent: deque[list[_Gathered]] = deque()
        self.passes = 0  # that were begun, with those whose answers are given

    def shards(
        self, ahead: Iterable[tuple[Clip, ClipWindows | str]], begun: deque[tuple[int, list[tuple[int, Clip]]]]
    ) -> Iterator[tuple[int, Shard]]:
        filling: list[ClipRow | _Gathered] = []
        full: deque[tuple[int, list[ClipRow | _Gathered], int]] = deque()  # with how many passes were begun by then
        for _, made in ahead:
            index, numbered = begun[0]
            number, _ = numbered[len(filling)]
            filling.append(ClipRow(number, made) if isinstance(made, str) else self._take(number, made))
            if len(filling) == len(numbered):
                if self.waiting:
                    self._send()
                full.append((index, filling, self.passes))
                begun.popleft()
                filling = []
            while full and full[0][2] <= self.passes - len(self.sent):
                index, clips, _ = full.popleft()
                yield index, self._shard(clips)
        while self.sent:
            self._give(self.lanes.next())
        for index, clips, _ in full:
            yield index, self._shard(clips)

    def _take(self, number: int, made: ClipWindows) -> _Gathered:
        size = sum(self.units)
        gathered = _Gathered(
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
        """Begin a pass over what is waiting."""
        waiting, self.waiting = self.waiting, []
        self.sent.append([gathered for gathered, _ in waiting])
        self.passes += 1
        answers = self.lanes.send([cut for _, cut in waiting])
        if answers is not None:
            self._give(answers)

    def _give(self, answers: Answers) -> None:
        """Give the answers of the earliest pass on its way to its clips."""
        found = answers.peaks
        maximum, mean, place = (part.numpy(force=True) for part in (found.maximum, found.mean, found.place))
        scores = None if answers.scores is None else answers.scores.numpy(force=True).astype(np.float64)
        for row, gathered in enumerate(self.sent.popleft()):
            gathered.add(maximum[row], mean[row], place[row])
            if scores is not None:
                gathered.scores = scores[row] if gathered.scores is None else gathered.scores + scores[row]

    def _shard(self, filling: list[ClipRow | _Gathered]) -> Shard:
        rows: list[ClipRow] = []
        kept: list[_Gathered] = []
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

    def _row(self, gathered: _Gathered) -> ClipRow:
        numbers = np.isfinite(gathered.maximum) & np.isfinite(gathered.total)
        if not numbers.all():
            first = int(numbers.argmin())
            ends = np.cumsum(self.units)
            layer = self.plan.layers[int(np.searchsorted(ends, first, side="right"))]
            return ClipRow(gathered.number, failure=f"layer '{layer.name}' answers with values that are no numbers")
        scores = () if gathered.scores is None else tuple((gathered.scores / gathered.seen).tolist())
        made = gathered.made
        return ClipRow(
            gathered.number,
            frames=made.frames,
            rate=made.rate,
            held=made.frames < span_frames(self.network.streams),
            damage=made.damage,
            start_frames=made.start_frames,
            speeds=made.speeds,
            scores=scores,
        )


def _side_by_side(parts: Sequence[NDArray[np.generic]], size: int, dtype: type[np.generic]) -> NDArray[np.generic]:
    return np.stack(parts, axis=1) if parts else np.empty((size, 0), dtype)
