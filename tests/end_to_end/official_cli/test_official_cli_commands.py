"""Every command of the unmodified official CLI that acts on what the simulator has succeeds against it."""

from __future__ import annotations

import shlex

import pytest

from tests.harness.official_changes import CHANGING
from tests.harness.official_cli import OWNER_TOKEN, Cli
from tests.harness.official_elsewhere import ELSEWHERE
from tests.harness.official_reads import READING

pytestmark = [
    pytest.mark.official_cli,
    pytest.mark.holds_secret("file */.upsun-cli/*", reason="the official CLI keeps its session there"),
]


ROWS = {**READING, **CHANGING}
LEAST = 73


@pytest.mark.parametrize("name", ROWS)
def test_it_succeeds_shows_what_there_is_and_leaves_what_was_asked_for(cli: Cli, name: str) -> None:
    row = ROWS[name]
    names = {"default": "{default}", **row.arrange(cli)}
    environment = {**({"UPSUN_CLI_TOKEN": OWNER_TOKEN} if row.owner else {}), **dict(row.environment)}
    words = [word.format(**names) for word in shlex.split(row.words)]
    done = cli(*words, stdin=row.stdin, **environment)
    shown = done.out + done.err
    assert done.code == 0, shown
    for text in row.shows:
        assert text.format(**names) in shown, shown
    assert row.left(cli, names), shown


def test_every_command_that_it_lists_is_tried_or_has_a_reason_not_to_be(cli: Cli) -> None:
    listed = {line.split()[0] for line in cli("list", "--raw").out.splitlines() if line.strip()}
    tried = {name.split()[0] for name in ROWS}
    assert sorted(listed - tried - set(ELSEWHERE)) == []
    assert sorted(set(ELSEWHERE) & tried) == []
    assert len(tried) >= LEAST
