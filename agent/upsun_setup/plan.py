"""What ``init`` would change in a checkout, decided from its files. Pure but for reading them."""

from __future__ import annotations

import posixpath
import re

from msgspec import Struct, field
from upsun_agent.config import JobFile, parse
from upsun_agent.errors import ConfigInvalid

from upsun_setup.cli_cron import CliCron, Update, calls_cli, installer_lines
from upsun_setup.edits import BY_HAND
from upsun_setup.hook import hook_edit, installs, is_strict
from upsun_setup.image import PYTHON, Image, image_of, list_python, served_at
from upsun_setup.job_file import DEFAULT_SCHEDULE, ProposedJob, job_file, job_name, usable_schedule, usable_zone
from upsun_setup.package_managers import Manager, managers, operation
from upsun_setup.project import FOLDER, App, Files, Project
from upsun_setup.replaced_crons import ReplacedCrons, types_of

TICK = "upsun-agent tick"
CRON = {
    "spec": "*/5 * * * *",
    "commands": {"start": ".upsun-agent/bin/upsun-agent tick"},
    "shutdown_timeout": 10,
    "timeout": 300,
}
SOURCED = ".upsun-agent/environment.sh"
#: Without the test, a shell that cannot find the file would end, and the app's start with it.
SOURCE_LINE = f'[ ! -f "$PLATFORM_APP_DIR/{SOURCED}" ] || . "$PLATFORM_APP_DIR/{SOURCED}"'
STATES = ("var/agent", "agent-state", "upsun-agent-state")
PERSISTENT = frozenset({"storage", "service"})
COMMITTED = re.compile(r"git (diff|status)|\|\|")
_UPDATE_NAME = re.compile(r"update|upgrade|dependenc|deps|bump", re.IGNORECASE)


class Change(Struct, frozen=True):
    """A file that is written: its text before (None: it is new) and after."""

    #: The path of the file, below the checkout.
    path: str
    #: The old text; None for a new file.
    old: str | None
    #: The new text.
    new: str


class Plan(Struct):
    """Everything that ``init`` would do, and what it wants to say."""

    #: The name of the app.
    app: str
    #: The files to change.
    changes: list[Change] = field(default_factory=list)
    #: What is in place already, in words.
    done: list[str] = field(default_factory=list)
    #: What the person should know: a level and a text each.
    remarks: list[tuple[str, str]] = field(default_factory=list)
    #: The path of the job file, below the checkout.
    jobs: str = f"{FOLDER}/agent.toml"
    #: The name of one of the jobs, for examples.
    job: str = "JOB"
    #: Whether the job replaces a cron.
    takes_over: bool = False


class Planner:
    """Decides one app's plan, part by part."""

    def __init__(self, files: Files, project: Project, app: App, install: list[str]) -> None:
        self._files = files
        self._project = project
        self._app = app
        self._install = install
        self._image: Image = image_of(project, app)
        self._texts: dict[str, tuple[str | None, str]] = {}
        self._replaced = ReplacedCrons(project, app)
        # `.upsun/` is read at the top of a project only; below an app's own folder the job file has its second place.
        jobs = app.file("upsun-agent.toml") if app.root else f"{FOLDER}/agent.toml"
        self.plan = Plan(app.name, jobs=jobs, takes_over=bool(self._replaced.known))

    def decide(self) -> Plan:
        """Return the whole plan.

        Raises:
            ConfigInvalid: something in the configuration cannot be changed, or the job file has mistakes.
        """
        self._project.child(self._app.parent, self._app.name)  # raises where another app shares what it says
        existing = self._existing_jobs()
        self._python()
        self._hook()
        state = self._mount(existing)
        self._cron()
        jobs = self._jobs(existing)
        self.plan.job = next(iter([*(job.name for job in jobs), *(existing.jobs if existing else ())]))
        self._operations(existing, jobs)
        self._job_file(existing, state, jobs)
        self._environment()
        written = {name: (editor.original, editor.text()) for name, editor in self._project.editors.items()}
        texts = {**written, **self._texts}
        self.plan.changes = [Change(path, old, new) for path, (old, new) in texts.items() if old != new]
        return self.plan

    # --- the image and its hook ------------------------------------------------------------------------------

    def _python(self) -> None:
        image = self._image
        if image.too_old:
            text = f"{image.too_old} cannot run the agent, which needs Python 3.11"
            self._say(text, "raise it before you push, or the build stops there")
        elif image.unknown:
            self._say("what the image's stack lists is not understood", f"see that {PYTHON} or newer is in it")
        elif image.composable and not image.has_python:
            where = list_python(self._project, self._app)
            self.plan.done.append(f"{PYTHON} in {where}: a composable image has only what it lists")
        elif not image.composable and "python" not in image.runtimes:
            text = f"the agent runs with the python3 that the image {image.kind} brings"
            self._say(text, "if the build says that it is too old, use a composable image with python@3.13")

    def _hook(self) -> None:
        project, spot = self._project, self._app.spot
        hooks = project.child(spot, "hooks")
        build = project.child(hooks, "build") if hooks is not None and hooks.node.kind == "mapping" else None
        if build is None or build.node.is_null or hooks is None:
            edit = hook_edit("", self._install, self.plan.jobs, drop_cli=False)
            project.put(spot, ("hooks", "build"), "\n".join(edit.lines) + "\n")
            self.plan.done.append("hooks.build installs the agent, pinned by one hash")
            return
        if build.node.tag == "!include":
            self._included_hook(hooks.where(build.node), *project.included(hooks, build.node, self._app.root))
            return
        if build.node.kind != "scalar":
            raise ConfigInvalid(f"{build.where()}: hooks.build is not a text", remedy="write it as a block: build: |")
        if self._is_installed(build.node.text):
            return
        edit = hook_edit(build.node.text, self._install, self.plan.jobs, drop_cli=self._drops_cli(build.node.text))
        hooks.editor.edit_text(hooks.node, (*hooks.path, "build"), edit.dropped, edit.at, edit.lines)
        self._told_hook("hooks.build", build.node.text, dropped=bool(edit.dropped))

    def _included_hook(self, where: str, path: str, kind: str) -> None:
        """Edit a build hook that is a file of its own."""
        text = self._files.read(path)
        if kind != "string" or text is None:
            raise ConfigInvalid(f"{where}: hooks.build includes {path}, which cannot be read as text", remedy=BY_HAND)
        if self._is_installed(text):
            return
        edit = hook_edit(text, self._install, self.plan.jobs, drop_cli=self._drops_cli(text))
        newline = "\r\n" if "\r\n" in text else "\n"
        lines: list[str | None] = [*text.split(newline)]
        for number in edit.dropped:
            lines[number] = None
        kept = [line for line in [*lines[: edit.at], *edit.lines, *lines[edit.at :]] if line is not None]
        self._write(path, text, newline.join(kept))
        self._told_hook(path, text, dropped=bool(edit.dropped))

    def _told_hook(self, name: str, text: str, *, dropped: bool) -> None:
        self.plan.done.append(f"{name} installs the agent, pinned by one hash")
        if text.strip() and not is_strict(text):
            remedy = "begin it with set -e; init left what a failing command in it does as it was"
            self._say(f"{name} has no 'set -e': a command that fails there does not stop the build", remedy)
        if dropped:
            self.plan.done.append(f"{name} no longer installs the official CLI: nothing in the configuration calls it")
            self._say("scripts of yours may call the official CLI in the container", "if so, put its installer back")
        elif installer_lines(text) and self._replaced.known:
            self._say(
                "the official CLI is still installed: something else in the configuration calls it", "leave it so"
            )

    def _is_installed(self, hook: str) -> bool:
        if not installs(hook):
            return False
        if "/releases/download/" in hook and not all(line in hook for line in self._install):
            self._say("the build hook installs another release than this one", f"this one's lines: {self._install[0]}")
        return True

    def _drops_cli(self, hook: str) -> bool:
        """Return whether the CLI's installer goes: the crons that called it do, and nothing else does."""
        if not self._replaced.known or not installer_lines(hook):
            return False
        rest = "\n".join(line for n, line in enumerate(hook.split("\n")) if n not in installer_lines(hook))
        return not calls_cli("\n".join([rest, *self._replaced.other_commands()]))

    # --- mount and cron --------------------------------------------------------------------------------------

    def _mount(self, existing: JobFile | None) -> str:
        """Return the state directory, on a mount that lasts."""
        project, spot = self._project, self._app.spot
        mounts = {
            name.strip("/"): project.text(spot, "mounts", name, "source") for name in project.names(spot, "mounts")
        }
        wanted = existing.state if existing is not None else None
        if wanted is not None and not wanted.startswith("/app/"):
            self._say(f"the state {wanted} of the job file is outside /app", "see that it outlives deployments")
            return wanted
        named = [wanted.removeprefix("/app/").strip("/")] if wanted else STATES
        for path in named:
            around = next((name for name in mounts if path == name or path.startswith(f"{name}/")), None)
            if around is not None and mounts[around] in PERSISTENT:
                return f"/app/{path}"
            below = any(name.startswith(f"{path}/") for name in mounts)
            if around is None and not below:
                self._add_mount(path, first=not mounts)
                return f"/app/{path}"
        raise ConfigInvalid(
            f"no place for a mount: {', '.join(named)} are taken", remedy="add one and set 'state' to it"
        )

    def _add_mount(self, path: str, *, first: bool) -> None:
        project, spot = self._project, self._app.spot
        used = {project.text(spot, "mounts", name, "source_path") for name in project.names(spot, "mounts")}
        source = next(name for name in ("agent", "upsun-agent", f"agent-{self._app.name}") if name not in used)
        project.put(spot, ("mounts", path), {"source": "storage", "source_path": source})
        self.plan.done.append(f"the mount {path} keeps the agent's state")
        if first:
            self._say("this is the app's first mount", "see that it has disk: upsun resources:set; 128 MB is plenty")
        location = served_at(project, self._app, path)
        if location is not None:
            remedy = f"add a rule to that location: '^/{path}/': {{ allow: false }}"
            self._say(f"the location {location} serves files of {path} to the world", remedy)

    def _cron(self) -> None:
        project, spot = self._project, self._app.spot
        crons = project.names(spot, "crons")
        for name in crons:
            if TICK in self._replaced.command(name):
                self._remove(self._replaced.known)
                return
        name = next(each for each in ("agent", "upsun-agent", "upsun-agent-tick") if each not in crons)
        comment = f"upsun-agent: what it does is in {self.plan.jobs}, also where and when"
        replaced = list(self._replaced.known)
        parent = project.child(spot, "crons")
        if replaced and parent is not None:
            parent.editor.replace(parent.node, (*parent.path, replaced[0]), name, CRON, comment)
            self._remove(replaced[1:])
        else:
            project.put(spot, ("crons", name), CRON, comment)
        instead = f" in the place of {', '.join(replaced)}" if replaced else ""
        for other, why in self._replaced.unsupported.items():
            text = f"the cron {other} backs up or updates with the official CLI, and more: {why.reason}"
            self._say(text, "it stays as it is: take out what a job does now, or both will do it")
        self.plan.done.append(f"the cron {name}{instead} calls the agent every five minutes")

    def _remove(self, names: list[str] | dict[str, CliCron]) -> None:
        parent = self._project.child(self._app.spot, "crons") if names else None
        for name in names:
            if parent is not None:
                parent.editor.remove(parent.node, (*parent.path, name))

    # --- jobs and operations ---------------------------------------------------------------------------------

    def _existing_jobs(self) -> JobFile | None:
        for path in (self.plan.jobs, self._app.file("upsun-agent.toml")):
            text = self._files.read(path)
            if text is not None:
                self.plan.jobs = path
                return parse(text, path)
        return None

    def _jobs(self, existing: JobFile | None) -> list[ProposedJob]:
        """Return the jobs to add: those of the guide's crons, or one of our own where there is no job at all."""
        zone = usable_zone(self._project.text(self._app.spot, "timezone"))
        taken = set(existing.jobs) if existing else set[str]()
        found = []
        for cron, cli_cron in self._replaced.known.items():
            name = job_name(cron, taken)
            taken.add(name)
            found.append(self._taken_over(cron, cli_cron, name, zone))
        if found or existing is not None:
            return found
        operation_name = self._update_name()
        updates = (Update(operation_name, {}),) if operation_name else ()
        job = "nightly-update" if updates else "nightly-backup"
        return [ProposedJob(job, timezone=zone, updates=updates)]

    def _taken_over(self, cron: str, cli_cron: CliCron, name: str, zone: str) -> ProposedJob:
        spec = self._project.text(self._app.spot, "crons", cron, "spec") or ""
        schedule = usable_schedule(spec)
        if schedule is None:
            text = f"the schedule {spec[:60]!r} of the cron {cron} is none that a job can have"
            self._say(text, f"it became {DEFAULT_SCHEDULE!r}: say in {self.plan.jobs} when the job should run")
        types, doubt = types_of(cli_cron)
        if doubt:
            self._say(f"the cron {cron} {doubt}", f"see environment-types in {self.plan.jobs}: {', '.join(types)}")
        if not cli_cron.backup:
            self._say(f"the cron {cron} updated without a backup", "the job takes one first, and proves it")
        self.plan.done.append(f"the job {name} does what the cron {cron} did")
        return ProposedJob(name, schedule or DEFAULT_SCHEDULE, zone, types, cli_cron.live, cli_cron.updates, cron)

    def _update_name(self) -> str | None:
        """Return the operation that updates: one that is there, else the one that will be proposed, if any can be."""
        there = self._project.names(self._app.spot, "source", "operations")
        likely = [name for name in there if name == "update"] or [name for name in there if _UPDATE_NAME.search(name)]
        return likely[0] if likely else ("update" if self._managers() else None)

    def _managers(self) -> list[Manager]:
        def read(name: str) -> str | None:
            path = self._app.file(name)
            return (self._files.read(path) or "") if self._files.has(path) else None

        found = managers(read)
        if not self._image.composable or self._image.unknown:
            return found
        return [each for each in found if set(each.runtimes) & set(self._image.runtimes)]

    def _operations(self, existing: JobFile | None, jobs: list[ProposedJob]) -> None:
        """Define the operations that the jobs name, where no app has them, and look at those that are there."""
        named = {update.name for job in jobs for update in job.updates}
        if existing is not None:
            steps = [step for job in existing.jobs.values() for step in job.steps if step.kind == "source-operation"]
            named |= {str(step.settings["name"]) for step in steps}
        everywhere = {
            name: app
            for app in self._project.apps.values()
            for name in self._project.names(app.spot, "source", "operations")
        }
        for name in sorted(named):
            if name in everywhere:
                self._look_at(everywhere[name], name)
                continue
            found = self._managers()
            if not found:
                text = f"no app defines the source operation {name}, and no lock file says how to update"
                self._say(text, f"define it under source.operations of {self._app.name}")
                continue
            text = operation(found, self._app.root)
            self._project.put(self._app.spot, ("source", "operations", name), {"command": text})
            used = ", ".join(each.name for each in found)
            self.plan.done.append(
                f"the source operation {name} updates with {used}, and exits 0 when there is nothing to update"
            )
        if not named:
            where = self._app.root or "the checkout"
            text = f"nothing to update was found in {where}: the job only backs up"
            self._say(text, "docs/how-to/init.md lists the files that are looked for")

    def _look_at(self, app: App, name: str) -> None:
        command = self._project.text(app.spot, "source", "operations", name, "command") or ""
        if "git commit" in command and not COMMITTED.search(command):
            remedy = 'git diff --cached --quiet || git commit -m "…"'
            self._say(f"the source operation {name} fails where there is nothing to commit", remedy)

    def _job_file(self, existing: JobFile | None, state: str, jobs: list[ProposedJob]) -> None:
        if not jobs:
            return
        if existing is None:
            text = job_file(state, jobs)
            self.plan.done.append(f"{self.plan.jobs} says what to do and when")
        else:
            text = existing.text.rstrip("\n") + "\n\n" + "\n".join(job.text() for job in jobs)
        parse(text, self.plan.jobs)  # what is proposed is valid, or nothing is
        self._write(self.plan.jobs, existing.text if existing else None, text)

    def _environment(self) -> None:
        path = self._app.file(".environment")
        old = self._files.read(path)
        if old is not None and SOURCED in old:
            return
        comment = "# The agent on the PATH of crons and SSH sessions."
        newline = "\r\n" if old and "\r\n" in old else "\n"
        before = old + (newline if old and not old.endswith("\n") else "") if old else ""
        self._write(path, old, f"{before}{comment}{newline}{SOURCE_LINE}{newline}")
        self.plan.done.append(f"{path} puts the agent on the PATH")

    # --- the result ------------------------------------------------------------------------------------------

    def _write(self, path: str, old: str | None, new: str) -> None:
        self._texts[posixpath.normpath(path)] = (old, new)

    def _say(self, text: str, remedy: str) -> None:
        self.plan.remarks.append((text, remedy))
