"""Whatever classes are called, a list gives each clip the class that was written, or is refused."""

import contextlib
import csv
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.datasets import ClipSet, data_set
from marey.errors import DatasetError

_PIECES = [
    "a",
    "B",
    "é",
    "#",
    " ",
    "_",
    "-",
    ",",
    ", ",
    ";",
    "|",
    "'",
    '"',
    "(",
    ".",
    "0",
    "7",
    "1 ",
    " 2",
    "run",
    "# ",
]
_CLASS = (
    st.lists(st.sampled_from(_PIECES), min_size=1, max_size=5)
    .map(lambda pieces: "".join(pieces).strip())
    .filter(lambda name: any(map(str.isalpha, name)) and re.fullmatch(r"[\w#(].*[\w.\"']|\w", name) is not None)
)
_CLASSES = st.lists(_CLASS, min_size=2, max_size=4, unique_by=lambda name: name.lower())
_ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])
_ENDS = st.sampled_from(["\n", "\r\n", "\r"])

Write = Callable[[Path, list[str]], Path]


def _made(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def _folders(root: Path, classes: list[str]) -> Path:
    _made(root, *(f"{label}/{index}.mp4" for index, label in enumerate(classes)))
    return root


def _split_folders(root: Path, classes: list[str]) -> Path:
    _made(root, *(f"{split}/{label}/{i}.mp4" for split in ("Train", "val") for i, label in enumerate(classes)))
    return root


def _quoted_csv(root: Path, classes: list[str]) -> Path:
    _made(root, *(f"{index}.mp4" for index in range(len(classes))))
    with (root / "list.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *((f"{i}.mp4", label) for i, label in enumerate(classes))])
    return root / "list.csv"


def _lines(root: Path, lines: Sequence[str]) -> Path:
    (root / "list.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root / "list.txt"


def _flat_lines(root: Path, classes: list[str], between: str = " ") -> Path:
    _made(root, *(f"{index}.mp4" for index in range(len(classes))))
    return _lines(root, [f"{index}.mp4{between}{label}" for index, label in enumerate(classes)])


def _lines_with_folders(root: Path, classes: list[str]) -> Path:
    _folders(root, classes)
    return _lines(root, [f"{label}/{index}.mp4 {label}" for index, label in enumerate(classes)])


def _lines_without_labels(root: Path, classes: list[str]) -> Path:
    _folders(root, classes)
    return _lines(root, [f"{label}\\{index}.avi" for index, label in enumerate(classes)])


def _frames_and_text(root: Path, classes: list[str]) -> Path:
    _made(root, *(f"v_{index}/1.jpg" for index in range(len(classes))))
    return _lines(root, [f"v_{index} {label}" for index, label in enumerate(classes)])


def _frames_in_folders(root: Path, classes: list[str]) -> Path:
    _made(root, *(f"{label}/v {index}/1.jpg" for index, label in enumerate(classes)))
    (root / "label_map.txt").write_text("\n".join(classes) + "\n", encoding="utf-8")
    return _lines(root, [f"{label}/v {index} 16 {index}" for index, label in enumerate(classes)])


def _label_map(root: Path, classes: list[str], first: int = 0) -> Path:
    _made(root, *(f"{index}.mp4" for index in range(len(classes))))
    (root / "label_map.txt").write_text("\n".join(classes) + "\n", encoding="utf-8")
    return _lines(root, [f"{index}.mp4 {index + first}" for index in range(len(classes))])


def _class_index(root: Path, classes: list[str]) -> Path:
    _folders(root / "videos", classes)
    (root / "classInd.txt").write_text("".join(f"{i} {name}\n" for i, name in enumerate(classes, 1)), encoding="utf-8")
    lines = [f"{label}/{i}.mp4 {i + 1}" for i, label in enumerate(classes)]
    (root / "trainlist01.txt").write_text("\n".join(lines), encoding="utf-8")
    return root


def _hmdb51(root: Path, classes: list[str]) -> Path:
    for index, label in enumerate(classes):
        _made(root, f"{label}/#x_{index}.mp4")
        (root / f"{label}_test_split1.txt").write_text(f"#x_{index}.avi 1 \n", encoding="utf-8")
    return root


_WRITERS: dict[str, Write] = {
    "class folders": _folders,
    "split folders": _split_folders,
    "quoted csv": _quoted_csv,
    "blank": _flat_lines,
    "comma": lambda root, classes: _flat_lines(root, classes, ","),
    "tab": lambda root, classes: _flat_lines(root, classes, "\t"),
    "semicolon": lambda root, classes: _flat_lines(root, classes, ";"),
    "folders and labels": _lines_with_folders,
    "folders alone": _lines_without_labels,
    "frames and text": _frames_and_text,
    "frames in folders": _frames_in_folders,
    "label map": _label_map,
    "label map, list from 1": lambda root, classes: _label_map(root, classes, 1),
    "UCF101": _class_index,
    "HMDB51": _hmdb51,
}
_ALWAYS_READ = ("class folders", "split folders", "quoted csv", "UCF101", "HMDB51")


@pytest.mark.parametrize("way", _WRITERS)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(classes=_CLASSES, encoding=_ENCODINGS, end=_ENDS)
def test_no_clip_gets_another_class_than_was_written(way: str, classes: list[str], encoding: str, end: str) -> None:
    with tempfile.TemporaryDirectory() as made:
        place = _WRITERS[way](Path(made) / "data", classes)
        for path in Path(made).rglob("*.*"):
            if path.suffix in (".txt", ".csv") and path.is_file():
                path.write_bytes(path.read_text("utf-8").replace("\n", end).encode(encoding))
        with contextlib.nullcontext() if way in _ALWAYS_READ else contextlib.suppress(DatasetError):
            _check(data_set(place), classes)


def _check(splits: dict[str, ClipSet], classes: list[str]) -> None:
    clips = [clip for part in splits.values() for clip in part]
    assert {clip.label for clip in clips} == set(classes)
    assert all(clip.path.exists() for clip in clips)
    for clip in clips:
        digits = "".join(filter(str.isdecimal, clip.path.stem))
        assert clip.label == classes[int(digits)]
