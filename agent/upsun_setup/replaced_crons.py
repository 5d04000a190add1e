"""The crons of an app that do by the CLI what jobs do, and what else there calls it. Pure."""

from __future__ import annotations

import re

from upsun_setup.cli_cron import MAIN, TYPES, CliCron, UnsupportedCron, read_cron
from upsun_setup.project import App, Project
from upsun_setup.yaml_tree import walk

#: A machine name ends with a part of its own behind the branch
#: (https://developer.upsun.com/docs/development/variables/use-variables).
_SUFFIX = re.compile(r"-[a-z0-9]{7}$")


class ReplacedCrons:
    """The guide's crons of an app: those that are understood (``known``), and those that do more (``foreign``)."""

    def __init__(self, project: Project, app: App) -> None:
        self._project = project
        self._app = app
        self.known: dict[str, CliCron] = {}
        self.unsupported: dict[str, UnsupportedCron] = {}
        for name in project.names(app.spot, "crons"):
            cli_cron = read_cron(self.command(name))
            if isinstance(cli_cron, CliCron):
                self.known[name] = cli_cron
            elif cli_cron is not None:
                self.unsupported[name] = cli_cron

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
        return [
            node.text
            for editor in self._project.editors.values()
            for node in walk(editor.document)
            if node.kind == "scalar" and id(node) not in passed
        ]


def types_of(cli_cron: CliCron) -> tuple[tuple[str, ...], str]:
    """Return where the job of a cron runs, and what is in doubt about that (or nothing).

    A branch is no type: only the project knows which type it has. Without any guard the cron ran everywhere, but
    doing less than before is the safe reading: the guide's token is not inherited by other environments either.
    """
    if cli_cron.types:
        return cli_cron.types, f"ran on the branch {cli_cron.branch} only" if cli_cron.branch else ""
    if cli_cron.branch:
        main = cli_cron.branch in MAIN or _SUFFIX.sub("", cli_cron.branch) in MAIN
        kind = ("production",) if main else tuple(each for each in TYPES if each != "production")
        return kind, f"ran on the branch {cli_cron.branch} only, whatever its type"
    return ("production",), "ran on every environment"
