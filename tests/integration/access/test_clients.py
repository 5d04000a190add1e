"""People, variables and the doctor's reads: what they take from true replies, and from every reply that is not."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from upsun_agent.access.roles import Roles
from upsun_agent.access.token_status import Standing
from upsun_agent.api.client import Client
from upsun_agent.api.people import People, User
from upsun_agent.api.variables import FLAGS, Variables
from upsun_agent.clock import VirtualClock
from upsun_agent.doctor import Finding
from upsun_agent.doctor.platform import Platform
from upsun_agent.errors import AgentError, BadReply, Conflict, NotFound, Uncertain
from upsun_agent.model.job import Job, StepPlan

from tests.harness import openapi_document
from tests.harness.corrupted_replies import MUTATIONS, Path, Spoiler, fields

PROJECT = "abcdefgh1234z"
NAME = "env:UPSUN_CLI_TOKEN"
RUNTIME_ONLY = dict.fromkeys(FLAGS, False) | {"is_sensitive": True, "visible_runtime": True, "is_enabled": True}
ADMIN = Roles("viewer", {"production": "admin"})
SOAK = os.environ.get("UPSUN_SOAK") == "1"
SAMPLE = 400  # spoiled doctor's visits outside the soak
MACHINE = "0b5f2c9e-6f0f-4a57-9d3c-5d0c9a7e1a01"


def test_people_are_who_the_platform_says(make: Callable[..., Any]) -> None:
    desk = make()
    people = People(desk.client)
    me = people.me()
    assert (me.id, me.email, me.mfa) == (MACHINE, "update-bot@example.invalid", False)
    assert [each.name for each in people.tokens(me.id)] == ["Agent"]
    assert people.access(PROJECT, me.id) == Roles("admin")
    assert people.owner(PROJECT) == "4a3c1d77-93b2-4f0e-8f0b-2f8f6f1b7c02"
    members = {each.user.email: str(each.roles) for each in people.members(PROJECT)}
    assert members["grace@example.invalid"] == "viewer, development:contributor"
    assert len(members) == 3


def test_a_long_list_of_members_is_read_page_by_page(make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    desk = make()
    for number in range(450):
        desk.simulator.add_user(f"user-{number}@example.com", ["viewer", "development:viewer"])
    found = People(desk.client).members(PROJECT)
    assert len({each.user.email for each in found}) == 453
    monkeypatch.setattr("upsun_agent.api.people.MEMBER_PAGES_MOST", 2)
    with pytest.raises(BadReply, match="more users than 2 pages"):
        People(desk.client).members(PROJECT)


def test_an_invitation_is_made_once(make: Callable[..., Any]) -> None:
    desk = make()
    people = People(desk.client)
    assert people.invite(PROJECT, "Bot@example.com", ADMIN) is True
    assert people.invite(PROJECT, "bot@example.com", ADMIN) is False
    (open_one,) = people.invitations(PROJECT)
    assert (open_one.email, open_one.roles.permissions()) == ("Bot@example.com", ADMIN.permissions())
    desk.simulator.accept_invitation("bot@example.com")
    assert people.invitations(PROJECT) == []


def test_an_invitation_in_doubt_is_looked_up(make: Callable[..., Any]) -> None:
    desk = make()
    desk.simulator.add_fault("POST */invitations cut-after")
    assert People(desk.client).invite(PROJECT, "bot@example.com", ADMIN) is True
    desk.simulator.add_fault("POST */invitations cut-before")
    with pytest.raises(Uncertain, match="may or may not have been invited"):
        People(desk.client).invite(PROJECT, "other@example.com", ADMIN)
    desk.simulator.add_fault("POST */invitations cut-after")
    desk.simulator.add_fault("GET */invitations 503 x*")
    with pytest.raises(Uncertain):
        People(desk.client).invite(PROJECT, "third@example.com", ADMIN)
    assert len(desk.simulator.request_log()["mails"]) == 2


def test_a_variable_is_stored_changed_and_never_comes_back(make: Callable[..., Any]) -> None:
    desk = make()
    variables = Variables(desk.client, PROJECT, "main")
    assert variables.on_environment(NAME) is None
    assert variables.store(NAME, "secret", RUNTIME_ONLY, ("app",), there=False).follows == "deploys"
    stored = variables.on_environment(NAME)
    assert stored is not None
    assert (dict(stored.flags), stored.scope, stored.inherited) == (RUNTIME_ONLY, ("app",), False)
    assert "secret" not in repr(stored)
    assert variables.store(NAME, "other", RUNTIME_ONLY, None, there=True).follows == "deploys"
    changed = variables.on_environment(NAME)
    assert changed is not None
    assert changed.scope == ("app",)
    assert variables.on_project(NAME) is None


@pytest.mark.parametrize("there", [True, False])
def test_a_variable_is_stored_whatever_it_was_a_moment_ago(make: Callable[..., Any], *, there: bool) -> None:
    for really in (True, False):
        desk = make()
        if really:
            desk.simulator.add_variable(NAME, "old")
        Variables(desk.client, PROJECT, "main").store(NAME, "new", RUNTIME_ONLY, None, there=there)
        assert desk.simulator.variable(NAME).value == "new"


def test_a_variable_that_comes_and_goes_is_left_to_later(make: Callable[..., Any]) -> None:
    desk = make()
    desk.simulator.add_fault("POST */variables 409 x*")
    desk.simulator.add_fault("PATCH */variables/* 404 x*")
    with pytest.raises(Conflict, match="creates and deletes"):
        Variables(desk.client, PROJECT, "main").store(NAME, "new", RUNTIME_ONLY, None, there=False)


def test_an_environment_that_does_not_exist_is_not_found_twice_only(make: Callable[..., Any]) -> None:
    desk = make()
    with pytest.raises(NotFound):
        Variables(desk.client, PROJECT, "gone").store(NAME, "new", RUNTIME_ONLY, None, there=True)
    assert len([each for each in desk.simulator.requests if each.method != "GET"]) == 3, "and the exchange"


# --- every reply spoiled ---------------------------------------------------------------------------------------

CALLS: dict[str, Callable[[Client], object]] = {
    "me": lambda client: People(client).me(),
    "tokens": lambda client: People(client).tokens(MACHINE),
    "access": lambda client: People(client).access(PROJECT, MACHINE),
    "members": lambda client: People(client).members(PROJECT),
    "invitations": lambda client: People(client).invitations(PROJECT),
    "owner": lambda client: People(client).owner(PROJECT),
    "invite": lambda client: People(client).invite(PROJECT, "new@example.com", ADMIN),
    "grant": lambda client: People(client).grant(PROJECT, "9d1e8b30-51c6-4c8e-b7aa-0c4b2e6d9f03", ADMIN),
    "variable": lambda client: Variables(client, PROJECT, "main").on_environment(NAME),
    "project variable": lambda client: Variables(client, PROJECT, "main").on_project(NAME),
    "create": lambda client: Variables(client, PROJECT, "main").store("env:X", "v", RUNTIME_ONLY, None, there=False),
    "change": lambda client: Variables(client, PROJECT, "main").store(NAME, "v", RUNTIME_ONLY, None, there=True),
}


def prepared(make: Callable[..., Any]) -> Any:
    desk = make(source_integration=True)
    desk.simulator.add_variable(NAME, "old", is_sensitive=True)
    desk.simulator.add_variable(NAME, "old", project=True, is_sensitive=True)
    desk.simulator.add_backup(age=60)
    if not desk.simulator.state.invitations.all:
        People(desk.client).invite(PROJECT, "pending@example.com", ADMIN)
    return desk


def replies(make: Callable[..., Any], call: Callable[[Client], object]) -> list[tuple[str, str]]:
    desk = prepared(make)
    spoiler = Spoiler(desk.simulator.wsgi)
    call(desk.client_of(spoiler))
    return spoiler.replies


def spoils(found: list[tuple[str, str]]) -> Iterator[tuple[int, Path, str]]:
    """Every field of every reply but that of the exchange, with every mutation."""
    for number, (kind, text) in enumerate(found, 1):
        if kind == "POST /oauth2/token" or not text:
            continue
        for path in fields(json.loads(text)):
            for mutation in MUTATIONS:
                yield number, path, mutation


@pytest.mark.parametrize("name", CALLS)
def test_a_spoiled_field_is_a_named_error_or_does_not_matter(make: Callable[..., Any], name: str) -> None:
    call = CALLS[name]
    found = list(spoils(replies(make, call)))
    sample = found if SOAK or len(found) < SAMPLE else random.Random(name).sample(found, SAMPLE)
    changes = name in {"invite", "grant", "create", "change"}
    desk = prepared(make)
    for number, path, mutation in sample:
        desk = prepared(make) if changes else desk
        client = desk.client_of(Spoiler(desk.simulator.wsgi, number, path, mutation))
        try:
            call(client)
        except AgentError:
            pass
        except BaseException as error:
            raise AssertionError(f"reply {number}, field {path}: {mutation}: {error!r}") from error


def visit(desk: Any) -> Callable[[Client], list[Finding]]:
    """A whole look of the doctor at a platform."""
    steps = (StepPlan("backup", {}), StepPlan("source-operation", {"name": "update"}))
    jobs = [Job("nightly", steps, schedule="H 3 * * *")]
    clock = VirtualClock(desk.clock)
    standing = Standing(User("1", ""), 900, ADMIN, [], clock.now(), PROJECT)

    def look(client: Client) -> list[Finding]:
        directory, variable = "/app/var/agent", "UPSUN_CLI_TOKEN"
        platform = Platform(
            client, PROJECT, "main", "app", "/app", "production", jobs, directory, None, True, variable, clock
        )
        return list(platform.findings(standing, timedelta(days=180)))

    return look


def test_no_reply_keeps_the_doctor_from_going_on(make: Callable[..., Any]) -> None:
    desk = prepared(make)
    spoiler = Spoiler(desk.simulator.wsgi)
    healthy = visit(desk)(desk.client_of(spoiler))
    assert not [each for each in healthy if each.level == "fail"], healthy
    found = list(spoils(spoiler.replies))
    sample = found if SOAK else random.Random("doctor").sample(found, SAMPLE)
    for number, path, mutation in sample:
        try:
            seen = visit(desk)(desk.client_of(Spoiler(desk.simulator.wsgi, number, path, mutation)))
        except BaseException as error:
            raise AssertionError(f"reply {number}, field {path}: {mutation}: {error!r}") from error
        for each in seen:
            assert "\x1b" not in each.message.replace("\\x1b", "")
            assert len(each.message) < 2000


# --- the official document -------------------------------------------------------------------------------------


@pytest.mark.reference
def test_every_request_is_one_that_the_official_document_knows(make: Callable[..., Any]) -> None:
    openapi_document.require()
    desk = prepared(make)
    for call in CALLS.values():
        call(desk.client)
    visit(desk)(desk.client)
    assert openapi_document.problems_of_requests(desk.simulator.requests) == []
