"""All questions, in the order in which `marey find` asks them; a new one is a file and a line here."""

from marey.errors import MareyError, did_you_mean
from marey.findings.agreement import AGREEMENT
from marey.findings.failures import FAILURES
from marey.findings.fusion import FUSION
from marey.findings.idiosyncrasies import IDIOSYNCRASIES
from marey.findings.invariance import INVARIANCE
from marey.findings.needs import NEEDS_OF_UNITS
from marey.findings.question import Question
from marey.findings.specificity import SPECIFICITY

QUESTIONS: tuple[Question, ...] = (
    SPECIFICITY,
    FUSION,
    INVARIANCE,
    FAILURES,
    IDIOSYNCRASIES,
    NEEDS_OF_UNITS,
    AGREEMENT,
)


def question(name: str) -> Question:
    """The question of this name; MareyError when there is none."""
    for one in QUESTIONS:
        if one.name == name:
            return one
    names = [one.name for one in QUESTIONS]
    raise MareyError(f"no question '{name}'.{did_you_mean(name, names)} There are {', '.join(names)}.")
