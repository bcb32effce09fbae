"""Files and folders written whole or not at all: every lasting file of marey is written through this module."""

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from safetensors import SafetensorError

from marey.errors import OutputError

DRAFT_SUFFIX = ".part"
"""The end of the name of every draft; its beginning is a dot and its middle is random."""

_SYNCED_AT_ONCE = 8


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a draft to write to, which takes the place of `path` when the block ends without an error.

    The draft is an empty file in the same folder, which is made if need be. Its name is one that no other process or
    machine has. When the block ends, the draft is on the disk before it gets its name, and its permissions follow the
    umask. A link is followed. After an error the draft is removed, and the file that stood at `path` is unchanged.

    Raises OutputError where the disk fails (no permission, no space), and where `path` is a device or a folder.

    >>> with replacing("responses.txt") as draft:  # doctest: +SKIP
    ...     draft.write_text("0.5")
    """
    target = Path(os.path.realpath(path))
    draft = _draft(target.parent)
    with _disk_errors(path):
        try:
            if target.exists() and not target.is_file():
                raise OSError("it is no regular file")
            _make_folder(target.parent)
            draft.touch(exist_ok=False)
            mode = draft.stat().st_mode
            yield draft
            draft.chmod(mode)  # safetensors puts a file of mode 0600 in its place
            _sync(draft)
            draft.replace(target)
        finally:
            with suppress(OSError):  # the first error is the one to tell
                draft.unlink(missing_ok=True)


@contextmanager
def replacing_files(folder: str | Path, *, last: str, drafts: str | Path | None = None) -> Iterator[Path]:
    """Yield an empty folder for several files, which move to `folder` together when the block ends without an error.

    Other files in `folder` stay. The file named `last` is the one by which readers know that the others are there: the
    old one goes first and the new one comes last, so that a reader never finds old and new files mixed, even after a
    crash. After an error the old files are back in their places. `drafts` names where the empty folder is made, on the
    same disk; the default is `folder` itself.

    Raises OutputError where the disk fails, or where nothing named `last` was written.
    """
    folder = Path(folder)
    draft = _draft(folder if drafts is None else Path(drafts))
    made_here = not folder.exists()
    with _disk_errors(folder):
        try:
            _make_folder(folder)
            new = draft / "new"
            new.mkdir(parents=True)
            yield new
            names = sorted(path.relative_to(new) for path in new.rglob("*") if path.is_file())
            if Path(last) not in names:
                raise OSError(f"'{last}' was not written")
            with ThreadPoolExecutor(_SYNCED_AT_ONCE) as threads:
                list(threads.map(_sync, [new / name for name in names]))
            names.sort(key=lambda name: name == Path(last))
            _exchange(new, folder, names, draft / "old")
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            if made_here:
                with suppress(OSError):  # where others wrote to it meanwhile, it stays
                    folder.rmdir()
            raise
        shutil.rmtree(draft, ignore_errors=True)


def write_json(path: str | Path, value: Any) -> None:
    """Write plain values as a JSON file, whole or not at all; ValueError for NaN and infinity, which JSON lacks."""
    text = json.dumps(value, indent=1, allow_nan=False)
    with replacing(path) as draft:
        draft.write_text(text + "\n", encoding="utf-8")


def _draft(folder: Path) -> Path:
    return folder / f".{uuid4().hex}{DRAFT_SUFFIX}"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(f"'{folder}' is a file") from None


def _exchange(new: Path, folder: Path, names: list[Path], old: Path) -> None:
    """Move the files at `names` from `new` to `folder`, those that stood there to `old`; all or none of them."""
    moved: list[tuple[Path, Path]] = []

    def move(source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        moved.append((source, target))

    try:
        for name in reversed(names):
            if (folder / name).exists():
                move(folder / name, old / name)
        for name in names:
            move(new / name, folder / name)
    except BaseException:
        for source, target in reversed(moved):
            target.replace(source)
        raise


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def _disk_errors(path: str | Path) -> Iterator[None]:
    """Turn errors of the disk into OutputError, also those that safetensors and torch.save report in their own ways."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "inline_container.cc" not in str(error):
            raise  # torch.save says this of a full disk
        if isinstance(error, RuntimeError):
            reason = "the file could not be written to its end"
        else:
            reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(
            f"cannot write '{path}': {reason}. What was there is unchanged; choose a folder that can be written to and "
            "has space."
        ) from error
