"""Measure how fast the agent is, and say it as ratios.

python -m bench                     the table (`make bench`, under a minute)
python -m bench --json              the same for programs
python -m bench --check             exit code 1 where a target is missed
python -m bench --write --picture docs/reference/speed.svg    the page and the picture
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bench.counts import count
from bench.figures import Aside, Round, figures
from bench.official import Official, find
from bench.page import page
from bench.picture import picture
from bench.processes import Cost, Failed, Spawner
from bench.result import Result
from bench.scene import LARGE, READING, REPOSITORY, Scene
from bench.shared import SharedIdle, shared_cases

PAGE = REPOSITORY / "docs" / "reference" / "speed.md"
#: How often the dear cases are run: in every so many-th round.
RUN_EVERY, OFFICIAL_EVERY, READING_EVERY = 2, 8, 8
LOOKS = 2  # at the memory of several processes at once; a quick look can miss the peak


def options() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=40, metavar="N", help="how many rounds (default: 40)")
    parser.add_argument("--python", default="", metavar="FILE", help="the interpreter (default: python3)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a target is missed")
    parser.add_argument("--write", action="store_true", help="write docs/reference/speed.md")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write the picture there")
    return parser.parse_args()


def play(scene: Scene, official: Official | None, shared: dict[str, SharedIdle], rounds: int) -> list[Round]:
    """Return all rounds, each in an order of its own, after one that does not count."""
    often: dict[str, Callable[[], Cost]] = {
        "unit": scene.unit,
        "idle": lambda: scene.tick(scene.idle),
        "own": scene.tick_of_own,
        "loaded": lambda: scene.tick(scene.loaded),
        **{name: case.tick for name, case in shared.items()},
    }
    found: list[Round] = []
    for number in range(-1, rounds):
        cases = dict(often)
        if number % RUN_EVERY == 0 or number < 0:
            cases["run"] = scene.both_requests
        if official is not None and number % OFFICIAL_EVERY == 0:
            cases |= {"daily": official.daily, "warm": official.warm}
        if number % READING_EVERY == 0:
            cases |= {name: partial(scene.reading, *arguments) for name, arguments in READING.items()}
            cases["changes"] = scene.changes
            cases |= {"whole": scene.whole_run, "update": partial(scene.whole_run, LARGE)}
        order = random.sample(sorted(cases), len(cases))  # an order of measurements  # nosec B311
        costs = {name: cases[name]() for name in order}
        if number >= 0:
            found.append(costs)
    return found


def measure(root: Path, rounds: int, python: str) -> Result:
    """Return everything, in a fresh directory."""
    binary, why = find()
    with Spawner(root) as spawner:
        scene = Scene(root, spawner, python)
        whole, journal = scene.whole_run().requests, scene.night.journal.stat().st_size
        scene.fill()
        scene.tick(scene.idle)
        scene.tick(scene.loaded)
        official = Official(binary, root, spawner) if binary else None
        with shared_cases(scene, spawner, root) as shared:
            found = play(scene, official, shared, rounds)
        aside = Aside(
            scene.size(),
            official.size() if official else None,
            max(official.memory() for _ in range(LOOKS)) if official else None,
            official.first if official else None,
        )
        counts = count(scene, whole, journal, root)
    version = subprocess.run([scene.python, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    notes = [*([why] if why else []), *busy()]
    return Result(version, today, os.cpu_count() or 1, rounds, figures(found, aside), counts, notes)


def busy() -> list[str]:
    """Return a warning where other work kept the machine busy, which slows long processes more than short ones."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load <= cores:
        return []
    return [
        f"The machine was busy (load {load:.1f} on {cores} cores): ratios of wall time read too high, of CPU less so"
    ]


def main() -> int:
    """Measure, tell, and write what was asked for; returns the exit code."""
    asked = options()
    if asked.rounds < 1:
        sys.exit("--rounds takes 1 or more")
    with tempfile.TemporaryDirectory(prefix="upsun-agent-bench-") as root:
        try:
            result = measure(Path(root).resolve(), asked.rounds, asked.python)
        except Failed as error:
            sys.exit(f"nothing could be measured: {error}")
    print(json.dumps(result.to_json(), indent=2) if asked.json else result.text())
    for note in result.notes:
        print(f"bench: {note}", file=sys.stderr)
    if asked.write:
        PAGE.write_text(page(result), encoding="utf-8")
    if asked.picture:
        asked.picture.write_text(picture(result.figures, f"{result.date}, {result.python}"), encoding="utf-8")
    return 1 if asked.check and result.missed() else 0


if __name__ == "__main__":
    sys.exit(main())
