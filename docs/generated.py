"""Writes the reference pages that repeat the code, command line and recipe: `python docs/generated.py`."""

import inspect
import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer

from marey.cli import app
from marey.maximization.recipe import Recipe

PLACE = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generated.py: change the code, then run `make docs`. -->"

COMMAND_LINE = """
# Command line

{epilog}

Lists are written with commas: `--slowness 0,1,5,10`, `--layers 'fusion.*,fc6'`. A command that fails prints one line
and exits with 1; with 2 for wrong usage, with 130 after Ctrl-C.

| command | what it does |
|---|---|
{commands}
"""
COMMAND = """
## marey {name}

    {usage}

{text}

| argument or option | default | meaning |
|---|---|---|
{parameters}
"""
RECIPE = """
# Recipe

`marey.Recipe(...)` holds the settings of a maximization that are words and numbers. Every result keeps its own. Priors,
parametrization and transforms are parts of their own: [prior](../howto/own_prior.md),
[parametrization](../howto/own_parametrization.md), [transform](../howto/own_transform.md).
[The method](../explanation/method.md) has the equation.

| setting | default | meaning |
|---|---|---|
{settings}
"""


def command_line() -> str:
    """The page of all commands with their arguments and options."""
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    texts = {name: inspect.cleandoc(command.help) for name, command in commands.items()}
    rows = [f"| [{name}](#marey-{name}) | {_cell(text.splitlines()[0])} |" for name, text in texts.items()]
    page = NOTE + "\n" + COMMAND_LINE.format(epilog=_cell(app.info.epilog or ""), commands="\n".join(rows))
    for name, command in commands.items():
        shown = [parameter for parameter in command.params if not parameter.hidden]
        typed = [_typed(parameter) for parameter in shown if parameter.param_type_name == "argument"]
        options = [f"| `{_typed(one)}` | {_default(one)} | {_cell(one.help or '')} |" for one in shown]
        usage = " ".join(["marey", name, *typed, "[OPTIONS]"])
        page += COMMAND.format(name=name, usage=usage, text=texts[name], parameters="\n".join(options))
    return page


def recipe() -> str:
    """The page of all settings of a maximization."""
    meanings = _meanings(inspect.getdoc(Recipe) or "")
    rows = []
    for setting in fields(Recipe):
        value = setting.default if setting.default_factory is MISSING else setting.default_factory()
        rows.append(f"| `{setting.name}` | `{value!r}` | {_cell(meanings.get(setting.name, ''))} |")
    return NOTE + "\n" + RECIPE.format(settings="\n".join(rows))


PAGES = {"command_line.md": command_line, "recipe.md": recipe}


def _meanings(docstring: str) -> dict[str, str]:
    """{name: text} of a docstring that names settings at its left and indents what they mean."""
    found: dict[str, str] = {}
    for names, text in re.findall(r"^(\w+(?:, \w+)*)\n((?:    .*\n?)+)", docstring, re.MULTILINE):
        found |= dict.fromkeys(names.split(", "), text)
    return found


def _typed(parameter: Any) -> str:
    """An argument or option as it is typed, with the kind of its value."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    return names if parameter.is_flag else f"{names} {parameter.metavar or _kind(parameter.type_descriptor.annotation)}"


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return r"\|".join(map(str, get_args(annotation)))
    return {int: "N", float: "X"}.get(annotation, "TEXT")


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if parameter.default is None or not parameter.show_default:
        return ""
    return {"True": "on", "False": "off"}.get(str(parameter.default), f"`{parameter.default}`")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


if __name__ == "__main__":
    for page, write in PAGES.items():
        (PLACE / page).write_text(write(), encoding="utf-8")
