"""What notebooks show is small, has the numbers as text, and takes every name for text."""

from dataclasses import replace
from xml.etree import ElementTree

import pyarrow
import torch
from torch import nn

from marey.findings.chart import Chart, Series
from marey.findings.finding import Finding
from marey.findings.measure import Measure
from marey.maximization.recipe import Recipe
from marey.maximization.run import maximize
from marey.network.network import Network
from marey.network.stream import flow_stacks

HOSTILE = "<script>alert('1')</script>"


def _network() -> Network:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv3d(6, 4, (1, 3, 3)), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Conv3d(4, 2, 1))
    return Network(module, [flow_stacks(2, length=3, step=2, size=8)], classes=(HOSTILE, "clap"), name=HOSTILE)


def _text(html: str) -> str:
    """The words of HTML that must be well formed but for its pictures, which have no end tag, and without scripts."""
    assert "<script" not in html
    root = ElementTree.fromstring(html.replace('%">', '%"/>'))
    return " ".join(root.itertext())


def test_a_result_shows_its_sheet_and_scores_in_little_space() -> None:
    result = maximize(_network(), f"class:{HOSTILE}", recipe=replace(Recipe(), slowness=(0.0, 5.0), steps=2))
    html = result._repr_html_()
    words = _text(html)
    assert HOSTILE in words and all(f"{score:.2f}" in words for score in result.scores)
    assert "data:image/webp;base64," in html and len(html) < 300_000


def test_a_network_shows_streams_classes_and_layers() -> None:
    words = _text(_network()._repr_html_())
    assert HOSTILE in words and "8 x 8" in words and "Conv3d" in words and "2 classes" in words


def test_a_finding_shows_sentence_figure_and_numbers_with_their_nulls() -> None:
    numbers = Measure("share", "the network", 0.4, 0.3, 0.5, 12, "units", "share")
    chart = Chart("", "classes", "share", (Series("share", ("a", "b"), (1.0, 2.0)),))
    null = replace(numbers, of="shuffled labels", value=0.1, low=0.0, high=0.2)
    finding = Finding("fusion", "Which?", HOSTILE, (numbers,), (null,), {"t": pyarrow.table({"a": [1]})}, chart)
    words = _text(finding._repr_html_())
    assert HOSTILE in words and "40 % [30, 50]" in words and "shuffled labels" in words
    assert "data:image/png;base64," in finding._repr_html_() and len(finding._repr_html_()) < 300_000
