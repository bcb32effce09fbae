"""A question that `marey find` can be asked: its word, and the function that answers it."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from inspect import Parameter, signature
from pathlib import Path

from marey.findings.finding import Finding
from marey.network.network import Network
from marey.recording.read.recording import Recording
from marey.video.flow.methods import Method

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Sources:
    """What questions are asked of; each takes what its function has parameters for.

    network
        the recorded network, or None. With it, questions that need only a recording say more.
    late
        another network, which joins its streams in its scores only.
    verifier
        another network, to which the preferred inputs are shown.
    preferred
        a folder of results of `marey maximize`.
    layers
        the layers that count; None: all recorded ones.
    report
        told how much is done, and of how much.
    """

    recording: Recording
    network: Network | None = None
    late: Network | None = None
    verifier: Network | None = None
    preferred: Path | None = None
    layers: tuple[str, ...] | None = None
    flow: Method = "tvl1-fast"
    seed: int = 0
    report: Report | None = None


@dataclass(frozen=True)
class Question:
    """`function` returns the answer; its parameters of the names that `Sources` has are given these."""

    name: str
    asks: str
    function: Callable[..., Finding]

    @property
    def takes(self) -> tuple[str, ...]:
        """The names of the sources that count in the answer."""
        parameters = signature(self.function).parameters
        return tuple(one.name for one in fields(Sources) if one.name in parameters)

    @property
    def needs(self) -> tuple[str, ...]:
        """Those without which there is no answer."""
        parameters = signature(self.function).parameters
        return tuple(name for name in self.takes if parameters[name].default is Parameter.empty and name != "layers")

    def missing(self, sources: Sources) -> tuple[str, ...]:
        """The names of those that are not there."""
        return tuple(name for name in self.needs if getattr(sources, name) is None)

    def answer(self, sources: Sources) -> Finding:
        """What the function finds."""
        return self.function(**{name: getattr(sources, name) for name in self.takes})
