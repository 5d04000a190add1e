"""The build hook of an app, wherever it stands: in the app, in a file that is a text, or in one that is included."""

from __future__ import annotations

from collections.abc import Callable

from upsun_agent.errors import ConfigInvalid

from upsun_setup.app import App, Spot
from upsun_setup.edits import BY_HAND, edited
from upsun_setup.hook import HookEdit
from upsun_setup.project import Project


class BuildHook:
    """Finds the build hook of one app, and edits it where it stands."""

    def __init__(self, project: Project, app: App, write: Callable[[str, str | None, str], None]) -> None:
        """Find the hook.

        Args:
            project: the configuration.
            app: the app.
            write: takes the path, the old and the new text of a file that the hook includes.

        Raises:
            ConfigInvalid: the hook is not a text, or it includes a file that is none.
        """
        self._project = project
        self._app = app
        self._write = write
        hooks = project.child(app.spot, "hooks")
        self._hooks = hooks if hooks is not None and hooks.node.kind == "mapping" else None
        build = project.child(self._hooks, "build") if self._hooks is not None else None
        self._build = build if build is not None and not build.node.is_null else None
        #: The file that the hook includes as a text; empty where it is no such file.
        self.path = ""
        #: The text of the hook; empty where there is none.
        self.text = ""
        if self._build is not None and self._hooks is not None:
            self._read(self._hooks, self._build)

    def _read(self, hooks: Spot, build: Spot) -> None:
        if build.node.tag == "!include":
            self.path, kind = self._project.included(hooks, build.node)
            where = hooks.where(build.node)
            if kind != "string":
                text = f"{where}: hooks.build includes {self.path} as {kind[:40]}, not as string"
                raise ConfigInvalid(text, remedy=BY_HAND)
            text_there = self._project.files.read(self.path)
            if text_there is None:
                raise ConfigInvalid(f"{where}: {self.path} is included but does not exist", remedy="fix its path")
            self.text = text_there
            return
        if build.node.kind != "scalar":
            raise ConfigInvalid(f"{build.where()}: hooks.build is not a text", remedy="write it as a block: build: |")
        self.text = build.node.text

    @property
    def exists(self) -> bool:
        """Return whether the app has a build hook."""
        return self._build is not None

    @property
    def name(self) -> str:
        """Return what to call the hook: its file where it stands in one of its own."""
        if self.path or self._build is None or self._hooks is None or self._build.editor is self._hooks.editor:
            return self.path or "hooks.build"
        return self._build.document.name

    def edit(self, edit: HookEdit) -> None:
        """Change the hook, or write a new one.

        Raises:
            ConfigInvalid: other places include the same file.
        """
        build, hooks = self._build, self._hooks
        if build is None or hooks is None:
            self._project.put(self._app.spot, ("hooks", "build"), "\n".join(edit.lines) + "\n")
        elif self.path:
            self._project.refuse_shared(hooks, build.node, self.path)
            # Its own lines end as they did; the new ones end as a shell reads them.
            self._write(self.path, self.text, edited(self.text, edit.dropped, edit.at, edit.lines))
        elif build.editor is hooks.editor:
            hooks.editor.edit_text(hooks.node, (*hooks.path, "build"), edit.dropped, edit.at, edit.lines)
        else:  # the file that hooks.build includes is the text
            build.editor.edit_document(edit.dropped, edit.at, edit.lines)

    def remove(self) -> None:
        """Take the hook away; a table of hooks that has nothing else goes with it."""
        if self._hooks is None or self._build is None:
            return
        if len(self._hooks.node.pairs) == 1 and self._hooks.path:
            spot = self._app.spot
            spot.editor.remove(spot.node, (*spot.path, "hooks"))
        else:
            self._hooks.editor.remove(self._hooks.node, (*self._hooks.path, "build"))
