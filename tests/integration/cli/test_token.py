"""``token check`` and ``token list``: every way a token can be good or not, from a variable, a pipe and a terminal."""

from __future__ import annotations

import base64
import io
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.harness.agent_process import COMMAND, TOKEN, Result
from tests.harness.cli_app import App

OTHER = "another-canary-token-987"
# Makes the terminal the process's own, as a login does, then becomes the command.
ON_TERMINAL = "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
ON_TERMINAL += "os.execv(sys.argv[1], sys.argv[1:])"


def piped(app: App, text: str | bytes, *arguments: str, **changes: str | None) -> Result:
    """The command with that on its standard input."""
    data = text if isinstance(text, bytes) else text.encode()
    app.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    return app.call(*arguments, **changes)


def typed(
    app: App,
    words: str | tuple[str, ...],
    keys: str | tuple[str, ...],
    *arguments: str,
    columns: int = 200,
    **changes: str | None,
) -> tuple[int, str]:
    """The command on a terminal of its own; each of the ``keys`` is typed once the ``words`` before it are shown.

    Returns its exit code and all that was shown.
    """
    cues = [(words, keys)] if isinstance(words, str) else list(zip(words, keys, strict=True))
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL, *COMMAND, *arguments],
        cwd=app.directory,
        env=app.agent.environment(TERM="xterm", COLUMNS=str(columns), **changes),
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    seen, until = b"", time.monotonic() + 60
    while time.monotonic() < until:
        try:
            more = os.read(leader, 65536)
        except OSError:  # the other side is closed
            break
        seen += more
        if cues and str(cues[0][0]).encode() in seen:
            os.write(leader, str(cues.pop(0)[1]).encode())
    os.close(leader)
    code = process.wait(30)
    assert not cues, seen
    assert b"Traceback" not in seen
    return code, seen.decode()


def exchanges(app: App) -> int:
    return len([each for each in app.simulator.requests if each.path == "/oauth2/token"])


def test_a_good_token_says_whose_it_is_what_it_may_do_and_how_old_it_is(make_app: Callable[..., App]) -> None:
    said = make_app(other_role=None).call("token", "check")
    assert said.code == 0
    assert "The API token is valid." in said.out
    assert "UPSUN_CLI_TOKEN" in said.out
    assert "update-bot@example.invalid, without a second factor" in said.out
    assert "viewer, production:admin" in said.out
    assert "valid for 15 min" in said.out
    assert "'Agent', created 30 d ago, used 0 s ago" in said.out
    assert "!" not in said.out


def test_the_same_as_json(make_app: Callable[..., App]) -> None:
    found = make_app(other_role=None).call("token", "check", "--json").document
    assert found["valid"] is True
    assert (found["source"], found["bearer_seconds"], found["warnings"]) == ("UPSUN_CLI_TOKEN", 900, [])
    assert found["user"]["mfa"] is False
    assert found["roles"] == {"project": "viewer", "types": {"production": "admin"}}
    assert found["token"]["name"] == "Agent"
    assert found["token"]["last_used_at"]


def test_every_check_exchanges_the_token_anew_and_changes_nothing(app: App) -> None:
    for number in (1, 2, 3):
        assert app.call("token", "check").code == 0
        assert exchanges(app) == number
    others = [each for each in app.simulator.requests if each.path != "/oauth2/token"]
    assert {each.method for each in others} == {"GET"}


def with_variables(**values: str) -> str:
    return base64.b64encode(json.dumps(values).encode()).decode()


BAD: dict[str, tuple[dict[str, str | None], str, str]] = {
    "not set": ({"UPSUN_CLI_TOKEN": None}, "UPSUN_CLI_TOKEN is not set", "store it as the variable env:UPSUN_CLI"),
    "empty": ({"UPSUN_CLI_TOKEN": " "}, "UPSUN_CLI_TOKEN is empty", "visible at runtime"),
    "in the variable of another tool": (
        {"UPSUN_CLI_TOKEN": None, "UPSUN_API_TOKEN": OTHER},
        "UPSUN_API_TOKEN is, which the agent does not read",
        'token-variable = "UPSUN_API_TOKEN"',
    ),
    "stored without the prefix": (
        {"UPSUN_CLI_TOKEN": None, "PLATFORM_VARIABLES": with_variables(UPSUN_CLI_TOKEN=OTHER)},
        "without the prefix env:",
        "setup token",
    ),
    "variables that are no JSON": (
        {"UPSUN_CLI_TOKEN": None, "PLATFORM_VARIABLES": "§§"},
        "UPSUN_CLI_TOKEN is not set",
        "store it",
    ),
    "a line break": (
        {"UPSUN_CLI_TOKEN": f"{TOKEN}\n"},
        "ends with a line break",
        "store it again without it",
    ),
    "a line break of Windows": (
        {"UPSUN_CLI_TOKEN": f"{TOKEN}\r\n"},
        "ends with a line break",
        "store it again without it",
    ),
    "spaces": ({"UPSUN_CLI_TOKEN": f" {TOKEN}"}, "has white space around it", "store it again without it"),
    "two": ({"UPSUN_CLI_TOKEN": f"{TOKEN} {OTHER}"}, "is not a valid API token", "copy the token again"),
    "never valid": ({"UPSUN_CLI_TOKEN": OTHER}, "is not accepted: Invalid API token", "create a new one"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_token_that_is_not_good_has_its_own_words_its_remedy_and_exit_code_77(app: App, name: str) -> None:
    changes, words, remedy = BAD[name]
    said = app.call("token", "check", **changes)
    assert said.code == 77
    assert words in said.err
    assert remedy in said.err
    assert OTHER not in said.said
    error = app.call("token", "check", "--json", **changes).document["error"]
    assert (error["exit_code"], words in error["message"], remedy in error["remedy"]) == (77, True, True)


def test_a_revoked_token_is_refused_at_once(app: App) -> None:
    assert app.call("token", "check").code == 0
    app.simulator.revoke_token()
    said = app.call("token", "check")
    assert said.code == 77
    assert "it was revoked or is incomplete" in said.err


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_standing_on_standard_input_it_may_end_as_echo_ends_it(app: App, end: str) -> None:
    said = piped(app, f"{TOKEN}{end}", "token", "check", "--stdin", UPSUN_CLI_TOKEN=None)
    assert said.code == 0
    assert "standard input" in said.out


PIPED = {
    "nothing": ("", 77, "holds no token"),
    "a line break alone": ("\n", 77, "holds no token"),
    "two line breaks": (f"{TOKEN}\n\n", 77, "white space around"),
    "too much": ("x" * 20_000, 64, "holds more than"),
    "no text": (b"\xff\xfe\x00t", 77, "is not a valid API token"),
    "another token": (OTHER, 77, "is not accepted"),
}


@pytest.mark.parametrize("name", PIPED)
def test_what_is_no_token_on_standard_input_is_refused(app: App, name: str) -> None:
    text: Any
    text, code, words = PIPED[name]
    said = piped(app, text, "token", "check", "--stdin")
    assert said.code == code
    assert words in said.err
    assert said.err.count("\n") >= 2
    assert OTHER not in said.said


def test_a_closed_standard_input_holds_no_token(app: App) -> None:
    assert app.agent("token", "check", "--stdin").code == 77


def test_on_a_terminal_the_token_is_asked_for_and_not_shown(app: App) -> None:
    code, shown = typed(app, "is not shown", f"{TOKEN}\n", "token", "check", UPSUN_CLI_TOKEN=None)
    assert code == 0
    assert "The API token is valid." in shown
    assert "the prompt" in shown
    assert TOKEN not in shown


@pytest.mark.parametrize("keys", ["\n", "\x04"])
def test_nothing_typed_is_no_token(app: App, keys: str) -> None:
    code, shown = typed(app, "is not shown", keys, "token", "check", UPSUN_CLI_TOKEN=None)
    assert code == 77
    assert "no token was given" in shown


@pytest.mark.parametrize(("days", "warned"), [(179, False), (181, True)])
def test_an_old_token_is_to_be_rotated(make_app: Callable[..., App], days: int, warned: bool) -> None:  # noqa: FBT001
    app = make_app(token_age_seconds=days * 86400, other_role=None)
    said = app.call("token", "check")
    assert said.code == 0
    assert ("days old" in said.out) is warned
    assert ("setup token --rotate" in said.out) is warned


def test_the_job_file_says_what_is_old(make_app: Callable[..., App]) -> None:
    app = make_app(token_age_seconds=20 * 86400, other_role=None)
    text = app.jobs.read_text()
    app.jobs.write_text(f'[agent]\nmax-token-age = "10d"\n{text}')
    assert "'Agent' is 20 days old (max-token-age is 10)" in app.call("token", "check").out


def test_of_several_tokens_the_one_that_was_used_just_now_counts(make_app: Callable[..., App]) -> None:
    app = make_app(token_age_seconds=300 * 86400, other_role=None)
    app.simulator.add_token(OTHER, name="young", age=86400)
    assert app.call("token", "check").code == 0
    app.clock.advance(60)
    said = app.call("token", "check", UPSUN_CLI_TOKEN=OTHER)
    assert "'young'" in said.out
    assert "days old" not in said.out
    app.clock.advance(60)
    assert "'Agent' is 300 days old" in app.call("token", "check").out


def test_a_token_from_before_the_second_factor_is_to_be_made_again(make_app: Callable[..., App]) -> None:
    app = make_app(mfa_enabled=True, other_role=None)
    said = app.call("token", "check")
    assert "with a second factor" in said.out
    assert "created before its user had a second factor" in said.out
    app.simulator.change(token_mfa=True)
    assert "created before" not in app.call("token", "check").out


@pytest.mark.parametrize("refusal", ["step-up", "forbidden"])
def test_where_a_second_factor_is_enforced_the_token_is_valid_and_of_no_use(
    make_app: Callable[..., App], refusal: str
) -> None:
    said = make_app(mfa_required=True, mfa_refusal=refusal).call("token", "check")
    assert said.code == 0
    assert "requires a second factor" in said.out
    assert "enable two-factor authentication for the token's user, then create a new API token" in said.out


def test_roles_that_do_not_do_are_named_with_the_command_that_grants_them(app: App) -> None:
    app.simulator.set_permissions(["viewer", "development:contributor"])
    said = app.call("token", "check")
    assert said.code == 0
    assert "production:admin is missing" in said.out
    grant = "setup machine-user update-bot@example.invalid --role viewer --role development:contributor"
    assert f"{grant} --role production:admin" in said.out


@pytest.mark.parametrize("roles", [["admin"], ["viewer", "production:admin", "staging:admin"]])
def test_roles_that_do_too_much_are_named(app: App, roles: list[str]) -> None:
    app.simulator.set_permissions(roles)
    assert "the user may do more than the jobs need" in app.call("token", "check").out


def test_a_user_without_access_has_a_valid_token_and_is_told_so(app: App) -> None:
    app.simulator.set_permissions([])
    said = app.call("token", "check")
    assert said.code == 0
    assert "has no access to the project" in said.out
    assert app.call("token", "check", "--json").document["roles"] is None


def test_without_a_project_there_are_no_roles_to_speak_of(app: App) -> None:
    found = app.call("token", "check", "--json", PLATFORM_PROJECT=None, PLATFORM_BRANCH=None).document
    assert (found["valid"], found["project"], found["roles"], found["warnings"]) == (True, None, None, [])


def test_without_a_job_file_the_official_variable_holds(app: App) -> None:
    app.jobs.unlink()
    assert app.call("token", "check").code == 0


def test_a_list_of_tokens_that_may_not_be_read_is_no_reason_to_fail(app: App) -> None:
    app.simulator.add_fault("GET */api-tokens 403 x*")
    said = app.call("token", "check")
    assert said.code == 0
    assert "the token's age cannot be read" in said.out
    assert app.call("token", "list").code == 77


@pytest.mark.parametrize(("fault", "code"), [("503 x*", 69), ("cut-before x*", 69), ("html x*", 65)])
def test_a_service_that_does_not_answer_is_no_bad_token(app: App, fault: str, code: int) -> None:
    app.simulator.add_fault(f"POST /oauth2/token {fault}")
    assert app.call("token", "check").code == code


def test_the_list_has_names_ages_and_no_values(app: App) -> None:
    app.simulator.add_token(OTHER, name="spare", age=3 * 86400)
    said = app.call("token", "list")
    assert said.code == 0
    head, *rows = said.out.splitlines()
    assert head.split("  ")[0] == "NAME"
    assert any(row.startswith("Agent") and "30 d ago" in row for row in rows)
    assert any(row.startswith("spare") and "3 d ago" in row and "never" in row for row in rows)
    assert OTHER not in said.said
    listed = app.call("token", "list", "--json").document["tokens"]
    assert [each["name"] for each in listed] == ["Agent", "spare"]
    assert listed[1]["last_used_at"] is None


@pytest.mark.parametrize("form", ['"{}"', "'{}'", "`{}`", '"{}', "{}'"])
def test_a_token_in_quotes_is_named_before_it_is_sent_anywhere(app: App, form: str) -> None:
    value = form.format(TOKEN)
    for arguments in (("token", "check"), ("check",), ("run", "hand")):
        said = app.call(*arguments, UPSUN_CLI_TOKEN=value)
        assert said.code == 77
        assert "UPSUN_CLI_TOKEN holds the token in quotes" in said.said
        assert arguments == ("run", "hand") or "without quotes, and not marked as JSON" in said.said
    said = piped(app, value.strip(), "setup", "token", "--yes", UPSUN_CLI_TOKEN=None)
    assert (said.code, "standard input holds the token in quotes" in said.err) == (77, True)
    assert app.simulator.requests == []
