"""An atlas that is there: what it was made from, and where that lies, so that its pages can be made anew."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from marey.atlas.folder import MARK
from marey.atlas.options import AtlasOptions
from marey.atlas.writing import write_atlas
from marey.errors import MareyError
from marey.network.network import Network
from marey.network.unit import Unit

PREFERRED = "preferred"
"""Where preferred inputs go that are made for an atlas without any, beside the other folders of its options."""


@dataclass(frozen=True)
class MadeAtlas:
    """A folder of an atlas, and what it was made from.

    folder
        of the atlas, absolute.
    base
        the folder in which it was made; paths of the options are relative to it.
    """

    folder: Path
    base: Path
    options: AtlasOptions

    @classmethod
    def of(cls, folder: str | Path) -> "MadeAtlas":
        """Read how the atlas in a folder was made; MareyError where there is none."""
        place = Path(folder).resolve()
        try:
            about = json.loads((place / MARK).read_text("utf-8"))
            command = about["made by"]
        except (OSError, ValueError, KeyError, TypeError):
            raise MareyError(f"'{folder}' holds no atlas ({MARK}); make one with `marey atlas`.") from None
        try:
            options = AtlasOptions.from_json(about["options"])
        except (KeyError, TypeError):
            raise MareyError(f"'{folder}' was made by another version of marey ({command}); make it again.") from None
        base = _made_in(place, options.out)
        moved = (base / options.out).resolve() != place
        return cls(place, base, replace(options, out=str(place)) if moved else options)

    @property
    def recorded(self) -> Path:
        """The folder of the recording."""
        return self.base / self.options.recording

    @property
    def results(self) -> Path:
        """The folder of preferred inputs, which need not be there yet."""
        return self.base / (self.options.preferred or PREFERRED)

    def make_again(self, network: Network, first: Unit, report: Callable[[str, int, int], None]) -> None:
        """Make the pages that lack something, that of a unit first; call it in `base`."""
        made = self.options
        write_atlas(
            made.recording,
            out=made.out,
            preferred=made.preferred or PREFERRED,
            findings=made.findings,
            explanations=made.explanations,
            network=network if made.network else None,
            layers=made.layers,
            clips=made.clips,
            first=[first],
            report=report,
        )


def _made_in(folder: Path, out: str) -> Path:
    """The folder in which an atlas was made as `out`, which lies at `folder` now."""
    parts = Path(out).parts
    if parts and not Path(out).is_absolute() and folder.parts[-len(parts) :] == parts:
        return Path(*folder.parts[: -len(parts)])
    return Path.cwd()
