"""The classes of motion studies, and the experiments they form: each asks a question whose answer is known."""

from collections.abc import Mapping
from dataclasses import dataclass

from marey.errors import DatasetError, did_you_mean
from marey.studies.discs import COOL, WARM
from marey.studies.factors import Color, Place


@dataclass(frozen=True)
class StudyClass:
    """What all clips of a class have in common.

    program
        one of `PROGRAMS`, or "float".
    thing, colors
        one of `THINGS`, and the colors that it comes in.
    tempo
        range of tempos, as factors on the program's own.
    amplitude
        how far the actor moves, as a factor on the amplitude that is drawn for the clip.
    biased_place, biased_away
        in the biased setting, the place of all clips of the class, and a place of none of them; None: any.
    biased_logo
        in the biased setting, whether all clips of the class have the logo, or none; None: some, as in the fair
        setting.
    """

    program: str
    thing: str | None = None
    colors: tuple[Color, ...] = ((0.5, 0.5, 0.5),)
    tempo: tuple[float, float] = (0.75, 1.35)
    amplitude: float = 1.0
    biased_place: Place | None = None
    biased_away: Place | None = None
    biased_logo: bool | None = None


@dataclass(frozen=True)
class Experiment:
    """Classes that belong together, and the answer that they are built to have.

    question
        the question to a network.
    answer
        the right answer, by construction.
    """

    classes: tuple[str, ...]
    question: str
    answer: str


_RED, _DARK = (0.80, 0.14, 0.12), (0.20, 0.20, 0.22)
_HANDLES = ((0.25, 0.55, 0.80), (0.85, 0.35, 0.35), (0.35, 0.65, 0.45), (0.92, 0.92, 0.90))
_PLATES = (_DARK, (0.55, 0.14, 0.12), (0.12, 0.25, 0.5))
_LOW = 0.87  # of an amplitude that is drawn from 0.85 to 1.15, so that few clips are told apart by it

CLASSES: Mapping[str, StudyClass] = {
    "walk": StudyClass("walk"),
    "walk_backward": StudyClass("walk_backward"),
    "skip": StudyClass("skip"),
    "run": StudyClass("run"),
    "wave": StudyClass("wave"),
    "clap": StudyClass("clap"),
    "jumping_jack": StudyClass("jumping_jack"),
    "jump": StudyClass("jump"),
    "squat": StudyClass("squat"),
    "arm_circles": StudyClass("arm_circles"),
    "punch": StudyClass("punch"),
    "kick": StudyClass("kick", biased_place="meadow"),
    "kick_low": StudyClass("kick", amplitude=_LOW, biased_away="meadow"),
    "throw": StudyClass("throw", "ball", ((0.95, 0.85, 0.25), (0.9, 0.9, 0.9), (0.3, 0.6, 0.9))),
    "bounce_red_ball": StudyClass("bounce", "red_ball", (_RED,)),
    "bounce_striped_ball": StudyClass("bounce", "striped_ball", ((0.15, 0.35, 0.70),)),
    "bounce_dumbbell": StudyClass("bounce", "dumbbell", (_DARK,)),
    "lift_bar": StudyClass("lift_bar", "bar", _PLATES, biased_logo=True),
    "lift_bar_low": StudyClass("lift_bar", "bar", _PLATES, amplitude=_LOW, biased_logo=False),
    "play_bow": StudyClass("play_bow", "fiddle", ((0.62, 0.32, 0.12), (0.48, 0.22, 0.10))),
    "drum_slow": StudyClass("drum", "drum", (_RED, (0.14, 0.30, 0.55), (0.15, 0.45, 0.30)), tempo=(0.65, 1.0)),
    "drum_fast": StudyClass("drum", "drum", (_RED, (0.14, 0.30, 0.55), (0.15, 0.45, 0.30)), tempo=(1.9, 2.7)),
    "brush_teeth": StudyClass("groom", "brush", _HANDLES),
    "shave": StudyClass("groom", "razor", _HANDLES),
    "conjunction_one": StudyClass("float", "discs"),
    "conjunction_two": StudyClass("float", "discs"),
}
"""All classes by name."""

EXPERIMENTS: Mapping[str, Experiment] = {
    "motion": Experiment(
        ("wave", "clap", "walk", "skip", "walk_backward"),
        "Does the network see motion where appearance is the same?",
        "Clips of one seed and index share actor, clothes and scene: only the motion tells them apart.",
    ),
    "appearance": Experiment(
        ("bounce_red_ball", "bounce_striped_ball", "bounce_dumbbell"),
        "Does it see appearance where motion is the same?",
        "The things go one way; the two balls have the same flow, pixel by pixel.",
    ),
    "conjunction": Experiment(
        ("conjunction_one", "conjunction_two"),
        "Does it join appearance and motion?",
        "Warm discs up-down and cool ones left-right are class one, the others class two: one stream is at chance.",
    ),
    "tempo": Experiment(
        ("drum_slow", "drum_fast"),
        "Does it see speed?",
        "Only cycles per second differ, 0.65 to 1 against 1.9 to 2.7; all other classes come at any tempo.",
    ),
    "bias": Experiment(
        ("kick", "kick_low", "lift_bar", "lift_bar_low"),
        "What do the data hide?",
        "Low ones hardly differ. In the biased setting a kick is on a meadow and a lift has a logo, a low one never.",
    ),
    "confusion": Experiment(
        ("brush_teeth", "shave"),
        "Why does it fail?",
        "The motion is one, and the tools differ in a few pixels of their heads.",
    ),
}
"""The experiments by name."""

DISC_COLORS: Mapping[bool, Color] = {True: WARM, False: COOL}


def study_classes() -> tuple[str, ...]:
    """List the names of all classes. A trained network has them in alphabetical order in `marey.Network.classes`."""
    return tuple(CLASSES)


def study_class(label: str) -> StudyClass:
    """Return the class of this name; DatasetError when there is none."""
    if label not in CLASSES:
        raise DatasetError(f"no motion study '{label}'.{did_you_mean(label, CLASSES)} There are {', '.join(CLASSES)}.")
    return CLASSES[label]
