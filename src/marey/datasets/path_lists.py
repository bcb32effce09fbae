"""The layout of lists with lines "path label", which mmaction2 and SlowFast write too."""

from pathlib import Path

from marey.datasets.clip_files import folder_of
from marey.datasets.clip_set import ClipSet
from marey.datasets.label_maps import named
from marey.datasets.layout import Hints
from marey.datasets.list_files import parts_of
from marey.datasets.list_lines import Line, labels_of, read_lines
from marey.datasets.listed_splits import ListedClip, listed_splits
from marey.errors import DatasetError


class PathLists:
    """Lines "video.mp4 label", "video.mp4 frames label", "folder label" or "folder total label", as mmaction2 writes.

    The text after the suffix of a video is its label, spaces included; a line without label takes the name of its
    folder. The number of frames is not used. Numbers are named by a label map (`marey.datasets.label_maps`). A line
    that begins with '#' is a comment, unless its file is there. A list named after its split brings the other split
    beside it.
    """

    def matches(self, place: Path) -> bool:
        """Tell whether `place` is a text or CSV file."""
        return place.suffix.lower() in (".txt", ".csv", ".tsv", ".lst") and place.is_file()

    def clips(self, place: Path, hints: Hints) -> dict[str, ClipSet]:
        """Read the lines; DatasetError for a line without class, columns or numbers that are not understood."""
        comments: list[Line] = []
        listed, notes = parts_of(place, lambda part, split: _listed(part, split, hints, comments))
        passed = [line for line in comments if not line.folder]
        if passed:
            notes.append(
                f"{len(passed)} lines that begin with '#' name clips that are not there, such as '{passed[0].text}'"
            )
        return listed_splits(place, named(place, listed), hints, notes=notes)


def _listed(path: Path, split: str, hints: Hints, comments: list[Line]) -> list[ListedClip]:
    """Read the clips of a list, and add lines that begin with '#' and whose file is not there to `comments`."""
    lines, doubtful = read_lines(path, split, hints)
    comments += doubtful
    return [_clip(path, line, label, split) for line, label in zip(lines, labels_of(path, lines), strict=True)]


def _clip(path: Path, line: Line, label: str, split: str) -> ListedClip:
    given = label or folder_of(line.path)
    if not given:
        raise DatasetError(
            f"line {line.number} of '{path}' gives '{line.path}' no class; write it after the path, or name its folder."
        )
    return ListedClip(line.path, given, split)
