"""Runs what README.md and docs/ show, so that an example that no longer works is a failing test.

Every fenced `python` block and every `marey ...` line of a shell block runs, in order, in a folder with

    clips/<class>/<clip>.mp4     two classes, left and right, four short clips each: bars that move
    clip.mp4                     one more of them
    network.safetensors          a small two-stream network with these classes

Blocks of one document share their variables, so a later one may use what an earlier one made. All documents share the
cache of flow, as a user's commands do.
"""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import pytest
import torch

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^```\s*$", re.MULTILINE | re.DOTALL)
SHELL = ("sh", "shell", "bash", "console")

# Options that shorten a shown command, in place of its own; the demo is what `make demo` runs.
SHORTER: dict[str, dict[str, str]] = {
    "train": {"--steps": "1", "--fusion-steps": "1", "--batch": "2", "--flow": "dis"},
    "maximize": {"--steps": "2"},
}
SMALLER = {"--size": "32", "--width": "0.0625"}  # of a network that does not start from another
FEWER_STEPS = ("steps=64", "steps=4")
NOT_RUN = {"demo"}


@dataclass(frozen=True)
class Example:
    """A piece of a document that can run: where it starts, and its text."""

    kind: Literal["python", "shell"]
    line: int
    text: str


def examples(document: str) -> Iterator[Example]:
    for fence in FENCE.finditer(document):
        line = document.count("\n", 0, fence.start()) + 2
        if fence["language"] == "python":
            yield Example("python", line, fence["text"])
        elif fence["language"] in SHELL:
            joined = fence["text"].replace("\\\n", " ")
            for command in joined.splitlines():
                shown = command.strip().removeprefix("$ ")
                if shown.startswith("marey "):
                    yield Example("shell", line, shown)


def shortened(words: list[str]) -> list[str]:
    """The command with options that make it short; those it has are replaced."""
    options = dict(SHORTER.get(words[1], {}) if len(words) > 1 else {})
    if words[1:2] == ["train"] and "--from" not in words:
        options |= SMALLER
    kept = [word for before, word in zip(["", *words], words, strict=False) if not {before, word} & options.keys()]
    return kept + [part for option in options.items() for part in option]


def run_shell(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(command, comments=True)
    if words[1:2] and words[1] in NOT_RUN:
        return
    again = ["--again"] if words[1:2] == ["train"] else []  # a network is there, for documents that do not train
    monkeypatch.setattr(sys, "argv", [*shortened(words), *again])
    from marey.cli import main

    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    assert not code, f"`{command}` exits with {code}"


def run_python(text: str, *, document: Path, line: int, variables: dict[str, Any]) -> None:
    code = compile(
        "\n" * (line - 1) + text.replace(*FEWER_STEPS), str(document), "exec"
    )  # a traceback names the document's line
    exec(code, variables)


def write_bars(path: Path, *, step: int, seed: int) -> None:
    """A clip of 40 frames, 64 x 64, of vertical bars that move `step` pixels per frame over a random start."""
    phase = int(np.random.default_rng(seed).integers(16))
    columns = np.arange(64)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(25))
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for frame in range(40):
            bars = 255 * ((columns - phase - step * frame) % 16 < 8).astype(np.uint8)
            picture = np.broadcast_to(bars[None, :, None], (64, 64, 3))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that every document starts from, made once."""
    from marey.families.network_file import NetworkFile, save
    from marey.families.two_stream import TwoStream

    place = tmp_path_factory.mktemp("documents") / "start"
    for label, step in (("left", -2), ("right", 2)):
        for number in range(1, 5):
            write_bars(place / "clips" / label / f"person{number}_{label}.mp4", step=step, seed=number)
    write_bars(place / "clip.mp4", step=2, seed=9)
    torch.manual_seed(0)
    module = TwoStream(2, size=32, width=0.125, frames=2, stack=3, step=3, fc=16)
    save(NetworkFile(module, module.input_streams(), classes=("left", "right")), place / "network.safetensors")
    return place


@pytest.fixture
def folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAREY_CACHE", str(prepared.parent / "cache"))
    return tmp_path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_shows_runs(document: Path, request: pytest.FixtureRequest) -> None:
    found = list(examples(document.read_text(encoding="utf-8")))
    if not found:
        return
    request.getfixturevalue("folder")
    monkeypatch = request.getfixturevalue("monkeypatch")
    variables: dict[str, Any] = {"__name__": "__main__"}
    for example in found:
        if example.kind == "python":
            run_python(example.text, document=document, line=example.line, variables=variables)
        else:
            run_shell(example.text, monkeypatch)


def test_a_command_is_shortened_in_place_of_its_own_options() -> None:
    assert shortened(["marey", "maximize", "net", "run", "--steps", "9"]) == [
        "marey",
        "maximize",
        "net",
        "run",
        "--steps",
        "2",
    ]
    assert shortened(["marey", "layers", "net"]) == ["marey", "layers", "net"]


def test_a_block_and_its_commands_are_found_with_their_lines() -> None:
    document = "# A\n\n```python\nx = 1\n```\n\n```sh\nmake demo\nmarey layers a  # all\nmarey flow \\\n  b\n```\n"
    found = list(examples(document))
    assert [(example.kind, example.line) for example in found] == [("python", 4), ("shell", 8), ("shell", 8)]
    assert [shlex.split(example.text, comments=True) for example in found[1:]] == [
        ["marey", "layers", "a"],
        ["marey", "flow", "b"],
    ]
