"""Loops are compiled where that is possible, and torch does without them where it is not."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from marey.accelerate.compiled import compiled, shared


def _double(values: Any) -> None:
    for place in range(len(values)):
        values[place] *= 2


def test_a_numba_that_does_not_go_with_this_numpy_is_as_none() -> None:
    script = (
        "import sys\n"
        "class Refused:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'numba': raise ImportError('Numba needs another NumPy')\n"
        "sys.meta_path.insert(0, Refused())\n"
        "from marey.accelerate.compiled import compiled, numba_version\n"
        "from marey.recording.kernels import kernels\n"
        "import torch\n"
        "from marey.accelerate.measures import Limits, projected_with_priors\n"
        "frames = torch.ones(1, 2, 1, 2, 2, requires_grad=True)\n"
        "inside, priors = projected_with_priors(frames, Limits(1.0, -1.0, 1.0), torch.ones(3, 1), exponent=3.0)\n"
        "print(numba_version(), compiled(print), kernels(), round(float(priors.total.detach()), 3))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "None", "None", "1.0"]


def test_where_nothing_can_be_kept_it_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    numba = pytest.importorskip("numba", exc_type=ImportError)
    njit = numba.njit

    def refusing(*, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr("marey.accelerate.compiled._numba", lambda: SimpleNamespace(njit=refusing))
    loops = compiled(_double)
    assert loops is not None
    values = np.ones(3)
    loops(values)
    assert values.tolist() == [2, 2, 2]


@pytest.mark.parametrize(("threads", "values"), [(1, 10**9), (2, 10**9), (3, 10**9), (40, 10**9), (3, 10)])
def test_all_parts_are_done_once_and_in_order(threads: int, values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    spans = shared(lambda start, stop: (start, stop), 10, values)
    assert len(spans) == (min(threads, 10) if values > 10 else 1)
    assert [place for start, stop in spans for place in range(start, stop)] == list(range(10))


def test_what_goes_wrong_in_a_part_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)

    def part(start: int, stop: int) -> None:
        if start > 0:
            raise ValueError("of the second")

    with pytest.raises(ValueError, match="of the second"):
        shared(part, 10, 10**9)


def test_a_forked_process_has_helpers_of_its_own() -> None:
    script = (
        "import os\n"
        "from marey.accelerate import compiled\n"
        "import torch\n"
        "torch.get_num_threads = lambda: 2\n"
        "ask = lambda: compiled.shared(lambda start, stop: stop - start, 10, 10**9)\n"
        "assert ask() == [5, 5]\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if ask() == [5, 5] else 1)\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["0"]
