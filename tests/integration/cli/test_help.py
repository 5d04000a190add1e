"""Help that helps, and usage errors that say what was wrong."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

import pytest
from upsun_agent import __version__
from upsun_agent.cli.cron import OPTIONS
from upsun_agent.cli.main import build, commands

from tests.harness.cli_app import App

COMMON = {"--json", "--config", "--project", "--environment", "--api-url", "--auth-url", "--log-level"}


def words_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Everything that a person can write behind the command."""
    for action in parser._actions:
        yield from action.option_strings or [str(action.metavar)]
        assert action.help, f"{action.dest} is not explained"


def test_the_list_of_commands_is_in_the_help(app: App) -> None:
    shown = app.agent("--help")
    assert shown.code == 0
    assert shown.err == ""
    listed = [line.split()[0] for line in shown.out.splitlines() if re.match(r"    \w", line)]
    assert sorted(listed) == sorted({name.split()[0] for name in commands()}), "each once"
    assert "75 busy" in shown.out


@pytest.mark.parametrize("command", commands())
def test_the_help_of_a_command_mentions_every_option(app: App, command: str) -> None:
    shown = app.call(*command.split(), "--help")
    assert shown.code == 0
    assert shown.err == ""
    for word in words_of(commands()[command]):
        assert word in shown.out
    assert len(shown.out.splitlines()) > 12
    usage, _, rest = shown.out.partition("\n\n")
    assert "--log-level" not in usage, "what every command takes is in no usage line"
    own = [action.option_strings[0] for action in commands()[command]._actions if action.option_strings]
    common = rest.index("common options of every command:")
    for option in own[1:]:
        place = re.search(rf"^  {option}\b", rest[common:], re.MULTILINE)
        assert (place is not None) is (option in COMMON), f"{option} is in its place"


@pytest.mark.parametrize("arguments", [(), ("help",), ("--help",), ("-h",)])
def test_who_asks_for_nothing_gets_help(app: App, arguments: tuple[str, ...]) -> None:
    said = app.call(*arguments)
    assert (said.code, said.err) == (0, "")
    assert "run jobs:" in said.out
    assert "set up and check:" in said.out


def test_help_and_version_are_words_too(app: App) -> None:
    assert app.call("help", "run").out == app.call("run", "--help").out
    assert app.call("help", "setup", "token").out == app.call("setup", "token", "--help").out
    assert app.call("version").out == app.call("--version").out == f"upsun-agent {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["staus"], "'status'"),
        (["Status"], "'status'"),
        (["logs-run"], "'logs'"),
        (["setup", "tokn"], "'token'"),
        (["setup", "machineuser", "a@example.com"], "'machine-user'"),
        (["notify", "lst"], "'list'"),
        (["run", "hand", "--wiat"], "'--wait'"),
        (["setup", "token", "--dryrun"], "'--dry-run'"),
        (["setup", "token", "--rotat=true"], "'--rotate'"),
        (["help", "staus"], "'status'"),
    ],
)
def test_what_may_be_meant_is_said(app: App, arguments: list[str], meant: str) -> None:
    said = app.call(*arguments)
    assert said.code == 64
    assert f"did you mean {meant}?" in said.err
    assert len(said.err.splitlines()) <= 3, "the whole list is left out where one is near"


@pytest.mark.parametrize(
    "arguments",
    [["history", "--job", "hand"], ["report", "--output", "x"], ["setup", "token", "--email", "x"], ["status", "-x"]],
)
def test_an_option_that_another_command_has_is_not_offered(app: App, arguments: list[str]) -> None:
    said = app.call(*arguments)
    assert said.code == 64
    assert "did you mean" not in said.err
    words = " ".join(word for word in arguments[:2] if word.isalpha())
    assert f"see: upsun-agent {words} --help" in said.err


def test_where_nothing_is_near_the_commands_are_listed(app: App) -> None:
    said = app.call("xyzzy").err
    assert "did you mean" not in said
    assert "the commands are: tick, run, " in said


def test_the_version_is_said(app: App) -> None:
    assert app.agent("--version").out == f"upsun-agent {__version__}\n"


WRONG = {
    "an unknown command": ["fly"],
    "a command that is almost one": ["staus"],
    "a command that is almost one of a family": ["setup", "tokn"],
    "help for a command that is none": ["help", "fly"],
    "an unknown option": ["tick", "--hurry"],
    "an argument too many": ["tick", "nightly"],
    "a missing argument": ["run"],
    "an option without its value": ["status", "--config"],
    "a value that is none": ["next", "--count", "many"],
    "a value out of bounds": ["next", "--count", "0"],
    "a value beyond all bounds": ["next", "--count", "9" * 5000],
    "a word that is none of the choices": ["tick", "--log-level", "loud"],
    "an option before the command": ["--config", "agent.toml", "tick"],
    "a port that is none": ["simulate", "--port", "http"],
    "an unknown behaviour": ["simulate", "--set", "colour=red"],
    "a fault that is none": ["simulate", "--fault", "everything"],
    "a mishap that is none": ["rehearse", "hand", "--fault", "volcano"],
    "a job without slots": ["why", "hand"],
    "a time that is none": ["why", "nightly", "soon"],
}


@pytest.mark.parametrize("what", WRONG)
def test_a_call_that_does_not_fit_is_a_usage_error_in_words_and_in_json(app: App, what: str) -> None:
    said = app.call(*WRONG[what])
    assert said.code == 64
    assert said.out == ""
    assert said.err.startswith("upsun-agent: ")
    assert len(said.err) < 2000
    document = app.call(*WRONG[what], "--json").document
    assert document["error"]["exit_code"] == 64
    assert document["error"]["message"]


def test_a_usage_error_of_a_real_process_is_64(app: App) -> None:
    said = app.agent("tick", "--hurry")
    assert said.code == 64
    assert "--hurry" in said.err
    assert "--help" in said.err


def test_a_tick_of_a_cron_knows_every_common_option() -> None:
    """It reads no command line, so what the options are without one stands there by hand."""
    options = build().parse_args(["tick"])
    common = {name: value for name, value in vars(options).items() if name not in {"command", "run"}}
    assert vars(OPTIONS) == common
