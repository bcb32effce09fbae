"""The guess page asks without telling, offers classes evenly, and networks answer what people are asked."""

import base64
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

import marey
from marey.atlas.guess import CHOICES, offers
from marey.atlas.guess_twin import twin_file
from marey.errors import MareyError
from marey.findings.guesses import Guesses
from marey.findings.shown_back import responses_to
from marey.network.network import Network

from .conftest import HOSTILE, Made, hostile_network  # type: ignore[import-not-found]


def questions(site: Path) -> dict[str, Any]:
    text = (site / "guess" / "questions.js").read_text()
    found: dict[str, Any] = json.loads(text.removeprefix("window.mareyQuestions = ").rstrip(";\n"))
    return found


def truth(site: Path) -> dict[str, Any]:
    (text,) = re.findall(r'"(.*)"', (site / "guess" / "truth.js").read_text())
    found: dict[str, Any] = json.loads(base64.b64decode(text))
    return found


@pytest.mark.parametrize("count", [2, 5, 6, 101])
def test_every_class_is_offered_equally_often_and_right_once_in_as_many_times(count: int) -> None:
    classes = [f"class {number:03}" for number in range(count)]
    found = offers(classes, "seed")
    offered = min(CHOICES, count)
    assert list(map(sorted, found.values())) == [list(choices) for choices in found.values()]
    assert all(name in choices and len(set(choices)) == offered for name, choices in found.items())
    assert set(Counter(name for choices in found.values() for name in choices).values()) == {offered}
    for place in range(offered):  # whoever always takes the same place is right as often as by chance
        right = sum(choices[place] == name for name, choices in found.items())
        assert abs(right - count / offered) <= 4 * (count / offered) ** 0.5


def test_distractors_follow_from_the_seed() -> None:
    classes = [str(number) for number in range(30)]
    assert offers(classes, "a") == offers(classes, "a")
    assert offers(classes, "a") != offers(classes, "b")


def test_there_is_a_question_of_each_kind_for_each_class(guess_site: Path) -> None:
    found, right = questions(guess_site), truth(guess_site)["right"]
    assert Counter(one["kind"] for one in found["questions"]) == {"preferred": 6, "clip": 6}
    assert {one["id"] for one in found["questions"]} == right.keys()
    for one in found["questions"]:
        told = right[one["id"]]
        assert {told["right"], told["unit_class"]} <= set(one["choices"])
        assert one["kind"] == "clip" or told["right"] == told["unit_class"]
        assert (guess_site / told["page"]).is_file()
        assert one["films"] and all((guess_site / film["src"]).is_file() for film in one["films"])
    assert len({one["films"][0]["src"] for one in found["questions"]}) == 12  # no clip is asked about twice


def test_classes_without_a_preferred_input_are_not_offered_for_one(
    made: Made, of_classes: Path, tmp_path: Path
) -> None:
    for channel in (1, 4, 5):
        shutil.copytree(of_classes / str(channel), tmp_path / "preferred" / str(channel))
    site = made.atlas(tmp_path / "atlas", preferred=tmp_path / "preferred", layers=["scores"], clips=6).parent
    asked = {HOSTILE[channel] for channel in (1, 4, 5)}
    right = truth(site)["right"]
    for one in questions(site)["questions"]:
        assert len(one["choices"]) == 3
        extra = set(one["choices"]) - asked
        assert extra <= {right[one["id"]]["right"]} and (one["kind"] == "clip" or not extra)


def test_what_a_clip_shows_is_right_though_it_drives_the_unit_of_another_class(guess_site: Path) -> None:
    told = [one for one in truth(guess_site)["right"].values() if one["right"] != one["unit_class"]]
    assert told  # the network was not trained


def test_page_and_questions_do_not_tell_what_is_right(guess_site: Path) -> None:
    page = (guess_site / "guess.html").read_text()
    script = (guess_site / "guess" / "questions.js").read_text()
    assert not [word for word in ("scores:", "right", "answers") if word in script]
    assert not [name for name in HOSTILE if json.dumps(name)[1:-1] in page or name in page]
    for one in questions(guess_site)["questions"]:
        assert one.keys() == {"id", "kind", "choices", "films"}
        for film in one["films"]:
            assert re.fullmatch(r"media/[0-9a-f]{2}/[0-9a-f]{24}\.webp", film["src"])
    assert 'href="guess.html"' in (guess_site / "index.html").read_text()


def test_with_one_preferred_input_there_is_no_guess_page(
    made: Made, site: Path, guess_site: Path, tmp_path: Path
) -> None:
    assert not (site / "guess.html").exists() and not (site / "guess").exists()
    assert "guess.html" not in (site / "index.html").read_text()
    shutil.copytree(guess_site, tmp_path / "atlas")
    made.atlas(tmp_path / "atlas", layers=["scores"])  # again, with fewer preferred inputs
    assert not (tmp_path / "atlas" / "guess.html").exists() and not [*(tmp_path / "atlas" / "guess").iterdir()]


def test_networks_answer_the_same_questions_in_files_like_those_of_people(guess_site: Path) -> None:
    files = sorted((guess_site / "guess").glob("*.json"))
    assert len(files) == 2
    asked = {one["id"]: one for one in questions(guess_site)["questions"]}
    for file in files:
        found = Guesses.open(file)
        assert found.by == "network" and found.questions == questions(guess_site)["id"]
        assert {guess.question: list(guess.choices) for guess in found.answers} == {
            key: one["choices"] for key, one in asked.items()
        }
        assert found.independent == (found.game != found.weights)
    assert [one["independent"] for one in truth(guess_site)["others"]] == [False, True]
    assert [one.independent for one in marey.sum_guesses(files).guessers].count(False) == 1


class Prefers(torch.nn.Module):
    """Gives classes scores that do not depend on what it sees: the higher, the later in `order`."""

    def __init__(self, order: tuple[str, ...]) -> None:
        super().__init__()
        self.register_buffer("scores", torch.tensor([float(order.index(name)) for name in HOSTILE]))
        self.last = torch.nn.Identity()

    def forward(self, rgb: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
        still: torch.Tensor = 0 * (rgb.flatten(1).sum(1) + flow.flatten(1).sum(1))
        found: torch.Tensor = self.last(self.scores[None] + still[:, None])
        return found


def test_a_network_says_the_choice_with_the_highest_score(made: Made, of_classes: Path, tmp_path: Path) -> None:
    order = tuple(sorted(HOSTILE))
    verifier = Network(Prefers(order), hostile_network().streams, classes=HOSTILE, name="prefers", scores="last")
    out = made.atlas(tmp_path / "atlas", preferred=of_classes, layers=["scores"], verifiers=[verifier]).parent
    (file,) = (out / "guess").glob("*.json")
    for guess in Guesses.open(file).answers:
        assert guess.answer == max(guess.choices)


def test_answers_of_a_network_are_not_asked_for_again(
    made: Made, of_classes: Path, guess_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(guess_site, tmp_path / "atlas")
    options = {"preferred": of_classes, "layers": ["scores"], "clips": 6, "verifiers": [hostile_network(seed=1)]}
    with monkeypatch.context() as patch:
        patch.setattr("marey.atlas.guess_twin.responses_to", None)
        made.atlas(tmp_path / "atlas", **options)
    file = tmp_path / "atlas" / "guess" / twin_file(hostile_network(seed=1))
    before = file.read_bytes()
    file.write_text("half a fi")
    made.atlas(tmp_path / "atlas", **options)
    assert file.read_bytes() == before


def test_answers_of_networks_stay_as_far_as_the_same_is_asked(
    made: Made, of_classes: Path, guess_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, preferred, asked = tmp_path / "atlas", tmp_path / "preferred", list[object]()
    shutil.copytree(guess_site, out)
    shutil.copytree(of_classes, preferred)
    recipe = marey.Recipe(slowness=(0, 10), steps=1, seed=1)
    marey.maximize(hostile_network(), "scores:0", recipe=recipe).save(preferred / "0")
    before = {path.name: Guesses.open(path) for path in (out / "guess").glob("*.json")}

    def responses(*given: Any) -> Any:
        asked.append(given)
        return responses_to(*given)

    monkeypatch.setattr("marey.atlas.guess_twin.responses_to", responses)
    options = {"preferred": preferred, "layers": ["scores"], "clips": 6}
    made.atlas(out, **options)
    files = sorted((out / "guess").glob("*.json"))
    assert len(files) == len(before) == 2 and not asked
    for path in files:
        known = Guesses.open(path)
        assert len(known.answers) == len(before[path.name].answers) - 1
        assert set(known.answers) < set(before[path.name].answers)
    assert len(marey.sum_guesses(files).guessers) == 2  # they are of one atlas, the one of now
    assert "--verifier NET --verifier NET" in (out / "index.html").read_text()
    made.atlas(out, verifiers=[hostile_network(seed=1)], **options)
    assert len(asked) == 1  # what is new
    assert sorted(len(Guesses.open(path).answers) for path in files) == [len(known.answers), len(known.answers) + 1]


def test_verifiers_that_cannot_answer_are_refused_before_anything_is_made(
    made: Made, of_classes: Path, tmp_path: Path
) -> None:
    other = Network(hostile_network().module, hostile_network().streams, classes=tuple("abcdef"), name="other")
    with pytest.raises(MareyError, match=r"the verifier other has no class .* name a network with all classes of"):
        made.atlas(tmp_path / "atlas", preferred=of_classes, verifiers=[other])
    with pytest.raises(MareyError, match="needs preferred inputs of two classes or more; make them with"):
        made.atlas(tmp_path / "atlas", verifiers=[hostile_network()])
    assert not (tmp_path / "atlas").exists()
