"""A token that is a word of the agent's own, or not text, ends well: no bug, and what is JSON stays JSON."""

from __future__ import annotations

import json

import pytest

from tests.harness.cli_app import App

COMMANDS = (
    ("tick",),
    ("run", "hand"),
    ("status",),
    ("status", "--json"),
    ("history", "--json"),
    ("show", "nightly", "--json"),
    ("why", "nightly", "--json"),
    ("next", "--json"),
    ("check", "--json"),
    ("token", "check", "--json"),
    ("token", "list", "--json"),
    ("logs", "nightly"),
    ("logs", "hand", "--json"),
    ("ssh", "env"),
    ("ssh", "load", "--json"),
    ("report",),
    ("pause", "nightly"),
    ("resume", "nightly"),
)
WORDS = (
    "warning",
    "critical",
    "production",
    "message",
    "nightly",
    "run-opened",
    "succeeded",
    "environment",
    "backup",
    "source-operation",
    "exit_code",
    "UPSUN_CLI_TOKEN",
    "no-token\udcff\udcfe-of-bytes",
    "caf\udce9\udce9\udce9\udce9",
    "日本語のトークン",
    "two\nlines-of-a-token",
    "\x1b[31mred-token",
)


@pytest.mark.holds_secret("*", reason="the token is a word that stands in file names, keys and the job file")
@pytest.mark.parametrize("token", WORDS, ids=ascii)
@pytest.mark.parametrize("file", ["false", "true"])
def test_a_token_that_is_a_word_of_ours_or_no_text_ends_well(app: App, token: str, file: str) -> None:
    app.write_jobs(f"[agent]\nlog-file = {file}\n[[jobs.hand.steps]]\ncommand = {{ run = ['true'] }}\n")
    if token.isascii() and token.isprintable():
        app.simulator.add_token(token)
    app.simulator.add_fault("POST */backup 503 x9")  # so that there is something to warn of
    app.make_due()
    for arguments in COMMANDS:
        said = app.call(*arguments, UPSUN_CLI_TOKEN=token)
        assert said.code != 70, (arguments, said.said)
        if "--json" in arguments and said.out and arguments[0] != "logs":
            json.loads(said.out)
    assert (app.state / "last-tick").exists()
