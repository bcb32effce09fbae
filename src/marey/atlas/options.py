"""What an atlas is made from, as the user named it: it stands in the folder, so that the pages can be made again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

CLIPS = 6
"""Real clips on the page of a unit."""


@dataclass(frozen=True, kw_only=True)
class AtlasOptions:
    """The recording and the options of `marey atlas`.

    recording, out, preferred, findings, explanations
        folders as they were named, absolute or relative to where the atlas was made.
    network
        whether the network told where in clips units respond, and their inputs and outputs.
    layers
        names or patterns; None: all recorded layers.
    clips
        how many real clips stand on the page of a unit.
    verifiers
        names of the networks that were asked what the guess page asks people.
    """

    recording: str
    out: str
    preferred: str | None = None
    findings: str | None = None
    explanations: str | None = None
    network: bool = False
    layers: tuple[str, ...] | None = None
    clips: int = CLIPS
    verifiers: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As values of JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "AtlasOptions":
        """Read what `to_json` gave; TypeError or KeyError for other values."""
        layers = values["layers"]
        given = {"layers": None if layers is None else tuple(layers), "verifiers": tuple(values["verifiers"])}
        found = cls(**{**values, **given})
        folders = (found.recording, found.out, found.preferred, found.findings, found.explanations)
        if not all(one is None or isinstance(one, str) for one in folders) or None in folders[:2]:
            raise TypeError("a folder is no text")
        return found
