"""Clips run up to some deep layers once, and from there as often as units are to be held: what they add to scores."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from marey.accelerate.passes import quick_passes
from marey.errors import MareyError, NetworkError
from marey.findings.ablation import ablated
from marey.findings.continuation import Continuation
from marey.network.layer import Layer
from marey.network.network import Network
from marey.network.twins import passed_on
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.ahead import windows_ahead
from marey.video.read.clips import Clip

MOST_PASSES = 2**18
"""So many clips times units are asked at most for what every unit of a layer adds; of more clips an even choice is."""

MOST_NUMBERS = 2**26
"""So many numbers of the layers of all clips are in memory at most."""

_RUN_AT_ONCE = 16
_NUMBERS_AT_ONCE = 2**21
_TRIED = 24

Outputs = Mapping[str, Tensor]
"""{layer: what it gives for one window}."""


@dataclass(frozen=True, eq=False)
class DeepPasses:
    """Passes of clips that go on from one layer, whose units can be held.

    behind
        goes on from the layer, and from the ends of streams that the layer does not see.
    windows
        what these gave for every window of the clips, as `Continuation` takes it.
    clip_of
        (window), the place of its clip.
    """

    network: Network
    layer: str
    behind: Continuation
    windows: Sequence[Outputs]
    clip_of: NDArray[np.intp]
    _ready: list[bool] = field(default_factory=list)

    @cached_property
    def units(self) -> int:
        """How many units the layer has."""
        return self.network.layer(self.layer).units

    @cached_property
    def _step(self) -> int:
        """Windows of one pass."""
        return max(1, min(256, _NUMBERS_AT_ONCE // int(np.prod(self.network.layer(self.layer).shape))))

    @contextmanager
    def ready(self) -> Iterator[None]:
        """While inside, the network stays as passes need it, which takes longer to bring about than a short pass."""
        if self._ready:
            yield
            return
        with torch.no_grad(), quick_passes(self.network):
            self._ready.append(True)
            try:
                yield
            finally:
                self._ready.clear()

    def scores(
        self, units: Sequence[int] = (), values: Tensor | None = None, *, clips: NDArray[np.intp] | None = None
    ) -> NDArray[np.float32]:
        """The class scores (clip, class), means over windows, while `units` are held at `values` (one each).

        `clips` are places, sorted (None: all).
        """
        chosen = np.arange(len(self.windows)) if clips is None else np.flatnonzero(np.isin(self.clip_of, clips))
        rows = [self.windows[place] for place in chosen.tolist()]
        held = nullcontext() if values is None else ablated(self.network, self.layer, units, values)
        with self.ready(), held:
            found = [
                self.behind.activations(rows[first : first + self._step], [self.network.scores])[self.network.scores]
                for first in range(0, len(rows), self._step)
            ]
        every = torch.cat(found).flatten(2).mean(2).float().cpu().numpy()
        return _by_clip(every, self.clip_of[chosen])

    def effects(
        self, values: Tensor, *, clips: NDArray[np.intp] | None = None, report: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        """What each unit adds to the class scores (clip, unit, class): the score less that with the unit held.

        `values` (unit) are those at which units are held, such as their means; `report` is told of every unit done.
        """
        with self.ready():
            whole = self.scores(clips=clips)
            found = np.empty((len(whole), self.units, whole.shape[1]), np.float32)
            for unit in range(self.units):
                found[:, unit] = whole - self.scores([unit], values[unit : unit + 1], clips=clips)
                if report is not None:
                    report(1)
        return found


def _by_clip(scores: NDArray[np.float32], clip_of: NDArray[np.intp]) -> NDArray[np.float32]:
    places, index, counts = np.unique(clip_of, return_inverse=True, return_counts=True)
    sums = np.zeros((len(places), scores.shape[1]), np.float32)
    np.add.at(sums, index, scores)
    return np.asarray(sums / counts[:, None], np.float32)


def run_to(
    network: Network,
    clips: Sequence[Clip],
    layers: Iterable[str],
    *,
    windows: int = 1,
    flow: Method = "tvl1-fast",
    report: Callable[[int], None] | None = None,
) -> dict[str, DeepPasses]:
    """Run every clip once, up to all of `layers`; NetworkError for a layer around which something goes to the scores.

    Streams that a layer does not see run to their ends, which are kept beside it. `report` is told of every clip that
    is done. Raises MareyError where a clip can no longer be read.
    """
    names = [network.layer(layer).name for layer in layers]
    behind = {name: _going_on_from(network, name) for name in names}
    every = Continuation(network, list(dict.fromkeys(layer for one in behind.values() for layer in one.layers)))
    kept: list[Outputs] = []
    clip_of: list[int] = []
    waiting: list[Mapping[str, Tensor]] = []

    def finish() -> None:
        inputs = {
            stream.name: torch.cat([one[stream.name] for one in waiting]).to(network.device)
            for stream in network.streams
        }
        if not kept:
            for one in behind.values():
                one.checked(inputs, [network.scores])
        kept.extend(every.outputs(inputs))
        waiting.clear()

    ahead = windows_ahead(clips, network.streams, count=windows, flow=flow, cache=FlowCache())
    with closing(ahead), torch.no_grad(), quick_passes(network):
        for number, (clip, made) in enumerate(ahead):
            if isinstance(made, str):
                raise MareyError(f"the clip '{clip.path}' can no longer be read: {made.rstrip('.')}. Put it back.")
            waiting.append(made.inputs(network.streams))
            clip_of += [number] * len(made.start_frames)
            if len(clip_of) - len(kept) >= _RUN_AT_ONCE:
                finish()
            if report is not None:
                report(1)
        if waiting:
            finish()
    return {name: DeepPasses(network, name, behind[name], kept, np.array(clip_of, np.intp)) for name in names}


def deep_layers(network: Network, layers: Mapping[str, Layer], *, most: int = 3) -> tuple[str, ...]:
    """The deepest of `layers` before the class scores that have weights and that all that reaches the scores passes.

    A layer without weights counts where it ends a block that has some, as a ReLU ends a residual block.
    They see every stream. Where streams meet in the class scores alone, these are the deepest of each stream, in turn.
    The first is the deepest. Raises NetworkError for a network that has none, or no classes.
    """
    found = tuple(islice(passable_layers(network, layers), most * len(_ways(network, layers))))
    if not found:
        raise NetworkError(
            f"{network.name} has no layer before '{network.scores}' that all it computes passes through, so that none "
            "of its units can be held; a recording of more layers may have one."
        )
    return found


def passable_layers(network: Network, layers: Mapping[str, Layer]) -> Iterator[str]:
    """Every layer that `deep_layers` may choose from, the deepest first, each tried as it is asked for.

    Norms are left out, modules around layers that can be chosen themselves, and layers that give the same as another.
    """
    if not network.classes:
        raise NetworkError(f"{network.name} has no class names, so that nothing can be asked about its class scores.")
    waiting = deque(_passable(network, layers, way) for way in _ways(network, layers))
    while waiting:
        way = waiting.popleft()
        if (name := next(way, None)) is not None:
            waiting.append(way)
            yield name


def _ways(network: Network, layers: Mapping[str, Layer]) -> list[list[str]]:
    """The layers before the class scores that see all streams; where none does, those of each stream apart."""
    names = list(layers)
    before = names[: names.index(network.scores)] if network.scores in names else names
    ways: dict[frozenset[str], list[str]] = {}
    for name in before:
        ways.setdefault(frozenset(layers[name].receptive_field.streams), []).append(name)
    streams = frozenset(stream.name for stream in network.streams)
    return [ways[streams]] if streams in ways else list(ways.values())


def _passable(network: Network, layers: Mapping[str, Layer], names: Sequence[str]) -> Iterator[str]:
    """See `passable_layers`; of `names`."""
    whole = _whole_blocks(network)
    weighted = [name for name in names if _has_weights(network, layers[name], whole.get(name, name))][-_TRIED:]
    shown = _noise(network)
    goes: dict[str, bool] = {}

    def goes_on(name: str) -> bool:
        if name not in goes:
            goes[name] = _all_passes(network, name, shown)
        return goes[name]

    outputs: list[Tensor] = []
    for name in reversed(weighted):
        inner = [one for one in weighted if one != name and one.startswith(f"{whole.get(name, name)}.")]
        if any(goes_on(one) for one in inner) or not goes_on(name):
            continue
        with torch.no_grad(), quick_passes(network):
            output = network.activations(shown, [name])[name]
        if not any(output.shape == one.shape and torch.equal(output, one) for one in outputs):
            outputs.append(output)
            yield name


def _whole_blocks(network: Network) -> dict[str, str]:
    """{layer: the smallest module around it that ends with it}, as a residual block ends with its last ReLU."""
    around = [(last, block) for block, last in passed_on(network.visits).items() if last.startswith(f"{block}.")]
    return dict(sorted(around, key=lambda pair: len(pair[1])))


def _has_weights(network: Network, layer: Layer, block: str) -> bool:
    """Whether a layer, or the `block` that ends with it, has weights, and is not the class scores of one stream."""
    part: nn.Module = network.part(block)
    scores = layer.shape == network.layer(network.scores).shape
    return not scores and "Norm" not in layer.kind and next(part.parameters(), None) is not None


def _going_on_from(network: Network, layer: str) -> Continuation:
    """Passes that go on from a layer, and from the last layers of the streams that it does not see."""
    left = {stream.name for stream in network.streams} - set(network.layer(layer).receptive_field.streams)
    ends = []
    for name, other in reversed(network.layers.items()):
        seen = set(other.receptive_field.streams)
        if seen and seen <= left:
            ends.append(name)
            left -= seen
    return Continuation(network, [layer], ends=ends)


def _all_passes(network: Network, layer: str, shown: Mapping[str, Tensor]) -> bool:
    try:
        with quick_passes(network):
            _going_on_from(network, layer).checked(shown, [network.scores])
    except NetworkError:
        return False
    return True


def _noise(network: Network) -> dict[str, Tensor]:
    """Two clips of noise, by which shortcuts around a layer are noticed."""
    random = torch.Generator().manual_seed(0)
    return {
        stream.name: (stream.rest + 0.2 * torch.randn(2, *stream.shape, generator=random)).to(network.device)
        for stream in network.streams
    }


def most_clips(layers: Sequence[Layer], *, windows: int) -> int:
    """How many clips can be asked about every unit of these layers."""
    by_time = MOST_PASSES // (windows * max(layer.units for layer in layers))
    by_memory = MOST_NUMBERS // (windows * sum(int(np.prod(layer.shape)) for layer in layers))
    return max(2, min(by_time, by_memory))
