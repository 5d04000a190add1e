"""Keep the variables of the machine that runs the tests away from the agent."""

from __future__ import annotations

import os

import pytest

FOREIGN = (
    "PLATFORM_",
    "UPSUN_",
    "SSH_",
    "XDG_",
    "GIT_",
    "SSL_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "COLUMNS",
    "NO_COLOR",
    "PYTHONIOENCODING",
)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delete every variable that could change what the agent does."""
    for name in list(os.environ):
        if name.upper().startswith(FOREIGN):
            monkeypatch.delenv(name)
