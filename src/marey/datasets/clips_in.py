"""The clips at a place that a user names, for uses in which classes do not matter."""

from collections.abc import Sequence
from pathlib import Path

from marey.datasets.data_set import splits_at
from marey.datasets.layout import Layout
from marey.datasets.layouts import LAYOUTS
from marey.video.flow.stored import ImageLayout
from marey.video.read.clips import Clip


def clips_in(
    place: str | Path,
    *,
    folder: str | Path | None = None,
    group: str | None = None,
    images: ImageLayout | None = None,
    layouts: Sequence[Layout] = LAYOUTS,
) -> list[Clip]:
    """List the clips of all splits at `place`.

    Arguments and errors are as for `data_set`, but no classes are needed: a folder of videos will do, as will a folder
    of frame images, or one video.
    """
    splits = splits_at(place, folder=folder, group=group, images=images, layouts=layouts)
    return [clip for clips in splits.values() for clip in clips]
