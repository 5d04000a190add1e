"""The unmodified official CLI gives people access to the project."""

from __future__ import annotations

import pytest

from tests.harness import openapi_document
from tests.harness.official_cli import OWNER_TOKEN, Cli, Outcome

pytestmark = [
    pytest.mark.official_cli,
    pytest.mark.holds_secret("file */.upsun-cli/*", reason="the official CLI keeps its session there"),
]

BOT = "bot@example.com"
ROLES = ("-r", "viewer", "-r", "production:admin")
INVITED = {"email": BOT, "role": "viewer", "permissions": [{"type": "production", "role": "admin"}]}


def _as_owner(cli: Cli, *words: str) -> Outcome:
    return cli(*words, UPSUN_CLI_TOKEN=OWNER_TOKEN)


def _permissions(cli: Cli, email: str) -> list[str]:
    found: list[str] = next(
        one["permissions"] for one in cli.simulator.request_log()["members"] if one["email"] == email
    )
    return found


def test_users_are_listed_with_their_roles(cli: Cli) -> None:
    done = _as_owner(cli, "user:list", "--format=plain", "--no-header", "--columns=email,role")
    assert done.code == 0, done.err
    assert done.out.split("\n")[:3] == [
        "ada@example.invalid\tadmin (owner)",
        "update-bot@example.invalid\tviewer",
        "grace@example.invalid\tviewer",
    ]


def test_the_roles_of_one_user(cli: Cli) -> None:
    done = _as_owner(cli, "user:get", "grace@example.invalid")
    assert done.code == 0, done.err
    assert "Role on environment type development: contributor" in done.err
    assert _as_owner(cli, "user:get", BOT).code == 1


def test_an_unknown_address_is_invited_and_by_the_official_cli_every_time_again(cli: Cli) -> None:
    done = _as_owner(cli, "user:add", BOT, *ROLES, "--yes")
    assert (done.code, done.writes) == (0, [("POST", "/invitations", INVITED)]), done.err
    assert "An invitation has been sent" in done.err
    # 409, then once more with force: a second e-mail.
    again = _as_owner(cli, "user:add", BOT, *ROLES, "--yes")
    assert (again.code, [one[2] for one in again.writes]) == (0, [INVITED, {**INVITED, "force": True}]), again.err
    request_log = cli.simulator.request_log()
    assert [one["to"] for one in request_log["mails"]] == [BOT, BOT]
    assert [one["state"] for one in request_log["invitations"]] == ["cancelled", "pending"]
    if openapi_document.path().is_file():
        assert openapi_document.problems_of_requests(cli.simulator.requests) == []


def test_a_user_who_is_there_is_updated_without_an_e_mail(cli: Cli) -> None:
    cli.simulator.add_user(BOT, ["viewer", "development:contributor"])
    done = _as_owner(cli, "user:add", BOT, *ROLES, "--yes")
    assert done.code == 0, done.err
    assert [one[0] for one in done.writes] == ["PATCH"]
    # What is not named stays, and a second time nothing is left to do.
    assert sorted(_permissions(cli, BOT)) == ["development:contributor", "production:admin", "viewer"]
    assert _as_owner(cli, "user:add", BOT, *ROLES, "--yes").writes == []
    done = _as_owner(cli, "user:update", BOT, "-r", "staging:viewer", "--yes")
    assert (done.code, "staging:viewer" in _permissions(cli, BOT)) == (0, True), done.err
    assert cli.simulator.request_log()["mails"] == []


def test_a_user_loses_access(cli: Cli) -> None:
    cli.simulator.add_user(BOT, ["viewer", "development:contributor"])
    assert _as_owner(cli, "user:delete", BOT, "--yes").code == 0
    assert BOT not in [one["email"] for one in cli.simulator.request_log()["members"]]


def test_who_is_no_admin_of_the_project_adds_and_updates_nobody(cli: Cli) -> None:
    done = cli("user:add", BOT, *ROLES, "--yes")
    assert (done.code, cli.simulator.request_log()["mails"]) == (6, []), done.err
    for words in (("user:update", "grace@example.invalid", "-r", "staging:viewer", "--yes"), ("user:list",)):
        done = cli(*words)
        assert (done.code, done.writes) == (6, []), done.err


def test_a_refused_list_of_users_ends_with_6_before_anybody_is_invited(cli: Cli) -> None:
    cli.simulator.add_fault("GET */user-access 403")
    done = _as_owner(cli, "user:add", BOT, *ROLES, "--yes")
    assert (done.code, done.writes) == (6, []), done.err


def test_the_owners_roles_cannot_be_changed(cli: Cli) -> None:
    done = _as_owner(cli, "user:add", "ada@example.invalid", *ROLES, "--yes")
    assert (done.code, done.writes) == (1, []), done.err
