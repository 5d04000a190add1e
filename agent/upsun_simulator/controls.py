"""Changes to the project that do not come through the API, for tests and control requests."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

from upsun_simulator import activity as kinds
from upsun_simulator import user
from upsun_simulator.account_controls import AccountControls
from upsun_simulator.activity import Activity, Plan, Result
from upsun_simulator.activity_queue import settle
from upsun_simulator.backup import Backup
from upsun_simulator.effects import progress
from upsun_simulator.effects.backups import evict
from upsun_simulator.effects.code import DEPLOYING, push
from upsun_simulator.environment import APP, Commit, CronStatus, Environment, EnvironmentType
from upsun_simulator.history import Breaks, Content, Origin
from upsun_simulator.ids import identifier
from upsun_simulator.members import permissions_of
from upsun_simulator.operations import backups, code, deployments
from upsun_simulator.other_users import OtherUsers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upsun_simulator.platform import Platform
    from upsun_simulator.scenario import Scenario
    from upsun_simulator.state import PlatformState


CRON_NAME = "agent"
DAY = 86_400


class Controls(AccountControls, OtherUsers):
    """Changes to the state that do not come through the API; each applies due events before and after.

    `environment` is always an id, and production when it is left out.
    """

    platform: Platform

    @property
    def state(self) -> PlatformState:
        """Return the platform's state."""
        return self.platform.state

    @property
    def scenario(self) -> Scenario:
        """Return the scenario: the platform's behaviour from now on."""
        return self.state.scenario

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        names = [field.name for field in dataclasses.fields(scenario)]
        wanted = {name: getattr(scenario, name) for name in names}
        self.change(**{name: value for name, value in wanted.items() if value != getattr(self.scenario, name)})

    def change(self, **changes: Any) -> None:
        """Change some behaviours; earlier requests keep the old ones."""
        with self._settled() as state:
            old, state.scenario = state.scenario, state.scenario.changed(**changes)
            if old.token != state.scenario.token:
                self.platform.tokens.revoke(old.token)
                self._add_machine_token(state.scenario, age=0)
            self._age_machine_token(state, changes)
            state.integrations.follow(state.scenario)
            if "manual_deployment" in changes:
                for place in state.environments.values():
                    place.manual_deployment = None
            if changes.keys() & {"role", "other_role", "project_role"}:
                state.members.grant(user.MACHINE, permissions_of(state.scenario), state.now)

    def _add_first_tokens(self, scenario: Scenario) -> None:
        self._add_machine_token(scenario, age=scenario.token_age_seconds)
        if scenario.owner_token:
            self.platform.tokens.add(
                scenario.owner_token, self.platform.clock.now(), user=user.OWNER, name="Owner", mfa=True
            )

    def _add_machine_token(self, scenario: Scenario, *, age: float) -> None:
        made_at = self.platform.clock.now() - timedelta(seconds=age)
        self.platform.tokens.add(scenario.token, made_at, name="Agent", mfa=scenario.token_mfa)

    def _age_machine_token(self, state: PlatformState, changes: dict[str, Any]) -> None:
        token = self.platform.tokens.named(state.scenario.token)
        if token is None:
            return
        if "token_age_seconds" in changes:
            token.created_at = state.now - timedelta(seconds=state.scenario.token_age_seconds)
        if "token_mfa" in changes:
            token.mfa = state.scenario.token_mfa

    @contextmanager
    def _settled(self) -> Iterator[PlatformState]:
        with self.platform.lock:
            settle(self.state, self.platform.clock.now())
            yield self.state
            settle(self.state, self.platform.clock.now())

    def _place(self, environment: str | None) -> Environment:
        name = environment or self.scenario.environment
        if name not in self.state.environments:
            raise ValueError(f"there is no environment {name!r}")
        return self.state.environments[name]

    def _unfinished(self, activity: str) -> Activity:
        one = self.state.by_id.get(activity)
        if one is None:
            raise ValueError(f"there is no activity {activity!r}")
        if not one.unfinished:
            raise ValueError(f"the activity {activity} is {one.state}")
        return one

    def add_environment(
        self,
        name: str,
        kind: EnvironmentType = "development",
        *,
        parent: str | None = None,
        is_pr: bool = False,
    ) -> Environment:
        """Branch off an environment, as somebody's pull request if `is_pr`.

        Args:
            name: the name of the branch, which is the id.
            kind: the type.
            parent: the id of the parent; None: production.
            is_pr: whether it is that of a pull request.
        """
        _check(kind, get_args(EnvironmentType))
        with self._settled() as state:
            if name in state.environments:
                raise ValueError(f"there is an environment {name!r} already")
            return state.add_environment(name, kind, parent=self._place(parent).id, is_pr=is_pr)

    def add_backup(
        self,
        environment: str | None = None,
        *,
        age: float = 0,
        automated: bool = False,
        restorable: bool = True,
        safe: bool = True,
    ) -> Backup:
        """Add a backup that was made `age` seconds ago; it counts towards the limit.

        Args:
            environment: the id of the environment; None: production.
            age: how many seconds ago it was made.
            automated: whether the platform took it by itself.
            restorable: whether it can be restored.
            safe: whether the app was stopped while it was taken.
        """
        with self._settled() as state:
            place = self._place(environment)
            made_at = state.now - timedelta(seconds=age)
            number = state.count()
            backup = Backup(
                id=identifier(self.scenario.project, "backup", number),
                number=number,
                environment=place.id,
                created_at=made_at,
                commit_id=place.head,
                safe=safe,
                restorable=restorable,
                automated=automated,
                variables=list(place.live),
            )
            state.backups.append(backup)
            place.backup_moments.append(made_at)
            evict(state, place.id, state.now)
            return backup

    def drop_backup(self, backup: str) -> None:
        """Remove a backup, as when another client's backup replaced it."""
        with self._settled() as state:
            found = [one for one in state.backups if one.id == backup]
            if not found:
                raise ValueError(f"there is no backup {backup!r}")
            state.drop_backup(found[0], state.now)

    def start_activity(
        self,
        environment: str | None = None,
        type: str = "environment.cron",  # noqa: A002 - the platform's word for it
        *,
        user: str | None = None,
        seconds: float | None = 60,
        parameters: dict[str, Any] | None = None,
        age: float = 0,
    ) -> Activity:
        """Queue somebody else's activity; without `seconds` it lasts until it is finished or cancelled.

        Without a `user` a cron is the platform's own robot's, anything else a colleague's.
        With an `age` it was asked for that long ago, and started at once. It has the effects of its kind as far as
        the kind alone says what they are: `merge`, `synchronize` and `restore` say more.

        Args:
            environment: the id of the environment; None: production.
            type: the type.
            user: the id of who asked for it; None: the platform's robot for a cron, a colleague for the rest.
            seconds: how long it runs; None: until it is finished or cancelled.
            parameters: the parameters of the request; None: none.
            age: how many seconds ago it was asked for.
        """
        if seconds is not None and seconds < 0:
            raise ValueError(f"nothing lasts {seconds} seconds")
        with self._settled() as state:
            activity = self._foreign(self._place(environment), type, user, parameters or {})
            activity.plan = dataclasses.replace(activity.plan, seconds=seconds, commits_after=None)
            if age:
                self._backdate(activity, age)
            return state.by_id[activity.id]

    def _foreign(self, place: Environment, kind: str, who: str | None, parameters: dict[str, Any]) -> Activity:
        """Return an activity with the effects of its kind."""
        cron = kind == kinds.CRON
        somebody = user.named(who or (user.BOT.id if cron else user.COLLEAGUE.id))
        if kind == kinds.BACKUP:
            activity = backups.back_up(self.state, place, somebody, safe=True)
        elif kind == kinds.SOURCE_OPERATION:
            operation = parameters.get("operation", "update")
            activity = code.run_source_operation(self.state, place, somebody, operation=operation, variables={})
        else:
            payload = {"environment": place.summary(), **({"cron": CRON_NAME} if cron else {})}
            plan = deployments.deploy_plan(self.state) if kind in DEPLOYING else Plan(seconds=None)
            known = self._cron(place) if cron else {}
            if kind == kinds.PUSH:
                known = {"old_commit": place.head, "new_commit": place.head}
            activity = self.state.add_activity(
                kind, place.id, user=somebody, plan=plan, parameters=known, payload=payload
            )
        activity.parameters.update(parameters)
        return activity

    def _cron(self, place: Environment) -> dict[str, Any]:
        """Return the parameters of a cron's activity.

        https://developer.upsun.com/docs/integrations/activity/reference
        """
        commands = {"start": self.scenario.cron_command, "stop": None}
        timing = {"shutdown_timeout": None, "timeout": DAY}
        return {
            "cluster": f"{self.scenario.project}-{place.machine_name}",
            "application": APP,
            "cron": CRON_NAME,
            "spec": {"spec": self.scenario.cron_spec, "commands": commands, **timing},
        }

    def _backdate(self, activity: Activity, age: float) -> None:
        asked_at = self.state.now - timedelta(seconds=age)
        self.state.move(activity, asked_at)
        progress.begin(self.state, activity, asked_at)

    def finish_activity(self, activity: str, result: Result = "success") -> None:
        """End a pending or running activity now, with all that follows from it."""
        _check(result, get_args(Result))
        with self._settled() as state:
            one = self._unfinished(activity)
            if one.state == "pending":
                progress.begin(state, one, state.now)
            one.commits_at = None
            one.plan = dataclasses.replace(one.plan, ending=result)
            progress.end(state, one, state.now)

    def cancel_activity(self, activity: str) -> None:
        """Cancel a pending or running activity, as somebody does in the console."""
        with self._settled() as state:
            progress.cancel(state, self._unfinished(activity), state.now)

    def push(
        self, environment: str | None = None, *, user: str = user.OWNER.id, breaks: Breaks | None = None
    ) -> Activity:
        """Push a commit from outside: the head moves now, the deployment is queued.

        Its site fails where that of the commit before it does, unless `breaks` says otherwise.

        Args:
            environment: the id of the environment; None: production.
            user: the id of who pushes.
            breaks: on which type of environment its site fails; None: as that of the commit before.
        """
        if breaks is not None:
            _check(breaks, get_args(Breaks))
        with self._settled() as state:
            place = self._place(environment)
            before, who = state.history[place.head].content, _named(user)
            content = Content(breaks or before.breaks, before.locked)
            origin = Origin(state.now, who, f"Simulated commit {state.count()}\n")
            sha = state.history.commit((place.head,), content, origin)
            place.move_head(Commit(sha, state.now, "pushed"))
            return push(state, place.id, sha, who=who, plan=code.update_plan(state, place), at=state.now)

    def redeploy(self, environment: str | None = None, *, user: str = user.OWNER.id) -> Activity:
        """Queue somebody else's redeployment."""
        with self._settled() as state:
            return deployments.redeploy(state, self._place(environment), _named(user))

    def deploy_staged(self, environment: str | None = None) -> list[Activity]:
        """Deploy what is staged, as a person would."""
        with self._settled() as state:
            return deployments.deploy_staged(state, self._place(environment))

    def set_status(self, status: str, environment: str | None = None) -> None:
        """Make an environment active, inactive, paused, dirty or deleting."""
        with self._settled():
            place = self._place(environment)
            self.state.set_status(place, self.scenario.changed(status=status).status, self.state.now)

    def pause(self, environment: str | None = None) -> None:
        """Pause an environment from now on."""
        self.set_status("paused", environment)

    def set_crons(self, status: CronStatus, environment: str | None = None) -> None:
        """Set whether an environment's crons run, are paused or sleep."""
        _check(status, get_args(CronStatus))
        with self._settled():
            self._place(environment).crons = status

    def revoke_token(self, token: str | None = None) -> None:
        """Revoke an API token, the scenario's if none is named; its bearers live on until they expire."""
        with self.platform.lock:
            self.platform.tokens.revoke(self.scenario.token if token is None else token)

    def rotate_authority(self) -> None:
        """Sign SSH certificates with another key from now on."""
        with self.platform.lock:
            self.platform.authority.rotate()

    def revoke_certificates(self) -> None:
        """Revoke every SSH certificate issued so far."""
        with self.platform.lock:
            self.platform.authority.revoke()

    def expire_bearers(self) -> None:
        """Make every bearer issued so far invalid."""
        with self.platform.lock:
            self.platform.tokens.expire_bearers()


def _named(name: str) -> user.User:
    return user.named(name)


def _check(value: object, choices: tuple[object, ...]) -> None:
    """Raise an error for an unknown word in a control request."""
    if value not in choices:
        raise ValueError(f"{value!r} is not one of {choices}")
