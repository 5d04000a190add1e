"""Bearers kept between processes: only for the token, service, machine and user they were kept for, unchanged."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upsun_agent.api import bearer_cache
from upsun_agent.api.bearer_cache import BearerCache, Kept, cache_of
from upsun_agent.api.client import Client
from upsun_agent.api.endpoints import Endpoints
from upsun_agent.api.http import Transport, in_process
from upsun_agent.platform.private_directory import PrivateDirectory
from upsun_simulator import ConnectionCut

from tests.harness.api_client import HOST, Desk

NOW = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)
TOKEN, SERVICE = "canary-api-token-1", "https://auth.example"
KEPT = Kept("canary-bearer-value", NOW.timestamp() + 840, "user-1", 900)


@pytest.fixture
def directory(tmp_path: Path) -> PrivateDirectory:
    return PrivateDirectory([str(tmp_path / "bearers")], "X")


def cache(directory: PrivateDirectory, token: str = TOKEN, service: str = SERVICE) -> BearerCache:
    return BearerCache(directory, token, service)


def test_what_was_kept_is_there_until_it_ends(directory: PrivateDirectory) -> None:
    cache(directory).put(KEPT)
    assert cache(directory).get(NOW) == KEPT
    assert cache(directory).get(NOW + timedelta(seconds=839)) == KEPT
    assert cache(directory).get(NOW + timedelta(seconds=840)) is None
    assert cache(directory).get(NOW - timedelta(seconds=100)) is None, "a clock that was put back"
    cache(directory).drop()
    assert cache(directory).get(NOW) is None


def test_the_file_says_nothing_and_is_for_our_eyes_only(directory: PrivateDirectory) -> None:
    cache(directory).put(KEPT)
    raw = Path(f"{directory.path}/bearer").read_bytes()
    assert os.stat(f"{directory.path}/bearer").st_mode & 0o777 == 0o600
    for text in (raw, base64.b64decode(raw)):
        assert b"canary" not in text
        assert b"user-1" not in text
    cache(directory).put(KEPT)
    assert Path(f"{directory.path}/bearer").read_bytes() != raw, "no two are alike"


@pytest.mark.parametrize(
    ("token", "service"), [("canary-api-token-2", SERVICE), (TOKEN, "https://evil.example"), ("", SERVICE)]
)
def test_another_token_or_service_cannot_read_it(directory: PrivateDirectory, token: str, service: str) -> None:
    cache(directory).put(KEPT)
    assert cache(directory, token, service).get(NOW) is None


def test_another_machine_or_user_cannot_read_it(directory: PrivateDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    cache(directory).put(KEPT)
    elsewhere = os.uname_result(("Linux", "elsewhere", "", "", ""))
    with monkeypatch.context() as patch:
        patch.setattr(bearer_cache.os, "uname", lambda: elsewhere)  # type: ignore[attr-defined]  # the module's own import is replaced
        assert cache(directory).get(NOW) is None
    with monkeypatch.context() as patch:
        patch.setattr(bearer_cache.os, "geteuid", lambda: 12345)  # type: ignore[attr-defined]  # the module's own import is replaced
        assert cache(directory).get(NOW) is None
    assert cache(directory).get(NOW) == KEPT


def test_one_flipped_bit_anywhere_and_it_is_not_there(directory: PrivateDirectory) -> None:
    cache(directory).put(KEPT)
    path = Path(f"{directory.path}/bearer")
    raw = base64.b64decode(path.read_bytes())
    for place in range(len(raw)):
        spoiled = bytearray(raw)
        spoiled[place] ^= 1 << (place % 8)
        path.write_bytes(base64.b64encode(spoiled))
        assert cache(directory).get(NOW) is None, place
    path.write_bytes(base64.b64encode(raw))
    assert cache(directory).get(NOW) == KEPT


@given(st.binary(max_size=200))
def test_any_bytes_are_no_bearer(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    directory = PrivateDirectory([str(tmp_path_factory.getbasetemp() / "any")], "X")
    Path(f"{directory.path}/bearer").write_bytes(data)
    assert cache(directory).get(NOW) is None


def client(desk: Desk, directory: PrivateDirectory) -> Client:
    """A fresh process of the agent that keeps bearers."""
    token = desk.simulator.scenario.token
    transport = Transport("upsun-agent/test", in_process(desk.simulator.wsgi, ConnectionCut))
    kept = BearerCache(directory, token, HOST)
    return Client(transport, Endpoints(HOST, HOST), token, clock=desk.clock, hide=desk.hidden.append, cache=kept)


def test_the_next_process_makes_one_request_less(desk: Desk, directory: PrivateDirectory) -> None:
    for _ in range(3):
        client(desk, directory).project("abcdefgh1234z")
    assert desk.asked("/oauth2/token") == 1
    assert len(desk.requests) == 4
    desk.manual_clock.advance(900)
    client(desk, directory).project("abcdefgh1234z")
    assert desk.asked("/oauth2/token") == 2


def test_a_kept_bearer_that_the_api_refuses_is_exchanged_anew(desk: Desk, directory: PrivateDirectory) -> None:
    client(desk, directory).project("abcdefgh1234z")
    desk.simulator.add_fault("GET */projects/* expired-bearer")
    client(desk, directory).project("abcdefgh1234z")
    assert desk.asked("/oauth2/token") == 2
    client(desk, directory).project("abcdefgh1234z")
    assert desk.asked("/oauth2/token") == 2, "the new one is kept"


def test_a_check_of_the_token_never_uses_what_is_kept(desk: Desk, directory: PrivateDirectory) -> None:
    client(desk, directory).project("abcdefgh1234z")
    assert client(desk, directory).exchange() == 900
    assert desk.asked("/oauth2/token") == 2


def test_a_check_of_the_token_asks_even_where_a_kept_bearer_cannot_be_taken_away(
    desk: Desk, directory: PrivateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    client(desk, directory).project("abcdefgh1234z")
    monkeypatch.setattr(PrivateDirectory, "remove", lambda *_: None)  # or another process keeps one at that moment
    assert client(desk, directory).exchange() == 900
    assert desk.asked("/oauth2/token") == 2


def test_what_is_kept_is_hidden_from_the_log_too(desk: Desk, directory: PrivateDirectory) -> None:
    client(desk, directory).project("abcdefgh1234z")
    bearer = desk.hidden[-1]
    desk.hidden.clear()
    client(desk, directory).project("abcdefgh1234z")
    assert bearer in desk.hidden


def test_without_a_private_place_nothing_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert cache_of({"UPSUN_AGENT_BEARERS": str(file)}, TOKEN, SERVICE) is None
    assert cache_of({"UPSUN_AGENT_BEARERS": str(tmp_path / "good")}, TOKEN, SERVICE) is not None


def test_a_disk_that_is_full_keeps_none(directory: PrivateDirectory) -> None:
    kept = cache(directory)
    os.rmdir(directory.path)
    kept.put(KEPT)
    assert kept.get(NOW) is None
