"""What changes something comes from a page of the server itself."""

import base64
import hashlib
import re
from pathlib import Path

import pytest

from marey.atlas.serve.guard import inline_scripts, refused

OWN = {
    "host": "127.0.0.1:8000",
    "origin": "http://127.0.0.1:8000",
    "sec-fetch-site": "same-origin",
    "x-marey-token": "t",
}


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, None),
        ({"origin": None, "sec-fetch-site": None}, None),  # no browser, but with the token
        ({"host": "localhost:9000", "origin": "https://localhost:9000"}, None),  # a tunnel
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:8001"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"x-marey-token": "another"}, 403),
        ({"x-marey-token": "\N{MAN DANCING}"}, 403),
        ({"x-marey-token": None}, 403),
    ],
)
def test_a_post_is_refused_unless_a_page_of_the_server_sends_it(
    changed: dict[str, str | None], status: int | None
) -> None:
    headers = {name: value for name, value in (OWN | changed).items() if value is not None}
    found = refused("POST", headers, token="t")
    assert (None if found is None else found[0]) == status


def test_reading_needs_nothing_and_other_methods_are_refused() -> None:
    assert refused("GET", {}, token="t") is None and refused("HEAD", {}, token="t") is None
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT"):
        found = refused(method, OWN, token="t")
        assert found is not None and found[0] == 405


def test_the_policy_names_the_scripts_within_pages(site: Path) -> None:
    page = (site / "index.html").read_text()
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert scripts
    for script in scripts:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in inline_scripts()
