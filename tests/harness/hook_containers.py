"""App containers like the platform's, by bubblewrap on a Debian root: a writable build, then a read-only runtime."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.harness.build_hook import new_app
from tools.roots import Root

WEB = 10001
#: For everything of the agent at runtime, in KiB: an image's smallest size leaves about this beside the app.
MEMORY = 65536
#: Of a root's folders: what is made anew, and what is nobody's business in there.
LEFT_OUT = {"app", "dev", "home", "proc", "root", "source", "tmp", "tools"}


@dataclass
class Container:
    """One app on one root."""

    root: Root
    app: Path

    @classmethod
    def create(cls, root: Root, place: Path) -> Container:
        app = new_app(place)
        text = (app / ".upsun" / "agent.toml").read_text()
        (app / ".upsun" / "agent.toml").write_text(text.replace(f"{app}/var/agent", "/app/var/agent"))
        (app / "var").mkdir()
        container = cls(root, app)
        container.hand_over()
        return container

    def hand_over(self) -> None:
        """Everything in the app's directory belongs to the user web."""
        if os.geteuid() == 0:
            for folder, _, files in os.walk(self.app):
                for name in ("", *files):
                    os.chown(os.path.join(folder, name), WEB, WEB, follow_symlinks=False)

    def build(self, command: str, variables: Mapping[str, str], **binds: Path) -> subprocess.CompletedProcess[str]:
        """As the build hook: the app is writable, there is no network; what is bound lies under ``/NAME``."""
        options = ["--unshare-net", "--bind", str(self.app), "/app"]
        for name, path in binds.items():
            options += ["--ro-bind", str(path), f"/{name}"]
        own = {"CI": "true", "HOME": "/app", "PLATFORM_APP_DIR": "/app", "PLATFORM_PROJECT": "abcdefgh1234z"}
        return self._run(options, command, {**own, **variables})

    def start(self, command: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """As a cron: nothing is writable but the mount and /tmp, and memory is short."""
        options = ["--ro-bind", str(self.app), "/app", "--bind", str(self.app / "var"), "/app/var"]
        own = {
            "PLATFORM_APP_DIR": "/app",
            "PLATFORM_APPLICATION_NAME": "app",
            "PLATFORM_PROJECT": "abcdefgh1234z",
            "PLATFORM_BRANCH": "main",
            "PLATFORM_ENVIRONMENT": "main-bvxea6i",
            "PLATFORM_ENVIRONMENT_TYPE": "production",
        }
        return self._run(options, f"ulimit -d {MEMORY}; {command}", {**own, **variables})

    def _run(self, options: list[str], command: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        arguments = [shutil.which("bwrap") or "bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc"]
        for entry in sorted(self.root.path.iterdir()):
            if entry.name in LEFT_OUT:
                continue
            if entry.is_symlink():
                arguments += ["--symlink", str(entry.readlink()), f"/{entry.name}"]
            elif entry.is_dir():
                arguments += ["--ro-bind", str(entry), f"/{entry.name}"]
        if self.root.prefix and self.root.prefix.parts[1] in LEFT_OUT:
            for parent in [*reversed(self.root.prefix.parents)][1:]:
                arguments += ["--perms", "0755", "--dir", str(parent)]
            arguments += ["--ro-bind", str(self.root.prefix), str(self.root.prefix)]
        arguments += ["--dev", "/dev", "--proc", "/proc", "--perms", "1777", "--tmpfs", "/tmp"]  # noqa: S108  its own
        arguments += [*options, "--remount-ro", "/", "--chdir", "/app", "--clearenv", "--setenv", "LANG", "C.UTF-8"]
        for name, value in {"PATH": "/usr/local/bin:/usr/bin:/bin", **variables}.items():
            arguments += ["--setenv", name, value]
        if os.geteuid() == 0:  # the real user, so that the modes of files mean what they mean there
            arguments += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--"]
            arguments += ["/usr/bin/setpriv", f"--reuid={WEB}", f"--regid={WEB}", "--clear-groups"]
            arguments += ["--inh-caps=-all", "--no-new-privs"]
        else:
            arguments += ["--unshare-user", "--uid", str(WEB), "--gid", str(WEB), "--"]
        return subprocess.run(
            [*arguments, "/bin/sh", "-c", command], capture_output=True, text=True, check=False, timeout=120
        )
