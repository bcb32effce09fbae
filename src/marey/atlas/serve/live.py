"""What a server of an atlas has to offer: the atlas, units to maximize, clips to explain, the queue."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from marey.atlas.names import Places
from marey.atlas.serve.jobs import Jobs
from marey.atlas.serve.made import MadeAtlas
from marey.atlas.serve.uploads import UploadLimits
from marey.atlas.sources import chosen_layers
from marey.errors import MareyError, NetworkError
from marey.families.bundled import BUNDLED
from marey.families.loading import load
from marey.network.unit import Unit
from marey.recording import Recording, check_same_weights
from marey.video.read.clips import Clip

_SHOWN = 200
"""Clips of a data set that one answer lists."""


@dataclass(frozen=True)
class Offer:
    """What can be computed for an atlas, and why not where it cannot.

    name
        of the network.
    net
        what it is loaded by; None: nothing is computed.
    classes
        of the network.
    no_units, no_clips
        why no unit is maximized, and no clip explained; None where they are.
    """

    name: str
    net: str | None
    classes: tuple[str, ...]
    no_units: str | None
    no_clips: str | None


def offered(made: MadeAtlas, recording: Recording | None, network: str | None) -> Offer:
    """Find the network, by what the user names or else by the name in the recording, and look whether it fits.

    Raises MareyError for a network that is named and cannot be loaded, or is not the recorded one.
    """
    name = made.folder.name if recording is None else str(recording.summary["network"]["name"])
    net = network
    if net is None and recording is not None and name in BUNDLED:
        net = name
    if net is None:
        why = "Start the server with --network NET, the network of this atlas, and it can be done here."
        return Offer(name, None, (), why, why)
    loaded = load(net)
    unsaid = None if loaded.has_scores else "This network says no class, so there is nothing to explain."
    if recording is None:
        gone = f"The recording '{made.options.recording}' of this atlas is not here, so that no unit can be maximized."
        return Offer(loaded.name, net, tuple(loaded.classes), gone, unsaid)
    try:
        check_same_weights(recording, loaded)
    except NetworkError:
        if network is not None:
            raise
        return offered(made, None, None)
    return Offer(name, net, tuple(loaded.classes), None, unsaid)


@dataclass(eq=False)
class Live:
    """The state of a server.

    recording
        what the atlas was made from; None where it is gone.
    clips
        that can be chosen by their number, named relative to what all of them share.
    jobs
        None where nothing is computed.
    token
        shows a page to be one of this start of the server.
    ending
        whether the server is about to end.
    """

    made: MadeAtlas
    offer: Offer
    recording: Recording | None
    clips: Sequence[tuple[str, Clip]]
    jobs: Jobs | None
    uploads: Path
    limits: UploadLimits = field(default_factory=UploadLimits)
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    ending: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self._layers = () if self.recording is None else chosen_layers(self.recording, self.made.options.layers)
        self._places = Places(layers=self._layers, classes=(), questions=())

    def unit(self, address: str) -> Unit:
        """The unit of the atlas at an address; NetworkError where it has none."""
        if self.recording is None:
            raise NetworkError(f"the recording '{self.made.options.recording}' of this atlas is not here.")
        parsed = Unit.parse(address)
        unit = self.recording.unit(parsed)
        if unit.layer not in self._layers or parsed.position is not None:
            raise NetworkError(f"the atlas has no unit '{address}'.")
        return unit

    def unit_page(self, address: str) -> str | None:
        """The page of a unit; None where the atlas has none."""
        try:
            unit = self.unit(address)
        except MareyError:
            return None
        return self._places.unit(unit.layer, unit.channel)

    def found_clips(self, words: str) -> tuple[int, list[dict[str, object]]]:
        """How many clips have these words in their names or classes, and the first of them."""
        wanted = words.lower().split()
        found = [
            {"number": number, "name": name, "label": clip.label or ""}
            for number, (name, clip) in enumerate(self.clips)
            if all(word in f"{name} {clip.label}".lower() for word in wanted)
        ]
        return len(found), found[:_SHOWN]
