"""The server as users have it: a process at a port, slow senders, two users at once, killed and started again."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from marey.atlas.serve.server import application, serve_atlas
from marey.errors import MareyError
from marey.maximization.result import FILE, PreferredInput

from .conftest import Place, Server  # type: ignore[import-not-found]

MP4 = b"\x00\x00\x00\x18ftypisom" + bytes(20)


def _ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    """The status and the text of an answer; addresses are sent as they are."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    text = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer.status, text


@contextmanager
def listening(server: Server) -> Iterator[int]:
    """While inside, a server whose tasks are played listens at the port that is given."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        running = uvicorn.Server(uvicorn.Config(application(server.live), log_level="critical", ws="none"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [place]}, daemon=True)
        thread.start()
        _until(lambda: running.started)
        yield place.getsockname()[1]
        running.should_exit = True
        thread.join()


def _until(true: Callable[[], object], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_slow_sender_is_refused_while_another_user_is_served(server: Server) -> None:
    with listening(server) as port, socket.create_connection(("127.0.0.1", port)) as slow:
        head = f"POST /live/explain HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Marey-Token: {server.live.token}\r\n"
        slow.sendall(f"{head}Content-Length: 900\r\n\r\n".encode() + MP4)
        status, answer = _ask(port, "POST", "/live/explain", MP4, x_marey_token=server.live.token)
        assert status == 202
        assert _ask(port, "GET", "/index.html")[0] == 200
        slow.settimeout(60)
        assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")
        _until(lambda: server.live.jobs is not None and server.live.jobs.find(json.loads(answer)["job"]).ended)
    assert not list(server.live.uploads.iterdir())
    assert len(server.played.done) == 1


@pytest.mark.slow
def test_who_goes_away_in_the_middle_leaves_nothing(server: Server) -> None:
    with listening(server) as port:
        with socket.create_connection(("127.0.0.1", port)) as gone:
            head = f"POST /live/explain HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Marey-Token: {server.live.token}\r\n"
            gone.sendall(f"{head}Content-Length: 900\r\n\r\n".encode() + MP4)
            _until(lambda: list(server.live.uploads.iterdir()))
        _until(lambda: not list(server.live.uploads.iterdir()))


@pytest.mark.slow
def test_addresses_are_taken_as_they_come(server: Server, site: Path) -> None:
    (site.parent / "secret.html").write_text("outside")
    tricks = [
        "/../secret.html",
        "/%2e%2e/secret.html",
        "/unit/..%2f..%2fsecret.html",
        "//secret.html",
        "/%00",
        "/\\..\\secret.html",
    ]
    tricks += [f"/{site.parent}/secret.html", f"http://127.0.0.1{site.parent}/secret.html", "/%252e%252e/secret.html"]
    try:
        with listening(server) as port:
            for path in tricks:
                status, text = _ask(port, "GET", path)
                assert status in (400, 404) and "outside" not in text, path
    finally:
        (site.parent / "secret.html").unlink()


class _Process:
    """`marey serve` in a process of its own."""

    def __init__(self, place: Place) -> None:
        command = [sys.executable, "-m", "marey", "serve", str(place.atlas), "--port", "0"]
        command += ["--network", str(place.network), "--clips", str(place.clips), "--device", "cpu"]
        self.running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.running.stdout is not None
        line = self.running.stdout.readline()
        self.port = int(re.findall(r"^http://127\.0\.0\.1:(\d+)/", line)[0])
        page = _ask(self.port, "GET", "/index.html")[1]
        self.token = re.findall(r'name="marey-live" content="([^"]+)"', page)[0]

    def post(self, path: str, body: bytes | None = None) -> str:
        status, text = _ask(self.port, "POST", path, body, x_marey_token=self.token)
        assert status == 202, text
        return str(json.loads(text)["job"])

    def maximize(self, unit: str, steps: int) -> str:
        return self.post(
            "/live/maximize", json.dumps({"unit": unit, "slowness": [0], "steps": steps, "seed": 0}).encode()
        )

    def state(self, job: str) -> dict[str, object]:
        """The first that is said of a job."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("GET", f"/live/jobs/{job}/events")
        line = connection.getresponse().readline()
        connection.close()
        return dict(json.loads(line.removeprefix(b"data: ")))

    def until(self, job: str, *states: str) -> dict[str, object]:
        found: dict[str, object] = {}
        _until(lambda: found.update(self.state(job)) or found["state"] in states)
        return found


@contextmanager
def _served(place: Place) -> Iterator[_Process]:
    process = _Process(place)
    try:
        yield process
    finally:
        process.running.kill()
        process.running.communicate()


@pytest.mark.slow
def test_two_users_at_once_get_their_unit_and_their_explanation(place: Place) -> None:
    clip = sorted(place.clips.iterdir())[0]
    with _served(place) as served:
        unit = served.maximize("fc6:0", 2)
        explained = served.post("/live/explain", clip.read_bytes())
        broken = served.post("/live/explain", clip.read_bytes()[:400])
        assert served.until(unit, "done", "failed") | {"line": ""} == served.state(unit)
        assert served.until(explained, "done", "failed")["state"] == "done"
        line = str(served.until(broken, "done", "failed")["line"])
        assert line.startswith("'the clip'") and "/tmp" not in line and "\n" not in line
        page = _ask(served.port, "GET", f"/explain/{explained}")[1]
        assert "leads" in page and "adds" in page
        shown = _ask(served.port, "GET", "/unit/fc6/0.html")[1]
        assert "data-preferred>" in shown and "There is none in this atlas yet" not in shown
        served.running.send_signal(signal.SIGINT)
        assert served.running.wait(60) == 0
    assert PreferredInput.open(place.preferred / "fc6-0").target.startswith("fc6:0")
    assert not [path for path in place.preferred.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_killed_and_started_again_nothing_that_was_finished_is_lost(place: Place) -> None:
    there = sorted(path.parent.name for path in place.preferred.glob(f"*/{FILE}"))
    with _served(place) as served:
        served.until(served.maximize("fc6:2", 2), "done")
        running = served.maximize("fc6:3", 1024)
        _until(lambda: served.state(running)["what"] == "maximizing")
        children = Path(f"/proc/{served.running.pid}/task/{served.running.pid}/children")
        process = [int(one) for one in children.read_text().split()] if children.exists() else []
        killed = served.running.pid
        served.running.kill()
        served.running.wait()
        _until(lambda: not any(_lives(one) for one in process), 60)
    assert sorted(path.parent.name for path in place.preferred.glob(f"*/{FILE}")) == sorted([*there, "fc6-2"])
    with _served(place) as served:
        page = _ask(served.port, "GET", "/unit/fc6/2.html")[1]
        assert "data-preferred>" in page
        assert "There is none in this atlas yet" in _ask(served.port, "GET", "/unit/fc6/3.html")[1]
        cancelled = served.maximize("fc6:3", 1024)
        served.until(cancelled, "running")
        served.post(f"/live/jobs/{cancelled}/cancel")
        assert served.until(cancelled, "cancelled", "done")["state"] == "cancelled"
        before = (place.preferred / "fc6-2" / FILE).stat().st_mtime_ns
        assert served.until(served.maximize("fc6:2", 2), "done", "failed")["state"] == "done"  # and is not made anew
        assert (place.preferred / "fc6-2" / FILE).stat().st_mtime_ns == before
        assert not (place.preferred / "fc6-3").exists()
        served.running.terminate()
        assert served.running.wait(60) == 143
        temporary = Path(tempfile.gettempdir())
        assert not [*temporary.glob(f"marey-serve-{killed}-*"), *temporary.glob(f"marey-serve-{served.running.pid}-*")]


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{process}/status").read_text()


def test_what_cannot_be_served_is_told_before_anything_listens(place: Place, tmp_path: Path) -> None:
    with pytest.raises(MareyError, match="holds no atlas"):
        serve_atlas(tmp_path)
    with pytest.raises(MareyError, match="there is no network 'nothing'"):
        serve_atlas(place.atlas, network="nothing")
    with pytest.raises(MareyError, match="is of other weights than"):
        serve_atlas(place.atlas, network="motion-studies")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            MareyError, match=f"cannot serve at 127.0.0.1, port {port}: .*; give another --host or --port"
        ):
            serve_atlas(place.atlas, port=port)
    with pytest.raises(MareyError, match=r"cannot serve at no\.such\.host\.invalid"):
        serve_atlas(place.atlas, host="no.such.host.invalid")


def test_without_starlette_the_extra_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "starlette", None)
    with pytest.raises(MareyError, match=r"pip install 'marey\[serve\]'"):
        serve_atlas(place.atlas)
