"""Memory that is freed stays with the process that asked for that, and is not cleared anew."""

import os
import platform
import subprocess
import sys

import pytest

_SCRIPT = """
import resource
import torch
from marey.accelerate.allocator import keep_freed_memory

print(keep_freed_memory())

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range(24):  # where the first few lie is chance
    before = faults()
    torch.ones(2**24)
    new = faults() - before
print(new)
"""


def _kept(**environment: str) -> tuple[str, int]:
    """Whether the process could ask, and the pages that the system gave it for 64 MiB that it had before."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    asked, faults = done.stdout.split()
    return asked, int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_the_same_memory_is_used_again() -> None:
    asked, faults = _kept()
    assert asked == "True"
    assert faults < 100


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_what_the_environment_says_stays() -> None:
    asked, faults = _kept(MALLOC_TOP_PAD_="131072")
    assert asked == "False"
    assert faults > 100


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
@pytest.mark.parametrize(("said", "pool"), [({}, "system"), ({"ARROW_DEFAULT_MEMORY_POOL": "mimalloc"}, "mimalloc")])
def test_arrow_takes_its_memory_from_there(said: dict[str, str], pool: str) -> None:
    script = (
        "from marey.cli import main\nimport sys\nassert 'pyarrow' not in sys.modules\n"
        "from marey.accelerate.allocator import keep_freed_memory\nkeep_freed_memory()\n"
        "import pyarrow\nprint(pyarrow.default_memory_pool().backend_name)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"} | said
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == [pool]
