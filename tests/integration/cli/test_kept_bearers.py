"""``keep-bearers = true`` with every command a process of its own: what is kept, and who never believes it."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.agent_process import TOKEN
from tests.harness.cli_app import App
from tests.integration.cli.test_token import exchanges

OTHER = "another-canary-token-987"


@pytest.fixture
def keeping(make_app: Callable[..., App]) -> App:
    app = make_app(other_role=None)
    app.jobs.write_text(f"[agent]\nkeep-bearers = true\n{app.jobs.read_text()}")
    return app


def kept(app: App) -> Path:
    return app.directory / ".local" / "state" / "upsun-agent" / "bearers" / "bearer"


def test_the_next_process_exchanges_nothing_and_the_file_says_nothing(keeping: App) -> None:
    for _ in range(3):
        assert keeping.agent("token", "list").code == 0
    assert exchanges(keeping) == 1
    assert stat.S_IMODE(kept(keeping).stat().st_mode) == 0o600
    assert stat.S_IMODE(kept(keeping).parent.stat().st_mode) == 0o700
    for file in keeping.directory.rglob("*"):
        assert not file.is_file() or (TOKEN.encode() not in file.read_bytes() and b"eyJ" not in file.read_bytes())


@pytest.mark.holds_secret("file */piped", reason="what is piped into the command")
@pytest.mark.parametrize("command", ["token check", "token check --json", "token check --stdin", "check"])
def test_a_check_exchanges_the_token_every_time(keeping: App, tmp_path: Path, command: str) -> None:
    assert keeping.agent("token", "list").code == 0
    piped = tmp_path / "piped"
    piped.write_text(TOKEN)
    for number in (2, 3):
        with piped.open() as stdin:
            process = keeping.agent.start(*command.split(), stdin=stdin)
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, (out, err)
        assert exchanges(keeping) == number
    assert keeping.agent("token", "list").code == 0
    assert exchanges(keeping) == 3, "what a check was given is kept for others"


def test_a_revoked_token_is_refused_while_its_bearer_is_kept_and_lives(keeping: App) -> None:
    assert keeping.agent("token", "list").code == 0
    keeping.simulator.revoke_token()
    assert keeping.agent("token", "list").code == 0, "the platform lets bearers of a revoked token live"
    for command in (("token", "check"), ("check",)):
        said = keeping.agent(*command)
        assert said.code == 77
        assert "is not accepted" in said.said
    assert not kept(keeping).exists()
    assert keeping.agent("token", "list").code == 77, "nor does the next process use the old bearer"


def test_the_bearer_of_one_token_never_answers_for_another(keeping: App) -> None:
    assert keeping.agent("token", "list").code == 0
    said = keeping.agent("token", "check", UPSUN_CLI_TOKEN=OTHER)
    assert said.code == 77
    assert OTHER not in said.said


def test_where_nothing_can_be_kept_the_check_is_the_same(keeping: App) -> None:
    keeping.agent.variables["UPSUN_AGENT_BEARERS"] = "/proc/none"
    for number in (1, 2):
        assert keeping.agent("token", "check").code == 0
        assert exchanges(keeping) == number
