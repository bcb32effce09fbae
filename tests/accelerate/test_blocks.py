"""What follows a convolution is part of its block where nothing else takes what comes in between."""

import torch
from torch import Tensor, nn

from marey.accelerate.blocks import Block, blocks_of


def _blocks(module: nn.Module, *kept: str, channels: int = 3) -> list[Block]:
    return blocks_of(lambda: module.eval()(torch.rand(1, channels, 8, 8)), module, kept=kept)


def test_normalization_and_relu_belong_to_the_convolution_before_them() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 1)
    )
    assert _blocks(module) == [Block("0", "1", "2"), Block("3", None, "4", before="0"), Block("5", before="3")]


def test_so_does_a_pooling_after_the_relu_and_none_after_anything_else() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 1), nn.MaxPool2d(2))
    assert _blocks(module) == [Block("0", None, "1", "2"), Block("3", before="0")]
    assert _blocks(module, "1") == [Block("0", None, "1"), Block("3")]


def test_a_block_whose_outcome_something_else_takes_too_comes_before_none() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Sigmoid(), nn.Conv2d(4, 4, 1))
    assert _blocks(module) == [Block("0", None, "1"), Block("3")]
    module = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.Conv2d(4, 4, 1))
    assert _blocks(module) == [Block("0.0", None, "0.1"), Block("1", before="0.0")]
    assert _blocks(module, "0") == [Block("0.0", None, "0.1"), Block("1")]


def test_a_layer_that_is_asked_for_ends_its_block() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    assert _blocks(module, "0") == [Block("0")]
    assert _blocks(module, "1") == [Block("0", "1")]
    assert _blocks(module, "2") == [Block("0", "1", "2")]


def test_so_does_a_part_whose_last_layer_it_is() -> None:
    module = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3)), nn.ReLU())
    assert _blocks(module, "0") == [Block("0.0")]
    assert _blocks(module) == [Block("0.0", None, "1")]


class _Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.relu = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3), nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.relu(self.second(self.relu(self.first(images))))
        return maps


class _Fork(_Shared):
    def __init__(self) -> None:
        super().__init__()
        self.third = nn.Conv2d(3, 3, 3)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.first(images)
        both: Tensor = self.relu(maps).sum() + self.third(maps).sum() + self.second(images).sum()
        return both


def test_a_relu_that_is_called_twice_belongs_to_none() -> None:
    assert _blocks(_Shared()) == [Block("first"), Block("second")]


def test_what_two_modules_take_is_kept() -> None:
    assert _blocks(_Fork()) == [Block("first"), Block("third"), Block("second")]


def test_what_is_hooked_is_kept_and_so_is_a_norm_without_statistics() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())
    handle = module.get_submodule("1").register_forward_hook(lambda *_: None)
    assert _blocks(module) == [Block("0"), Block("2", None, "3")]
    handle.remove()
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.ReLU())
    assert _blocks(module) == [Block("0")]
