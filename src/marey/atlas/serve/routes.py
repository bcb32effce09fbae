"""What is answered to which request."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from marey.atlas.serve.atlas_file import KINDS, atlas_file
from marey.atlas.serve.jobs import Job, Jobs, QueueFullError
from marey.atlas.serve.live import Live
from marey.atlas.serve.live_pages import STATIC, LivePages
from marey.atlas.serve.told import ExplainClip, LivePicture, MaximizeUnit
from marey.atlas.serve.uploads import UploadError, received
from marey.errors import MareyError, printable
from marey.maximization.recipe import Recipe
from marey.video.read.clips import Clip

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

_SHORT = 4096
"""Bytes of a request that is no upload."""
_UPLOADS = 4
"""Uploads at a time."""
_EVERY = 0.2
"""Seconds from one look at a job to the next."""
_MOST_STEPS, _MOST_SPEEDS, _MOST_NAME = 1024, 6, 120


class Routes:
    """The routes of an application, as a class because they share the state of the server."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._pages = LivePages(live)
        self._uploading = 0

    def all(self) -> "list[Route]":
        """All routes; files of the atlas come last."""
        from starlette.routing import Route

        read = {
            "/explain": self.form,
            "/explain/{job}": self.explained,
            "/live/unit": self.unit,
            "/live/clips": self.clips,
            "/live/jobs/{job}/events": self.events,
            "/live/jobs/{job}/pictures/{number:int}": self.picture,
            "/live/jobs/{job}/units/{number:int}": self.unit_picture,
            "/live/{file}": self.own_file,
        }
        asked = {
            "/live/maximize": self.maximize,
            "/live/explain": self.explain,
            "/live/jobs/{job}/cancel": self.cancel,
        }
        return [
            *(Route(path, answer, methods=["POST"]) for path, answer in asked.items()),
            *(Route(path, answer) for path, answer in read.items()),
            Route("/{path:path}", self.atlas),
        ]

    async def atlas(self, request: "Request") -> "Response":
        """A file of the atlas; pages with what is live added."""
        from starlette.responses import FileResponse, HTMLResponse

        place = await asyncio.to_thread(atlas_file, self._live.made.folder, request.scope["path"])
        if place is None:
            return _line(404, "the atlas has no such file.")
        if place.suffix == ".html":
            with suppress(OSError):
                page = await asyncio.to_thread(place.read_text, "utf-8")
                return HTMLResponse(self._pages.live(page), headers=_FRESH)
            return _line(404, "the page was removed a moment ago.")
        return FileResponse(place, media_type=KINDS[place.suffix], headers=_FRESH)

    async def own_file(self, request: "Request") -> "Response":
        """The script and the style sheet of what is live."""
        from starlette.responses import FileResponse

        place = {"live.js": STATIC / "live.js", "live.css": STATIC / "live.css"}.get(request.path_params["file"])
        if place is None:
            return _line(404, "there is no such file.")
        return FileResponse(place, media_type=KINDS[place.suffix], headers=_FRESH)

    async def unit(self, request: "Request") -> "Response":
        """What can be done for a unit."""
        address, jobs = request.query_params.get("address", ""), self._live.jobs
        try:
            unit = str(self._live.unit(address))
        except MareyError as error:
            return _json({"why": self._live.offer.no_units or str(error), "job": None})
        job = None if jobs is None else jobs.of_unit(unit)
        kept, why = str(self._live.made.results), self._live.offer.no_units
        if job is None:
            return _json({"why": why, "job": None, "kept": kept})
        return _json({"why": why, "job": job.id, "shown": job.step.shown, "kept": kept})

    async def maximize(self, request: "Request") -> "Response":
        """Put a unit into the queue."""
        jobs = self._live.jobs
        if self._live.offer.no_units is not None or jobs is None:
            return _line(409, self._live.offer.no_units or "nothing is computed here.")
        try:
            task = self._unit_task(json.loads(await _short(request)))
            return _json({"job": jobs.add(task).id}, status=202)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return _line(400, "expected JSON with unit, slowness, steps and seed.")
        except TimeoutError:
            return _line(408, "the request came too slowly.")
        except QueueFullError as error:
            return _line(503, str(error))
        except MareyError as error:
            return _line(400, str(error))

    def _unit_task(self, asked: Mapping[str, Any]) -> MaximizeUnit:
        slowness, steps, seed = asked["slowness"], asked["steps"], asked["seed"]
        if not all(type(value) is int for value in (steps, seed)) or not 0 <= seed < 2**31:
            raise MareyError(f"steps {steps} and seed {seed}: expected whole numbers of at least 1 and 0.")
        if steps > _MOST_STEPS or len(slowness) > _MOST_SPEEDS:
            raise MareyError(f"at most {_MOST_STEPS} steps and {_MOST_SPEEDS} slownesses are made here.")
        recipe = Recipe(slowness=tuple(float(chi) for chi in slowness), steps=steps, seed=seed)
        return MaximizeUnit(str(self._live.unit(str(asked["unit"]))), recipe)

    async def form(self, _: "Request") -> "Response":
        """The page on which a clip is sent."""
        from starlette.responses import HTMLResponse

        return HTMLResponse(self._pages.explain(), headers=_FRESH)

    async def clips(self, request: "Request") -> "Response":
        """Clips that can be chosen."""
        count, found = self._live.found_clips(request.query_params.get("find", ""))
        return _json({"count": count, "clips": found})

    async def explain(self, request: "Request") -> "Response":
        """Put a clip into the queue: one that is sent, or one of the data set by its number."""
        live = self._live
        if live.offer.no_clips is not None or live.jobs is None:
            return _line(409, live.offer.no_clips or "nothing is computed here.")
        instead = request.query_params.get("instead") or None
        if instead is not None and instead not in live.offer.classes:
            return _line(400, "the network has no such class.")
        try:
            if live.jobs.full:
                raise QueueFullError("too many tasks are waiting; try again when some are done.")
            number = request.query_params.get("clip")
            task = await self._sent(request, instead) if number is None else self._chosen(number, instead)
            return _json({"job": live.jobs.add(task).id}, status=202)
        except UploadError as error:
            return _line(error.status, str(error))
        except QueueFullError as error:
            return _line(503, str(error))
        except MareyError as error:
            return _line(400, str(error))

    def _chosen(self, number: str, instead: str | None) -> ExplainClip:
        if not _small(number) or int(number) >= len(self._live.clips):
            raise MareyError(f"there is no clip of this number; expected one from 0 to {len(self._live.clips) - 1}.")
        name, clip = self._live.clips[int(number)]
        return ExplainClip(clip, name, None, instead)

    async def _sent(self, request: "Request", instead: str | None) -> ExplainClip:
        from starlette.requests import ClientDisconnect

        name = printable(unquote(request.headers.get("x-marey-name", "")))[:_MOST_NAME] or "the clip"
        length = request.headers.get("content-length", "")
        if self._uploading >= _UPLOADS:
            raise QueueFullError(f"{_UPLOADS} clips are being sent already; try again in a moment.")
        self._uploading += 1
        chunks = request.stream()
        try:
            promised = int(length) if _small(length) else None
            path = await received(chunks, self._live.uploads, limits=self._live.limits, promised=promised)
        except UploadError as error:
            if error.status != 408:
                await _passed_over(chunks)
            raise
        except ClientDisconnect:
            raise MareyError("the sender went away.") from None
        finally:
            self._uploading -= 1
        return ExplainClip(Clip(path), name, path.parent, instead)

    async def explained(self, request: "Request") -> "Response":
        """The page of a clip that was sent."""
        from starlette.responses import HTMLResponse

        job = self._job(request)
        if job is None or not isinstance(job.task, ExplainClip):
            return _line(404, "there is no such explanation any more; send the clip again at /explain.")
        return HTMLResponse(self._pages.explained(job), headers=_FRESH)

    async def events(self, request: "Request") -> "Response":
        """The state of a job, whenever it changes, as server-sent events, until it ends."""
        from starlette.responses import StreamingResponse

        job, jobs = self._job(request), self._live.jobs
        if job is None or jobs is None:
            return _line(404, "there is no such task any more.")
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._told(job, jobs), media_type="text/event-stream", headers=headers)

    async def _told(self, job: Job, jobs: Jobs) -> AsyncIterator[str]:
        last, silent = "", 0.0
        while not self._live.ending():
            ended = job.ended
            state = json.dumps(_state(job, jobs.before(job)))
            if state != last:
                yield f"data: {state}\n\n"
                last, silent = state, 0.0
            elif silent > 15:
                yield ": still here\n\n"  # or a proxy would end the connection
                silent = 0.0
            if ended:
                return
            await asyncio.sleep(_EVERY)
            silent += _EVERY

    async def picture(self, request: "Request") -> "Response":
        """One of the pictures that form."""
        job = self._job(request)
        return _picture(dict(enumerate(() if job is None else job.pictures)).get(request.path_params["number"]))

    async def unit_picture(self, request: "Request") -> "Response":
        """The clip under the heat of a unit."""
        job = self._job(request)
        units = () if job is None or job.result is None else job.result.units
        return _picture({place: one.picture for place, one in enumerate(units)}.get(request.path_params["number"]))

    async def cancel(self, request: "Request") -> "Response":
        """End a job."""
        job, jobs = self._job(request), self._live.jobs
        if job is None or jobs is None:
            return _line(404, "there is no such task any more.")
        jobs.cancel(job)
        return _json({"job": job.id}, status=202)

    def _job(self, request: "Request") -> Job | None:
        return None if self._live.jobs is None else self._live.jobs.find(request.path_params["job"])


_FRESH = {"cache-control": "no-cache"}


def _state(job: Job, before: int) -> dict[str, Any]:
    left = job.seconds_left
    return {
        "state": job.state,
        "what": job.step.what,
        "done": job.step.done,
        "total": job.step.total,
        "note": job.step.note,
        "shown": job.step.shown,
        "left": None if left is None else round(left),
        "line": job.line,
        "before": before if job.state == "waiting" else 0,
        "pictures": [
            {
                "address": f"/live/jobs/{job.id}/pictures/{place}?{job.drawn}",
                **{name: getattr(one, name) for name in ("group", "shows", "frames", "height", "width")},
            }
            for place, one in enumerate(job.pictures)
        ],
    }


def _small(number: str) -> bool:
    """Whether a text is a whole number that is not larger than any that is meant."""
    return number.isdecimal() and len(number) < 18


async def _short(request: "Request") -> bytes:
    """A body that is no upload; ValueError for a long one, TimeoutError for one that does not come."""
    body = b""
    async with asyncio.timeout(10):
        async for chunk in request.stream():
            body += chunk
            if len(body) > _SHORT:
                raise ValueError
    return body


async def _passed_over(chunks: AsyncIterator[bytes]) -> None:
    """Read on for a moment, without keeping anything: a browser shows no answer before it has sent all."""
    with suppress(Exception):
        async with asyncio.timeout(5):
            async for _ in chunks:
                pass


def _json(values: object, *, status: int = 200) -> "Response":
    from starlette.responses import JSONResponse

    return JSONResponse(values, status_code=status, headers={"cache-control": "no-store"})


def _line(status: int, text: str) -> "Response":
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(text, status_code=status, headers={"cache-control": "no-store"})


def _picture(picture: LivePicture | None) -> "Response":
    from starlette.responses import Response

    if picture is None:
        return _line(404, "there is no such picture any more.")
    return Response(picture.webp, media_type="image/webp", headers={"cache-control": "no-store"})
