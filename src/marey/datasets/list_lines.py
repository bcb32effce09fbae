"""Lines of lists without a header: the path of a clip and the columns after it, of which one is its class."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from marey.datasets.clip_files import VIDEO_SUFFIXES, folder_of
from marey.datasets.found_files import FoundFiles, Way
from marey.datasets.layout import Hints
from marey.datasets.list_files import lines_of, split_word
from marey.errors import DatasetError

_VIDEO = re.compile(
    rf"^(?P<path>.*(?:{'|'.join(re.escape(suffix) for suffix in sorted(VIDEO_SUFFIXES))}))"
    r"(?:(?P<separator> *[,;|\t] *|\s+)(?P<rest>.*))?$",
    re.IGNORECASE,
)
_QUOTED = re.compile(r'^"(?P<path>(?:[^"]|"")+)"(?:(?P<separator> *[,;|\t] *|\s+)(?P<rest>.*))?$')
_NUMBERS = re.compile(r"\d+(?:[\s,;|]+\d+)*")
_FEWEST_FRAMES = 4
_PAIR = re.compile(r"(?P<before>\d+)\s+(?P<text>\D.*)|(?P<words>.*\D)\s+(?P<after>\d+)")
_HEADING = re.compile(
    r"(video|clip|file|vid|label|class|frame)(s|es)?_?(id|name|path|index)?|path|name|id|category|action|target|index|url|"
    r"(num|n|total)_?frames|length|duration|split|subset|group|fps|youtube_id|time|(time_)?(start|end)(_frame|_time)?"
)


@dataclass(frozen=True)
class Line:
    """A line of a list: its number from 1, its text, the path of its clip, and the columns after the path.

    Columns of a line whose class is text with blanks are one. `folder` tells that the path names no video by its
    suffix.
    """

    number: int
    text: str
    path: str
    columns: tuple[str, ...] = ()
    folder: bool = False

    @property
    def rest(self) -> str:
        """The columns as one text."""
        return " ".join(self.columns)


def possible_lines(numbered: Sequence[tuple[int, str]]) -> list[list[Line]]:
    """Split each line in every way that it may be meant, the likeliest first.

    Where a path ends is clear where a video has a suffix, or where every line has a tab, ; or |. In other lines any
    blank may end it.
    """
    texts = [text for _, text in numbered if not text.startswith("#")]
    delimiter = next((mark for mark in "\t;|" if texts and all(mark in text for text in texts)), "")
    if not delimiter and texts and all(re.fullmatch(r"[^,]+,\s*\S[^,]*(,\s*\S[^,]*)*", text) for text in texts):
        delimiter = "" if any(re.search(r"\s\d+$", text) for text in texts) else ","
    return [list(_meanings(number, text, delimiter)) for number, text in numbered]


def _meanings(number: int, text: str, delimiter: str) -> Iterator[Line]:
    match = _QUOTED.match(text) or _VIDEO.match(text)
    if match is not None:
        path = match["path"].replace('""', '"') if text.startswith('"') else match["path"]
        yield Line(number, text, path.strip(), _columns(path, match["separator"] or " ", (match["rest"] or "").strip()))
        return
    if delimiter and delimiter in text:
        path, _, rest = text.partition(delimiter)
        yield Line(number, text, path.strip(), _columns(path, delimiter, rest.strip()), folder=True)
        if delimiter != ",":
            return
    blanks = [match.span() for match in re.finditer(r"\s+", text)]
    lines = [Line(number, text, text, (), folder=True)]
    for begin, end in reversed(blanks):
        path, rest = text[:begin], text[end:]
        lines.append(Line(number, text, path, _columns(path, " ", rest), folder=True))
    numbers = re.search(r"(?:\s+\d+)*$", text)
    after = 0 if numbers is None else len(numbers[0].split())
    likely = lines[min(after, 2) if after else min(1, len(blanks))] if blanks else lines[0]
    named = next((line for line in lines if line.rest and line.rest == folder_of(line.path)), likely)
    yield named
    yield from (line for line in lines if line is not named)


def _columns(path: str, separator: str, rest: str) -> tuple[str, ...]:
    """Split what follows a path; text after a blank is one column, as is the name of the folder, whatever it holds."""
    mark = separator.strip(" ")
    if not rest or rest == folder_of(path):
        return (rest,) if rest else ()
    if _NUMBERS.fullmatch(rest):
        return tuple(re.split(r"[\s,;|]+", rest))
    if not mark:
        quoted = rest.startswith('"') and rest.endswith('"') and rest.count('"') == 2
        return (rest[1:-1] if quoted else rest,)
    if separator == "," and '"' not in rest and not re.search(r",\S", rest):
        return (rest,)
    try:
        cells = [cell.strip() for cell in next(csv.reader([rest], delimiter=mark, skipinitialspace=True, strict=True))]
    except csv.Error:
        return (rest,)
    return tuple(cells[:-1] if not cells[-1] else cells)


def labels_of(path: Path, lines: Sequence[Line]) -> list[str]:
    """Tell which column of each line is the class; "" where a line has none.

    One column is the class. Of two numbers the first is the number of frames, and of a number and a text the text is
    the class. Raises DatasetError for lines with several classes, and for columns that are not understood.
    """
    unknown = next((line for line in lines if line.rest.endswith("-1") and line.columns[-1].split()[-1] == "-1"), None)
    if unknown is not None:
        raise DatasetError(f"line {unknown.number} of '{path}' has the label -1, '{unknown.text}', which is no class.")
    counts = {len(line.columns) for line in lines}
    numbers = all(column.isdecimal() for line in lines for column in line.columns)
    if numbers and (max(counts, default=0) > 2 or {1, 2} <= counts or _without_frames(lines)):
        most = max(lines, key=lambda line: len(line.columns))
        raise DatasetError(
            f"line {most.number} of '{path}' has several labels, '{most.text}'; expected one for each clip, after its "
            "path or after its path and number of frames."
        )
    if counts <= {0, 1}:
        return _text_labels(path, lines)
    if numbers:
        return [line.columns[-1] if line.columns else "" for line in lines]
    texts = _texts_beside_numbers(lines)
    if texts:
        return texts
    most = max(lines, key=lambda line: len(line.columns))
    raise DatasetError(
        f"line {most.number} of '{path}' has {len(most.columns)} columns after the path, '{most.text}'; expected one, "
        "its class. Name the columns of more in a first line, as path,label,split,group, and quote names with commas."
    )


def _is_header(line: Line) -> bool:
    """Tell whether a line names columns."""
    cells = re.split(r"[\s,;|]+", line.text.lower().lstrip("#").replace('"', " ").strip())
    return sum(_HEADING.fullmatch(cell) is not None for cell in cells) > 1 and not any(map(str.isdecimal, cells))


def _texts_beside_numbers(lines: Sequence[Line]) -> list[str]:
    """The text of two columns of which the other is a number, where the number counts classes or the folder agrees."""
    pairs = []
    for line in lines:
        texts = [cell for cell in line.columns if not cell.isdecimal()]
        if len(line.columns) != 2 or len(texts) != 1 or split_word(texts[0]) == texts[0].lower():
            return []
        pairs.append((next(cell for cell in line.columns if cell.isdecimal()), texts[0]))
    one_to_one = len(set(pairs)) == len({number for number, _ in pairs}) == len({text for _, text in pairs})
    agrees = all(folder_of(line.path) == text for line, (_, text) in zip(lines, pairs, strict=True))
    return [text for _, text in pairs] if one_to_one or agrees else []


def _without_frames(lines: Sequence[Line]) -> bool:
    """Tell whether the first of two numbers after videos counts no frames: most videos have more than a few."""
    firsts = [int(line.columns[0]) for line in lines if len(line.columns) == 2 and not line.folder]
    return bool(firsts) and median(firsts) < _FEWEST_FRAMES


def _text_labels(path: Path, lines: Sequence[Line]) -> list[str]:
    """The one column of each line, unless it is a class with a number before or after it in every line."""
    labels = [line.rest for line in lines]
    known = set(labels)
    several = next((line for line in lines if _several(line.rest, known)), None)
    if several is not None:
        raise DatasetError(f"line {several.number} of '{path}' has several labels, '{several.text}'; expected one.")
    pairs = [_PAIR.fullmatch(label) for label in labels]
    named = any(label and label == folder_of(line.path) for label, line in zip(labels, lines, strict=True))
    if named or not lines or not all(pairs):
        return labels
    texts = [(pair["text"] or pair["words"]).strip() for pair in pairs if pair is not None]
    if all(text == folder_of(line.path) for text, line in zip(texts, lines, strict=True)):
        return texts
    varied = len(set(texts)) < len(known) and 2 * len(known) > len(labels)
    if varied or all(pair["before"] for pair in pairs if pair is not None):
        raise DatasetError(
            f"line {lines[0].number} of '{path}' has a number beside its class, '{lines[0].text}'; expected 'PATH "
            "CLASS', or 'PATH FRAMES NUMBER'. Name the columns in a first line if you need more, as path,label."
        )
    return labels


def _several(label: str, known: set[str]) -> bool:
    parts = [part.strip() for part in re.split(r"[,;|]", label.strip("[]"))]
    return len(parts) > 1 and (all(part.isdecimal() for part in parts) or set(parts) <= known)


def read_lines(path: Path, split: str, hints: Hints) -> tuple[list[Line], list[Line]]:
    """Read the lines of a list, and apart from them those that begin with '#' and whose file is not there."""
    possible = possible_lines(lines_of(path))
    sure = [lines for lines in possible if not lines[0].text.startswith("#")] or possible
    found = FoundFiles(path.parent, hints.folder, hints.images)
    way = found.way([[line.path for line in lines] for lines in sure], split)
    lines: list[Line] = []
    doubtful: list[Line] = []
    for line in _meant(possible, way):
        unsure = line.text.startswith("#") and way.find(line.path) is None
        (doubtful if unsure else lines).append(line)
    if lines and _is_header(lines[0]) and way.find(lines[0].path) is None:
        raise DatasetError(
            f"the first line of '{path}' is a header that is not understood, '{lines[0].text}'; "
            "expected path,label with commas and, if wanted, split and group, or no header."
        )
    return lines, doubtful


def _meant(possible: Sequence[Sequence[Line]], way: Way) -> list[Line]:
    """Choose of the ways to split each line the one with the longest path that is there.

    Where none is there, the one with a class of other lines is chosen, or else the likeliest.
    """
    there = [_there(lines, way) for lines in possible]
    known = {line.rest for line in there if line is not None and line.rest}
    return [
        found or next((line for line in lines if line.rest in known), lines[0])
        for found, lines in zip(there, possible, strict=True)
    ]


def _there(lines: Sequence[Line], way: Way) -> Line | None:
    if len(lines) == 1:
        return lines[0]
    longest = sorted(lines, key=lambda line: -len(line.path))
    return next((line for line in longest if way.find(line.path) is not None), None)
