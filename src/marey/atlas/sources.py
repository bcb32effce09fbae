"""All that pages are made from: a recording, and the results that belong to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from marey.atlas.answers import Answer, found_answers
from marey.atlas.commands import maximize_command
from marey.atlas.driving import RealClips
from marey.atlas.explanations import Explained, found_explanations
from marey.atlas.preferred import Preferred, preferred_units
from marey.errors import MareyError, NetworkError, did_you_mean
from marey.findings.class_means import ChanceMeans
from marey.findings.finding import Finding
from marey.network.network import Network
from marey.network.unit import Unit
from marey.recording import Recording


@dataclass(frozen=True, eq=False)
class Sources:
    """A recording with its results.

    layers
        the ones that are shown, in the order of the network.
    preferred
        of units of these layers.
    explained
        {path of a clip: its explanation}.
    preferred_folder
        where preferred inputs are looked for, or should be made.
    remarks
        what was left out, in words.
    """

    recording: Recording
    layers: tuple[str, ...]
    preferred: Mapping[Unit, Preferred]
    answers: Sequence[Answer]
    explained: Mapping[str, Explained]
    clips: RealClips
    preferred_folder: str
    remarks: tuple[str, ...]

    @property
    def findings(self) -> list[Finding]:
        """The answers without their folders."""
        return [one.finding for one in self.answers]

    @cached_property
    def chance(self) -> ChanceMeans:
        """The labels of the clips, dealt anew."""
        return ChanceMeans.of(self.recording)

    def unit_name(self, unit: Unit) -> str:
        """The class of a unit of the class scores, else the address."""
        classes = self.recording.classes
        scores = self.recording.summary["network"]["scores"]
        return classes[unit.channel] if unit.layer == scores and unit.channel < len(classes) else str(unit)

    def command(self, unit: Unit) -> str:
        """The command that makes the preferred input of a unit."""
        return maximize_command(self.recording, unit, self.preferred_folder)


def opened(
    recording: Recording | str | Path,
    *,
    preferred: str | Path | None,
    findings: str | Path | None,
    explanations: str | Path | None,
    network: Network | None,
    layers: Sequence[str] | None,
    clips: int,
) -> Sources:
    """Open a recording and the folders of results; MareyError where one is missing, or of other weights or clips."""
    recording = recording if isinstance(recording, Recording) else Recording.open(recording)
    if clips < 1:
        raise MareyError(f"clips is {clips}; expected how many stand on the page of a unit, at least 1.")
    names = chosen_layers(recording, layers)
    shown, others = ({}, 0) if preferred is None else preferred_units(preferred, recording)
    remarks = [f"{others} preferred inputs are of no single recorded unit and are not shown."] if others else []
    return Sources(
        recording,
        names,
        {unit: one for unit, one in shown.items() if unit.layer in names},
        [] if findings is None else found_answers(findings, recording),
        {} if explanations is None else found_explanations(explanations, recording),
        RealClips(recording, clips, network=network),
        "preferred" if preferred is None else str(preferred),
        tuple(remarks),
    )


def chosen_layers(recording: Recording, patterns: Sequence[str] | None) -> tuple[str, ...]:
    """The recorded layers that match any of the patterns, in the order of the network."""
    if patterns is None:
        return tuple(recording.layers)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in recording.layers):
            raise NetworkError(
                f"no layer '{pattern}' in the recording '{recording.folder}'."
                f"{did_you_mean(pattern, recording.layers)} It has {', '.join(list(recording.layers)[:12])}."
            )
    return tuple(name for name in recording.layers if any(fnmatchcase(name, pattern) for pattern in patterns))
