"""What notebooks show of a result, a recording, a finding and a network: HTML whose words are all escaped."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO

from marey.draw.chart import chart
from marey.draw.preferred_input import sheet
from marey.errors import MareyError
from marey.findings.finding import Finding
from marey.maximization.result import PreferredInput
from marey.network.layer import Layer
from marey.network.network import Network
from marey.recording import Recording

_LARGEST = 220_000
"""Bytes of a picture, which are a third more as text: a notebook with ten stays below three megabytes."""

_QUALITIES = (80, 50, 20, 5)
_MOST_ROWS = 12
_MOST_WORDS = 40


def preferred_html(result: PreferredInput) -> str:
    """The contact sheet as one picture, and the scores as text."""
    scores = [(f"{chi:g}", f"{score:.2f}") for chi, score in zip(result.slowness, result.scores, strict=True)]
    note = f"0 is an ordinary response, 1 the largest on {result.source}"
    return _shown(result.label, _webp(result), _table(("slowness", "score"), scores), _line(note))


def recording_html(recording: Recording) -> str:
    """Layers, clips, and how many of these the network classifies right."""
    said = f"{recording.recorded} clips, {len(recording.skipped)} skipped"
    try:
        found = recording.evaluation()
        said += f"; {found.right} of {len(found.labels)} classified right ({100 * found.accuracy:.0f} %)"
    except MareyError:  # no labels, or not those of the network
        said += "; no labels to compare the network's classes with"
    return _shown(f"Recording {recording.folder}", _line(said), _layers(recording.layers.values()))


def finding_html(finding: Finding) -> str:
    """The sentence, the figure where matplotlib is installed, and the numbers with their nulls."""
    rows = [(one.name, one.of, str(one), f"{one.count:,} {one.counted}") for one in (*finding.measures, *finding.nulls)]
    try:
        picture = BytesIO()
        chart(finding.chart).savefig(picture, format="png", dpi=96)
        figure = _picture(picture.getvalue(), "png", finding.asks)
    except MareyError as error:
        figure = _line(str(error))
    notes = [_line(f"note: {one}") for one in finding.remarks]
    return _shown(finding.asks, _line(finding.sentence), figure, _table(("", "of", "value", "on"), rows), *notes)


def network_html(network: Network) -> str:
    """Streams, classes and layers."""
    streams = [
        (one.name, one.kind, f"{one.frames} x {one.height} x {one.width}", ", ".join(map(str, one.times)))
        for one in network.streams
    ]
    classes = _line(f"{len(network.classes)} classes: {_some(network.classes, _MOST_WORDS)}")
    table = _table(("stream", "kind", "frames x height x width", "video frames"), streams)
    return _shown(network.name, table, classes, _layers(network.layers.values()))


def _layers(layers: Iterable[Layer]) -> str:
    every = list(layers)
    rows = [(one.name, one.kind, str(one.units), " x ".join(map(str, one.shape[1:]))) for one in every[:_MOST_ROWS]]
    rest = len(every) - len(rows)
    more = _line(f"and {rest} more layers up to {every[-1].name}") if rest > 0 else ""
    return _table(("layer", "kind", "units", "time x height x width"), rows) + more


def _webp(result: PreferredInput) -> str:
    """The sheet at the best quality at which it is small enough."""
    content, block = b"", sheet(result)
    for quality in _QUALITIES:
        written = BytesIO()
        block.save(written, format="WEBP", quality=quality)
        content = written.getvalue()
        if len(content) <= _LARGEST:
            break
    return _picture(content, "webp", f"preferred input of {result.label}")


def _picture(content: bytes, kind: str, what: str) -> str:
    source = f"data:image/{kind};base64,{b64encode(content).decode()}"
    return f'<img src="{source}" alt="{escape(what)}" style="max-width: 100%">'


def _shown(title: str, *parts: str) -> str:
    return f"<div><strong>{escape(title)}</strong>{''.join(parts)}</div>"


def _line(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _some(words: Sequence[str], most: int) -> str:
    return ", ".join(words[:most]) + (", ..." if len(words) > most else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "<table>" + row(head, "th") + "".join(row(one, "td") for one in rows) + "</table>"
