"""Feichtenhofer's layout: jpegs_256/VIDEO/frame000001.jpg, with flow in tvl1_flow beside it."""

import re
from pathlib import Path

from marey.datasets.clip_files import visible
from marey.datasets.clip_set import ClipSet
from marey.datasets.layout import Hints
from marey.errors import DatasetError
from marey.video.read.clips import Clip

_FRAMES = "jpegs_256"
_UCF101_NAME = re.compile(r"^v_(?P<label>.+)_g\d\d_c\d\d$")


class TwoStreamTree:
    """A folder with `jpegs_256` in it; classes are read from names as UCF101 gives them."""

    def matches(self, place: Path) -> bool:
        """Tell whether `place` holds a folder `jpegs_256`."""
        return (place / _FRAMES).is_dir()

    def clips(self, place: Path, hints: Hints) -> dict[str, ClipSet]:
        """List the folders of frames; DatasetError when there is none."""
        folders = [path for path in visible(place / _FRAMES) if path.is_dir()]
        if not folders:
            raise DatasetError(f"'{place / _FRAMES}' holds no folders; expected one folder of frames for each video.")
        return {"": ClipSet(place.resolve().name, tuple(Clip(path, label=_label(path.name)) for path in folders))}


def _label(video: str) -> str | None:
    named = _UCF101_NAME.match(video)
    return None if named is None else named["label"]
