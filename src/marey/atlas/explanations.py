"""What `marey explain` found of recorded clips, for their pages."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marey.errors import MareyError
from marey.findings.explanation import NAME, SHEET
from marey.findings.finding import SUMMARY, Finding
from marey.recording import Recording


@dataclass(frozen=True, eq=False)
class Explained:
    """Why the network says a class of a clip, and the folder in which the figure lies."""

    finding: Finding
    folder: Path

    @property
    def sheet(self) -> Path:
        """The picture of its units, if it was drawn."""
        return self.folder.parent / SHEET

    @property
    def units(self) -> list[dict[str, Any]]:
        """Rows of the units that made the difference: unit, effect, seconds."""
        rows: list[dict[str, Any]] = self.finding.tables["seen"].to_pylist()
        return rows


def found_explanations(folder: str | Path, recording: Recording) -> dict[str, Explained]:
    """{path of a clip: its explanation} of a folder and the folders in it, the first by path of each clip.

    Raises MareyError where there is none, for a damaged one, and for one of other weights than those recorded.
    """
    found: dict[str, Explained] = {}
    for path in sorted(Path(folder).rglob(SUMMARY)):
        finding = Finding.open(path.parent)
        if finding.question != NAME:
            continue
        made = finding.provenance
        if made.get("network", {}).get("weights") != recording.summary["network"]["weights"]:
            raise MareyError(
                f"the explanation in '{path.parent}' is of other weights than the recording '{recording.folder}'; "
                "name explanations by the recorded network."
            )
        clip = Path(str(made.get("clip")))
        for name in (str(clip), str(clip.resolve())):
            found.setdefault(name, Explained(finding, path.parent))
    if not found:
        raise MareyError(
            f"'{folder}' holds no explanation; make some with `marey explain NET CLIP --out {folder}/NAME`."
        )
    return found
