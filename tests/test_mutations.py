"""Files that were changed at random are refused in one line, or read as they were."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "benchmarks" / "mutations"


@pytest.mark.slow
def test_sixty_changed_files_are_refused_in_a_line_or_read_as_they_were() -> None:
    # in a process of its own: it forks for every change, which it may do only where no thread runs
    line = [sys.executable, str(PROGRAM), "--count", "60", "--seed", "7"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "60 mutations" in done.stdout
