"""A data set with classes, read from a folder or a list in whatever layout it has."""

from collections.abc import Sequence
from pathlib import Path

from marey.datasets.class_folders import ClassFolders
from marey.datasets.clip_set import ClipSet
from marey.datasets.grouping import grouped_splits
from marey.datasets.layout import Hints, Layout
from marey.datasets.layouts import LAYOUTS
from marey.errors import DatasetError
from marey.video.flow.stored import ImageLayout

TRAIN_SPLITS = ("", "train", "training")
"""Names of the split that is trained on; "" is the only split of a data set without splits."""


def data_set(
    place: str | Path,
    *,
    folder: str | Path | None = None,
    group: str | None = None,
    images: ImageLayout | None = None,
    layouts: Sequence[Layout] = LAYOUTS,
) -> dict[str, ClipSet]:
    """Read {split: clips} of a data set with classes; the split is "" where the data set has none.

    place
        a folder or a list of clips; docs/reference/data_layouts.md describes the layouts.
    folder
        where the paths of a list start; None: the folder of the list, or a folder in or beside it.
    group
        a regular expression whose first group, found in a file name, tells which person or source video a clip shows;
        None: as the layout says, or else guessed from the file names. `ClipSet.grouping` tells the result in words.
    images
        how folders of frame and flow images are named; None: as denseflow or Feichtenhofer's tree name them.
    layouts
        the layouts to try, in this order: `[MyLayout(), *LAYOUTS]` adds one.

    A listed clip that is not on disk stays in the set: whoever loads it reports it.

    Raises DatasetError when no layout matches, the files of a layout are wrong, or there are fewer than two classes.
    """
    splits = splits_at(place, folder=folder, group=group, images=images, layouts=layouts)
    labels = {clip.label for clips in splits.values() for clip in clips} - {None}
    if not labels:
        raise DatasetError(
            f"the clips at '{place}' have no classes; expected a folder with one folder of clips for each class, "
            "or a list of paths and labels."
        )
    if len(labels) == 1:
        raise DatasetError(f"'{place}' has clips of one class only, '{labels.pop()}'; expected two classes or more.")
    return splits


def class_folders(folder: str | Path, *, group: str | None = None, images: ImageLayout | None = None) -> ClipSet:
    """Read the clips of `folder`/class/clip, whatever lists the folder holds beside; see `data_set`."""
    return data_set(folder, group=group, images=images, layouts=(ClassFolders(),))[""]


def splits_at(
    place: str | Path,
    *,
    folder: str | Path | None,
    group: str | None,
    images: ImageLayout | None,
    layouts: Sequence[Layout],
) -> dict[str, ClipSet]:
    """Read {split: clips} by the first layout that matches `place`, with or without classes; see `data_set`."""
    place = Path(place)
    if not place.exists():
        raise DatasetError(f"'{place}' does not exist; expected a folder of clips, a list of clips or a video.")
    hints = Hints(None if folder is None else Path(folder), images)
    try:
        layout = next((layout for layout in layouts if layout.matches(place)), None)
        splits = None if layout is None else layout.clips(place, hints)
    except OSError as error:
        where = place if error.filename is None else error.filename
        raise DatasetError(f"'{where}' cannot be read: {error.strerror}.") from None
    if splits is None:
        names = ", ".join(type(layout).__name__ for layout in layouts)
        raise DatasetError(
            f"'{place}' is no folder of clips, no list (.csv, .txt, .json) and no video; no layout matches: {names}."
        )
    return grouped_splits(splits, group)
