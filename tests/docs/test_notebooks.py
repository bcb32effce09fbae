"""Runs the cells of examples/*.ipynb in order, so that a notebook that no longer works is a failing test."""

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples").glob("*.ipynb"))
FEWER_STEPS = ("steps=64", "steps=2")


def test_there_is_a_notebook() -> None:
    assert [path.name for path in NOTEBOOKS] == ["first_pictures.ipynb"]


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_and_shows_what_its_cells_end_with(
    notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    variables: dict[str, Any] = {"__name__": "__main__"}
    shown = []
    for cell in cells:
        assert not cell["outputs"], "notebooks are stored without outputs"
        source = "".join(cell["source"]).replace(*FEWER_STEPS)
        *before, last = source.splitlines()
        exec("\n".join(before), variables)
        value = eval(last, variables)
        shown.append(value._repr_html_() if hasattr(value, "_repr_html_") else repr(value))
    assert "motion-studies" in shown[0]
    assert all("data:image/webp;base64," in one for one in (shown[1], shown[-1]))
