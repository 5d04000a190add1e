"""The API token and every bearer stay where they are: in no output, no file, no argument list (promise P5)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.harness.agent_process import Result
from tests.harness.cli_app import App

# With characters that encodings change, so that an encoded form would differ.
CANARY = "canary+token/with=odd&characters"
FORMS = (CANARY, quote(CANARY, safe=""), base64.b64encode(CANARY.encode()).decode(), "eyJ")

FAULTS = {
    "nothing": (),
    "an unauthorised bearer": ("GET */environments/main expired-bearer x*",),
    "a failed exchange": ("POST /oauth2/token 500 x*",),
    "an exchange of nonsense": ('POST /oauth2/token json body={"access_token": 7}',),
    "a service that repeats the form": (
        f'POST /oauth2/token json x* status=400 body={{"error_description": "{CANARY}"}}',
    ),
    "a broken connection": ("POST */backup reset-after",),
    "a refusal": ("POST */backup 403",),
    "a page": ("* * html x*",),
}


def clean(app: App, said: Result) -> None:
    for form in FORMS:
        assert form not in said.said
        for file in app.directory.rglob("*"):
            if file.is_file():
                assert form.encode() not in file.read_bytes(), f"{file} holds {form}"


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_goes_wrong_no_secret_is_told_or_kept(app: App, fault: str) -> None:
    app.simulator.add_token(CANARY)
    for text in FAULTS[fault]:
        app.simulator.add_fault(text)
    app.make_due()
    for arguments in (("tick", "--log-level", "debug"), ("run", "hand"), ("show", "nightly", "--json"), ("check",)):
        clean(app, app.call(*arguments, UPSUN_CLI_TOKEN=CANARY))


def test_no_secret_is_in_an_argument_list_or_an_output_of_a_real_process(make_app: Callable[..., App]) -> None:
    app = make_app()
    app.simulator.add_token(CANARY)
    app.simulator.add_fault("POST */backup delay seconds=3")
    process = app.agent.start("run", "hand", UPSUN_CLI_TOKEN=CANARY)
    while not any(each.path.endswith("/backup") for each in app.simulator.requests):
        assert process.poll() is None
    arguments = [each for each in map(command_line, Path("/proc").glob("[0-9]*/cmdline")) if each]
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert any(b"agent\0run\0hand" in each for each in arguments)
    for form in FORMS:
        assert not any(form.encode() in each for each in arguments)
    clean(app, Result(process.returncode, out, err))


def command_line(file: Path) -> bytes:
    """The arguments of a process; nothing where it is gone."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def test_a_token_from_another_variable_is_as_secret(app: App) -> None:
    app.simulator.add_token(CANARY)
    text = app.jobs.read_text()
    app.jobs.write_text(f'[agent]\ntoken-variable = "MY_TOKEN"\n{text}')
    said = app.call("run", "hand", UPSUN_CLI_TOKEN=None, MY_TOKEN=CANARY)
    assert said.code == 0
    clean(app, said)
    assert "MY_TOKEN is not set" in app.call("run", "nightly", UPSUN_CLI_TOKEN=None).out


@pytest.mark.parametrize(
    "arguments",
    [("show", f"x-{CANARY}"), ("run", "ghp_canary0123456789012345678901234567"), ("logs", "token=canary0123456789")],
    ids=["the token", "a token of GitHub", "a name that says so"],
)
def test_a_secret_in_the_place_of_a_name_is_in_no_message(app: App, arguments: tuple[str, ...]) -> None:
    app.make_due()
    said = app.call(*arguments, UPSUN_CLI_TOKEN=CANARY)
    assert said.code == 78
    assert "[hidden]" in said.err
    assert "canary0123456789" not in said.said
    clean(app, said)
