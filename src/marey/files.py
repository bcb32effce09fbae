"""Files written whole or not at all: every lasting file of marey is written through this module."""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from safetensors import SafetensorError

from marey.errors import OutputError

DRAFT_SUFFIX = ".part"
"""The end of the name of every draft; the name begins with a dot, and its middle is random."""


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
    draft = target.with_name(f".{uuid4().hex}{DRAFT_SUFFIX}")
    try:
        if target.exists() and not target.is_file():
            raise OSError("it is no regular file")
        _make_folder(target.parent)
        draft.touch(exist_ok=False)
        mode = draft.stat().st_mode
        yield draft
        draft.chmod(mode)  # safetensors puts a file of mode 0600 in its place
        with draft.open("rb+") as written:
            os.fsync(written.fileno())
        draft.replace(target)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise OutputError(
            f"cannot write '{path}': {_reason(error)}. What was there is unchanged; choose a folder that can be "
            "written to and has space."
        ) from error
    finally:
        with suppress(OSError):  # the first error is the one to tell
            draft.unlink(missing_ok=True)


@contextmanager
def drafting(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` for drafts of it, which is removed when the block ends.

    Its name follows from that of `path`: what a killed process left there is removed. OutputError where the disk fails.
    """
    folder = drafts_of(path)
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise OutputError(
            f"cannot write '{path}': {_reason(error)}. Choose a folder with space, to be written to."
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def drafts_of(path: Path) -> Path:
    """Name the folder in which `drafting` keeps the drafts of `path`."""
    return path.with_name(f".{path.name}{DRAFT_SUFFIX}")


def regular_file(path: str | Path) -> Path:
    """Return `path`; OSError for what is neither file nor folder, because to open a FIFO or a device may wait for ever.

    Links are followed. Every file of a user is opened through this function.
    """
    mode = Path(path).stat().st_mode
    kinds = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
    kind = kinds.get(stat.S_IFMT(mode))
    if kind is not None:
        raise OSError(errno.EINVAL, f"it is {kind}, and a regular file is expected")
    return Path(path)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(f"'{folder}' is a file") from None


def _reason(error: Exception) -> str:
    """Say what an error of the disk is; an error that is none is raised again."""
    if isinstance(error, RuntimeError):
        if "inline_container.cc" not in str(error):  # torch.save says this where a write fails
            raise error
        return "the file could not be written to its end"
    return getattr(error, "strerror", None) or str(error)
