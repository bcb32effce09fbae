"""Every request is answered as it should be: pages, work, and what is refused with one line."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from marey.atlas.serve import jobs as queue

from .conftest import Server  # type: ignore[import-not-found]

MP4 = b"\x00\x00\x00\x18ftypisom" + bytes(20)
WISH = {"unit": "fc6:0", "slowness": [0, 10], "steps": 2, "seed": 0}


def _ask(server: Server, method: str, path: str, **options: object) -> httpx.Response:
    answer: httpx.Response = asyncio.run(server.ask(method, path, **options))
    assert "nosniff" in answer.headers["x-content-type-options"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    return answer


def _refused(answer: httpx.Response, status: int, words: str) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    assert words in answer.text and "\n" not in answer.text


def _states(server: Server, job: str) -> list[dict[str, object]]:
    """All that is said of a job until it ends."""
    events = _ask(server, "GET", f"/live/jobs/{job}/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line.removeprefix("data: ")) for line in events.text.split("\n\n") if line.startswith("data: ")]


def test_pages_are_those_on_disk_but_for_what_is_live(server: Server, site: Path) -> None:
    before = (site / "unit" / "fc6" / "0.html").read_text()
    served = _ask(server, "GET", "/unit/fc6/0.html")
    added = [line for line in served.text.splitlines() if line not in before.splitlines()]
    assert len(added) == 4 and all("live" in line or "icon" in line for line in added)
    assert [line for line in before.splitlines() if line not in served.text.splitlines()] == []
    assert (site / "unit" / "fc6" / "0.html").read_text() == before
    assert "/live/" not in before


def test_media_styles_and_scripts_are_served_as_they_are(server: Server, site: Path) -> None:
    for path in [*site.rglob("*.webp"), *site.rglob("*.css"), *site.rglob("*.js")]:
        answer = _ask(server, "GET", f"/{path.relative_to(site).as_posix()}")
        assert answer.status_code == 200 and answer.content == path.read_bytes()
        assert answer.headers["content-type"].startswith(("image/webp", "text/css", "text/javascript"))
    assert _ask(server, "HEAD", "/").status_code == 200
    for name in ("live.js", "live.css"):
        assert _ask(server, "GET", f"/live/{name}").status_code == 200


@pytest.mark.parametrize(
    "path", ["/nothing.html", "/%2e%2e/networks.py", "/..%2fpreferred", "/a%00.html", "/live/x.py"]
)
def test_what_is_no_file_of_the_atlas_is_not_there(server: Server, path: str) -> None:
    _refused(_ask(server, "GET", path), 404, "no such file")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "", "localhost:8000@evil.example"])
def test_a_wrong_host_is_refused(server: Server, host: str) -> None:
    assert _ask(server, "GET", "/", host=host).status_code == 400
    assert _ask(server, "POST", "/live/maximize", host=host, json=WISH).status_code in (400, 403)
    assert not server.played.done


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:9000", "localhost", "[::1]:8000"])
def test_the_loopback_is_asked_by_any_of_its_names(server: Server, host: str) -> None:
    assert _ask(server, "GET", "/", host=host).status_code == 200


def test_a_cross_site_request_is_refused(server: Server) -> None:
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"x-marey-token": "guessed"}):
        for path in ("/live/maximize", "/live/explain?clip=0", "/live/jobs/any/cancel"):
            assert _ask(server, "POST", path, headers=headers, json=WISH).status_code == 403
    assert not server.played.done


def test_other_methods_are_refused(server: Server) -> None:
    for method in ("PUT", "DELETE", "OPTIONS"):
        assert _ask(server, method, "/index.html").status_code == 405
    assert _ask(server, "POST", "/index.html").status_code == 405
    assert _ask(server, "GET", "/live/maximize").status_code in (404, 405)


def test_a_unit_is_maximized_with_its_steps_and_pictures(server: Server) -> None:
    assert _ask(server, "GET", "/live/unit", params={"address": "fc6:0"}).json()["why"] is None
    answer = _ask(server, "POST", "/live/maximize", json=WISH)
    assert answer.status_code == 202
    states = _states(server, answer.json()["job"])
    assert states[-1]["state"] == "done" and (states[-1]["done"], states[-1]["total"]) == (3, 8)
    picture = states[-1]["pictures"][0]  # type: ignore[index]
    assert (picture["group"], picture["shows"], picture["frames"]) == ("slowness 0", "motion", 2)
    shown = _ask(server, "GET", picture["address"])
    assert (shown.content, shown.headers["content-type"]) == (b"webp", "image/webp")
    assert server.played.done[0].unit == "fc6:0" and server.played.done[0].recipe.steps == 2


def test_a_running_job_is_found_by_its_unit_and_cancelled(server: Server) -> None:
    server.played.holds = True
    job = _ask(server, "POST", "/live/maximize", json=WISH).json()["job"]
    assert _ask(server, "GET", "/live/unit", params={"address": "fc6:0"}).json()["job"] == job
    assert _ask(server, "POST", f"/live/jobs/{job}/cancel").status_code == 202
    assert _states(server, job)[-1]["state"] == "cancelled"
    assert _ask(server, "GET", "/live/unit", params={"address": "fc6:0"}).json()["job"] is None


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({**WISH, "unit": "fc9:0"}, "layer 'fc9' is not in the recording"),
        ({**WISH, "unit": "fc6:99"}, "out of range"),
        ({**WISH, "unit": "fc6:0@0,0,0"}, "no unit"),
        ({**WISH, "unit": "../../x"}, "is no unit"),
        ({**WISH, "steps": 10**9}, "at most 1024 steps"),
        ({**WISH, "steps": 0}, "expected at least 1"),
        ({**WISH, "steps": "2"}, "whole numbers"),
        ({**WISH, "seed": -1}, "whole numbers"),
        ({**WISH, "slowness": [0] * 99}, "6 slownesses"),
        ({**WISH, "slowness": [-1]}, "slowness is"),
        ({**WISH, "slowness": []}, "slowness is"),
        ({**WISH, "slowness": ["a"]}, "expected JSON"),
        ({"unit": "fc6:0"}, "expected JSON"),
        ([], "expected JSON"),
        (None, "expected JSON"),
    ],
)
def test_bad_wishes_are_told(server: Server, wish: object, words: str) -> None:
    _refused(_ask(server, "POST", "/live/maximize", json=wish), 400, words)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 4000, b'{"a": "' + b"x" * 9000])
def test_what_is_no_json_is_told(server: Server, body: bytes) -> None:
    _refused(_ask(server, "POST", "/live/maximize", content=body), 400, "expected JSON")


def test_a_full_queue_says_so(server: Server) -> None:
    server.played.holds = True
    for number in range(queue.WAITING + 1):
        _ask(server, "POST", "/live/explain", params={"clip": str(number % 3)})
    for path, options in (("/live/maximize", {"json": WISH}), ("/live/explain", {"content": MP4})):
        while (answer := _ask(server, "POST", path, **options)).status_code == 202:  # the first one runs meanwhile
            pass
        _refused(answer, 503, "try again")
    assert not list(server.live.uploads.iterdir())


def test_an_uploaded_clip_is_explained_and_every_name_is_text(server: Server) -> None:
    answer = _ask(
        server, "POST", "/live/explain", content=MP4, headers={"x-marey-name": "%3Cscript%3Ex%3C/script%3E%0A.mp4"}
    )
    assert answer.status_code == 202
    job = answer.json()["job"]
    assert _states(server, job)[-1]["state"] == "done"
    assert not list(server.live.uploads.iterdir())
    page = _ask(server, "GET", f"/explain/{job}")
    assert "&lt;script&gt;x&lt;/script&gt;\\n.mp4" in page.text and "&lt;i&gt;It&lt;/i&gt; says." in page.text
    assert len(re.findall("<script", page.text)) == 3  # that of the sheet, of the atlas, of what is live
    assert "<b>class" not in page.text and '<a href="../unit/fc6/1.html">' in page.text
    picture = re.findall(r'src="(/live/jobs/[^"]+)"', page.text)
    assert _ask(server, "GET", picture[0]).content == b"webp"
    assert _ask(server, "GET", picture[0].replace("/0", "/9")).status_code == 404


def test_what_cannot_be_explained_says_why_on_its_page(server: Server) -> None:
    server.played.fails = "<b>clip</b> cannot be decoded."
    job = _ask(server, "POST", "/live/explain", content=MP4).json()["job"]
    assert _states(server, job)[-1]["line"] == "<b>clip</b> cannot be decoded."
    assert "&lt;b&gt;clip&lt;/b&gt; cannot be decoded." in _ask(server, "GET", f"/explain/{job}").text


async def _drops(count: int, pause: float) -> AsyncIterator[bytes]:
    yield MP4
    for _ in range(count):
        await asyncio.sleep(pause)
        yield bytes(100)


def test_junk_huge_and_slow_uploads_are_refused(server: Server) -> None:
    _refused(_ask(server, "POST", "/live/explain", content=b"junk" * 20), 415, "this is no video")
    _refused(_ask(server, "POST", "/live/explain", content=MP4 + bytes(2000)), 413, "larger than")
    _refused(_ask(server, "POST", "/live/explain", content=_drops(20, 0)), 413, "larger than")  # of no told length
    _refused(_ask(server, "POST", "/live/explain", content=_drops(1, 9)), 408, "too slowly")
    assert not list(server.live.uploads.iterdir()) and not server.played.done


def test_clips_of_the_data_are_chosen_by_number(server: Server) -> None:
    found = _ask(server, "GET", "/live/clips", params={"find": "<B>1 one"}).json()
    assert found["count"] >= 1 and found["clips"][0] == {"number": 1, "name": "<b>1.mp4", "label": "one"}
    assert _ask(server, "GET", "/live/clips", params={"find": "nothing of the kind"}).json()["count"] == 0
    job = _ask(server, "POST", "/live/explain", params={"clip": "1"}).json()["job"]
    assert _states(server, job)[-1]["state"] == "done"
    task = server.played.done[0]
    assert task.private is None and task.clip is server.live.clips[1][1] and task.clip.path.exists()


@pytest.mark.parametrize("clip", ["999", "-1", "1.5", "/etc/passwd", "\N{SUPERSCRIPT TWO}", "", "9" * 5000])
def test_other_words_are_no_clip(server: Server, clip: str) -> None:
    _refused(_ask(server, "POST", "/live/explain", params={"clip": clip}), 400, "no clip of this number")


def test_a_class_that_is_not_there_is_told(server: Server) -> None:
    answer = _ask(server, "POST", "/live/explain", params={"clip": "0", "instead": "nothing"})
    _refused(answer, 400, "no such class")


def test_jobs_of_an_earlier_start_are_gone(server: Server) -> None:
    for path in ("/explain/old", "/live/jobs/old/events", "/live/jobs/old/pictures/0", "/live/jobs/old/units/0"):
        _refused(_ask(server, "GET", path), 404, "any more")
    _refused(_ask(server, "POST", "/live/jobs/old/cancel"), 404, "any more")


def test_without_a_network_pages_say_what_to_do(server: Server) -> None:
    why = "Start the server with --network NET"
    server.live.offer = type(server.live.offer)("<u>net</u>", None, (), why, why)
    assert _ask(server, "GET", "/live/unit", params={"address": "fc6:0"}).json()["why"] == why
    _refused(_ask(server, "POST", "/live/maximize", json=WISH), 409, why)
    _refused(_ask(server, "POST", "/live/explain", content=MP4), 409, why)
    page = _ask(server, "GET", "/explain").text
    assert why in page and "<form" not in page


def test_the_form_names_the_limits_and_the_classes_as_text(server: Server, place: Path) -> None:
    page = _ask(server, "GET", "/explain").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;</option>" in page and 'data-size="1000"' in page
