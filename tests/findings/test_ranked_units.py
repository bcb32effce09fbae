"""Units that rank clips alike are computed once, and say what they would alone."""

import numpy as np

from marey.findings.detection_test import PERMUTATIONS_BESIDES, detection_nulls
from marey.findings.permutations import dealt_labels
from marey.findings.ranked_units import RankedUnits


def test_a_layer_that_repeats_another_takes_no_rows_and_has_its_null() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(24, 5)).astype(np.float32)
    every = {"conv": values, "relu": values.clip(0), "dropout": 2 * values, "other": values[:, ::-1] ** 3}
    ranked = RankedUnits.of_responses(every)
    assert len(ranked.distinct) == 5 + 5 and (ranked.of("other") == ranked.of("conv")[::-1]).all()
    labels = np.tile(np.arange(3), 8)
    dealt = list(dealt_labels(labels, [str(clip // 6) for clip in range(24)], PERMUTATIONS_BESIDES + 19, seed=0))
    nulls = detection_nulls(ranked, dealt)
    for name, values in every.items():
        alone = detection_nulls(RankedUnits.of_responses({name: values}), dealt)[name]
        for part in ("mean", "deviation", "largest_z"):
            np.testing.assert_array_equal(getattr(alone, part), getattr(nulls[name], part))
