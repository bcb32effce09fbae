"""How an atlas was made, from its own words, so that its pages can be made anew."""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from marey.atlas.folder import MARK
from marey.atlas.sources import CLIPS
from marey.atlas.writing import write_atlas
from marey.errors import MareyError
from marey.network.network import Network

PREFERRED = "preferred"
"""Where preferred inputs go that are made for an atlas without any, beside the other folders of its command."""

_KNOWN = {"--preferred", "--findings", "--explanations", "--network", "--layers", "--clips", "--out"}


@dataclass(frozen=True)
class MadeAtlas:
    """A folder of an atlas, and the command that made it.

    folder
        of the atlas, absolute.
    base
        the folder in which the command was run; paths of the command are relative to it.
    recording, out, preferred, findings, explanations
        paths as in the command.
    with_network
        whether the network told inputs and outputs of units.
    others
        further options of the command, without which its pages would be others.
    """

    folder: Path
    base: Path
    recording: str
    out: str
    preferred: str | None
    findings: str | None
    explanations: str | None
    with_network: bool
    layers: tuple[str, ...] | None
    clips: int
    others: tuple[str, ...]

    @classmethod
    def of(cls, folder: str | Path) -> "MadeAtlas":
        """Read how the atlas in a folder was made; MareyError where there is none."""
        place = Path(folder).resolve()
        try:
            command = json.loads((place / MARK).read_text("utf-8"))["made by"]
            words = shlex.split(command)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise MareyError(f"'{folder}' holds no atlas ({MARK}); make one with `marey atlas`.") from None
        options = dict(zip(words[3::2], words[4::2], strict=False))
        others = sorted(set(options) - _KNOWN)
        clips = options.get("--clips", str(CLIPS))
        if words[:2] != ["marey", "atlas"] or len(words) < 3 or len(words) % 2 == 0 or not clips.isdigit():
            raise MareyError(f"'{folder}' was made by another version of marey ({command}); make it again.")
        out = options.get("--out", "atlas")
        base = _run_in(place, out)
        return cls(
            folder=place,
            base=base,
            recording=words[2],
            out=out if (base / out).resolve() == place else str(place),  # it may have been moved
            preferred=options.get("--preferred"),
            findings=options.get("--findings"),
            explanations=options.get("--explanations"),
            with_network="--network" in options,
            layers=tuple(options["--layers"].split(",")) if "--layers" in options else None,
            clips=int(clips),
            others=tuple(others),
        )

    @property
    def recorded(self) -> Path:
        """The folder of the recording."""
        return self.base / self.recording

    @property
    def results(self) -> Path:
        """The folder of preferred inputs, which need not be there yet."""
        return self.base / (PREFERRED if self.preferred is None else self.preferred)

    def make_again(self, network: Network, report: Callable[[str, int, int], None]) -> None:
        """Make the pages that lack something, with the preferred inputs that are there; call it in `base`."""
        write_atlas(
            self.recording,
            out=self.out,
            preferred=PREFERRED if self.preferred is None else self.preferred,
            findings=self.findings,
            explanations=self.explanations,
            network=network if self.with_network else None,
            layers=self.layers,
            clips=self.clips,
            report=report,
        )


def _run_in(folder: Path, out: str) -> Path:
    """The folder in which a command was run that wrote `out`, which lies at `folder` now."""
    parts = Path(out).parts
    if parts and not Path(out).is_absolute() and folder.parts[-len(parts) :] == parts:
        return Path(*folder.parts[: -len(parts)])
    return Path.cwd()
