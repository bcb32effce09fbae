"""How a finding was made: enough to make it again, and to know that it was made before."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from marey._version import __version__
from marey.errors import MareyError
from marey.findings.finding import Finding, removed
from marey.findings.question import Question, Sources
from marey.maximization.result import FILE
from marey.network.network import Network
from marey.recording.read.recording import Recording


def of_recording(recording: Recording, **settings: Any) -> dict[str, Any]:
    """The recording, its network and clips, and the settings of the question."""
    network = recording.summary["network"]
    return {
        "marey": __version__,
        "recording": str(recording.folder),
        "network": {"name": network["name"], "weights": network["weights"]},
        "clips": recording.summary["clips"]["sha256"],
        "settings": settings,
    }


def asked_of(question: Question, sources: Sources) -> dict[str, Any]:
    """What the answer to a question depends on, as plain values; equal values give the same answer."""
    recording = sources.recording
    values = {
        "network": _weights(sources.network),
        "late": _weights(sources.late),
        "verifier": _weights(sources.verifier),
        "preferred": None if sources.preferred is None else _digest(sources.preferred),
        "layers": None if sources.layers is None else list(sources.layers),
        "flow": sources.flow,
        "seed": sources.seed,
    }
    return {
        "marey": __version__,
        "recording": recording.summary["network"]["weights"],
        "recorded": list(recording.layers),
        "clips": recording.summary["clips"]["sha256"],
    } | {name: value for name, value in values.items() if name in question.takes}


def _weights(network: Network | None) -> str | None:
    return None if network is None else network.weights_hash


def _digest(folder: Path) -> str:
    """One for all preferred inputs in a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob(FILE)):
        found.update(str(path.relative_to(folder)).encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def asked_before(folder: Path, asked: Mapping[str, Any]) -> Finding | None:
    """The finding in a folder, if it was `asked_of` the same.

    Raises MareyError where it is of another recording, which the answer to come would replace.
    """
    try:
        found = Finding.open(folder)
    except MareyError:
        return None
    before = found.provenance.get("asked", {})
    if any(before.get(name) != asked[name] for name in ("recording", "clips")):
        raise MareyError(
            f"'{folder}' holds the answer of another recording, '{found.provenance.get('recording')}'; name another "
            "folder with --out, or remove that one."
        )
    return found if before == asked else None


def answered(
    question: Question, sources: Sources, folder: Path, *, asked: Mapping[str, Any], remarks: Sequence[str] = ()
) -> Finding:
    """Ask, and keep the answer in a folder, in place of the one that is there.

    `asked` is what `asked_of` gives for these; `remarks` are added to the answer's own.
    """
    found = question.answer(sources)
    removed(folder)
    replace(found, remarks=(*found.remarks, *remarks), provenance={**found.provenance, "asked": dict(asked)}).save(
        folder
    )
    return Finding.open(folder)
