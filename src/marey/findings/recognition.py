"""Which class preferred inputs are given when a network is shown them, and by which margin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from marey.errors import MareyError
from marey.findings.shown_back import OpenedInputs, Responses, for_verifier, responses_to
from marey.network.network import Network

SHOWN, SCRAMBLED = "the network", "scrambled inputs"


@dataclass(frozen=True, eq=False)
class Recognized:
    """Of every input and slowness (input): the rank of its class, 1 is the first, and its margin above all others."""

    rank: NDArray[np.intp]
    margin: NDArray[np.float64]
    groups: tuple[str, ...]


def recognized(network: Network, opened: OpenedInputs, shown: Mapping[str, Responses]) -> dict[str, Recognized]:
    """How a network takes inputs for their classes, from what it responded."""
    own = np.array([network.classes.index(one.label) for one in opened.inputs for _ in one.result.slowness])
    groups = tuple(str(one.unit) for one in opened.inputs for _ in one.result.slowness)
    made = {}
    for of, found in shown.items():
        mine = found.scores[np.arange(len(own)), own]
        others = found.scores.copy()
        others[np.arange(len(own)), own] = -np.inf
        made[of] = Recognized((others >= mine[:, None]).sum(1) + 1, mine - others.max(1).astype(np.float64), groups)
    return made


def verified(verifier: Network, opened: OpenedInputs, mixed: Sequence[Mapping[str, Tensor]]) -> Mapping[str, Responses]:
    """What another network responds to the inputs and the scrambled ones."""
    missing = sorted({one.label for one in opened.inputs} - set(verifier.classes))
    if missing:
        raise MareyError(
            f"the verifier {verifier.name} has no class '{missing[0]}'; name a network with the classes of the inputs."
        )
    streams = tuple({stream.name: stream for one in opened.inputs for stream in one.result.streams}.values())
    made = {}
    for of, every in ((SHOWN, [one.result.frames for one in opened.inputs]), (SCRAMBLED, mixed)):
        inputs = [for_verifier(verifier, streams, frames) for frames in every]
        made[of] = responses_to(verifier, inputs, [])
    return made
