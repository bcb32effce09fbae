"""The folder says in which order it is read, and names every file."""

import re
from pathlib import Path

import marey.findings

WORDS_OF_ANSWERS = ("_told", "_tables", "_report", "explanation")


def test_every_file_is_in_the_index() -> None:
    named = set(re.findall(r"\w+", marey.findings.__doc__ or ""))
    files = {path.stem for path in Path(marey.findings.__file__).parent.glob("*.py")} - {"__init__"}
    assert {name for name in files - named if not name.endswith(WORDS_OF_ANSWERS)} == set()
