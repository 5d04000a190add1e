"""A job file as an earlier tick read it, kept beside the journal, so that a tick neither parses nor checks it again.

What is kept saves a tenth of a tick's work and is worth nothing else. It holds for one text and one installed agent.
It lies where others may be able to write, so it is authenticated as a whole with a key of the project (keys.py):
whatever is odd about it, the job file is parsed. Without the project's entropy nothing is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any

from upsun_agent import __version__
from upsun_agent.config import JobFile, built, find, settings_of, text_of
from upsun_agent.idle import state_setting
from upsun_agent.limits import KEPT_MOST_BYTES
from upsun_agent.platform import private_directory
from upsun_agent.platform.container import phase_of
from upsun_agent.platform.keys import ENTROPY, code, derived, same, usable
from upsun_agent.platform.paths import KEPT, on_server, read_ours, state_directory

FILE = KEPT
_PURPOSE = "upsun-agent: job file as it was read, 1"


def load(environ: Mapping[str, str]) -> JobFile:
    """Return the job file of these variables; raises ConfigInvalid as ``upsun_agent.config.load`` does."""
    path = find(environ)
    text = text_of(path)
    directory, secret = _directory(environ, text), usable(environ.get(ENTROPY))
    if directory is None or secret is None:
        return built(path, text, settings_of(text, path))
    place, key = f"{directory}/{FILE}", derived(secret, _PURPOSE)
    settings = _recall(place, text, key)
    if settings is None:
        settings = settings_of(text, path)
        _keep(place, text, settings, key)
    return built(path, text, settings)


def _directory(environ: Mapping[str, str], text: str) -> str | None:
    """Return the directory that the state is in; None where it is in a database, or takes TOML to know.

    Outside of containers it is not where the job file says either.
    """
    if phase_of(environ) not in {"build", "runtime"}:
        return None
    try:
        place = state_directory(environ, state_setting(text), "")
    except ValueError:
        return None
    return None if on_server(place) else place


def _recall(place: str, text: str, key: bytes) -> dict[str, Any] | None:
    try:
        known, _, kept = read_ours(place, KEPT_MOST_BYTES).decode().partition("\n")
        if not same(known, _code(text, kept, key)):
            return None
        settings: dict[str, Any] = _thawed(json.loads(kept))
    except (OSError, ValueError):
        return None
    return settings


def _keep(place: str, text: str, settings: dict[str, Any], key: bytes) -> None:
    """Keep the settings, if JSON gives them back unchanged. Nothing is synced: the code tells half of a file."""
    with contextlib.suppress(OSError, TypeError, ValueError):
        kept = json.dumps(settings, ensure_ascii=False, separators=(",", ":"))
        if _thawed(json.loads(kept)) == settings:
            private_directory.write_whole(place, f"{_code(text, kept, key)}\n{kept}")


def _code(text: str, kept: str, key: bytes) -> str:
    """Return the code that says that the agent, as it is installed now, read these settings from this text."""
    source = os.stat(f"{os.path.dirname(__file__)}/definitions.py")
    stamp = f"{__version__} {source.st_size} {source.st_mtime_ns} {len(text)}"
    return code(key, f"{stamp}\n{text}{kept}".encode())


def _thawed(value: Any) -> Any:
    """Return JSON's arrays as tuples again."""
    if isinstance(value, dict):
        return {key: _thawed(item) for key, item in value.items()}
    return tuple(_thawed(item) for item in value) if isinstance(value, list) else value
