"""On the command line threads that wait for each other sleep soon, unless the environment says what to do."""

import os
import subprocess
import sys

import pytest

from marey.cli.waiting import SPINS, wait_briefly

pytestmark = pytest.mark.slow

_SCRIPT = """
import os, sys
import marey
assert "torch" not in sys.modules, "torch reads its environment when it is loaded"
assert "GOMP_SPINCOUNT" not in os.environ, "a library leaves the process as it is"
import marey.cli
print(os.environ["GOMP_SPINCOUNT"], "torch" in sys.modules)
"""


def test_it_is_asked_for_before_torch_is_loaded() -> None:
    plain = {name: value for name, value in os.environ.items() if "GOMP" not in name and "OMP_WAIT" not in name}
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True, env=plain)
    assert done.stdout.split() == [str(SPINS), "True"]


@pytest.mark.parametrize("said", [{"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "active"}])
def test_what_the_environment_says_is_left(said: dict[str, str]) -> None:
    before = dict(said)
    assert not wait_briefly(said)
    assert said == before


def test_the_package_offers_what_it_names() -> None:
    import marey

    assert all(getattr(marey, name) is not None for name in marey.__all__)
    assert {*marey.__all__, "__version__"} <= {*dir(marey)}
    with pytest.raises(AttributeError, match="module 'marey' has no attribute 'maximise'"):
        _ = marey.maximise
