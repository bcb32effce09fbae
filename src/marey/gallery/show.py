"""What is shown of the networks that ship: a small show that is made in minutes, and one of all there is."""

from dataclasses import dataclass

from marey.findings.questions import QUESTIONS
from marey.maximization.recipe import Recipe
from marey.recording import RecordingSettings


@dataclass(frozen=True)
class Sweep:
    """Units, as `Network.units` takes them, and how their preferred inputs are made."""

    units: tuple[str, ...]
    recipe: Recipe


@dataclass(frozen=True)
class Exhibit:
    """What is shown of one network.

    network
        its name, one that ships with the package.
    layers
        names or patterns of those that are recorded; None: all that add something of their own.
    sweeps
        what is maximized, most important first.
    questions
        of `marey find`.
    late, verifier
        names of the networks that questions compare with.
    clips
        how many real clips stand on the page of a unit.
    """

    network: str
    layers: tuple[str, ...] | None
    sweeps: tuple[Sweep, ...]
    questions: tuple[str, ...]
    late: str | None = None
    verifier: str | None = None
    clips: int = 6


@dataclass(frozen=True)
class Show:
    """The clips that are made, how they are recorded, and the networks that are shown, the main one first.

    clips, frames
        motion studies of every class, and the frames of each, at 25 per second.
    seed
        of the clips; no network that ships was trained on clips of this one.
    """

    clips: int
    frames: int
    recording: RecordingSettings
    exhibits: tuple[Exhibit, ...]
    seed: int = 9000


CLASSES, FUSED = "scores:0-25", "fusion.conv5:0-95"

DEMO = Show(
    clips=3,
    frames=14,
    recording=RecordingSettings(windows=1, flow="dis"),
    exhibits=(
        Exhibit(
            "motion-studies",
            ("rgb.conv[23]_2", "flow.conv[23]_2", "fusion.conv5", "scores"),
            (
                Sweep((CLASSES,), Recipe(slowness=(0.0, 10.0), steps=48)),
                Sweep(("fusion.conv5:80-95",), Recipe(slowness=(0.0, 10.0), steps=48)),
                Sweep(
                    ("rgb.conv2_2:0-7", "rgb.conv3_2:0-7", "flow.conv2_2:0-7", "flow.conv3_2:0-7"),
                    Recipe(slowness=(0.0, 10.0), steps=48),
                ),
            ),
            ("specificity", "fusion", "failures"),
            clips=3,
        ),
    ),
)
"""Made by `make demo`."""

_FULL = Recipe()

GALLERY = Show(
    clips=30,
    frames=24,
    recording=RecordingSettings(),
    exhibits=(
        Exhibit(
            "motion-studies",
            None,
            (
                Sweep((CLASSES,), _FULL),
                Sweep((FUSED,), _FULL),
                Sweep(tuple(f"{tower}.conv{layer}:0-15" for tower in ("rgb", "flow") for layer in ("1_2",)), _FULL),
            ),
            tuple(one.name for one in QUESTIONS),
            late="motion-studies-late",
            verifier="motion-studies-verifier",
        ),
    ),
)
"""Made by `make gallery`."""
