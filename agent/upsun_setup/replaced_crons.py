"""The crons of an app that do by the CLI what jobs do, and what else there calls it. Pure."""

from __future__ import annotations

from msgspec import Struct
from upsun_agent.limits import ID_MOST
from upsun_agent.platform.cli_calls import does_a_jobs_work
from upsun_agent.platform.shell_text import TALKS, commands

from upsun_setup.app import INCLUDE, App
from upsun_setup.cli_cron import MAIN, SUFFIX, TYPES, CliCron, UnsupportedCron, read_cron
from upsun_setup.project import Project
from upsun_setup.scripts import scripts_of
from upsun_setup.yaml_tree import walk


class Work(Struct, frozen=True):
    """What a cron does of a job's work."""

    #: Whether it takes a backup.
    backs_up: bool
    #: Whether it runs a source operation.
    updates: bool
    #: What else it does, in words; empty if nothing.
    reason: str = ""


class ReplacedCrons:
    """The crons of an app that do a job's work: those that are understood, and those that do more (``unsupported``)."""

    def __init__(self, project: Project, app: App) -> None:
        self._project = project
        self._app = app
        self.known: dict[str, CliCron] = {}
        self.unsupported: dict[str, UnsupportedCron] = {}
        for name in project.names(app.spot, "crons"):
            found = read_cron(self.command(name))
            if isinstance(found, CliCron):
                self.known[name] = found
                continue
            by_script = self._by_script(self.command(name), found)
            if by_script is not None:
                self.unsupported[name] = by_script

    def _by_script(self, command: str, found: UnsupportedCron | None) -> UnsupportedCron | None:
        """Return what a cron does by scripts of the checkout, with what it does itself."""
        for path, text in scripts_of(self._project.files, self._app, command):
            backs_up, updates = does_a_jobs_work(text)
            if found is not None:
                found = UnsupportedCron(found.reason, found.backs_up or backs_up, found.updates or updates)
            elif backs_up or updates:
                found = UnsupportedCron(f"it does so in {path}", backs_up, updates)
        return found

    def work(self) -> dict[str, Work]:
        """Return what the crons do of a job's work, by name."""
        known = {name: Work(each.backup, bool(each.updates)) for name, each in self.known.items()}
        more = {name: Work(each.backs_up, each.updates, each.reason) for name, each in self.unsupported.items()}
        return known | more

    def ticking(self) -> str | None:
        """Return the name of the cron that calls the agent; None if there is none."""
        names = self._project.names(self._app.spot, "crons")
        return next((name for name in names if self.is_tick(name)), None)

    def is_tick(self, cron: str) -> bool:
        """Return whether a cron calls the agent."""
        return _is_tick(self.command(cron))

    def command(self, cron: str) -> str:
        """Return what a cron starts; in the older form, ``cmd``."""
        project, spot = self._project, self._app.spot
        return project.text(spot, "crons", cron, "commands", "start") or project.text(spot, "crons", cron, "cmd") or ""

    def other_commands(self) -> list[str]:
        """Yield every text of the configuration that may call the CLI, without the build hook and replaced crons."""
        hook = self._project.look(self._app.spot, "hooks", "build")
        passed = {id(hook)} if hook is not None else set[int]()
        for cron in self.known:
            node = self._project.look(self._app.spot, "crons", cron)
            passed |= {id(each) for each in walk(self._app.spot.document, node)} if node is not None else set()
        own = self._project.included(self._app.spot, hook)[0] if hook is not None and hook.tag == INCLUDE else ""
        scripts = {path for path, kind in self._project.includes() if kind == "string" and path != own}
        said = [
            node.text
            for editor in self._project.editors.values()
            for node in walk(editor.document)
            if node.kind == "scalar" and id(node) not in passed
        ]
        return said + [self._project.files.peek(path) or "" for path in sorted(scripts)]


def _is_tick(command: str) -> bool:
    """Return whether a cron's command calls ``upsun-agent tick``; not where it only mentions it."""
    for words in commands(command):
        at = next((at for at, word in enumerate(words) if word.rsplit("/", 1)[-1] == "upsun-agent"), None)
        if at is None or words[0] in TALKS:
            continue
        rest = words[at + 1 :]
        if rest[:1] == ["tick"] or (rest[:1] and rest[0].startswith("-") and "tick" in rest):
            return True
    return False


def types_of(cli_cron: CliCron) -> tuple[tuple[str, ...], str]:
    """Return where the job of a cron runs, and what is in doubt about that (or nothing).

    A branch is no type: only the project knows which type it has. Without any guard the cron ran everywhere, but
    doing less than before is the safe reading: the guide's token is not inherited by other environments either.
    """
    if cli_cron.types:
        return cli_cron.types, f"ran on the branch {cli_cron.branch} only" if cli_cron.branch else ""
    if cli_cron.branch:
        main = cli_cron.branch in MAIN or SUFFIX.sub("", cli_cron.branch) in MAIN
        kind = ("production",) if main else tuple(each for each in TYPES if each != "production")
        return kind, f"ran on the branch {cli_cron.branch} only, whatever its type"
    return ("production",), "ran on every environment"


def branches_of(cli_cron: CliCron) -> tuple[str, ...]:
    """Return the branch that a guard named, as a job's condition; nothing if there was none, or no job can name it."""
    name = cli_cron.branch
    unusable = not name or len(name) > ID_MOST or any(char.isspace() or char < " " or char in "*?" for char in name)
    return () if unusable else (name,)
