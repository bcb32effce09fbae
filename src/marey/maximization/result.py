"""The result of a maximization: frames, scores and how to make it again; a file that opens without the network."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from marey.errors import MareyError
from marey.files import regular_file, replacing
from marey.maximization.moved import VELOCITY
from marey.maximization.packed import Packed, packed, unpacked
from marey.maximization.seen_motion import seen_motion
from marey.network.stream import Stream
from marey.network.weights_hash import tensors_hash
from marey.schema import SIGNATURE, SchemaError, check_signature, parsed, signed, typed

if TYPE_CHECKING:
    from marey.draw.typeset import Block

FORMAT = 5
OPENED = (2, 3, 4, FORMAT)
"""Formats that are read. None before 5 packs frames; format 2 has no checksums; neither 2 nor 3 has parts, controls."""
FILE = "preferred_input.safetensors"
_PART, _HISTORY, _PACKED = "parts.", "history", "packed"
_OLD = "preferred_input.json"
_SIGNED = 4
"""The format from which on files without a checksum are refused."""
_LONGEST_LABEL = 80
"""Letters of a label that `repr` shows: sums of many units have long ones."""


@dataclass(frozen=True, eq=False)
class PreferredInput:
    """What excites a unit most, for every slowness of the sweep (axis `chi` below, slow last as given).

    target, label
        the objective as written, and the class name where it is a class unit.
    streams
        the part of the input that the unit sees; the crop of the receptive field for a neuron.
    frames
        {stream: (chi, channel, time, height, width)}, physical values.
    parts
        what the frames were made from {held stream: (chi, channel, time, height, width)}, physical: of clips that are
        "moved" the picture, under the name of the RGB stream, and the "velocity"; {} where frames themselves are held.
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
    controls
        per chi, what a unit that sees several RGB frames and no flow is held against. Scores: of a "still picture", of
        the frames in "random order", of a "free clip" that is not moved, at slowness 0. Parts of the change from frame
        to frame that flow explains, 0 to 1: "explained by flow", and "free clip explained by flow".
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
    parts: dict[str, Tensor] = field(default_factory=dict)
    controls: tuple[dict[str, float], ...] = ()

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
        label = self.label if len(self.label) <= _LONGEST_LABEL else f"{self.label[:_LONGEST_LABEL]}..."
        return f"PreferredInput({label!r}, scores by slowness {{{scores}}} relative to {self.source})"

    def picture(self) -> "Block":
        """The contact sheet as an image of Pillow, as `marey maximize` writes it; notebooks show it for the result."""
        from marey.draw.preferred_input import sheet

        return sheet(self)

    def _repr_html_(self) -> str:
        """What notebooks show: the contact sheet and the scores."""
        from marey.draw.shown_html import preferred_html

        return preferred_html(self)

    def _repr_png_(self) -> bytes | None:
        """What IPython shows."""
        return self.picture()._repr_png_()

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

    @property
    def velocities(self) -> Tensor | None:
        """Motion of a moved clip in px per video frame, u and v (chi 2 time-1 height width); None of other clips."""
        return self.parts.get(VELOCITY)

    @property
    def motion(self) -> Tensor | None:
        """What moved clips show as a whole, one velocity (chi 2) in px per video frame; None of other clips.

        Velocities count by the slopes of the frames: motion of what is blank, or along stripes, does not.
        """
        velocities = self.velocities
        return None if velocities is None else seen_motion(self.frames, velocities, self.streams)

    @property
    def pictures(self) -> Tensor | None:
        """The picture that a moved clip moves (chi 3 height width), larger than its frames; None of other clips."""
        found = next((part for name, part in self.parts.items() if name != VELOCITY), None)
        return None if found is None else found[:, :, 0]

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

        Frames in whole steps, as `maximize` makes them, are held in 16 bits, and others in 32: what `open` gives is
        equal. Pictures and other files in the folder are left.
        """
        folder = Path(folder)
        tensors, how = self._tensors(), {}
        for name, values in list(tensors.items()):
            if name != _HISTORY and (small := packed(values)) is not None:
                tensors[name], how[name] = small[0], asdict(small[1])
        text = json.dumps(signed({**self.to_json(), _PACKED: how}, beside=tensors_hash(tensors)), allow_nan=False)
        with replacing(folder / FILE) as temporary:
            temporary.write_bytes(save(tensors, metadata={"marey": text}))
        return folder

    @classmethod
    def open(cls, folder: str | Path) -> "PreferredInput":
        """The result saved in a folder; MareyError when it is none or damaged."""
        path = Path(folder) / FILE
        try:
            with safe_open(regular_file(path), framework="pt") as file:
                values = typed(parsed((file.metadata() or {})["marey"]), dict[str, Any])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            found = values.get("format")
            if found not in OPENED:
                raise MareyError(f"the preferred input in '{folder}' has format {found}; this marey reads {FORMAT}.")
            return cls._of(values, tensors)
        except FileNotFoundError:
            old = (
                " It holds one of an earlier marey, which this one does not read."
                if path.with_name(_OLD).exists()
                else ""
            )
            raise MareyError(
                f"'{folder}' holds no preferred input ({FILE}).{old} Make it with `marey maximize`."
            ) from None
        except KeyError as error:
            raise _damaged(path, f"{error} is missing") from None
        except (OSError, ValueError, SafetensorError) as error:
            raise _damaged(path, error) from None

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
            "controls": self.controls,
            "notes": self.notes,
            "recognized": self.recognized,
            "provenance": self.provenance,
        }
        plain: dict[str, Any] = json.loads(json.dumps(values))
        return plain

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"frames.{name}": video.contiguous() for name, video in self.frames.items()}
        tensors |= {f"{_PART}{name}": part.contiguous() for name, part in self.parts.items()}
        return tensors | {_HISTORY: self.history.contiguous()}

    @classmethod
    def _of(cls, values: dict[str, Any], stored: dict[str, Tensor]) -> "PreferredInput":
        """The result of checked values and stored tensors; SchemaError where these do not go together."""
        how = typed(values.get(_PACKED, {}), dict[str, Packed])
        tensors = stored | {name: unpacked(stored[name], one) for name, one in how.items()}
        frames = _under("frames.", tensors)
        parts = _under(_PART, tensors)
        if "provenance" not in values:
            raise KeyError("provenance")
        content = {name: value for name, value in values.items() if name not in (SIGNATURE, "format", _PACKED)}
        made = typed(content, cls, frames=frames, parts=parts, history=tensors[_HISTORY])
        if values["format"] >= _SIGNED or SIGNATURE in values:
            check_signature(values, beside=tensors_hash(stored))
        count = len(made.slowness)
        for name in ("scores", "shares", "notes", "recognized", *(("controls",) if made.controls else ())):
            if len(getattr(made, name)) != count or not count:
                raise SchemaError(f"'{name}' is a list of {len(getattr(made, name))}, and 'slowness' of {count}")
        found = {name: tuple(values.shape) for name, values in tensors.items() if values.is_floating_point()}
        shapes: dict[str, tuple[int, ...]] = {
            f"frames.{stream.name}": (count, *stream.shape) for stream in made.streams
        }
        shapes |= {name: (count, *shape[1:]) for name, shape in found.items() if _is_part(name, shape)}
        shapes[_HISTORY] = (*found.get(_HISTORY, ())[:1], count)
        if found != shapes:
            raise SchemaError(f"its tensors are {found}; expected {shapes}")
        return made


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): part for name, part in tensors.items() if name.startswith(prefix)}


def _is_part(name: str, shape: tuple[int, ...]) -> bool:
    channels = 2 if name == f"{_PART}{VELOCITY}" else 3
    return name.startswith(_PART) and len(shape) == 5 and shape[1] == channels and 0 not in shape


def _damaged(path: Path, error: object) -> MareyError:
    return MareyError(f"'{path}' is damaged: {error}. Make it again with `marey maximize`.")


def merged(parts: list[Tensor]) -> Tensor:
    """Histories of different length side by side, NaN where one had ended."""
    longest = max(len(part) for part in parts)
    rows = [torch.cat([part, part.new_full((longest - len(part),), float("nan"))]) for part in parts]
    return torch.stack(rows, dim=1)
