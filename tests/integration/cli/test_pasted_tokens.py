"""A token that was pasted where none belongs is neither repeated nor kept."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from upsun_agent.cli.pasted_tokens import tokens_of

from tests.harness.cli_app import App

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
TOKENS = {
    "as the platform makes them": "".join(secrets.choice(LETTERS + "-_") for _ in range(31)) + "aB3dE5gH7jK9",
    "hexadecimal": secrets.token_hex(20),
    "short": "q7" + secrets.token_hex(8),
    "base64": "Zm9v" + secrets.token_hex(12) + "+/Q==",
    "with a dash before it": "-" + secrets.token_hex(16),
    "upper case": "T0K3N" + secrets.token_hex(16).upper(),
    "like a name of ours": "canary-api-token-" + str(10**10 + secrets.randbelow(10**10)),
}
PLACES = (
    ("setup", "token", "TOKEN"),
    ("setup", "token", "--rotate", "TOKEN", "more"),
    ("setup", "token", "--stdin=TOKEN"),
    ("setup", "token", "--token", "TOKEN"),
    ("setup", "token", "--token=TOKEN"),
    ("setup", "token", "--sensitive", "TOKEN"),
    ("setup", "token", "--sensitive=TOKEN"),
    ("setup", "machine-user", "TOKEN"),
    ("setup", "machine-user", "a@example.com", "--role", "TOKEN"),
    ("setup", "machine-user", "a@example.com", "--role", "production:TOKEN"),
    ("setup", "TOKEN"),
    ("token", "check", "TOKEN"),
    ("token", "TOKEN"),
    ("TOKEN",),
    ("--token=TOKEN", "tick"),
    ("tick", "TOKEN"),
    ("tick", "--log-level", "TOKEN"),
    ("ssh", "load", "TOKEN"),
    ("ssh", "exec", "--", "TOKEN"),
    ("run", "TOKEN"),
    ("run", "hand", "--within", "TOKEN"),
    ("show", "TOKEN"),
    ("why", "TOKEN"),
    ("why", "hand", "TOKEN"),
    ("logs", "TOKEN"),
    ("history", "--since", "TOKEN"),
    ("history", "--limit", "TOKEN"),
    ("next", "--count", "TOKEN"),
    ("approve", "TOKEN"),
    ("cancel", "TOKEN", "--activity"),
    ("pause", "TOKEN"),
    ("validate", "TOKEN"),
    ("status", "--config", "TOKEN"),
    ("token", "list", "--api-url", "TOKEN"),
    ("check", "--api-url", "https://user:TOKEN@example.com"),
    ("check", "--phase", "TOKEN"),
    ("notify", "test", "TOKEN"),
    ("state", "move", "--to", "TOKEN"),
    ("report", "--days", "TOKEN"),
    ("completion", "TOKEN"),
    ("rehearse", "hand", "--fault", "TOKEN"),
    ("rehearse", "hand", "--seed", "TOKEN"),
    ("simulate", "--set", "TOKEN"),
    ("simulate", "--set", "token-=TOKEN"),
    ("simulate", "--port", "TOKEN"),
    ("init", "--app", "TOKEN"),
    ("init", "--dir", "TOKEN"),
)


def held(directory: Path, token: str) -> list[Path]:
    """The files below a directory that hold the token, or a good part of it, or are named by it."""
    part = token[:16]
    files = [path for path in directory.rglob("*") if part in path.name]
    return files + [path for path in directory.rglob("*") if path.is_file() and part.encode() in path.read_bytes()]


@pytest.mark.parametrize("kind", TOKENS)
def test_no_command_repeats_or_keeps_a_token_that_was_pasted_as_an_argument(app: App, kind: str) -> None:
    token = TOKENS[kind]
    wrong = []
    for words in PLACES:
        arguments = tuple(word.replace("TOKEN", token) for word in words)
        for more in ((), ("--json",)):
            given = (*more, *arguments) if words[0] in {"ssh", "TOKEN", "--token=TOKEN"} else (*arguments, *more)
            said = app.call(*given)
            if said.code in {0, 70} or token[:16] in said.said or held(app.directory, token):
                wrong.append((words, said.code, said.said))
    assert wrong == []


@pytest.mark.parametrize("kind", ["as the platform makes them", "hexadecimal", "upper case"])
def test_a_token_in_the_place_of_its_variable_s_name_is_neither_repeated_nor_kept(app: App, kind: str) -> None:
    token = "t" + TOKENS[kind].replace("-", "x")
    text = app.jobs.read_text()
    app.make_due()
    app.jobs.write_text(f'[agent]\ntoken-variable = "{token}"\n{text}')
    for arguments in (
        ("tick",),
        ("run", "hand"),
        ("check",),
        ("token", "check"),
        ("ssh", "env"),
        ("validate", "--json"),
    ):
        said = app.call(*arguments)
        assert said.code == 78 or arguments[0] in {"token", "ssh"}  # which need no job file
        assert token[:16] not in said.said
    assert held(app.directory, token) == [app.jobs]


@pytest.mark.parametrize("option", ["--reason", "--by"])
def test_a_text_that_is_kept_and_holds_a_token_is_refused(app: App, option: str) -> None:
    token = "x9" + TOKENS["as the platform makes them"]
    command = ("pause", "nightly") if option == "--reason" else ("cancel", "nightly")
    said = app.call(*command, option, f"as {token} says")
    assert said.code == 64
    assert "looks like an API token" in said.err
    assert token not in said.said
    assert held(app.directory, token) == []


@pytest.mark.parametrize(
    "word",
    [
        "nightly@2026-03-10T03:00",
        "hand@manual-20260310T020000Z-ab12",
        "feature-123-upgrade-to-symfony-7",
        "/app/.upsun/agent.toml",
        "https://api.upsun.com",
        "abcdefgh1234z",
        "deploy-bot@example.com",
        "2026-11-24T03:12:59.123456+00:00",
        "relationship:database",
    ],
)
def test_names_that_people_give_are_repeated(word: str) -> None:
    assert tokens_of([word]) == []


def test_an_argument_that_is_a_word_is_repeated(app: App) -> None:
    assert "there is no run or job 'nigthly'" in app.call("show", "nigthly").err
    assert "unrecognized arguments: extra" in app.call("tick", "extra").err
    assert "did you mean '--json'" in app.call("tick", "--jsno=x").err
