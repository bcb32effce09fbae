"""What every request passes first: methods, the origin of what asks for work, and the headers of every answer."""

import base64
import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TOKEN = "x-marey-token"
"""The header by which a page of this server shows that it is one."""

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]


class Guard:
    """An ASGI application around another one, which is asked only what may be asked, and whose answers get headers.

    token
        of the server, new at every start.
    """

    def __init__(self, app: _App, *, token: str) -> None:
        self._app, self._token = app, token
        self._headers = [(name.encode(), value.encode()) for name, value in _answer_headers().items()]

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: _Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = refused(scope["method"], headers, token=self._token)
        if refusal is None:
            await self._app(scope, receive, with_headers)
        else:
            status, line = refusal
            text = [(b"content-type", b"text/plain; charset=utf-8"), (b"allow", b"GET, HEAD, POST")]
            await with_headers({"type": "http.response.start", "status": status, "headers": text})
            await with_headers({"type": "http.response.body", "body": line.encode()})


def refused(method: str, headers: Mapping[str, str], *, token: str) -> tuple[int, str] | None:
    """The status and the line with which a request is refused; None for one that may pass.

    Whatever changes something is a POST, which must come from a page of this server: by what the browser says of its
    origin, and by the token, which no other site can read.
    """
    if method in ("GET", "HEAD"):
        return None
    if method != "POST":
        return 405, f"{method} is not served here; pages are read with GET, and work is asked for with POST."
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    foreign = site is not None and site != "same-origin"
    if foreign or (origin is not None and urlsplit(origin).netloc != headers.get("host", "")):
        return 403, "this request comes from another site; open the atlas at its own address."
    if not secrets.compare_digest(headers.get(TOKEN, "").encode("utf-8", "replace"), token.encode()):
        return 403, "this page is of an earlier start of the server; load it again."
    return None


def _answer_headers() -> dict[str, str]:
    scripts = " ".join(["'self'", *inline_scripts()])
    policy = (
        f"default-src 'none'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    )
    return {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }


def inline_scripts() -> list[str]:
    """The scripts within the templates of pages, as a content security policy names them: by their hashes."""
    templates = (Path(__file__).parents[1] / "templates").glob("*.html")
    scripts = {
        script
        for template in templates
        for script in re.findall(r"<script>(.*?)</script>", template.read_text("utf-8"), re.DOTALL)
    }
    return [
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in sorted(scripts)
    ]
