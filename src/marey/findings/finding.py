"""An answer to one question about a network: a sentence with its numbers, tables, nulls and evidence."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from marey.errors import MareyError
from marey.files import replacing
from marey.findings.chart import Chart, Series
from marey.findings.measure import Measure

FORMAT = 1
"""The version of the files; a finding of another one is not read."""

SUMMARY = "finding.json"


@dataclass(frozen=True)
class Evidence:
    """Something to look at: a unit or clips that show what a sentence says, and how strongly.

    unit, clips
        an address `layer:channel`, or None; paths of clips.
    """

    what: str
    value: float
    unit: str | None = None
    clips: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Finding:
    """The answer to one question, which opens without the network and the clips.

    question, asks
        the word by which it is asked for, and the question in full.
    sentence
        the answer, with its numbers.
    measures, nulls
        the numbers of the network, and the same numbers of what has nothing to find.
    tables
        all numbers, by name.
    chart
        the one figure.
    evidence
        units and clips to look at.
    unexplained
        share of the units of which the finding can say nothing; None where units are not what is counted.
    remarks
        what a reader must know to trust it: clips that were not used, what could not be asked.
    provenance
        how it was made: recording, network, settings, seed, version.
    """

    question: str
    asks: str
    sentence: str
    measures: tuple[Measure, ...]
    nulls: tuple[Measure, ...]
    tables: Mapping[str, pyarrow.Table]
    chart: Chart
    evidence: tuple[Evidence, ...] = ()
    unexplained: float | None = None
    remarks: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Finding('{self.question}': {self.sentence})"

    def __str__(self) -> str:
        lines = [f"{self.question}: {self.asks}", self.sentence]
        lines += [_line(one) for one in (*self.measures, *self.nulls)]
        lines += [
            f"look at: {one.what}: {', '.join(filter(None, (one.unit, *one.clips)))}" for one in self.evidence[:6]
        ]
        if self.unexplained is not None:
            lines.append(f"left unexplained: {100 * self.unexplained:.0f} % of the units")
        return "\n".join([*lines, *(f"note: {note}" for note in self.remarks)])

    def _repr_html_(self) -> str:
        """What notebooks show: the sentence, the figure and the numbers."""
        from marey.draw.shown_html import finding_html

        return finding_html(self)

    def save(self, folder: str | Path) -> Path:
        """Write the finding to a folder: `finding.json`, and a Parquet file for every table; the JSON last.

        Raises OutputError where the disk fails.
        """
        folder = Path(folder)
        (folder / SUMMARY).unlink(missing_ok=True)  # what is half written is no finding
        for name, table in self.tables.items():
            with replacing(folder / f"{name}.parquet") as draft:
                parquet.write_table(table, draft)
        values = {
            "format": FORMAT,
            "question": self.question,
            "asks": self.asks,
            "sentence": self.sentence,
            "measures": [asdict(one) for one in self.measures],
            "nulls": [asdict(one) for one in self.nulls],
            "tables": list(self.tables),
            "chart": asdict(self.chart),
            "evidence": [asdict(one) for one in self.evidence],
            "unexplained": self.unexplained,
            "remarks": list(self.remarks),
            "provenance": dict(self.provenance),
        }
        with replacing(folder / SUMMARY) as draft:
            draft.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return folder

    @classmethod
    def open(cls, folder: str | Path) -> "Finding":
        """The finding that `save` wrote to a folder; MareyError when there is none, or it is damaged."""
        path = Path(folder) / SUMMARY
        if not path.is_file():
            raise MareyError(f"'{folder}' holds no finding, for it has no {SUMMARY}; make one with `marey find`.")
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["format"] != FORMAT:
                raise ValueError(f"it has format {values['format']}, this version reads {FORMAT}")
            chart = values["chart"]
            series = tuple(Series(**{**one, **_tuples(one, "x", "y", "low", "high")}) for one in chart["series"])
            return cls(
                values["question"],
                values["asks"],
                values["sentence"],
                tuple(Measure(**one) for one in values["measures"]),
                tuple(Measure(**one) for one in values["nulls"]),
                {name: parquet.read_table(path.with_name(f"{name}.parquet")) for name in values["tables"]},
                Chart(**{**chart, "series": series}),
                tuple(Evidence(**{**one, **_tuples(one, "clips")}) for one in values["evidence"]),
                values["unexplained"],
                tuple(values["remarks"]),
                values["provenance"],
            )
        except (OSError, ValueError, KeyError, TypeError, pyarrow.ArrowException) as error:
            raise MareyError(
                f"the finding in '{folder}' is damaged: {error}. Make it again with `marey find`."
            ) from None


def removed(folder: Path) -> None:
    """Remove a finding and what was drawn of it, before another one takes its place; other files stay."""
    for pattern in (SUMMARY, "*.parquet", "figure-*"):
        for path in folder.glob(pattern):
            path.unlink()


def _line(measure: Measure) -> str:
    return f"  {measure.name}, {measure.of}: {measure} ({measure.count:,} {measure.counted})"


def _tuples(values: Mapping[str, Any], *names: str) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(values[name]) for name in names}
