"""What a data layout offers, so that a new one is a new file and one line in `marey.datasets.layouts`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from marey.datasets.clip_set import ClipSet
from marey.video.flow.stored import ImageLayout


@dataclass(frozen=True)
class Hints:
    """What a caller adds to a place, for layouts that leave it open.

    folder
        where the paths of a list start; None: the folder of the list, or a folder in or beside it.
    images
        how folders of frame and flow images are named; None: as denseflow or Feichtenhofer's tree name them.
    """

    folder: Path | None = None
    images: ImageLayout | None = None


class Layout(Protocol):
    """One way in which clips and their classes lie on disk."""

    def matches(self, place: Path) -> bool:
        """Tell whether this layout is at `place`, an existing file or folder; look at few files only."""
        ...

    def clips(self, place: Path, hints: Hints) -> Mapping[str, ClipSet]:
        """Read {split: clips}, the split being "" where the layout has none.

        Groups are guessed from the file names where no clip has one. A listed clip that is not on disk stays in the
        set: whoever loads it reports it. Raises DatasetError when the files at `place` are wrong or incomplete.
        """
        ...
