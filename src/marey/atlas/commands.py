"""The command lines that pages name, to make again or to make more."""

import shlex

from marey.atlas.options import CLIPS, AtlasOptions
from marey.families.bundled import BUNDLED
from marey.network.unit import Unit
from marey.recording import Recording


def network_word(recording: Recording) -> str:
    """How a command names the recorded network."""
    return _word(recording.summary["network"]["name"])


def _word(name: str) -> str:
    """How a command names a network: as it is bundled, else NET for the reader to fill in."""
    return name if name in BUNDLED else "NET"


def maximize_command(recording: Recording, unit: Unit, folder: str) -> str:
    """The command that makes the preferred input of a unit."""
    words = ["marey", "maximize", network_word(recording), str(unit)]
    return shlex.join([*words, "--recording", str(recording.folder), "--out", folder])


def explain_command(recording: Recording, number: int) -> str:
    """The command that explains a recorded clip, for `marey atlas --explanations explained`."""
    words = ["marey", "explain", network_word(recording), str(recording.clip(number).path)]
    return shlex.join([*words, "--recording", str(recording.folder), "--out", f"explained/{number}"])


def atlas_command(recording: Recording, made: AtlasOptions) -> str:
    """The command that makes an atlas again."""
    options = {
        "preferred": made.preferred,
        "findings": made.findings,
        "explanations": made.explanations,
        "network": network_word(recording) if made.network else None,
        "layers": None if made.layers is None else ",".join(made.layers),
        "clips": None if made.clips == CLIPS else str(made.clips),
    }
    words = ["marey", "atlas", made.recording]
    for name, value in options.items():
        words += [] if value is None else [f"--{name}", value]
    for name in made.verifiers:
        words += ["--verifier", _word(name)]
    return shlex.join([*words, "--out", made.out])
