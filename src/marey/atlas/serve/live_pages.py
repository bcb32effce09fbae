"""Pages that only a server has, and what it adds to the pages of the atlas, whose files stay as they are."""

from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from marey.atlas.names import link
from marey.atlas.render import templates
from marey.atlas.serve.jobs import EXPLAIN_SECONDS, Job
from marey.atlas.serve.live import Live

STATIC = Path(__file__).with_name("static")
"""The script and the style sheet of what is live."""


class LivePages:
    """Renders them."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def live(self, page: str) -> str:
        """A page of the atlas as the server gives it: with the script that finds out what can be done there."""
        head = (
            f'<meta name="marey-live" content="{escape(self._live.token)}">\n'
            '<link rel="icon" href="data:,">\n'  # or a browser asks for one, which there is not
            '<link rel="stylesheet" href="/live/live.css">\n<script defer src="/live/live.js"></script>\n</head>'
        )
        return page.replace("</head>", head, 1)

    def explain(self) -> str:
        """The page on which clips are sent."""
        live = self._live
        return self._page(
            "explain_form",
            "explain",
            why=live.offer.no_clips,
            classes=live.offer.classes,
            count=len(live.clips),
            size=live.limits.size,
            minutes=round(EXPLAIN_SECONDS / 60),
        )

    def explained(self, job: Job) -> str:
        """The page of a clip that is explained, or will be."""
        result = job.result
        units = () if result is None else result.units
        pages = {one.unit: self._live.unit_page(one.unit) for one in units}
        return self._page("explained", "explain/job", job=job, task=job.task, result=result, pages=pages)

    def _page(self, name: str, path: str, **values: Any) -> str:
        template = templates(Path(__file__).with_name("templates")).get_template(f"{name}.html")
        network = self._live.offer.name
        return self.live(template.render(network=network, page=path, to=partial(link, page=path), **values))
