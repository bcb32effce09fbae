"""What the tests share: real clips and accelerators where there are any, and networks that must stay as they were."""

import importlib.util
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import HealthCheck, settings
from torch import Tensor, nn

if TYPE_CHECKING:
    from marey.network.network import Network
    from marey.training.fit import Trained
    from marey.training.settings import Settings

# Repeatable, and without a time limit per example: on a busy machine that would test the machine.
settings.register_profile("marey", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("marey")

HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked `gpu` where there is no accelerator."""
    if item.get_closest_marker("gpu") is not None and not torch.cuda.is_available():
        pytest.skip("needs an accelerator that torch can use")


@pytest.fixture(scope="session")
def real_clips() -> Path:
    """The folder of real clips that MAREY_DATA names (weizmann, ut_interaction, ucf101_samples inside)."""
    folder = os.environ.get("MAREY_DATA")
    if not folder:
        pytest.skip("MAREY_DATA is not set: set it to a folder with weizmann, ut_interaction and ucf101_samples")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"MAREY_DATA is set to '{folder}', which is no folder")
    return path


def _state(module: nn.Module) -> dict[str, object]:
    """All that a visitor could leave changed, except the values of tensors."""
    state: dict[str, object] = {}
    for name, part in module.named_modules():
        state[f"{name or 'the network'} hooks"] = {kind: tuple(getattr(part, kind)) for kind in HOOKS}
        state[f"{name or 'the network'} training"] = part.training
        state[f"{name or 'the network'} settings"] = part.extra_repr()
        state[f"{name or 'the network'} forward"] = part.__dict__.get("forward")
    for name, parameter in module.named_parameters():
        state[f"{name} requires_grad"] = parameter.requires_grad
        state[f"{name} grad"] = None if parameter.grad is None else id(parameter.grad)
        state[f"{name} hooks"] = tuple(parameter._backward_hooks or ())
    return state


@contextmanager
def _left_as_found(module: nn.Module) -> Iterator[None]:
    before = _state(module)
    tensors = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
    try:
        yield
    finally:
        after = _state(module)
        changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
        assert not changed, f"left changed: {sorted(changed)}"
        now = module.state_dict()
        assert list(now) == list(tensors)
        moved = [
            name
            for name, tensor in tensors.items()
            if now[name].dtype != tensor.dtype
            or now[name].device != tensor.device
            or not torch.equal(now[name].nan_to_num(), tensor.nan_to_num())
        ]
        assert not moved, f"weights or buffers changed: {moved}"


@pytest.fixture(scope="session")
def left_as_found() -> Callable[[nn.Module], AbstractContextManager[None]]:
    """`with left_as_found(module):` fails unless hooks, mode, gradients, settings and weights are the same afterwards.

    Also when the block raises, so that it can stand inside `pytest.raises`.
    """
    return _left_as_found


def _beside(name: str) -> ModuleType:
    """The module of this name beside this file."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def known() -> ModuleType:
    """The module `known_networks.py`: networks with hand-set weights whose preferred input is known."""
    return _beside("known_networks")


@pytest.fixture(scope="session")
def token_networks() -> ModuleType:
    """Small video transformers, see tests/token_networks.py."""
    return _beside("token_networks")


@pytest.fixture(scope="session")
def known_rgb() -> ModuleType:
    """The module `known_rgb.py`: networks that see RGB alone and whose motion is known."""
    return _beside("known_rgb")


@pytest.fixture(scope="session")
def moving_shapes() -> ModuleType:
    """The module `moving_shapes.py`: small clips that a tiny network learns within seconds."""
    return _beside("moving_shapes")


@pytest.fixture(scope="session")
def shapes(moving_shapes: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of class folders: 48 clips of moving shapes by 4 people, 32 px and 9 frames; flow is cached beside."""
    place = tmp_path_factory.mktemp("shapes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAREY_CACHE", str(place / "cache"))
        yield moving_shapes.write_moving_shapes(place / "clips", people=4, takes=2, size=32, frames=9)


@pytest.fixture(scope="session")
def tiny_settings() -> "Settings":
    """A network small enough to train within seconds."""
    from marey.training.augmentation import Augmentation
    from marey.training.settings import Settings

    return Settings(
        size=32,
        width=1 / 16,
        frames=2,
        stack=3,
        step=3,
        fc=16,
        dropout=0.1,
        tower_steps=50,
        fusion_steps=20,
        batch=12,
        fusion_batch=12,
        learning_rate=1e-2,
        look=10,
        arithmetic="float32",  # the same weights on every machine
        flow="dis",
        augmentation=Augmentation(flip=0.0),
    )


@pytest.fixture(scope="session")
def trained(
    shapes: Path, tiny_settings: "Settings", tmp_path_factory: pytest.TempPathFactory
) -> "tuple[Path, Trained]":
    """A tiny network trained on the moving shapes, person0 held out: its file, and what `train` returned."""
    from marey.datasets import class_folders, grouped_split
    from marey.training.fit import train

    path = tmp_path_factory.mktemp("trained") / "tiny.safetensors"
    split = grouped_split(class_folders(shapes), held_out=["person0"])
    return path, train(split, path, settings=tiny_settings, name="shapes")


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c_interrupts() -> Iterator[None]:
    """Ctrl-C works in the tests where the shell has switched it off, as for commands in the background."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class TwoStreams(nn.Module):
    """A small two-stream network with class scores."""

    def __init__(self) -> None:
        super().__init__()
        self.rgb, self.flow = nn.Conv3d(3, 4, (1, 3, 3), padding=(0, 1, 1)), nn.Conv3d(2, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.fuse = nn.Conv3d(8, 6, (1, 3, 3), padding=(0, 1, 1))
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Conv3d(6, 3, 1)

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        seen = self.relu(self.rgb(rgb)).expand(-1, -1, flow.shape[2], -1, -1)
        out: Tensor = self.fc(self.pool(self.relu(self.fuse(torch.cat([seen, self.relu(self.flow(flow))], 1)))))
        return out


@pytest.fixture
def network() -> "Network":
    """A small two-stream network of random weights, with three classes."""
    from marey.network.network import Network
    from marey.network.stream import Stream, rgb_frames

    torch.manual_seed(0)
    flow = Stream("flow", "flow", times=(0, 1, 2, 3), height=10, width=10)
    return Network(TwoStreams(), [rgb_frames(1, size=10), flow], classes=("run", "jack", "bend"))
