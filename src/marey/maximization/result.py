"""The result of a maximization: frames, scores and how to make it again; a folder that opens without the network."""

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from marey.errors import MareyError, OutputError
from marey.network.stream import Stream, Windows

FORMAT = 1
SEES_NO_MOTION = "sees no motion"
"""The note of a unit that sees a single picture."""
_RECORD, _TENSORS = "preferred_input.json", "frames.safetensors"


@dataclass(frozen=True, eq=False)
class PreferredInput:
    """What excites a unit most, for every slowness of the sweep (axis `chi` below, slow last as given).

    target, label
        the objective as written, and the class name where it is a class unit.
    streams
        the part of the input that the unit sees; the crop of the receptive field for a neuron.
    frames
        {stream: (chi, channel, time, height, width)}, physical values.
    scores
        per chi, the objective normalized by the real maximum: above 1 is stronger than any real clip.
    maximum, maximum_source
        that maximum (None for sums of units), and what it is: the largest on "real clips" or "generated clips",
        or, for a unit that hardly answers those, "a tenth of the layer's median" there.
    history
        normalized score at every step (step, chi), with jitter; NaN where a run had ended.
    shares
        per chi, {term of equation (1): part of the sum of all terms' sizes}.
    notes, recognized
        per chi, what must be known (dead, no motion preference, interrupted), and the class that the network itself
        gives the frames where they fill its input, else None.
    made
        network, weights hash, recipe, region, versions.
    """

    target: str
    label: str
    slowness: tuple[float, ...]
    streams: tuple[Stream, ...]
    frames: dict[str, Tensor]
    scores: tuple[float, ...]
    maximum: float | None
    maximum_source: str
    history: Tensor
    shares: tuple[dict[str, float], ...]
    notes: tuple[tuple[str, ...], ...]
    recognized: tuple[str | None, ...]
    made: dict[str, Any] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PreferredInput):
            return NotImplemented
        mine, theirs = self._tensors(), other._tensors()
        return (
            self._record() == other._record()
            and mine.keys() == theirs.keys()
            and all(torch.equal(mine[name].nan_to_num(), theirs[name].nan_to_num()) for name in mine)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the run early."""
        return any("interrupted" in note for notes in self.notes for note in notes)

    @property
    def still(self) -> bool:
        """Whether the unit sees a single picture, which is the same at every slowness."""
        return all(stream.still for stream in self.streams)

    def stream(self, kind: str) -> Stream | None:
        """The first stream of a kind, "rgb" or "flow"; None where the unit sees none."""
        return next((stream for stream in self.streams if stream.kind == kind), None)

    def save(self, folder: str | Path) -> Path:
        """Write the folder, whole or not at all: what stood there stays when writing fails (OutputError).

        Only this result's own files in `folder` are replaced; pictures and other files in it are left.
        """
        folder = Path(folder)
        record, tensors = self._record(), self._tensors()
        made_here = not folder.exists()
        staging: Path | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=".saving-", dir=folder))
            save_file(tensors, staging / _TENSORS)
            (staging / _RECORD).write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            _put(staging, folder)
        except (OSError, SafetensorError) as error:
            if made_here and folder.exists():
                shutil.rmtree(folder, ignore_errors=True)
            reason = error.strerror if isinstance(error, OSError) and error.strerror is not None else str(error)
            raise OutputError(f"cannot write the preferred input of {self.label} to '{folder}': {reason}.") from None
        finally:
            if staging is not None:
                shutil.rmtree(staging, ignore_errors=True)
        return folder

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"frames.{name}": video.contiguous() for name, video in self.frames.items()}
        return tensors | {"history": self.history.contiguous()}

    def _record(self) -> dict[str, Any]:
        """All but the tensors, as JSON gives it back."""
        record = {
            "format": FORMAT,
            "target": self.target,
            "label": self.label,
            "slowness": self.slowness,
            "streams": [asdict(stream) for stream in self.streams],
            "scores": self.scores,
            "maximum": self.maximum,
            "maximum_source": self.maximum_source,
            "shares": self.shares,
            "notes": self.notes,
            "recognized": self.recognized,
            "made": self.made,
        }
        plain: dict[str, Any] = json.loads(json.dumps(record))
        return plain

    @classmethod
    def open(cls, folder: str | Path) -> "PreferredInput":
        """The result saved in a folder; MareyError when it is none or damaged."""
        folder = Path(folder)
        try:
            record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
            tensors = load_file(folder / _TENSORS)
        except FileNotFoundError:
            raise MareyError(
                f"'{folder}' holds no preferred input ({_RECORD} and {_TENSORS}); "
                "give a folder that `marey maximize` wrote."
            ) from None
        except (OSError, ValueError, SafetensorError) as error:
            raise MareyError(f"the preferred input in '{folder}' is damaged: {error}. Make it again.") from None
        found = record.get("format") if isinstance(record, dict) else None
        if found != FORMAT:
            raise MareyError(f"the preferred input in '{folder}' has format {found}; this marey reads {FORMAT}.")
        try:
            return cls._of(record, tensors)
        except (KeyError, TypeError, ValueError, MareyError) as error:
            raise MareyError(f"the preferred input in '{folder}' is damaged: {error!r}. Make it again.") from None

    @classmethod
    def _of(cls, record: dict[str, Any], tensors: dict[str, Tensor]) -> "PreferredInput":
        return cls(
            target=record["target"],
            label=record["label"],
            slowness=tuple(record["slowness"]),
            streams=tuple(_stream(values) for values in record["streams"]),
            frames={
                name.removeprefix("frames."): value for name, value in tensors.items() if name.startswith("frames.")
            },
            scores=tuple(record["scores"]),
            maximum=record["maximum"],
            maximum_source=record["maximum_source"],
            history=tensors["history"],
            shares=tuple(record["shares"]),
            notes=tuple(tuple(notes) for notes in record["notes"]),
            recognized=tuple(record["recognized"]),
            made=record["made"],
        )

    def inputs(self, chi: int) -> dict[str, Tensor]:
        """The frames at place `chi` of the sweep, as a batch of one clip for `Network.forward`."""
        return {name: video[chi : chi + 1] for name, video in self.frames.items()}


def _put(staging: Path, folder: Path) -> None:
    """Move both new files into `folder`; when the second cannot be moved, the old first one is put back."""
    before = staging / "before"
    if (folder / _TENSORS).exists():
        (folder / _TENSORS).rename(before)
    try:
        for name in (_TENSORS, _RECORD):
            (staging / name).replace(folder / name)
    except OSError:
        if before.exists():
            before.replace(folder / _TENSORS)
        raise


def _stream(values: dict[str, Any]) -> Stream:
    windows = values.pop("windows")
    listed: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return Stream(**listed, windows=None if windows is None else Windows(**windows))


def folder_name(label: str) -> str:
    """A file name for a unit.

    >>> folder_name("fusion.conv5:21@2,7,7")
    'fusion.conv5-21-at-2-7-7'
    """
    text = label.replace(":", "-").replace("@", "-at-").replace(",", "-")
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in text).strip(".") or "unit"


def merged(parts: list[Tensor]) -> Tensor:
    """Histories of different length side by side, NaN where one had ended."""
    longest = max(len(part) for part in parts)
    rows = [torch.cat([part, part.new_full((longest - len(part),), float("nan"))]) for part in parts]
    return torch.stack(rows, dim=1)
