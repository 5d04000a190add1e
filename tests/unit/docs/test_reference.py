"""Generated pages and completion scripts equal what the code says now."""

from __future__ import annotations

import subprocess
import sys

import pytest
from upsun_agent.cli.completion import DIRECTORY

from tools.completions import scripts
from tools.reference import DOCS, exit_codes, pages


@pytest.mark.parametrize("name", sorted(pages()))
def test_the_checked_in_page_equals_what_the_code_says(name: str) -> None:
    if name == "commands.md" and sys.version_info[:2] != (3, 11):
        pytest.skip("argparse lays help out differently in other versions; 3.11 generates the page")
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], "run: make docs"


@pytest.mark.parametrize("name", sorted(scripts()))
def test_the_checked_in_completion_script_equals_what_the_code_says(name: str) -> None:
    assert (DIRECTORY / name).read_text(encoding="utf-8") == scripts()[name], "run: make docs"


def test_every_error_of_every_module_is_in_the_page() -> None:
    code = (
        "import importlib, pkgutil, upsun_agent, upsun_setup, upsun_simulator\n"
        "from tools.reference import exit_codes\n"
        "page = exit_codes()\n"
        "for package in (upsun_agent, upsun_setup, upsun_simulator):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if not module.name.endswith('__main__'):\n"
        "            importlib.import_module(module.name)\n"
        "assert exit_codes() == page, 'a module of errors is missing in tools.reference.LATE'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=DOCS.parents[1], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_page_of_exit_codes_has_a_row_for_every_code() -> None:
    rows = {line.split("|")[1].strip() for line in exit_codes().splitlines() if line.startswith("| ")}
    assert {"0", "1", "64", "65", "69", "70", "73", "75", "77", "78", "130", "143"} <= rows
