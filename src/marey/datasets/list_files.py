"""Lists of clips as text files: their lines and columns, and which of several lists belong together."""

import csv
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from marey.datasets.clip_files import visible
from marey.errors import DatasetError
from marey.files import regular_file
from marey.schema import SchemaError, parsed

Row = dict[str, str]
Listed = TypeVar("Listed")

_SPLIT = re.compile(r"(?<![a-z])(train|training|val|valid|validate|validation|test|testing)(?![a-z])")
_TRAIN = ("train", "training")
_VALIDATION = ("val", "valid", "validate", "validation")
_TEST = ("test", "testing")
_DELIMITERS = ",;\t|"


def text_of(path: Path) -> str:
    """Read the text of a list, in UTF-8, or in UTF-16 where its first bytes say so; DatasetError when it is none."""
    try:
        text = _decoded(regular_file(path).read_bytes())
    except OSError as error:
        raise DatasetError(f"'{path}' cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DatasetError(f"'{path}' is no text file; expected a list of clips, in UTF-8.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(data: bytes, errors: str = "strict") -> str:
    if data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-8-sig", errors)
    text = data[: len(data) // 2 * 2 if errors != "strict" else None].decode("utf-16", errors)
    return text if any(character.isascii() for character in text) else "\0"  # no list lacks blanks and digits


def json_of(path: Path) -> Any:
    """Read the values in a JSON file; DatasetError when it cannot be read or is no JSON."""
    try:
        return parsed(text_of(path), twice=True)
    except SchemaError as error:
        raise DatasetError(f"'{path}' cannot be read: {error}.") from None


def beginning_of(path: Path) -> str:
    """Read the first characters of a file, by which a format is known; "" where it cannot be read."""
    try:
        with regular_file(path).open("rb") as file:
            return _decoded(file.read(4096), "replace").lstrip()
    except OSError:
        return ""


def lines_of(path: Path) -> list[tuple[int, str]]:
    """List the lines of a file with their numbers from 1, without blank lines."""
    lines = ((number, line.strip()) for number, line in enumerate(text_of(path).split("\n"), start=1))
    return [(number, line) for number, line in lines if line]


def columns_of(path: Path, suffixes: Sequence[str] = (".csv", ".tsv")) -> set[str]:
    """Read the names, in lower case, in the first line of a CSV file; none for a file with another suffix."""
    if path.suffix.lower() not in suffixes or not path.is_file():
        return set()
    first = beginning_of(path).partition("\n")[0]
    return {name.strip().strip('"').lower() for name in first.split(_delimiter(first))}


def rows_of(path: Path, columns: Sequence[str]) -> list[tuple[int, Row]]:
    """Read the rows of a CSV file, each with the number of its line: {column in lower case: text, "" where missing}.

    Columns may be parted by commas, semicolons, tabs or |, as in the first line. Raises DatasetError when the file is
    no CSV file or lacks one of `columns`.
    """
    text = text_of(path)
    delimiter = _delimiter(text.lstrip().partition("\n")[0])
    reader = csv.reader(text.split("\n"), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        names = [name.strip().lower() for name in next(filter(any, reader), [])]
        rows = [(reader.line_num, dict.fromkeys(names, "") | _cells(names, row)) for row in reader if any(row)]
    except csv.Error as error:
        raise DatasetError(f"'{path}' is no CSV file: {error}.") from None
    for column in columns:
        if column not in names:
            there = ", ".join(filter(None, names)) or "nothing"
            raise DatasetError(
                f"'{path}' has no column '{column}'; its first line names {there}. Expected {','.join(columns)}."
            )
    return rows


def _delimiter(first: str) -> str:
    """The character between columns, by the first line; a comma where there is none."""
    return max(_DELIMITERS, key=first.count)


def _cells(names: Sequence[str], row: Sequence[str]) -> Row:
    return {name: value.strip() for name, value in zip(names, row, strict=False)}  # rows may be short or long


def split_word(name: str) -> str:
    """Return the word for a split in the name of a file or folder, in lower case; "" without any.

    >>> split_word("kinetics400_Train_256"), split_word("training.csv"), split_word("trainers")
    ('train', 'training', '')
    """
    match = _SPLIT.search(name.lower())
    return "" if match is None else match[1]


def split_of(name: str) -> str:
    """Return which of train, val and test the name of a file or folder says; "" without any.

    >>> split_of("Validation"), split_of("videos_val")
    ('val', 'val')
    """
    word = split_word(name)
    return next((words[0] for words in (_TRAIN, _VALIDATION, _TEST) if word in words), "")


def companions(path: Path) -> dict[str, Path]:
    """Find {split: list} for a list named after its split, as train.csv, and the list of the other split beside it.

    A list with any other name is {"": path}.
    """
    match = _SPLIT.search(path.name.lower())
    if match is None:
        return {"": path}
    begin, end = match.span()
    own = match[1]
    with os.scandir(path.parent) as entries:
        beside = {name.lower(): path.with_name(name) for name in sorted(entry.name for entry in entries)}
    names = ((other, path.name[:begin].lower() + other + path.name[end:].lower()) for other in _others(own))
    there = next(((other, beside[name]) for other, name in names if name in beside and beside[name].is_file()), None)
    pairs = [(own, path)] + ([] if there is None else [there])
    return dict(sorted(pairs, key=lambda pair: pair[0] not in _TRAIN))


def parts_of(path: Path, read: Callable[[Path, str], Iterable[Listed]]) -> tuple[list[Listed], list[str]]:
    """Read a list and the list of the other split beside it, by `read(list, split)`, and return notes too.

    A list beside that cannot be read is noted: nobody named it.
    """
    listed: list[Listed] = []
    notes = []
    for split, part in companions(path).items():
        try:
            listed += read(part, split)
        except DatasetError as error:
            if part == path:
                raise
            notes.append(f"the list of split '{split}' beside '{path.name}' is not used: {str(error).rstrip('.')}")
    return listed, notes


def _others(word: str) -> tuple[str, ...]:
    return (*_VALIDATION, *_TEST) if word in _TRAIN else _TRAIN


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
