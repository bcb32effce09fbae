"""The command lines that pages name, to make again or to make more."""

import shlex
from pathlib import Path

from marey.families.bundled import BUNDLED
from marey.network.unit import Unit
from marey.recording import Recording


def network_word(recording: Recording) -> str:
    """How a command names the network: as it is bundled, else NET for the reader to fill in."""
    name: str = recording.summary["network"]["name"]
    return name if name in BUNDLED else "NET"


def maximize_command(recording: Recording, unit: Unit, folder: str) -> str:
    """The command that makes the preferred input of a unit."""
    words = ["marey", "maximize", network_word(recording), str(unit)]
    return shlex.join([*words, "--recording", str(recording.folder), "--out", folder])


def explain_command(recording: Recording, number: int) -> str:
    """The command that explains a recorded clip, for `marey atlas --explanations explained`."""
    words = ["marey", "explain", network_word(recording), str(recording.clip(number).path)]
    return shlex.join([*words, "--recording", str(recording.folder), "--out", f"explained/{number}"])


def atlas_command(recording: Recording, *, out: str | Path, verifiers: int = 0, **options: str | Path | None) -> str:
    """The command that makes an atlas again, with the options that are not None; where verifiers lie is not known."""
    words = ["marey", "atlas", str(recording.folder)]
    for name, value in options.items():
        words += [] if value is None else [f"--{name}", str(value)]
    words += ["--verifier", "NET"] * verifiers
    return shlex.join([*words, "--out", str(out)])
