"""The clips at a place that a user names, for uses in which classes do not matter."""

from collections.abc import Sequence
from pathlib import Path

from marey.datasets.clip_set import ClipSet
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
    return list(clip_set_in(place, folder=folder, group=group, images=images, layouts=layouts))


def clip_set_in(
    place: str | Path,
    *,
    folder: str | Path | None = None,
    group: str | None = None,
    images: ImageLayout | None = None,
    layouts: Sequence[Layout] = LAYOUTS,
) -> ClipSet:
    """Return the clips that `clips_in` lists, with the words on their groups and the notes of all splits."""
    parts = list(splits_at(place, folder=folder, group=group, images=images, layouts=layouts).values())
    clips = tuple(clip for part in parts for clip in part)
    notes = dict.fromkeys(note for part in parts for note in part.notes)
    return ClipSet(parts[0].name, clips, parts[0].grouping, tuple(notes))
