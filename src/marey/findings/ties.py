"""How much units of one layer move those of the next, where these respond most: their strongest inputs and outputs."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.autograd.graph import Node

from marey.errors import MareyError
from marey.network.axes import Axes
from marey.network.hooks import frozen, observed
from marey.network.network import Network
from marey.network.out_of_place import with_gradient
from marey.network.probe import probe_clips
from marey.network.unit import Unit
from marey.recording.read.recording import Recording
from marey.recording.read.response import Response
from marey.recording.read.same_weights import check_same_weights
from marey.video.flow.cache import FlowCache
from marey.video.read.clips import load_clip

_TRIED = 8
"""Units by which one sees whether a layer keeps units apart."""

Pair = tuple[str, str]  # a layer, and one that it is fed by


@dataclass(frozen=True, eq=False)
class Wiring:
    """Which recorded layers feed which, with nothing recorded between them.

    alike
        layers with the same units, one by one, such as a convolution, its norm, ReLU and pooling, in order.
    sources
        {last of alike layers: the last layers of the groups that feed them}.
    """

    alike: tuple[tuple[str, ...], ...]
    sources: Mapping[str, tuple[str, ...]]

    def last(self, layer: str) -> str:
        """The last layer with the same units."""
        return next((group[-1] for group in self.alike if layer in group), layer)


def wiring(network: Network, layers: Sequence[str]) -> Wiring:
    """Find what feeds which of `layers`, by a pass of one clip of noise with its gradients."""
    outputs = _outputs(network, layers, _noise(network))
    made: dict[Node, str] = {}
    for name in layers:
        for tensor in outputs.get(name, ()):
            if tensor.grad_fn is not None:
                made.setdefault(tensor.grad_fn, name)
    groups: dict[str, list[str]] = {}
    first_of: dict[str, str] = {}
    feeds: dict[str, list[str]] = {}
    for name in layers:
        before = _before([one.grad_fn for one in outputs.get(name, ())], made, name)
        if len(before) == 1 and _keeps_units(network.axes, outputs, before[0], name):
            first = first_of[before[0]]
        else:
            first = name
            feeds[first] = before
        first_of[name] = first
        groups.setdefault(first, []).append(name)
    sources = {
        groups[first][-1]: tuple(dict.fromkeys(groups[first_of[one]][-1] for one in before))
        for first, before in feeds.items()
    }
    return Wiring(tuple(map(tuple, groups.values())), sources)


def _noise(network: Network) -> dict[str, Tensor]:
    return {name: clip[:1] for name, clip in probe_clips(network.streams, network.device).items()}


def _outputs(network: Network, layers: Iterable[str], inputs: Mapping[str, Tensor]) -> dict[str, list[Tensor]]:
    """What every call of the layers returns, with gradients."""
    outputs: dict[str, list[Tensor]] = {}
    wanted = {name: value.detach().clone().requires_grad_() for name, value in inputs.items()}
    with (
        torch.enable_grad(),
        frozen(network.module),
        observed(
            {name: network.part(name) for name in layers}, lambda name, one: outputs.setdefault(name, []).append(one)
        ),
    ):
        network.run(wanted)
    return {
        name: [calls[one] for one in network.axes[name].read if one < len(calls)] for name, calls in outputs.items()
    }


def _before(starts: Collection[Node | None], made: Mapping[Node, str], layer: str) -> list[str]:
    """The layers that are met first on the way back from some outputs."""
    found: dict[str, None] = {}
    if any(node is not None and made.get(node) not in (None, layer) for node in starts):
        return [made[node] for node in starts if node is not None and node in made][:1]  # it returns what it is given
    waiting = [above for node in starts if node is not None for above, _ in node.next_functions]
    seen: set[Node] = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        name = made.get(node)
        if name is not None and name != layer:
            found.setdefault(name)
        else:
            waiting.extend(above for above, _ in node.next_functions)
    return list(found)


def _keeps_units(axes: Mapping[str, Axes], outputs: Mapping[str, list[Tensor]], before: str, layer: str) -> bool:
    """Whether each unit of a layer depends on the same unit of the one before alone."""
    if len(outputs[before]) != 1 or len(outputs[layer]) != 1:
        return False
    ((given,), (output,)) = outputs[before], outputs[layer]
    if given is output or given.grad_fn is output.grad_fn:
        return True
    volume = axes[layer].volume([output], 1)
    if volume.shape[1] != axes[before].volume([given], 1).shape[1]:
        return False
    moved = 0
    for unit in range(min(_TRIED, volume.shape[1])):
        (gradient,) = torch.autograd.grad(volume[0, unit].sum(), [given], retain_graph=True, allow_unused=True)
        if gradient is None:
            return False
        units = axes[before].volume([gradient], 1)[0].flatten(1).abs().amax(1).nonzero().flatten().tolist()
        if units not in ([], [unit]):
            return False
        moved += bool(units)
    return moved > 0


@dataclass(frozen=True, eq=False)
class Ties:
    """How strongly units are tied, see `unit_ties`.

    moves
        {(layer, source): (unit, source unit)}.
    """

    wiring: Wiring
    moves: Mapping[Pair, Tensor] = field(repr=False)


def unit_ties(network: Network, recording: Recording, *, report: Callable[[int, int], None] | None = None) -> Ties:
    """How much every recorded unit would respond more, were a unit that feeds it stronger everywhere.

    The slope of the unit's response is taken in the clip that drives it most, at the position where it does, and
    counts for one standard deviation (over the recorded clips) of the unit that feeds it. It is a share of the unit's
    own range, from an ordinary response to its largest one. For layers without anything but weights in between this is
    the sum of the weights.

    Raises NetworkError for a recording of another network. A clip that cannot be read leaves its units without ties.
    """
    check_same_weights(recording, network)
    return with_gradient(network, lambda: _unit_ties(network, recording, report))


def _unit_ties(network: Network, recording: Recording, report: Callable[[int, int], None] | None) -> Ties:
    wired = wiring(network, list(recording.layers))
    driven: dict[tuple[int, int], list[Response]] = {}
    ranges: dict[str, Tensor] = {}
    moves: dict[Pair, Tensor] = {}
    for layer, sources in wired.sources.items():
        if not sources:
            continue
        ordinary = recording.maxima([layer]).zeros(layer)
        ranges[layer] = recording.largest(layer) - ordinary
        for source in sources:
            moves[layer, source] = torch.zeros(recording.layer(layer).units, recording.layer(source).units)
        for unit in ranges[layer].gt(0).nonzero().flatten().tolist():
            (response,) = recording.top(Unit(layer, unit), 1)
            driven.setdefault((response.number, response.start_frame), []).append(response)
    names = [name for name in recording.layers if any(name in pair for pair in moves)]
    cache = FlowCache()
    for done, ((number, start), responses) in enumerate(sorted(driven.items())):
        if report is not None:
            report(done, len(driven))
        flow = recording.summary["settings"]["flow"]
        try:
            loaded = load_clip(recording.clip(number), recording.streams, flow=flow, cache=cache)
        except MareyError:
            continue
        window = loaded.window(recording.streams, start)
        outputs = _outputs(network, names, {name: one[None].to(network.device) for name, one in window.items()})
        for response in responses:
            _follow(network.axes, outputs, response, wired.sources[response.unit.layer], moves)
    for (layer, source), slope in moves.items():
        every = recording.statistics(source)
        variance = torch.tensor([row["variance"] for row in every.to_pylist() if row["label"] is None])
        slope *= variance.nan_to_num().sqrt() / ranges[layer].clamp(min=1e-12)[:, None]
    return Ties(wired, moves)


def _follow(
    axes: Mapping[str, Axes],
    outputs: Mapping[str, list[Tensor]],
    response: Response,
    sources: Sequence[str],
    moves: Mapping[Pair, Tensor],
) -> None:
    """Write the slope of one response over the units that feed it, summed over their positions."""
    unit = response.unit
    volume = axes[unit.layer].volume(outputs[unit.layer], 1)
    given = [one for source in sources for one in outputs[source]]
    if not all(one.requires_grad for one in (volume, *given)):
        return  # the code around cuts gradients
    value = volume[(0, unit.channel, *response.position)]
    gradients: Iterator[Tensor | None] = iter(torch.autograd.grad(value, given, retain_graph=True, allow_unused=True))
    for source in sources:
        found = [next(gradients) for _ in outputs[source]]
        filled = [
            torch.zeros_like(one) if gradient is None else gradient
            for one, gradient in zip(outputs[source], found, strict=True)
        ]
        moves[unit.layer, source][unit.channel] = axes[source].volume(filled, 1)[0].flatten(1).sum(1).float().cpu()
