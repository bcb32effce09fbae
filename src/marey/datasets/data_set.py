"""A data set in any layout, as a folder or as a list."""

import re
from pathlib import Path

from marey.datasets.class_folders import class_folders
from marey.datasets.clip_set import ClipSet
from marey.datasets.grouping import grouped
from marey.datasets.hmdb51 import is_hmdb51
from marey.datasets.split_files import split_file
from marey.errors import DatasetError
from marey.video.clips import Clip
from marey.video.stored_flow import ImageLayout

TRAIN_SPLITS = ("", "train", "training")
"""Names of the split that is trained on; "" is that of a data set without splits."""

JPEGS = "jpegs_256"
_UCF101_NAME = re.compile(r"^v_(?P<label>.+)_g\d\d_c\d\d$")


def data_set(
    place: str | Path,
    *,
    folder: str | Path | None = None,
    group: str | None = None,
    images: ImageLayout | None = None,
) -> dict[str, ClipSet]:
    """{split: clips} of a data set, the split being "" where it has none.

    `place` is a folder of class folders, a list (see `split_file`), or the folder of the lists of UCF101 or HMDB51,
    whose split 1 is taken. A folder with `jpegs_256` inside (Feichtenhofer's layout) gives the clips there, classes
    from the names of UCF101. `folder`, `group` and `images` are as for `split_file`; a folder has no use for `folder`.

    Raises DatasetError when there is none.
    """
    place = Path(place)
    published = place if place.is_file() else published_list(place)
    if published is not None:
        return split_file(published, folder=folder, group=group, images=images)
    if (place / JPEGS).is_dir():
        return {"": _two_stream_tree(place, group)}
    return {"": class_folders(place, group=group, images=images)}


def published_list(folder: Path) -> Path | None:
    """A list of split 1 of UCF101 or HMDB51 in a folder of such lists."""
    lists = [
        folder / "trainlist01.txt",
        *(path for path in sorted(folder.glob("*_test_split*1.txt")) if is_hmdb51(path)),
    ]
    return next((path for path in lists if path.is_file()), None)


def _two_stream_tree(root: Path, group: str | None) -> ClipSet:
    folders = sorted(path for path in (root / JPEGS).iterdir() if path.is_dir())
    names = [_UCF101_NAME.match(path.name) for path in folders]
    clips = [
        Clip(path, label=None if name is None else name["label"]) for path, name in zip(folders, names, strict=True)
    ]
    if not clips:
        raise DatasetError(f"'{root / 'jpegs_256'}' holds no folders of frames.")
    found, said = grouped(clips, group)
    return ClipSet(root.resolve().name, found, said)
