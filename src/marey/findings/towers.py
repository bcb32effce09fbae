"""The parts of a network that see appearance only or motion only, and the layers that see both."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from marey.errors import MareyError, NetworkError
from marey.findings.continuation import Continuation
from marey.network.network import Network

_ADDITIVE = 1e-4
"""How near, relative to the largest value, a layer must come to a sum of what appearance and motion give to it."""


@dataclass(frozen=True)
class Towers:
    """The outermost layers that see one kind of stream, and those that see both, each in the network's order.

    appearance, motion
        layers that see RGB only, and flow only.
    both
        layers that see both.
    """

    appearance: tuple[str, ...]
    motion: tuple[str, ...]
    both: tuple[str, ...]

    @property
    def ends(self) -> tuple[str, ...]:
        """The last layer of appearance and the last one of motion."""
        return (self.appearance[-1], self.motion[-1])


def towers(network: Network) -> Towers:
    """Find them by what the layers see; MareyError for a network that is shown RGB alone or flow alone."""
    kinds = {stream.name: stream.kind for stream in network.streams}
    if len(set(kinds.values())) < 2:
        raise MareyError(
            f"{network.name} is shown {' and '.join(kinds)} alone; only a network with a stream of RGB and one of flow "
            "joins appearance and motion."
        )
    seen = {
        layer.name: frozenset(kinds[name] for name in layer.receptive_field.streams)
        for layer in network.layers.values()
    }
    single = [name for name, those in seen.items() if len(those) == 1 and not _inside(name, seen)]
    found = Towers(
        tuple(name for name in single if seen[name] == {"rgb"}),
        tuple(name for name in single if seen[name] == {"flow"}),
        tuple(name for name, those in seen.items() if len(those) == 2),
    )
    if not (found.appearance and found.motion and found.both):
        raise MareyError(
            f"{network.name} has no layers that see RGB alone, flow alone and both, so that nothing can be crossed; it "
            "joins its streams before the first layer."
        )
    return found


def _inside(name: str, seen: Mapping[str, frozenset[str]]) -> bool:
    """Whether a layer is a part of another one that sees the same kind only."""
    parts = name.split(".")
    return any(seen.get(".".join(parts[:count])) == seen[name] for count in range(1, len(parts)))


def behind_towers(network: Network, found: Towers, inputs: Mapping[str, Tensor]) -> Continuation:
    """Passes that go on from the towers, checked by a few clips: from their ends, or from all layers of one kind.

    Raises NetworkError where what follows depends on more than these.
    """
    read = list(found.both)
    try:
        return Continuation(network, found.ends).checked(inputs, read)
    except NetworkError:
        every = (*found.appearance, *found.motion)
        if every == found.ends:
            raise
        return Continuation(network, every).checked(inputs, read)


def additive_joint(behind: Continuation, found: Towers, inputs: Mapping[str, Tensor]) -> Continuation | None:
    """Passes that go on from the first layer that sees both, where that is a sum of a part of each; else None.

    A convolution of both towers' maps is one: its maps for every pair follow from those of single clips.
    """
    first = found.both[0]
    try:
        joint = Continuation(behind.network, [first]).checked(inputs, list(found.both))
    except NetworkError:
        return None
    clips = behind.outputs(inputs)
    count = len(clips)
    appearance = [pair(found, one, clips[0]) for one in clips]
    motion = [pair(found, clips[0], one) for one in clips]
    mixed = [pair(found, clips[one], clips[one - 1]) for one in range(count)]
    by_appearance, by_motion, by_both = (
        torch.stack([one[first] for one in joint.following(behind, some)]) for some in (appearance, motion, mixed)
    )
    summed = by_appearance + by_motion.roll(1, 0) - by_appearance[0]
    largest = float(by_both.abs().amax())
    return joint if float((summed - by_both).abs().amax()) <= _ADDITIVE * max(largest, 1e-12) else None


def pair(found: Towers, appearance: Mapping[str, Tensor], motion: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The towers' outputs with the appearance of one clip and the motion of another."""
    return {name: (appearance if name in found.appearance else motion)[name] for name in appearance}
