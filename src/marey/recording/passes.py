"""The network's passes over the windows of clips, gathered into shards; decoding and the network overlap."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from marey.arithmetic import quick_passes
from marey.errors import NetworkError
from marey.layer import volume
from marey.network import Network
from marey.recording.peaks import Peaks
from marey.recording.plan import Plan
from marey.recording.quick_peaks import pass_peaks
from marey.recording.shard import ClipRow, Shard
from marey.taps import observed_calls, passed_on
from marey.video.ahead import ClipWindows, windows_ahead
from marey.video.clips import Clip, span_frames
from marey.video.flow_cache import FlowCache
from marey.video.loaded_clip import physical


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


@dataclass(frozen=True)
class _Sent:
    """A batch on the network: which clip each of its windows is of, and the answers, maybe still being computed."""

    clips: list[_Gathered]
    peaks: Peaks
    scores: Tensor | None


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
        held=2 * -(-plan.settings.batch // plan.settings.windows),  # what two passes show: one is taken at a time
        limit_seconds=limit_seconds,
        pinned=network.device.type == "cuda",
    )
    with torch.no_grad(), quick_passes(network), closing(ahead):
        passes = _Passes(network, plan)
        yield from passes.shards(ahead, begun)


class _Passes:
    """The network with its observed layers, and the batch that it is busy with while the next is put together."""

    def __init__(self, network: Network, plan: Plan) -> None:
        self.network = network
        self.plan = plan
        self.scores: str | None = plan.network["scores"]
        self.units = [layer.units for layer in plan.layers]
        names = [layer.name for layer in plan.layers]
        self.recorded = frozenset(names)
        watched = names if self.scores is None else list(dict.fromkeys([*names, self.scores]))
        self.modules: dict[str, nn.Module] = {name: network.module.get_submodule(name) for name in watched}
        self.busy: _Sent | None = None
        self.answer: Tensor | None = None  # of this pass, the class scores
        self.waiting: list[tuple[_Gathered, dict[str, Tensor]]] = []
        batch = plan.settings.batch
        self.peaks = pass_peaks(network, self.modules, names, batch)
        self.inputs = {one.name: torch.empty(batch, *one.shape, device=network.device) for one in network.streams}

    def shards(
        self, ahead: Generator[tuple[Clip, ClipWindows | str]], begun: deque[tuple[int, list[tuple[int, Clip]]]]
    ) -> Iterator[tuple[int, Shard]]:
        filling: list[ClipRow | _Gathered] = []
        for _, made in ahead:
            index, numbered = begun[0]
            number, _ = numbered[len(filling)]
            filling.append(ClipRow(number, made) if isinstance(made, str) else self._take(number, made))
            if len(filling) == len(numbered):
                if self.waiting:
                    self._send()
                self._fetch()
                yield index, self._shard(filling)
                begun.popleft()
                filling = []

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

    def read(self, name: str, given: Tensor | None, output: Tensor) -> None:
        """Take in what a layer answers in a pass."""
        if name == self.scores and self.answer is None:  # a copy, as reading may write in its place
            self.answer = volume(output, self.plan.settings.batch).flatten(1).float().clone()
        if name in self.recorded:
            output = self.network.units_second(name, output)
            self.peaks.read(name, output, module=self.modules[name], given=given)

    def _send(self) -> None:
        """Begin a pass over what is waiting, then fetch the answers of the pass before it."""
        waiting, self.waiting = self.waiting, []
        for stream in self.network.streams:
            inputs = self.inputs[stream.name]
            for place, (_, cut) in enumerate(waiting):
                physical(cut[stream.name], stream, out=inputs[place])
            inputs[len(waiting) :] = inputs[len(waiting) - 1]
        self.answer = None
        # no longer than that, as whoever takes the shards may run the network too
        with passed_on(self.peaks.passed), observed_calls(self.modules, self.read):
            self.network.forward(self.inputs)
        if silent := self.peaks.missing():
            raise NetworkError(f"layer '{min(silent)}' did not answer in this pass; leave it out of the recording.")
        sent = _Sent([gathered for gathered, _ in waiting], self.peaks.together(), self.answer)
        self._fetch()
        self.busy = sent

    def _fetch(self) -> None:
        """Give the answers of the batch in flight to its clips."""
        if self.busy is None:
            return
        sent, self.busy = self.busy, None
        maximum, mean, place = (
            part.numpy(force=True) for part in (sent.peaks.maximum, sent.peaks.mean, sent.peaks.place)
        )
        scores = None if sent.scores is None else sent.scores.numpy(force=True).astype(np.float64)
        for row, gathered in enumerate(sent.clips):
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
