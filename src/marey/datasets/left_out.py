"""What could not be used, because a figure without its missing clips is another figure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marey.errors import MareyError
from marey.video.read.clips import Clip


@dataclass(frozen=True)
class LeftOut:
    """A clip that is missing or cannot be read, its class, and why, in a line."""

    path: str
    label: str | None
    reason: str

    @classmethod
    def of(cls, clip: Clip, error: MareyError) -> "LeftOut":
        """The clip that raised an error."""
        return cls(str(clip.path), clip.label, str(error))

    def record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"path": self.path, "label": self.label, "reason": self.reason}

    def __str__(self) -> str:
        named = Path(self.path).name in self.reason
        return f"left out: {self.reason}" if named else f"left out: {self.path}: {self.reason}"
