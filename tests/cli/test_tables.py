"""Tables stay readable for any number of classes."""

from io import StringIO

import pytest
import torch
from rich.console import Console

from marey.cli.tables import class_table, confusion_table, fits, mistakes_table
from marey.evaluation.accuracy import Evaluation


def _evaluation(count: int) -> Evaluation:
    """Of `count` classes, each with a clip; class k is taken for the class before it."""
    names = tuple(f"class_{k}" for k in range(count))
    predictions = torch.arange(count).sub(1).clamp_min(0)
    return Evaluation(names, names, torch.arange(count), torch.eye(count, dtype=torch.float64)[predictions])


@pytest.mark.parametrize(
    ("count", "width", "fitting"), [(3, 80, True), (3, 40, False), (26, 140, True), (101, 140, False)]
)
def test_a_matrix_that_is_wider_than_the_screen_is_known(count: int, width: int, fitting: bool) -> None:
    console = Console(width=width, file=StringIO())
    assert fits(console, confusion_table(_evaluation(count))) == fitting


def test_the_pairs_that_are_confused_most_take_its_place() -> None:
    console = Console(width=140, file=StringIO())
    console.print(mistakes_table(_evaluation(101), 10))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0].split() == ["most", "confused", "of", "100", "pairs", "taken", "for", "clips", "of"]
    assert [line.split() for line in lines[1:3]] == [["class_1", "class_0", "1", "1"], ["class_2", "class_1", "1", "1"]]
    assert len(lines) == 11


def test_classes_without_a_clip_are_counted_not_listed() -> None:
    console = Console(width=140, file=StringIO())
    few = Evaluation(("a", "b", "c", "d"), ("1.avi",), torch.tensor([1]), torch.tensor([[0.0, 1.0, 0.0, 0.0]]))
    console.print(class_table(few))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split() for line in lines[1:]] == [
        ["b", "1", "1", "(100%)"],
        ["(3", "classes", "without", "a", "clip)", "0"],
    ]
