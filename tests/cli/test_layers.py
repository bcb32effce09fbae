"""`marey layers` lists what can be looked at, each output once, and says how a unit is written."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from marey.cli.layers import layer_table, own_outputs
from marey.families.loading import load

Marey = Callable[..., Any]

CODE = """
import torch
import marey

class Wrapper(torch.nn.Module):
    def __init__(self):
        super().__init__()
        body = [torch.nn.Conv3d(3, 4, (1, 3, 3)), torch.nn.ReLU()]
        self.model = torch.nn.Sequential(torch.nn.Sequential(*body), torch.nn.AdaptiveAvgPool3d((None, 2, 2)),
                                         torch.nn.Flatten(), torch.nn.Linear(48, 3))

    def forward(self, clip):
        return self.model(clip)

def network(classes=("left", "right", "rest")):
    return marey.Network(Wrapper(), [marey.rgb_frames(3, size=16)], classes=classes, name="wrapped")

def unnamed():
    return network(())
"""


@pytest.fixture
def wrapped(tmp_path: Path) -> str:
    """A network of the user's own in a wrapper."""
    (tmp_path / "wrapped.py").write_text(CODE)
    return f"{tmp_path / 'wrapped.py'}:network"


def test_one_output_has_one_line_with_its_further_names_and_a_total(marey: Marey, wrapped: str) -> None:
    said = marey("layers", wrapped)
    assert said.status == 0, said.err
    *lines, total = said.out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["model.0.0", "model.0.1", "model.1", "model.2", "model.3"]
    assert [line.split()[-1] for line in lines[1:] if line.split()[0] in ("model.0.1", "model.3")] == [
        "model.0",
        "output",
    ]
    assert total == (
        "5 layers, 63 units. A unit is written layer:channel, as 'model.3:2', a class by its name, as 'left'."
    )


def test_a_unit_of_the_list_is_one_for_the_next_command(marey: Marey, wrapped: str, tmp_path: Path) -> None:
    unit = marey("layers", wrapped.replace(":network", ":unnamed"), "model").out.split("'")[-2]
    assert unit == "model.3:2"
    said = marey("maximize", wrapped, unit, "--slowness", "0", "--steps", 1, "--out", tmp_path / "out")
    assert said.status == 0, said.err


def test_a_layer_is_found_by_any_of_its_names(marey: Marey, wrapped: str) -> None:
    said = marey("layers", wrapped, "model.0")
    assert [line.split()[0] for line in said.out.splitlines()[1:-1]] == ["model.0.1"]
    assert said.out.splitlines()[-1].startswith("1 layer, 4 units.")


def test_a_pattern_that_a_wrapper_hides_is_told(marey: Marey, wrapped: str) -> None:
    said = marey("layers", wrapped, "0.*")
    assert (said.status, said.out) == (1, "")
    assert said.err == "marey: no layer of wrapped matches 0.*. A pattern is for the whole name: did you mean '*0.*'?\n"
    said = marey("layers", wrapped, "conv5")
    assert "no layer of wrapped matches conv5. It has model.0.0, model.0.1," in said.err


def test_names_are_whole_in_a_narrow_terminal(wrapped: str) -> None:
    network = load(wrapped)
    console = Console(width=50, file=StringIO())
    console.print(layer_table(network, own_outputs(network)))
    assert all(name in console.file.getvalue() for name in own_outputs(network))  # type: ignore[attr-defined]
