"""The CSV files of Kinetics: label, youtube_id, time_start, time_end, split (Kay et al., 2017)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from marey.datasets.listed_clip import ListedClip, beginning_of
from marey.errors import DatasetError

COLUMNS = ("youtube_id", "time_start", "time_end")


def is_kinetics(path: Path) -> bool:
    """Whether a file is such a list with classes, which those of the hidden test videos lack."""
    if path.suffix.lower() != ".csv":
        return False
    columns = {name.strip().strip('"').lower() for name in beginning_of(path).partition("\n")[0].split(",")}
    return {"label", *COLUMNS} <= columns


def kinetics_clips(path: Path, rows: Sequence[Mapping[str, str | None]]) -> list[ListedClip]:
    """The clips of the rows of a file; a clip's file is ID_SSSSSS_EEEEEE, with its seconds, in whatever folder it lies.

    The group is the video that it was cut from. Raises DatasetError for a row without a label or with other times.
    """
    clips = []
    for number, row in enumerate(rows, start=2):
        video = (row.get("youtube_id") or "").strip()
        label = (row.get("label") or "").strip()
        try:
            start, end = (round(float((row.get(column) or "").strip())) for column in COLUMNS[1:])
        except (ValueError, OverflowError):
            times = f"{row.get('time_start')} to {row.get('time_end')}"
            raise DatasetError(f"line {number} of '{path}' is from {times} s; expected numbers.") from None
        if not video or not label:
            lacks = "label" if video else "youtube_id"
            raise DatasetError(f"line {number} of '{path}' has no {lacks}; give a list in which every clip has one.")
        split = (row.get("split") or "").strip()
        clips.append(ListedClip(f"{video}_{start:06d}_{end:06d}", label, split, group=video, anywhere=True))
    return clips
