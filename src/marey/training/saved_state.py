"""The state of an unfinished training run on disk, so that the same line goes on where it was stopped."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from marey.errors import DatasetError
from marey.files import regular_file, replacing


def save_state(state: dict[str, Any], path: Path) -> None:
    """Write `state` (tensors and plain values), whole or not at all; OutputError when that fails."""
    with replacing(path) as draft, draft.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # of torch's own, in whose context is what the disk said
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def open_state(path: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The state at `path`; None when no file is there.

    Raises DatasetError for a damaged file, and for a state that was made with other `settings`, of which "auto" is like
    any.
    """
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(regular_file(path)) as parts:
            if parts.testzip() is not None:  # torch does not compare the checksums that it writes
                raise ValueError("its values have changed")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        before = dict(state["settings"])
    except Exception:  # noqa: BLE001  # a damaged pickle may fail in any way
        raise DatasetError(f"the training state '{path}' is damaged; remove it to start anew.") from None
    what = first_difference(before, settings)
    if what is not None:
        raise DatasetError(
            f"'{path}' is a half-done training with {what}; "
            "give the same settings to go on, or remove it to start anew."
        )
    return state


def first_difference(before: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    """The first of `settings` that was another `before`, in words; None where all are the same."""
    for name, now in settings.items():
        then = before.get(name)
        if now == then or (now == "auto" and then is not None):
            continue
        if not isinstance(now, list):
            return f"{name} = {then}, not {now}"
        strange = sorted(set(then or ()) ^ set(now))
        return f"other {name}" + (f", such as '{strange[0]}'" if strange else "")
    return None
