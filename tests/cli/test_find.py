"""`marey find`: what is asked of what, what is kept, and one line for what cannot be asked."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from marey.findings.finding import Finding
from marey.findings.questions import QUESTIONS
from tests.findings.colors import BLUE, FAILING, GREEN, RED, recorded_colors

Marey = Callable[..., Any]

COLORS = {"red": [RED, FAILING], "green": [GREEN], "blue": [BLUE]}
NETWORKS = """\
import torch
import marey
from tests.findings.colors import Colors, network

def other():
    made = network()
    with torch.no_grad():
        made.module.scores.weight.add_(1)
    return made
"""


@pytest.fixture
def colors(tmp_path: Path) -> Path:
    """A recording of the network of colors."""
    return recorded_colors(tmp_path / "colors", COLORS, groups=4).folder


@pytest.fixture
def net(tmp_path: Path) -> str:
    """That network, as a word of the command line."""
    (tmp_path / "nets.py").write_text(NETWORKS)
    return f"{tmp_path / 'nets.py'}:network"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only specificity, failures and fusion are there, to ask everything sooner."""
    some = tuple(one for one in QUESTIONS if one.name in ("specificity", "failures", "fusion"))
    monkeypatch.setattr("marey.findings.questions.QUESTIONS", some)


def test_questions_are_listed_with_what_they_need_and_take(marey: Marey) -> None:
    lines = {line.split()[0]: line for line in marey("find", "--list").out.splitlines() if line.strip()}
    assert [word for word in lines["fusion"].split() if word.startswith("--")] == [
        "--network",
        "--late,",
        "--preferred",
    ]
    assert [word for word in lines["agreement"].split() if word.startswith("--")] == [
        "--network,",
        "--preferred",
        "--verifier",
    ]


def test_every_question_takes_what_sources_have() -> None:
    needs = {one.name: one.needs for one in QUESTIONS}
    assert needs["specificity"] == ("recording",)
    assert needs["agreement"] == ("recording", "network", "preferred")
    assert all(needs[name] == ("recording", "network") for name in needs if name not in ("specificity", "agreement"))
    takes = {option: [one.name for one in QUESTIONS if option in one.takes] for option in ("late", "preferred")}
    assert takes == {"late": ["fusion"], "preferred": ["fusion", "invariance", "failures", "agreement"]}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["specifity"], "no question 'specifity'. Did you mean 'specificity'? There are specificity, fusion,"),
        (["fusion"], "'fusion' cannot be answered without --network."),
        (["agreement"], "'agreement' cannot be answered without --network, --preferred."),
        (["specificity", "--layers", "mops"], "Did you mean 'maps'? It has maps, scores."),
        (
            ["specificity", "--preferred", "x"],
            "--preferred does not count in what is asked; leave it out, or ask fusion",
        ),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(
    marey: Marey, colors: Path, tmp_path: Path, words: Sequence[str], line: str
) -> None:
    said = marey("find", colors, *words, "--out", tmp_path / "out")
    assert said.status == 1
    assert line in said.err and said.err.count("\n") == 1
    assert not list((tmp_path / "out").glob("*"))


def test_a_folder_that_is_no_recording(marey: Marey, tmp_path: Path) -> None:
    said = marey("find", tmp_path, "specificity", "--out", tmp_path / "out")
    assert said.status == 1
    assert "marey record" in said.err and said.err.count("\n") == 1


def test_another_network_than_the_recorded_one_is_refused(marey: Marey, colors: Path, net: str, tmp_path: Path) -> None:
    said = marey("find", colors, "failures", "--network", net.replace(":network", ":other"), "--out", tmp_path / "out")
    assert said.status == 1
    assert "is of other weights than colors" in said.err and said.err.count("\n") == 1


def test_a_network_without_flow_is_not_asked_for_fusion(marey: Marey, colors: Path, net: str, tmp_path: Path) -> None:
    said = marey("find", colors, "fusion", "--network", net, "--out", tmp_path / "out")
    assert said.status == 1
    assert "only a network with a stream of RGB and one of flow joins appearance and motion" in said.err


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_of_all_questions_those_that_cannot_be_asked_are_named_and_the_rest_answered(
    marey: Marey, colors: Path, net: str, tmp_path: Path
) -> None:
    said = marey("find", colors, "--out", tmp_path / "out")
    assert said.status == 0, said.err
    assert said.out.splitlines()[-1] == "not answered: fusion, failures, without --network"
    said = marey("find", colors, "--network", net, "--out", tmp_path / "out")
    assert said.status == 0, said.err
    assert said.out.splitlines()[-1].startswith("not answered: fusion, as colors is shown rgb alone; ")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["failures", "specificity"]


@pytest.mark.slow
def test_an_answer_is_kept_until_it_would_be_another(marey: Marey, colors: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def asked(*words: object) -> tuple[Any, int]:
        said = marey("find", *words, "--out", out)
        return said, (out / "specificity" / "finding.json").stat().st_mtime_ns

    first, written = asked(colors, "specificity")
    (out / "specificity" / "notes.txt").write_text("mine")
    again, kept = asked(colors, "specificity")
    assert kept == written and again.out == first.out
    _, other = asked(colors, "specificity", "--layers", "scores")
    assert other != written
    assert Finding.open(out / "specificity").provenance["settings"]["layers"] == ["scores"]
    assert (out / "specificity" / "notes.txt").read_text() == "mine"
    another = recorded_colors(tmp_path / "another", COLORS, groups=3).folder
    said, untouched = asked(another, "specificity")
    assert said.status == 1 and untouched == other
    assert f"holds the answer of another recording, '{colors}'; name another folder with --out" in said.err


@pytest.mark.parametrize(
    ("shown", "groups", "line"),
    [
        ({"red": [RED, FAILING]}, 3, "has clips of one class only, 'red'; a question about classes needs"),
        ({"red": [RED], "green": [GREEN]}, 1, "all clips are of one group, 'person0'"),
    ],
)
def test_clips_of_one_class_or_one_group_are_refused(
    marey: Marey, tmp_path: Path, shown: dict[str, Any], groups: int, line: str
) -> None:
    folder = recorded_colors(tmp_path / "few", shown, groups=groups).folder
    said = marey("find", folder, "specificity", "--out", tmp_path / "out")
    assert said.status == 1
    assert line in said.err.splitlines()[-1]
