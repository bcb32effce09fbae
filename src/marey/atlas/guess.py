"""The questions of the guess page: "which action is this?", of preferred inputs and of real clips as their control."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from marey.atlas.driving import Driving
from marey.atlas.films import Film
from marey.atlas.names import Places, link
from marey.atlas.preferred import Preferred
from marey.atlas.units import UnitData
from marey.findings.guesses import Guesses, Kind
from marey.recording import Recording

PAGE = "guess.html"
FOLDER = "guess"
"""Of the scripts with the questions and the truth, and of the answers of networks."""
_APPEARANCE, _MOTION = "appearance", "motion as color"
CHOICES = 5
"""Classes that a question offers; all, where there are no more."""
MOST_ASKED = 20
"""Questions of each kind in a game; where there are more, each visitor is asked some that are drawn at random."""


@dataclass(frozen=True, eq=False)
class Question:
    """One thing to name, and the classes that are offered.

    right
        the class of what is shown: of the unit for a preferred input, the label for a clip.
    choices
        by name, so that their order says nothing.
    films
        {what is shown, for those who do not see it: its film}, appearance before motion.
    driving
        the clip; None for a preferred input.
    """

    kind: Kind
    unit: UnitData
    right: str
    choices: tuple[str, ...]
    films: Mapping[str, Film]
    driving: Driving | None = None

    @property
    def id(self) -> str:
        """The hash of what it shows and offers."""
        shown = [film.digest for film in self.films.values()]
        return _digest([self.kind, str(self.unit.unit), self.right, self.choices, shown])


@dataclass(frozen=True, eq=False)
class QuestionSet:
    """All questions of an atlas."""

    network: str
    weights: str
    questions: tuple[Question, ...]

    @property
    def id(self) -> str:
        """The hash of all questions."""
        return _digest([self.weights, sorted(question.id for question in self.questions)])

    @property
    def choices(self) -> int:
        """How many classes a question offers."""
        return len(self.questions[0].choices)

    @property
    def moving(self) -> bool:
        """Whether motion is shown."""
        return any(_MOTION in question.films for question in self.questions)

    @property
    def in_a_game(self) -> dict[Kind, int]:
        """How many questions of each kind a visitor is asked."""
        kinds = [question.kind for question in self.questions]
        return {kind: min(MOST_ASKED, kinds.count(kind)) for kind in get_args(Kind)}


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def question_set(recording: Recording, units: Iterable[UnitData], folder: Path) -> QuestionSet | None:
    """The questions about class units whose films are in an atlas; None with fewer than two preferred inputs.

    Distractors are drawn at random from the classes that are asked about, with a seed that the weights give.
    """
    weights = recording.summary["network"]["weights"]
    shown = [one for one in units if one.preferred is not None and _there(_wanted(one.preferred), folder)]
    classes = sorted({one.name for one in shown})
    if len(classes) < 2:
        return None
    offered = offers(classes, f"{weights} preferred")
    questions = [
        Question("preferred", one, one.name, offered[one.name], _wanted(one.preferred))
        for one in shown
        if one.preferred is not None
    ]
    offered = offers(classes, f"{weights} clip")
    used: set[int] = set()
    for one in shown:
        clip = next((clip for clip in one.driving if _fits(clip, recording.classes, used, folder)), None)
        if clip is not None:
            used.add(clip.response.number)
            label = str(clip.response.clip.label)
            choices = _with_label(offered[one.name], label, one.name)
            questions.append(Question("clip", one, label, choices, _seen(clip), clip))
    return QuestionSet(recording.summary["network"]["name"], weights, tuple(questions))


def _fits(clip: Driving, classes: Sequence[str], used: set[int], folder: Path) -> bool:
    """Whether a clip can be asked about: its class can be offered, it is in no question yet, its films are there."""
    known = clip.response.clip.label in classes and clip.response.number not in used
    return known and _there(_seen(clip), folder)


def _wanted(preferred: Preferred) -> dict[str, Film]:
    """The films of a preferred input, at the slowness of its highest score."""
    films = {_APPEARANCE: preferred.best.appearance, _MOTION: preferred.best.motion}
    return {shows: film for shows, film in films.items() if film is not None}


def _seen(clip: Driving) -> dict[str, Film]:
    """The films of what a unit saw of a clip."""
    return {shows: clip.films[kind] for shows, kind in ((_APPEARANCE, "rgb"), (_MOTION, "flow")) if kind in clip.films}


def _there(films: Mapping[str, Film], folder: Path) -> bool:
    return bool(films) and all(film.there(folder) for film in films.values())


def offers(classes: Sequence[str], seed: str) -> dict[str, tuple[str, ...]]:
    """{class: the choices of a question whose answer it is}, the same number for each.

    The classes stand in a circle in random order, and the distractors of all are at the same random distances. So each
    class is offered equally often, and is right once in as many times: who always says one class, or counts how often
    classes are offered, is right as often as by chance.
    """
    random = np.random.default_rng(int(hashlib.sha256(seed.encode()).hexdigest()[:16], 16))
    circle = [classes[place] for place in random.permutation(len(classes))]
    count = min(CHOICES, len(classes))
    steps = [0, *(1 + random.choice(len(classes) - 1, count - 1, replace=False)).tolist()]
    return {
        name: tuple(sorted(circle[(place + step) % len(circle)] for step in steps)) for place, name in enumerate(circle)
    }


def _with_label(choices: tuple[str, ...], label: str, name: str) -> tuple[str, ...]:
    """The choices for a clip that drives the unit of class `name`, with its label in place of a distractor."""
    if label in choices:
        return choices
    distractor = next(one for one in choices if one != name)
    return tuple(sorted({label, *choices} - {distractor}))


def questions_script(found: QuestionSet) -> str:
    """The script that gives the page its questions, without what is right."""
    return "window.mareyQuestions = " + json.dumps(
        {
            "id": found.id,
            "network": found.network,
            "weights": found.weights,
            "most": MOST_ASKED,
            "questions": [
                {
                    "id": question.id,
                    "kind": question.kind,
                    "choices": question.choices,
                    "films": [
                        {
                            "src": link(film.path, PAGE),
                            "shows": shows,
                            "frames": film.frames,
                            "ratio": f"{film.width}/{film.height}",
                        }
                        for shows, film in question.films.items()
                    ],
                }
                for question in sorted(found.questions, key=lambda question: question.id)
            ],
        }
    ) + ";\n"  # fmt: skip


def truth_script(found: QuestionSet, others: Sequence[Guesses], places: Places) -> str:
    """The script with what is right and what networks answered, in base64, so that nobody reads it by accident."""
    truth: Mapping[str, Any] = {
        "right": {
            question.id: {
                "unit": str(question.unit.unit),
                "unit_class": question.unit.name,
                "right": question.right,
                "page": link(places.unit(question.unit.unit.layer, question.unit.unit.channel), PAGE),
            }
            for question in found.questions
        },
        "others": [
            {
                "name": one.name,
                "independent": one.independent,
                "answers": {guess.question: guess.answer for guess in one.answers},
            }
            for one in others
        ],
    }
    return f'window.mareyTruth = "{base64.b64encode(json.dumps(truth).encode()).decode()}";\n'
