"""Results in one folder, each in a folder of its own: safe names, written whole, and found again."""

import json
import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from uuid import uuid4

from safetensors import SafetensorError, safe_open

from marey.errors import MareyError, OutputError
from marey.files import DRAFT_SUFFIX
from marey.maximization.maximization import Maximization
from marey.maximization.result import FILE, PreferredInput

OVERVIEW = "overview.png"
"""A file among the folders, whose name no result gets."""

_LONGEST = 120
"""Bytes of a name before its number: what every file system takes."""

_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{k}" for port in ("com", "lpt") for k in range(10))}
"""What Windows takes for a device, whatever follows a dot."""

_DRAFT = re.compile(rf"\.[0-9a-f]{{32}}{re.escape(DRAFT_SUFFIX)}")

Draw = Callable[[PreferredInput, Path], object]
"""Writes the pictures of a result into a folder."""


class ResultFolder:
    """A folder with a folder for each result, whose mark of being complete is its `preferred_input.safetensors`.

    path
        of the folder, made if need be.
    names
        of the folders of the results with `labels`, in order. A label whose result is there keeps its folder.
    pictures
        patterns of the files that a result may have beside; those of an earlier one go with it.

    Raises OutputError where the disk refuses the folder, or the name of a result.
    """

    def __init__(self, path: str | Path, labels: Sequence[str], *, pictures: Sequence[str] = ()) -> None:
        self.path, self.pictures = Path(path), tuple(pictures)
        with _disk(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._remove_stale_drafts()
            self.names = folder_names(labels, held=self._held())
            for name in self.names:
                with suppress(FileNotFoundError):
                    (self.path / name).lstat()  # a name that the disk refuses is told before anything is computed

    def found(self, run: Maximization) -> tuple[set[int], set[int]]:
        """The places of the targets whose results are there, made with the same settings, and with other ones."""
        same, other = set(), set()
        for place, name in enumerate(self.names):
            try:
                result = self.open(name)
            except MareyError:  # none, or a damaged one: it is made
                continue
            if run.makes(place, result):
                same.add(place)
            elif not result.interrupted:
                other.add(place)
        return same, other

    def open(self, name: str) -> PreferredInput:
        """The result in the folder of this name."""
        return PreferredInput.open(self.path / name)

    def write(self, name: str, result: PreferredInput, draw: Draw | None = None) -> Path:
        """Write a result and its pictures, whole or not at all, and return its folder.

        All is drawn and written in a draft, which takes the name. Where the folder is there already, its result is
        removed first and the new one comes last, so that no result ever lies beside the pictures of another. What else
        is in the folder stays.
        """
        place = self.path / name
        with self.draft() as draft:
            if draw is not None:
                draw(result, draft)
            result.save(draft)
            if place.exists():
                (place / FILE).unlink(missing_ok=True)
                for old in (old for pattern in self.pictures for old in place.glob(pattern)):
                    old.unlink()
                for new in sorted(draft.iterdir(), key=lambda file: file.name == FILE):
                    new.replace(place / new.name)
            else:
                draft.rename(place)
        return place

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """A new folder beside the results, removed at the end; OutputError where the disk fails.

        It is locked while this process lives, by which it is known from a stale one.
        """
        place = self.path / f".{uuid4().hex}{DRAFT_SUFFIX}"
        with _disk(self.path):
            place.mkdir()
            lock = _locked(place)
            try:
                yield place
            finally:
                shutil.rmtree(place, ignore_errors=True)
                if lock is not None:
                    os.close(lock)

    def _remove_stale_drafts(self) -> None:
        """Remove drafts of processes that were killed."""
        for place in self.path.iterdir():
            if _DRAFT.fullmatch(place.name) and place.is_dir():
                lock = _locked(place)
                if lock is not None:
                    shutil.rmtree(place, ignore_errors=True)
                    os.close(lock)

    def _held(self) -> dict[str, str | None]:
        """{name: label of the result in this folder}, None for what is no folder; folders without a result are free."""
        held: dict[str, str | None] = {}
        for place in self.path.iterdir():
            if not place.is_dir():
                held[place.name] = None
            elif (label := _label(place)) is not None:
                held[place.name] = label
        return held


def _label(folder: Path) -> str | None:
    """The label of the result in a folder, from the head of its file; None where there is none that can be read."""
    try:
        with safe_open(folder / FILE, framework="pt") as file:
            return str(json.loads(file.metadata()["marey"])["label"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError):
        return None


def saved(run: Maximization, folder: ResultFolder) -> Iterator[tuple[int, PreferredInput]]:
    """The place of each target and its result: opened where it is there, else made and written at once."""
    finished, _ = folder.found(run)
    for place in sorted(finished):
        yield place, folder.open(folder.names[place])
    for place, result in run.results(besides=finished):
        folder.write(folder.names[place], result)
        yield place, result


def folder_names(labels: Sequence[str], *, held: dict[str, str | None] | None = None) -> list[str]:
    """A name for each label, safe on every file system and like no other one; names alike are numbered.

    `held` has the names that are taken by results of a label, or by something else; a label keeps the one it has.

    >>> folder_names(["fusion.conv5:21@2,7,7", "dish/es", "dish es", ".."])
    ['fusion.conv5-21-at-2-7-7', 'dish_es', 'dish_es.2', 'unit']
    """
    held = {} if held is None else held
    own = {label: sorted(name for name, holder in held.items() if holder == label) for label in labels}
    taken = {_folded(OVERVIEW)}
    names: list[str | None] = []
    for label in labels:
        stem = _safe(label)
        numbered = re.compile(rf"{re.escape(stem)}(\.[0-9]+)?")
        name = next((one for one in own[label] if numbered.fullmatch(one) and _folded(one) not in taken), None)
        names.append(name)
        taken |= {_folded(name)} if name is not None else set()
    taken |= {_folded(name) for name in held}
    for place, label in enumerate(labels):
        if names[place] is None:
            stem = _safe(label)
            numbers = (stem if number == 1 else f"{stem}.{number}" for number in count(1))
            names[place] = next(name for name in numbers if _folded(name) not in taken)
            taken.add(_folded(str(names[place])))
    return [str(name) for name in names]


def _safe(label: str) -> str:
    """A file name for a label: letters and digits, dots, lines and dashes."""
    text = unicodedata.normalize("NFC", label.replace(":", "-").replace("@", "-at-").replace(",", "-"))
    text = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in text)
    text = text.encode("utf-8")[:_LONGEST].decode("utf-8", "ignore").strip(".").lstrip("-.") or "unit"
    return f"_{text}" if _folded(text).split(".")[0] in _DEVICES else text


def _folded(name: str) -> str:
    """Equal for names that some file system takes for one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _locked(folder: Path) -> int | None:
    """The lock of a draft, which the system drops when its process dies; None where another process has it."""
    try:
        import fcntl

        opened = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    return opened


@contextmanager
def _disk(place: Path) -> Iterator[None]:
    """Errors of the disk in one line."""
    try:
        yield
    except OSError as error:
        where = error.filename if error.filename is not None else place
        raise OutputError(
            f"cannot write '{where}': {error.strerror or error}. Choose a folder that can be written to and has space."
        ) from error
