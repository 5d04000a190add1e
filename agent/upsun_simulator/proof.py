"""Read a proof, the file that ``check --prove`` writes, as a scenario with the observed behaviour.

Only the facts of its rows are read, never its texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from upsun_simulator.faults import FIRST_STATUS, LAST_STATUS
from upsun_simulator.scenario import MOST, Scenario

VERSION = 1
MOST_PAGE = 100  # items
REFUSALS_MOST = 3  # reads in a row: more than that, and a client that asks four times gives up

Facts = Mapping[str, Any]


class ProofInvalid(ValueError):
    """The document is not a proof that can be played."""


@dataclass
class Proved:
    """The observations in a proof, as a scenario for the simulator."""

    #: The fields of the scenario that differ from the default.
    settings: dict[str, Any] = field(default_factory=dict)
    #: Faults, as their texts.
    faults: list[str] = field(default_factory=list)
    #: The names of rows that differ and that the simulator cannot play.
    unplayed: list[str] = field(default_factory=list)

    def scenario(self, **more: Any) -> Scenario:
        """Return the scenario, with more fields."""
        return Scenario(**{**self.settings, **more})


def read_proof(document: object) -> Proved:
    """Return the observations in a proof; raise ProofInvalid if it is not a proof."""
    if not isinstance(document, Mapping) or document.get("proof") != VERSION:
        raise ProofInvalid(f"this is not a proof of version {VERSION}, as check --prove writes it with --to")
    rows = document.get("rows")
    if not isinstance(rows, list):
        raise ProofInvalid("the proof has no list of rows")
    proved = Proved()
    for row in rows:
        if not isinstance(row, Mapping) or not isinstance(row.get("facts"), Mapping):
            raise ProofInvalid("a row of the proof is not an object with facts")
        if row.get("outcome") == "not tried":
            continue
        read = READERS.get(str(row.get("name")))
        if read is not None:
            read(proved, row["facts"])
        elif row.get("outcome") == "differs":
            proved.unplayed.append(str(row.get("name"))[:40])
    try:
        proved.scenario()
    except (ValueError, TypeError) as error:
        raise ProofInvalid(f"the proof cannot be played: {error}") from None
    return proved


def _number(facts: Facts, name: str, least: float, most: float) -> float | None:
    """Return a number of the facts; None if it is absent or not one within these bounds."""
    value = facts.get(name)
    good = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
    return value if good else None


def _status(facts: Facts) -> int | None:
    found = _number(facts, "status", FIRST_STATUS, LAST_STATUS)
    return None if found is None else int(found)


def _pages(proved: Proved, facts: Facts) -> None:
    size = _number(facts, "page", 1, MOST_PAGE)
    if size is not None:
        proved.settings["page_size"] = int(size)


def _limit(proved: Proved, facts: Facts) -> None:
    refused, status = _number(facts, "refused", 1, MOST), _status(facts)
    if refused is not None and status is not None:
        after = _number(facts, "retry_after", 0, MOST)
        wish = "" if after is None else f" retry-after={int(after)}"
        proved.faults.append(f"GET */activities {status} x{min(int(refused), REFUSALS_MOST)}{wish}")


def _role(proved: Proved, facts: Facts) -> None:
    if facts.get("admin") is False:
        proved.settings["other_role"] = "contributor"
    names = {"#backup": "backup", "#source-operation": "source_operation"}
    absent = tuple(link for link, name in names.items() if facts.get(name) is False)
    if absent and facts.get("admin") is True:
        proved.settings["absent_links"] = absent
    elif facts.get("admin") is False and len(absent) < len(names):
        proved.unplayed.append("operation-role")


def _answer(proved: Proved, facts: Facts) -> None:
    if facts.get("embedded") is False:
        proved.faults.append("POST */backup json body={}")
    elif facts.get("named") is False:
        proved.unplayed.append("backup-activity")


def _second(proved: Proved, facts: Facts) -> None:
    status = _status(facts)
    if facts.get("second") == "refused" and status is not None:
        proved.faults.append(f"POST */backup {status} #2")
    elif facts.get("second") != "queued":
        proved.unplayed.append("second-backup")


def _beside_cron(proved: Proved, facts: Facts) -> None:
    if facts.get("waits") is False:
        proved.settings["crons_hold_others"] = False


def _backup(proved: Proved, facts: Facts) -> None:
    seconds = _number(facts, "seconds", 0, MOST)
    if seconds is not None:
        proved.settings["backup_seconds"] = seconds
    if facts.get("found") is False:
        proved.settings["backup_outcome"] = "missing"
    elif facts.get("restorable") is False:
        proved.settings["backup_outcome"] = "unrestorable"


def _trace(proved: Proved, facts: Facts) -> None:
    if facts.get("listed") is True:
        proved.settings["cancelled_backups_listed"] = True


def _operation(proved: Proved, facts: Facts) -> None:
    if facts.get("result") == "failed":
        proved.settings["update_outcome"] = "failure"
    elif facts.get("result") == "succeeded":
        proved.settings["update_outcome"] = "commit" if facts.get("committed") is True else "no-commit"
    else:
        proved.unplayed.append("source-operation")


#: What is read of each row, by its name.
READERS: Mapping[str, Callable[[Proved, Facts], None]] = {
    "page-size": _pages,
    "rate-limit": _limit,
    "operation-role": _role,
    "backup-activity": _answer,
    "second-backup": _second,
    "cron-backup": _beside_cron,
    "cron-deploy": _beside_cron,
    "backup-proof": _backup,
    "failed-backup": _trace,
    "source-operation": _operation,
}
