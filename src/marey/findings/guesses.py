"""Answers to "which action is this?": a file for every game of a person on an atlas's guess page, or of a network."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from marey._version import __version__
from marey.errors import MareyError
from marey.files import regular_file, replacing
from marey.schema import SchemaError, parsed, typed

FORMAT = 1
_MOST_BYTES = 16 * 2**20

Kind = Literal["preferred", "clip"]
"""What a question shows: the preferred input of a class unit, or the clip that drives it most."""


@dataclass(frozen=True)
class Guess:
    """An answer to one question.

    question
        the hash of what it shows and offers.
    unit, unit_class
        the class unit by its address, and its class.
    right
        the class of what is shown: of the unit for a preferred input, the label for a clip.
    choices
        the classes that were offered.
    seconds
        how long it took; None of a network.
    """

    question: str
    kind: Kind
    unit: str
    unit_class: str
    right: str
    choices: tuple[str, ...]
    answer: str
    seconds: float | None = None

    def __post_init__(self) -> None:
        if len(set(self.choices)) != len(self.choices) or len(self.choices) < 2:
            raise MareyError(f"it offers {len(self.choices)} choices; expected two or more different ones")
        for name in ("right", "answer"):
            if getattr(self, name) not in self.choices:
                raise MareyError(f"'{name}' is {json.dumps(getattr(self, name))[:60]}, which is none of its choices")


@dataclass(frozen=True)
class Guesses:
    """The answers of one game.

    questions
        the hash of all questions of the atlas.
    network, weights
        the name of the network whose units are shown, and the hash of its weights.
    by, name
        who answered: what a person is called, as far as they said, or the name of a network.
    game
        a random word of a person's game, the hash of the weights of a network.
    independent
        False of a person who has seen the answers before, and of the network whose units are shown.
    answers
        in the order in which they were asked.
    """

    questions: str
    network: str
    weights: str
    by: Literal["person", "network"]
    name: str
    game: str
    independent: bool
    answers: tuple[Guess, ...]

    def __post_init__(self) -> None:
        if not self.answers:
            raise MareyError("it holds no answer")
        if len({one.question for one in self.answers}) < len(self.answers):
            raise MareyError("it answers a question twice")
        if not self.game:
            raise MareyError("'game' is empty")

    @property
    def who(self) -> str:
        """Games of one name belong together; a game without a name stands alone."""
        return f"name {self.name.strip().casefold()}" if self.name.strip() else f"game {self.game}"

    def save(self, path: str | Path) -> None:
        """Write the file whole or not at all; OutputError where the disk fails."""
        values = {"format": FORMAT, "marey": __version__, **asdict(self)}
        with replacing(path) as draft:
            draft.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def open(cls, path: str | Path) -> "Guesses":
        """Read a file of answers; MareyError, in one line, for anything else."""
        try:
            if regular_file(path).stat().st_size > _MOST_BYTES:
                raise SchemaError(f" is larger than {_MOST_BYTES // 2**20} MiB")
            values = typed(parsed(Path(path).read_bytes()), dict[str, Any])
            if values.get("format") != FORMAT:
                raise SchemaError(f" is {json.dumps(values.get('format'))[:60]}; this marey reads {FORMAT}", "format")
            return typed({name: value for name, value in values.items() if name not in ("format", "marey")}, cls)
        except OSError as error:
            raise MareyError(f"cannot read '{path}': {error.strerror or error}.") from None
        except SchemaError as error:
            raise MareyError(
                f"'{path}' is no file of answers: {error}. Name files that the guess page of an atlas saved."
            ) from None
