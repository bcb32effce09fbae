"""The state of an unfinished training is whole or not there, and goes on only with the settings that it has."""

import signal
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


def test_a_state_with_a_changed_bit_is_refused(tmp_path: Path) -> None:
    save_state({**_state(), "weights": torch.zeros(2**12)}, tmp_path / "state")
    content = bytearray((tmp_path / "state").read_bytes())
    content[len(content) // 2] ^= 4
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


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="this system limits no sizes of files")
def test_a_disk_that_ends_within_a_state_says_why_and_leaves_the_last_one(tmp_path: Path) -> None:
    import resource

    save_state(_state(), tmp_path / "state")
    before, handled = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, before[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write '.*state': File too large\. What was there is unchanged"):
            save_state({**_state(), "weights": torch.zeros(2**18)}, tmp_path / "state")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handled)
    opened = open_state(tmp_path / "state", SETTINGS)
    assert opened is not None and opened["step"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_auto_goes_on_with_whatever_was_chosen(tmp_path: Path) -> None:
    save_state(_state(), tmp_path / "state")
    assert open_state(tmp_path / "state", SETTINGS | {"steps": "auto"}) is not None
    with pytest.raises(DatasetError, match="arithmetic = None, not auto"):  # a state of an earlier version
        open_state(tmp_path / "state", SETTINGS | {"arithmetic": "auto"})
