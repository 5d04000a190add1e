"""The hand-written pages about tokens and security: every command on them is one, every link leads somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from agent.cli.main import build
from agent.plans import FLAGS

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGES = ("tokens.md", "security.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_one(page: str) -> None:
    text = (DOCS / page).read_text()
    blocks = "\n".join(re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    inline = [each for each in re.findall(r"`([^`\n]+)`", text) if each.startswith("upsun-agent ")]
    lines = [line[line.index("upsun-agent ") :] for line in blocks.splitlines() if "upsun-agent " in line] + inline
    for line in lines:
        assert build().parse_args(shlex.split(line)[1:]).run


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_page(page: str) -> None:
    for name in re.findall(r"\]\(([^)#]+)", (DOCS / page).read_text()):
        assert (DOCS / name).is_file(), name


def test_the_defaults_on_the_page_are_the_commands() -> None:
    text = (DOCS / "tokens.md").read_text()
    for option, (_, default, _) in FLAGS.items():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `--{option}` |")]
        assert row.split("|")[2].strip(" *") == str(default).lower()
