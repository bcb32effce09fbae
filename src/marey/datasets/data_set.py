"""A data set in any layout, as a folder or as a list."""

import re
from pathlib import Path

from marey.datasets.class_folders import class_folders, visible
from marey.datasets.clip_set import ClipSet
from marey.datasets.grouping import grouped
from marey.datasets.hmdb51 import is_hmdb51
from marey.datasets.kinetics import is_kinetics
from marey.datasets.path_lists import companions
from marey.datasets.something_something import is_something
from marey.datasets.split_files import split_file
from marey.datasets.study_list import is_study_list, study_list
from marey.errors import DatasetError
from marey.video.flow.stored import ImageLayout
from marey.video.read.clips import Clip

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

    `place` is a folder of class folders, a list (see `split_file`), or a folder with the lists of UCF101 or HMDB51,
    whose split 1 is taken, of Kinetics or of Something-Something in it. A folder with `jpegs_256` inside
    (Feichtenhofer's layout) gives the clips there, classes from the names of UCF101. A list of motion studies
    (`study_list`) gives clips that are made while they are read. `folder`, `group` and `images` are
    as for `split_file`; a folder without lists has no use for `folder`.

    Raises DatasetError when there is none, or the folder holds lists of several data sets.
    """
    place = Path(place)
    if is_study_list(place):
        return {"": study_list(place)}
    published = place if place.is_file() else published_list(place)
    if published is not None:
        return split_file(published, folder=folder, group=group, images=images)
    if (place / JPEGS).is_dir():
        return {"": _two_stream_tree(place, group)}
    return {"": class_folders(place, group=group, images=images)}


def published_list(folder: Path) -> Path | None:
    """The list of a published data set in a folder: of split 1 of UCF101 or HMDB51, of Kinetics or Something-Something.

    Raises DatasetError when there are several of the latter two of which none belongs to all others.
    """
    lists = [
        folder / "trainlist01.txt",
        *(path for path in sorted(folder.glob("*_test_split*1.txt")) if is_hmdb51(path)),
    ]
    split_1 = next((path for path in lists if path.is_file()), None)
    if split_1 is not None or not folder.is_dir():
        return split_1
    found = [path for path in visible(folder) if path.is_file() and (is_kinetics(path) or is_something(path))]
    chosen = next((path for path in found if all(path in companions(other).values() for other in found)), None)
    if found and chosen is None:
        first, second = found[0].name, found[1].name
        raise DatasetError(f"'{folder}' holds several lists, such as '{first}' and '{second}'; name the one to use.")
    return chosen


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
