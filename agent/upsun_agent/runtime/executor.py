"""Carry out decisions over the network. Every result, errors included, is returned as a value."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from typing import Any, assert_never

from msgspec.structs import replace

from upsun_agent.api import pages, people
from upsun_agent.api.client import Client, OutOfTime
from upsun_agent.api.errors import UNSURE, Meaning, classify, error_words, not_the_apis
from upsun_agent.api.http import NoAnswer, Reply
from upsun_agent.api.models import read_activity
from upsun_agent.api.replies import Fields, document, retry_after
from upsun_agent.clock import Clock
from upsun_agent.engine.bounds import CLOCK_WRONG
from upsun_agent.engine.decision import Execute, Send
from upsun_agent.errors import (
    AgentError,
    BadReply,
    NotFound,
    NotPermitted,
    SecondFactorNeeded,
    SettingsInvalid,
    TokenMissing,
    TokenRefused,
    Unreachable,
)
from upsun_agent.model import events as ev
from upsun_agent.model.answers import (
    PROJECT,
    Absent,
    Activity,
    ActivityList,
    Answer,
    BackupList,
    Environment,
    LookAtActivities,
    LookAtActivity,
    LookAtBackup,
    LookAtBackups,
    LookAtEnvironment,
    LookAtOwner,
    LookAtPage,
    LookAtRetention,
    LookAtRoutes,
    Owner,
    Page,
    Question,
    Retention,
    Rights,
    Routes,
    Trouble,
)
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.packages import LookAtChanges
from upsun_agent.runtime import package_changes
from upsun_agent.runtime.commands import Commands
from upsun_agent.steps.source_operation import SourceOperationStep

PAUSE_LEAST = 60.0  # a platform that says «busy» is not asked again sooner
LET_GO = 5.0  # seconds: to kill a command and to write down how it ended
PAUSE_MOST = 6 * 3600.0  # nor is an absurd Retry-After obeyed

#: Links that an admin sees on an idle environment, by its status: where one is missing, the reason is looked for.
EXPECTED = {
    "active": frozenset({"#backup", "#source-operation"}),
    "paused": frozenset({"#resume"}),
    "inactive": frozenset({"#activate"}),
}
#: The kind of failure for each answer with which the API refuses a request.
REFUSALS = {
    Meaning.TOKEN: FailureKind.TOKEN,
    Meaning.SECOND_FACTOR: FailureKind.SECOND_FACTOR,
    Meaning.PERMISSION: FailureKind.PERMISSION,
    Meaning.NOT_FOUND: FailureKind.NOT_FOUND,
    Meaning.CONFLICT: FailureKind.PLATFORM_BUSY,
    Meaning.BUSY: FailureKind.PLATFORM_BUSY,
    Meaning.LIMITED: FailureKind.PLATFORM_BUSY,
    Meaning.REFUSED: FailureKind.REFUSED,
}


def trouble_of(error: AgentError) -> Trouble:
    """Return the Trouble value for an error of the API client."""
    kinds: tuple[tuple[type[AgentError], FailureKind], ...] = (
        (OutOfTime, FailureKind.BUDGET),
        (Unreachable, FailureKind.UNREACHABLE),
        (TokenMissing, FailureKind.TOKEN),
        (TokenRefused, FailureKind.TOKEN),
        (SecondFactorNeeded, FailureKind.SECOND_FACTOR),
        (NotPermitted, FailureKind.PERMISSION),
        (NotFound, FailureKind.NOT_FOUND),
        (SettingsInvalid, FailureKind.SETTINGS),
        (BadReply, FailureKind.BAD_REPLY),
    )
    for kind, word in kinds:
        if isinstance(error, kind):
            return Trouble(word, str(error), error.remedy)
    raise error


class Executor:
    """Read, send requests and run commands for one environment of a project, and for others that a step names."""

    def __init__(
        self, client: Client, project: str, environment: str, clock: Clock, commands: Commands | None = None
    ) -> None:
        self._client = client
        self._commands = commands or Commands()
        self._project = project
        self._environment = environment
        self._clock = clock
        self._rights: dict[str, Rights] = {}
        self._at_hand: dict[Question, Answer] = {}
        #: a time of the platform that two answers told, and when that was on the monotonic clock
        self._confirmed: tuple[datetime, float] | None = None

    @property
    def platform_now(self) -> datetime | None:
        """Return the platform's clock at its last answer in this tick; None if no answer had a date."""
        return self._client.heard

    def expect(self, question: Question) -> Answer:
        """Return the answer to a question, and cache it for the next ``look``."""
        self._at_hand[question] = answer = self.look(question)
        return answer

    def look(self, question: Question) -> Answer:
        """Return the answer to a question; a Trouble if there is none."""
        if question in self._at_hand:
            return self._at_hand.pop(question)
        try:
            return self._with_sure_time(self._look(question))
        except AgentError as error:
            return trouble_of(error)

    def _with_sure_time(self, answer: Answer) -> Answer:
        """Return the answer with a verified time; raise BadReply if there is none.

        One answer alone may have a wrong date. Where it is neither this machine's time nor what an earlier answer
        says, the platform is asked once more, and two of the three have to agree.
        """
        there, here = self._client.heard, self._clock.now()
        if there is None or self._is_near(there, here):
            return answer
        second = self._second_time()
        if second is not None and abs(second - there) <= CLOCK_WRONG:
            self._confirmed = (second, self._clock.monotonic())
            return answer
        if second is None or abs(second - here) > CLOCK_WRONG:
            text = f"an answer says that it is {there:%Y-%m-%d %H:%M} UTC, and the time cannot be confirmed"
            remedy = "the next tick asks again; check this machine's clock, and whether a cache or proxy answers"
            raise BadReply(text, remedy=remedy)
        return replace(answer, server_at=second) if isinstance(answer, Environment | ActivityList) else answer

    def _is_near(self, there: datetime, here: datetime) -> bool:
        """Return whether a platform time is close to this machine's clock, or to what two earlier answers gave."""
        if abs(there - here) <= CLOCK_WRONG:
            return True
        if self._confirmed is None:
            return False
        told, then = self._confirmed
        return abs(there - told - timedelta(seconds=self._clock.monotonic() - then)) <= CLOCK_WRONG

    def _second_time(self) -> datetime | None:
        """Read the environment again and return the platform's clock at that answer; None if it had no date."""
        self._client.heard = None
        with contextlib.suppress(AgentError):
            self._client.environment_document(self._project, self._environment)
        return self._client.heard

    def _look(self, question: Question) -> Answer:  # noqa: C901  one case for each question
        client, project, environment = self._client, self._project, self._environment
        match question:
            case LookAtEnvironment():
                return self._with_rights(client.environment(project, question.environment or environment))
            case LookAtActivity():
                return client.activity(project, question.id) or Absent()
            case LookAtActivities():
                where = "" if question.environment == PROJECT else question.environment or environment
                return client.activities(
                    project, where, types=question.types, since=question.since, incomplete=question.incomplete
                )
            case LookAtBackup():
                return client.backup(project, question.environment or environment, question.id) or Absent()
            case LookAtBackups():
                return BackupList(tuple(client.backups(project, question.environment or environment)))
            case LookAtRoutes():
                return self._routes(question.environment or environment)
            case LookAtPage():
                return self._page(question)
            case LookAtOwner():
                return Owner(client.owner())
            case LookAtRetention():
                return Retention(client.manual_backup_limits(project))
            case LookAtChanges():
                return package_changes.ChangeReader(client, project).read(question)
            case _:
                assert_never(question)

    def _routes(self, environment: str) -> Answer:
        """Return the environment's URLs; Absent if it has no current deployment."""
        try:
            return Routes(self._client.routes(self._project, environment))
        except NotFound:
            self._client.environment(self._project, environment)  # raises where that is what is missing
            return Absent()

    def _with_rights(self, environment: Environment) -> Environment:
        """Return the environment; if an admin's links are missing, add what the API says about the reasons."""
        expected = EXPECTED.get(environment.status, frozenset())
        if environment.is_dirty or expected <= environment.links.keys():
            return environment
        if environment.type not in self._rights:
            self._rights[environment.type] = people.People(self._client).rights(self._project, environment.type)
        return replace(environment, rights=self._rights[environment.type])

    def _page(self, question: LookAtPage) -> Page:
        """Return the answer of a site, or a value that says that none came."""
        began = self._clock.monotonic()
        try:
            reply = self._client.page(question.url, float(question.within), body=bool(question.contains))
        except NoAnswer as error:
            return Page(None, self._clock.monotonic() - began, fault=str(error))
        seconds = self._clock.monotonic() - began
        if not question.contains:
            return Page(reply.status, seconds)
        why = pages.missing(reply, question.contains)
        return Page(reply.status, seconds, found=why is None, fault=why or "")

    def has_time_for(self, command: Execute) -> bool:
        """Return whether the tick has enough time left for the command's time limit."""
        return self._client.left > command.within + LET_GO

    def execute(self, command: Execute) -> ev.CommandEnded:
        """Run the command of an intent that is already synced, and return the event that says how it ended."""
        self._at_hand.clear()
        commands, directory = self._commands, command.directory or None
        hidden = commands.withheld(command.keep)
        ended = commands.runner(command.command, directory, command.within, command.variables, hidden)
        return ev.CommandEnded(
            at=self._clock.now(),
            step=command.intent.step,
            exit_code=ended.exit_code,
            seconds=int(ended.seconds),
            output=commands.clean(ended.output),
        )

    def send(self, decision: Send) -> tuple[ev.Event, Activity | None]:
        """Make the request of an intent that is already synced, once, and return the event that records its answer.

        Returns the event to record, and the activity as the answer showed it where there was one.
        """
        step = decision.intent.step
        self._at_hand.clear()
        try:
            reply = self._client.post(decision.path, decision.body)
        except NoAnswer as error:
            if error.sent:
                return ev.RequestUnanswered(at=self._clock.now(), step=step, message=str(error)), None
            return self._refused(step, FailureKind.UNREACHABLE, str(error), PAUSE_LEAST), None
        except AgentError as error:  # no bearer, no time: nothing was sent
            trouble = trouble_of(error)
            later = (
                PAUSE_LEAST
                if trouble.kind
                in {FailureKind.UNREACHABLE, FailureKind.BAD_REPLY, FailureKind.SETTINGS, FailureKind.BUDGET}
                else None
            )
            return self._refused(step, trouble.kind, trouble.message, later), None
        return self._answer(step, decision.activity_type, reply)

    def _answer(self, step: int, activity_type: str, reply: Reply) -> tuple[ev.Event, Activity | None]:
        meaning, said = classify(reply), error_words(reply)
        if meaning is Meaning.DONE:
            return self._accepted(step, activity_type, reply)
        text = f"the platform answered {reply.status}{f': {said}' if said else ''}"
        if meaning in UNSURE:
            text = not_the_apis(reply) if meaning is Meaning.UNUSABLE else text
            return ev.RequestUnanswered(at=self._clock.now(), step=step, message=text), None
        if meaning is Meaning.REFUSED and activity_type == SourceOperationStep.activity_type:
            text += self._defined_operations()
        wish = retry_after(reply, self._clock.now()) or 0.0
        failure = REFUSALS[meaning]
        later = min(max(wish, PAUSE_LEAST), PAUSE_MOST) if failure is FailureKind.PLATFORM_BUSY else None
        return self._refused(step, failure, text, later), None

    def _defined_operations(self) -> str:
        """Return the names of the source operations for a message; empty if they cannot be read."""
        try:
            defined = self._client.source_operations(self._project, self._environment)
        except (AgentError, NoAnswer):
            return ""
        listed = ", ".join(sorted({name for _, name in defined}))
        return f"; the environment defines: {listed or 'no source operations'}"

    def _accepted(self, step: int, activity_type: str, reply: Reply) -> tuple[ev.Event, Activity | None]:
        """Return the event for a 2xx answer and its activity; without an activity, the event for no answer."""
        now = self._clock.now()
        try:
            activity = _embedded(document(reply, "answer"), activity_type)
        except BadReply as error:
            return ev.RequestUnanswered(at=now, step=step, message=str(error)), None
        name = activity.payload.get("backup_name")
        backup = name if isinstance(name, str) else None
        return ev.RequestAccepted(at=now, step=step, activity=activity.id, backup=backup), activity

    def _refused(self, step: int, failure: FailureKind, message: str, later: float | None) -> ev.RequestRefused:
        now = self._clock.now()
        again = None if later is None else now + timedelta(seconds=later)
        return ev.RequestRefused(at=now, step=step, failure=failure, message=message, again_at=again)


def _embedded(value: Any, activity_type: str) -> Activity:
    """Return the activity that the answer embeds; raise BadReply unless there is exactly one of the type."""
    activities = Fields.of(value, "answer").object("_embedded").get("activities")
    read = [read_activity(each) for each in (activities if isinstance(activities, list) else [])]
    found = [each for each in read if each.type == activity_type]
    if len(found) > 1:  # the activity list tells which is the request's own
        raise BadReply(f"the answer embeds {len(found)} activities {activity_type}")
    if not found:
        raise BadReply(f"the answer embeds no {activity_type}")
    return found[0]
