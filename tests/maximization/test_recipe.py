"""Settings are checked when they are made, and kept as plain values."""

import json
from typing import Any

import pytest

from marey.errors import MareyError
from marey.maximization.recipe import Recipe


def test_a_recipe_comes_back_from_json() -> None:
    recipe = Recipe(slowness=(0.0, 3.0), bounds={"flow": 4.0}, weight=1.5, where="everywhere", step_size=0.1)
    values = recipe.to_json()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert Recipe.from_json(json.loads(json.dumps(values))) == recipe


def test_a_list_of_slownesses_is_as_good_as_a_tuple() -> None:
    assert Recipe(slowness=[0.0, 5.0]) == Recipe(slowness=(0.0, 5.0))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slowness": ()}, r"slowness is \(\); expected one or more numbers of at least 0"),
        ({"slowness": (1.0, -1.0)}, "slowness"),
        ({"slowness": (float("nan"),)}, "slowness"),
        ({"weight": float("nan")}, "weight is nan; expected a number of at least 0"),
        ({"noise": -1.0}, "noise is -1.0; expected a number of at least 0"),
        ({"steps": 0}, "steps is 0; expected at least 1"),
        ({"step_size": 0.0}, "step_size is 0.0; expected a number above 0"),
        ({"precision": "fp16"}, "precision is 'fp16'; expected one of auto, fp32, bf16"),
        ({"where": "here"}, "where is 'here'; expected one of center, everywhere"),
        ({"batch": 0}, "batch is 0; expected at least 1"),
        ({"bounds": {"flow": 0.0}}, "the bound of stream 'flow' is 0.0; expected a number above 0"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_what_is_expected(change: dict[str, Any], message: str) -> None:
    with pytest.raises(MareyError, match=message):
        Recipe(**change)
