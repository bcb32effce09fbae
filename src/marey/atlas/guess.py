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
from marey.atlas.units import UnitData
from marey.findings.guesses import Guesses, Kind
from marey.recording import Recording

PAGE = "guess.html"
FOLDER = "guess"
"""Of the scripts with the questions and the truth, and of the answers of networks."""
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
        what is shown: appearance, motion, or both.
    driving
        the clip; None for a preferred input.
    """

    kind: Kind
    unit: UnitData
    right: str
    choices: tuple[str, ...]
    films: tuple[Film, ...]
    driving: Driving | None = None

    @property
    def id(self) -> str:
        """The hash of what it shows and offers."""
        return _digest([self.kind, str(self.unit.unit), self.right, self.choices, [film.digest for film in self.films]])


@dataclass(frozen=True, eq=False)
class QuestionSet:
    """All questions of an atlas.

    classes
        of the network; `asked` is of how many of them there is a preferred input.
    """

    network: str
    weights: str
    classes: int
    asked: int
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
    def in_a_game(self) -> dict[Kind, int]:
        """How many questions of each kind a visitor is asked."""
        kinds = [question.kind for question in self.questions]
        return {kind: min(MOST_ASKED, kinds.count(kind)) for kind in get_args(Kind)}


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def question_set(recording: Recording, units: Iterable[UnitData], folder: Path) -> QuestionSet | None:
    """The questions about class units whose films are in an atlas; None with fewer than two preferred inputs.

    Distractors are drawn at random from all classes of the network, with a seed that the weights give.
    """
    classes = sorted(set(recording.classes))
    weights = recording.summary["network"]["weights"]
    shown = [one for one in units if one.preferred is not None and _there(one.preferred.best.films, folder)]
    if len({one.name for one in shown}) < 2:
        return None
    offered = offers(classes, f"{weights} preferred")
    questions = [
        Question("preferred", one, one.name, offered[one.name], one.preferred.best.films)
        for one in shown
        if one.preferred is not None
    ]
    offered = offers(classes, f"{weights} clip")
    used: set[int] = set()
    for one in shown:
        clip = next((clip for clip in one.driving if _fits(clip, classes, used, folder)), None)
        if clip is not None:
            used.add(clip.response.number)
            label = str(clip.response.clip.label)
            choices = _with_class(offered[label], label, one.name)
            questions.append(Question("clip", one, label, choices, _films(clip), clip))
    return QuestionSet(recording.summary["network"]["name"], weights, len(classes), len(shown), tuple(questions))


def _fits(clip: Driving, classes: Sequence[str], used: set[int], folder: Path) -> bool:
    """Whether a clip can be asked about: its class can be offered, it is in no question yet, its films are there."""
    known = clip.response.clip.label in classes and clip.response.number not in used
    return known and _there(_films(clip), folder)


def _films(clip: Driving) -> tuple[Film, ...]:
    return tuple(clip.films[kind] for kind in ("rgb", "flow") if kind in clip.films)


def _there(films: Sequence[Film], folder: Path) -> bool:
    return bool(films) and all(film.there(folder) for film in films)


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


def _with_class(choices: tuple[str, ...], label: str, name: str) -> tuple[str, ...]:
    """The choices for a clip, with the class of the unit that it drives in place of a distractor where it lacks."""
    if name in choices:
        return choices
    distractor = next(one for one in choices if one != label)
    return tuple(sorted((set(choices) - {distractor}) | {name}))


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
                        {"src": link(film.path, PAGE), "frames": film.frames, "ratio": f"{film.width}/{film.height}"}
                        for film in question.films
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
