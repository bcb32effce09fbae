"""Settings out of range are refused before anything is trained."""

from typing import Any

import pytest

from marey.errors import MareyError
from marey.networks.two_stream import TwoStream
from marey.training.augmentation import Augmentation
from marey.training.settings import Settings


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tower_steps": 0}, "tower_steps is 0; expected at least 1"),
        ({"batch": -1}, "batch is -1"),
        ({"look": 0}, "look is 0"),
        ({"validation": 1.0}, "validation is 1.0 .* expected 0 up to below 1"),
        ({"label_smoothing": -0.1}, "label_smoothing -0.1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0 .* expected above 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"minutes": 0.0}, "minutes 0.0; expected above 0"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0 .* at least 0"),
        ({"tower_rate": -0.5}, "tower_rate -0.5; expected at least 0"),
        ({"flow": "dsi"}, "no flow method 'dsi'. Did you mean 'dis'"),
    ],
)
def test_a_setting_out_of_range_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(MareyError, match=said):
        Settings(**options)


def test_the_architecture_of_the_settings_builds_a_network() -> None:
    settings = Settings(size=32, width=1 / 16, fc=8)
    assert TwoStream(3, **settings.architecture()).config["size"] == 32


def test_without_flip_changes_nothing_else() -> None:
    settings = Settings(seed=3, augmentation=Augmentation(zoom=0.2))
    changed = settings.without_flip()
    assert changed.augmentation == Augmentation(zoom=0.2, flip=0.0)
    assert {**changed.record(), "augmentation": None} == {**settings.record(), "augmentation": None}
