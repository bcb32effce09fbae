"""The command line: one command per file, one line per error."""

import functools
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

from marey.cli.waiting import wait_briefly

wait_briefly()  # before anything loads torch

import typer  # noqa: E402

from marey._version import __version__  # noqa: E402
from marey.cli.atlas import atlas  # noqa: E402
from marey.cli.check import check  # noqa: E402
from marey.cli.classify import classify  # noqa: E402
from marey.cli.demo import demo  # noqa: E402
from marey.cli.evaluate import evaluate  # noqa: E402
from marey.cli.explain import explain  # noqa: E402
from marey.cli.find import find  # noqa: E402
from marey.cli.flow import flow  # noqa: E402
from marey.cli.guesses import guesses  # noqa: E402
from marey.cli.layers import layers  # noqa: E402
from marey.cli.maximize import maximize  # noqa: E402
from marey.cli.record import record  # noqa: E402
from marey.cli.screen import say  # noqa: E402
from marey.cli.serve import serve  # noqa: E402
from marey.cli.studies import studies  # noqa: E402
from marey.cli.top import top  # noqa: E402
from marey.cli.train import train  # noqa: E402
from marey.errors import MareyError  # noqa: E402
from marey.threads import CLIP_THREADS  # noqa: E402


def _abortable(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """The command, in which Ctrl-C is an abort; of a KeyboardInterrupt typer would make a silent exit."""

    @functools.wraps(command)
    def run_command(*arguments: object, **options: object) -> int | None:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt:
            raise typer.Abort from None

    return run_command


app = typer.Typer(
    name="marey",
    help="See what a video network has learned: the appearance and motion that excite any of its units most.",
    epilog="NET is a .safetensors file that `marey train` wrote, or file.py:function that returns a marey.Network.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(__version__)
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


for command in (
    layers,
    check,
    maximize,
    classify,
    explain,
    record,
    top,
    find,
    atlas,
    guesses,
    serve,
    train,
    evaluate,
    flow,
    studies,
    demo,
):
    app.command()(_abortable(command))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit 0, 1 (one line on standard error), 2 (wrong usage) or 130 (Ctrl-C)."""
    status = run(sys.argv[1:] if arguments is None else arguments)
    if any(thread.name == CLIP_THREADS for thread in threading.enumerate()):
        # a decoder that nobody waits for any more: Python would end its thread within C++, which aborts the process
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def run(arguments: list[str]) -> int:
    """The exit status of one command line."""
    try:
        with _warnings_said():
            status = app(arguments, prog_name="marey", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except (typer.Abort, KeyboardInterrupt):
        return _said("interrupted.", 130)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        where = "marey" if context is None else context.command_path
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        code = int(getattr(error, "exit_code", 2))
        if not message:  # a call without arguments, which has printed the help
            return code
        message = message.replace("Value error, ", "").strip()
        end = "" if message.endswith((".", "?")) else "."
        return _said(f"{message}{end} `{where} --help` shows how.", code)
    except MareyError as error:
        return _said(str(error), 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        place = f" '{error.filename}'" if error.filename is not None else ""
        return _said(f"cannot use{place}: {error.strerror or error}.", 1)


@contextmanager
def _warnings_said() -> Iterator[None]:
    """While inside, a warning is one line, as errors are."""
    before = warnings.showwarning

    def show(message: Warning | str, *_: object, **__: object) -> None:
        say(f"marey: {message}", error=True)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


def _said(message: str, status: int) -> int:
    say(f"marey: {message}", error=True)
    return status
