"""A question that `marey find` can be asked: its word, what it needs, and what answers it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from marey.findings.finding import Finding
from marey.network.network import Network
from marey.recording.read.recording import Recording
from marey.video.flow.methods import Method

Report = Callable[[int, int], None]

Needs = Literal["recording", "network", "preferred"]


@dataclass(frozen=True)
class Sources:
    """What a question is asked of.

    network
        the recorded network, or None. With it, questions that need only a recording say more.
    layers
        the layers that count; None: all recorded ones.
    report
        told how much is done, and of how much.
    preferred
        a folder of results of `marey maximize`.
    verifier
        another network, to which the preferred inputs are shown.
    """

    recording: Recording
    network: Network | None = None
    layers: tuple[str, ...] | None = None
    flow: Method = "tvl1-fast"
    seed: int = 0
    report: Report | None = None
    preferred: Path | None = None
    verifier: Network | None = None

    @property
    def missing(self) -> frozenset[Needs]:
        """What questions may need that is not there."""
        absent: dict[Needs, bool] = {
            "network": self.network is None,
            "preferred": self.network is None or self.preferred is None,
        }
        return frozenset(need for need, here in absent.items() if here)


@dataclass(frozen=True)
class Question:
    """`needs` is "network" where a recording alone cannot answer, "preferred" where preferred inputs are asked, too."""

    name: str
    asks: str
    needs: Needs
    answer: Callable[[Sources], Finding]
