"""The figures: what was promised, and what one run found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import median
from typing import Any, Literal

from bench.processes import Cost

#: One round: what each case cost. Dear cases are not in every round.
Round = Mapping[str, Cost]
Verdict = Literal["ok", "MISSED", "not measured", "told"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its target; without a target it is told only."""

    key: str
    label: str
    value: float | None
    unit: str
    target: float | None = None
    aim: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Return whether the target is met; rounded as it is shown, so that no line contradicts itself."""
        if self.value is None:
            return "not measured"
        if self.target is None:
            return "told"
        return "ok" if float(self.amount()) <= self.target else "MISSED"

    def amount(self) -> str:
        """Return the value without its unit."""
        if self.value is None:
            return "-"
        return f"{self.value:.2f}" if self.unit == "x" and self.value < 2 else f"{self.value:.1f}"  # noqa: PLR2004

    def shown(self) -> str:
        """Return the value with its unit."""
        return self.amount() + _unit(self.unit) if self.value is not None else "-"

    def promise(self) -> str:
        """Return the target with its unit."""
        if self.target is None:
            return "-"
        aim = f", aim {self.aim:g}{_unit(self.unit)}" if self.aim is not None else ""
        return f"{self.target:g}{_unit(self.unit)}{aim}"

    def line(self) -> str:
        """Return the figure on one line."""
        target = f"(target {self.promise()})" if self.target is not None else ""
        verdict = "" if self.verdict == "told" else self.verdict
        return f"{self.label:<58} {self.shown():>9}   {target:<26} {verdict}".rstrip()

    def to_json(self) -> dict[str, Any]:
        """Return the figure for programs."""
        value = None if self.value is None else float(self.amount())
        return {
            "key": self.key,
            "label": self.label,
            "value": value,
            "unit": self.unit,
            "target": self.target,
            "aim": self.aim,
            "verdict": self.verdict,
        }


def _unit(unit: str) -> str:
    return unit if unit == "x" else f" {unit}"


def ratio(rounds: Sequence[Round], of: str, to: str, what: str = "wall") -> float | None:
    """Return the median of the rounds' own ratios, so that a machine that slows down for a while changes nothing."""
    get = attrgetter(what)
    pairs = [get(each[of]) / get(each[to]) for each in rounds if of in each and to in each]
    return median(pairs) if pairs else None


def typical(rounds: Sequence[Round], of: str, what: str) -> float | None:
    """Return the median over the rounds that hold the case."""
    get = attrgetter(what)
    found = [get(each[of]) for each in rounds if of in each]
    return median(found) if found else None


@dataclass(frozen=True, slots=True)
class Aside:
    """What is measured beside the rounds: bytes and MiB; None where the official CLI is not there."""

    size: int
    official_size: int | None = None
    official_memory: float | None = None
    first: Cost | None = None


#: What reads the whole journal, and the most it may cost: a second where the bare interpreter takes eight milliseconds.
READING = {
    "status": "status",
    "status-json": "status --json",
    "page": "report --html",
    "metrics": "report --prometheus",
    "all": "status --all",
}
READING_MOST = 120


def figures(rounds: Sequence[Round], aside: Aside) -> list[Figure]:
    """Return every figure, in the order in which they are told."""
    found = [
        Figure("idle.wall", "idle tick", ratio(rounds, "idle", "unit"), "x", 2.2, 2.0),
        Figure("idle.memory", "idle tick, memory", typical(rounds, "idle", "memory"), "MiB", 12),
        Figure("loaded.wall", "idle tick, 1,000 jobs and 100,000 events", ratio(rounds, "loaded", "idle"), "x", 1.3),
        Figure("own.wall", "idle tick, the agent's own Python", ratio(rounds, "own", "idle"), "x", 1.3),
        Figure("postgres.wall", "idle tick, journal on PostgreSQL", ratio(rounds, "postgres", "unit"), "x", 7, 5),
        Figure("mariadb.wall", "idle tick, journal on MariaDB", ratio(rounds, "mariadb", "unit"), "x", 14, 10),
        Figure("run.wall", "backup and update in one process", ratio(rounds, "run", "unit"), "x", 18, 14),
        Figure("run.cpu", "backup and update, CPU", ratio(rounds, "run", "unit", "cpu"), "x"),
        Figure("run.memory", "backup and update, memory", typical(rounds, "run", "memory"), "MiB", 40),
        Figure("update.cpu", "whole run, composer.lock of 2 MB, CPU", ratio(rounds, "update", "whole", "cpu"), "x"),
        Figure("update.memory", "whole run, composer.lock of 2 MB", typical(rounds, "update", "memory"), "MiB", 64),
    ]
    found += [
        Figure(
            f"{key}.cpu",
            f"{shown}, 1,000 jobs, CPU",
            ratio(rounds, key, "unit", "cpu"),
            "x",
            READING_MOST,
        )
        for key, shown in READING.items()
    ]
    found += [
        Figure(
            "changes.cpu", "two composer.lock of 2 MB compared, CPU", ratio(rounds, "changes", "unit", "cpu"), "x", 60
        ),
        Figure(
            "changes.memory",
            "two composer.lock of 2 MB compared, memory",
            typical(rounds, "changes", "memory"),
            "MiB",
            48,
        ),
    ]
    for case, words in (("daily", "caches expired"), ("warm", "caches kept")):
        found += [
            Figure(f"{case}.{what}", f"against the official CLI, {words}: {shown}", value, "x", target)
            for what, shown, value, target in (
                ("wall", "wall", ratio(rounds, "run", case), 0.4),
                ("cpu", "CPU", ratio(rounds, "run", case, "cpu"), 0.4),
                ("memory", "largest process", ratio(rounds, "run", case, "memory"), 0.5),
                ("requests", "requests", ratio(rounds, "run", case, "requests"), 0.7),
            )
        ]
    memory, big = typical(rounds, "run", "memory"), aside.official_memory
    at_once = memory / big if memory and big else None
    size = aside.size / aside.official_size if aside.official_size else None
    requests = typical(rounds, "run", "requests")
    one_cron = requests / aside.first.requests if requests and aside.first else None
    return [
        *found,
        Figure("official.memory", "against the official CLI: all processes at once", at_once, "x", 0.5),
        Figure("official.size", "against the official CLI: installed size", size, "x", 0.5),
        Figure("official.one-cron", "against the official CLI, both in one cron: requests", one_cron, "x"),
    ]
