"""The command line, run in this process."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from marey.cli import run
from marey.training.fit import Trained


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it wrote on standard output and standard error."""

    status: int
    out: str
    err: str


@pytest.fixture
def marey(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """`marey("layers", net)` runs that command line, which does not say what it is at, however long it takes."""
    monkeypatch.setattr("marey.cli.progress.FIRST_SECONDS", 3600.0)

    def call(*words: object) -> Said:
        capsys.readouterr()
        status = run([str(word) for word in words])
        found = capsys.readouterr()
        assert "Traceback" not in found.err
        return Said(status, found.out, found.err)

    return call


@pytest.fixture
def net(trained: tuple[Path, Trained], tmp_path: Path) -> Path:
    """A copy of the tiny trained network."""
    path = tmp_path / "net.safetensors"
    shutil.copy(trained[0], path)
    return path


@pytest.fixture
def own(tmp_path: Path) -> str:
    """A network of the user's own, as file.py:function."""
    (tmp_path / "own.py").write_text(
        "import torch\nimport marey\n\n"
        "def network():\n"
        "    torch.manual_seed(0)\n"
        "    layers = [torch.nn.Conv3d(3, 4, (1, 3, 3)), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool3d(1)]\n"
        "    return marey.Network(torch.nn.Sequential(*layers), [marey.rgb_frames(3, size=16)], name='own')\n"
    )
    return f"{tmp_path / 'own.py'}:network"
