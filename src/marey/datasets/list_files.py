"""Lists of clips as text files: their lines and columns, and which of several lists belong together."""

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from marey.datasets.clip_files import visible
from marey.errors import DatasetError
from marey.schema import SchemaError, parsed

Row = dict[str, str]

_SPLIT = re.compile(r"(?<![a-z])(train|training|val|validate|validation|test)(?![a-z])")
_OTHER = {"train": ("val", "validate", "validation", "test"), "training": ("validation", "test")}


def text_of(path: Path) -> str:
    """Read the text of a list; DatasetError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"'{path}' cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DatasetError(f"'{path}' is no text file; expected a list of clips.") from None


def json_of(path: Path) -> Any:
    """Read the values in a JSON file; DatasetError when it cannot be read or is no JSON."""
    try:
        return parsed(text_of(path), twice=True)
    except SchemaError as error:
        raise DatasetError(f"'{path}' cannot be read: {error}.") from None


def beginning_of(path: Path) -> str:
    """Read the first characters of a file, by which a format is known; "" where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(4096).decode("utf-8-sig", errors="replace")
    except OSError:
        return ""


def lines_of(path: Path) -> list[tuple[int, str]]:
    """List the lines of a file with their numbers from 1, without blank lines and those that begin with '#'."""
    lines = ((number, line.strip()) for number, line in enumerate(text_of(path).splitlines(), start=1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def columns_of(path: Path) -> set[str]:
    """Read the names, in lower case, in the first line of a CSV file; none for a file with another suffix."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return set()
    return {name.strip().strip('"').lower() for name in beginning_of(path).partition("\n")[0].split(",")}


def rows_of(path: Path, columns: Sequence[str]) -> list[tuple[int, Row]]:
    """Read the rows of a CSV file, each with the number of its line: {column in lower case: text, "" where missing}.

    Raises DatasetError when the file is no CSV file or lacks one of `columns`.
    """
    reader = csv.reader(text_of(path).splitlines(), skipinitialspace=True, strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        rows = [(reader.line_num, dict.fromkeys(names, "") | _cells(names, row)) for row in reader if row]
    except csv.Error as error:
        raise DatasetError(f"'{path}' is no CSV file: {error}.") from None
    for column in columns:
        if column not in names:
            raise DatasetError(
                f"'{path}' has no column '{column}'; its first line names {', '.join(names) or 'nothing'}. "
                f"Expected {','.join(columns)}."
            )
    return rows


def _cells(names: Sequence[str], row: Sequence[str]) -> Row:
    return {name: value.strip() for name, value in zip(names, row, strict=False)}  # rows may be short or long


def companions(path: Path) -> dict[str, Path]:
    """Find {split: list} for a list named after its split, as train.csv, and the list of the other split beside it.

    A list with any other name is {"": path}.
    """
    match = _SPLIT.search(path.name.lower())
    if match is None:
        return {"": path}
    begin, end = match.span()
    own = match[1]
    others = _OTHER.get(own, ("train", "training"))
    beside = [(other, path.with_name(path.name[:begin] + other + path.name[end:])) for other in others]
    there = next(((other, place) for other, place in beside if place.is_file()), None)
    pairs = [(own, path)] + ([] if there is None else [there])
    return dict(sorted(pairs, key=lambda pair: pair[0] not in ("train", "training")))


def lists_at(place: Path, is_list: Callable[[Path], bool]) -> list[Path]:
    """List the visible files in a folder that `is_list` accepts; where `place` is a file, the file itself."""
    files = [place] if place.is_file() else [path for path in visible(place) if path.is_file()]
    return [path for path in files if is_list(path)]


def only_list(folder: Path, is_list: Callable[[Path], bool]) -> Path:
    """Return the list in a folder to which all other lists there belong; DatasetError when there are several."""
    found = lists_at(folder, is_list)
    chosen = next((path for path in found if all(path in companions(other).values() for other in found)), None)
    if chosen is None:
        first, second = found[0].name, found[1].name
        raise DatasetError(f"'{folder}' holds several lists, such as '{first}' and '{second}'; name the one to use.")
    return chosen
