"""What an earlier tick read of the job file is taken where it is exactly that, and never where anything is odd."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from upsun_agent import config
from upsun_agent.config import JobFile, JobFileInvalid, cache

TEXT = """\
[agent]
state = "STATE"
[jobs.nightly]
schedule = "H 3 * * *"
timezone = "Europe/Paris"
environment-types = ["production", "staging"]
[[jobs.nightly.steps]]
backup = { reuse-within = "1h" }
[[jobs.nightly.steps]]
source-operation = { name = "update", variables = { env = { CHANNEL = "stäble" } } }
"""


class Place:
    """An app directory with a job file, and how often its job file was parsed."""

    def __init__(self, root: Path) -> None:
        self.state = root / "state"
        self.state.mkdir()
        (root / ".upsun").mkdir()
        self.file = root / ".upsun" / "agent.toml"
        self.environ = {"PLATFORM_APP_DIR": str(root), "PLATFORM_PROJECT": "abcdefgh1234z", "PLATFORM_BRANCH": "main"}
        self.environ["PLATFORM_PROJECT_ENTROPY"] = "canary-entropy-of-the-project-234567"
        self.parsed = 0
        self.write(TEXT)

    def write(self, text: str) -> None:
        self.file.write_text(text.replace("STATE", str(self.state)), encoding="utf-8")

    @property
    def kept(self) -> Path:
        return self.state / cache.FILE

    def load(self) -> JobFile:
        """The job file as a tick gets it, which must be what parsing gives."""
        found = cache.load(self.environ)
        assert found == config.load(str(self.file))
        return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(tmp_path)
    parse = cache.settings_of  # type: ignore[attr-defined]  # the module's own import is called

    def counted(text: str, path: str) -> dict[str, object]:
        made.parsed += 1
        return parse(text, path)

    monkeypatch.setattr(cache, "settings_of", counted)
    return made


def test_a_job_file_is_parsed_once(place: Place) -> None:
    first = place.load()
    assert place.parsed == 1
    assert [place.load() for _ in range(3)] == [first] * 3
    assert place.parsed == 1
    assert os.stat(place.kept).st_mode & 0o777 == 0o600
    assert [each.name for each in place.state.iterdir()] == [cache.FILE]


def test_another_text_is_parsed_anew_and_replaces_the_first(place: Place) -> None:
    place.load()
    place.write(TEXT.replace("H 3", "H 4"))
    assert place.load().jobs["nightly"].schedule == "H 4 * * *"
    place.load()
    assert place.parsed == 2


def test_another_version_of_the_agent_reads_for_itself(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.load()
    monkeypatch.setattr(cache, "__version__", "99.0.0")
    place.load()
    assert place.parsed == 2


def test_an_agent_that_was_installed_again_reads_for_itself(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.load()
    stat = os.stat
    later = stat("/")
    with monkeypatch.context() as patch:
        patch.setattr(
            cache.os,  # type: ignore[attr-defined]  # the module's own import is replaced
            "stat",
            lambda path, **more: later if str(path).endswith("definitions.py") else stat(path, **more),
        )
        cache.load(place.environ)
    assert place.parsed == 2


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda data: data[:-1],
    "half": lambda data: data[: len(data) // 2],
    "one digit": lambda data: data.replace(b"3600", b"3601"),
    "one letter": lambda data: data.replace(b"nightly", b"nightlx"),
    "a letter more": lambda data: data + b" ",
    "no digest": lambda data: data.partition(b"\n")[2],
    "another digest": lambda data: b"0" * 64 + data[64:],
    "no text": lambda data: b"\xff" + data,
    "something else": lambda _: b"[]\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_not_believed_and_is_mended(place: Place, damage: str) -> None:
    place.load()
    whole = place.kept.read_bytes()
    spoiled = DAMAGES[damage](whole)
    assert spoiled != whole
    place.kept.write_bytes(spoiled)
    place.load()
    assert place.parsed == 2
    assert place.kept.read_bytes() == whole


@pytest.mark.parametrize("lay", [os.mkdir, os.mkfifo])
def test_something_that_is_no_file_is_not_waited_for(place: Place, lay: Callable[[str], None]) -> None:
    lay(str(place.kept))
    place.load()
    assert place.parsed == 1


def test_a_state_that_cannot_be_written_costs_the_saving_only(place: Place) -> None:
    place.state.rmdir()
    place.load()
    place.load()
    assert place.parsed == 2
    assert not place.state.exists()


@pytest.mark.parametrize("line", ['"state" = "STATE"', "state = '''STATE'''"])
def test_where_the_state_takes_toml_to_find_nothing_is_kept(place: Place, line: str) -> None:
    place.write(TEXT.replace('state = "STATE"', line))
    place.load()
    assert list(place.state.iterdir()) == []


def test_mistakes_are_told_every_time_and_never_kept(place: Place) -> None:
    place.write(TEXT.replace("H 3", "H 77"))
    for _ in range(2):
        with pytest.raises(JobFileInvalid, match=r"agent\.toml:4: .*schedule"):
            cache.load(place.environ)
    assert list(place.state.iterdir()) == []


def test_settings_that_json_would_change_are_not_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    parse = cache.settings_of  # type: ignore[attr-defined]  # the module's own import is called

    def odd(text: str, path: str) -> dict[str, object]:
        return {**parse(text, path), "odd": {1: "a number for a key"}}

    monkeypatch.setattr(cache, "settings_of", odd)
    place.load()
    monkeypatch.setattr(cache, "settings_of", lambda text, path: {**parse(text, path), "odd": {1, 2}})
    place.load()
    assert list(place.state.iterdir()) == []
