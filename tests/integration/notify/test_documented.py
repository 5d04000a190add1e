"""The how-to pages on notifications and logs: their job files parse, their commands exist, their snippet verifies."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from upsun_agent import limits
from upsun_agent.cli.main import build
from upsun_agent.config import parse
from upsun_agent.config.notifications import DEFAULT_ON

from tests.harness.receivers import Receiver
from tests.harness.sources import REPOSITORY
from tests.harness.stage import SLOT, Stage
from tools.reference import OTHER_LINES

DOCS = REPOSITORY / "docs" / "how-to"
NOTIFICATIONS, LOGS = ((DOCS / name).read_text(encoding="utf-8") for name in ("notifications.md", "logs.md"))
SECRETS = ("canary-webhook-secret-0123456789", "whsec_Y2FuYXJ5LXNlY3JldC0wMTIzNDU2Nzg5")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_the_job_files_are_valid() -> None:
    found = [parse(text) for page in (NOTIFICATIONS, LOGS) for text in blocks(page, "toml")]
    assert found[0].notify is not None
    assert set(found[0].notify.channels) == {"chat", "checks", "hook", "mail"}
    assert found[1].log_file is True


def test_the_commands_exist() -> None:
    lines = [line for page in (NOTIFICATIONS, LOGS) for text in blocks(page, "sh") for line in text.splitlines()]
    ours = [shlex.split(line)[1:] for line in lines if line.startswith("upsun-agent ")]
    assert len(ours) >= 6
    for arguments in ours:
        build().parse_args(arguments)


def verifier() -> Callable[..., bool]:
    """The function of the page."""
    (text,) = blocks(NOTIFICATIONS, "python")
    ast.parse(text)
    names: dict[str, Any] = {}
    exec(text, names)  # noqa: S102  the page's own snippet is what is tested
    function: Callable[..., bool] = names["is_ours"]
    return function


@pytest.mark.parametrize("secret", SECRETS)
def test_the_snippet_knows_our_messages_from_others(
    make: Callable[..., Stage], ear: Receiver, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    more = '[notify.hook]\nwebhook = { url-variable = "HOOK", secret-variable = "HOOK_SECRET" }'
    environ = {"HOOK": f"{ear.url}/canary-hook-path", "HOOK_SECRET": secret}
    stage = make(f'{more}\n[agent]\nnotify = {{ on = ["succeeded"] }}', environ=environ)
    stage.play()
    (request,) = ear.requests
    is_ours, headers = verifier(), request.headers
    monkeypatch.setattr("time.time", lambda: float(headers["webhook-timestamp"]) + 10)
    assert is_ours(secret, headers, request.body)
    assert not is_ours(secret, headers, request.body.replace(b"nightly", b"another"))
    assert not is_ours(secret, {**headers, "webhook-id": "another"}, request.body)
    assert not is_ours(f"{secret}QUJD", headers, request.body)
    assert not is_ours(secret, {**headers, "webhook-signature": ""}, request.body)
    monkeypatch.setattr("time.time", lambda: float(headers["webhook-timestamp"]) + 301)
    assert not is_ours(secret, headers, request.body), "an old message is played again"
    assert abs(float(headers["webhook-timestamp"]) - SLOT.timestamp()) < 3600
    fields = set(re.findall(r"`([a-z_]+)`", NOTIFICATIONS.partition("Its fields:")[2].partition(". With")[0]))
    assert fields == set(json.loads(request.body))


def test_the_figures_are_those_of_the_code() -> None:
    said = (
        f"a message has {limits.NOTICE_DEADLINE:.0f} seconds, all of a tick {limits.NOTICES_BUDGET:.0f}",
        f"{limits.NOTICE_ATTEMPTS} times or {limits.NOTICE_AGE / 86400:.0f} days",
        f"At most {limits.OUTBOX_MOST} wait",
    )
    folded = " ".join(NOTIFICATIONS.split())
    assert [each for each in said if each not in folded] == []
    assert f"At {limits.LOG_FILE_MOST_BYTES // 1024**2} MB it is renamed" in " ".join(LOGS.split())
    assert limits.LOG_FILES_KEPT == 3
    assert limits.ACTIVITY_LOG_MOST_BYTES == 1024**2
    assert f"a megabyte and {limits.ACTIVITY_LOG_DEADLINE:.0f} seconds" in LOGS
    assert "on " + ", ".join(f"`{each}`" for each in DEFAULT_ON[:3]) in folded


def test_every_line_that_telling_logs_is_documented() -> None:
    sources = [path.read_text() for path in (DOCS.parents[1] / "agent").glob("**/*.py")]
    named = {name for text in sources for name in re.findall(r'log\.(?:info|warning|error)\(\s*"([a-z-]+)"', text)}
    named |= {name for text in sources for name in re.findall(r'"event": "([a-z-]+)"', text)} - {"log-line-cut"}
    assert named == set(OTHER_LINES)
