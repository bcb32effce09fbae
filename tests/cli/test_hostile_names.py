"""Names of classes, layers, groups and files cannot command the terminal, whatever command prints them."""

import ast
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

import marey.cli
from marey.errors import printable

Marey = Callable[..., Any]
EVIL = "a\x1b[2J\x1b]0;b\x07\r\u202e\x9b[red]c\u2028"
"""Clears the screen, names the window, rings, overwrites its line, turns the direction, is red, begins a line."""
SHOWN = r"a\x1b[2J\x1b]0;b\x07\r\u202e\x9b[red]c\u2028"


def _quiet(text: str) -> None:
    """Nothing in the text commands a terminal but the ends of lines."""
    assert {letter for letter in text if category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")} <= {"\n"}


@pytest.fixture
def hostile(shapes: Path, tmp_path: Path) -> tuple[str, Path]:
    """A network whose layers and classes have such names, and clips in folders that do, too."""
    (tmp_path / "own.py").write_text(
        "import torch\nimport marey\n\n"
        f"EVIL = {EVIL!r}\n\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.add_module('conv' + EVIL.replace('.', ''), torch.nn.Conv3d(3, 2, (1, 3, 3)))\n"
        "        self.end = torch.nn.Sequential(torch.nn.AdaptiveAvgPool3d(1), torch.nn.Flatten())\n"
        "    def forward(self, x):\n"
        "        for part in self.children():\n"
        "            x = part(x)\n"
        "        return x\n\n"
        "def network():\n"
        "    torch.manual_seed(0)\n"
        "    classes = (EVIL, 'b' + EVIL + '[/blue]\\x00')\n"
        "    return marey.Network(Net(), [marey.rgb_frames(3, size=16)], classes=classes, name=EVIL)\n\n"
        "def fails():\n"
        "    raise ValueError(EVIL)\n"
    )
    clips = tmp_path / EVIL / "clips"
    for label in (EVIL, "b"):
        (clips / label).mkdir(parents=True)
        for take, path in enumerate(sorted(shapes.rglob("*.mp4"))[:2]):
            (clips / label / f"{EVIL}{take}_{EVIL}.mp4").write_bytes(path.read_bytes())
    (clips / "b" / f"{EVIL}9_.mp4").write_bytes(b"no video")
    return f"{tmp_path / 'own.py'}:network", clips


def test_no_command_lets_a_name_reach_the_terminal(marey: Marey, hostile: tuple[str, Path], tmp_path: Path) -> None:
    net, clips = hostile
    recording, group = clips.parent / "recording", ("--group", "^(.+?)_")
    layer = "conv" + EVIL.replace(".", "")
    clip = next((clips / EVIL).iterdir())
    lines: list[tuple[Any, ...]] = [
        ("layers", net),
        ("layers", net, EVIL + "x"),
        ("classify", net, clip),
        ("classify", net, clip, "--recording", recording),
        ("record", net, clips, "--out", recording, *group),
        ("top", recording, EVIL, f"{layer}:0"),
        ("top", recording, EVIL + "x"),
        ("evaluate", net, clips, *group),
        ("evaluate", net, clips, "--groups", EVIL + "x", *group),
        ("maximize", net, EVIL, "--steps", 1, "--slowness", "0", "--out", clips.parent / "made"),
        ("maximize", net, EVIL, "--steps", 1, "--slowness", "0", "--out", tmp_path / "m", "--recording", recording),
        ("maximize", net, EVIL, "--steps", 1, "--slowness", "0", "--out", tmp_path / "m", "--clips", clips),
        ("flow", clips, "--out", clips.parent / "flow", "--flow", "dis"),
        ("train", clips, "--out", clips.parent / "net.txt"),
        ("train", clips, "--out", clips.parent / "net.safetensors", "--hold-out", EVIL, *group, "--settings", EVIL),
        ("studies", "--classes", EVIL, "--out", clips.parent),
        ("layers", net.replace(":network", ":fails")),
        (EVIL, EVIL),
        ("layers", net, "--" + EVIL),
    ]
    lines.insert(0, lines.pop(4))
    seen = ""
    for line in lines:
        said = marey(*line)
        _quiet(said.out + said.err)
        assert said.status in (0, 1, 2)
        seen += (said.out + said.err).replace("\n", "")
    assert seen.count("[red]") > 20 and r"\x1b[2J" in seen


def test_a_name_is_shown_with_its_letters_spelled() -> None:
    assert printable(EVIL) == SHOWN
    assert printable("b\n\x00\udcff") == r"b\n\x00\udcff"
    for name in ("Übung", "歩く", "می\u200cخواهم", "👩\u200d🚀", "a\u00a0b", "C:\\clips"):
        assert printable(name) == name


@given(st.text())
def test_any_text_becomes_one_line_that_stays_as_it_is(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
    shown.encode()


def test_a_warning_is_one_quiet_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def warn(*_: object, **__: object) -> int:
        warnings.simplefilter("always")
        warnings.warn(EVIL, stacklevel=1)
        return 0

    monkeypatch.setattr(marey.cli, "app", warn)
    with warnings.catch_warnings():
        marey.cli.run([])
    assert capsys.readouterr().err == f"marey: {SHOWN}\n"


def test_commands_print_through_the_screen_only() -> None:
    for path in Path(marey.cli.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        called = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert path.name == "screen.py" or not called & {"print", "Console", "Table"}, path.name
