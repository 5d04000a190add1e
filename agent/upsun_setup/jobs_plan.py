"""The jobs and source operations that ``init`` proposes: never more than what the crons beside them did. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from upsun_agent.config import JobFile, parse

from upsun_setup.app import App
from upsun_setup.cli_cron import CliCron, Update
from upsun_setup.image import Image
from upsun_setup.job_file import (
    DEFAULT_SCHEDULE,
    PLATFORM_TOKEN_VARIABLE,
    TOKEN_VARIABLE,
    ProposedJob,
    job_file,
    job_name,
    usable_schedule,
    usable_zone,
)
from upsun_setup.operations import fails_without_news, likely_operations, runs_what_it_fetches, updates_of
from upsun_setup.package_managers import operation
from upsun_setup.plan_record import Plan
from upsun_setup.project import Project
from upsun_setup.replaced_crons import ReplacedCrons, Work, branches_of, types_of


class JobsPlan:
    """Decides the jobs of one app, and the operations that they run."""

    def __init__(
        self,
        project: Project,
        app: App,
        image: Image,
        plan: Plan,
        ignored: Callable[[Sequence[str]], list[str]],
        *,
        may_update: bool | None = True,
    ) -> None:
        """Look at the crons of all apps and at the files of package managers.

        Args:
            project: the configuration.
            app: the app that gets the agent.
            image: its image.
            plan: what is to be done; gets remarks.
            ignored: which files of the checkout Git ignores.
            may_update: whether the project's plan has source operations; None if that is not known.
        """
        self._may_update = may_update
        self._project = project
        self._app = app
        self._plan = plan
        self.crons = ReplacedCrons(project, app)
        self._others = {each.name: ReplacedCrons(project, each) for each in project.apps.values() if each is not app}
        self._updates = updates_of(project, app, image, ignored)

    def jobs(self, existing: JobFile | None) -> list[ProposedJob]:
        """Return the jobs to add: those of the crons that are replaced, or one where there is no job at all."""
        zone = usable_zone(self._project.text(self._app.spot, "timezone"))
        taken = set(existing.jobs) if existing else set[str]()
        found = []
        for cron, cli_cron in self.crons.known.items():
            name = job_name(cron, taken)
            taken.add(name)
            found.append(self._taken_over(cron, cli_cron, name, zone))
        if not found and existing is None:
            found = [self._new_job(zone)]
        self._tell_beside(found, existing)
        return found

    def _taken_over(self, cron: str, cli_cron: CliCron, name: str, zone: str) -> ProposedJob:
        spec = self._project.text(self._app.spot, "crons", cron, "spec") or ""
        schedule = usable_schedule(spec)
        say = self._plan.say
        if schedule is None:
            text = f"the schedule {spec[:60]!r} of the cron {cron} is not one that a job can have"
            say(text, f"it became {DEFAULT_SCHEDULE!r}: set in {self._plan.jobs} when the job should run")
        types, doubt = types_of(cli_cron)
        if doubt:
            say(f"the cron {cron} {doubt}", f"see environment-types in {self._plan.jobs}: {', '.join(types)}")
        if not cli_cron.backup:
            say(f"the cron {cron} updated without a backup", "the job takes one first, and verifies it")
        self._plan.done.append(f"the job {name} does what the cron {cron} did")
        return ProposedJob(
            name,
            schedule or DEFAULT_SCHEDULE,
            zone,
            types,
            cli_cron.live,
            cli_cron.updates,
            cron,
            branches_of(cli_cron),
        )

    def _beside(self) -> list[tuple[str, Work]]:
        """Return the crons that stay and do a job's work, and what they do: those of other apps too."""
        found = [(name, work) for name, work in self.crons.work().items() if name in self.crons.unsupported]
        for app, crons in self._others.items():
            found += [(f"{name} of the app {app}", work) for name, work in crons.work().items()]
        return found

    def _new_job(self, zone: str) -> ProposedJob:
        """Return the job for an app without one; beside a cron that stays it does not update, nor back up twice."""
        beside = self._beside()
        backing_up = [name for name, work in beside if work.backs_up]
        if backing_up:
            reason = f"No schedule: the cron {backing_up[0]} takes a backup already. Delete that cron, then add:"
            return ProposedJob("backup", "", zone, by_hand=" ".join(reason.split()))
        name = None if beside else self._update_name()
        updates = (Update(name, {}),) if name else ()
        return ProposedJob("nightly-update" if updates else "nightly-backup", timezone=zone, updates=updates)

    def _tell_beside(self, jobs: list[ProposedJob], existing: JobFile | None) -> None:
        """Say which crons stay that do a job's work, and what is new with the job beside them."""
        idle = [] if existing is None else [name for name, job in existing.jobs.items() if not job.schedule]
        advice = self._advice(jobs, idle if existing is not None and len(idle) == len(existing.jobs) else [])
        for name, work in self._beside():
            text = f"the cron {name} {_does(work)} with the official CLI and stays"
            if work.reason:
                text += f" ({work.reason})"
            both = work.backs_up and not work.reason and any(job.schedule for job in jobs)
            remedy = "a backup holds all apps of the environment: one cron or job for it is enough"
            self._plan.say(text, remedy if both else advice)

    def _advice(self, jobs: list[ProposedJob], idle: list[str]) -> str:
        """Return what to do about a cron that stays.

        Args:
            jobs: the jobs to add.
            idle: the jobs that are there already, if none of them has a schedule.
        """
        idle = idle or [job.name for job in jobs if not job.schedule]
        if idle and not self.crons.known:
            return f"the job {idle[0]} has no schedule: delete the cron before you give it one, or both back up"
        if not jobs or self.crons.known:
            return "remove from it what a job does now, or both will do it"
        return f"new: the job {jobs[0].name} backs up production every night; it updates nothing"

    def _update_name(self) -> str | None:
        """Return the operation that updates: one that is there, else the one that will be proposed, if any can be."""
        likely = likely_operations(self._project.names(self._app.spot, "source", "operations"))
        if not self._may_update:
            return None
        if not likely:
            return "update" if self._updates.usable else None
        if len(likely) > 1:
            text = f"several operations may be the one that updates: {', '.join(likely)}"
            self._plan.say(text, f"the job runs {likely[0]}: name another one in {self._plan.jobs} if that is wrong")
        return likely[0]

    # --- operations ------------------------------------------------------------------------------------------

    def operations(self, existing: JobFile | None, jobs: list[ProposedJob]) -> None:
        """Define the operations that the jobs name, where no app has them, and look at those that are there."""
        named = {update.name: job.name for job in jobs for update in job.updates}
        if existing is not None:
            for each in existing.jobs.values():
                steps = [step for step in each.steps if step.kind == "source-operation"]
                named = {str(step.settings["name"]): "" for step in steps} | named
        everywhere = {
            name: app
            for app in self._project.apps.values()
            for name in self._project.names(app.spot, "source", "operations")
        }
        missing = [name for name in sorted(named) if name not in everywhere]
        for name in sorted(named.keys() & everywhere.keys()):
            self._look_at(everywhere[name], name, named[name])
        if missing and self._updates.usable:
            self._define(missing)
        elif missing:
            text = f"no app defines the source operation {', '.join(missing)}, and no lock file says how to update"
            self._plan.say(text, f"define it under source.operations of {self._app.name}")
        if not named and not self._may_update:
            self._tell_plan(jobs)
            return
        if missing or (not named and not self._beside()):
            self._tell_left_out()
        if not named and not self._beside() and not self._updates.usable:
            where = self._app.root or "the checkout"
            text = f"nothing that the image can update was found in {where}: the job only backs up"
            self._plan.say(text, "docs/how-to/init.md lists the files that are looked for")

    def _tell_plan(self, jobs: list[ProposedJob]) -> None:
        """Say why a job of Upsun Fixed does not update."""
        if jobs and not self._beside():
            text = "the job only backs up: of Upsun Fixed only the plans Enterprise and Elite have source operations"
            if self._may_update is None:
                self._plan.say(text, "on one of those, say so: upsun-agent init --plan enterprise (or elite)")
            else:
                self._plan.done.append(text)

    def _define(self, names: list[str]) -> None:
        usable = self._updates.usable
        text = operation(usable, self._app.root)
        spot = self._project.child(self._app.spot, "source")
        inner = self._project.child(spot, "operations") if spot is not None and spot.node.kind == "mapping" else None
        if inner is None or inner.node.is_null:
            self._project.put(self._app.spot, ("source", "operations"), {name: {"command": text} for name in names})
        else:
            for name in names:
                self._project.put(self._app.spot, ("source", "operations", name), {"command": text})
        used = ", ".join(each.name for each in usable)
        for name in names:
            self._plan.done.append(
                f"the source operation {name} updates with {used}, and exits 0 when there is nothing to update"
            )

    def _tell_left_out(self) -> None:
        for each in self._updates.absent:
            text = f"{each.lock} is there, but the image does not have {each.name}: no operation uses it"
            self._plan.say(text, "write an operation of your own if the app updates with it")
        for each in self._updates.ignored:
            text = f"Git ignores {each.lock}: the environment does not have it, so nothing can update it there"
            self._plan.say(text, "commit it if the app should be updated")
        for name in self._updates.unreadable:
            text = f"{name} is not UTF-8: init does not know how to update it"
            self._plan.say(text, "save it as UTF-8, then run init again, or write an operation of your own")

    def _look_at(self, app: App, name: str, job: str) -> None:
        """Say which operation of the user's a new job runs, and what is wrong with it."""
        command = self._project.text(app.spot, "source", "operations", name, "command") or ""
        if job:
            of = "" if app is self._app else f" of the app {app.name}"
            self._plan.done.append(f"the job {job} runs your source operation {name}{of}")
        if fails_without_news(command):
            remedy = 'git diff --cached --quiet || git commit -m "…"'
            self._plan.say(f"the source operation {name} fails where there is nothing to commit", remedy)
        if runs_what_it_fetches(command):
            text = f"the source operation {name} runs what it downloads: whoever changes that changes your production"
            self._plan.say(text, "pin a version and check its hash, or write the commands into the operation")

    def write(self, existing: JobFile | None, state: str, jobs: list[ProposedJob]) -> tuple[str | None, str] | None:
        """Return the job file before and after; None if there is nothing to add.

        Args:
            existing: the job file; None if there is none.
            state: the directory of the state.
            jobs: the jobs to add.
        """
        variable = self._token_variable(existing)
        if not jobs:
            return None
        config = self._project.config_of(self._app)
        if existing is None:
            text = job_file(state, jobs, variable if variable != self._own_variable else None, config)
            self._plan.done.append(f"{self._plan.jobs} says what to do and when")
        else:
            text = existing.text.rstrip("\n") + "\n\n" + "\n".join(job.text(config) for job in jobs)
        parse(text, self._plan.jobs)  # what is proposed is valid, or nothing is
        return (existing.text if existing else None, text)

    @property
    def _own_variable(self) -> str:
        """Return the variable that the product's own CLI reads; the agent reads it without being told."""
        return PLATFORM_TOKEN_VARIABLE if self._project.is_fixed else TOKEN_VARIABLE

    def _token_variable(self, existing: JobFile | None) -> str:
        """Return the variable that holds the API token: the one that the crons used, where a new file can name it."""
        used = {each.is_platform for each in self.crons.known.values()}
        wanted = self._own_variable
        if len(used) == 1:
            wanted = PLATFORM_TOKEN_VARIABLE if True in used else TOKEN_VARIABLE
        variable = wanted if existing is None else existing.token_variable or wanted
        self._plan.token_variable = variable
        if used and (len(used) > 1 or variable != wanted):
            text = f"the agent reads its token from {variable}, and not every old cron did"
            self._plan.say(
                text, f"make sure that {variable} is set; token-variable in {self._plan.jobs} can name another one"
            )
        return variable


def _does(work: Work) -> str:
    """Return what a cron does, as a verb."""
    return " and ".join(["backs up"] * work.backs_up + ["updates"] * work.updates)
