"""Passes of a network that observe its layers; on a processor with several threads two go on side by side."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from marey.errors import NetworkError
from marey.network.hooks import observed_calls, passed_on, sharing_copy
from marey.network.layer import volume
from marey.network.network import Network
from marey.recording.peaks import PassPeaks, Peaks
from marey.recording.quick_peaks import QuickPeaks, pass_peaks
from marey.threads import compute_alone
from marey.video.read.loaded_clip import physical

Cut = Mapping[str, Tensor]
"""A window of a clip, as `ClipWindows` holds it."""


@dataclass(frozen=True)
class Watch:
    """What is taken in of a pass that shows `batch` windows: layers, in this order, and the one of class scores."""

    layers: tuple[str, ...]
    scores: str | None
    batch: int

    def of(self, module: nn.Module) -> dict[str, nn.Module]:
        """The modules of a network."""
        names = self.layers if self.scores is None else dict.fromkeys((*self.layers, self.scores))
        return {name: module.get_submodule(name) for name in names}


@dataclass(frozen=True)
class Answers:
    """Of the windows of a pass: the peaks of all layers in a row, and the class scores where there are some."""

    peaks: Peaks
    scores: Tensor | None


class Lane:
    """A network's `module`, or a copy that shares its weights, which takes one pass after the other."""

    def __init__(self, network: Network, module: nn.Module, watch: Watch, peaks: PassPeaks | QuickPeaks) -> None:
        self.network, self.module, self.watch, self.peaks = network, module, watch, peaks
        self.watched = watch.of(module)
        self.inputs = {s.name: torch.empty(watch.batch, *s.shape, device=network.device) for s in network.streams}
        self.scores: Tensor | None = None  # of this pass

    def run(self, cuts: Sequence[Cut]) -> Answers:
        """The answers to some windows, of which the last one fills the pass up."""
        for stream in self.network.streams:
            inputs = self.inputs[stream.name]
            for place, cut in enumerate(cuts):
                physical(cut[stream.name], stream, out=inputs[place])
            inputs[len(cuts) :] = inputs[len(cuts) - 1]
        self.scores = None
        with torch.no_grad(), passed_on(self.peaks.passed), observed_calls(self.watched, self._read):
            self.network.forward(self.inputs, module=self.module)
        if silent := self.peaks.missing():
            raise NetworkError(f"layer '{min(silent)}' did not answer in this pass; leave it out of the recording.")
        return Answers(self.peaks.together(), self.scores)

    def _read(self, name: str, given: Tensor | None, output: Tensor) -> None:
        """Take in what a layer answers."""
        if name == self.watch.scores and self.scores is None:  # a copy, as reading may write in its place
            self.scores = volume(output, self.watch.batch).flatten(1).float().clone()
        if name in self.watch.layers:
            output = self.network.units_second(name, output)
            self.peaks.read(name, output, module=self.watched[name], given=given)


class Lanes:
    """Lanes in turn, whose answers come in the order in which windows were sent."""

    def __init__(self, lanes: Sequence[Lane], threads: Sequence[ThreadPoolExecutor] = ()) -> None:
        """`threads`, where there are any, hold one for each lane."""
        self._lanes, self._threads = lanes, threads
        self._turn = 0
        self._sent: deque[Callable[[], Answers]] = deque()

    def send(self, cuts: Sequence[Cut]) -> Answers | None:
        """Begin a pass; gives the answers of an earlier one where more are on their way than there are lanes."""
        lane = self._turn % len(self._lanes)
        self._turn += 1
        run = partial(self._lanes[lane].run, cuts)
        if self._threads:
            self._sent.append(self._threads[lane].submit(run).result)
        else:
            answers = run()  # which an accelerator may still be computing
            self._sent.append(lambda: answers)
        return self.next() if len(self._sent) > len(self._lanes) else None

    def next(self) -> Answers:
        """The answers of the earliest pass on its way."""
        return self._sent.popleft()()


@contextmanager
def lanes_of(network: Network, watch: Watch) -> Iterator[Lanes]:
    """The lanes for passes of a network; enter `quick_passes` first.

    Two on a processor with several threads, each with half of them. What the threads of a pass wait for, or do not
    share, goes on beside the other pass then; memory holds the maps of both. One where the network cannot be copied.
    """
    module, threads = network.module, torch.get_num_threads()
    peaks = pass_peaks(network, watch.of(module), watch.layers, watch.batch)
    twins = _twins(module, 2) if network.device.type == "cpu" and threads > 1 else []
    if not twins:
        yield Lanes([Lane(network, module, watch, peaks)])
        return
    lanes = [Lane(network, twin, watch, peaks.twin(watch.of(twin))) for twin in twins]
    with ExitStack() as stack:
        begin = partial(compute_alone, threads, threads // len(lanes))
        pools = [ThreadPoolExecutor(1, "marey-lane", initializer=begin) for _ in lanes]
        for pool in pools:
            stack.callback(pool.shutdown, cancel_futures=True)
        yield Lanes(lanes, pools)


def _twins(module: nn.Module, count: int) -> list[nn.Module]:
    """Copies that share all weights, and that nobody else runs meanwhile; none where it cannot be copied."""
    try:
        return [sharing_copy(module) for _ in range(count)]
    except Exception:  # noqa: BLE001 -- whatever code a module has for that
        return []
