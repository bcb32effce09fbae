"""`marey serve`: the pages of an atlas from a small live server."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from marey.cli.arguments import DeviceOption
from marey.cli.screen import say


def serve(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder that `marey atlas` wrote.", show_default=False)
    ],
    *,
    network: Annotated[
        str | None,
        typer.Option(
            "--network",
            metavar="NET",
            help="The recorded network, which computes. Default: a bundled one, by its name in the recording.",
            show_default=False,
        ),
    ] = None,
    clips: Annotated[
        Path | None,
        typer.Option("--clips", metavar="DATA", help="Clips to choose from, to be explained.", show_default=False),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="The address to listen at; other than loopback, others reach it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: one that is free.")] = 8000,
    device: DeviceOption = None,
) -> None:
    """Serve an atlas with a live server: its pages maximize units and explain clips that you send.

    One task runs at a time, others wait. Finished preferred inputs are kept, and stand on their pages.
    """
    from marey.atlas.serve.server import serve_atlas
    from marey.cli.device import device_of

    def tell(line: str) -> None:
        say(line)
        sys.stdout.flush()  # also where it goes to a file, which nobody would see before the end

    def end(*_: object) -> None:
        raise SystemExit(143)

    signal.signal(signal.SIGTERM, end)  # else the process goes at once, and temporary folders stay
    chosen = str(device_of(device))
    serve_atlas(folder, network=network, clips=clips, host=host, port=port, device=chosen, say=tell)
