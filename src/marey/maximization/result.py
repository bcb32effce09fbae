"""The result of a maximization: frames, scores and how to make it again; a file that opens without the network."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from marey.errors import MareyError
from marey.files import replacing
from marey.network.stream import Stream

FORMAT = 2
FILE = "preferred_input.safetensors"
_OLD = "preferred_input.json"


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
        per chi, relative to the unit's range: 0 is its ordinary response, 1 the largest one on the clips of `source`.
    ordinary, reach
        of a single unit, the response from which the score counts and how far above it the largest one is; None for
        sums of units.
    source
        on which clips the range was measured, as "260 real clips" or "8 generated clips".
    history
        relative score at every step (step, chi), under the transforms; NaN where a run had ended.
    shares
        per chi, {term of equation (1): its size relative to the sum of all sizes}.
    notes, recognized
        per chi, what must be known (dead, no motion preference, interrupted), and the class that the network itself
        gives the frames where they fill its input, else None.
    provenance
        how it was made: network, weights hash, recipe and parts, crop, arithmetic, versions.
    """

    target: str
    label: str
    slowness: tuple[float, ...]
    streams: tuple[Stream, ...]
    frames: dict[str, Tensor]
    scores: tuple[float, ...]
    ordinary: float | None
    reach: float | None
    source: str
    history: Tensor
    shares: tuple[dict[str, float], ...]
    notes: tuple[tuple[str, ...], ...]
    recognized: tuple[str | None, ...]
    provenance: dict[str, Any] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PreferredInput):
            return NotImplemented
        mine, theirs = self._tensors(), other._tensors()
        return (
            self.to_json() == other.to_json()
            and mine.keys() == theirs.keys()
            and all(torch.equal(mine[name].nan_to_num(), theirs[name].nan_to_num()) for name in mine)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        scores = ", ".join(f"{chi:g}: {score:.2f}" for chi, score in zip(self.slowness, self.scores, strict=True))
        return f"PreferredInput({self.label!r}, scores by slowness {{{scores}}} relative to {self.source})"

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

    def inputs(self, chi: int) -> dict[str, Tensor]:
        """The frames at place `chi` of the sweep, as a batch of one clip for `Network.forward`."""
        return {name: video[chi : chi + 1] for name, video in self.frames.items()}

    def relative(self, response: float) -> float | None:
        """A response of the unit as a score: 0 is its ordinary response, 1 the largest one; None for sums of units."""
        if self.ordinary is None or self.reach is None:
            return None
        return (response - self.ordinary) / self.reach

    def save(self, folder: str | Path) -> Path:
        """Write the result into a folder, whole or not at all: what stood there stays when writing fails (OutputError).

        Pictures and other files in the folder are left.
        """
        folder = Path(folder)
        metadata = {"marey": json.dumps(self.to_json(), allow_nan=False)}
        with replacing(folder / FILE) as temporary:
            temporary.write_bytes(save(self._tensors(), metadata=metadata))
        return folder

    @classmethod
    def open(cls, folder: str | Path) -> "PreferredInput":
        """The result saved in a folder; MareyError when it is none or damaged."""
        folder = Path(folder)
        try:
            with safe_open(folder / FILE, framework="pt") as file:
                values = json.loads((file.metadata() or {})["marey"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except FileNotFoundError:
            old = " It holds one of an earlier marey, which this one does not read." if (folder / _OLD).exists() else ""
            raise MareyError(
                f"'{folder}' holds no preferred input ({FILE}).{old} Make it with `marey maximize`."
            ) from None
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise MareyError(f"the preferred input in '{folder}' is damaged: {error}. Make it again.") from None
        found = values.get("format") if isinstance(values, dict) else None
        if found != FORMAT:
            raise MareyError(f"the preferred input in '{folder}' has format {found}; this marey reads {FORMAT}.")
        try:
            return cls._of(values, tensors)
        except (KeyError, TypeError, ValueError, MareyError) as error:
            raise MareyError(f"the preferred input in '{folder}' is damaged: {error!r}. Make it again.") from None

    def to_json(self) -> dict[str, Any]:
        """All but the tensors, as JSON gives it back."""
        values = {
            "format": FORMAT,
            "target": self.target,
            "label": self.label,
            "slowness": self.slowness,
            "streams": [stream.to_json() for stream in self.streams],
            "scores": self.scores,
            "ordinary": self.ordinary,
            "reach": self.reach,
            "source": self.source,
            "shares": self.shares,
            "notes": self.notes,
            "recognized": self.recognized,
            "provenance": self.provenance,
        }
        plain: dict[str, Any] = json.loads(json.dumps(values))
        return plain

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"frames.{name}": video.contiguous() for name, video in self.frames.items()}
        return tensors | {"history": self.history.contiguous()}

    @classmethod
    def _of(cls, values: dict[str, Any], tensors: dict[str, Tensor]) -> "PreferredInput":
        frames = {name.removeprefix("frames."): part for name, part in tensors.items() if name.startswith("frames.")}
        return cls(
            target=values["target"],
            label=values["label"],
            slowness=tuple(values["slowness"]),
            streams=tuple(Stream.from_json(stream) for stream in values["streams"]),
            frames=frames,
            scores=tuple(values["scores"]),
            ordinary=values["ordinary"],
            reach=values["reach"],
            source=values["source"],
            history=tensors["history"],
            shares=tuple(values["shares"]),
            notes=tuple(tuple(notes) for notes in values["notes"]),
            recognized=tuple(values["recognized"]),
            provenance=values["provenance"],
        )


def merged(parts: list[Tensor]) -> Tensor:
    """Histories of different length side by side, NaN where one had ended."""
    longest = max(len(part) for part in parts)
    rows = [torch.cat([part, part.new_full((longest - len(part),), float("nan"))]) for part in parts]
    return torch.stack(rows, dim=1)
