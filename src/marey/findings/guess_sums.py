"""Answers to "which action is this?" of several people and networks summed up, with chance and intervals."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from statistics import mean
from typing import Any, Literal

import numpy as np
from scipy.stats import binomtest

from marey.errors import MareyError
from marey.findings.guesses import Guess, Guesses, Kind
from marey.findings.intervals import group_intervals

_MOST_CONFUSED = 10


@dataclass(frozen=True)
class Share:
    """How many answers are right, with the 95 % interval of their share, and the share that chance gives.

    of
        what the interval is over: "people", left out one after the other, or "questions" of a single one (exact).
    """

    right: int
    asked: int
    low: float
    high: float
    chance: float
    of: Literal["people", "questions"]

    @property
    def value(self) -> float:
        """The share, 0 to 1."""
        return self.right / self.asked


@dataclass(frozen=True)
class ClassGuesses:
    """Of a class: right answers and all, to preferred inputs of its unit and to clips of it."""

    name: str
    preferred: tuple[int, int]
    clips: tuple[int, int]


@dataclass(frozen=True)
class Confused:
    """A class that was taken for another: `count` of the `asked` answers to such questions."""

    kind: Kind
    right: str
    answer: str
    count: int
    asked: int


@dataclass(frozen=True)
class Guessers:
    """What all people, or one network, answered.

    name
        of the network; "people" of people.
    independent
        False of the network whose units are shown.
    preferred, clips
        None where none was asked.
    clips_by_unit
        answers to clips that name the class of the unit instead of the class of the clip.
    confused
        wrong answers, the most frequent first.
    """

    name: str
    by: Literal["person", "network"]
    independent: bool
    people: int
    preferred: Share | None
    clips: Share | None
    clips_by_unit: Share | None
    classes: tuple[ClassGuesses, ...]
    confused: tuple[Confused, ...]


@dataclass(frozen=True)
class GuessSums:
    """Answers to the questions of one atlas.

    network
        the one whose units are shown.
    guessers
        all people first, then each network.
    remarks
        what was not counted, or not counted twice.
    """

    network: str
    questions: str
    guessers: tuple[Guessers, ...]
    remarks: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values for JSON."""
        return asdict(self)


def sum_guesses(files: Sequence[str | Path]) -> GuessSums:
    """Sum up files of answers that the guess page of one atlas saved, and that an atlas wrote for its verifiers.

    Answers of one person are not independent: intervals leave out one person after the other. With a single person,
    and for a network, the interval is over the questions. A game counts once, however often it was saved; games of
    people who had seen the answers are left out, with a note.

    Raises MareyError for no file, for one that holds no answers, and for answers to the questions of another atlas.
    """
    if not files:
        raise MareyError("no file of answers is given; name some that the guess page of an atlas saved.")
    games = [(Path(path), Guesses.open(path)) for path in files]
    _check_same(games)
    kept, remarks = _once(games)
    seen = [one for one in kept if one.by == "person" and not one.independent]
    if seen:
        count = "1 game is" if len(seen) == 1 else f"{len(seen)} games are"
        remarks.append(f"{count} of people who had seen the answers before, and not counted.")
    guessers = []
    if people := [one for one in kept if one.by == "person" and one.independent]:
        guessers.append(_summed("people", people))
    guessers += [_summed(one.name, [one]) for one in kept if one.by == "network"]
    return GuessSums(games[0][1].network, games[0][1].questions, tuple(guessers), tuple(remarks))


def _check_same(games: Sequence[tuple[Path, Guesses]]) -> None:
    """Raise MareyError where files answer questions of several atlases, or say different things of a question."""
    first, one = games[0]
    asked: dict[str, tuple[Path, tuple[Any, ...]]] = {}
    for path, other in games:
        if (other.questions, other.weights) != (one.questions, one.weights):
            raise MareyError(
                f"'{path}' answers questions {other.questions} about {other.network}, and '{first}' questions "
                f"{one.questions} about {one.network}: sum up the files of each atlas apart."
            )
        for guess in other.answers:
            said = (guess.kind, guess.unit, guess.unit_class, guess.right, frozenset(guess.choices))
            before, expected = asked.setdefault(guess.question, (path, said))
            if said != expected:
                raise MareyError(
                    f"'{path}' and '{before}' say different things of question {guess.question}; one of them was "
                    "changed: leave it out."
                )


def _once(games: Sequence[tuple[Path, Guesses]]) -> tuple[list[Guesses], list[str]]:
    """Each game once, as it was saved with most answers, and what was left out for it."""
    found: dict[tuple[str, str], tuple[Path, Guesses]] = {}
    remarks = []
    for path, game in games:
        key = (game.by, game.game)
        if key not in found:
            found[key] = (path, game)
            continue
        before, other = found[key]
        shorter, longer = sorted((other.answers, game.answers), key=len)
        if longer[: len(shorter)] != shorter:
            raise MareyError(f"'{before}' and '{path}' give different answers of one game; leave one of them out.")
        remarks.append(f"'{path}' is the game of '{before}' again, which counts once.")
        if len(game.answers) > len(other.answers):
            found[key] = (path, game)
    return [game for _, game in found.values()], remarks


def _summed(name: str, games: Sequence[Guesses]) -> Guessers:
    """What the games of all people, or the one of a network, come to."""
    said = [(game.who, guess) for game in games for guess in game.answers]
    preferred = [(who, guess) for who, guess in said if guess.kind == "preferred"]
    clips = [(who, guess) for who, guess in said if guess.kind == "clip"]
    return Guessers(
        name,
        games[0].by,
        games[0].independent,
        len({game.who for game in games}) if games[0].by == "person" else 0,
        _share(preferred, _names_it),
        _share(clips, _names_it),
        _share(clips, lambda guess: guess.answer == guess.unit_class),
        _by_class([guess for _, guess in said]),
        _most_confused([guess for _, guess in said]),
    )


def _names_it(guess: Guess) -> bool:
    return guess.answer == guess.right


def _share(said: Sequence[tuple[str, Guess]], is_right: Callable[[Guess], bool]) -> Share | None:
    """The share of right answers to (who, answer)."""
    if not said:
        return None
    right = np.array([is_right(guess) for _, guess in said])
    chance = float(mean(Fraction(1, len(guess.choices)) for _, guess in said))
    who = [name for name, _ in said]
    if len(set(who)) < 2:
        exact = binomtest(int(right.sum()), len(right)).proportion_ci(0.95)
        return Share(int(right.sum()), len(right), float(exact.low), float(exact.high), chance, "questions")
    found = group_intervals(lambda some: float(right[some].mean()), who, least=0, most=1)
    return Share(int(right.sum()), len(right), float(found.low), float(found.high), chance, "people")


def _by_class(guesses: Sequence[Guess]) -> tuple[ClassGuesses, ...]:
    asked = Counter((guess.right, guess.kind) for guess in guesses)
    right = Counter((guess.right, guess.kind) for guess in guesses if _names_it(guess))

    def counts(name: str, kind: Kind) -> tuple[int, int]:
        return right[name, kind], asked[name, kind]

    return tuple(
        ClassGuesses(name, counts(name, "preferred"), counts(name, "clip"))
        for name in sorted({guess.right for guess in guesses})
    )


def _most_confused(guesses: Sequence[Guess]) -> tuple[Confused, ...]:
    asked = Counter((guess.kind, guess.right) for guess in guesses)
    wrong = Counter((guess.kind, guess.right, guess.answer) for guess in guesses if not _names_it(guess))
    found = sorted(wrong.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST_CONFUSED]
    return tuple(Confused(kind, right, answer, count, asked[kind, right]) for (kind, right, answer), count in found)
