"""What one run of the benchmark found, as text and for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bench.counts import Counts
from bench.figures import Figure


@dataclass(frozen=True, slots=True)
class Result:
    """Figures and counts of one run, and what they were measured with."""

    python: str
    date: str
    cores: int
    rounds: int
    figures: list[Figure]
    counts: Counts
    notes: list[str]

    def counted(self) -> list[tuple[str, str]]:
        """Return the counts with their labels."""
        counts = self.counts
        pairs = [
            ("modules of an idle tick, beyond the bare interpreter's", len(counts.idle_modules)),
            ("modules of backup and update", len(counts.run_modules)),
            ("requests of backup and update", counts.run_requests),
            ("requests of a whole run, to its end", counts.whole_run_requests),
            ("syncs of an idle tick", counts.idle_syncs),
            ("syncs of backup and update", counts.syncs),
            ("programs started by backup and update", counts.programs),
            ("bytes sent by backup and update", counts.sent_bytes),
            ("bytes received by backup and update", counts.received_bytes),
            ("bytes of the journal after one run", counts.journal_bytes),
            ("bytes of an app's install, byte code and all", counts.install_bytes),
            ("files of an app's install, byte code and all", counts.install_files),
        ]
        return [(label, "not measured (no strace)" if value is None else f"{value:,}") for label, value in pairs]

    def text(self) -> str:
        """Return the table for people."""
        lines = [f"{self.python}, {self.cores} cores, {self.rounds} rounds; 1x is `python3 -I -S -c pass`", ""]
        lines += [figure.line() for figure in self.figures]
        lines += ["", *(f"{label:<58} {value:>9}" for label, value in self.counted())]
        lines += [*([""] if self.notes else []), *self.notes]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the same for programs."""
        return {
            "python": self.python,
            "date": self.date,
            "cores": self.cores,
            "rounds": self.rounds,
            "figures": [figure.to_json() for figure in self.figures],
            "counts": asdict(self.counts),
            "notes": self.notes,
        }

    def missed(self) -> list[Figure]:
        """Return the figures that miss their target."""
        return [figure for figure in self.figures if figure.verdict == "MISSED"]
