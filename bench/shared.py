"""An idle tick whose journal is on a real server, PostgreSQL or MariaDB, started for the measurement."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from upsun_agent.idle import basis
from upsun_agent.journal import IdleHint
from upsun_agent.journal.server.opening import hold
from upsun_agent.journal.state import DatabaseState

from bench.processes import Cost, Spawner
from bench.scene import IDENTITY, TYPE, Place, Scene
from tools.databases import MariaDb, Postgres, Server

KINDS: dict[str, type[Server]] = {"postgres": Postgres, "mariadb": MariaDb}
VARIABLE = "STATE_URL"


class SharedIdle:
    """A container with nothing due and its journal on that server."""

    def __init__(self, scene: Scene, spawner: Spawner, server: Server, root: Path) -> None:
        self._spawner = spawner
        self._launcher = launcher(scene.launcher, root / "upsun-agent-shared")
        self._place = Place(root / server.scheme, scene.idle.schedule)
        text = self._place.text.replace(f'"{self._place.state}"', f'"url-variable:{VARIABLE}"')
        (self._place.directory / ".upsun" / "agent.toml").write_text(text, encoding="utf-8")
        self._variables = {**self._place.variables(), VARIABLE: server.url()}
        held = hold(DatabaseState.of(f"url-variable:{VARIABLE}", self._variables), IDENTITY)
        held.journal.set_idle_hint(IdleHint(IDENTITY, basis(text, TYPE), int(time.time()) + 43_200))
        held.journal.mark_tick(time.time())
        held.release()

    def tick(self) -> Cost:
        """Return one tick, as a cron starts it."""
        return self._spawner.run([str(self._launcher), "tick"], self._variables, self._place.directory)


def launcher(installed: Path, path: Path) -> Path:
    """Write the installed launcher with the drivers of this interpreter, as the extra ``shared`` installs them."""
    spec = importlib.util.find_spec("pymysql")
    drivers = str(Path(spec.origin).parent.parent) if spec and spec.origin else ""
    library = installed.parent.parent / "lib"
    text = installed.read_text(encoding="utf-8")
    real = 'os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "lib")'
    text = text.replace(real, repr(str(library))).replace(
        "from upsun_agent.__main__", f"sys.path.append({drivers!r})\nfrom upsun_agent.__main__"
    )
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@contextmanager
def shared_cases(scene: Scene, spawner: Spawner, root: Path) -> Iterator[dict[str, SharedIdle]]:
    """Yield one for each kind of server that this machine has."""
    with ExitStack() as stack:
        found = {}
        for name, kind in KINDS.items():
            if not kind.missing():
                server = kind(durable=True)
                stack.callback(server.remove)
                found[name] = SharedIdle(scene, spawner, server, root)
        yield found
