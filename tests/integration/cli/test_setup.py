"""``setup machine-user``: whom it invites or changes, what it never does twice, what it never claims."""

from __future__ import annotations

import pytest

from tests.harness.agent_process import TOKEN, Result
from tests.harness.cli_app import App
from tests.integration.cli.test_token import typed

OWNER = "simulated-owner-token"
NEW = "new-canary+token/with=odd&characters"
BOT = "bot@example.com"


def writes(app: App) -> list[tuple[str, str]]:
    """The requests that change something, but for the exchange of tokens."""
    return [
        (each.method, each.path.rpartition("/")[2])
        for each in app.simulator.requests
        if each.method != "GET" and each.path != "/oauth2/token"
    ]


def no_secret(app: App, said: Result) -> None:
    for secret in (NEW, OWNER, TOKEN, "eyJ"):
        assert secret not in said.said
        for file in app.directory.rglob("*"):
            assert not file.is_file() or secret.encode() not in file.read_bytes()


def user(app: App, *arguments: str, token: str = OWNER) -> Result:
    said_so = () if {"--dry-run", "--yes"} & {*arguments} else ("--yes",)
    said = app.call("setup", "machine-user", *arguments, *said_so, UPSUN_CLI_TOKEN=token)
    no_secret(app, said)
    return said


def roles_of(app: App, email: str) -> list[str]:
    found: list[str] = next(
        each["permissions"] for each in app.simulator.request_log()["members"] if each["email"] == email
    )
    return found


def test_a_new_address_is_invited_once_and_never_a_second_time(app: App) -> None:
    for number in range(3):
        said = user(app, BOT, "--role", "viewer", "--role", "production:admin")
        assert said.code == 0
        assert ("one e-mail was sent" in said.out) is (number == 0)
        assert ("no second e-mail" in said.out) is (number > 0)
    (mail,) = app.simulator.request_log()["mails"]
    assert mail["to"] == BOT
    assert writes(app) == [("POST", "invitations")]
    assert app.simulator.accept_invitation(BOT).email == BOT
    assert roles_of(app, BOT) == ["viewer", "production:admin"]
    assert "already has these roles" in user(app, BOT.upper(), "--role", "production:admin").out
    assert len(app.simulator.request_log()["mails"]) == 1


def test_the_roles_that_jobs_need_are_the_default(app: App) -> None:
    found = user(app, BOT, "--json").document
    assert found["roles"] == ["viewer", "production:admin"]
    assert found["needed"] == {"production:admin": ["nightly", "hand"]}
    assert (found["action"], found["changed"], found["warnings"]) == ("invite", True, [])


def test_a_members_roles_are_replaced_and_the_same_ones_are_left_alone(app: App) -> None:
    grace = "grace@example.invalid"
    for action in ("grant", "none"):
        found = user(app, grace, "--json").document
        assert (found["action"], found["changed"]) == (action, action == "grant")
        assert roles_of(app, grace) == ["viewer", "production:admin"]
    assert [method for method, _ in writes(app)] == ["PATCH"]
    assert app.simulator.request_log()["mails"] == []


def test_the_guides_roles_are_explained_and_not_refused(app: App) -> None:
    said = user(app, BOT, "--role", "viewer", "--role", "development:contributor")
    assert said.code == 0
    assert "production:admin is missing: nightly, hand cannot take backups" in said.out
    assert len(app.simulator.request_log()["mails"]) == 1
    app.jobs.unlink()
    said = user(app, "other@example.com", "--role", "viewer", "--role", "development:contributor")
    assert said.code == 0
    assert "no job can work with these roles" in said.out


def test_more_than_jobs_need_is_said_too(app: App) -> None:
    assert "more than the jobs need: admin of the whole project" in user(app, BOT, "--role", "admin").out
    assert "staging:admin" in user(app, "b@example.com", "--role", "production:admin", "--role", "staging:admin").out


def test_an_open_invitation_with_other_roles_is_named(app: App) -> None:
    user(app, BOT, "--role", "development:contributor")
    found = user(app, BOT, "--json").document
    assert found["before"] == ["viewer", "development:contributor"]
    assert any("gives other roles" in each["message"] for each in found["warnings"])
    assert len(app.simulator.request_log()["mails"]) == 1


def test_the_owners_roles_cannot_be_changed(app: App) -> None:
    said = user(app, "ada@example.invalid")
    assert said.code == 64
    assert "owns the project" in said.err
    assert writes(app) == []
    assert "already has these roles" in user(app, "ada@example.invalid", "--role", "admin").out


def test_a_token_that_is_no_project_admins_is_refused_with_what_helps(app: App) -> None:
    for address in (BOT, "grace@example.invalid"):
        said = user(app, address, token=TOKEN)
        assert said.code == 77
        assert "the API token of a project admin" in said.err
    assert app.simulator.request_log()["mails"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nobody",), 64, "not a valid e-mail address"),
        (("a@b",), 64, "not a valid e-mail address"),
        (("a\x1bb@example.com",), 64, "not a valid e-mail address"),
        (("a" * 300 + "@example.com",), 64, "not a valid e-mail address"),
        ((BOT, "--role", "owner"), 64, "not a valid role on a project"),
        ((BOT, "--role", "production:owner"), 64, "not a valid role on an environment type"),
        ((BOT, "--role", "nowhere:admin"), 64, "not a valid role on an environment type"),
        ((BOT, "--role", "viewer", "--role", "admin"), 64, "two different roles on the project"),
        ((BOT, "--role", "staging:admin", "--role", "staging:viewer"), 64, "two different roles on staging"),
        ((BOT, "--role", "viewer"), 64, "a viewer needs a role"),
        ((BOT, "--role", "production:none"), 64, "a viewer needs a role"),
        ((BOT, "--yes", "--dry-run"), 64, "not allowed with"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    app: App, arguments: tuple[str, ...], code: int, words: str
) -> None:
    said = user(app, *arguments)
    assert said.code == code
    assert words in said.err
    assert said.err.count("\n") >= 2, "what is wrong, and what helps"
    assert app.simulator.requests == []


def test_without_job_file_or_roles_nobody_knows_what_is_wanted(app: App) -> None:
    app.jobs.unlink()
    said = user(app, BOT)
    assert said.code == 64
    assert "--role production:admin" in said.err


def test_a_dry_run_changes_nothing(app: App) -> None:
    for address, action in ((BOT, "invite"), ("grace@example.invalid", "grant")):
        found = user(app, address, "--dry-run", "--json").document
        assert (found["action"], found["changed"]) == (action, False)
        said = user(app, address, "--dry-run").out
        would = (
            f"Would invite {BOT} (sends one e-mail)." if action == "invite" else f"Would change the roles of {address}."
        )
        assert would in said
        assert "Nothing was changed. To apply this, add --yes." in said
    assert writes(app) == []


def test_on_a_terminal_nothing_is_changed_until_somebody_says_yes(app: App) -> None:
    for answer in ("", "n", "yes please", "\x04"):
        code, shown = typed(app, "[y/N]", f"{answer}\n", "setup", "machine-user", BOT, UPSUN_CLI_TOKEN=OWNER)
        assert (code, "Nothing was changed." in shown, writes(app)) == (0, True, [])
        assert f"Would invite {BOT} (sends one e-mail)." in shown
    code, shown = typed(app, "[y/N]", "y\n", "setup", "machine-user", BOT, UPSUN_CLI_TOKEN=OWNER)
    assert (code, writes(app)) == (0, [("POST", "invitations")])
    assert "accept the invitation" in shown
    code, shown = typed(app, "\n", "", "setup", "machine-user", BOT, UPSUN_CLI_TOKEN=OWNER)
    assert (code, "[y/N]" in shown, "already invited" in shown) == (0, False, True)


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_without_a_terminal_nothing_is_changed_unless_yes_is_said(app: App, more: tuple[str, ...]) -> None:
    said = app.call("setup", "machine-user", BOT, *more, UPSUN_CLI_TOKEN=OWNER)
    assert said.code == 64
    assert "--yes" in said.said
    assert app.simulator.requests == []


@pytest.mark.parametrize("fault", ["cut-after", "cut-before", "502", "status-after status=502", "reset-after"])
def test_an_invitation_without_an_answer_is_never_sent_twice(app: App, fault: str) -> None:
    app.simulator.add_fault(f"POST */invitations {fault} x1")
    said = user(app, BOT)
    sent = len(app.simulator.request_log()["mails"])
    assert (said.code, sent) in {(0, 1), (69, 0)}, "it is said to be sent only where it is"
    if said.code:
        assert "may or may not have been invited" in said.err
        assert "run the command again" in said.err
    assert user(app, BOT).code == 0
    assert len(app.simulator.request_log()["mails"]) == 1


def test_somebody_elses_invitation_at_the_same_time_is_the_one(app: App) -> None:
    user(app, BOT)
    app.simulator.add_fault("GET */invitations json body=[]")  # as the list was a moment ago
    said = user(app, BOT)
    assert said.code == 0
    assert "no second e-mail is sent" in said.out
    assert len(app.simulator.request_log()["mails"]) == 1


@pytest.mark.parametrize("fault", ["cut-after", "cut-before", "502", "status-after status=502"])
def test_roles_without_an_answer_are_looked_at_before_anything_is_said(app: App, fault: str) -> None:
    grace = "grace@example.invalid"
    app.simulator.add_fault(f"PATCH */user-access/* {fault} x1")
    said = user(app, grace)
    right = roles_of(app, grace) == ["viewer", "production:admin"]
    assert said.code == (0 if right else 69)
    assert user(app, grace).code == 0
    assert roles_of(app, grace) == ["viewer", "production:admin"]


def test_roles_that_were_agreed_to_and_do_not_hold_are_a_failure(app: App) -> None:
    app.simulator.add_fault("PATCH */user-access/* status status=204 x1")
    said = user(app, "grace@example.invalid")
    assert said.code == 1
    assert "the roles are not as requested" in said.err
