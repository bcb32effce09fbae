"""What is printed: names of classes, files and layers show as they are, and cannot command the terminal."""

import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from marey.errors import printable


def plain(value: Any) -> Any:
    """Text without markup, and without letters that a terminal obeys; any other value as it is."""
    return Text(printable(value)) if isinstance(value, str) else value


def say(line: object, *, error: bool = False) -> None:
    """Print one line on standard output or standard error."""
    print(printable(str(line)), file=sys.stderr if error else sys.stdout)


class Screen(Console):
    """A console that prints text as `plain`."""

    def print(self, *values: Any, **options: Any) -> None:
        """Print as `Console` does."""
        super().print(*(plain(value) for value in values), **options)


class TextTable(Table):
    """A table whose headings and cells are `plain`."""

    def add_column(self, heading: Any = "", **options: Any) -> None:  # type: ignore[override]
        """Add a column as `Table` does."""
        super().add_column(plain(heading), **options)

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row as `Table` does."""
        super().add_row(*(plain(cell) for cell in cells), **options)


def screen(*, error: bool = False) -> Screen:
    """Standard output, wide enough for whole tables where it is no terminal, or standard error."""
    console = Screen(stderr=error)
    return console if error or console.is_terminal else Screen(width=140)
