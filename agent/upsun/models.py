"""Environments, activities and backups read from their JSON into the engine's values."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from agent.engine.facts import Activity, Backup, Deployment, Environment
from agent.errors import BadReply
from agent.limits import LIST_MOST, TEXT_MOST
from agent.upsun.replies import Fields, clean

LINK_MOST = 2000


def read_environment(value: Any, server_at: datetime, path: str = "") -> Environment:
    """The environment of a reply; raises BadReply where a field that matters is not what it must be.

    ``path`` is where it was read.
    """
    fields = Fields.of(value, "environment")
    state = fields.object("deployment_state")
    deployment = None
    if state:
        inner = Fields.of(state, "environment.deployment_state")
        deployment = Deployment(
            successful=inner.boolean("last_deployment_successful", default=True),
            at=inner.moment("last_deployment_at"),
        )
    return Environment(
        id=fields.text("id"),
        type=fields.text("type"),
        status=fields.text("status"),
        is_dirty=fields.boolean("is_dirty", default=False),
        head_commit=fields.optional_text("head_commit"),
        links=_links(fields),
        server_at=server_at,
        deployment=deployment,
        has_staged_activities=fields.boolean("has_staged_activities", default=False),
        parent=fields.optional_text("parent"),
        path=path,
    )


def _links(fields: Fields) -> dict[str, str]:
    """The paths of the operations' links by name; one that is no path is a BadReply, an absent one means refusal."""
    links: dict[str, str] = {}
    for name, value in fields.object("_links").items():
        if not name.startswith("#") or not isinstance(value, dict) or not isinstance(value.get("href"), str):
            continue  # others may be arrays, templates or ssh addresses (pf:ssh:app): not ours to judge
        links[name] = link_path(value["href"])
    return links


def link_path(href: str) -> str:
    """The path of a link. Links may name regional hosts: the configured host is kept, only the path is followed."""
    try:
        path = urlsplit(href).path
    except ValueError:
        path = ""
    odd = not path.startswith("/") or path.startswith("//") or len(path) > LINK_MOST
    if odd or not href.isprintable() or " " in path or any(part in {".", ".."} for part in path.split("/")):
        raise BadReply(f"a link is no path: {clean(href, 80)!r}")
    return path


def read_activity(value: Any) -> Activity:
    """The activity of a reply; raises BadReply where a field that matters is not what it must be."""
    fields = Fields.of(value, "activity")
    payload = fields.object("payload")
    Fields.of(payload, "activity.payload").optional_text("backup_name")  # it goes into paths and the journal
    user = payload.get("user")
    return Activity(
        id=fields.text("id"),
        type=fields.text("type"),
        state=fields.text("state"),
        result=fields.optional_text("result"),
        created_at=fields.moment("created_at"),
        completed_at=fields.moment("completed_at"),
        user=user["id"] if isinstance(user, dict) and isinstance(user.get("id"), str) else None,
        parameters=fields.object("parameters"),
        payload=payload,
        failure_reason=fields.optional_text("failure_reason"),
        text=clean(str(fields.data.get("text") or ""), TEXT_MOST),
    )


def read_backup(value: Any) -> Backup:
    """The backup of a reply; raises BadReply where a field that matters is not what it must be."""
    fields = Fields.of(value, "backup")
    return Backup(
        id=fields.text("id"),
        status=fields.text("status"),
        restorable=fields.boolean("restorable"),
        environment=fields.text("environment"),
        created_at=fields.moment("created_at"),
        safe=fields.boolean("safe", default=False),
        automated=fields.boolean("automated", default=False),
    )


def read_routes(value: Any) -> tuple[str, ...]:
    """The addresses of a deployment that lead to an app, the primary one first; others (redirects) are left out."""
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
    """The items of a collection; raises BadReply where it is none, or too long."""
    if not isinstance(value, list):
        raise BadReply(f"{what}: the answer is not an array")
    if len(value) > LIST_MOST:
        raise BadReply(f"{what}: the answer has more than {LIST_MOST} items")
    return value
