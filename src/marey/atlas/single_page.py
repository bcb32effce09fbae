"""One HTML file with the pages of a few units, for the supplement of a paper: nothing lies beside it."""

import base64
import html
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from posixpath import join, normpath
from tempfile import TemporaryDirectory
from urllib.parse import unquote

from marey.atlas.classes import class_names
from marey.atlas.folder import AtlasFolder
from marey.atlas.media import Report, write_media
from marey.atlas.names import Places
from marey.atlas.options import CLIPS
from marey.atlas.render import STATIC, Pages
from marey.atlas.sources import Sources, opened
from marey.atlas.ties import KeptTies, kept_ties
from marey.atlas.units import some_units
from marey.errors import MareyError
from marey.files import replacing
from marey.network.network import Network
from marey.network.unit import Unit, expand
from marey.recording import Recording

_VOID = {"img", "input", "br"}


def write_single_page(
    recording: Recording | str | Path,
    units: Sequence[str | Unit],
    *,
    out: str | Path,
    preferred: str | Path | None = None,
    findings: str | Path | None = None,
    network: Network | None = None,
    clips: int = CLIPS,
    report: Report | None = None,
) -> Path:
    """Write the pages of some units as one HTML file that needs no other file, and return its path.

    units
        addresses `layer:channel`, several as `layer:0-8`, or classes by their names, in the order in which they stand.
    out
        the file, which ends in .html; it is written whole or not at all.

    The other options are as for `write_atlas`. Every picture is in the file once. Links lead to other units of the
    file alone.

    Raises MareyError for no unit or another file name, NetworkError for a unit that was not recorded.
    """
    out = Path(out)
    if out.suffix.lower() not in (".html", ".htm") or out.is_dir():
        raise MareyError(f"'{out}' is no name for a single page; expected a file that ends in .html.")
    opened_recording = recording if isinstance(recording, Recording) else Recording.open(recording)
    chosen = _chosen(opened_recording, units)
    if not chosen:
        raise MareyError("no unit is named; expected addresses such as fc6:3, or classes, for the single page.")
    sources = opened(
        opened_recording,
        preferred=preferred,
        findings=findings,
        explanations=None,
        network=network,
        layers=None,
        clips=clips,
    )
    told = (lambda what, done, total: None) if report is None else report
    with TemporaryDirectory(prefix="marey-single-") as temporary:
        text = _text(sources, chosen, AtlasFolder(temporary, about={}), told)
    with replacing(out) as draft:
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")
    return out


def _chosen(recording: Recording, units: Sequence[str | Unit]) -> list[Unit]:
    """The units in the order given, each once."""
    found: dict[Unit, None] = {}
    for one in units:
        classes = isinstance(one, str) and one.removeprefix("class:") in recording.classes
        several = [one] if isinstance(one, Unit) or classes or ":" not in one else expand(one)
        found |= dict.fromkeys(recording.unit(each) for each in several)
    return list(found)


def _text(sources: Sources, units: Sequence[Unit], folder: AtlasFolder, report: Report) -> str:
    """The page, with media that are made in `folder`."""
    write_media(sources, folder.path, units=units, others=(), report=report)
    names, questions = class_names(sources.recording), [one.question for one in sources.findings]
    places = Places(layers=sources.layers, classes=names, questions=questions)
    pages = Pages(places, sources, folder=folder.path)
    anchors = {places.unit(unit.layer, unit.channel): f"unit-{place}" for place, unit in enumerate(units)}
    network = sources.clips.network
    ties: KeptTies | None = None
    if network is not None:
        ties = kept_ties(network, sources.recording, folder, report=lambda done, total: report("ties", done, total))
    inlining = _Inlining(folder.path, anchors)
    parts = {one.unit: pages.unit(data, one) for data, one in some_units(sources, units, ties=ties)}
    listed = [(f"#{anchor}", sources.unit_name(unit)) for unit, anchor in zip(units, anchors.values(), strict=True)]
    bodies = [inlining.body(parts[unit], page) for unit, page in zip(units, anchors, strict=True)]
    style = "\n".join(path.read_text(encoding="utf-8") for path in sorted(STATIC.glob("*.css")))
    script = "\n".join(path.read_text(encoding="utf-8") for path in sorted(STATIC.glob("*.js")))
    return pages.single(bodies=bodies, listed=listed, style=style, script=script)


class _Inlining(HTMLParser):
    """Takes what a page shows, puts its media into it, and makes its links lead within the file or nowhere.

    A medium that stands in the file already is not put there again: a script shows it from there.
    """

    def __init__(self, folder: Path, anchors: Mapping[str, str]) -> None:
        """`anchors` are {page of the atlas: where it stands in the file}."""
        super().__init__(convert_charrefs=False)
        self._folder, self._anchors = folder, anchors
        self._media: dict[str, str] = {}
        self._page = ""
        self._written: list[str] = []
        self._inside = 0
        self._left_out = 0

    def body(self, text: str, page: str) -> str:
        """What stands in the <main> of a page, but for its navigation, as a part of the file."""
        self.reset()
        self._page, self._written, self._inside, self._left_out = page, [], 0, 0
        self.feed(text)
        self.close()
        return f'<article id="{self._anchors[page]}">{"".join(self._written)}</article>'

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "main":
            self._inside = 1
            return
        if not self._inside:
            return
        if self._left_out or tag == "nav":
            self._left_out += tag not in _VOID
            return
        written = "".join(
            f" {name}" if value is None else f' {name}="{html.escape(value)}"' for name, value in self._kept(tag, attrs)
        )
        self._written.append(f"<{tag}{written}>")

    def handle_endtag(self, tag: str) -> None:
        if tag == "main":
            self._inside = 0
        elif self._inside and self._left_out:
            self._left_out -= tag not in _VOID
        elif self._inside:
            self._written.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._inside and not self._left_out:
            self._written.append(data)

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")

    def _kept(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
        """The attributes of an element as they stand in the file."""
        kept: list[tuple[str, str | None]] = []
        for name, value in attrs:
            if name in ("id", "aria-labelledby") and value is not None:
                kept.append((name, f"{self._anchors[self._page]}-{value}"))
            elif name == "href" and value is not None:
                anchor = self._anchors.get(self._target(value))
                kept += [] if anchor is None else [(name, f"#{anchor}")]
            elif name == "src" and value is not None:
                kept += self._source(self._target(value))
            elif name != "loading":
                kept.append((name, value))
        return kept

    def _target(self, address: str) -> str:
        """The path below the folder of the atlas that an address of the page leads to."""
        return normpath(join(PurePosixPath(self._page).parent.as_posix(), unquote(address)))

    def _source(self, path: str) -> list[tuple[str, str | None]]:
        """A medium itself, or the number of the one in the file that is the same."""
        content = base64.b64encode((self._folder / path).read_bytes()).decode()
        if content in self._media:
            return [("data-same", self._media[content])]
        self._media[content] = str(len(self._media))
        return [("data-medium", self._media[content]), ("src", f"data:image/webp;base64,{content}")]
