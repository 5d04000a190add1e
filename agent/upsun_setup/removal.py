"""The work of ``upsun-agent-setup init --remove``: take out of a checkout again what ``init`` put into it.

What a person changed since is not taken out: a remark names it. What calls the agent goes in any case, because it would
fail without it; the diff shows it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.config import JobFile, parse
from upsun_agent.platform.shell_text import code_lines

from upsun_setup.app import App, Files
from upsun_setup.app_choice import app_of, project_of
from upsun_setup.build_hook import BuildHook
from upsun_setup.checkout import Checkout, top_of
from upsun_setup.delivery import FOLDER
from upsun_setup.delivery import submodule as by_submodule
from upsun_setup.git import Git
from upsun_setup.hook import block_of, installs, removed
from upsun_setup.image import PYTHON, image_of
from upsun_setup.operations import updates_of
from upsun_setup.package_managers import operation
from upsun_setup.plan import (
    CRON_COMMENT,
    DISK,
    ENVIRONMENT_COMMENT,
    JOBS_FILE,
    SOURCE_LINE,
    SOURCES,
    STATES,
    Planner,
    cron_settings,
    job_file_of,
    mount_sources,
)
from upsun_setup.plan_record import FileChange, Plan, changes_of
from upsun_setup.preview import apply, path, staged, tell_written, view
from upsun_setup.project import Project
from upsun_setup.release_folder import folder_removed
from upsun_setup.replaced_crons import ReplacedCrons
from upsun_setup.runtime_operations import KEY, own_operations
from upsun_setup.yaml_tree import plain

Ignored = Callable[[Sequence[str]], list[str]]


def run(context: Context) -> Answer:
    """Show what would be taken out of the checkout, and do it where that is wanted."""
    checkout = Checkout(top_of(context.options.dir))
    project = project_of(context, checkout)
    app = app_of(context, project)
    removal = Removal(checkout, project, app, Git(checkout.top, os.environ).ignored, context.options.plan)
    plan = removal.decide()
    left = _next(checkout, plan, app.file(FOLDER) if removal.is_submodule else "")
    done = apply(context, checkout, plan, f"Nothing to do: the app {app.name} has nothing that init put there.")

    def said() -> None:
        tell_written(context.terminal, plan)
        for text in left:
            context.terminal.say(text)

    return Answer(view(checkout, plan, left, written=done), said if done else None)


def _next(checkout: Checkout, plan: Plan, submodule: str) -> list[str]:
    """Return what is left to do, in order; ``submodule`` is the folder of the release if it is one."""
    names = " ".join(map(path, staged(checkout, plan)))
    submodules = [f"Remove the submodule: git rm {path(submodule)}"] if submodule else []
    return [
        *submodules,
        f"Push it: git add {names} && git commit -m 'Remove upsun-agent' && git push",
        "Delete what is outside of the repository: docs/how-to/remove.md lists it",
    ]


class Overlay:
    """A checkout in which some files have another text, or are gone."""

    def __init__(self, files: Files, texts: dict[str, str | None]) -> None:
        self._files = files
        self._texts = texts

    def configurations(self) -> list[str]:
        """Return the configuration files."""
        return [name for name in self._files.configurations() if self._texts.get(name, "") is not None]

    def read(self, path: str) -> str | None:
        """Return the text of a file; None where there is none."""
        return self._texts[path] if path in self._texts else self._files.read(path)

    def peek(self, path: str) -> str | None:
        """Return the beginning of a file that is only looked at; None where there is none."""
        return self._texts[path] if path in self._texts else self._files.peek(path)

    def has(self, path: str) -> bool:
        """Return whether there is such a file or folder."""
        return self._texts[path] is not None if path in self._texts else self._files.has(path)


class Removal:
    """Decides what to take out for one app."""

    def __init__(self, checkout: Checkout, project: Project, app: App, ignored: Ignored, plan_name: str | None) -> None:
        """Look at the checkout.

        Args:
            checkout: the files.
            project: the configuration.
            app: the app that has the agent.
            ignored: which files of the checkout Git ignores.
            plan_name: the plan of a project on Upsun Fixed; None if it is not known.
        """
        self._checkout = checkout
        self._project = project
        self._app = app
        self._ignored = ignored
        self._plan_name = plan_name
        self._texts: dict[str, tuple[str | None, str]] = {}
        self.plan = Plan(app.name, product=project.product)
        self.is_submodule = checkout.has(f"{app.file(FOLDER)}/.git")

    def decide(self) -> Plan:
        """Return the whole plan.

        Raises:
            ConfigInvalid: something in the configuration cannot be changed, or the job file has mistakes.
        """
        jobs = self._job_file()
        self._hook()
        self._cron()
        self._mount(jobs)
        self._operations(jobs)
        self._drop((KEY,), own_operations(self._project, self._app), "the agent's runtime operations")
        self._environment()
        texts = {**self._project.changed(), **self._texts}
        self.plan.changes = changes_of(texts)
        if jobs is not None:
            self._delete_job_file(jobs, {name: new for name, (_, new) in texts.items()})
        if not self.is_submodule:
            self.plan.files += folder_removed(self._checkout, self._app.file(FOLDER), self.plan)
        if image_of(self._project, self._app).has_added and self.plan.paths:
            self.plan.say(f"{PYTHON} stays in the stack", "remove it if nothing else of the app needs it")
        return self.plan

    def _job_file(self) -> tuple[str, JobFile] | None:
        for name in (job_file_of(self._project, self._app), self._app.file(JOBS_FILE)):
            text = self._checkout.read(name)
            if text is not None:
                return name, parse(text, name)
        return None

    def _hook(self) -> None:
        hook = BuildHook(self._project, self._app, self._write)
        block = block_of(hook.text)
        if block is None:
            if installs(hook.text):
                self.plan.say(f"{hook.name} installs the agent with lines that init did not write", "remove them")
            return
        edit = removed(hook.text, block)
        if edit is None:
            hook.remove()
            if hook.path:
                self.plan.say(f"{hook.path} is no longer included", "it stays as it is: delete it if nothing needs it")
        else:
            hook.edit(edit)
        self.plan.done.append(f"{hook.name} no longer installs the agent")

    def _cron(self) -> None:
        crons = ReplacedCrons(self._project, self._app)
        names = [name for name in self._project.names(self._app.spot, "crons") if crons.is_tick(name)]
        own = [_texts(cron_settings(every_minute=often, is_fixed=self._project.is_fixed)) for often in (False, True)]
        for name in names:
            node = self._project.look(self._app.spot, "crons", name)
            if node is not None and plain(node) not in own:
                self.plan.say(
                    f"the cron {name} has other settings than init wrote", "it is removed too: it calls the agent"
                )
        self._drop(("crons",), names, f"the cron {', '.join(names)}", CRON_COMMENT.partition(" in ")[0])

    def _mount(self, jobs: tuple[str, JobFile] | None) -> None:
        states = STATES if jobs is None else ((jobs[1].state or "").removeprefix("/app/").strip("/"),)
        mounts = self._project.names(self._app.spot, "mounts")
        names = [name for name in mounts if name.strip("/") in states]
        for name in names:
            node = self._project.look(self._app.spot, "mounts", name)
            source = "local" if self._project.is_fixed else "storage"
            own = [{"source": source, "source_path": each} for each in mount_sources(self._app)]
            if node is None or plain(node) not in own:
                self.plan.say(f"the mount {name} is not as init wrote it", "it stays: remove it if nothing needs it")
                continue
            self._drop(("mounts",), [name], f"the mount {name}")
            self.plan.say(
                f"the files of the mount {name} stay in the storage", "docs/how-to/remove.md: delete them first"
            )
            if len(mounts) == 1 and self._project.text(self._app.spot, "disk") == str(DISK):
                self._drop((), ["disk"], "disk")

    def _operations(self, jobs: tuple[str, JobFile] | None) -> None:
        """Take out the source operations that the jobs name, where they are as ``init`` writes them."""
        project, spot = self._project, self._app.spot
        updates = updates_of(project, self._app, image_of(project, self._app), self._ignored)
        text = operation(updates.usable, self._app.root) if updates.usable else None
        steps = [step for job in (jobs[1].jobs.values() if jobs else ()) for step in job.steps]
        named = {str(step.settings["name"]) for step in steps if step.kind == "source-operation"}
        for name in sorted(named & set(project.names(spot, "source", "operations"))):
            node = project.look(spot, "source", "operations", name)
            if node is not None and plain(node) == {"command": text}:
                self._drop(("source", "operations"), [name], f"the source operation {name}")
            else:
                self.plan.say(f"the source operation {name} is not as init writes it", "it stays")

    def _environment(self) -> None:
        name = self._app.file(".environment")
        old = self._checkout.read(name)
        if old is None:
            return
        lines = old.splitlines(keepends=True)
        kept = [line for line in lines if line.strip() not in {ENVIRONMENT_COMMENT, SOURCE_LINE}]
        new = "".join(kept)
        if any(SOURCES.search(line.replace('"', "")) for _, _, line in code_lines(new)):
            self.plan.say(f"{name} puts the agent on the PATH with a line that init did not write", "remove it")
        if new == old:
            return
        if new.strip():
            self._write(name, old, new)
        else:
            self._delete(name)
        self.plan.done.append(f"{name} no longer puts the agent on the PATH")

    def _delete_job_file(self, jobs: tuple[str, JobFile], texts: dict[str, str]) -> None:
        """Delete the job file if it is what ``init`` would write into the checkout without the agent."""
        name, job_file = jobs
        deleted = {change.path: None for change in self.plan.files}
        overlay = Overlay(self._checkout, {**texts, **deleted, name: None})
        project = Project(overlay).read(self._project.product)
        lines = by_submodule().lines
        plan = Planner(overlay, project, project.apps[self._app.name], lines, self._ignored, self._plan_name).decide()
        if any(change.path == name and change.new == job_file.text for change in plan.changes):
            self._delete(name)
            self.plan.done.append(f"{name} is removed: it is as init wrote it")
        else:
            self.plan.say(
                f"{name} is not what init would write now: it stays", f"if nothing needs it: git rm {path(name)}"
            )

    def _drop(self, keys: tuple[str, ...], names: list[str], what: str, comment: str = "") -> None:
        """Take names out of the mapping at these keys, and the mapping too if nothing else is in it."""
        chain = [self._app.spot]
        for key in keys:
            inner = self._project.child(chain[-1], key)
            if inner is None:
                return
            chain.append(inner)
        if not names:
            return
        depth = len(keys)
        if depth and set(self._project.names(self._app.spot, *keys)) <= set(names):
            while depth > 1 and len(chain[depth - 1].node.pairs) == 1:
                depth -= 1
            if chain[depth].editor is not chain[depth - 1].editor:
                text = f"{chain[depth].document.name} is no longer included"
                self.plan.say(text, "it stays as it is: delete it if nothing needs it")
            names, chain = [keys[depth - 1]], chain[:depth]
        for name in names:
            chain[-1].editor.remove(chain[-1].node, (*chain[-1].path, name), comment)
        self.plan.done.append(f"{what}: removed")

    def _write(self, name: str, old: str | None, new: str) -> None:
        self._texts[name] = (old, new)

    def _delete(self, name: str) -> None:
        self.plan.files.append(FileChange(name, self._checkout.release_file(name), None, is_released=False))


def _texts(value: Any) -> Any:
    """Return settings as the plain texts of YAML."""
    return {key: _texts(each) for key, each in value.items()} if isinstance(value, dict) else str(value)
