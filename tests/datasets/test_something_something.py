"""The lists of Something-Something v2: the template is the class."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from marey.datasets import ClipSet, data_set
from marey.errors import DatasetError

Make = Callable[..., None]
Shown = Callable[[dict[str, ClipSet]], dict[str, list[tuple[str, str | None, str | None]]]]


@pytest.mark.parametrize("before", ["", "something-something-v2-"])
def test_templates_of_something_something_lose_their_brackets(
    tmp_path: Path, make: Make, shown: Shown, before: str
) -> None:
    make(tmp_path, "20bn-something-something-v2/78687.webm", "20bn-something-something-v2/42.mp4", "lists/x")
    lists = tmp_path / "lists"
    labels = {"Holding something next to something": "0", "Dropping something": "1"}
    train = [
        {"id": "78687", "label": "holding potato next to bottle", "template": "Holding [something] next to [something]"}
    ]
    (lists / f"{before}labels.json").write_text(json.dumps(labels))
    (lists / f"{before}train.json").write_text(json.dumps(train))
    (lists / f"{before}validation.json").write_text(json.dumps([{"id": 42, "template": "Dropping [something]"}]))
    for split in ("train", "validation"):
        assert shown(data_set(lists / f"{before}{split}.json")) == {
            "train": [("78687.webm", "Holding something next to something", None)],
            "validation": [("42.mp4", "Dropping something", None)],
        }
    assert shown(data_set(lists)) == shown(data_set(lists / f"{before}train.json"))
    (lists / f"{before}train.json").write_text(json.dumps([{"id": "1", "template": "Droping [something]"}]))
    with pytest.raises(DatasetError, match=r"entry 0 of .* 'Droping something', which .* Did you mean 'Dropping some"):
        data_set(lists / f"{before}train.json")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("train.json", "{", "is no JSON"),
        ("train.json", "{}", "holds no list of entries with id and template"),
        ("train.json", '[{"id": 1}]', "entry 0 of .* has no id and template"),
        ("labels.json", "{}", "is no list of Something-Something; expected train.json"),
    ],
)
def test_a_json_file_that_is_no_such_list_says_so(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DatasetError, match=said):
        data_set(tmp_path / name)
