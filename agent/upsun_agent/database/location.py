"""The location of a journal on a database server: named in the job file, with the container's credentials.

``relationship:NAME`` reads ``PLATFORM_RELATIONSHIPS``
(https://developer.upsun.com/docs/add-services/postgresql#relationship-reference);
``url-variable:NAME`` reads a URL from that variable, for CI. A URL itself never stands in the job file.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping

from upsun_agent.errors import ConfigInvalid
from upsun_agent.platform.paths import RELATIONSHIP, URL_VARIABLE
from upsun_agent.platform.variables import decoded

TYPE_CHECKING = False  # the module that has it would cost every idle tick
if TYPE_CHECKING:
    from typing import Any, Literal

    Scheme = Literal["pgsql", "mysql"]

#: Where the tables are: in a schema of their own, or under a prefix (see agent/upsun_agent/journal/server/schema.py).
SCHEMA, PREFIX = "upsun_agent", "upsun_agent_"
#: Where PostgreSQL looks for what a statement names without a schema: among its own things, so that no operator or
#: function that somebody else made runs in our statements. Every table of ours is named with its schema.
SEARCH_PATH = "pg_catalog,pg_temp"
#: Schemes as relationships and URLs spell them; MariaDB's relationships say ``mysql``
#: (https://developer.upsun.com/docs/add-services/mysql).
SCHEMES: Mapping[str, Scheme] = {
    "pgsql": "pgsql",
    "postgresql": "pgsql",
    "postgres": "pgsql",
    "mysql": "mysql",
    "mariadb": "mysql",
}
PORTS: Mapping[Scheme, int] = {"pgsql": 5432, "mysql": 3306}
#: How TLS is used, in libpq's words; both kinds of server understand them here.
TLS_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
SCHEMA_MOST = 63  # characters of a name in PostgreSQL: it cuts longer ones without a word
SHARED_SCHEMAS = frozenset({"public", "information_schema"})
CLEAR = "password"  # libpq's word, in ``require_auth``: the server may ask for the password itself
FIELD_MOST = 1000  # characters of a host, name or password; the longest password that libpq takes is of that size


def qualified(schema: str, prefix: str = "") -> str:
    """Return the prefix for an unprefixed table name in that PostgreSQL schema."""
    name = schema if schema == SCHEMA else '"' + schema.replace('"', '""') + '"'
    return f"{name}.{prefix}"


class Endpoint:
    """The parameters of a connection. With ``tls`` "prefer", it is encrypted if the server offers that.

    ``schema``: where PostgreSQL has the tables. A tenant of a shared database has a schema of its own.
    ``clear``: the server may be given the password itself, where all others get a proof that we know it.
    """

    __slots__ = ("authorities", "clear", "database", "host", "password", "port", "schema", "scheme", "tls", "user")

    def __init__(  # a plain class: an idle tick makes one, and the dataclasses behind ours cost it a start
        self,
        scheme: Scheme,
        *,
        host: str,
        port: int,
        database: str,
        user: str,
        password: str,
        tls: str = "prefer",
        authorities: str | None = None,
        schema: str = SCHEMA,
        clear: bool = False,
    ) -> None:
        self.scheme, self.host, self.port, self.database = scheme, host, port, database
        self.user, self.password, self.tls, self.authorities = user, password, tls, authorities
        self.schema, self.clear = schema, clear

    def __repr__(self) -> str:
        return f"Endpoint({self.scheme}, {self.host}, {self.port}, {self.database})"


def endpoint_of(place: str, environ: Mapping[str, str]) -> Endpoint:
    """Return the endpoint of the place; raise ConfigInvalid, whose message never contains credentials."""
    if place.startswith(RELATIONSHIP):
        return _related(place.removeprefix(RELATIONSHIP), decoded(environ, "PLATFORM_RELATIONSHIPS"))
    variable = place.removeprefix(URL_VARIABLE)
    url = environ.get(variable, "").strip()
    if not url:
        remedy = f"set {variable} to a URL such as postgresql://<user>:<password>@<host>:5432/<database>"
        raise ConfigInvalid(f"the state is in the database that {variable} names, and that is not set", remedy=remedy)
    return _from_url(variable, url)


# --- relationships ---------------------------------------------------------------------------------------------------


def _related(name: str, relationships: Mapping[str, Any]) -> Endpoint:
    found = relationships.get(name)
    if found is None:
        known = ", ".join(sorted(relationships)) or "none"
        remedy = f"relate the app to a PostgreSQL or MariaDB service in .upsun/config.yaml; there are: {known}"
        raise ConfigInvalid(f"the app has no relationship '{name}', where the job file keeps the state", remedy=remedy)
    instances = [each for each in (found if isinstance(found, list) else [found]) if isinstance(each, dict)]
    chosen = next((each for each in instances if _is_primary(each)), None)
    where = f"relationship '{name}'"
    if chosen is None:
        remedy = "relate to the primary's service: a replica is read-only"
        raise ConfigInvalid(f"{where} has no primary instance", remedy=remedy)
    scheme = SCHEMES.get(str(chosen.get("scheme")))
    if scheme is None:
        remedy = "the state can be kept in PostgreSQL (pgsql) or MariaDB (mysql)"
        raise ConfigInvalid(f"{where} is of the scheme {str(chosen.get('scheme'))[:40]!r}", remedy=remedy)
    path = str(chosen.get("path") or "").removeprefix("/")
    port = chosen.get("port")
    return Endpoint(
        scheme,
        host=_text(where, "host", chosen.get("host")),
        port=_port(where, PORTS[scheme] if port is None else port),
        database=_text(where, "path", path),
        user=_text(where, "username", chosen.get("username")),
        password=_text(where, "password", chosen.get("password"), empty=True),
        clear=isinstance(query := chosen.get("query"), dict) and query.get("require_auth") == CLEAR,
    )


def _is_primary(instance: Mapping[str, Any]) -> bool:
    """Return whether the server is writable; without a statement about it, it is the only one."""
    query = instance.get("query")
    marks = [instance.get("is_primary"), query.get("is_master") if isinstance(query, dict) else None]
    return all(mark is not False for mark in marks)


# --- URLs ------------------------------------------------------------------------------------------------------------


def _from_url(variable: str, url: str) -> Endpoint:
    remedy = "it should read like postgresql://<user>:<password>@<host>:5432/<database>, each part percent-encoded"
    try:
        parts = urllib.parse.urlsplit(url)
        port, query = parts.port, urllib.parse.parse_qs(parts.query, keep_blank_values=True)
    except ValueError:
        raise ConfigInvalid(f"{variable} is not a valid URL", remedy=remedy) from None
    scheme = SCHEMES.get(parts.scheme.partition("+")[0])
    if scheme is None:
        raise ConfigInvalid(f"{variable} is not the URL of a supported database", remedy=remedy)
    if "#" in url:
        raise ConfigInvalid(f"{variable} holds a URL with an unencoded '#'", remedy=remedy)
    tls = query.get("sslmode", [""])[-1] or "prefer"
    if tls not in TLS_MODES:
        raise ConfigInvalid(f"{variable} holds an unknown sslmode", remedy=f"it can be: {', '.join(TLS_MODES)}")
    auth = query.get("require_auth", [""])[-1]
    if auth not in {"", CLEAR}:
        raise ConfigInvalid(f"{variable} holds an unknown require_auth", remedy=f"it can be: {CLEAR}")
    if auth and not tls.startswith("verify-"):
        text = f"{variable} would send the password itself to a server whose identity is not verified"
        raise ConfigInvalid(text, remedy="with require_auth=password give sslmode=verify-full and sslrootcert too")
    return Endpoint(
        scheme,
        host=_text(variable, "host", query.get("host", [""])[-1] or parts.hostname),
        port=_port(variable, PORTS[scheme] if port is None else port),
        database=_text(variable, "database", urllib.parse.unquote(parts.path).removeprefix("/")),
        user=_text(variable, "user", urllib.parse.unquote(parts.username or "")),
        password=_text(variable, "password", urllib.parse.unquote(parts.password or ""), empty=True),
        tls=tls,
        authorities=query.get("sslrootcert", [""])[-1] or None,
        schema=_schema(variable, scheme, query.get("schema")),
        clear=bool(auth),
    )


def _schema(variable: str, scheme: Scheme, given: list[str] | None) -> str:
    """Return the schema in the URL, or the default; raise ConfigInvalid if it is not a valid name."""
    if given is None:
        return SCHEMA
    if scheme != "pgsql":
        remedy = "take 'schema' out of the URL: in MariaDB each tenant has a database of its own"
        raise ConfigInvalid(f"{variable} names a schema, and only PostgreSQL has schemas", remedy=remedy)
    name = given[-1]
    plain = name.isascii() and name.replace("_", "a").isalnum() and name == name.lower() and not name[0].isdigit()
    if not plain or len(name) > SCHEMA_MOST or name.startswith("pg_") or name in SHARED_SCHEMAS:
        remedy = "use at most 63 lower-case letters, digits and underscores, such as ?schema=tenant_a"
        raise ConfigInvalid(f"{variable} names a schema that the state cannot have", remedy=remedy)
    return name


def _text(where: str, what: str, value: Any, *, empty: bool = False) -> str:
    text = "" if value is None else value
    if not isinstance(text, str) or len(text) > FIELD_MOST or "\0" in text or not (text or empty):
        raise ConfigInvalid(f"{where} names no {what} that can be used", remedy="see: upsun relationships")
    return text


def _port(where: str, value: Any) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536):  # noqa: PLR2004  the range of ports
        raise ConfigInvalid(f"{where} names no port that can be used", remedy="see: upsun relationships")
    return int(text)
