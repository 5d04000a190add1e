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

from tools.answer_bugs import ANSWER_BUGS
from tools.change_bugs import CHANGE_BUGS
from tools.command_bugs import COMMAND_BUGS
from tools.interpreter_bugs import INTERPRETER_BUGS
from tools.package_bugs import PACKAGE_BUGS
from tools.server_bugs import SERVER_BUGS

REPOSITORY = Path(__file__).resolve().parent.parent
#: What a copy of the repository holds: all but what tools make.
PARTS = (
    *(".ci", ".github", ".pre-commit-config.yaml", ".upsun", "agent", "bench", "demo", "docs", "hooks", "requirements"),
    *(
        "tests",
        "tools",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "RELEASE.md",
        "SECURITY.md",
    ),
)
#: Seconds that one run of a suite may take.
LIMIT = 3600


@dataclass(frozen=True, slots=True)
class Bug:
    """One mistake: what it is, where, and the text that becomes another."""

    name: str
    file: str
    old: str
    new: str
    suite: tuple[str, ...]


BUGS = (
    Bug(
        "the request goes out before the intent is written",
        "agent/upsun_agent/runtime/advance.py",
        "                flush()\n                event, activity = self._executor.send(decision)\n",
        "                event, activity = self._executor.send(decision)\n                flush()\n",
        suite=(
            "tests/integration/runtime/test_processes.py::test_a_tick_that_is_ended_while_a_request_hangs_is_taken_up_by_the_next",
        ),
    ),
    Bug(
        "the proof of the backup is skipped",
        "agent/upsun_agent/steps/backup.py",
        '        if problems:\n            text = f"backup {name} is not proved',
        '        if problems and not activity.succeeded:\n            text = f"backup {name} is not proved',
        suite=("tests/unit/engine/test_decide_endings.py::test_an_activity_that_succeeded_is_judged_by_its_kind",),
    ),
    Bug(
        "a backup that is not restorable counts",
        "agent/upsun_agent/engine/evidence.py",
        "    if not backup.restorable:\n",
        "    if not backup.restorable and backup.automated:\n",
        suite=(
            "tests/unit/engine/test_arbitrary_answers.py::test_no_lie_makes_the_agent_repeat_a_request_or_update_without_proof_or_hang",
        ),
    ),
    Bug(
        "another environment's backup counts",
        "agent/upsun_agent/engine/evidence.py",
        "    if backup.environment != environment:\n",
        "    if not backup.environment:\n",
        suite=(
            "tests/unit/engine/test_arbitrary_answers.py::test_no_lie_makes_the_agent_repeat_a_request_or_update_without_proof_or_hang",
        ),
    ),
    Bug(
        "a backup from before the request counts",
        "agent/upsun_agent/steps/backup.py",
        "    elif backup.created_at < newer_than:\n",
        "    elif backup.created_at > newer_than and backup.automated:\n",
        suite=("tests/unit/engine/test_steps.py::test_each_flaw_keeps_a_backup_from_being_proved_and_is_named",),
    ),
    Bug(
        "complete is taken for success",
        "agent/upsun_agent/model/answers.py",
        "        return self.fate == Fate.SUCCEEDED\n",
        "        return self.fate in {Fate.SUCCEEDED, Fate.FAILED}\n",
        suite=(
            "tests/unit/engine/test_decide_endings.py::test_an_activity_that_ended_otherwise_than_in_success_fails_the_step",
        ),
    ),
    Bug(
        "an update needs no proved backup",
        "agent/upsun_agent/engine/decide.py",
        "    if kind.needs_proof(step.plan) and case.run.backup_of(subject) is None:\n",
        "    if kind.needs_proof(step.plan) and not case.run.steps:\n",
        suite=(
            "tests/unit/engine/test_decide.py::test_no_update_is_asked_for_without_a_proved_backup_whatever_the_events_say",
        ),
    ),
    Bug(
        "a request is made again while the list is not settled",
        "agent/upsun_agent/engine/reconcile.py",
        "listed.server_at >= intent.server_at + SETTLE",
        "listed.server_at >= intent.server_at",
        suite=(
            "tests/unit/engine/test_arbitrary_answers.py::test_no_lie_makes_the_agent_repeat_a_request_or_update_without_proof_or_hang",
        ),
    ),
    Bug(
        "a lost answer is taken for a refusal",
        "agent/upsun_agent/runtime/executor.py",
        "            if error.sent:\n",
        "            if not error.sent:\n",
        suite=("tests/integration/runtime/test_http_faults.py::test_nothing_happens_twice_whichever_request_it_hits",),
    ),
    Bug(
        "a 5xx is taken for a refusal",
        "agent/upsun_agent/api/errors.py",
        "    StatusKind.UNAVAILABLE: Meaning.PASSING,",
        "    StatusKind.UNAVAILABLE: Meaning.REFUSED,",
        suite=("tests/unit/api/test_answers.py::test_not_now_means_not_now_whoever_says_it",),
    ),
    Bug(
        "a POST is repeated like a read",
        "agent/upsun_agent/api/client.py",
        'return self._once("POST", path, body)',
        'return self._retried(lambda: self._once("POST", path, body), "")',
        suite=(
            "tests/unit/api/test_client.py::test_a_request_that_changes_something_is_never_repeated_after_an_answer",
        ),
    ),
    Bug(
        "an activity from before the intent is adopted",
        "agent/upsun_agent/engine/reconcile.py",
        "    earliest = intent.server_at - CLOCKS_APART",
        "    earliest = intent.server_at - CLOCKS_APART * 9999",
        suite=("tests/unit/engine/test_reconcile.py::test_what_cannot_be_the_requests_is_passed_over",),
    ),
    Bug(
        "another user's activity is adopted",
        "agent/upsun_agent/engine/reconcile.py",
        "if not (each.user and owner.id and each.user != owner.id)",
        "if not (each.user and owner.id and each.user == '')",
        suite=("tests/unit/engine/test_reconcile.py::test_a_backup_that_explains_itself_is_no_trace_of_the_request",),
    ),
    Bug(
        "another run's mark is overlooked",
        "agent/upsun_agent/steps/source_operation.py",
        "            return Recognition.SURE if mark == run else Recognition.NO\n",
        "            return Recognition.SURE\n",
        suite=("tests/unit/engine/test_decide.py::test_anybody_elses_update_is_waited_for",),
    ),
    Bug(
        "an activity of another run is adopted",
        "agent/upsun_agent/engine/reconcile.py",
        "activity.type != kind.activity_type or activity.id in case.claimed",
        "activity.type != kind.activity_type or activity.id in ()",
        suite=("tests/unit/engine/test_reconcile.py::test_what_cannot_be_the_requests_is_passed_over",),
    ),
    Bug(
        "writes to the journal are not synced",
        "agent/upsun_agent/journal/sqlite.py",
        'self._db.execute("PRAGMA synchronous = FULL")',
        'self._db.execute("PRAGMA synchronous = OFF")',
        suite=("tests/integration/runtime/test_durability.py",),
    ),
    Bug(
        "a commit to the journal may be undone by a power cut",
        "agent/upsun_agent/journal/sqlite.py",
        'self._db.execute("PRAGMA journal_mode = TRUNCATE")',
        'self._db.execute("PRAGMA journal_mode = DELETE")',
        suite=("tests/integration/runtime/test_durability.py",),
    ),
    Bug(
        "a journal of another environment is acted on",
        "agent/upsun_agent/journal/directory.py",
        "    if found == identity:\n",
        "    if found[0] == identity[0]:\n",
        suite=("tests/integration/runtime/test_state.py",),
    ),
    Bug(
        "a journal that a restore rewound is acted on",
        "agent/upsun_agent/runtime/tick.py",
        "        if restored:\n            self._begin_rewound",
        "        if len(restored) > 99:\n            self._begin_rewound",
        suite=("tests/integration/runtime/test_restore.py",),
    ),
    Bug(
        "the lock is not taken",
        "agent/upsun_agent/journal/lock.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        suite=("tests/integration/runtime/test_lock.py",),
    ),
    Bug(
        "a lease of a living tick is broken",
        "agent/upsun_agent/journal/lock.py",
        "    return process_start(int(pid)) != process\n",
        "    return True\n",
        suite=("tests/integration/runtime/test_lock.py",),
    ),
    Bug(
        "a journal from a newer version is written to",
        "agent/upsun_agent/journal/sqlite.py",
        "        if version > tables.SCHEMA_VERSION:\n",
        "        if version > tables.SCHEMA_VERSION + 1000:\n",
        suite=("tests/integration/runtime/test_state.py",),
    ),
    Bug(
        "autumn's repeated hour runs twice",
        "agent/upsun_agent/schedule.py",
        '        name = wall.strftime("%Y-%m-%dT%H:%M")\n',
        "        name = aware.isoformat()\n",
        suite=("tests/unit/config/test_schedule_clock.py",),
    ),
    Bug(
        "a slot in spring's gap is lost",
        "agent/upsun_agent/schedule.py",
        "        if not self._fixed_hours:\n            return None\n",
        "        return None\n",
        suite=("tests/unit/config/test_schedule_clock.py",),
    ),
    Bug(
        "every missed slot is caught up, not the latest",
        "agent/upsun_agent/engine/due.py",
        "            verdicts.append(MissSlots(slots[last], slots[first], last - first + 1, why))\n",
        "            verdicts += [OpenSlot(each) for each in slots[first : last + 1]]\n",
        suite=("tests/unit/engine/test_due.py",),
    ),
    Bug(
        "a slot that is hours late runs all the same",
        "agent/upsun_agent/engine/due.py",
        "now - slots[newest].due_at > grace(job)\n",
        "now - slots[newest].due_at > grace(job) * 100\n",
        suite=("tests/unit/engine/test_due.py",),
    ),
    Bug(
        "nothing to update is taken for a commit that is live",
        "agent/upsun_agent/steps/common/commits.py",
        "    if commit is None and not any(",
        "    if commit is None and any(",
        suite=("tests/unit/engine/test_source_operation.py",),
    ),
    Bug(
        "a deployment that failed is not looked at",
        "agent/upsun_agent/steps/common/commits.py",
        "if not each.succeeded and each.created_at and each.created_at >= good), None)\n",
        "if each.state == 'nowhere'), None)\n",
        suite=("tests/unit/engine",),
    ),
    Bug(
        "a step that names another environment works on the agent's own",
        "agent/upsun_agent/model/job.py",
        '        return named if isinstance(named, str) and named not in {"", HERE} else home\n',
        "        return named if isinstance(named, str) and not named else home\n",
        suite=("tests/unit/engine/test_pipelines.py",),
    ),
    Bug(
        "a backup of one environment proves another",
        "agent/upsun_agent/engine/run.py",
        "            and step.plan.environment(self.environment) == environment\n",
        "            and step.plan.environment(self.environment)\n",
        suite=("tests/unit/engine",),
    ),
    Bug(
        "the rollback begins though nothing was changed",
        "agent/upsun_agent/engine/rollback.py",
        "    return any(subject(step.plan, run, kinds) in touched for step in run.rollback_steps)\n",
        "    return not touched or any(subject(step.plan, run, kinds) in touched for step in run.rollback_steps)\n",
        suite=("tests/unit/engine",),
    ),
    Bug(
        "the rollback is rolled back",
        "agent/upsun_agent/engine/rollback.py",
        "    if run.rollback is not None or not run.rollback_steps or uncertain(run, kinds) is not None:\n",
        "    if not run.rollback_steps or uncertain(run, kinds) is not None:\n",
        suite=("tests/unit/engine",),
    ),
    Bug(
        "an interrupted command is run again",
        "agent/upsun_agent/engine/decide.py",
        "    if kind.may_repeat(case.step.plan):\n",
        "    if case.step.attempts:\n",
        suite=("tests/unit/engine",),
    ),
    Bug(
        "the command gets the API token",
        "agent/upsun_agent/runtime/process.py",
        "for key, value in os.environ.items() if key not in hidden}",
        "for key, value in os.environ.items() if key or key not in hidden}",
        suite=("tests/integration/runtime/test_process.py",),
    ),
    Bug(
        "a merge goes into whichever parent there is",
        "agent/upsun_agent/steps/merge.py",
        "        if environment.parent != into:\n",
        "        if environment.parent is None:\n",
        suite=("tests/unit/engine/test_pipelines.py",),
    ),
    Bug(
        "a cancelled or timed-out backup is asked for again",
        "agent/upsun_agent/steps/backup.py",
        "    retryable = frozenset({FailureKind.ACTIVITY_FAILED, FailureKind.PROOF_FAILED})\n",
        "    retryable = frozenset(\n"
        "        {FailureKind.ACTIVITY_FAILED, FailureKind.ACTIVITY_CANCELLED, FailureKind.PROOF_FAILED}\n"
        "    )\n",
        suite=("tests/unit/engine",),
    ),
    Bug(
        "a retry may replace the only good backup",
        "agent/upsun_agent/engine/policy.py",
        "    if not good or has_room or manual[0].id != good[-1].id:\n",
        "    if not good or has_room or manual:\n",
        suite=("tests/unit/engine/test_policy.py",),
    ),
    Bug(
        "the whole answer has no deadline",
        "agent/upsun_agent/api/deadline.py",
        "    signal.setitimer(signal.ITIMER_REAL, max(seconds % TICK or TICK, EARLY), TICK)\n",
        "    signal.setitimer(signal.ITIMER_REAL, 0)\n",
        suite=("tests/integration/api/test_transport.py",),
    ),
    Bug(
        "a signal that arrives just before a wait is heard when the wait ends",
        "agent/upsun_agent/api/deadline.py",
        "    signal.setitimer(signal.ITIMER_REAL, max(seconds % TICK or TICK, EARLY), TICK)\n",
        "    signal.setitimer(signal.ITIMER_REAL, max(seconds, EARLY), TICK)\n",
        suite=("tests/integration/api/test_transport.py",),
    ),
    Bug(
        "an answer may be as long as it likes",
        "agent/upsun_agent/api/http.py",
        "                if len(body) > BODY_MOST_BYTES:\n",
        "                if len(body) > BODY_MOST_BYTES * 1000:\n",
        suite=("tests/integration/api",),
    ),
    Bug(
        "a link to another host is followed",
        "agent/upsun_agent/api/models.py",
        "        path = urlsplit(href).path\n",
        "        path = href\n",
        suite=("tests/unit/api",),
    ),
    Bug(
        "the token is in the log",
        "agent/upsun_agent/log/redaction.py",
        "        parts += [text[place:start], HIDDEN]\n",
        "        parts += [text[place:end], HIDDEN]\n",
        suite=("tests/unit/log/test_redaction.py",),
    ),
    Bug(
        "a secret that two pieces share is shown",
        "agent/upsun_agent/log/redaction.py",
        "            cut = begin if begin < cut < end else cut",
        "            cut = cut",
        suite=("tests/unit/log/test_secrets_and_innocents.py",),
    ),
    Bug(
        "a message leaves the outbox before it was delivered",
        "agent/upsun_agent/notify/notifier.py",
        "        outcome = self._attempt(journal, channel, message, seconds)\n",
        "        self._change(journal, message, outbox.dropped(message))\n"
        "        outcome = self._attempt(journal, channel, message, seconds)\n",
        suite=("tests/integration/notify",),
    ),
    Bug(
        "messages are kept apart from their events",
        "agent/upsun_agent/runtime/recorder.py",
        "        self.journal.append(run.id, *events, notes=notes)\n",
        "        self.journal.append(run.id, *events)\n        self.journal.append(run.id, notes=notes)\n",
        suite=("tests/long/crash/test_outbox_crashes.py",),
    ),
    Bug(
        "a webhook's signature does not cover the body",
        "agent/upsun_agent/notify/channels/webhook.py",
        'b".".join([identity.encode(), moment.encode(), body])',
        'b".".join([identity.encode(), moment.encode(), b""])',
        suite=("tests/integration/notify/test_documented.py",),
    ),
    Bug(
        "SIGTERM kills without letting go",
        "agent/upsun_agent/runtime/context.py",
        "    before = signal.signal(signal.SIGTERM, end)\n",
        "    before = signal.getsignal(signal.SIGTERM)\n",
        suite=("tests/integration/runtime/test_processes.py",),
    ),
    Bug(
        "an idle answer outlives a changed job file",
        "agent/upsun_agent/idle.py",
        '    if not same or row[3] != basis(text, environ.get("PLATFORM_ENVIRONMENT_TYPE")):\n',
        "    if not same:\n",
        suite=("tests/integration/runtime/test_idle.py",),
    ),
    Bug(
        "a check of the token believes a kept bearer",
        "agent/upsun_agent/api/auth.py",
        "        self.forget()  # a bearer of a token that is refused now must not serve the next process either\n"
        "        self._bearer = self._exchange()\n",
        "        self._bearer = self._kept() or self._exchange()\n",
        suite=("tests/unit/api/test_bearer_cache.py",),
    ),
    Bug(
        "a text on the page is not escaped",
        "agent/upsun_agent/report/html.py",
        "            yield escape(shown(child))\n",
        "            yield shown(child)\n",
        suite=("tests/unit/report",),
    ),
    Bug(
        "counters fall when history is forgotten",
        "agent/upsun_agent/journal/sqlite.py",
        "                    self._keep(remembered(known, [row[1:] for row in gone]))\n",
        "                    pass\n",
        suite=("tests/integration/journal/test_report_reads.py",),
    ),
    *(Bug(*each) for each in SERVER_BUGS),
    *(Bug(*each) for each in ANSWER_BUGS),
    Bug(
        "a gateway's page is taken for the API's word",
        "agent/upsun_agent/api/errors.py",
        "        return Meaning.TOKEN if of_api else Meaning.UNUSABLE",
        "        return OF_THE_API.get(kind, Meaning.REFUSED)",
        suite=("tests/unit/api/test_answers.py",),
    ),
    Bug(
        "any refusal of the token endpoint is a refused token",
        "agent/upsun_agent/api/auth.py",
        "code in TOKEN_ERRORS:",
        "code:",
        suite=("tests/unit/api/test_answers.py",),
    ),
    Bug(
        "an activity that is not found once has failed for good",
        "agent/upsun_agent/engine/evidence.py",
        'FailureKind.UNKNOWN, f"{what}: what became',
        'FailureKind.ACTIVITY_FAILED, f"{what}: what became',
        ("tests/unit/engine/test_decide_endings.py", "tests/integration/faults/test_one_look.py"),
    ),
    Bug(
        "a failure that was seen once begins the rollback",
        "agent/upsun_agent/engine/recheck.py",
        "    return RECHECK_PAUSE if _rolls_back(run, step, event, kinds) else None",
        "    return RECHECK_PAUSE if _rolls_back(run, step, event, kinds) and decision.doubtful else None",
        ("tests/unit/engine/test_pipelines.py",),
    ),
    Bug(
        "a restore follows although the failure does not exist any more",
        "agent/upsun_agent/engine/decide.py",
        "(_contradicted(case, kinds) if kind.destroys else None)",
        "(_contradicted(case, kinds) if not kind.destroys else None)",
        ("tests/unit/engine/test_pipelines.py",),
    ),
    Bug(
        "a request under way at the time limit is rolled back",
        "agent/upsun_agent/engine/run.py",
        "unjudged = self.ended_at is None or self.failure in UNJUDGED",
        "unjudged = self.failure == FailureKind.UNKNOWN",
        ("tests/unit/engine/test_pipelines.py", "tests/integration/faults/test_one_look.py"),
    ),
    Bug(
        "a request counts as lost although its effect is there",
        "agent/upsun_agent/engine/reconcile.py",
        "        if effect is not None:\n",
        "        if effect is not None and not listed.complete:\n",
        ("tests/unit/engine/test_reconcile.py",),
    ),
    Bug(
        "the proof is not read again before the update",
        "agent/upsun_agent/engine/decide.py",
        "    if blocked is None and kind.needs_proof(case.step.plan):\n",
        "    if blocked is None and kind.needs_proof(case.step.plan) and case.step.attempts:\n",
        ("tests/unit/engine/test_pipelines.py", "tests/long/engine/test_decide_exhaustive.py"),
    ),
    Bug(
        "a failing command of a successful activity is not read",
        "agent/upsun_agent/engine/evidence.py",
        "    if not bad or not kind.commands_decide:\n",
        "    if not bad or kind.commands_decide:\n",
        ("tests/unit/engine/test_commands_of_activities.py",),
    ),
    Bug(
        "an update that is staged is no update",
        "agent/upsun_agent/engine/decide.py",
        '(each.detail.get("commit") or each.detail.get("deployment") == "staged")',
        'each.detail.get("commit")',
        ("tests/unit/engine/test_commands_of_activities.py",),
    ),
    Bug(
        "an activity of a later API is never over",
        "agent/upsun_agent/model/answers.py",
        '        if self.state != "complete" and not ended:\n',
        '        if self.state != "complete":\n',
        ("tests/unit/engine/test_decide_endings.py",),
    ),
    Bug(
        "the tick of a cron takes the package for SOCKS for absent",
        "agent/upsun_agent/api/network.py",
        "        end_stubbing()  # a tick",
        "        pass  # a tick",
        suite=("tests/integration/api/test_network.py::test_the_tick_of_a_cron_speaks_socks_too",),
    ),
    Bug(
        "an unusable proxy variable reaches httpx",
        "agent/upsun_agent/api/network.py",
        "    if scheme not in HTTP | SOCKS:",
        "    if not scheme:",
        suite=("tests/integration/api/test_network.py",),
    ),
    Bug(
        "a link gets the address's path twice",
        "agent/upsun_agent/api/endpoints.py",
        "return base + path.removeprefix(shared)",
        "return base + path",
        suite=("tests/unit/api/test_client.py",),
    ),
    Bug(
        "a page that is too large makes the list unusable",
        "agent/upsun_agent/api/listing.py",
        "            largest = count = max(count // FEWER, 1)\n",
        "            raise\n",
        suite=("tests/integration/api/test_listing.py",),
    ),
    Bug(
        "a list with an item that was not read counts as complete",
        "agent/upsun_agent/api/listing.py",
        "        whole = whole and not unread\n",
        "        whole = True\n",
        suite=("tests/integration/api/test_listing.py",),
    ),
    Bug(
        "access through a team is no access",
        "agent/upsun_agent/api/people.py",
        "        given, later = self._tried(lambda: self._extended_access(project, user))\n",
        "        given, later = None, None\n",
        suite=("tests/unit/access/test_teams.py",),
    ),
    Bug(
        "a missing link is always the role's",
        "agent/upsun_agent/engine/guards.py",
        "    if other is not None:\n",
        "    if other is not None and not text:\n",
        suite=("tests/unit/engine/test_unoffered.py",),
    ),
    Bug(
        "an activity that stages its change completes",
        "agent/upsun_simulator/effects/progress.py",
        "    if activity.plan.stages_itself and activity.commit is not None",
        "    if activity.plan.stages_itself and activity.commit is None",
        ("tests/unit/simulator/test_simulator_outcomes.py",),
    ),
    Bug(
        "a cancelled activity has no result",
        "agent/upsun_simulator/effects/progress.py",
        '    activity.result = "failure"\n    activity.commits_at = None\n',
        "    activity.result = None\n    activity.commits_at = None\n",
        ("tests/unit/simulator/test_simulator_odd_activities.py",),
    ),
    Bug(
        "a payload is without its deployment",
        "agent/upsun_simulator/documents/payload.py",
        "        found |= _deployment(state, one, one.completed_at)\n",
        "        _deployment(state, one, one.completed_at)\n",
        ("tests/unit/simulator/test_simulator_payloads.py",),
    ),
    Bug(
        "starts_at leaves out its own moment",
        "agent/upsun_simulator/endpoints/activities.py",
        "one.created_at > before",
        "one.created_at >= before",
        ("tests/unit/simulator/test_simulator_reading.py",),
    ),
    Bug(
        "a backup that reads do not show yet is listed",
        "agent/upsun_simulator/read_lag.py",
        "one.created_at <= shown",
        "one.created_at <= state.now",
        ("tests/unit/simulator/test_simulator_late.py",),
    ),
    Bug(
        "a step-up challenge is an ordinary 401",
        "agent/upsun_simulator/answers.py",
        'realm="api", error="{code}',
        'realm="api", error="invalid_token',
        ("tests/unit/simulator/test_simulator_odd_activities.py",),
    ),
    Bug(
        "answers are never packed",
        "agent/upsun_simulator/compression.py",
        'quality("gzip") > 0',
        'quality("gzip") > 1',
        ("tests/unit/simulator/test_simulator_refusals.py",),
    ),
    Bug(
        "the simulator lets any signature open a list of references",
        "agent/upsun_simulator/documents/reference.py",
        "    return hmac.compare_digest(signature(kind, *ids).encode(), given.encode())",
        "    return hmac.compare_digest(signature(kind, *ids).encode(), signature(kind, *ids).encode()) or bool(given)",
        suite=("tests/unit/simulator/test_simulator_links.py",),
    ),
    Bug(
        "the simulator runs any runtime operation for a contributor",
        "agent/upsun_simulator/endpoints/deployments.py",
        "    if not has_role(call.state, one, user, found[0].role):",
        '    if not has_role(call.state, one, user, "contributor"):',
        suite=("tests/unit/simulator/test_simulator_surroundings.py",),
    ),
    Bug(
        "the simulator shows everybody who has access to the project",
        "agent/upsun_simulator/endpoints/access.py",
        "    check_admin(call)\n    size, start =",
        "    size, start =",
        suite=("tests/unit/simulator/test_simulator_reading.py", "tests/unit/simulator/test_simulator_access.py"),
    ),
    Bug(
        "a deleted environment of the simulator leaves its backups behind",
        "agent/upsun_simulator/state.py",
        "            self.drop_backup(backup, at)\n",
        "            pass\n",
        suite=("tests/unit/simulator/test_simulator_settings.py",),
    ),
    Bug(
        "HTTP access of the simulator shows in the settings and not at the site",
        "agent/upsun_simulator/effects/code.py",
        "        environment.guarded = environment.http_access\n",
        "",
        suite=("tests/unit/simulator/test_simulator_settings.py",),
    ),
    Bug(
        "a cursor of a clock that was ahead is believed until that year",
        "agent/upsun_agent/runtime/clock_repair.py",
        "        if is_ahead(cursor.until, now):\n            until",
        "        if is_ahead(cursor.until, now) and now.year > 2029:\n            until",
        suite=("tests/integration/runtime/test_clocks.py",),
    ),
    Bug(
        "a tick goes by its own clock where the platform says another time",
        "agent/upsun_agent/runtime/clock_repair.py",
        "    clock.set(there)\n",
        "",
        suite=("tests/integration/runtime/test_clocks.py",),
    ),
    Bug(
        "history is forgotten by the machine's own clock",
        "agent/upsun_agent/runtime/tick.py",
        "self._forgotten_before(now) if seen else",
        "self._forgotten_before(now) if now else",
        suite=("tests/integration/runtime/test_clocks.py",),
    ),
    Bug(
        "a retry that a clock in another year planned is waited for",
        "agent/upsun_agent/engine/decide.py",
        "now < step.again_at <= now + RETRY_PAUSE_MOST:",
        "now < step.again_at:",
        suite=("tests/integration/runtime/test_clocks.py",),
    ),
    Bug(
        "a run opened by a clock that was ahead has no time limit",
        "agent/upsun_agent/engine/fold.py",
        "    run = not_after(run, event.at)\n",
        "",
        suite=("tests/integration/runtime/test_clocks.py",),
    ),
    Bug(
        "conditions are asked only of slots that are in time",
        "agent/upsun_agent/engine/due.py",
        "    reasons = [excluded(slot) for slot in slots]\n",
        "    reasons = [excluded(slot) if now - slot.due_at <= grace(job) else None for slot in slots]\n",
        suite=("tests/integration/runtime/test_slots_judged.py", "tests/unit/engine/test_due.py"),
    ),
    Bug(
        "a pause that is over leaves its slots to be missed",
        "agent/upsun_agent/runtime/suspension.py",
        "        return self.since <= moment and (self.until is None or moment < self.until)\n",
        "        return self.since <= moment and self.until is None\n",
        suite=("tests/integration/runtime/test_slots_judged.py",),
    ),
    Bug(
        "a slot of another zone counts as the run of the same wall clock",
        "agent/upsun_agent/runtime/booking.py",
        "known.due_at != opened.due_at",
        "known.slot != opened.slot",
        suite=("tests/integration/runtime/test_slots_judged.py",),
    ),
    Bug(
        "slots that were missed together count as one",
        "agent/upsun_agent/runtime/booking.py",
        '        more = closed[0].detail.get("count", 1) - 1 if closed else 0\n',
        "        more = 0\n",
        suite=("tests/integration/runtime/test_slots_judged.py",),
    ),
    Bug(
        "while the platform is away no time limit holds",
        "agent/upsun_agent/runtime/tick.py",
        "            elif tick.close_overdue():\n",
        "            elif tick.close_overdue is None:\n",
        suite=("tests/integration/runtime/test_slots_judged.py",),
    ),
    Bug(
        "a lease of a fast clock holds for hours",
        "agent/upsun_agent/journal/lease_end.py",
        "        return first + (until - now).total_seconds(), None\n    return until.timestamp(), f",
        "        return expires, None\n    return expires, f",
        suite=("tests/integration/runtime/test_lock.py",),
    ),
    Bug(
        "a window in the hour that clocks skip never opens",
        "agent/upsun_agent/engine/windows.py",
        "    if _opens_after_a_gap(start, end, wanted, local):\n        return True\n",
        "",
        suite=("tests/unit/engine/test_conditions.py",),
    ),
    Bug(
        "a lost journal: a look that failed counts as a file that is gone",
        "agent/upsun_agent/journal/sidecar.py",
        "    except (FileNotFoundError, NotADirectoryError):\n        return None\n",
        "    except OSError:\n        return None\n",
        ("tests/integration/runtime/test_lost_journal.py",),
    ),
    Bug(
        "a lost journal: the file that is missing beside its last tick is a fresh start",
        "agent/upsun_agent/journal/directory.py",
        "    if left and not is_there(path):\n",
        "    if left and not os.path.isdir(directory):\n",
        ("tests/integration/runtime/test_lost_journal.py",),
    ),
    Bug(
        "a lost journal: an empty file is filled though there are traces of ticks",
        "agent/upsun_agent/journal/directory.py",
        "        journal = SqliteJournal(directory, identity, begins=not left)\n",
        "        journal = SqliteJournal(directory, identity)\n",
        ("tests/integration/runtime/test_lost_journal.py",),
    ),
    Bug(
        "a lost journal: a paused job is only held in it",
        "agent/upsun_agent/journal/sidecar.py",
        "if key.startswith(SUSPENDED) and isinstance(text, str)}\n        flights",
        "if key == SUSPENDED}\n        flights",
        ("tests/integration/runtime/test_lost_journal.py",),
    ),
    Bug(
        "a lost journal: what it lost is told by the process that found it, or never",
        "agent/upsun_agent/journal/sqlite.py",
        '                self._keep(notes)\n                self._db.execute(f"PRAGMA user_version',
        '                self._db.execute(f"PRAGMA user_version',
        ("tests/integration/runtime/test_lost_journal.py",),
    ),
    Bug(
        "one door: a cancelled run is written past the recorder",
        "agent/upsun_agent/cli/intervene.py",
        "    after = recorder.record(run, event)\n    recorder.flush()\n    return after\n",
        "    recorder.journal.append(run.id, event)\n    return fold(desk.journal.events(run.id))\n",
        ("tests/unit/test_one_door.py", "tests/integration/notify/test_every_outcome.py"),
    ),
    Bug(
        "one door: the check of a cancelled run is never ended",
        "agent/upsun_agent/notify/channels/healthchecks.py",
        "EventType.STATE_LOST | EventType.CANCELLED:\n            return FAIL\n        case EventType.SKIPPED |",
        "EventType.STATE_LOST:\n            return FAIL\n        case EventType.CANCELLED | EventType.SKIPPED |",
        ("tests/integration/notify/test_every_outcome.py",),
    ),
    Bug(
        "a counter falls: a run that a clock ended before it began took less than no time",
        "agent/upsun_agent/log/lines.py",
        "    return max(0.0, seconds(",
        "    return (seconds(",
        ("tests/integration/runtime/test_counters.py",),
    ),
    Bug(
        "a counter falls: lengths are summed with their fractions",
        "agent/upsun_agent/journal/counters.py",
        '    "sqlite": "CAST(max(coalesce(closed_at, opened_at) - opened_at, 0) * 1000 + 0.5 AS INTEGER)",\n',
        '    "sqlite": "(coalesce(closed_at, opened_at) - opened_at) * 1000",\n',
        ("tests/integration/journal/test_conformance.py",),
    ),
    Bug(
        "a run by hand counts as a tick of the cron",
        "agent/upsun_agent/runtime/booking.py",
        "    if not by_hand:\n        journal.mark_tick",
        "    if now:\n        journal.mark_tick",
        ("tests/integration/runtime/test_counters.py",),
    ),
    Bug(
        "a database that cannot hold a character is taken",
        "agent/upsun_agent/database/connect.py",
        "    if encoding not in WHOLE_ENCODINGS:\n",
        "    if not encoding:\n",
        ("tests/integration/journal/test_quiet_drivers.py",),
    ),
    Bug(
        "a server's warnings are printed by its client library",
        "agent/upsun_agent/database/libpq.py",
        "        self._pq.PQsetNoticeProcessor(self._connection, _UNHEARD, None)\n",
        "",
        ("tests/integration/journal/test_quiet_drivers.py",),
    ),
    Bug(
        "tables that vanished are made again under journals that look sound",
        "agent/upsun_agent/journal/server/migrate.py",
        "        losses.set_aside(session, standing.missing)\n",
        "        pass\n",
        ("tests/integration/journal/test_lost_tables.py",),
    ),
    Bug(
        "the log may be written into the journal",
        "agent/upsun_agent/config/rules.py",
        "    if isinstance(file, str) and is_state_file(file):\n",
        "    if isinstance(file, str) and is_state_file(state):\n",
        ("tests/unit/config/test_channels.py",),
    ),
    Bug(
        "a full disk is no finding",
        "agent/upsun_agent/doctor/local.py",
        "        _try_to_write(directory)\n",
        "",
        ("tests/integration/runtime/test_real_mounts.py",),
    ),
    Bug(
        "door: a command's output is cut before secrets are looked for",
        "agent/upsun_agent/runtime/process.py",
        "        if len(self.kept) > COMMAND_TAIL_MOST:\n            del self.kept[:-COMMAND_TAIL_MOST]\n",
        "        if len(self.kept) > COMMAND_OUTPUT_MOST:\n            del self.kept[:-COMMAND_OUTPUT_MOST]\n",
        suite=("tests/integration/notify/test_messages_are_clean.py",),
    ),
    Bug(
        "door: secrets are looked for with the colours in them",
        "agent/upsun_agent/log/redaction.py",
        "        self._kept += self._normaliser.feed(piece)\n",
        "        self._kept += piece\n",
        suite=("tests/integration/notify/test_messages_are_clean.py", "tests/unit/log/test_spellings.py"),
    ),
    Bug(
        "door: what is encoded twice is not found",
        "agent/upsun_agent/log/spellings.py",
        "LAYERS_MOST = 4  #",
        "LAYERS_MOST = 1  #",
        suite=("tests/unit/log/test_spellings.py",),
    ),
    Bug(
        "answers: a delivery needs a body that can be read",
        "agent/upsun_agent/notify/channels/http.py",
        'self.transport.status("POST"',
        'self.transport.send("POST"',
        suite=("tests/integration/notify/test_answers_of_receivers.py",),
    ),
    Bug(
        "answers: a page is searched as UTF-8 whatever it declares",
        "agent/upsun_agent/api/pages.py",
        "        yield declared[1]\n",
        "        yield 'utf-8'\n",
        suite=("tests/integration/notify/test_answers_of_receivers.py",),
    ),
    Bug(
        "answers: one recipient that is refused for now is forgotten",
        "agent/upsun_agent/notify/notifier.py",
        "                if again:\n",
        "                if again and not message:\n",
        suite=("tests/integration/notify/test_partly_refused.py",),
    ),
    Bug(
        "answers: a full pipe that does not block loses what is written to it",
        "agent/upsun_agent/cli/streams.py",
        "            except BlockingIOError:\n                self._await_room()\n",
        "            except BlockingIOError:\n                return size\n",
        suite=("tests/integration/cli/test_full_pipes.py",),
    ),
    Bug(
        "names: a part of a name may be two dots",
        "agent/upsun_agent/model/ids.py",
        "    if any(not part or _DOTS.fullmatch(part) for part in _CUTS.split(name)):\n",
        "    if any(not part for part in _CUTS.split(name)):\n",
        suite=("tests/unit/config/test_names.py",),
    ),
    Bug(
        "names: a percent sign in a path is a token for ssh",
        "agent/upsun_agent/access/ssh/configuration.py",
        'path.replace("%", "%%")',
        'path.replace("%", "%")',
        suite=("tests/end_to_end/ssh/test_paths.py",),
    ),
    Bug(
        "names: a byte order mark is text",
        "agent/upsun_agent/config/__init__.py",
        '        return data.decode("utf-8").removeprefix(BOM)\n',
        '        return data.decode("utf-8")\n',
        suite=("tests/unit/config/test_names.py",),
    ),
    Bug(
        "one look: a page whose address is not known is a reason to restore",
        "agent/upsun_agent/engine/rollback.py",
        "    return failed.failure in UNSEEN and not failed.retries\n",
        "    return False\n",
        suite=("tests/integration/faults/test_overtaken.py", "tests/unit/engine/test_pipelines.py"),
    ),
    Bug(
        "one look: a restore goes over what somebody else did since",
        "agent/upsun_agent/engine/evidence.py",
        "    return None if changed_since else _overtaken(case, failed, kinds)\n",
        "    return None\n",
        suite=("tests/integration/faults/test_overtaken.py", "tests/unit/engine/test_pipelines.py"),
    ),
    Bug(
        "one look: a deployment that failed counts after a newer one went well",
        "agent/upsun_agent/steps/common/commits.py",
        "each.created_at and each.created_at >= good",
        "each.created_at",
        suite=("tests/integration/faults/test_overtaken.py",),
    ),
    Bug(
        "one look: a step that nobody approved is judged again before the restore",
        "agent/upsun_agent/engine/evidence.py",
        ' or (kind.way == "look" and kind.passes_time):\n',
        ":\n",
        suite=("tests/integration/faults/test_overtaken.py",),
    ),
    Bug(
        "lists: a page of one moment is the last one",
        "agent/upsun_agent/api/listing.py",
        "        count = count if fresh else largest\n",
        "        if not fresh:\n            break\n",
        suite=("tests/integration/api/test_listing.py", "tests/integration/faults/test_misleading_lists.py"),
    ),
    Bug(
        "lists: what was created at the moment where a page ended is left out",
        "agent/upsun_agent/api/listing.py",
        "oldest + MOMENT if count > 1 else oldest",
        "oldest",
        suite=("tests/integration/api/test_listing.py",),
    ),
    Bug(
        "the error document of another service is taken for the API's",
        "agent/upsun_agent/api/errors.py",
        "    if OF_OTHERS & data.keys() or any(",
        "    if any(",
        suite=("tests/unit/api/test_answers.py::test_the_error_document_of_another_service_is_not_the_apis",),
    ),
    Bug(
        "a secret in base64 is not looked for across the ends of lines",
        "agent/upsun_agent/log/spellings.py",
        "    joined = layer.without(_WRAPPED) if layer is not None else None\n",
        "    joined = None\n",
        suite=("tests/unit/log/test_secrets_and_innocents.py::test_a_long_secret_in_base64_on_lines_is_hidden",),
    ),
    Bug(
        "a reader of pieces holds back every interrupted escape sequence",
        "agent/upsun_agent/log/escapes.py",
        "outer < 0 or at - outer >= OPEN_MOST else outer",
        "outer < 0 else outer",
        suite=("tests/unit/log/test_escapes.py::test_a_long_text_in_pieces_does_not_take_the_square_of_its_length",),
    ),
    Bug(
        "the address of a page is not looked at by validate",
        "agent/upsun_agent/validators.py",
        'password", 2000, page_fault)',
        'password", 2000)',
        suite=("tests/unit/config/test_names.py",),
    ),
    Bug(
        "an address that no host can have is a proxy",
        "agent/upsun_agent/api/network.py",
        '        ipaddress.ip_address(host.partition("%")[0])\n    except ValueError:\n        return False\n',
        '        ipaddress.ip_address(host.partition("%")[0])\n    except ValueError:\n        return True\n',
        suite=("tests/integration/api/test_network.py",),
    ),
    Bug(
        "with --json nothing is said where standard output is full",
        "agent/upsun_agent/cli/boundary.py",
        "    if wants_json and not is_given_up(sys.stdout):\n",
        "    if wants_json:\n",
        suite=(
            "tests/integration/cli/test_streams.py::test_output_that_cannot_be_written_is_said_on_the_other_stream",
        ),
    ),
    *(Bug(*each) for each in COMMAND_BUGS),
    *(Bug(*each) for each in CHANGE_BUGS),
    *(Bug(*each) for each in INTERPRETER_BUGS),
    *(Bug(*each) for each in PACKAGE_BUGS),
    Bug(
        "the build hook replaces a directory whatever it holds",
        "hooks/build.sh",
        "elif os.path.isdir(here) and os.listdir(here) and not is_install(here):",
        "elif False:",
        suite=(
            "tests/end_to_end/hooks/test_target.py::test_a_target_that_holds_something_else_is_refused_and_nothing_is_touched",
        ),
    ),
    Bug(
        "the build hook replaces an app that is empty",
        "hooks/build.sh",
        "elif os.path.commonpath([here, app]) == here:",
        "elif False:",
        suite=("tests/end_to_end/hooks/test_target.py::test_an_app_that_is_empty_is_not_replaced_either",),
    ),
    Bug(
        "two builds into one target do not wait for each other",
        "hooks/build.sh",
        "return fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "return None",
        suite=("tests/end_to_end/hooks/test_target.py::test_a_build_waits_for_the_one_before_it_and_says_so",),
    ),
    Bug(
        "settings of pip and Python from outside hold in the build hook",
        "hooks/build.sh",
        '        *) unset "$each" ;;',
        "        *) ;;",
        suite=(
            "tests/end_to_end/hooks/test_wheels.py::test_foreign_settings_run_nothing_where_the_index_cannot_be_reached",
        ),
    ),
    Bug(
        "the installer leaves it to Python's tarfile where members lead",
        "hooks/install.sh",
        'if parts[0] != top or {"", ".", ".."} & set(parts) or not plain',
        "if not plain",
        suite=(
            "tests/end_to_end/hooks/test_install_attacks.py::test_a_member_that_leads_elsewhere_is_refused_before_anything_runs",
        ),
    ),
    Bug(
        "an archive without a length may be of any size",
        "hooks/install.sh",
        """ulimit -f "$((most / 512 + 1))" 2>/dev/null || :""",
        ":",
        suite=(
            "tests/end_to_end/hooks/test_install_attacks.py::test_an_answer_without_end_is_left_at_the_size_of_the_archive",
        ),
    ),
    Bug(
        "the installer prints the query of the address",
        "hooks/install.sh",
        "    print(shown)",
        "    print(url)",
        suite=(
            "tests/end_to_end/hooks/test_install_attacks.py::test_a_token_in_the_query_reaches_the_server_and_nothing_that_is_printed",
        ),
    ),
    Bug(
        "the installer lets curl read the settings of the user",
        "hooks/install.sh",
        "exec curl -q --config -",
        "exec curl --config -",
        suite=("tests/end_to_end/hooks/test_install_attacks.py::test_a_curlrc_is_not_read",),
    ),
    Bug(
        "state as code: a run with any seal is gone on with",
        "agent/upsun_agent/runtime/admission.py",
        "self._seals.renewed(seal, run_id, written) if seal",
        "self._seals.seal(run_id, written) if seal",
        suite=("tests/integration/runtime/test_foreign_runs.py",),
    ),
    Bug(
        "state as code: a run without a seal is gone on with whatever its job is",
        "agent/upsun_agent/runtime/admission.py",
        "        if job_text(Job.from_json(opened.job).to_json()) != job_text(job.to_json()):\n",
        '        if opened.job["name"] != job.name:\n',
        suite=("tests/integration/runtime/test_foreign_runs.py",),
    ),
    Bug(
        "state as code: an approval without a seal is believed",
        "agent/upsun_agent/runtime/admission.py",
        "DECISIONS = (ev.ApprovalGiven, ev.RollbackBegun)",
        "DECISIONS = (ev.RollbackBegun,)",
        suite=("tests/integration/runtime/test_foreign_runs.py",),
    ),
    Bug(
        "state as code: the seal of another environment of the project holds",
        "agent/upsun_agent/journal/seals.py",
        '        seal = _coded(key, "run", *self._identity, run) if before is None else before\n',
        '        seal = _coded(key, "run", run) if before is None else before\n',
        suite=("tests/integration/runtime/test_foreign_runs.py",),
    ),
    Bug(
        "state as code: a seal is about the kinds of events, not about what they say",
        "agent/upsun_agent/journal/seals.py",
        '            seal = _coded(key, "event", seal, kind, data)\n',
        '            seal = _coded(key, "event", seal, kind)\n',
        suite=("tests/integration/runtime/test_foreign_runs.py",),
    ),
    Bug(
        "state as code: the kept job file needs no key",
        "agent/upsun_agent/config/cache.py",
        'key = f"{directory}/{FILE}", derived(secret, _PURPOSE)\n',
        'key = f"{directory}/{FILE}", derived("the entropy of another project", _PURPOSE)\n',
        suite=(
            "tests/integration/runtime/test_foreign_processes.py::test_a_kept_job_file_of_another_project_is_not_believed",
        ),
    ),
    Bug(
        "state as code: a person's decision is taken on a foreign run",
        "agent/upsun_agent/cli/intervene.py",
        "    run = recorder.admitted(found[0])\n",
        "    from upsun_agent.engine.fold import fold\n\n    run = fold(journal.events(found[0]))\n",
        suite=("tests/integration/runtime/test_foreign_processes.py::test_nobody_decides_on_a_foreign_run",),
    ),
    Bug(
        "tenants: operators of others are found in our statements",
        "agent/upsun_agent/database/location.py",
        'SEARCH_PATH = "pg_catalog,pg_temp"\n',
        'SEARCH_PATH = "public,pg_catalog,pg_temp"\n',
        suite=(
            "tests/integration/journal/test_tenants.py::test_nothing_that_another_tenant_makes_is_used_in_our_statements",
        ),
    ),
    Bug(
        "tenants: tables that a stranger laid in public are used",
        "agent/upsun_agent/journal/server/migrate.py",
        "            _refuse_strangers(session)\n            break\n",
        "            break\n",
        suite=(
            "tests/integration/journal/test_tenants.py::test_tables_that_another_laid_in_public_are_not_taken_for_ours",
        ),
    ),
    Bug(
        "tenants: check is silent about grants to everybody",
        "agent/upsun_agent/doctor/grants.py",
        " WHERE a.grantee <> a.owner AND (a.grantee = 0 OR",
        " WHERE a.grantee <> a.owner AND (a.grantee > 0 AND",
        suite=(
            "tests/integration/journal/test_tenant_rights.py::test_check_names_a_grant_that_is_wider_than_the_page",
        ),
    ),
    Bug(
        "tenants: the lock for making tables has a name that others know",
        "agent/upsun_agent/journal/server/lock.py",
        """pbkdf2_hmac("sha256", endpoint.password.encode(), about""",
        """pbkdf2_hmac("sha256", b"known", about""",
        suite=(
            "tests/integration/journal/test_tenants.py::test_the_name_of_the_lock_for_making_tables_hangs_on_the_password",
        ),
    ),
    Bug(
        "files of the state are opened through links",
        "agent/upsun_agent/platform/paths.py",
        "    safe = flags & ~os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK",
        "    safe = flags & ~os.O_TRUNC | os.O_NONBLOCK",
        suite=(
            "tests/integration/runtime/test_strange_files.py::test_an_idle_tick_follows_no_link_and_waits_for_no_fifo",
        ),
    ),
    Bug(
        "a journal may hold views and triggers",
        "agent/upsun_agent/journal/tables.py",
        '        ours = kind in {"table", "index"} and (\n',
        '        ours = kind in {"view", "trigger"} or (\n',
        suite=("tests/integration/runtime/test_strange_files.py",),
    ),
    Bug(
        "SIGTERM is forgotten while a statement runs",
        "agent/upsun_agent/runtime/context.py",
        "        raise broken_off(Terminated())\n",
        "        raise Terminated\n",
        suite=("tests/integration/runtime/test_strange_files.py::test_a_signal_is_heard_while_a_statement_runs",),
    ),
    Bug(
        "parents of the private directory are not looked at",
        "agent/upsun_agent/platform/private_directory.py",
        "        _refuse_open_parents(above)\n",
        "",
        suite=("tests/unit/ssh/test_private.py",),
    ),
    Bug(
        "an event is written as it came",
        "agent/upsun_agent/journal/codec.py",
        "    return replace(event, **changed) if changed else event\n",
        "    return event\n",
        suite=("tests/integration/journal/test_conformance.py",),
    ),
    Bug(
        "ids are redacted, not refused",
        "agent/upsun_agent/api/replies.py",
        "        if reveals(value):\n",
        "        if False:\n",
        suite=(
            "tests/integration/cli/test_foreign_text.py::test_a_field_that_decides_may_hold_secrets_and_nothing_of_them_is_written",
        ),
    ),
    Bug(
        "what a document holds is printed with its secrets",
        "agent/upsun_agent/cli/terminal.py",
        "        return clean[value]\n    if isinstance(value, Struct):\n",
        "        return escaped(value)\n    if isinstance(value, Struct):\n",
        suite=(
            "tests/integration/cli/test_foreign_text.py::test_a_journal_of_an_older_version_that_holds_secrets_is_shown_without_them",
        ),
    ),
    Bug(
        "addresses of channels are hidden where messages are delivered only",
        "agent/upsun_agent/cli/main.py",
        "        context.hide_named()\n",
        "",
        suite=(
            "tests/integration/cli/test_foreign_text.py::test_words_of_answers_that_hold_secrets_are_written_without_them",
        ),
    ),
    Bug(
        "credentials of a relationship are looked for at its top only",
        "agent/upsun_agent/platform/secrets.py",
        "    if depth > DEPTH_MOST:\n",
        "    if depth > 1:\n",
        suite=("tests/unit/log/test_secrets_of_environment.py",),
    ),
    Bug(
        "a foreign colour is written as one of ours",
        "agent/upsun_agent/cli/terminal.py",
        "if place % 2 else harmless(_clean(part))\n",
        "if place % 2 else escaped(part)\n",
        suite=(
            "tests/integration/cli/test_foreign_text.py::test_on_a_terminal_nothing_foreign_changes_colours_or_hides_text",
            "tests/integration/setup/test_command.py",
        ),
    ),
    Bug(
        "the memory of an answer of a database is not measured",
        "agent/upsun_agent/database/meter.py",
        "grown = resident() - self._memory > DATABASE_MEMORY",
        "grown = False",
        suite=(
            "tests/integration/journal/test_hostile_servers.py::test_a_tick_against_a_server_that_means_harm_ends_with_75_and_an_alarm",
        ),
    ),
    Bug(
        "one read of a database's answer may take any memory",
        "agent/upsun_agent/database/meter.py",
        "            resource.setrlimit(resource.RLIMIT_DATA, (most, hard))\n",
        "            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))\n",
        suite=(
            (
                "tests/integration/journal/test_hostile_servers.py::"
                "test_a_server_that_sends_faster_than_a_tick_reads_costs_no_more_memory"
            ),
        ),
    ),
    Bug(
        "psycopg's exchanges are not asked before they read on",
        "agent/upsun_agent/database/connect.py",
        "super().wait(self.meter.watched(gen, self.fileno()), *arguments, **named)",
        "super().wait(gen, *arguments, **named)",
        suite=(
            "tests/integration/journal/test_hostile_servers.py::test_a_tick_against_a_server_that_means_harm_ends_with_75_and_an_alarm",
        ),
    ),
    Bug(
        "PyMySQL reads its socket past the meter",
        "agent/upsun_agent/database/mysql.py",
        "if self._bounded is not self._sock:",
        "if False:",
        suite=(
            "tests/integration/journal/test_hostile_servers.py::test_a_tick_against_a_server_that_means_harm_ends_with_75_and_an_alarm",
        ),
    ),
    Bug(
        "MariaDB may ask for the password itself",
        "agent/upsun_agent/database/mysql.py",
        "if self._lets_in and not self._clear:",
        "if False:",
        suite=(
            "tests/integration/journal/test_hostile_servers.py::test_mariadbs_password_is_not_shown_to_a_server_that_asks_for_it",
        ),
    ),
    Bug(
        "PostgreSQL may ask for the password itself",
        "agent/upsun_agent/database/libpq.py",
        "    if endpoint.clear:\n",
        "    if True:\n",
        suite=(
            "tests/integration/journal/test_hostile_servers.py::test_postgresqls_password_is_not_shown_to_a_server_that_asks_for_it",
        ),
    ),
    Bug(
        "an exception of an idle tick's driver passes",
        "agent/upsun_agent/database/idle.py",
        "    except Exception:",
        "    except OSError:",
        suite=(
            "tests/integration/journal/test_hostile_servers.py::test_a_tick_against_a_server_that_means_harm_ends_with_75_and_an_alarm",
        ),
    ),
    Bug(
        "an answer's rows are taken as they come, whatever was asked for",
        "agent/upsun_agent/journal/server/answer.py",
        "if len(row) != len(columns) or not all(map(_fits, columns, row)):",
        "if False:",
        suite=(
            "tests/integration/journal/test_hostile_servers.py::test_a_column_of_another_kind_is_an_answer_that_makes_no_sense",
        ),
    ),
    Bug(
        "git reads the checkout's own directory",
        "agent/upsun_setup/git.py",
        '                "GIT_DIR": own,\n',
        '                "GIT_DIR": repository.own,\n',
        suite=("tests/integration/setup/test_git.py",),
    ),
    Bug(
        "git is found in the checkout",
        "agent/upsun_setup/git.py",
        "place for place in places if not tree or not f",
        "place for place in places if tree or not f",
        suite=("tests/integration/setup/test_git.py",),
    ),
    Bug(
        "a certificate of several lines is kept as it came",
        "agent/upsun_agent/access/ssh/certificate.py",
        '    if any(char < " " and char != "\\t" for char in line):\n',
        '    if "\\0" in line:\n',
        suite=("tests/unit/ssh/test_certificate.py",),
    ),
    Bug(
        "a certificate for nobody is one for everybody",
        "agent/upsun_agent/access/ssh/certificate.py",
        "    if not found.valid_principals or not all(found.valid_principals):\n",
        "    if found.valid_principals is None:\n",
        suite=("tests/unit/ssh/test_certificate.py",),
    ),
    Bug(
        "a pattern of hosts may be negated",
        "agent/upsun_agent/access/ssh/configuration.py",
        'r"[A-Za-z0-9*?_:][A-Za-z0-9*?_:.-]{0,252}"',
        'r"[!A-Za-z0-9*?_:][A-Za-z0-9*?_:.-]{0,252}"',
        suite=("tests/end_to_end/ssh/test_paths.py",),
    ),
    Bug(
        "an encoded way up is a link like any other",
        "agent/upsun_agent/api/models.py",
        '    plain = unquote(unquote(path)).replace("\\\\", "/")\n',
        '    plain = path.replace("\\\\", "/")\n',
        suite=("tests/unit/api/test_reads.py",),
    ),
    Bug(
        "the token within base64 is passed on to commands",
        "agent/upsun_agent/runtime/child_environment.py",
        "    for _ in range(DEPTH):\n",
        "    for _ in range(0):\n",
        suite=("tests/integration/cli/test_token_withheld.py",),
    ),
    Bug(
        "variables that a step asks for are withheld",
        "agent/upsun_agent/runtime/executor.py",
        "        hidden = commands.withheld(command.keep)\n",
        "        hidden = commands.withheld(())\n",
        suite=("tests/integration/cli/test_token_withheld.py",),
    ),
    Bug(
        "an error repeats what looks like a token",
        "agent/upsun_agent/cli/main.py",
        "product_words(hidden(safe(text), pasted), product_here",
        "product_words(safe(text), product_here",
        suite=("tests/integration/cli/test_pasted_tokens.py",),
    ),
    Bug(
        "a token is a name of a variable",
        "agent/upsun_agent/validators.py",
        "    rule=variable_fault,\n",
        "    rule=None,\n",
        suite=("tests/unit/config/test_secret_names.py",),
    ),
    Bug(
        "the level of a line is looked up after it was redacted",
        "agent/upsun_agent/log/lines.py",
        "        if LEVELS[name] < least:",
        '        if LEVELS[event["level"]] < least:',
        suite=("tests/integration/cli/test_odd_tokens.py",),
    ),
    Bug(
        "names of requirements are tried at every length",
        "agent/upsun_setup/package_managers.py",
        r"(?:\[[^\]\n]*+\])?+[^\S\n]*+==",
        r"(\[[^\]]*\])?\s*==",
        suite=(
            "tests/integration/test_hostile_texts.py::test_the_longest_and_worst_texts_are_read_in_time[requirements]",
        ),
    ),
    Bug(
        "a lock file is read by the rules of files that are edited",
        "agent/upsun_setup/checkout.py",
        "                data = file.read(CONFIG_MOST_BYTES)\n",
        '                data = self._bytes(path) or b""\n',
        suite=("tests/integration/setup/test_looked_at_files.py",),
    ),
    Bug(
        "a line for dash ends as the file around it",
        "agent/upsun_setup/plan.py",
        """f"{ENVIRONMENT_COMMENT}\\n{SOURCE_LINE}\\n{old or ''}\"""",
        """f"{ENVIRONMENT_COMMENT}\\n{SOURCE_LINE}" + ("\\r\\n" if "\\r" in (old or "") else "\\n") + (old or "")""",
        suite=("tests/integration/setup/test_looked_at_files.py",),
    ),
    Bug(
        "the line for dash stands at the end of the file, whatever is open there",
        "agent/upsun_setup/plan.py",
        """f"{ENVIRONMENT_COMMENT}\\n{SOURCE_LINE}\\n{old or ''}\"""",
        """f"{old or ''}\\n{ENVIRONMENT_COMMENT}\\n{SOURCE_LINE}\\n\"""",
        suite=("tests/integration/setup/test_invented_checkouts.py",),
    ),
    Bug(
        "git is told to add links",
        "agent/upsun_setup/preview.py",
        "map(checkout.real, [*(change",
        "map(str, [*(change",
        suite=("tests/integration/setup/test_invented_checkouts.py",),
    ),
    Bug(
        "an included text is edited in the file that includes it",
        "agent/upsun_setup/build_hook.py",
        "        elif build.editor is hooks.editor:\n",
        "        elif build.editor is not None:\n",
        suite=(
            "tests/unit/setup/test_init_corpus.py::test_the_changes_are_those_that_were_reviewed[include-scalar-hook]",
        ),
    ),
    Bug(
        "the path of an include begins at the top of the checkout",
        "agent/upsun_setup/project.py",
        'posixpath.join(spot.root, path.text if path else "")',
        'posixpath.join("", path.text if path else "")',
        suite=(
            "tests/unit/setup/test_init_corpus.py::test_the_changes_are_those_that_were_reviewed[include-below-root]",
        ),
    ),
    Bug(
        "a file that several places include is changed",
        "agent/upsun_setup/project.py",
        "        if [each for each, _ in self.includes()].count(path) > 1:\n",
        "        if [each for each, _ in self.includes()].count(path) > 9:\n",
        suite=("tests/integration/setup/test_looked_at_files.py",),
    ),
    Bug(
        "comments of a hook count as commands",
        "agent/upsun_agent/platform/shell_text.py",
        "            return line[:at].strip()\n",
        "            return line.strip()\n",
        suite=(
            "tests/unit/setup/test_init_corpus.py::test_the_changes_are_those_that_were_reviewed[install-commented-out]",
        ),
    ),
    Bug(
        "a stack without a type is no composable image",
        "agent/upsun_setup/image.py",
        'if not kind.startswith("composable") and stack is None:',
        'if not kind.startswith("composable"):',
        suite=(
            "tests/unit/setup/test_init_corpus.py::test_the_changes_are_those_that_were_reviewed[composable-without-type]",
        ),
    ),
    Bug(
        "the key of a package is taken for its name",
        "agent/upsun_setup/image.py",
        "if package is not None else",
        "if package is None else",
        suite=(
            "tests/unit/setup/test_init_corpus.py::test_the_changes_are_those_that_were_reviewed[composable-python-mapping]",
        ),
    ),
    Bug(
        "the token of the platform CLI is not taken over",
        "agent/upsun_setup/jobs_plan.py",
        "PLATFORM_TOKEN_VARIABLE if True in used else",
        "PLATFORM_TOKEN_VARIABLE if None in used else",
        suite=(
            "tests/unit/setup/test_init_corpus.py::test_the_changes_are_those_that_were_reviewed[platform-cli-cron]",
        ),
    ),
    Bug(
        "a job updates beside a cron that stays",
        "agent/upsun_setup/jobs_plan.py",
        "        name = None if beside else self._update_name()\n",
        "        name = self._update_name()\n",
        suite=(
            "tests/unit/setup/test_init_corpus.py::test_the_changes_are_those_that_were_reviewed[update-on-own-branch-cron]",
        ),
    ),
    Bug(
        "a job backs up beside a cron that backs up",
        "agent/upsun_setup/jobs_plan.py",
        "        if backing_up:\n",
        "        if backing_up and False:\n",
        suite=(
            "tests/unit/setup/test_init_corpus.py::test_the_changes_are_those_that_were_reviewed[cron-in-a-script]",
        ),
    ),
    Bug(
        "an operation is written for a tool that the image does not have",
        "agent/upsun_setup/operations.py",
        "        [each for each in kept if each.is_in(image)],\n",
        "        kept,\n",
        suite=(
            "tests/unit/setup/test_init_corpus.py::test_the_changes_are_those_that_were_reviewed[tool-not-in-image]",
        ),
    ),
    Bug(
        "the first operation with a likely name is taken",
        "agent/upsun_setup/operations.py",
        "for _, _, name in sorted(ranked)]",
        "for _, _, name in ranked]",
        suite=(
            "tests/unit/setup/test_init_corpus.py::test_the_changes_are_those_that_were_reviewed[operation-guessed]",
        ),
    ),
    Bug(
        "what an image is inferred to have is told as known",
        "agent/upsun_agent/platform/image_python.py",
        '("8.2", 11, "inferred")',
        '("8.2", 11, "known")',
        suite=("tests/unit/config/test_image_python.py",),
    ),
    Bug(
        "the state hides files of the checkout",
        "agent/upsun_setup/plan.py",
        "and (wanted or not self._is_taken(path)):",
        "and (wanted or path):",
        suite=(
            "tests/unit/setup/test_init_corpus.py::test_the_changes_are_those_that_were_reviewed[state-path-in-checkout]",
        ),
    ),
    Bug(
        "the words of a suggested command are not quoted",
        "agent/upsun_setup/preview.py",
        '    return quote(f"./{name}" if name.startswith("-") else name)\n',
        '    return f"./{name}" if name.startswith("-") else name\n',
        suite=("tests/integration/setup/test_suggested_commands.py",),
    ),
    Bug(
        "bytes after a gzip member are read on and kept",
        "agent/upsun_agent/api/unpack.py",
        "MAGIC[: len(packed)]):\n                    return\n",
        "MAGIC[: len(packed)]):\n                    unpacking.decompress(packed)\n                    break\n",
        suite=("tests/long/fuzz/test_endless_answers.py::test_bytes_after_a_gzip_member_leave_the_answer_whole",),
    ),
    Bug(
        "what comes before the head of an answer is not counted",
        "agent/upsun_agent/api/meter.py",
        "        self._meter.count(len(data))\n",
        "",
        suite=("tests/long/fuzz/test_endless_answers.py",),
    ),
    Bug(
        "the simulator answers under any host name",
        "agent/upsun_simulator/guard.py",
        "    return name.lower() in known\n",
        '    return name.lower() in known or name.endswith(f":{port}")\n',
        suite=("tests/integration/simulator/test_simulator_guard.py",),
    ),
    Bug(
        "a part of the secret is enough to control the simulator",
        "agent/upsun_simulator/control_api.py",
        "    if not hmac.compare_digest(given, simulator.control_secret.encode()):\n",
        "    if not simulator.control_secret.encode().startswith(given):\n",
        suite=("tests/integration/simulator/test_simulator_guard.py",),
    ),
    Bug(
        "a daemon in a session of its own outlives its step",
        "agent/upsun_agent/runtime/supervisor.py",
        "    adopt_orphans(on=True)\n    try:\n        request",
        "    try:\n        request",
        suite=("tests/integration/runtime/test_process.py::test_a_daemon_does_not_outlive_an_agent_that_is_killed",),
    ),
    Bug(
        "what forks and ends all the time outlives its step",
        "agent/upsun_agent/runtime/supervisor.py",
        "    while are_left(spared):\n",
        "    while descendants(spared):\n",
        suite=("tests/integration/runtime/test_process.py::test_a_child_that_the_list_of_processes_misses_is_killed",),
    ),
    Bug(
        "every host below the platform's domains gets the token",
        "agent/upsun_agent/api/endpoints.py",
        "_host(parts) in PLATFORM)) or is_loopback",
        "_host(parts).endswith(OF_THE_PLATFORM))) or is_loopback",
        suite=("tests/unit/api/test_client.py",),
    ),
    Bug(
        "marks that are made of two are taken for letters",
        "agent/upsun_agent/api/pages.py",
        "    return unicodedata.combining(char) != 0 or char in _DOUBLE_MARKS",
        "    return unicodedata.combining(char) != 0",
        suite=("tests/integration/api/test_pages_searched.py",),
    ),
    Bug(
        "the request log of the simulator keeps every request",
        "agent/upsun_simulator/request_log.py",
        "        if self._weight <= KEPT_MOST_BYTES:",
        "        if self._weight > 0:",
        suite=(
            "tests/integration/simulator/test_simulator_bodies.py::test_the_books_keep_the_newest_requests_under_their_numbers",
        ),
    ),
    Bug(
        "the simulator takes a body however deep it is",
        "agent/upsun_simulator/body.py",
        "    raise _too_deep()\n\n\ndef form",
        "    return content\n\n\ndef form",
        suite=("tests/integration/simulator/test_simulator_bodies.py",),
    ),
    Bug(
        "a command's words are taken for its supervisor's",
        "agent/upsun_agent/runtime/process.py",
        '            case ["failed", int(number), str(reason), str() | None as name]:',
        '            case ["failed", number, reason, name]:',
        suite=(
            "tests/integration/runtime/test_process.py::test_what_a_command_writes_to_the_line_of_its_supervisor_changes_nothing",
        ),
    ),
    Bug(
        "a secret is not looked for as JSON has it within base64",
        "agent/upsun_agent/log/redaction.py",
        '        yield text.encode("utf-8", "replace")\n        yield text.replace(',
        "        yield text.replace(",
        suite=("tests/unit/log/test_secrets_and_innocents.py::test_a_known_secret_is_hidden_in_every_form",),
    ),
    Bug(
        "a number of the job file may be of any size",
        "agent/upsun_agent/config/rules.py",
        "        if isinstance(value, int) and not -NUMBERS <= value < NUMBERS:",
        "        if isinstance(value, int) and value < -NUMBERS:",
        suite=("tests/unit/config/test_job_file.py",),
    ),
    Bug(
        "the secret that simulate prints is hidden as any other",
        "agent/upsun_simulator/command_line/simulate.py",
        'raw(f"  export UPSUN_SIMULATOR_SECRET={simulator.control_secret}\\n")',
        'say(f"  export UPSUN_SIMULATOR_SECRET={simulator.control_secret}")',
        suite=("tests/integration/simulator/test_simulate_command.py::test_it_says_the_same_in_plain_words",),
    ),
)


def misplaced() -> list[str]:
    """Bugs whose text does not stand in its file exactly once: the list must follow the code."""
    found = []
    for bug in BUGS:
        count = (REPOSITORY / bug.file).read_text(encoding="utf-8").count(bug.old)
        if count != 1:
            found.append(f"{bug.name}: its text stands {count} times in {bug.file}")
    return found


#: A change that breaks nothing: the suite must pass, or what it catches says nothing.
CONTROL = Bug(
    "a comment",
    "agent/upsun_agent/engine/fold.py",
    "from __future__ import annotations\n",
    "from __future__ import annotations  # harmless\n",
    ("tests/unit/engine/test_fold.py",),
)


def is_caught(bug: Bug, suite: tuple[str, ...] = ()) -> tuple[bool, str]:
    """Return whether the tests fail on the bug, and by which one.

    The bug must load: a broken import proves nothing. Tests that do not end within the limit prove nothing either.

    Args:
        bug: what to plant.
        suite: the tests to run; by default the bug's.

    """
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
        variables = {
            **os.environ,
            "PYTHONPATH": f"{copy}/agent:{copy}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "UPSUN_TESTS": "all",
        }
        load = "import upsun_agent.cli.main, upsun_agent.runtime.tick, upsun_agent.idle, upsun_agent.api.client"
        subprocess.run([sys.executable, "-c", load], cwd=copy, env=variables, check=True)
        return _run(copy, suite or bug.suite, variables)


def _run(copy: Path, suite: tuple[str, ...], variables: dict[str, str]) -> tuple[bool, str]:
    """Return whether a test of the suite fails in the copy of the tree, and which."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *suite]
    try:
        done = subprocess.run(
            command, cwd=copy, env=variables, capture_output=True, text=True, check=False, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        return False, f"the tests did not end within {LIMIT} s"
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]  # an ERROR: nothing runs with it
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
    for suite in sorted({bug.suite for bug in bugs}):
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
