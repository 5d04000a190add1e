"""Findings about users who can read or change the tables of the state, as far as our own user can see."""

from __future__ import annotations

from collections.abc import Iterator

from upsun_agent.database.location import PREFIX
from upsun_agent.doctor import Finding, Level
from upsun_agent.journal.server.losses import ALL
from upsun_agent.journal.server.schema import ME_AS_GRANTEE
from upsun_agent.journal.server.session import Session

REMEDY = "revoke every grant that docs/how-to/shared-database.md does not list"
#: The documented user that reads the states of all tenants.
READER = "upsun_agent_fleet"
SHOWN = 8  # findings of one kind that are listed; the rest is counted

_OURS = (
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND c.relname = ANY (%s)"
)
_NAME = "CASE WHEN {0} = 0 THEN 'everybody (PUBLIC)' ELSE pg_get_userbyid({0}) END"
#: Queries by problem, each row a user and what that user can do. Values: the schema, then the names of the tables.
POSTGRES = {
    # Grants on the tables and their columns, except those of the owner, of our user and of the documented reader.
    "can {what} the tables of the state": f"""
SELECT {_NAME.format("a.grantee")}, lower(string_agg(DISTINCT a.privilege_type, ', '))
 FROM (SELECT c.relowner AS owner, (aclexplode(c.relacl)).*{_OURS} UNION ALL
  SELECT c.relowner, (aclexplode(t.attacl)).* FROM pg_catalog.pg_attribute t JOIN pg_catalog.pg_class c
   ON c.oid = t.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND c.relname = ANY (%s)) a
 WHERE a.grantee <> a.owner AND (a.grantee = 0 OR pg_get_userbyid(a.grantee) <> current_user)
 AND NOT (a.privilege_type = 'SELECT' AND a.grantee <> 0 AND pg_get_userbyid(a.grantee) = '{READER}') GROUP BY 1""",  # noqa: S608  names of ours  # nosec B608
    "can {what} objects in the schema of the state": f"""
SELECT {_NAME.format("a.grantee")}, lower(string_agg(DISTINCT a.privilege_type, ', '))
 FROM (SELECT nspowner AS owner, (aclexplode(nspacl)).* FROM pg_catalog.pg_namespace WHERE nspname = %s) a
 WHERE a.privilege_type = 'CREATE' AND a.grantee <> a.owner AND (a.grantee = 0
 OR pg_get_userbyid(a.grantee) <> current_user) GROUP BY 1""",  # noqa: S608  names of ours  # nosec B608
    "owns {what} of the state, but not the schema": f"""
SELECT DISTINCT pg_get_userbyid(c.relowner), 'tables'{_OURS} AND c.relowner <> n.nspowner
 AND pg_get_userbyid(c.relowner) <> current_user""",
    "is a member of {what}, and can do what that user can do": """
SELECT pg_get_userbyid(m.member), pg_get_userbyid(m.roleid) FROM pg_catalog.pg_auth_members m
 JOIN pg_catalog.pg_roles r ON r.oid = m.member
 WHERE NOT r.rolsuper AND r.rolname <> current_user AND (pg_get_userbyid(m.roleid) = current_user
 OR m.roleid IN (SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname = %s))""",
    "made {what} on the tables of the state": f"""
SELECT pg_get_userbyid(c.relowner), 'triggers or rules'{_OURS}
 AND (EXISTS (SELECT 1 FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal)
 OR EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid)) LIMIT 1""",  # noqa: S608  names of ours  # nosec B608
}
EVERYWHERE = (
    "SELECT privilege_type FROM information_schema.user_privileges"  # noqa: S608  names of ours  # nosec B608
    f" WHERE privilege_type <> 'USAGE' AND grantee = {ME_AS_GRANTEE} ORDER BY 1"
)
ELSEWHERE = (
    "SELECT table_schema FROM information_schema.tables WHERE table_name = %s AND table_schema <> database() ORDER BY 1"
)


def grants(session: Session, version: int) -> Iterator[Finding]:
    """Yield a finding for each kind of grant on the tables that docs/how-to/shared-database.md does not list."""
    found = _in_postgres(session) if session.scheme == "pgsql" else _in_mariadb(session)
    told = False
    for text in found if version else ():
        told = True
        yield Finding("grants", Level.WARN, text, REMEDY)
    if not told and version:
        yield Finding("grants", Level.OK, "the user sees no undocumented grant on the tables")


def _in_postgres(session: Session) -> Iterator[str]:
    affix = "" if session.tables.own_schema else PREFIX
    names = [f"{affix}{name}" for name in ("schema_version", *ALL)]
    for words, query in POSTGRES.items():
        places = query.count("%s")
        values = (session.tables.schema, names) * places if "ANY (%s)" in query else (session.tables.schema,) * places
        rows = session.say(query, tuple(values[:places])).all()
        for who, what in rows[:SHOWN]:
            yield f"{who} {words.format(what=what)}"
        if len(rows) > SHOWN:
            yield f"{len(rows) - SHOWN} more users: {words.format(what='the same with')}"


def _in_mariadb(session: Session) -> Iterator[str]:
    """Yield what our own user could do to other tenants: MariaDB does not show it the rights of others."""
    everywhere = [str(row[0]) for row in session.say(EVERYWHERE).all()]
    if everywhere:
        shown = ", ".join(everywhere[:SHOWN]).lower()
        yield f"the user of the state has rights to every database of the server (*.*): {shown}"
    databases = [str(row[0]) for row in session.say(ELSEWHERE, (f"{PREFIX}journals",)).all()]
    if databases:
        more = f" and {len(databases) - SHOWN} more" if len(databases) > SHOWN else ""
        yield f"the user of the state has rights to the state in other databases: {', '.join(databases[:SHOWN])}{more}"
