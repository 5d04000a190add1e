"""Key and certificate: whole or not at all, renewed in time, never shared between tokens."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from upsun_agent.access.ssh.keyring import Held, Keyring
from upsun_agent.errors import BadReply, Unreachable
from upsun_agent.platform.private_directory import PrivateDirectory

from tests.harness.ssh_authority import NOW, Authority, public_line


def private(directory: Path) -> PrivateDirectory:
    return PrivateDirectory([str(directory / "ssh")], "UPSUN_AGENT_SSH")


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(private(tmp_path))


def hold(keyring: Keyring, authority: Authority, *, after: float = 0, owner: str = "me", anew: bool = False) -> Held:
    """What is at hand some seconds later."""
    authority.now = NOW + timedelta(seconds=after)
    return keyring.hold(authority.certify, owner, authority.now, anew=anew)


def test_the_first_use_makes_a_key_and_a_certificate_for_our_eyes_only(keyring: Keyring, authority: Authority) -> None:
    held = hold(keyring, authority)
    assert held.renewed
    assert stat.S_IMODE(os.stat(keyring.directory).st_mode) == 0o700
    files = sorted(os.listdir(keyring.directory))
    assert files == ["id_ed25519", "id_ed25519-cert.pub", "id_ed25519.pub", "lock", "owner"]
    for name in set(files) - {"lock"}:
        assert stat.S_IMODE(os.stat(f"{keyring.directory}/{name}").st_mode) == 0o600, name
    assert "BEGIN OPENSSH PRIVATE KEY" in Path(keyring.key).read_text()
    assert authority.asked == [f"{Path(keyring.key + '.pub').read_text()}"]


def test_what_is_good_is_kept_without_a_request(keyring: Keyring, authority: Authority) -> None:
    hold(keyring, authority)
    before = Path(keyring.key).read_bytes()
    assert not hold(keyring, authority, after=3000).renewed
    assert len(authority.asked) == 1
    assert hold(keyring, authority, after=3500).renewed, "less than two minutes are left"
    assert len(set(authority.asked)) == 1, "the key stays"
    assert Path(keyring.key).read_bytes() == before


def test_the_key_is_replaced_daily_and_where_that_is_asked_for(keyring: Keyring, authority: Authority) -> None:
    authority.seconds = 10**6
    hold(keyring, authority)
    assert not hold(keyring, authority, after=86_000).renewed
    assert hold(keyring, authority, after=86_500).renewed
    assert hold(keyring, authority, after=86_501, anew=True).renewed
    assert len(set(authority.asked)) == 3


def test_credentials_of_another_token_are_not_used(keyring: Keyring, authority: Authority) -> None:
    hold(keyring, authority)
    assert hold(keyring, authority, owner="somebody").renewed
    assert len(set(authority.asked)) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda directory: (directory / "id_ed25519").write_text("garbage"),
        lambda directory: (directory / "id_ed25519").unlink(),
        lambda directory: (directory / "id_ed25519-cert.pub").write_text("garbage"),
        lambda directory: (directory / "id_ed25519-cert.pub").unlink(),
        lambda directory: (directory / "id_ed25519-cert.pub").write_text(Authority().certify(public_line())),
        lambda directory: (directory / "id_ed25519-cert.pub").write_bytes(b"\xff\xfe"),
        lambda directory: (directory / "owner").unlink(),
        lambda directory: (directory / "owner").write_text("me soon"),
        lambda directory: (directory / "owner").write_text("me 99999999999999999999"),
    ],
)
def test_what_is_broken_is_made_again(keyring: Keyring, authority: Authority, spoil: Callable[[Path], object]) -> None:
    hold(keyring, authority)
    spoil(Path(keyring.directory))
    held = hold(keyring, authority)
    assert held.renewed
    assert held.certificate.text == Path(keyring.certificate).read_text()
    assert not hold(keyring, authority).renewed


def test_a_failed_renewal_leaves_what_was_there(keyring: Keyring, authority: Authority) -> None:
    hold(keyring, authority)
    before = Path(keyring.certificate).read_text()

    def away(_: str) -> str:
        raise Unreachable("the API is away")

    with pytest.raises(Unreachable):
        keyring.hold(away, "me", NOW + timedelta(seconds=3590))
    assert Path(keyring.certificate).read_text() == before


def test_a_certificate_for_another_key_or_another_time_is_refused(keyring: Keyring) -> None:
    with pytest.raises(BadReply, match="not for the key"):
        keyring.hold(lambda _: Authority().certify(public_line()), "me", NOW)
    late = Authority(now=NOW + timedelta(days=1))
    with pytest.raises(BadReply, match="not now"):
        keyring.hold(late.certify, "me", NOW)
    assert not os.path.exists(keyring.certificate)


def test_twenty_at_once_ask_once(tmp_path: Path) -> None:
    authority = Authority()
    found: list[Held] = []

    def work() -> None:
        found.append(Keyring(private(tmp_path)).hold(authority.certify, "me", NOW))

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert len(authority.asked) == 1
    assert sum(held.renewed for held in found) == 1
