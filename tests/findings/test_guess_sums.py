"""Answers of people and networks are summed up with chance, and with intervals that account for people."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import binomtest

from marey.errors import MareyError
from marey.findings.guess_sums import sum_guesses
from marey.findings.guesses import Guess, Guesses

CLASSES = ("clap", "run", "wave", "walk")


def game(name: str, said: Sequence[str], *, right: str = "wave", kind: str = "preferred") -> Guesses:
    """A game in which somebody said this of questions to which one answer is right."""
    answers = tuple(
        Guess(f"{kind}{number}", kind, "scores:2", "wave", right, CLASSES, word, 1.5)  # type: ignore[arg-type]
        for number, word in enumerate(said)
    )
    return Guesses("set", "net", "0f", "person", "", f"game of {name}", True, answers)


@pytest.fixture
def saved(tmp_path: Path):  # type: ignore[no-untyped-def]
    def call(*games: Guesses) -> list[Path]:
        paths = [tmp_path / f"{number}.json" for number, _ in enumerate(games)]
        for path, one in zip(paths, games, strict=True):
            one.save(path)
        return paths

    return call


def test_what_is_opened_is_what_was_saved(saved) -> None:  # type: ignore[no-untyped-def]
    one = replace(game("a", ["wave", "run"]), name="\N{MAN DANCING}\ud800")
    (path,) = saved(one)
    assert Guesses.open(path) == one


def test_right_answers_are_counted_by_kind_and_class_with_chance(saved) -> None:  # type: ignore[no-untyped-def]
    clips = game("a", ["run", "run", "wave"], right="run", kind="clip")
    both = replace(
        game("a", ["wave", "wave", "clap"]), answers=game("a", ["wave", "wave", "clap"]).answers + clips.answers
    )
    (found,) = sum_guesses(saved(both)).guessers
    assert (found.name, found.people) == ("people", 1)
    assert found.preferred is not None and found.clips is not None and found.clips_by_unit is not None
    assert (found.preferred.right, found.preferred.asked, found.preferred.chance) == (2, 3, 0.25)
    assert (found.clips.right, found.clips_by_unit.right) == (2, 1)
    assert [(one.name, one.preferred, one.clips) for one in found.classes] == [
        ("run", (0, 0), (2, 3)),
        ("wave", (2, 3), (0, 0)),
    ]
    assert [(one.kind, one.right, one.answer, one.count, one.asked) for one in found.confused] == [
        ("clip", "run", "wave", 1, 3),
        ("preferred", "wave", "clap", 1, 3),
    ]


def test_the_interval_of_a_single_person_is_exact(saved) -> None:  # type: ignore[no-untyped-def]
    (found,) = sum_guesses(saved(game("a", ["wave"] * 9 + ["run"]))).guessers
    exact = binomtest(9, 10).proportion_ci()
    assert found.preferred is not None and found.preferred.of == "questions"
    assert (found.preferred.low, found.preferred.high) == pytest.approx((exact.low, exact.high))


def test_many_questions_to_few_people_are_no_sure_number(saved) -> None:  # type: ignore[no-untyped-def]
    able, unable = ["wave"] * 50, ["run"] * 50
    games = [game(str(number), able if number % 2 else unable) for number in range(6)]
    (found,) = sum_guesses(saved(*games)).guessers
    assert found.preferred is not None and found.preferred.of == "people" and found.people == 6
    assert found.preferred.low < 0.2 and found.preferred.high > 0.8  # of 300 independent answers it is 0.44 to 0.56
    (alike,) = sum_guesses(saved(*(game(str(number), ["wave", "run"] * 25) for number in range(6)))).guessers
    assert alike.preferred is not None
    assert alike.preferred.high - alike.preferred.low < found.preferred.high - found.preferred.low


def test_games_of_one_name_are_of_one_person(saved) -> None:  # type: ignore[no-untyped-def]
    games = [replace(game(str(number), ["wave"]), name=name) for number, name in enumerate((" Ada", "ada", "", ""))]
    (found,) = sum_guesses(saved(*games)).guessers
    assert found.people == 3


def test_networks_stand_beside_people_and_the_subject_is_marked(saved) -> None:  # type: ignore[no-untyped-def]
    person = game("a", ["wave", "run"])
    other = replace(person, by="network", name="other", game="1a")
    subject = replace(person, by="network", name="net", game="0f", independent=False)
    found = sum_guesses(saved(other, person, subject)).guessers
    assert [(one.name, one.by, one.independent, one.people) for one in found] == [
        ("people", "person", True, 1),
        ("other", "network", True, 0),
        ("net", "network", False, 0),
    ]


def test_the_same_game_counts_once_as_it_was_saved_last(saved) -> None:  # type: ignore[no-untyped-def]
    early, late = game("a", ["wave"]), game("a", ["wave", "run"])
    found = sum_guesses(saved(early, late, late))
    assert found.guessers[0].preferred is not None and found.guessers[0].preferred.asked == 2
    assert [remark.split("is the game of")[1] for remark in found.remarks] == [
        f" '{saved(early)[0]}' again, which counts once.",
        f" '{saved(early, late)[1]}' again, which counts once.",
    ]
    with pytest.raises(MareyError, match="give different answers of one game"):
        sum_guesses(saved(late, game("a", ["run"])))


def test_a_game_after_the_answers_were_seen_is_not_counted(saved) -> None:  # type: ignore[no-untyped-def]
    found = sum_guesses(saved(game("a", ["wave"]), replace(game("b", ["wave"]), independent=False)))
    assert found.guessers[0].people == 1
    assert found.remarks == ("1 game is of people who had seen the answers before, and not counted.",)


@pytest.mark.parametrize("change", [{"questions": "another"}, {"weights": "1a"}])
def test_answers_to_questions_of_another_atlas_are_refused(saved, change: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MareyError, match=r"1\.json' answers questions .*: sum up the files of each atlas apart"):
        sum_guesses(saved(game("a", ["wave"]), replace(game("b", ["wave"]), **change)))


def test_files_that_say_different_things_of_a_question_are_refused(saved) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MareyError, match="say different things of question preferred0; one of them was changed"):
        sum_guesses(saved(game("a", ["wave"]), game("b", ["run"], right="run")))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x89PNG", "it is no JSON"),
        (b"", "it is no JSON"),
        (b"[1]", "expected an object"),
        (b"{}", "'format' is null; this marey reads 1"),
        (b'{"format": 2}', "'format' is 2; this marey reads 1"),
        (b'{"format": 1, "answer": 3}', "'answer' is not known"),
        (b"[" * 100_000, "nested too deep"),
        (b" " * (16 * 2**20 + 1), "larger than 16 MiB"),
    ],
)
def test_junk_is_refused_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "junk.json").write_bytes(content)
    with pytest.raises(MareyError, match="is no file of answers") as told:
        sum_guesses([tmp_path / "junk.json"])
    assert said in str(told.value) and "\n" not in str(told.value) and len(str(told.value)) < 400


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"answers": []}, "it holds no answer"),
        ({"by": "cat"}, "'by' is \"cat\""),
        ({"game": ""}, "'game' is empty"),
        ({"answer": "fly"}, "'answer' is \"fly\", which is none of its choices"),
        ({"choices": ["wave"]}, "it offers 1 choices"),
        ({"choices": ["wave", "wave"]}, "it offers 2 choices; expected two or more different ones"),
        ({"seconds": "long"}, "'answers[0].seconds' is"),
    ],
)
def test_a_damaged_file_says_what_is_wrong(saved, changes: dict[str, object], said: str) -> None:  # type: ignore[no-untyped-def]
    (path,) = saved(game("a", ["wave"]))
    values = json.loads(path.read_text())
    place = values if changes.keys() & values.keys() else values["answers"][0]
    path.write_text(json.dumps({**values, **({"answers": [{**place, **changes}]} if place is not values else changes)}))
    with pytest.raises(MareyError) as told:
        sum_guesses([path])
    assert said in str(told.value) and "\n" not in str(told.value)


def test_a_question_is_answered_once_in_a_game(saved) -> None:  # type: ignore[no-untyped-def]
    (path,) = saved(game("a", ["wave"]))
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "answers": values["answers"] * 2}))
    with pytest.raises(MareyError, match="it answers a question twice"):
        sum_guesses([path])


def test_a_missing_file_and_no_file_are_told() -> None:
    with pytest.raises(MareyError, match=r"cannot read 'nowhere\.json': No such file"):
        sum_guesses(["nowhere.json"])
    with pytest.raises(MareyError, match="no file of answers is given"):
        sum_guesses([])
