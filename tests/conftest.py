"""For every test: nothing that it writes, prints or starts holds a secret; see ``tests/harness/canaries.py``."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests import thinning
from tests.harness import canaries
from tests.harness.search_path import without_shims
from tests.harness.sources import SOURCES

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("upsun-agent", deadline=None)
settings.load_profile("upsun-agent")

_module: list[object] = [None]


@pytest.hookimpl(trylast=True)
def pytest_sessionstart() -> None:
    os.environ["PYTHONPATH"] = SOURCES  # processes that a test starts import this tree, whatever is installed
    os.environ["PATH"] = without_shims(os.environ["PATH"])
    canaries.listen()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what ``make soak`` runs, and put the files that take longest first; see ``tests/thinning.py``."""
    items.sort(key=lambda item: thinning.rank(item.nodeid))
    if thinning.runs_all():
        return
    seen: set[str] = set()
    left = [item for item in items if thinning.is_left(item.nodeid, seen)]
    if left:
        config.hook.pytest_deselected(items=left)
        gone = set(left)
        items[:] = [item for item in items if item not in gone]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    module = item.path
    canaries.begin(new_module=module != _module[0])
    _module[0] = module


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Files are searched before fixtures take them away; what is found fails the test."""
    canaries.search_files(canaries.places(item))
    try:
        yield
    finally:
        for _, where, text in item._report_sections:
            canaries.search(text, {"stdout": "output", "stderr": "error output"}.get(where, where))
        found = canaries.leaks(item)
        if found:
            pytest.fail("a secret got out: " + "; ".join(found), pytrace=False)
