"""The reference pages say what the code does: they are written from it, or compared with it."""

import importlib.util
import re
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

import marey

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generated() -> ModuleType:
    """The module docs/generated.py."""
    spec = importlib.util.spec_from_file_location("generated", DOCS / "generated.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["command_line.md", "recipe.md"])
def test_a_page_written_from_the_code_is_up_to_date(page: str, generated: ModuleType) -> None:
    written = (DOCS / "reference" / page).read_text(encoding="utf-8")
    assert written == generated.PAGES[page](), f"{page} is out of date; write it anew with: python docs/generated.py"


def test_every_command_and_option_stands_in_the_reference(generated: ModuleType) -> None:
    import typer

    from marey.cli import app

    page = generated.command_line()
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        (section,) = re.findall(rf"^## marey {name}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
        assert len(re.findall(r"^\| `", section, re.MULTILINE)) == len(command.params)
        assert not re.search(r"\| *\|$", section, re.MULTILINE), f"an option of {name} has no meaning"


def test_every_setting_of_a_recipe_has_a_meaning(generated: ModuleType) -> None:
    page = generated.recipe()
    assert len(re.findall(r"^\| `\w+` \| `.*` \| \S.* \|$", page, re.MULTILINE)) == len(fields(marey.Recipe))


PAGES = [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(DOCS.parent)))
def test_every_command_and_option_that_a_page_names_exists(page: Path) -> None:
    import typer

    from marey.cli import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    known = {
        name: {
            "--help",
            *(option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]),
        }
        for name, command in commands.items()
    }
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    code = "\n".join(re.findall(r"^```.*?^```|^ {4}.*?$|`[^`]+`", text, re.MULTILINE | re.DOTALL))
    shown = re.findall(r"^[` ]*marey ([a-z]+)([^`\n#&|]*)", code, re.MULTILINE)
    wrong = [
        f"marey {command}{rest}"
        for command, rest in shown
        if command not in known or not set(re.findall(r"(?<= )--[a-z][\w-]*", rest)) <= known[command]
    ]
    assert wrong == []


def words() -> set[str]:
    page = (DOCS / "reference" / "glossary.md").read_text(encoding="utf-8")
    return {re.sub(r" \(.*\)", "", word).lower() for word in re.findall(r"^\| ([^|]+?) \|", page, re.MULTILINE)}


def test_the_glossary_has_every_word_of_the_public_interface() -> None:
    names = [name for name in marey.__all__ if name[0].isupper() and name != "MareyError"]
    spelled = {re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower() for name in names}
    assert not spelled - words()


def test_the_glossary_is_sorted_and_says_each_word_once() -> None:
    page = (DOCS / "reference" / "glossary.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| ([^|]+?) \|", page, re.MULTILINE)[1:]
    assert found == sorted(set(found), key=str.lower)


@pytest.mark.parametrize("name", [name for name in marey.__all__ if not name.startswith("_")])
def test_a_public_name_has_a_docstring_of_whole_sentences(name: str) -> None:
    first = (getattr(marey, name).__doc__ or "").strip().split("\n\n")[0]
    assert first.endswith((".", ":"))
