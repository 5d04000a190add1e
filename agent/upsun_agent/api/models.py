"""Environments, activities and backups read from their JSON into the engine's values."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from upsun_agent.api.replies import Fields
from upsun_agent.errors import BadReply
from upsun_agent.limits import ID_MOST, LIST_MOST, TEXT_MOST
from upsun_agent.log.foreign_text import one_line, reveals
from upsun_agent.model.answers import Activity, Backup, CommandResult, Deployment, Environment

LINK_MOST = 2000
COMMANDS_MOST = 100  # of one activity or deployment: an app has about four hooks
PERCENT = 100

#: What decisions read of an activity's payload. The rest (whole projects and deployments) is not kept.
PAYLOAD = ("backup_name", "operation", "service", "task")


Named = TypeVar("Named", Environment, Activity, Backup)


def about(found: Named, wanted: str, what: str) -> Named:
    """Return what was read; raise BadReply if the answer is about another object than the requested one.

    Args:
        found: what the answer says.
        wanted: the id that was asked for.
        what: what it is, in messages.
    """
    if found.id != wanted:
        text = f"{what}: the answer is about '{one_line(found.id, 80)}', not about '{one_line(wanted, 80)}'"
        raise BadReply(text, remedy="the next tick asks again; if it stays, find out which cache or proxy answers")
    return found


def read_environment(value: Any, server_at: datetime, path: str = "") -> Environment:
    """Return the environment in a reply; raise BadReply if a required field is not valid.

    ``path`` is where it was read.

    Args:
        value: the JSON document.
        server_at: the platform's time of the reply.
        path: the path that it was read from, for its links.
    """
    fields = Fields.of(value, "environment")
    return Environment(
        id=fields.text("id"),
        type=fields.word("type"),
        status=fields.word("status"),
        is_dirty=_flag(fields, "is_dirty", when_unknown=True),
        head_commit=fields.optional_text("head_commit"),
        links=_links(fields),
        server_at=server_at,
        deployment=_deployment(fields),
        has_staged_activities=_flag(fields, "has_staged_activities", when_unknown=False),
        parent=fields.optional_text("parent"),
        path=path,
        last_backup_at=fields.moment_or_zero("last_backup_at"),
    )


def _flag(fields: Fields, name: str, *, when_unknown: bool) -> bool:
    """Return a boolean of an environment: ``when_unknown`` if it is null, false if it is missing."""
    return when_unknown if name in fields.data and fields.data[name] is None else fields.boolean(name, default=False)


def _deployment(fields: Fields) -> Deployment | None:
    """Return the environment's last deployment; None if the platform does not say whether it succeeded."""
    state = Fields.of(fields.object("deployment_state"), "environment.deployment_state")
    if state.data.get("last_deployment_successful", None if not state.data else True) is None:
        return None
    return Deployment(
        successful=state.boolean("last_deployment_successful", default=True),
        at=state.moment_or_zero("last_deployment_at"),
        commands=_commands(state, "last_deployment_commands"),
    )


def _commands(fields: Fields, name: str) -> tuple[CommandResult, ...]:
    """Return the commands of an activity or a deployment.

    Raises:
        BadReply: the list is not a list of commands with an exit code. Whether one failed decides about a step.
    """
    listed = fields.data.get(name)
    if listed is None:
        return ()
    if not isinstance(listed, list):
        raise BadReply(f"{fields.what}.{name} is not a list")
    found = []
    for each in listed[:COMMANDS_MOST]:
        command = Fields.of(each, f"{fields.what}.{name}")
        code = each.get("exit_code")
        if code is None:
            continue  # it has not ended
        if isinstance(code, bool) or not isinstance(code, int):
            raise BadReply(f"{fields.what}.{name}.exit_code is not a whole number")
        app, kind = (one_line(str(command.data.get(key) or "unknown"), ID_MOST) for key in ("app", "type"))
        found.append(CommandResult(app, kind, code))
    return tuple(found)


def _links(fields: Fields) -> dict[str, str]:
    """Return the paths of the operations' links by name; "" for a link that is not a valid path.

    An absent link means refusal. An invalid one stands in the way of nothing but the request that needs it.
    """
    links: dict[str, str] = {}
    for name, value in fields.object("_links").items():
        if not name.startswith("#") or not isinstance(value, dict) or not isinstance(value.get("href"), str):
            continue  # others may be arrays, templates or ssh addresses (pf:ssh:app): not ours to judge
        links[name] = _path_of(value["href"])
    return links


def link_path(href: str) -> str:
    """Return the path of a link; raise BadReply if it is not a valid path.

    Links may name regional hosts; the configured host is kept and only the path is used.
    """
    path = _path_of(href)
    if not path:
        raise BadReply(f"a link is not a valid path: {one_line(href, 80)!r}")
    return path


def _path_of(href: str) -> str:
    """Return the path of a link; empty if it is not a valid path, such as a template."""
    try:
        path = urlsplit(href).path
    except ValueError:
        path = ""
    odd = not path.startswith("/") or path.startswith("//") or len(path) > LINK_MOST
    if reveals(path):  # it is requested
        raise BadReply("a link holds a secret")
    odd = odd or not href.isprintable() or any(each in path for each in ' \\{}"<>^`|') or _leaves(path)
    return "" if odd else path


def _leaves(path: str) -> bool:
    """Return whether a part of the path is ``..`` or the like, plain or URL-encoded once or twice."""
    plain = unquote(unquote(path)).replace("\\", "/")
    return any(part in {".", ".."} for part in plain.split("/"))


def read_activity(value: Any) -> Activity:
    """Return the activity of a reply.

    What only informs (reason, text, parameters of an odd shape, a percentage) is read as well as it can be; it never
    makes an activity unreadable.

    Raises:
        BadReply: a field that decides is not what it must be.
    """
    fields = Fields.of(value, "activity")
    payload = fields.object("payload")
    if payload.get("backup_name") is not None:
        Fields.of(payload, "activity.payload").text("backup_name")  # it goes into paths and the journal
    user, reason = payload.get("user"), fields.data.get("failure_reason")
    return Activity(
        id=fields.text("id"),
        type=fields.word("type"),
        state=fields.word("state"),
        result=fields.optional_word("result"),
        created_at=fields.moment("created_at"),
        completed_at=fields.moment_or_zero("completed_at"),
        user=one_line(user["id"]) if isinstance(user, dict) and isinstance(user.get("id"), str) else None,
        parameters=_mapping(fields.data.get("parameters")),
        payload={key: payload[key] for key in PAYLOAD if key in payload},
        failure_reason=one_line(reason, TEXT_MOST) or None if isinstance(reason, str) else None,
        text=one_line(str(fields.data.get("text") or ""), TEXT_MOST),
        completion_percent=_percent(fields.data.get("completion_percent")),
        commands=_commands(fields, "commands"),
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _percent(value: Any) -> int | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= PERCENT
    return int(value) if known else None


def read_backup(value: Any) -> Backup:
    """Return the backup in a reply; raise BadReply if a required field is not valid."""
    fields = Fields.of(value, "backup")
    return Backup(
        id=fields.text("id"),
        status=fields.word("status"),
        restorable=fields.boolean("restorable"),
        environment=fields.text("environment"),
        created_at=fields.moment("created_at"),
        safe=fields.boolean("safe", default=False),
        automated=fields.boolean("automated", default=False),
    )


def read_routes(value: Any) -> tuple[str, ...]:
    """Return the URLs of a deployment that lead to an app, the primary one first, without redirects."""
    routes = Fields.of(value, "deployment").object("routes")
    if len(routes) > LIST_MOST:
        raise BadReply(f"deployment: more than {LIST_MOST} routes")
    found: list[tuple[bool, str]] = []
    for url, route in routes.items():
        upstream = isinstance(route, dict) and route.get("type") == "upstream"
        if upstream and url.startswith(("https://", "http://")) and len(url) <= LINK_MOST and url.isprintable():
            found.append((route.get("primary") is not True, url))
    return tuple(url for _, url in sorted(found, key=lambda each: (each[0], not each[1].startswith("https:"), each[1])))


def read_list(value: Any, what: str) -> list[Any]:
    """Return the items of a collection; raise BadReply if it is not a collection, or too long."""
    if not isinstance(value, list):
        raise BadReply(f"{what}: the answer is not an array")
    if len(value) > LIST_MOST:
        raise BadReply(f"{what}: the answer has more than {LIST_MOST} items")
    return value


def read_manual_limits(value: Any) -> dict[str, int]:
    """Return how many manual backups the settings of a project allow, by environment type, as far as they say."""
    retention = value.get("data_retention") if isinstance(value, dict) else None
    limits: dict[str, int] = {}
    for kind, entry in retention.items() if isinstance(retention, dict) else ():
        config = entry.get("default_config") if isinstance(entry, dict) else None
        count = config.get("manual_count") if isinstance(config, dict) else None
        if isinstance(count, int) and not isinstance(count, bool):
            limits[kind] = count
    return limits
