"""Settings out of range are refused before anything is trained."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from marey.errors import MareyError
from marey.families.two_stream import TwoStream
from marey.training.adversary import Adversary
from marey.training.augmentation import Augmentation
from marey.training.settings import Settings


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tower_steps": -1}, "tower_steps is -1; expected at least 0"),
        ({"tower_steps": 0, "fusion": "late"}, "tower_steps is 0; expected at least 1"),
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
    assert {**changed.to_json(), "augmentation": None} == {**settings.to_json(), "augmentation": None}


def test_settings_come_from_a_file_by_name(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"dropout": 0.1, "adversary": {"rgb": 0.2}, "augmentation": {"flip": 0.0}}', encoding="utf-8")
    before = Settings(seed=3, adversary=Adversary(flow=0.3))
    wanted = replace(before, dropout=0.1, adversary=Adversary(0.2, 0.3), augmentation=Augmentation(flip=0.0))
    assert before.with_file(path) == wanted
    path.write_text('{"fc": null, "minutes": 3}', encoding="utf-8")
    assert before.with_file(path) == replace(before, fc=None, minutes=3)
    path.write_text(json.dumps(wanted.to_json()), encoding="utf-8")
    assert Settings().with_file(path) == wanted


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no settings can be read from .*settings.json.*: .*No such file"),
        ("{", "no settings can be read from .*settings.json"),
        ("[1]", "it is a list of 1; expected an object"),
        ('{"learning_rat": 1}', "'learning_rat' is not known. Did you mean 'learning_rate'"),
        ('{"adversary": {"rbg": 1}}', "'adversary.rbg' is not known. Did you mean 'rgb'"),
        ('{"adversary": 0.1}', "'adversary' is 0.1; expected an object"),
        ('{"dropout": "high"}', "'dropout' is \"high\"; expected a number"),
        ('{"learning_rate": null}', "'learning_rate' is null; expected a number"),
        ('{"batch": 1.5}', "'batch' is 1.5; expected a whole number"),
        ('{"auxiliary": 0}', "'auxiliary' is 0; expected true or false"),
        ('{"learning_rate": "high"}', "'learning_rate' is \"high\"; expected a number"),
        ('{"dropout": 0.1, "batch": 0}', "batch is 0; expected at least 1"),
    ],
)
def test_a_file_that_gives_no_settings_is_refused(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "settings.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(MareyError, match=said):
        Settings().with_file(path)
