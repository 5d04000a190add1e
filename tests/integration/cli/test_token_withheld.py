"""What a job's command and ``ssh exec`` start gets no variable that holds the API token, whatever it is called."""

from __future__ import annotations

import base64
import json
import os
import random
from urllib.parse import quote

import pytest
from upsun_agent.runtime.child_environment import withheld

from tests.harness.cli_app import App

CANARY = "canary+token/with=odd&characters"
OTHER = "canary-of-another-token-0123456789"


def coded(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.b64encode(text.encode()).decode()


def holding() -> dict[str, str]:
    """Variables that hold the token, each in a way of its own."""
    return {
        "ITSELF": CANARY,
        "WITH_SPACE": f"  {CANARY}\n",
        "IN_A_URL": f"https://user:{quote(CANARY, safe='')}@example.com/",
        "IN_JSON": json.dumps({"a": [CANARY]}),
        "IN_QUOTES": f"'{CANARY}'",
        "PLATFORM_VARIABLES": coded({"my-token": CANARY}),
        "OF_BASE64": coded(CANARY),
        "OF_BASE64_SHIFTED": coded(f"x{CANARY}y"),
        "OF_BASE64_SHIFTED_TWICE": coded(f"xy{CANARY}"),
        "FOLDED": base64.encodebytes(json.dumps({"filler": "f" * 99, "token": CANARY}).encode()).decode(),
        "FOR_URLS": base64.urlsafe_b64encode(f"??>>{CANARY}".encode()).decode().rstrip("="),
        "TWICE": coded({"inner": coded({"token": CANARY})}),
        "TWICE_BARE": coded(coded(CANARY)),
        "THRICE": coded(coded({"a": coded(f"x{CANARY}")})),
        "BASIC": f"Authorization: Basic {coded(f'user:{CANARY}')}",
        "HEX": CANARY.encode().hex(),
        "ESCAPED": json.dumps(CANARY).replace("/", "\\/").replace("+", "\\u002b"),
        "BASH_FUNC_mine%%": f"() {{ curl -H 'X: {CANARY}'; }}",
        "UPSUN_API_TOKEN": OTHER,
        "COPY_OF_THE_OTHER": f"x{OTHER}",
    }


INNOCENT = {
    "PLATFORM_RELATIONSHIPS": coded({"database": [{"password": "canary", "host": "h"}]}),
    "DATABASE_URL": "postgres://main:canary@h/main",
    "JWT_PUBLIC": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln",
    "SHORT": "canary+token",
    "EMPTY": "",
    "BLOB": base64.b64encode(random.Random(5).randbytes(60_000)).decode(),
}


def test_every_variable_that_holds_the_token_is_left_out_and_no_other() -> None:
    environ = {**INNOCENT, **holding(), "MY_TOKEN": CANARY}
    assert set(withheld(environ, "MY_TOKEN")) == {*holding(), "MY_TOKEN"}
    kept = withheld(environ, "MY_TOKEN", ("MY_TOKEN", "HEX", "NOT_THERE"))
    assert set(kept) == {*holding(), "MY_TOKEN"} - {"MY_TOKEN", "HEX"}


@pytest.mark.parametrize("token", ["é" * 20, "caf\udce9" * 5, "\udcff\udcfe" * 9, "日本語のトークン"], ids=ascii)
def test_a_token_of_any_bytes_is_found(token: str) -> None:
    raw = os.fsencode(token)
    environ = {
        "UPSUN_CLI_TOKEN": token,
        "LONGER": f"a{token}b",
        "CODED": base64.b64encode(b"x" + raw).decode(),
        "PATH": "/usr/bin",
    }
    assert set(withheld(environ, "UPSUN_CLI_TOKEN")) == {"UPSUN_CLI_TOKEN", "LONGER", "CODED"}


@pytest.mark.parametrize("token", ["", " ", "a", "1", "main"])
def test_a_short_value_takes_no_variable_away_that_only_holds_its_letters(token: str) -> None:
    environ = {"UPSUN_CLI_TOKEN": token, "PATH": "/usr/bin/main", "ONE": "a1", "SAME": token}
    found = set(withheld(environ, "UPSUN_CLI_TOKEN"))
    assert found == ({"UPSUN_CLI_TOKEN", "SAME"} if token.strip() else {"UPSUN_CLI_TOKEN"})


@pytest.mark.holds_secret(
    "file */seen*", reason="the command writes its variables down, and asked for one with the token"
)
def test_a_command_of_a_job_gets_none_but_those_that_it_asks_for(app: App) -> None:
    app.simulator.add_token(CANARY)
    for name, more in (("plain", ""), ("asking", ', keep-variables = ["IN_JSON", "ABSENT"]')):
        seen = app.directory / f"seen-{name}"
        app.write_jobs(f'[jobs.{name}]\n[[jobs.{name}.steps]]\ncommand = {{ shell = "env -0 >{seen}"{more} }}\n')
        given = {**holding(), "SAFE": "yes", "UPSUN_CLI_TOKEN": CANARY}
        assert app.call("run", name, **given).code == 0
        names = {each.partition("=")[0] for each in seen.read_text().split("\0")}
        assert "SAFE" in names
        assert "UPSUN_AGENT_RUN" in names
        assert names & {*holding(), "UPSUN_CLI_TOKEN"} == ({"IN_JSON"} if more else set())


def test_a_name_to_keep_must_be_one_of_a_variable(app: App) -> None:
    app.write_jobs('[jobs.a]\n[[jobs.a.steps]]\ncommand = { run = ["true"], keep-variables = ["A B"] }\n')
    said = app.call("validate")
    assert said.code == 78
    assert "keep-variables item 1: must be the name of a variable" in said.err
