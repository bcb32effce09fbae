"""How a finding was made: enough to make it again, and to know that it was made before."""

import hashlib
from pathlib import Path
from typing import Any

from marey._version import __version__
from marey.errors import MareyError
from marey.findings.finding import Finding
from marey.findings.question import Sources
from marey.maximization.result import FILE
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


def asked_of(sources: Sources) -> dict[str, Any]:
    """What an answer depends on, as plain values; equal values give the same answer."""
    return {
        "marey": __version__,
        "recording": sources.recording.summary["network"]["weights"],
        "clips": sources.recording.summary["clips"]["sha256"],
        "layers": None if sources.layers is None else list(sources.layers),
        "network": sources.network is not None,
        "flow": sources.flow,
        "seed": sources.seed,
        "preferred": None if sources.preferred is None else _digest(sources.preferred),
        "verifier": None if sources.verifier is None else sources.verifier.weights_hash,
    }


def _digest(folder: Path) -> str:
    """One for all preferred inputs in a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob(FILE)):
        found.update(str(path.relative_to(folder)).encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def asked_before(folder: Path, sources: Sources) -> Finding | None:
    """The finding in a folder, if it answers the same question of the same sources."""
    try:
        found = Finding.open(folder)
    except MareyError:
        return None
    return found if found.provenance.get("asked") == asked_of(sources) else None
