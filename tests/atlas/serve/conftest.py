"""An atlas of a tiny network, the network in a file, and a server of it whose tasks are played."""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from marey.atlas.serve.jobs import Jobs
from marey.atlas.serve.live import Live, Offer
from marey.atlas.serve.made import MadeAtlas
from marey.atlas.serve.server import application
from marey.atlas.serve.told import ExplainClip, Explained, Finished, LivePicture, SeenUnit, Step, Task
from marey.atlas.serve.uploads import UploadLimits
from marey.atlas.serve.worker import Stopped
from marey.errors import MareyError
from marey.video.read.clips import Clip

_NETWORKS = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("hostile", {path!r})
sys.modules["hostile"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
hostile_network = module.hostile_network
"""
"""Code of one's own that gives the recorded network."""


@dataclass(frozen=True)
class Place:
    """A folder that tests may change: an atlas with what it was made from, and the network."""

    atlas: Path
    preferred: Path
    network: str
    clips: Path


@pytest.fixture
def place(made, site: Path, tmp_path: Path) -> Place:  # type: ignore[no-untyped-def]
    atlas, preferred = tmp_path / "atlas", tmp_path / "preferred"
    shutil.copytree(site, atlas)
    shutil.copytree(made.preferred, preferred)
    made.atlas(atlas, preferred=preferred)
    (tmp_path / "networks.py").write_text(_NETWORKS.format(path=str(Path(__file__).parents[1] / "conftest.py")))
    return Place(atlas, preferred, f"{tmp_path / 'networks.py'}:hostile_network", made.clips)


class Played:
    """Does tasks as tests want them.

    `fails` ends them with this line, `holds` keeps them until they are stopped; with `shows` the page of the unit has
    the result already.
    """

    def __init__(self) -> None:
        self.fails = ""
        self.holds = False
        self.shows = False
        self.done: list[Task] = []

    def run(self, task: Task, tell: Callable[[Step], None], stop: Callable[[], str | None]) -> Finished:
        picture = LivePicture("slowness 0", "motion", 2, 4, 4, b"webp")
        tell(Step("maximizing", 3, 8, "score 0.50", (picture,)))
        if self.shows:
            tell(Step("making the pages: clips", 3, 8, shown=True))
        while self.holds:
            if (reason := stop()) is not None:
                raise Stopped(reason)
            time.sleep(0.01)
        if self.fails:
            raise MareyError(self.fails)
        self.done.append(task)
        if not isinstance(task, ExplainClip):
            return Finished()
        unit = SeenUnit("fc6:1", 0.5, 0.25, ("<b>class",), picture)
        explained = Explained(
            task.name, "<i>It</i> says.", (("<script>", 0.75),), (("lead", "1.5"),), ("<b>",), (unit,)
        )
        return Finished(explained)


@dataclass
class Server:
    """A server whose tasks are played, and what sends requests to it."""

    live: Live
    played: Played

    async def ask(self, method: str, path: str, *, host: str = "127.0.0.1:8000", **options: object) -> httpx.Response:
        """The answer to a request of one of its own pages; `headers` are added to those of a page."""
        given = {"host": host, **dict(options.pop("headers", {}))}  # type: ignore[call-overload]
        if method == "POST":
            given = {
                "origin": f"http://{host}",
                "sec-fetch-site": "same-origin",
                "x-marey-token": self.live.token,
            } | given
        transport = httpx.ASGITransport(application(self.live))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            return await client.request(method, path, headers=given, **options)  # type: ignore[arg-type]


@pytest.fixture
def server(site: Path, made, tmp_path: Path) -> Iterator[Server]:  # type: ignore[no-untyped-def]
    played = Played()
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    jobs = Jobs(played.run)
    offer = Offer("<u>net</u>", "tiny", made.network.classes, None, None)
    clips = [(f"<b>{number}.mp4", Clip(path, label="one")) for number, path in enumerate(sorted(made.clips.iterdir()))]
    limits = UploadLimits(size=1000, seconds=1.0, silent_seconds=0.2)
    live = Live(MadeAtlas.of(site), offer, made.recording, clips, jobs, uploads, limits)
    yield Server(live, played)
    jobs.close()
