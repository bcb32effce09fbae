"""The errors that marey raises on purpose, so that a caller can tell bad input from a bug."""

from collections.abc import Iterable
from difflib import get_close_matches
from unicodedata import category

_COMMANDS = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # which several scripts are written with


class MareyError(Exception):
    """Something the caller can put right; the message says in a line what was given, what was expected, what to do."""


class MareyWarning(UserWarning):
    """Something the caller should know though nothing failed; a line, as errors have."""


class NetworkError(MareyError):
    """A layer, unit, stream or call that the network does not have or cannot do."""


class WeightsError(MareyError):
    """A weights file that is damaged, unsafe, or belongs to another network."""


class VideoError(MareyError):
    """A video, frame folder or flow file that cannot be read, or is too short."""


class DatasetError(MareyError):
    """A folder or list of clips that does not hold what is needed."""


class OutputError(MareyError):
    """A place that results cannot be written to."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A half sentence with near matches, or nothing.

    >>> did_you_mean("conv6", ["conv5", "fc6"])
    " Did you mean 'conv5'?"
    >>> did_you_mean("zzz", ["conv5"])
    ''
    """
    near = get_close_matches(given, list(known), n=3, cutoff=0.6)
    if not near:
        return ""
    return " Did you mean " + " or ".join(f"'{name}'" for name in near) + "?"


def first_line(error: BaseException) -> str:
    """The first line of what an error of somebody else's code says, or its type where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def printable(text: str) -> str:
    r"""The text in one line that a terminal shows and does not obey: other letters are written as in Python.

    These are control characters, line breaks, what changes the direction of writing, other letters that are not
    seen, and bytes of file names that are no text.

    >>> printable("walk\x1b[2J")
    'walk\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(
        letter.encode("unicode_escape").decode() if category(letter) in _COMMANDS and letter not in _JOINERS else letter
        for letter in text
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, for which torch has no type of its own on a processor."""
    import torch  # only here, so that errors, files and threads are there at once

    words = str(error).lower()
    return (
        isinstance(error, MemoryError | torch.OutOfMemoryError)
        or "out of memory" in words
        or "can't allocate memory" in words
        or "not enough memory" in words
    )
