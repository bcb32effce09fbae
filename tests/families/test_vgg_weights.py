"""ImageNet weights: each published layer goes to its place in both towers, from a file that is what it says."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from marey.errors import NetworkError, WeightsError
from marey.families.towers import BLOCKS
from marey.families.two_stream import TwoStream
from marey.families.vgg_weights import load_vgg, motion_filters, published_norm
from marey.families.weights import weights_hash


def published_vgg(*, norm: bool = False, fc: int = 64) -> dict[str, Tensor]:
    """A VGG-16 with torchvision's names: tensors of the n-th convolution are n, those of its normalization n + 0.5."""
    tensors: dict[str, Tensor] = {}
    number, layer, channels = 0, 0, 3
    for block in BLOCKS:
        for units in block:
            layer += 1
            tensors[f"features.{number}.weight"] = torch.full((units, channels, 3, 3), float(layer))
            tensors[f"features.{number}.bias"] = torch.full((units,), float(layer))
            if norm:
                for name in ("weight", "bias", "running_mean", "running_var"):
                    tensors[f"features.{number + 1}.{name}"] = torch.full((units,), layer + 0.5)
                tensors[f"features.{number + 1}.num_batches_tracked"] = torch.tensor(0)
            number += 3 if norm else 2
            channels = units
        number += 1
    tensors["features.0.weight"] = torch.rand(64, 3, 3, 3)
    tensors |= {"classifier.0.weight": torch.full((fc, 512), 6.0), "classifier.0.bias": torch.full((fc,), 6.0)}
    tensors |= {"classifier.3.weight": torch.full((fc, fc), 7.0), "classifier.3.bias": torch.full((fc,), 7.0)}
    return tensors | {"classifier.6.weight": torch.zeros(1000, fc), "classifier.6.bias": torch.zeros(1000)}


def full_width(**options: Any) -> TwoStream:
    given = {"size": 32, "frames": 2, "stack": 5, "fc": 64} | options
    with torch.device("meta"):
        network = TwoStream(3, **given)
    network = network.to_empty(device="cpu")
    for values in network.state_dict().values():
        values.zero_()
    return network


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "vgg.pth"
    torch.save(published_vgg(), path)
    return path


@pytest.fixture(scope="module")
def vgg_bn_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "vgg_bn.pth"
    torch.save(published_vgg(norm=True), path)
    return path


def numbers(network: TwoStream, tower: str) -> dict[str, float]:
    """The one value of every bias in a tower."""
    biases = {name: values for name, values in network.get_submodule(tower).named_parameters() if name.endswith("bias")}
    assert all((values == values[0]).all() for values in biases.values())
    return {name.removesuffix(".bias"): values[0].item() for name, values in biases.items() if name.startswith("conv")}


def test_every_layer_goes_to_its_place_in_both_towers(vgg_file: Path) -> None:
    network = full_width()
    names = load_vgg(network, vgg_file)
    for tower in ("rgb", "flow"):
        assert list(numbers(network, tower).values()) == [float(layer) for layer in range(1, 14)]
    assert len(names) == 2 * 13 + 2
    assert torch.equal(network.rgb.conv1_1.weight, torch.load(vgg_file, weights_only=True)["features.0.weight"])
    assert network.fc6.weight.unique().tolist() == [6.0] and network.fc7.bias.unique().tolist() == [7.0]
    assert network.fusion.conv5.weight.abs().max() == network.scores.weight.abs().max() == 0  # as they were


@pytest.mark.parametrize("prefix", ["module.", "backbone."])
def test_what_programs_put_in_front_of_the_names_is_taken_off(vgg_file: Path, tmp_path: Path, prefix: str) -> None:
    tensors = torch.load(vgg_file, weights_only=True)
    torch.save({"state_dict": {prefix + name: values for name, values in tensors.items()}}, tmp_path / "vgg.ckpt")
    one, other = full_width(), full_width()
    assert published_norm(tmp_path / "vgg.ckpt") == "none"
    assert load_vgg(one, tmp_path / "vgg.ckpt") == load_vgg(other, vgg_file)
    assert weights_hash(one) == weights_hash(other)


def test_a_signal_alike_in_all_channels_excites_the_first_motion_layer_as_it_does_the_image_layer(
    vgg_file: Path,
) -> None:
    network = full_width()
    load_vgg(network, vgg_file)
    gray = torch.rand(1, 1, 1, 8, 8)
    image = network.rgb.conv1_1(gray[:, :, 0].expand(1, 3, 8, 8))
    motion = network.flow.conv1_1(gray[:, :, 0].expand(1, 10, 8, 8))
    torch.testing.assert_close(motion, image)
    filters = torch.rand(4, 3, 3, 3)
    obvious = torch.stack([filters.mean(1)] * 20, dim=1) * 3 / 20
    torch.testing.assert_close(motion_filters(filters, 20), obvious)


def test_layers_above_an_early_fusion_are_set_too(vgg_file: Path) -> None:
    network = full_width(fusion="conv3")
    load_vgg(network, vgg_file)
    assert list(numbers(network, "rgb").values()) == [float(layer) for layer in range(1, 8)]
    assert numbers(network, "fused") == {
        f"conv{block}_{place}": float(7 + 3 * (block - 4) + place) for block in (4, 5) for place in (1, 2, 3)
    }


def test_a_network_with_batch_normalization_takes_all_of_it(vgg_bn_file: Path) -> None:
    network = full_width(norm="batch", streams=("flow",))
    load_vgg(network, vgg_bn_file)
    assert list(numbers(network, "flow").values()) == [float(layer) for layer in range(1, 14)]
    for part in ("weight", "bias", "running_mean", "running_var"):
        assert getattr(network.flow.norm1_1, part).unique().tolist() == [1.5]
        assert getattr(network.flow.norm5_3, part).unique().tolist() == [13.5]
    assert network.flow.fc6.weight.unique().tolist() == [6.0]


def test_classifier_layers_of_another_size_keep_their_own_weights(vgg_file: Path) -> None:
    network = full_width(fc=32)
    assert not {"fc6", "fc7"} & set(load_vgg(network, vgg_file))
    assert network.fc6.weight.abs().max() == 0


def test_the_file_must_be_the_published_one(vgg_file: Path, tmp_path: Path) -> None:
    network = full_width(streams=("rgb",))
    digest = hashlib.sha256(vgg_file.read_bytes()).hexdigest()
    named = tmp_path / f"vgg16-{digest[:8]}.pth"
    named.symlink_to(vgg_file)
    assert load_vgg(network, named) and load_vgg(network, vgg_file, sha256=digest.upper())
    before = weights_hash(network)
    wrong = tmp_path / "vgg16-397923af.pth"
    wrong.symlink_to(vgg_file)
    with pytest.raises(WeightsError, match=f"has SHA-256 {digest}, its name says 397923af; download it again"):
        load_vgg(network, wrong)
    with pytest.raises(WeightsError, match=f"has SHA-256 {digest}, expected 00"):
        load_vgg(network, vgg_file, sha256="00" * 32)
    with pytest.raises(WeightsError, match="no file of weights at"):
        load_vgg(network, tmp_path / "vgg16-12345678.pth")
    assert weights_hash(network) == before


def test_a_network_that_the_file_does_not_fit_is_left_as_it_was(
    vgg_file: Path, vgg_bn_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        NetworkError, match=r"the network has width 0\.5, but ImageNet weights of VGG-16 fit width 1 only"
    ):
        load_vgg(TwoStream(3, size=32, width=0.5), vgg_file)
    plain, normalized = full_width(streams=("rgb",)), full_width(streams=("rgb",), norm="batch")
    with pytest.raises(
        WeightsError,
        match=r'has 13 convolutions and 13 normalizations .* norm="none" starts from 13 and 0, as in .*vgg16-397923af',
    ):
        load_vgg(plain, vgg_bn_file)
    with pytest.raises(
        WeightsError, match=r'norm="batch" starts from 13 and 13, as in torchvision\'s vgg16_bn-6c64b313'
    ):
        load_vgg(normalized, vgg_file)
    tensors = published_vgg()
    del tensors["features.5.bias"]
    torch.save(tensors, tmp_path / "vgg.pth")
    with pytest.raises(WeightsError, match=r"is no whole VGG-16: features\.5\.bias is missing"):
        load_vgg(plain, tmp_path / "vgg.pth")
    torch.save(published_vgg() | {"features.28.weight": torch.zeros(512, 256, 3, 3)}, tmp_path / "vgg.pth")
    with pytest.raises(WeightsError, match=r"its weight for rgb\.conv5_3 has shape \(512, 256, 3, 3\), expected"):
        load_vgg(plain, tmp_path / "vgg.pth")
    assert all(values.abs().max() == 0 for network in (plain, normalized) for values in network.parameters())
