"""The server of an atlas: from a folder to an application, and until it ends."""

import contextlib
import ipaddress
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os.path import commonpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marey.atlas.serve.bench import Bench
from marey.atlas.serve.guard import Guard
from marey.atlas.serve.jobs import Jobs
from marey.atlas.serve.live import Live, offered
from marey.atlas.serve.made import MadeAtlas
from marey.atlas.serve.routes import Routes
from marey.atlas.serve.worker import Worker
from marey.datasets.clips_in import clips_in
from marey.errors import MareyError
from marey.recording import Recording
from marey.video.read.clips import Clip

if TYPE_CHECKING:
    from starlette.applications import Starlette

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
_CONNECTIONS = 200
_UPLOADS = "marey-serve-"
"""How folders of uploads are called, before the number of the server's process."""


def serve_atlas(
    folder: str | Path,
    *,
    network: str | None = None,
    clips: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    device: str = "cpu",
    say: Callable[[str], None] = print,
) -> None:
    """Serve the atlas in a folder until Ctrl-C, with units maximized and clips explained on demand.

    network
        by what it is loaded; None: the recorded one where its name says what it is.
    clips
        a data set whose clips can be chosen to be explained.
    port
        0: one that is free.
    say
        told what the user must know, first the address.

    Raises MareyError where the folder holds no atlas, the network is not the recorded one, the port is taken, or
    starlette and uvicorn are not installed.
    """
    uvicorn = _uvicorn()
    with opened(folder, network=network, clips=clips, device=device) as live, _socket(host, port) as listening:
        name, number = listening.getsockname()[:2]
        say(f"http://{f'[{name}]' if ':' in name else name}:{number}/  (Ctrl-C ends it)")
        if not _loopback(name):
            say("everybody who reaches this address sees the clips of the atlas, and can let this machine compute.")
        for line in dict.fromkeys((live.offer.no_units, live.offer.no_clips)):
            if line is not None:
                say(line)
        server = uvicorn.Server(
            uvicorn.Config(
                application(live, hosts=_hosts(host, name)),
                log_level="warning",
                access_log=False,
                ws="none",
                server_header=False,
                limit_concurrency=_CONNECTIONS,
                timeout_graceful_shutdown=3,
            )
        )
        live.ending = lambda: bool(server.should_exit)
        with contextlib.suppress(KeyboardInterrupt):  # the way in which it is meant to end
            server.run(sockets=[listening])


@contextmanager
def opened(
    folder: str | Path, *, network: str | None = None, clips: str | Path | None = None, device: str = "cpu"
) -> Iterator[Live]:
    """While inside, the state of a server of an atlas; at the end nothing runs, and uploads are removed."""
    made = MadeAtlas.of(folder)
    recording = Recording.open(made.recorded) if made.recorded.exists() else None
    offer = offered(made, recording, network)
    chosen = [] if clips is None else _named(clips_in(clips))
    _remove_stale()
    with tempfile.TemporaryDirectory(prefix=f"{_UPLOADS}{os.getpid()}-", ignore_cleanup_errors=True) as uploads:
        worker = None if offer.net is None else Worker(Bench(made, offer.net, device, Path(uploads)))
        jobs = None if worker is None else Jobs(worker.run)
        try:
            yield Live(made, offer, recording, chosen, jobs, Path(uploads))
        finally:
            if jobs is not None and worker is not None:
                jobs.close()
                worker.close()


def _remove_stale() -> None:
    """Remove uploads to servers that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_UPLOADS}*-*"):
        process = folder.name.removeprefix(_UPLOADS).partition("-")[0]
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (OSError, ValueError, OverflowError):  # of somebody else, or of another program
            continue


def application(live: Live, *, hosts: tuple[str, ...] = LOOPBACK) -> "Starlette":
    """The ASGI application of a server; `hosts` are the names by which it may be asked."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    guard: Any = Guard
    return Starlette(
        routes=list(Routes(live).all()),
        middleware=[
            Middleware(guard, token=live.token),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
        ],
    )


def _uvicorn() -> Any:
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError:
        raise MareyError("a live server needs starlette and uvicorn; `pip install 'marey[serve]'`.") from None
    return uvicorn


@contextmanager
def _socket(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MareyError(f"cannot serve at {host}, port {port}: {reason}; give another --host or --port.") from None
    with listening:
        yield listening


def _loopback(name: str) -> bool:
    return ipaddress.ip_address(name.split("%", maxsplit=1)[0]).is_loopback


def _hosts(host: str, name: str) -> tuple[str, ...]:
    """The names by which a server at `host`, an address or a name, may be asked."""
    own = (host, name, *(f"[{one}]" for one in (host, name) if ":" in one))
    if ipaddress.ip_address(name.split("%", maxsplit=1)[0]).is_unspecified:  # all addresses of this machine
        addresses = {str(one[4][0]) for one in socket.getaddrinfo(socket.gethostname(), None)}
        own = (*own, socket.gethostname(), socket.getfqdn(), *addresses)
    return tuple(dict.fromkeys((*LOOPBACK, *own)))


def _named(clips: list[Clip]) -> list[tuple[str, Clip]]:
    """Clips with their paths below the folder that all have in common."""
    common = Path(commonpath([str(Path(clip.path).absolute().parent) for clip in clips])) if clips else Path()
    found = []
    for clip in clips:
        path = clip.path if clip.maker is not None else Path(clip.path).absolute()
        start = f" from {clip.start_seconds:g} s" if clip.start_seconds else ""
        found.append((str(path).removeprefix(f"{common}/") + start, clip))
    return found
