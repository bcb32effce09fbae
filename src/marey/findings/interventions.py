"""Changed inputs that tell what a network needs: motion, appearance, order, the actor or what is around."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from marey.findings.actor_masks import ActorMasks, actor_masks
from marey.findings.asking import Condition, Inputs, Shown
from marey.findings.carried_noise import carried_noise
from marey.findings.filled import filled
from marey.network.stream import Kind, Stream

Change = Callable[[Shown], Inputs]
"""What is shown instead of a clip: a `Condition` takes it as `changed`."""

_MARGIN_PX = 2
"""So far around an actor its border reaches, as codecs and resizing mix it with the background."""


def frozen(streams: Sequence[Stream]) -> Change:
    """One frame repeated, the middle one of each window, and flow 0."""

    def change(shown: Shown) -> Inputs:
        return {one.name: _still(shown.inputs[one.name], one, one.frames // 2) for one in streams}

    return change


def another_frame(streams: Sequence[Stream]) -> Change:
    """As `frozen`, but another frame than the middle one: what a network that sees one frame has of frames' order."""

    def change(shown: Shown) -> Inputs:
        draw = float(torch.rand((), generator=shown.random))
        made = {}
        for one in streams:
            others = [frame for frame in range(one.frames) if frame != one.frames // 2] or [0]
            made[one.name] = _still(shown.inputs[one.name], one, others[int(draw * len(others))])
        return made

    return change


def shuffled(streams: Sequence[Stream]) -> Change:
    """The frames in random order, never their own; the fields of flow likewise, so that each stays a true one.

    Streams of as many frames have the same order.
    """

    def change(shown: Shown) -> Inputs:
        orders = {one.frames: _order(one.frames, shown.random) for one in streams}
        return {one.name: shown.inputs[one.name][:, :, orders[one.frames]] for one in streams}

    return change


def reversed_in_time(streams: Sequence[Stream]) -> Change:
    """The frames backward; flow backward, too, and with the other sign, as things then move the other way."""

    def change(shown: Shown) -> Inputs:
        return {
            one.name: shown.inputs[one.name].flip(2) * (1 if one.kind == "rgb" else -1)  # window channel time y x
            for one in streams
        }

    return change


def mirrored(streams: Sequence[Stream]) -> Change:
    """Left and right exchanged, in flow with the other sign of what moves across."""

    def change(shown: Shown) -> Inputs:
        made = {one.name: shown.inputs[one.name].flip(-1) for one in streams}
        for one in streams:
            if one.kind == "flow":
                made[one.name][:, 0] *= -1
        return made

    return change


def at_rest(streams: Sequence[Stream], kind: Kind) -> Change:
    """Streams of a kind show nothing: RGB is mid-gray, flow is 0."""

    def change(shown: Shown) -> Inputs:
        return {
            one.name: torch.full_like(shown.inputs[one.name], one.rest) if one.kind == kind else shown.inputs[one.name]
            for one in streams
        }

    return change


def noise_carried(streams: Sequence[Stream]) -> Change:
    """Motion without appearance: RGB is white noise that the clip's own motion carries along; flow stays.

    A single frame of it shows nothing (Ilic et al., ECCV 2022). The motion is flow by DIS between the shown frames.
    """

    def change(shown: Shown) -> Inputs:
        return {
            one.name: carried_noise(shown.inputs[one.name], shown.random)
            if one.kind == "rgb"
            else shown.inputs[one.name]
            for one in streams
        }

    return change


def actor_only(streams: Sequence[Stream], masks: Callable[[Shown], ActorMasks] | None = None) -> Change:
    """All but the actor at rest; `masks` None: by `actor_masks`."""

    def change(shown: Shown) -> Inputs:
        found = actor_masks(shown, streams) if masks is None else masks(shown)
        return {one.name: torch.where(found.of[one.name], shown.inputs[one.name], one.rest) for one in streams}

    return change


def background_only(streams: Sequence[Stream], masks: Callable[[Shown], ActorMasks] | None = None) -> Change:
    """The actor filled by what is around it, in RGB and in flow; `masks` None: by `actor_masks`.

    What is left of an actor is the smooth area where it was.
    """

    def change(shown: Shown) -> Inputs:
        found = actor_masks(shown, streams) if masks is None else masks(shown)
        return {
            one.name: filled(shown.inputs[one.name], found.widened(one.name, _MARGIN_PX), rest=one.rest)
            for one in streams
        }

    return change


ONE_FRAME, SHUFFLED, REVERSED = "one frame", "shuffled", "reversed"
RGB_ONLY, FLOW_ONLY, NOISE = "RGB only", "flow only", "carried noise"
ACTOR, BACKGROUND = "actor only", "background only"


def interventions(streams: Sequence[Stream]) -> tuple[Condition, ...]:
    """All changes that mean something for these streams, by name.

    A network of single pictures has no order, one of a single kind of stream no other kind to do without, and carried
    noise needs RGB frames that follow each other.
    """
    made: Mapping[str, tuple[bool, Change]] = {
        ONE_FRAME: (any(not one.still for one in streams), frozen(streams)),
        SHUFFLED: (any(one.frames > 1 for one in streams), shuffled(streams)),
        REVERSED: (any(one.frames > 1 for one in streams), reversed_in_time(streams)),
        RGB_ONLY: (len({one.kind for one in streams}) > 1, at_rest(streams, "flow")),
        FLOW_ONLY: (len({one.kind for one in streams}) > 1, at_rest(streams, "rgb")),
        NOISE: (any(one.kind == "rgb" and one.frames > 1 for one in streams), noise_carried(streams)),
        ACTOR: (True, actor_only(streams)),
        BACKGROUND: (True, background_only(streams)),
    }
    return tuple(Condition(name, change) for name, (meant, change) in made.items() if meant)


def _still(inputs: Tensor, stream: Stream, frame: int) -> Tensor:
    if stream.kind == "flow":
        return torch.zeros_like(inputs)
    return inputs[:, :, frame : frame + 1].expand_as(inputs)


def _order(frames: int, random: torch.Generator) -> list[int]:
    order = list(range(frames))
    while frames > 1 and order == sorted(order):
        order = torch.randperm(frames, generator=random).tolist()
    return order
