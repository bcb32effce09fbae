"""Weights by name: only files that fit are copied, and no code in them is ever run."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from marey.errors import WeightsError
from marey.families.network_file import NetworkFile, open_network, save
from marey.families.two_stream import TwoStream
from marey.families.weight_files import read_tensors
from marey.families.weights import load_weights, weights_hash


def small(seed: int = 0, **options: Any) -> TwoStream:
    torch.manual_seed(seed)
    given_options = {"size": 32, "width": 1 / 16, "frames": 2, "stack": 3, "step": 2} | options
    return TwoStream(3, **given_options).eval()


def small_file(folder: Path) -> Path:
    path = folder / "net.safetensors"
    module = small()
    save(NetworkFile(module, module.input_streams(), ("bend", "jack", "wave")), path)
    return path


class RunsCode:
    """A pickle that leaves a mark when it is read as Python."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch '{self.mark}'",))


def test_the_hash_belongs_to_the_values_and_not_to_the_file(tmp_path: Path) -> None:
    module = small()
    first = weights_hash(module)
    assert weights_hash(small()) == first != weights_hash(small(seed=1))
    save(NetworkFile(module, (), ("a", "b", "c")), tmp_path / "net.safetensors")
    torch.save({"state_dict": module.state_dict()}, tmp_path / "net.pt")
    for name in ("net.safetensors", "net.pt"):
        other = small(seed=1)
        load_weights(other, tmp_path / name)
        assert weights_hash(other) == first
    assert weights_hash(module.double()) != first
    with torch.no_grad():
        module.float().get_submodule("rgb.conv1_1").weight[0, 0, 0, 0] += 1e-6
    assert weights_hash(module) != first


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "optimizer": {}},
        lambda state: {"state_dict": {f"module.{name}": values for name, values in state.items()}},
        lambda state: OrderedDict((f"_orig_mod.module.{name}", values) for name, values in state.items()),
    ],
)
def test_wrappers_of_training_programs_are_taken_off(tmp_path: Path, wrapped: Any) -> None:
    module, other = small(), small(seed=1)
    torch.save(wrapped(module.state_dict()), tmp_path / "net.pth")
    assert set(load_weights(other, tmp_path / "net.pth")) == set(module.state_dict())
    assert weights_hash(other) == weights_hash(module)


def test_a_tower_starts_from_a_single_stream_network(tmp_path: Path) -> None:
    single, fused = small(seed=1, streams=("rgb",)), small()
    motion, fc6 = fused.flow.conv1_1.weight.clone(), fused.fc6.weight.clone()
    save(NetworkFile(single, single.input_streams()), tmp_path / "rgb.safetensors")
    loaded = load_weights(fused, tmp_path / "rgb.safetensors", strict=False)
    assert len(loaded) == 26 and all(name.startswith("rgb.conv") for name in loaded)
    assert torch.equal(fused.rgb.conv5_3.weight, single.rgb.conv5_3.weight)
    assert torch.equal(fused.flow.conv1_1.weight, motion) and torch.equal(fused.fc6.weight, fc6)
    renamed = {f"x{name}": values for name, values in single.rgb.state_dict().items() if name.startswith("conv")}
    torch.save(renamed, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match="none of its 26 tensors is in the network"):
        load_weights(fused, tmp_path / "other.pt", strict=False)


def test_a_pickle_with_code_is_refused_and_the_code_not_run(tmp_path: Path) -> None:
    module, mark = small(), tmp_path / "mark"
    before = weights_hash(module)
    torch.save({"state_dict": module.state_dict(), "extra": RunsCode(mark)}, tmp_path / "torch.pt")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(RunsCode(mark), protocol=2))
    for name in ("torch.pt", "plain.pth"):
        with pytest.raises(WeightsError, match=rf"{name}' is a pickle that asks for \w+\.system.*refused") as caught:
            load_weights(module, tmp_path / name)
        assert "\n" not in str(caught.value) and ".safetensors" in str(caught.value)
        assert not mark.exists()
    torch.load(tmp_path / "torch.pt", weights_only=False)
    assert mark.exists()  # the trap works: it is marey that did not step into it
    assert weights_hash(module) == before


def test_a_file_that_does_not_fit_is_refused_with_the_first_reasons_and_changes_nothing(tmp_path: Path) -> None:
    module = small()
    before = weights_hash(module)
    state = {name: values + 1 for name, values in module.state_dict().items()}
    for name in ("fc6.weight", "fc6.bias", "fc7.weight", "fc7.bias"):
        del state[name]
    state |= {"flow.conv1_1.weight": torch.zeros(8, 20, 3, 3), "classifier.weight": torch.zeros(2, 3)}
    safetensors.torch.save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError) as caught:
        load_weights(module, tmp_path / "other.safetensors")
    assert str(caught.value) == (
        f"'{tmp_path / 'other.safetensors'}' does not fit this TwoStream: "
        "1 wrongly shaped: flow.conv1_1.weight (8 x 20 x 3 x 3) instead of (8 x 6 x 3 x 3); "
        "4 missing: fc6.weight (256 x 32), fc6.bias (256), fc7.weight (256 x 256), ...; "
        "1 unexpected: classifier.weight (2 x 3); 55 matched. "
        "Build the network with the options that these weights were made with."
    )
    assert weights_hash(module) == before


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_a_truncated_file_is_refused(tmp_path: Path, kind: str, share: float) -> None:
    path = small_file(tmp_path)
    if kind == "pt":
        path = tmp_path / "net.pt"
        torch.save(small().state_dict(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match=r"net.*take another copy"):
        read_tensors(path)
    if kind == "safetensors":
        with pytest.raises(WeightsError, match="take another copy"):
            open_network(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth"])
def test_a_file_of_anything_else_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"net{suffix}"
    for content in (b"", b"these are not weights\n" * 20, bytes(range(256)) * 50):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=r"'.*net.*take another copy"):
            load_weights(small(), path)
    path.unlink()
    with pytest.raises(WeightsError, match=r"no file of weights at '.*net"):
        load_weights(small(), path)
    path.mkdir()
    with pytest.raises(WeightsError, match="cannot read weights from"):
        load_weights(small(), path)


def test_a_pickle_of_other_things_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    for content, message in (
        ([torch.zeros(1)], "holds list; expected tensors by name"),
        ({}, "holds dict; expected tensors by name"),
        ({"a": torch.zeros(1), "b": 3}, "holds int as 'b'; expected tensors by name"),
        ({"state_dict": {1: torch.zeros(1)}}, "expected tensors by name"),
    ):
        torch.save(content, path)
        with pytest.raises(WeightsError, match=message):
            load_weights(small(), path)
