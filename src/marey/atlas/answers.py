"""Findings of one recording, with the folders in which their figures lie."""

from dataclasses import dataclass
from pathlib import Path

from marey.errors import MareyError
from marey.findings.finding import SUMMARY, Finding
from marey.findings.measure import Measure
from marey.findings.questions import QUESTIONS
from marey.recording import Recording


@dataclass(frozen=True, eq=False)
class Answer:
    """A finding and its folder."""

    finding: Finding
    folder: Path


@dataclass(frozen=True)
class Measured:
    """Numbers of one name: of the network, and beside them of what has nothing to find."""

    name: str
    own: tuple[Measure, ...]
    nulls: tuple[Measure, ...]


def measured(finding: Finding) -> list[Measured]:
    """The numbers of a finding by name, in its order."""
    names = dict.fromkeys(one.name for one in (*finding.measures, *finding.nulls))
    return [
        Measured(
            name,
            tuple(one for one in finding.measures if one.name == name),
            tuple(one for one in finding.nulls if one.name == name),
        )
        for name in names
    ]


def found_answers(folder: str | Path, recording: Recording) -> list[Answer]:
    """The findings in a folder and in the folders in it, in the order in which `marey find` asks.

    Of several answers to one question the first by path counts. Raises MareyError where there is none, for a damaged
    one, and for one of other weights or clips than those recorded.
    """
    paths = sorted(Path(folder).rglob(SUMMARY))
    if not paths:
        raise MareyError(f"'{folder}' holds no finding ({SUMMARY}); make some with `marey find`.")
    found: dict[str, Answer] = {}
    for path in paths:
        finding = Finding.open(path.parent)
        made = finding.provenance
        same = made.get("clips") == recording.summary["clips"]["sha256"]
        if not same or made.get("network", {}).get("weights") != recording.summary["network"]["weights"]:
            raise MareyError(
                f"the finding in '{path.parent}' is of another recording than '{recording.folder}'; "
                "name findings of this one."
            )
        found.setdefault(finding.question, Answer(finding, path.parent))
    order = [question.name for question in QUESTIONS]
    return sorted(
        found.values(),
        key=lambda one: order.index(one.finding.question) if one.finding.question in order else len(order),
    )
