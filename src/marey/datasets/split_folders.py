"""The layout of one folder for each split, with class folders in each: FOLDER/train/class/clip."""

from pathlib import Path

from marey.datasets.class_folders import ClassFolders, has_class_folders
from marey.datasets.clip_files import is_clip, visible
from marey.datasets.clip_set import ClipSet
from marey.datasets.layout import Hints
from marey.datasets.list_files import split_of, split_word
from marey.errors import DatasetError


class SplitFolders:
    """Folders named after splits, as train, val, validation or test, also in capitals or as train_256."""

    def matches(self, place: Path) -> bool:
        """Tell whether `place` holds such a folder of class folders, and no clips in folders with other names."""
        return place.is_dir() and bool(_folders(place)) and not any(map(_is_class, visible(place)))

    def clips(self, place: Path, hints: Hints) -> dict[str, ClipSet]:
        """Read {split: clips}, the split to train on first.

        Raises DatasetError when two folders are of one split, or another folder with class folders is of none.
        """
        strange = [path for path in visible(place) if not split_of(path.name) and has_class_folders(path)]
        if strange:
            raise DatasetError(
                f"'{place}' holds folders of splits and '{strange[0].name}', which is none; "
                "call it train, val or test, or move it away."
            )
        splits: dict[str, ClipSet] = {}
        folders: dict[str, Path] = {}
        for folder in sorted(_folders(place), key=lambda path: (split_of(path.name) != "train", path.name)):
            word = split_word(folder.name)
            if word in splits:
                both = f"'{folders[word].name}' and '{folder.name}'"
                raise DatasetError(f"'{place}' holds two folders of the split '{word}', {both}; leave one there.")
            folders[word] = folder
            splits[word] = ClassFolders().clips(folder, hints)[""]
        loose = [path for path in visible(place) if split_of(path.name) and path not in _folders(place)]
        notes = [note for part in splits.values() for note in part.notes]
        notes += [f"'{path}' has no class folders and is passed over" for path in loose if path.is_dir()]
        name = place.resolve().name
        return {split: ClipSet(name, part.clips, part.grouping, tuple(notes)) for split, part in splits.items()}


def _folders(place: Path) -> list[Path]:
    return [path for path in visible(place) if split_of(path.name) and has_class_folders(path)]


def _is_class(path: Path) -> bool:
    """Tell whether a folder that is not named after a split holds clips."""
    return path.is_dir() and not split_of(path.name) and any(map(is_clip, visible(path)))
