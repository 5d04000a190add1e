"""Metrics in the Prometheus text format 0.0.4, for the textfile collector of node_exporter or a scrape."""

from __future__ import annotations

from upsun_agent.report.html import shown
from upsun_agent.report.metrics import Family, Labels, Measures


def text(measures: Measures) -> str:
    """Return the whole file. Every sample names its environment, so that several files can be scraped together."""
    return "".join(line + "\n" for family in measures.families for line in _lines(family, measures.owner))


def _lines(family: Family, owner: Labels) -> list[str]:
    lines = [f"# HELP {family.name} {_escaped(family.doc)}", f"# TYPE {family.name} {family.kind}"]
    for sample in family.samples:
        labels = ",".join(f'{name}="{_quoted(value)}"' for name, value in (*owner, *sample.labels))
        lines.append(f"{family.name}{{{labels}}} {_number(sample.value)}")
    return lines


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _escaped(value: str) -> str:
    return shown(value).replace("\\", "\\\\")


def _quoted(value: str) -> str:
    return _escaped(value).replace('"', '\\"')
