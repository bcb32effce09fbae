"""The state of an unfinished training run on disk, so that the same line goes on where it was stopped."""

import contextlib
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch

from marey.errors import DatasetError, OutputError


def save_state(state: dict[str, Any], path: Path) -> None:
    """Write `state` (tensors and plain values), whole or not at all; OutputError when that fails."""
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        torch.save(state, draft)
        draft.replace(path)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise OutputError(
            f"cannot save the training state to '{path}': {reason}. The last one saved is whole; make space and go on."
        ) from None
    finally:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            draft.unlink(missing_ok=True)


def open_state(path: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The state at `path`; None when there is none. DatasetError when it was made with other settings or is damaged."""
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        before: dict[str, Any] = state["settings"]
    except Exception:  # noqa: BLE001  # a damaged pickle may fail in any way
        raise DatasetError(f"the training state '{path}' is damaged; remove it to start anew.") from None
    differing = [name for name in settings if before.get(name) != settings[name]]
    if differing:
        name = differing[0]
        what = f"{name} = {before.get(name)}, not {settings[name]}"
        if isinstance(settings[name], list):
            strange = sorted(set(before.get(name, ())) ^ set(settings[name]))
            what = f"other {name}" + (f", such as '{strange[0]}'" if strange else "")
        raise DatasetError(
            f"'{path}' is a half-done training with {what}; "
            "give the same settings to go on, or remove it to start anew."
        )
    return state
