"""Plant bugs, one at a time, and see the test suite catch each: `make bugs`.

Each bug is the kind of mistake that would break a promise and still look right. It is planted in a copy of the tree;
the suite must fail on it. A bug that nothing catches means that a test is missing, and the command ends with 1.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.command_bugs import COMMAND_BUGS
from tools.server_bugs import SERVER_BUGS, SERVER_SUITE

REPOSITORY = Path(__file__).resolve().parent.parent
PARTS = (
    "agent",
    "tests",
    "tools",
    "docs",
    "hooks",
    "requirements",
    ".upsun",
    "README.md",
    "CONTRIBUTING.md",
    "Makefile",
)
SUITE = (
    "tests/logs",
    "tests/engine",
    "tests/config",
    "tests/faults",
    "tests/upsun",
    "tests/tick",
    "tests/cli",
    "tests/report",
    "tests/journal",
)


@dataclass(frozen=True, slots=True)
class Bug:
    """One mistake: what it is, where, and the text that becomes another."""

    name: str
    file: str
    old: str
    new: str
    suite: tuple[str, ...] = SUITE


BUGS = (
    Bug(
        "the request goes out before the intent is written",
        "agent/runner.py",
        "                flush()\n                event, activity = self._performer.send(decision)\n",
        "                event, activity = self._performer.send(decision)\n                flush()\n",
    ),
    Bug(
        "the proof of the backup is skipped",
        "agent/steps/backup.py",
        '        if flaws:\n            return Failed("proof-failed"',
        '        if flaws and not activity.succeeded:\n            return Failed("proof-failed"',
    ),
    Bug(
        "a backup that is not restorable counts",
        "agent/engine/evidence.py",
        "    if not backup.restorable:\n",
        "    if not backup.restorable and backup.automated:\n",
    ),
    Bug(
        "another environment's backup counts",
        "agent/engine/evidence.py",
        "    if backup.environment != environment:\n",
        "    if not backup.environment:\n",
    ),
    Bug(
        "a backup from before the request counts",
        "agent/steps/backup.py",
        "    elif backup.created_at < newer_than:\n",
        "    elif backup.created_at > newer_than and backup.automated:\n",
    ),
    Bug(
        "complete is taken for success",
        "agent/engine/facts.py",
        '        return self.fate == "succeeded"\n',
        '        return self.fate in {"succeeded", "failed"}\n',
    ),
    Bug(
        "an update needs no proved backup",
        "agent/engine/decide.py",
        "    if kind.needs_proof(step.plan) and case.run.backup_of(subject) is None:\n",
        "    if kind.needs_proof(step.plan) and not case.run.steps:\n",
    ),
    Bug(
        "a request is made again while the list is not settled",
        "agent/engine/reconcile.py",
        "listed.server_at >= intent.server_at + SETTLE",
        "listed.server_at >= intent.server_at",
    ),
    Bug(
        "a lost answer is taken for a refusal",
        "agent/performer.py",
        "            if error.sent:\n",
        "            if not error.sent:\n",
    ),
    Bug(
        "a 5xx is taken for a refusal",
        "agent/upsun/answers.py",
        '    **dict.fromkeys((408, 425, 500, 502, 503, 504), "passing"),',
        '    **dict.fromkeys((408, 425, 500, 502, 503, 504), "refused"),',
    ),
    Bug(
        "a POST is repeated like a read",
        "agent/upsun/client.py",
        'return self._once("POST", path, body)',
        'return self._repeated(lambda: self._once("POST", path, body), "")',
    ),
    Bug(
        "an activity from before the intent is adopted",
        "agent/engine/reconcile.py",
        "    earliest = intent.server_at - CLOCKS_APART",
        "    earliest = intent.server_at - CLOCKS_APART * 9999",
    ),
    Bug(
        "another user's activity is adopted",
        "agent/engine/reconcile.py",
        "if not (each.user and owner.id and each.user != owner.id)",
        "if not (each.user and owner.id and each.user == '')",
    ),
    Bug(
        "another run's mark is overlooked",
        "agent/steps/source_operation.py",
        '            return "sure" if mark == run else "no"\n',
        '            return "sure"\n',
    ),
    Bug(
        "an activity of another run is adopted",
        "agent/engine/reconcile.py",
        "activity.type != kind.activity_type or activity.id in case.claimed",
        "activity.type != kind.activity_type or activity.id in ()",
    ),
    Bug(
        "writes to the journal are not synced",
        "agent/journal/sqlite.py",
        'self._db.execute("PRAGMA synchronous = FULL")',
        'self._db.execute("PRAGMA synchronous = OFF")',
    ),
    Bug(
        "a commit to the journal may be undone by a power cut",
        "agent/journal/sqlite.py",
        'self._db.execute("PRAGMA journal_mode = TRUNCATE")',
        'self._db.execute("PRAGMA journal_mode = DELETE")',
    ),
    Bug(
        "a journal of another environment is acted on",
        "agent/journal/directory.py",
        "    if found == identity:\n",
        "    if found[0] == identity[0]:\n",
    ),
    Bug(
        "a journal that a restore rewound is acted on",
        "agent/tick.py",
        "        if restored:\n            self._begin_rewound",
        "        if len(restored) > 99:\n            self._begin_rewound",
    ),
    Bug(
        "the lock is not taken",
        "agent/journal/lock.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
    ),
    Bug(
        "a lease of a living tick is broken",
        "agent/journal/lock.py",
        "    return process_start(int(pid)) != process\n",
        "    return True\n",
    ),
    Bug(
        "a journal from a newer version is written to",
        "agent/journal/sqlite.py",
        "        elif version > SCHEMA_VERSION:\n",
        "        elif version > SCHEMA_VERSION + 1000:\n",
    ),
    Bug(
        "autumn's repeated hour runs twice",
        "agent/schedule.py",
        '        name = wall.strftime("%Y-%m-%dT%H:%M")\n',
        "        name = aware.isoformat()\n",
    ),
    Bug(
        "a slot in spring's gap is lost",
        "agent/schedule.py",
        "        if not self._fixed_hours:\n            return None\n",
        "        return None\n",
    ),
    Bug(
        "every missed slot is caught up, not the latest",
        "agent/engine/due.py",
        "    missed = tuple(slots) if late else tuple(older)\n",
        "    missed = tuple(slots) if late else ()\n",
    ),
    Bug(
        "a slot that is hours late runs all the same",
        "agent/engine/due.py",
        "    late = now - newest.due_at > grace(job)\n",
        "    late = now - newest.due_at > grace(job) * 100\n",
    ),
    Bug(
        "nothing to update is taken for a commit that is live",
        "agent/steps/commits.py",
        "    if commit is None and not any(",
        "    if commit is None and any(",
    ),
    Bug(
        "a deployment that failed is not looked at",
        "agent/steps/commits.py",
        "    bad = next((each for each in pushes if not each.succeeded), None)\n",
        "    bad = next((each for each in pushes if each.state == 'nowhere'), None)\n",
    ),
    Bug(
        "a step that names another environment works on the agent's own",
        "agent/engine/job.py",
        '        return named if isinstance(named, str) and named not in {"", HERE} else home\n',
        "        return named if isinstance(named, str) and not named else home\n",
    ),
    Bug(
        "a backup of one environment proves another",
        "agent/engine/run.py",
        "            and step.plan.environment(self.environment) == environment\n",
        "            and step.plan.environment(self.environment)\n",
    ),
    Bug(
        "taking back begins though nothing was changed",
        "agent/engine/taking_back.py",
        "    if not any(subject(step.plan, run, kinds) in touched for step in run.take_back_steps):\n",
        "    if touched and not any(subject(step.plan, run, kinds) in touched for step in run.take_back_steps):\n",
    ),
    Bug(
        "taking back is taken back",
        "agent/engine/taking_back.py",
        "    if run.taking_back is not None or not run.take_back_steps or uncertain(run, kinds) is not None:\n",
        "    if not run.take_back_steps or uncertain(run, kinds) is not None:\n",
    ),
    Bug(
        "an interrupted command is run again",
        "agent/engine/decide.py",
        "    if kind.may_repeat(case.step.plan):\n",
        "    if case.step.attempts:\n",
    ),
    Bug(
        "the command gets the API token",
        "agent/process.py",
        "for key, value in os.environ.items() if key not in hidden}",
        "for key, value in os.environ.items() if key or key not in hidden}",
    ),
    Bug(
        "a merge goes into whichever parent there is",
        "agent/steps/merge.py",
        "        if environment.parent != into:\n",
        "        if environment.parent is None:\n",
    ),
    Bug(
        "a cancelled or timed-out backup is asked for again",
        "agent/steps/backup.py",
        '    retryable = frozenset({"activity-failed", "proof-failed"})\n',
        '    retryable = frozenset({"activity-failed", "activity-cancelled", "proof-failed"})\n',
    ),
    Bug(
        "a retry may replace the only good backup",
        "agent/engine/policy.py",
        "    if not good or has_room or manual[0].id != good[-1].id:\n",
        "    if not good or has_room or manual:\n",
    ),
    Bug(
        "the whole answer has no deadline",
        "agent/upsun/transport.py",
        "    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001), 1.0)\n",
        "    signal.setitimer(signal.ITIMER_REAL, 0)\n",
    ),
    Bug(
        "an answer may be as long as it likes",
        "agent/upsun/transport.py",
        "                if len(body) > BODY_MOST_BYTES:\n",
        "                if len(body) > BODY_MOST_BYTES * 1000:\n",
    ),
    Bug(
        "a link to another host is followed",
        "agent/upsun/models.py",
        "        path = urlsplit(href).path\n",
        "        path = href\n",
    ),
    Bug(
        "the token is in the log",
        "agent/redaction.py",
        "        parts += [text[place:start], HIDDEN]\n",
        "        parts += [text[place:end], HIDDEN]\n",
    ),
    Bug(
        "a secret that two pieces share is shown",
        "agent/redaction.py",
        "            cut = begin if begin < cut < end else cut",
        "            cut = cut",
    ),
    Bug(
        "a message leaves the outbox before it was delivered",
        "agent/notify/herald.py",
        "        outcome = self._attempt(journal, channel, message, seconds)\n",
        "        self._change(journal, message, outbox.dropped(message))\n"
        "        outcome = self._attempt(journal, channel, message, seconds)\n",
    ),
    Bug(
        "messages are kept apart from their events",
        "agent/chronicle.py",
        "        self.journal.append(run.id, *events, notes=notes)\n",
        "        self.journal.append(run.id, *events)\n        self.journal.append(run.id, notes=notes)\n",
    ),
    Bug(
        "a webhook's signature does not cover the body",
        "agent/notify/webhook.py",
        'b".".join([identity.encode(), moment.encode(), body])',
        'b".".join([identity.encode(), moment.encode(), b""])',
    ),
    Bug(
        "SIGTERM kills without letting go",
        "agent/site.py",
        "    before = signal.signal(signal.SIGTERM, end)\n",
        "    before = signal.getsignal(signal.SIGTERM)\n",
    ),
    Bug(
        "an idle answer outlives a changed job file",
        "agent/glance.py",
        '    if not same or row[3] != basis(text, environ.get("PLATFORM_ENVIRONMENT_TYPE")):\n',
        "    if not same:\n",
    ),
    Bug(
        "a check of the token believes a kept bearer",
        "agent/upsun/auth.py",
        "        self.forget()  # a bearer of a token that is refused now must not serve the next process either\n"
        "        self._bearer = self._exchange()\n",
        "        self._bearer = self._kept() or self._exchange()\n",
    ),
    Bug(
        "a text on the page is not escaped",
        "agent/report/markup.py",
        "            yield escape(shown(child))\n",
        "            yield shown(child)\n",
    ),
    Bug(
        "counters fall when history is forgotten",
        "agent/journal/sqlite.py",
        "                    self._keep(remembered(known, [row[1:] for row in gone]))\n",
        "                    pass\n",
    ),
    *(Bug(*each, suite=SERVER_SUITE) for each in SERVER_BUGS),
    Bug(
        "a gateway's page is taken for the API's word",
        "agent/upsun/answers.py",
        '        return "token" if of_api else "unusable"',
        '        return OF_THE_API.get(status, "refused")',
        suite=("tests/upsun/test_answers.py",),
    ),
    Bug(
        "any refusal of the token endpoint is a refused token",
        "agent/upsun/auth.py",
        "code in TOKEN_ERRORS:",
        "code:",
        suite=("tests/upsun/test_answers.py",),
    ),
    Bug(
        "an activity that is not found once has failed for good",
        "agent/engine/evidence.py",
        '    return Failed("unknown", f"{what}: what became',
        '    return Failed("activity-failed", f"{what}: what became',
        ("tests/engine/test_decide_endings.py", "tests/faults/test_one_look.py"),
    ),
    Bug(
        "a failure that was seen once begins the rollback",
        "agent/engine/recheck.py",
        "    return RECHECK_PAUSE if _rolls_back(run, step, event, kinds) else None",
        "    return RECHECK_PAUSE if _rolls_back(run, step, event, kinds) and decision.doubtful else None",
        ("tests/engine/test_pipelines.py",),
    ),
    Bug(
        "a restore follows although the failure is not there any more",
        "agent/engine/decide.py",
        "(_contradicted(case, kinds) if kind.destroys else None)",
        "(_contradicted(case, kinds) if not kind.destroys else None)",
        ("tests/engine/test_pipelines.py",),
    ),
    Bug(
        "a request under way at the time limit is rolled back",
        "agent/engine/run.py",
        'unjudged = self.ended_at is None or self.failure in {"unknown", "timeout", "step-timeout"}',
        'unjudged = self.failure == "unknown"',
        ("tests/engine/test_pipelines.py", "tests/faults/test_one_look.py"),
    ),
    Bug(
        "a request counts as lost although its effect is there",
        "agent/engine/reconcile.py",
        "        if effect is not None:\n",
        "        if effect is not None and not listed.complete:\n",
        ("tests/engine/test_reconcile.py",),
    ),
    Bug(
        "the proof is not read again before the update",
        "agent/engine/decide.py",
        "    if blocked is None and kind.needs_proof(case.step.plan):\n",
        "    if blocked is None and kind.needs_proof(case.step.plan) and case.step.attempts:\n",
        ("tests/engine/test_pipelines.py", "tests/engine/test_decide_exhaustive.py"),
    ),
    Bug(
        "a failing command of a successful activity is not read",
        "agent/engine/evidence.py",
        "    if not bad or not kind.commands_decide:\n",
        "    if not bad or kind.commands_decide:\n",
        ("tests/engine/test_commands_of_activities.py",),
    ),
    Bug(
        "an update that is staged is no update",
        "agent/engine/decide.py",
        '(each.detail.get("commit") or each.detail.get("deployment") == "staged")',
        'each.detail.get("commit")',
        ("tests/engine/test_commands_of_activities.py",),
    ),
    Bug(
        "an activity of a later API is never over",
        "agent/engine/facts.py",
        '        if self.state != "complete" and not ended:\n',
        '        if self.state != "complete":\n',
        ("tests/engine/test_decide_endings.py",),
    ),
    *(Bug(*each) for each in COMMAND_BUGS),
)


def misplaced() -> list[str]:
    """Bugs whose text does not stand in its file exactly once: the list must follow the code."""
    found = []
    for bug in BUGS:
        count = (REPOSITORY / bug.file).read_text(encoding="utf-8").count(bug.old)
        if count != 1:
            found.append(f"{bug.name}: its text stands {count} times in {bug.file}")
    return found


#: No bug at all: the suite must pass, or what it catches says nothing.
CONTROL = Bug("no bug", "README.md", "# upsun-agent\n", "# upsun-agent\n")


def is_caught(bug: Bug, suite: tuple[str, ...] = ()) -> tuple[bool, str]:
    """Whether the suite fails on the bug, and by which test. The bug must load: a broken import proves nothing."""
    with tempfile.TemporaryDirectory(prefix="planted-bug-") as directory:
        copy = Path(directory)
        for part in PARTS:
            source = REPOSITORY / part
            if source.is_dir():
                shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, copy / part)
        shutil.copy(REPOSITORY / "pyproject.toml", copy)
        file = copy / bug.file
        file.write_text(file.read_text(encoding="utf-8").replace(bug.old, bug.new), encoding="utf-8")
        variables = {**os.environ, "PYTHONPATH": directory, "PYTHONDONTWRITEBYTECODE": "1"}
        load = "import agent.cli.main, agent.tick, agent.glance, agent.upsun.client, agent.rehearsal"
        subprocess.run([sys.executable, "-c", load], cwd=copy, env=variables, check=True)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "--no-header",
            "-p",
            "no:cacheprovider",
            *(suite or bug.suite),
        ]
        try:
            done = subprocess.run(
                command, cwd=copy, env=variables, capture_output=True, text=True, check=False, timeout=600
            )
        except subprocess.TimeoutExpired:
            return True, "the suite hangs"
        failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return done.returncode == 1 and bool(failed), (failed or done.stdout.splitlines()[-1:] or ["no output"])[0]


def main() -> int:
    """Plant them all; exit code 1 where one is not caught."""
    parser = argparse.ArgumentParser(prog="planted_bugs", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", metavar="WORD", help="only bugs with this word in their name")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    wrong = misplaced()
    if wrong:
        sys.stdout.write("\n".join(wrong) + "\n")
        return 1
    bugs = [bug for bug in BUGS if not options.only or options.only in bug.name]
    missed = 0
    for suite in {bug.suite for bug in bugs}:
        broken, by = is_caught(CONTROL, suite)
        if broken:
            sys.stdout.write(f"the suite fails without any bug: {by}\n")
            return 1
    with ThreadPoolExecutor(options.workers) as pool:
        for bug, (caught, by) in zip(bugs, pool.map(is_caught, bugs), strict=True):
            missed += not caught
            sys.stdout.write(f"{'caught' if caught else 'MISSED'}  {bug.name}\n        {by[:150]}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(bugs) - missed} of {len(bugs)} planted bugs caught\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
