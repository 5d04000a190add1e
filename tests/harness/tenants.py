"""Two tenants of one server, made by the statements of docs/how-to/shared-database.md."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any

from upsun_agent.database.connect import DatabaseConnection
from upsun_agent.journal.state import DatabaseState

from tests.harness.journal_forms import NAME
from tests.harness.sources import REPOSITORY
from tests.harness.stage import SharedStage
from tools.databases import Postgres, Server

PAGE = REPOSITORY / "docs" / "how-to" / "shared-database.md"
MAKE, READ = 2, 3  # the page's blocks of SQL: a tenant, and the user who sees all
VICTIM, ATTACKER, READER = "tenanta", "tenantb", "upsun_agent_fleet"
HOME = "tenants"


def said_by_page(server: Server, block: int, tenant: str) -> list[str]:
    """The statements of that block for a tenant; nothing in them is changed but the names and the password."""
    text = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[block]
    _, postgres, mariadb = re.split(r"-- \w+\n", text)
    chosen = postgres if isinstance(server, Postgres) else mariadb
    named = re.sub(r"\btenant_?a\b", tenant, chosen).replace("<password>", server.password)
    return [each.strip() for each in named.split(";") if each.strip()]


def url_of(server: Server, tenant: str) -> str:
    if isinstance(server, Postgres):
        return server.url(database=HOME, user=tenant, query=f"sslmode=disable&schema={tenant}")
    return server.url(database=tenant, user=tenant, query="sslmode=disable")


def forget(server: Server) -> None:
    if isinstance(server, Postgres):
        server.execute(f"DROP DATABASE IF EXISTS {HOME} WITH (FORCE)")
        for name in (VICTIM, ATTACKER, READER):
            server.execute(f"DROP ROLE IF EXISTS {name}")
        return
    for name in (VICTIM, ATTACKER, READER):
        server.execute(f"DROP USER IF EXISTS {name}", f"DROP DATABASE IF EXISTS {name}")


def tables_of(server: Server) -> list[str]:
    names = ("schema_version", "journals", "idle_hints", "events", "runs", "activities", "cursors", "notes")
    prefix = f"{VICTIM}." if isinstance(server, Postgres) else f"{VICTIM}.upsun_agent_"
    return [prefix + name for name in names]


class Tenant:
    """A connection of a tenant's that says what it likes."""

    def __init__(self, place: DatabaseState) -> None:
        self.link = DatabaseConnection(NAME, place.endpoint, 60)

    def says(self, text: str) -> list[tuple[Any, ...]]:
        with closing(self.link.raw.cursor()) as cursor:
            cursor.execute(text)
            return list(cursor.fetchall()) if cursor.description else []

    def tries(self, text: str) -> str:
        """How the server refuses it, or an empty text where it does not."""
        try:
            self.says(text)
        except Exception as error:  # noqa: BLE001  of either driver
            return f"{type(error).__name__}: {error}"
        return ""

    def close(self) -> None:
        self.link.close()


def runs_through(stage: SharedStage) -> None:
    """The tenant's slot is kept, once, and its run succeeds."""
    stage.play()
    (row,) = stage.rows()
    assert row.outcome == "succeeded"
    assert stage.updates_asked == 1
