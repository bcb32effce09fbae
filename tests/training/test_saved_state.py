"""The state of an unfinished training is whole or not there, and goes on only with the settings that it has."""

from pathlib import Path

import pytest
import torch

from marey.errors import DatasetError, OutputError
from marey.training.saved_state import open_state, save_state

SETTINGS = {"steps": 3, "clips": ["a", "b"], "augmentation": {"flip": 0.5}}


def _state() -> dict[str, object]:
    return {"settings": SETTINGS, "weights": torch.arange(3.0), "step": 2}


def test_a_saved_state_opens_as_it_was(tmp_path: Path) -> None:
    save_state(_state(), tmp_path / "state")
    opened = open_state(tmp_path / "state", SETTINGS)
    assert opened is not None and opened["step"] == 2 and opened["weights"].equal(torch.arange(3.0))
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_no_state_is_no_error(tmp_path: Path) -> None:
    assert open_state(tmp_path / "state", SETTINGS) is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"steps": 4}, "half-done training with steps = 3, not 4; give the same settings"),
        ({"clips": ["a", "c"]}, "with other clips, such as 'b'; give the same"),
        ({"clips": ["b", "a"]}, "with other clips; give the same"),
        ({"augmentation": {"flip": 0.0}}, "augmentation = {'flip': 0.5}, not {'flip': 0.0}"),
        ({"new": 1}, "new = None, not 1"),
    ],
)
def test_other_settings_are_refused_with_what_differs(tmp_path: Path, changed: dict[str, object], said: str) -> None:
    save_state(_state(), tmp_path / "state")
    with pytest.raises(DatasetError, match=said):
        open_state(tmp_path / "state", SETTINGS | changed)


@pytest.mark.parametrize("content", [b"", b"not a state", b"PK\x03\x04 cut"])
def test_a_damaged_state_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(DatasetError, match="is damaged; remove it to start anew"):
        open_state(tmp_path / "state", SETTINGS)


def test_a_full_disk_leaves_the_last_state_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_state(_state(), tmp_path / "state")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left on device"):
        save_state({**_state(), "step": 3}, tmp_path / "state")
    opened = open_state(tmp_path / "state", SETTINGS)
    assert opened is not None and opened["step"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
