"""Settings are checked when they are made, and kept as plain values."""

import json
from typing import Any

import pytest

from marey.errors import MareyError
from marey.maximization.recipe import Recipe


def test_a_recipe_comes_back_from_its_record_in_json() -> None:
    recipe = Recipe(slowness=(0.0, 3.0), bounds={"flow": 4.0}, coarse=(4, 2, 1), target=1.5, jitter=3)
    record = recipe.record()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert Recipe.from_record(json.loads(json.dumps(record))) == recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slowness": ()}, r"slowness is \(\); expected one or more numbers of at least 0"),
        ({"slowness": (1.0, -1.0)}, "slowness"),
        ({"slowness": (float("nan"),)}, "slowness"),
        ({"kappa": -1.0}, "kappa is -1.0; expected a number of at least 0"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"steps": 0}, "steps is 0; expected at least 1"),
        ({"step_size": 0.0}, "step_size is 0.0; expected a number above 0"),
        ({"parametrization": "wavelets"}, "parametrization is 'wavelets'; expected one of pixels, fourier"),
        ({"precision": "fp16"}, "precision is 'fp16'; expected one of auto, fp32, bf16"),
        ({"where": "here"}, "where is 'here'; expected one of center, everywhere"),
        ({"coarse": (4, 2)}, r"coarse is \(4, 2\); expected factors of at least 1 that end in 1"),
        ({"coarse": ()}, "coarse"),
        ({"batch": 0}, "batch is 0; expected at least 1"),
        ({"jitter": -1}, "jitter is -1"),
        ({"time_jitter": -1}, "time_jitter -1"),
        ({"bounds": {"flow": 0.0}}, "the bound of stream 'flow' is 0.0; expected a number above 0"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_what_is_expected(change: dict[str, Any], message: str) -> None:
    with pytest.raises(MareyError, match=message):
        Recipe(**change)
