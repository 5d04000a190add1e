"""A platform that does its worst within its own rules, and keeps its own books of what really happened.

Its rules, which promise P1 rests on: a request acts within 25 s or never; an activity is listed at most 30 s after it
began; a push follows its operation within 50 s; dates are the server's own. Everything else is chance: what others do,
what fails, what is lost, how long things take, and when the agent is killed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from upsun_agent.engine.decide import UPHEAVALS, Send
from upsun_agent.model import events as ev
from upsun_agent.model.answers import (
    Absent,
    Activity,
    ActivityList,
    Answer,
    Backup,
    BackupList,
    Deployment,
    Environment,
    LookAtActivities,
    LookAtActivity,
    LookAtBackup,
    LookAtBackups,
    LookAtEnvironment,
    LookAtOwner,
    LookAtRetention,
    Owner,
    Question,
    Retention,
    Trouble,
)
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.packages import LockFileChange, LookAtChanges, PackageChanges

from tests.harness.builders import LINKS, SLOT

Pick = Callable[[tuple[Any, ...]], Any]
PASSING = (FailureKind.UNREACHABLE, FailureKind.BAD_REPLY, FailureKind.BUDGET)
BUDGET = timedelta(seconds=60)
OURS = "user-1"


class Killed(BaseException):
    """The agent's process is gone."""


@dataclass
class Deed:
    """An activity as it really is: who caused it, when it shows, when and how it ends."""

    id: str
    type: str
    began: datetime
    shows: datetime
    ends: datetime
    result: str | None
    user: str
    parameters: dict[str, Any]
    payload: dict[str, Any] = field(default_factory=dict)
    cancelled: bool = False
    makes: str = "nothing"  # what a source operation leaves behind

    def as_shown(self, now: datetime) -> Activity:
        over = now >= self.ends
        state = ("cancelled" if self.cancelled else "complete") if over else "in_progress"
        result = self.result if over and not self.cancelled else None
        ended = self.ends if over else None
        return Activity(
            self.id, self.type, state, result, self.began, ended, self.user, self.parameters, dict(self.payload)
        )


@dataclass
class Asked:
    """A request as the platform saw it, and whether it acted on it."""

    step: int
    type: str
    at: datetime
    deed: Any  # the Deed that it began; None where it was not acted on
    proofs: frozenset[str]  # backups that were shown to the agent in good order before


class Platform:
    """The environment ``main`` with its activities and backups. ``pick`` chooses one of several."""

    def __init__(self, pick: Pick) -> None:
        self.pick = pick
        self.now = SLOT + timedelta(seconds=pick((3.0, 271.25, 1500.5)))
        self.skew = timedelta(seconds=pick((0, 0, -3600, 3600)))
        self.deeds: list[Deed] = []
        self.backups: dict[str, tuple[datetime, Backup]] = {}
        self.heads: list[tuple[datetime, str]] = [(SLOT, "head-0")]
        self.deployment: list[tuple[datetime, Deployment]] = []
        self.staged_from: datetime | None = None
        self.asked: list[Asked] = []
        self.shown_good: set[str] = set()
        self.others_deployed = False
        self.marks_show = pick((True, True, False))
        self.head_shows = pick((True, True, True, False))
        self.pass_ends = self.now

    def chance(self, one_in: int) -> bool:
        """Whether a thing that happens once in so many times happens now."""
        return bool(self.pick((False,) * (one_in - 1) + (True,)))

    # --- time ---------------------------------------------------------------------------------------------------

    def agent_now(self) -> datetime:
        """The agent's clock, which may be an hour off."""
        return self.now + self.skew

    def begin_pass(self) -> None:
        self.pass_ends = self.now + BUDGET

    def pass_time(self, seconds: float) -> None:
        """Let time pass; meanwhile others may be at work."""
        self.now += timedelta(seconds=seconds)

    def others_act(self) -> None:
        """Somebody else may begin something."""
        if self.chance(5):
            upheaval = self.pick(tuple(sorted(UPHEAVALS)))
            kind = self.pick(("environment.backup", "environment.source-operation", "environment.push", upheaval))
            parameters: dict[str, Any] = {}
            if kind == "environment.backup":
                parameters = {"safe": self.pick((True, False))}
            elif kind == "environment.source-operation":
                mark = self.pick(({}, {"variables": {"env": {"UPSUN_AGENT_RUN": "another@run"}}}))
                parameters = {"operation": self.pick(("update", "other")), **mark}
            self.others_deployed |= kind in {"environment.push", "environment.source-operation"}
            self._begin(kind, parameters, self.pick((OURS, "user-2")))

    def _begin(self, kind: str, parameters: dict[str, Any], user: str) -> Deed:
        lasts = timedelta(seconds=self.pick((5, 60, 60, 400, 400, 400, 3000, 10**6)))
        lag = timedelta(seconds=self.pick((0, 0, 7, 30)))
        result = self.pick(("success",) * 8 + ("failure", None))
        name = f"act{len(self.deeds)}"
        deed = Deed(name, kind, self.now, self.now + lag, self.now + lasts, result, user, parameters)
        deed.cancelled = self.chance(30)
        self.deeds.append(deed)
        if kind == "environment.backup":
            deed.payload = {"backup_name": f"bak-{name}"} if not self.chance(15) else {}
            self._back_up(deed, f"bak-{name}")
        elif kind == "environment.source-operation" and result == "success" and not deed.cancelled:
            deed.makes = self.pick(("nothing", "commit", "commit and push", "staged commit"))
            self._commit(deed)
        return deed

    def _back_up(self, deed: Deed, name: str) -> None:
        flaw = self.pick(({},) * 16 + ({"restorable": False}, {"status": "DELETING"}, {"environment": "staging"}, None))
        if deed.result == "success" and not deed.cancelled and flaw is not None:
            values = {"status": "CREATED", "restorable": True, "environment": "main", **flaw}
            made = Backup(name, created_at=deed.began, safe=bool(deed.parameters["safe"]), **values)
            self.backups[name] = (deed.ends, made)

    def _commit(self, deed: Deed) -> None:
        if deed.makes == "nothing":
            return
        head = f"head-of-{deed.id}"
        if deed.makes == "commit":
            successful = not self.chance(4)
            self.heads.append((deed.ends, head))
            self.deployment.append((deed.ends, Deployment(successful, deed.ends)))
        elif deed.makes == "staged commit":
            self.heads.append((deed.ends, head))
            self.staged_from = deed.ends
        else:
            begins = deed.ends + timedelta(seconds=self.pick((0, 20)))
            ends = begins + timedelta(seconds=self.pick((30, 900)))
            result = self.pick(("success", "success", "failure"))
            name = f"push-{deed.id}"
            shows = begins + timedelta(seconds=self.pick((0, 30)))
            self.deeds.append(Deed(name, "environment.push", begins, shows, ends, result, "system", {}))
            self.heads.append((ends, head))
            self.deployment.append((ends, Deployment(result == "success", ends)))

    # --- what the agent is shown --------------------------------------------------------------------------------

    def answer(self, question: Question) -> Answer:  # noqa: C901  one case for each question
        """The truth, or trouble; every look takes its time."""
        self.pass_time(self.pick((0.1, 0.1, 0.4, 3.0, 20.0)))
        if self.now >= self.pass_ends:
            return Trouble(FailureKind.BUDGET, "the tick's time is used up")
        if self.chance(12):
            return Trouble(self.pick((*PASSING, *PASSING, FailureKind.TOKEN)), "something said")
        match question:
            case LookAtEnvironment():
                return self._environment()
            case LookAtActivity():
                found = [deed for deed in self.deeds if deed.id == question.id]
                return found[0].as_shown(self.now) if found and not self.chance(200) else Absent()
            case LookAtActivities():
                return self._listed(question)
            case LookAtBackup():
                made = self._existing().get(question.id)
                return self._shown(made) if made else Absent()
            case LookAtBackups():
                return BackupList(tuple(self._shown(made) for made in self._existing().values()))
            case LookAtOwner():
                return Owner(self.pick((OURS, OURS, None)))
            case LookAtChanges():
                files = tuple(
                    LockFileChange(path=f"{name}/composer.lock", format="composer")
                    for name in ("one", "two")
                    if f"{name}/composer.lock" not in question.done
                )
                part: Answer = PackageChanges(files[:1], "time")
                read: Answer = self.pick((PackageChanges(files), part, PackageChanges((), "absent")))
                return read
            case LookAtRetention():
                return Retention({"production": self.pick((1, 4))})
        raise AssertionError(f"no answer to {question}")

    def _existing(self) -> dict[str, Backup]:
        return {name: made for name, (since, made) in self.backups.items() if self.now >= since}

    def _shown(self, made: Backup) -> Backup:
        if made.restorable and made.status == "CREATED" and made.environment == "main":
            self.shown_good.add(made.id)
        return made

    def _environment(self) -> Environment:
        busy = any(deed.began <= self.now < deed.ends for deed in self.deeds)
        heads = [head for since, head in self.heads if since <= self.now]
        deployments = [each for since, each in self.deployment if since <= self.now]
        return Environment(
            id="main",
            type=self.pick(("production",) * 150 + ("staging",)),
            status=self.pick(("active",) * 80 + ("dirty", "dirty", "paused")),
            is_dirty=busy or self.chance(3),  # the agent's own cron, for one
            head_commit=heads[-1] if self.head_shows else None,
            links=self.pick((LINKS,) * 80 + ({}, {"#backup": "/b"})),
            server_at=self._date(),
            deployment=deployments[-1] if deployments else None,
            has_staged_activities=self.staged_from is not None and self.now >= self.staged_from,
        )

    def _listed(self, question: LookAtActivities) -> ActivityList:
        visible = [deed.as_shown(self.now) for deed in reversed(self.deeds) if deed.shows <= self.now]
        kept = [each for each in visible if not question.types or each.type in question.types]
        if question.incomplete:
            kept = [each for each in kept if not each.finished]
        return ActivityList(tuple(kept), self._date(), complete=not self.chance(20))

    def _date(self) -> datetime:
        """The Date header: whole seconds."""
        return self.now.replace(microsecond=0)

    # --- what the agent asks for --------------------------------------------------------------------------------

    def receive(self, sent: Send) -> ev.Event:
        """Act on a request or not, and answer it or not; raises Killed where the agent dies over it."""
        fate = self.pick(("accepted",) * 6 + ("cut after", "cut before", "killed after", "killed before", "no", "busy"))
        step, proofs = sent.intent.step, frozenset(self.shown_good)
        if fate == "killed before":
            raise Killed
        asked = Asked(step, sent.activity_type, self.now, None, proofs)
        self.asked.append(asked)
        if fate in {"accepted", "cut after", "killed after"}:
            self.pass_time(self.pick((0.2, 0.2, 24.0)))
            parameters = dict(sent.body)
            if "variables" in parameters and not self.marks_show:
                parameters = {"operation": parameters["operation"]}
            asked.deed = self._begin(sent.activity_type, parameters, OURS)
        if fate == "killed after":
            raise Killed
        if fate == "accepted":
            assert asked.deed is not None
            backup = asked.deed.payload.get("backup_name")
            return ev.RequestAccepted(at=self.agent_now(), step=step, activity=asked.deed.id, backup=backup)
        if fate == "no":
            return ev.RequestRefused(at=self.agent_now(), step=step, failure="permission", message="no", again_at=None)
        if fate == "busy":
            later = self.agent_now() + timedelta(seconds=self.pick((60, 600)))
            return ev.RequestRefused(
                at=self.agent_now(), step=step, failure="platform-busy", message="busy", again_at=later
            )
        return ev.RequestUnanswered(at=self.agent_now(), step=step, message="no answer")

    # --- the request log ----------------------------------------------------------------------------------------------

    def acted(self, step: int) -> list[Asked]:
        """The requests of a step that really took effect."""
        return [each for each in self.asked if each.step == step and each.deed is not None]

    def has_failed(self, deed: Deed, when: datetime) -> bool:
        """Whether what a request began had failed by then, and nobody had stopped it on purpose.

        A backup that its activity does not name cannot be proved: that counts as failed, too.
        """
        made = self.backups.get(deed.payload.get("backup_name", ""))
        good = made is not None and made[1].restorable and made[1].status == "CREATED" and made[1].environment == "main"
        succeeded = deed.result == "success" and (good or deed.type != "environment.backup")
        return deed.ends <= when and not deed.cancelled and not succeeded

    def deed(self, name: str | None) -> Deed | None:
        return next((each for each in self.deeds if each.id == name), None)
