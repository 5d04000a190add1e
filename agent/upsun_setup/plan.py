"""What ``init`` would change in a checkout, decided from its files. Pure but for reading them."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from upsun_agent.config import JobFile, parse
from upsun_agent.errors import ConfigInvalid
from upsun_agent.platform.cli_calls import calls_cli
from upsun_agent.platform.image_python import LEAST_MINOR
from upsun_agent.platform.shell_text import code_lines

from upsun_setup.app import FOLDER, PRODUCTS, App, Files
from upsun_setup.build_hook import BuildHook
from upsun_setup.cli_cron import installer_lines, installs_cli
from upsun_setup.hook import block_of, hook_edit, installs, is_strict, upgraded
from upsun_setup.image import PYTHON, Image, image_of, list_python, served_at, told_python
from upsun_setup.jobs_plan import JobsPlan
from upsun_setup.plan_record import Plan, changes_of
from upsun_setup.project import Project
from upsun_setup.runtime_operations import add_runtime_operations

EVERY_FIVE_MINUTES, EVERY_MINUTE = "*/5 * * * *", "* * * * *"
SOURCED = ".upsun-agent/environment.sh"
#: Without the test, a shell that cannot find the file would end, and the app's start with it.
SOURCE_LINE = f'[ ! -f "$PLATFORM_APP_DIR/{SOURCED}" ] || . "$PLATFORM_APP_DIR/{SOURCED}"'
JOBS_FILE = "upsun-agent.toml"
#: The plans of Upsun Fixed that have source operations, and crons every minute.
LARGER_PLANS = frozenset({"enterprise", "elite"})
ENVIRONMENT_COMMENT = "# The agent on the PATH of crons and SSH sessions."
#: The comment above the agent's cron.
CRON_COMMENT = "upsun-agent: what it does is in {jobs}, also where and when"
STATES = ("var/agent", "agent-state", "upsun-agent-state")
PERSISTENT = frozenset({"storage", "local", "service"})
DISK = 128  # MB: the smallest disk that an app of Upsun Fixed can have
#: How mounts of Upsun Fixed were written before 2019: a text that begins so.
OLD_MOUNT = "shared:files"
#: What `.environment` says where it puts the agent on the PATH.
SOURCES = re.compile(rf"(?:^|[\s;&|])(?:\.|source)\s+\S*{re.escape(SOURCED)}")
_SUBMODULE = re.compile(r"^\s*path\s*=\s*(.+?)\s*$", re.MULTILINE)


class Planner:
    """Decides one app's plan, part by part."""

    def __init__(
        self,
        files: Files,
        project: Project,
        app: App,
        install: list[str],
        ignored: Callable[[Sequence[str]], list[str]] = lambda _: [],
        fixed_plan: str | None = None,
        *,
        with_operations: bool = False,
    ) -> None:
        """Look at the app's image and at its crons.

        Args:
            files: the checkout.
            project: its configuration.
            app: the app that gets the agent.
            install: the lines that install it.
            ignored: which files of the checkout Git ignores.
            fixed_plan: the plan of a project of Upsun Fixed; None if it is not known.
            with_operations: whether the app gets the runtime operations of the agent.
        """
        self._files = files
        self._project = project
        self._app = app
        self._install = install
        self._with_operations = with_operations
        self._image: Image = image_of(project, app)
        self._texts: dict[str, tuple[str | None, str]] = {}
        # `.upsun/` is read at the top of a project only; below an app's own folder the job file has its second place.
        # On Fixed there must be no `.upsun/`: it would make the repository that of a Flex project.
        self.plan = Plan(app.name, jobs=job_file_of(project, app), product=project.product)
        self._is_larger = project.is_fixed and fixed_plan in LARGER_PLANS
        may_update = None if project.is_fixed and fixed_plan is None else not project.is_fixed or self._is_larger
        self._jobs = JobsPlan(project, app, self._image, self.plan, ignored, may_update=may_update)
        self._replaced = self._jobs.crons
        self.plan.takes_over = bool(self._replaced.known)

    def decide(self) -> Plan:
        """Return the whole plan.

        Raises:
            ConfigInvalid: something in the configuration cannot be changed, or the job file has mistakes.
        """
        self._project.refuse_shared_app(self._app)
        self._folder()
        existing = self._existing_jobs()
        self._python()
        self._hook()
        state = self._mount(existing)
        self._cron()
        jobs = self._jobs.jobs(existing)
        self.plan.job = next(iter([*(job.name for job in jobs), *(existing.jobs if existing else ())]), self.plan.job)
        self._jobs.operations(existing, jobs)
        job_file = self._jobs.write(existing, state, jobs)
        if job_file is not None:
            self._write(self.plan.jobs, *job_file)
        self._environment()
        if self._with_operations:
            names = [*(job.name for job in jobs), *(existing.jobs if existing else ())]
            add_runtime_operations(self._project, self._app, self.plan, len(names))
        self.plan.changes = changes_of({**self._project.changed(), **self._texts})
        return self.plan

    # --- the image and its hook ------------------------------------------------------------------------------

    def _python(self) -> None:
        image = self._image
        if image.too_old:
            text = f"{image.too_old} is known to be too old for the agent, which needs Python 3.{LEAST_MINOR}"
            self.plan.done.append(f"{text}: the agent brings its own")
        elif image.unknown:
            self._say(
                "init does not understand what the image's stack lists", f"make sure that {PYTHON} or newer is in it"
            )
        elif image.composable and not image.has_python:
            where = list_python(self._project, self._app)
            self.plan.done.append(f"{PYTHON} in {where}: a composable image has only what it lists")
        elif not image.composable and "python" not in image.runtimes:
            self.plan.done.append(told_python(image.kind))

    def _folder(self) -> None:
        """Look at the app's folder: it has to be there, and may be a repository of its own."""
        root, others = self._app.root, self._project.others
        if root and not self._files.has(root):
            where = self._app.spot.where()
            raise ConfigInvalid(f"{where}: source.root '{root}' is not in the checkout", remedy="fix source.root")
        modules = _SUBMODULE.findall(self._files.peek(".gitmodules") or "")
        inside = [path.strip("/") for path in modules if f"{root}/".startswith(f"{path.strip('/')}/")]
        inside += [root] if root and not inside and self._files.has(f"{root}/.git") else []
        if inside:
            self.plan.submodule = inside[0]
            text = f"{inside[0]} is a Git submodule: what init writes there belongs to another repository"
            self._say(text, "commit and push it there first, then the submodule's new commit here")
        if others:
            own = self._project.product
            other = PRODUCTS["fixed" if own == "flex" else "flex"]
            both = f"{others[0]} ({other}) and {self._project.sources[0]} ({PRODUCTS[own]})"
            remedy = f"init sets up {PRODUCTS[own]}: delete the files of the product that this project is not on"
            self._say(f"{both} are both here: a deployment with both fails", remedy)

    def _hook(self) -> None:
        hook = BuildHook(self._project, self._app, self._write)
        block = block_of(hook.text)
        self.plan.is_delivered = block is not None or not installs(hook.text)
        if block is not None:
            if [hook.text.split("\n")[number].strip() for number in block.lines] != [
                line.strip() for line in self._install
            ]:
                hook.edit(upgraded(block, self._install))
                self.plan.done.append(f"{hook.name} installs this version of the agent")
            return
        if installs(hook.text):
            return
        edit = hook_edit(hook.text, self._install, self.plan.jobs, drop_cli=self._drops_cli(hook.text))
        hook.edit(edit)
        self._told_hook(hook.name, hook.text, dropped=bool(edit.dropped))

    def _told_hook(self, name: str, text: str, *, dropped: bool) -> None:
        self.plan.done.append(f"{name} installs the agent, pinned by one hash")
        if text.strip() and not is_strict(text):
            remedy = "begin it with set -e; init did not change what a failing command in it does"
            self._say(f"{name} has no 'set -e': a command that fails there does not stop the build", remedy)
        if dropped:
            self.plan.done.append(f"{name} no longer installs the official CLI: nothing in the configuration calls it")
            self._say("scripts of yours may call the official CLI in the container", "if so, add its installer again")
        elif installs_cli(text) and self._replaced.known:
            more = self._calls_left(text)
            why = (
                "something else in the configuration calls it"
                if more
                else "init removes only a line that does just that"
            )
            remedy = "leave it as it is" if more else "remove it if you do not need it"
            self._say(f"{name} still installs the official CLI: {why}", remedy)

    def _drops_cli(self, hook: str) -> bool:
        """Return whether the CLI's installer goes: the crons that called it do, and nothing else does."""
        return bool(self._replaced.known and installer_lines(hook)) and not self._calls_left(hook)

    def _calls_left(self, hook: str) -> bool:
        """Return whether something but the crons that are replaced calls the CLI."""
        gone = set(installer_lines(hook))
        lines = [line for number, line in enumerate(hook.split("\n")) if number not in gone]
        rest = "\n".join(line for line in lines if not installs_cli(line))
        return any(map(calls_cli, [rest, *self._replaced.other_commands()])) or bool(self._replaced.unsupported)

    # --- mount and cron --------------------------------------------------------------------------------------

    def _mount(self, existing: JobFile | None) -> str:
        """Return the state directory, on a mount that lasts."""
        project, spot = self._project, self._app.spot
        mounts = {name.strip("/"): self._source(name) for name in project.names(spot, "mounts")}
        wanted = existing.state if existing is not None else None
        if wanted is not None and not wanted.startswith("/app/"):
            self._say(f"the state {wanted} of the job file is outside /app", "make sure that it survives deployments")
            return wanted
        named = [wanted.removeprefix("/app/").strip("/")] if wanted else STATES
        for path in named:
            around = next((name for name in mounts if path == name or path.startswith(f"{name}/")), None)
            if around is not None and mounts[around] in PERSISTENT:
                if mounts[around] == "local":
                    self._disk()
                return f"/app/{path}"
            below = any(name.startswith(f"{path}/") for name in mounts)
            if around is None and not below and (wanted or not self._is_taken(path)):
                if self._is_taken(path):
                    self._say(f"the mount {path} hides the files that {path} has in the checkout", "move them away")
                self._add_mount(path, first=not mounts)
                return f"/app/{path}"
        raise ConfigInvalid(
            f"no place for a mount: {', '.join(named)} are taken", remedy="add one and set 'state' to it"
        )

    def _source(self, mount: str) -> str | None:
        """Return the source of a mount; Fixed takes an older form too, of one text."""
        project, spot = self._project, self._app.spot
        old = project.text(spot, "mounts", mount) if project.is_fixed else None
        return "local" if (old or "").startswith(OLD_MOUNT) else project.text(spot, "mounts", mount, "source")

    def _is_taken(self, path: str) -> bool:
        """Return whether the checkout has something at the path, or a file in its way."""
        above = [self._app.file(path[:at]) for at, char in enumerate(path) if char == "/"]
        in_the_way = any(self._files.has(each) and self._files.peek(each) is not None for each in above)
        return self._files.has(self._app.file(path)) or in_the_way

    def _add_mount(self, path: str, *, first: bool) -> None:
        project, spot = self._project, self._app.spot
        used = {project.text(spot, "mounts", name, "source_path") for name in project.names(spot, "mounts")}
        source = next(name for name in mount_sources(self._app) if name not in used)
        kind = "local" if project.is_fixed else "storage"
        project.put(spot, ("mounts", path), {"source": kind, "source_path": source})
        self.plan.done.append(f"the mount {path} keeps the agent's state")
        if project.is_fixed:
            self._disk()
        elif first:
            self._say("this is the app's first mount", "give it disk space: upsun resources:set; 128 MB is plenty")
        location = served_at(project, self._app, path)
        if location is not None:
            remedy = f"add a rule to that location: '^/{path}/': {{ allow: false }}"
            self._say(f"the location {location} serves files of {path} to the world", remedy)

    def _disk(self) -> None:
        """Give the app the disk that its local mounts are on; only Upsun Fixed has it there."""
        if self._project.is_fixed and self._project.text(self._app.spot, "disk") is None:
            self._project.put(self._app.spot, ("disk",), DISK)
            self.plan.done.append(f"disk: {DISK} (MB, of the plan's storage) is where local mounts are")

    def _cron_settings(self) -> dict[str, Any]:
        return cron_settings(every_minute=self._is_larger, is_fixed=self._project.is_fixed)

    def _cron(self) -> None:
        project, spot = self._project, self._app.spot
        crons = project.names(spot, "crons")
        if self._replaced.ticking() is not None:
            self._remove(self._replaced.known)
            return
        name = next(each for each in ("agent", "upsun-agent", "upsun-agent-tick") if each not in crons)
        comment = CRON_COMMENT.format(jobs=self.plan.jobs)
        replaced, settings = list(self._replaced.known), self._cron_settings()
        parent = project.child(spot, "crons")
        if replaced and parent is not None:
            parent.editor.replace(parent.node, (*parent.path, replaced[0]), name, settings, comment)
            self._remove(replaced[1:])
        else:
            project.put(spot, ("crons", name), settings, comment)
        instead = f" in the place of {', '.join(replaced)}" if replaced else ""
        often = "every minute" if self._is_larger else "every five minutes"
        self.plan.done.append(f"the cron {name}{instead} calls the agent {often}")

    def _remove(self, names: Iterable[str]) -> None:
        parent = self._project.child(self._app.spot, "crons") if list(names) else None
        for name in names:
            if parent is not None:
                parent.editor.remove(parent.node, (*parent.path, name))

    # --- jobs and operations ---------------------------------------------------------------------------------

    def _existing_jobs(self) -> JobFile | None:
        flex = f"{FOLDER}/agent.toml"
        if self._project.is_fixed and self._files.has(flex):
            text = f"{flex} is here, and a repository with a folder {FOLDER} is that of a Flex project: on Upsun Fixed"
            move = f"git mv {flex} {shlex.quote(self.plan.jobs)}"
            raise ConfigInvalid(f"{text} its deployment fails", remedy=f"move it, then run init again: {move}")
        for path in (self.plan.jobs, self._app.file(JOBS_FILE)):
            old = self._files.read(path)
            if old is not None:
                self.plan.jobs = path
                return parse(old, path)
        return None

    def _environment(self) -> None:
        path = self._app.file(".environment")
        old = self._files.read(path)
        if any(SOURCES.search(line.replace('"', "")) for _, _, line in code_lines(old or "")):
            return
        # At the top, where nothing is open yet: the file may end in a text, in a line that goes on, or behind a return.
        # The lines end as dash reads them, whatever those below do: it takes a carriage return for a part of the name.
        self._write(path, old, f"{ENVIRONMENT_COMMENT}\n{SOURCE_LINE}\n{old or ''}")
        self.plan.done.append(f"{path} puts the agent on the PATH")

    # --- the result ------------------------------------------------------------------------------------------

    def _write(self, path: str, old: str | None, new: str) -> None:
        self._texts[posixpath.normpath(path)] = (old, new)

    def _say(self, text: str, remedy: str) -> None:
        self.plan.say(text, remedy)


def job_file_of(project: Project, app: App) -> str:
    """Return where the job file goes: below ``.upsun/`` only for an app of Flex at the top."""
    return app.file(JOBS_FILE) if app.root or project.is_fixed else f"{FOLDER}/agent.toml"


def cron_settings(*, every_minute: bool, is_fixed: bool) -> dict[str, Any]:
    """Return the agent's cron; Upsun Fixed has no time limit for one."""
    cron: dict[str, Any] = {
        "spec": EVERY_MINUTE if every_minute else EVERY_FIVE_MINUTES,
        "commands": {"start": ".upsun-agent/bin/upsun-agent tick"},
        "shutdown_timeout": 10,
    }
    return cron if is_fixed else {**cron, "timeout": 300}


def mount_sources(app: App) -> tuple[str, ...]:
    """Return the names that the state's mount can have in the storage, the first free one is taken."""
    return ("agent", "upsun-agent", f"agent-{app.name}")
