"""The state of an unfinished training run on disk, so that the same line goes on where it was stopped."""

from pathlib import Path
from typing import Any

import torch

from marey.errors import DatasetError
from marey.files import regular_file, replacing


def save_state(state: dict[str, Any], path: Path) -> None:
    """Write `state` (tensors and plain values), whole or not at all; OutputError when that fails."""
    with replacing(path) as draft:
        torch.save(state, draft)


def open_state(path: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The state at `path`; None when no file is there.

    Raises DatasetError for a damaged file, and for a state that was made with other `settings`.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(regular_file(path), map_location="cpu", weights_only=True)
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
