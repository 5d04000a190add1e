"""Journals in every form, on real servers; stages with their state in a database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from upsun_agent.journal.server.opening import hold

from tests.harness import canaries
from tests.harness.environment import bare_environment
from tests.harness.journal_forms import DatabaseForm, FileForm, Form, place_of
from tests.harness.needs import database
from tests.harness.stage import SharedStage, build_shared
from tests.harness.tenants import (
    ATTACKER,
    HOME,
    MAKE,
    VICTIM,
    Tenant,
    forget,
    said_by_page,
    url_of,
)
from tools.databases import MariaDb, Postgres, Server, running

__all__ = ["bare_environment"]

KINDS: dict[str, type[Server]] = {"postgres": Postgres, "mariadb": MariaDb}
_numbers = count(1)


_running: dict[str, Server] = {}


def started(name: str) -> Iterator[Server]:
    with running(database(KINDS[name], "journals on a server")) as server:
        _running[name] = server
        yield server
        del _running[name]


@pytest.fixture(scope="module", autouse=True)
def no_secret_in_any_row() -> Iterator[None]:
    """What the tests of a module left in the tables is searched as files are (see tests/harness/canaries.py)."""
    yield
    for name, server in _running.items():
        canaries.search(server.rows(), f"rows on {name}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    yield from started("postgres")


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    yield from started("mariadb")


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest) -> Server:
    """Each kind of server, running for all tests of a session."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def fresh(server: Server) -> Iterator[str]:
    """The name of an empty database of its own."""
    name = f"fresh_{next(_numbers)}"
    server.fresh_database(name)
    yield name
    server.execute(f"DROP DATABASE IF EXISTS {name}" + (" WITH (FORCE)" if isinstance(server, Postgres) else ""))


@pytest.fixture
def shared(server: Server) -> DatabaseForm:
    """A place for journals on each kind of server, with a project of its own."""
    return DatabaseForm(server, (f"project{next(_numbers)}", "main", "app"))


@pytest.fixture(params=("file", *KINDS))
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Form]:
    """Each form of the journal, empty, under an identity that no other test has."""
    identity = (f"project{next(_numbers)}", "main", "app")
    if request.param == "file":
        memory = "/dev/shm"  # noqa: S108  a fresh directory is made in it
        with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as directory:
            yield FileForm(directory, identity)
        return
    yield DatabaseForm(request.getfixturevalue(request.param), identity)


@pytest.fixture
def make(server: Server) -> Callable[..., SharedStage]:
    """Builds a stage whose state is in the database, with an environment of its own."""

    def build_here(**settings: Any) -> SharedStage:
        return build_shared(server, f"env{next(_numbers)}", **settings)

    return build_here


@pytest.fixture
def stage(make: Callable[..., SharedStage]) -> SharedStage:
    """A container and a platform five minutes before the slot, and a database between its instances."""
    return make()


@pytest.fixture
def tenants(server: Server) -> Iterator[Server]:
    """A server with two tenants, made by the statements of the page."""
    forget(server)
    if isinstance(server, Postgres):
        server.execute(f"CREATE DATABASE {HOME}")
        server.execute("GRANT CREATE ON SCHEMA public TO PUBLIC", database=HOME)  # as every server up to version 14
    else:
        server.execute("DELETE FROM mysql.global_priv WHERE user = ''", "FLUSH PRIVILEGES")
    for tenant in (VICTIM, ATTACKER):
        server.execute(*said_by_page(server, MAKE, tenant), database=HOME if isinstance(server, Postgres) else "")
    yield server
    forget(server)


@pytest.fixture
def victim(tenants: Server) -> SharedStage:
    """The stage of the tenant under attack, after its first tick."""
    found = build_shared(tenants, "main", url=url_of(tenants, VICTIM))
    found.tick()
    return found


@pytest.fixture
def attacker(tenants: Server, victim: SharedStage) -> Iterator[Tenant]:
    """A tenant with tables of its own."""
    place = place_of(url_of(tenants, ATTACKER))
    hold(place, ("other", "main", "app")).release()
    found = Tenant(place)
    yield found
    found.close()
