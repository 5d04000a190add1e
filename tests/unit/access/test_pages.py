"""The hand-written pages about tokens and security: every command on them is one, every link leads somewhere."""

from __future__ import annotations

import re
import shlex

import pytest
from upsun_agent.access.setup_plan import FLAGS
from upsun_agent.cli.main import build

from tests.harness.sources import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = ("how-to/tokens.md", "concepts/security.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_one(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", (DOCS / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    for line in re.findall(r"`(upsun-agent [^`\n]+)`", text):  # blocks are tests/end_to_end/docs/test_blocks.py's
        assert build().parse_args(shlex.split(line)[1:]).run


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_page(page: str) -> None:
    for name in re.findall(r"\]\(([^)#:]+)[)#]", (DOCS / page).read_text()):
        assert ((DOCS / page).parent / name).is_file(), name


def test_the_defaults_on_the_page_are_the_commands() -> None:
    text = (DOCS / "how-to" / "tokens.md").read_text()
    for option, (_, default, _) in FLAGS.items():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `--{option}` |")]
        assert row.split("|")[2].strip(" *") == str(default).lower()
