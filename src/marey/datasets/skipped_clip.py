"""The record of a clip that could not be used, because a figure without such clips is another figure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marey.errors import MareyError
from marey.video.read.clips import Clip


@dataclass(frozen=True)
class SkippedClip:
    """A clip that is missing or cannot be read: its path, its class and the reason, in one line."""

    path: str
    label: str | None
    reason: str

    @classmethod
    def of(cls, clip: Clip, error: MareyError) -> "SkippedClip":
        """Note the clip that raised an error, with the text of the error as the reason."""
        return cls(str(clip.path), clip.label, str(error))

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"path": self.path, "label": self.label, "reason": self.reason}

    def __str__(self) -> str:
        named = Path(self.path).name in self.reason
        return f"skipped: {self.reason}" if named else f"skipped: {self.path}: {self.reason}"
