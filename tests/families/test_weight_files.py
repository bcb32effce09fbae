"""Files of weights as people have them: whatever torch loads loads here, and all else is refused in one line."""

import argparse
import gzip
import os
import pickle
import tarfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from marey.errors import WeightsError
from marey.families.weight_files import CONTAINERS, read_tensors
from marey.families.weights import load_weights, weights_hash

State = dict[str, Tensor]
SUFFIXES = (".pt", ".pth", ".ckpt", ".pyth", ".tar", ".pth.tar", ".bin", ".safetensors", ".model", "")


class Net(nn.Module):
    """A small network with what is special about names: normalization, nesting, one weight under two names."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv, self.bn = nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4)
        self.blocks = nn.Sequential(nn.Conv1d(4, 4, 1), nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)))
        self.fc, self.again = nn.Linear(4, 5), nn.Linear(4, 5)
        self.again.weight = self.fc.weight
        with torch.no_grad():
            self.bn.running_mean.normal_()  # type: ignore[union-attr]


def _state() -> State:
    return Net().state_dict()


def _ahead(prefix: str, state: State) -> State:
    return OrderedDict((prefix + name, values) for name, values in state.items())


def _loads(content: Any, path: Path, module: nn.Module | None = None, **options: Any) -> list[str]:
    """Save `content` to `path`, load it into a network with other weights, and compare; the notes."""
    torch.save(content, path)
    other, notes = Net(1) if module is None else module, []
    load_weights(other, path, on_note=notes.append, **options)
    assert module is not None or weights_hash(other) == weights_hash(Net())
    return notes


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "net.", "backbone.", "model.net.", "bn.", "x1."])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_prefix_of_all_names_that_makes_them_fit_is_taken_off_and_told(
    tmp_path: Path, prefix: str, suffix: str
) -> None:
    path, notes, other = tmp_path / f"net{suffix}", [], Net(1)
    state = {name: values.clone() for name, values in _ahead(prefix, _state()).items()}
    safetensors.torch.save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    load_weights(other, path, on_note=notes.append)
    assert weights_hash(other) == weights_hash(Net())
    assert notes == [f"weights of '{path}': '{prefix}' taken off names"]


def test_names_that_fit_are_left_as_they_are(tmp_path: Path) -> None:
    wrapped, other = nn.DataParallel(Net()), nn.DataParallel(Net(1))
    assert _loads(wrapped.state_dict(), tmp_path / "net.pth", other) == []
    assert weights_hash(other) == weights_hash(wrapped)
    bare = nn.DataParallel(Net(1))
    assert "'module.' put in front" in _loads(_state(), tmp_path / "net.pth", bare)[0]
    assert weights_hash(bare) == weights_hash(wrapped)


def test_wrappers_within_names_are_looked_through(tmp_path: Path) -> None:
    state = {name.replace("blocks.1.", "blocks.1._orig_mod."): values for name, values in _state().items()}
    assert "names without those of wrappers" in _loads(state, tmp_path / "net.pt")[0]
    some = {name.replace("blocks.", "module.blocks."): values for name, values in _state().items()}
    _loads({"state_dict": _ahead("model.", some)}, tmp_path / "net.ckpt")


@pytest.mark.parametrize("name", CONTAINERS)
def test_names_that_hold_weights_are_known_and_what_lies_beside_is_passed_by(tmp_path: Path, name: str) -> None:
    optimizer = {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    beside = {"epoch": 3, "optimizer": optimizer, "args": None, "lr": [0.1]}
    assert _loads({**beside, name: _state()}, tmp_path / "net.pyth") == []
    assert _loads({**beside, "state_dict": {name: _state()}}, tmp_path / "net.tar") == []


def test_of_several_names_the_first_known_one_counts_and_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    content = {"model_ema": _ahead("module.", Net(5).state_dict()), "state_dict": _state(), "d": {"x": torch.ones(1)}}
    assert _loads(content, path) == [
        f"'{path}' holds tensors under 'model_ema', 'state_dict', 'd'; those under 'state_dict' are taken"
    ]


def test_unknown_names_that_hold_weights_are_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "gan.pth"
    with pytest.raises(
        WeightsError, match=r"holds tensors under 'painter', 'critic', none of which is .*\['painter'\]"
    ):
        _loads({"epoch": 3, "painter": _state(), "critic": _state()}, path)
    itself: dict[str, Any] = {"step": 1}
    itself["model"] = {"net": itself}
    with pytest.raises(WeightsError, match="expected tensors by name"):
        _loads(itself, path)


def test_what_torch_allows_to_lack_may_lack(tmp_path: Path) -> None:
    old = {name: values for name, values in _state().items() if "num_batches_tracked" not in name}
    assert _loads(old, tmp_path / "net.pth") == []  # as in torch before 0.4.1
    once = {name: values for name, values in _ahead("model.", old).items() if name != "model.again.weight"}
    assert _loads(once, tmp_path / "net.pth") != []
    without = {name: values for name, values in _state().items() if name != "bn.running_mean"}
    with pytest.raises(WeightsError, match=r"1 missing: bn.running_mean \(4\); 19 matched\. Build"):
        _loads(without, tmp_path / "net.pth")


def test_normalizations_of_one_row_are_reshaped_and_told(tmp_path: Path) -> None:
    path = tmp_path / "bn_inception.pth"
    rows = {
        name: values[None] if name.startswith("bn.") and values.ndim else values for name, values in _state().items()
    }
    (note,) = _loads({"state_dict": _ahead("module.", rows)}, path)
    assert note == (
        f"weights of '{path}': 'module.' taken off names; 4 reshaped: bn.weight, bn.bias, bn.running_mean, ..."
    )


def test_names_that_torch_itself_translates_are_taken(tmp_path: Path) -> None:
    module, other = (nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)) for _ in range(2))
    weights = {"bias": module.bias.data, "weight_g": torch.rand(2, 1), "weight_v": torch.rand(2, 3)}
    _loads(weights, tmp_path / "net.pt", other)
    module.load_state_dict(weights)
    assert weights_hash(other) == weights_hash(module)


def test_lazy_layers_get_their_size_from_the_file(tmp_path: Path) -> None:
    module = nn.LazyLinear(5)
    _loads(nn.Linear(7, 5).state_dict(), tmp_path / "net.pt", module)
    assert module.weight.shape == (5, 7)
    with pytest.raises(WeightsError, match=r"1 missing: weight \(any size\)"):
        _loads({"bias": torch.zeros(5)}, tmp_path / "net.pt", nn.LazyLinear(5))


def test_a_module_that_cannot_be_copied_is_checked_by_names_and_shapes(tmp_path: Path) -> None:
    class Locked(Net):
        def __deepcopy__(self, _memo: object) -> "Locked":
            raise TypeError("cannot be copied")

    module = Locked(1)
    _loads(_ahead("module.", _state()), tmp_path / "net.pt", module)
    assert weights_hash(module) == weights_hash(Net())
    with pytest.raises(WeightsError, match=r"1 missing: fc\.bias"):
        _loads({name: values for name, values in _state().items() if name != "fc.bias"}, tmp_path / "net.pt", module)


def test_numbers_are_not_cut_to_whole_ones(tmp_path: Path) -> None:
    halves = {name: values.half() for name, values in _state().items()}
    _loads(halves, tmp_path / "net.pt", Net(1))  # num_batches_tracked, too, is a whole number
    halves["bn.num_batches_tracked"] = torch.tensor(0.5)
    with pytest.raises(
        WeightsError, match=r"wrongly shaped: bn.num_batches_tracked \(one number\) instead of \(one num"
    ):
        _loads(halves, tmp_path / "net.pt", Net(1))


def test_a_part_is_taken_only_when_asked_and_what_matched_is_told(tmp_path: Path) -> None:
    path, module = tmp_path / "net.ckpt", Net(1)
    before = weights_hash(module)
    state = {**_ahead("backbone.", _state()), "head.weight": torch.zeros(2, 2)}
    del state["backbone.fc.bias"]
    with pytest.raises(WeightsError) as caught:
        _loads(state, path, module)
    assert str(caught.value) == (
        f"'{path}' does not fit this Net: 1 missing: fc.bias (5); 1 unexpected: head.weight (2 x 2); "
        "19 matched ('backbone.' taken off names). Build the network with the options that these weights were made "
        "with, or take those that match by strict=False."
    )
    assert weights_hash(module) == before
    assert _loads(state, path, module, strict=False) == [f"weights of '{path}': 'backbone.' taken off names"]
    assert module.conv.weight.equal(Net().conv.weight)


@pytest.mark.parametrize("zipped", [True, False])
def test_arguments_beside_the_weights_are_no_code(tmp_path: Path, zipped: bool) -> None:
    path, other = tmp_path / "net.pth", Net(1)
    content = {"model": _state(), "args": argparse.Namespace(lr=0.1, name="x")}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    load_weights(other, path)
    assert weights_hash(other) == weights_hash(Net())


class Evil:
    """Leaves a mark when it is read as Python."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch '{self.mark}'",))


def _tar(path: Path) -> None:
    inner = path.with_name("inner.pth")
    torch.save(_state(), inner)
    with tarfile.open(path, "w") as file:
        file.add(inner, "inner.pth")


def _scripted(path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), str(path))


STRANGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "module": (lambda path: torch.save(Net(), path), r"asks for [\w.]+Net, which .* `torch.save\(torch.load\(FILE, "),
    "old": (lambda path: torch.save(Net(), path, _use_new_zipfile_serialization=False), r"refused, nothing was run"),
    "evil": (
        lambda path: torch.save({"model": argparse.Namespace(x=Evil(path.with_name("mark")))}, path),
        r"asks for \w+\.system",
    ),
    "script": (_scripted, r"TorchScript archive.*torch.jit.load\(FILE\).state_dict\(\), NEW"),
    "tar": (_tar, "is a tar archive; unpack it"),
    "gzip": (lambda path: path.write_bytes(gzip.compress(b"x")), "compressed by gzip; unpack it"),
    "keras": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "is an HDF5 file, as Keras"),
    "plain": (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "expected tensors by name|damaged"),
    "fifo": (os.mkfifo, "cannot read weights from '.*': it is a FIFO"),
    "folder": (lambda path: path.mkdir(), "cannot read weights from '.*': it is a folder; give a file in it"),
}


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("suffix", [".pth", ".bin"])
def test_files_that_hold_no_state_dict_are_named_with_what_to_do(tmp_path: Path, name: str, suffix: str) -> None:
    write, said = STRANGE[name]
    path = tmp_path / f"{name}{suffix}"
    write(path)
    with pytest.raises(WeightsError, match=said) as caught:
        load_weights(Net(), path)
    assert "\n" not in str(caught.value) and not (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors", "net"])
def test_the_content_counts_and_not_the_suffix(tmp_path: Path, name: str) -> None:
    torch.save(_state(), tmp_path / name)
    assert set(read_tensors(tmp_path / name)) == set(_state())
    safetensors.torch.save_file({"a": torch.ones(2)}, tmp_path / name)
    assert read_tensors(tmp_path / name)["a"].equal(torch.ones(2))


WORDS = st.text("abmodule_1.", min_size=1, max_size=8).map(lambda text: text.strip(".") or "a")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    prefix=st.lists(WORDS, max_size=3).map(lambda words: "".join(word + "." for word in words)),
    container=st.lists(st.sampled_from((*CONTAINERS, "strange")), max_size=3),
    suffix=st.sampled_from(SUFFIXES),
    zipped=st.booleans(),
    lacking=st.sets(st.sampled_from(sorted(_state())), max_size=2),
    rows=st.booleans(),
)
def test_weights_load_equal_or_are_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory,
    prefix: str,
    container: list[str],
    suffix: str,
    zipped: bool,
    lacking: set[str],
    rows: bool,
) -> None:
    path, other = tmp_path_factory.mktemp("weights") / f"net{suffix}", Net(1)
    before, right = weights_hash(other), weights_hash(Net())
    content: Any = _ahead(prefix, {name: values for name, values in _state().items() if name not in lacking})
    if rows:
        content = {name: values[None] if name.endswith("running_var") else values for name, values in content.items()}
    for name in container:
        content = {"epoch": 3, name: content}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    optional = {name for name in _state() if name.endswith("num_batches_tracked")}
    tied = {"fc.weight", "again.weight"}
    whole = not lacking - optional - tied and not tied <= lacking
    if whole and "strange" not in container:
        load_weights(other, path)
        assert weights_hash(other) == right
        return
    with pytest.raises(WeightsError) as caught:
        load_weights(other, path)
    assert "\n" not in str(caught.value) and weights_hash(other) == before
