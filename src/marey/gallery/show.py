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
        names or patterns of the recorded layers.
    sweeps
        what is maximized, most important first.
    questions
        of `marey find`.
    late, verifier
        names of the networks that questions compare with. The verifier also answers the guess page.
    clips
        how many real clips stand on the page of a unit.
    """

    network: str
    layers: tuple[str, ...]
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


_CLASSES = "scores:0-25"
_TOWERS = ("rgb", "flow")

_READ_WELL = (
    *("walk", "run", "wave", "punch", "throw", "arm_circles"),
    *("clap", "jump", "jumping_jack", "lift_bar", "play_bow", "skip"),
)

DEMO = Show(
    clips=3,
    frames=24,
    recording=RecordingSettings(windows=1, flow="dis"),
    exhibits=(
        Exhibit(
            "motion-studies",
            ("*.conv2_2", "*.conv3_3", "fusion.conv5", "scores"),
            (
                Sweep((_CLASSES,), Recipe(slowness=(0.0, 10.0), steps=64)),
                Sweep(("fusion.conv5:72-95",), Recipe(slowness=(0.0, 10.0), steps=64)),
                Sweep(
                    tuple(f"{tower}.{layer}:0-3" for tower in _TOWERS for layer in ("conv2_2", "conv3_3")),
                    Recipe(slowness=(0.0, 10.0), steps=64),
                ),
            ),
            ("specificity", "fusion", "failures"),
            verifier="motion-studies-verifier",
            clips=3,
        ),
        Exhibit(
            "motion-studies-rgb",
            ("layer2.relu2", "scores"),
            (Sweep(_READ_WELL, Recipe(slowness=(0.0, 10.0), steps=64)),),
            ("specificity",),
            clips=3,
        ),
    ),
)
"""Made by `make demo`, within four minutes on two cores. With fewer steps inputs of classes are noisy."""

GALLERY = Show(
    clips=30,
    frames=24,
    recording=RecordingSettings(),
    exhibits=(
        Exhibit(
            "motion-studies",
            ("*.conv*", "fc6", "fc7", "scores"),
            (
                Sweep((_CLASSES,), Recipe()),
                Sweep(("fusion.conv5:0-95",), Recipe()),
                Sweep(
                    tuple(
                        f"{tower}.conv{layer}"
                        for tower in _TOWERS
                        for layer in ("1_2:0-15", "2_2:0-23", "3_3:0-47", "4_3:0-95", "5_3:0-95")
                    ),
                    Recipe(),
                ),
            ),
            tuple(one.name for one in QUESTIONS),
            late="motion-studies-late",
            verifier="motion-studies-verifier",
        ),
        Exhibit(
            "motion-studies-rgb",
            ("layer*.conv2", "layer*.relu2", "scores"),
            (
                Sweep((_CLASSES,), Recipe()),
                Sweep(("layer3.relu2:0-95", "layer2.relu2:0-31", "layer1.relu2:0-15"), Recipe()),
            ),
            tuple(one.name for one in QUESTIONS if one.name not in ("fusion", "agreement")),
        ),
    ),
)
"""Made by `make gallery`: all classes, all fused units, and the last layer of every stage of the towers."""
