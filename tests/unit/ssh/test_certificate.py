"""Certificates: what they say, when they will do, and what is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.hazmat.primitives.serialization.ssh import SSHCertificateType
from hypothesis import given
from hypothesis import strategies as st
from upsun_agent.access.ssh.certificate import Certificate, missing, read_certificate
from upsun_agent.errors import BadReply

from tests.harness.ssh_authority import NOW, Authority, public_line

PUBLIC = public_line()


def certificate(**changes: Any) -> Certificate:
    return read_certificate(Authority().certify(PUBLIC, **changes))


def test_a_certificate_says_who_may_go_where_and_until_when() -> None:
    found = certificate()
    assert (found.key_id, found.serial, found.principals) == ("user-1", 7, ("main-bvxea6i", "all"))
    assert (found.valid_after, found.valid_before) == (NOW - timedelta(minutes=1), NOW + timedelta(hours=1))
    assert found.public_key.decode() == PUBLIC


def test_a_certificate_without_end_is_one() -> None:
    assert certificate(until=2**64 - 1).lasts(datetime.max.replace(tzinfo=NOW.tzinfo) - timedelta(days=1))


@pytest.mark.parametrize("end", [" upsun\n", " a comment of words", "\n\n", " ", "\t x\r\n"])
def test_what_follows_the_certificate_on_its_line_is_not_kept(end: str) -> None:
    said = Authority().certify(PUBLIC)
    assert read_certificate(said.strip() + end).text == said.strip() + "\n"


@pytest.mark.parametrize(
    ("moment", "usable"),
    [
        (NOW, True),
        (NOW + timedelta(hours=1, seconds=-121), True),
        (NOW + timedelta(hours=1, seconds=-120), False),
        (NOW + timedelta(hours=2), False),
        (NOW - timedelta(seconds=120), True),
        (NOW - timedelta(seconds=121), False),  # one of two clocks is wrong
    ],
)
def test_a_certificate_will_do_until_two_minutes_before_its_end(moment: datetime, *, usable: bool) -> None:
    assert certificate().is_usable(PUBLIC.encode(), moment) is usable
    assert not certificate().is_usable(public_line().encode(), moment), "not for another key"


def rsa() -> str:
    public = generate_private_key(65537, 2048).public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def tampered(text: str) -> str:
    """Another key id, the signature as it was."""
    import base64

    kind, body, *_ = text.split()
    return f"{kind} {base64.b64encode(base64.b64decode(body).replace(b'user-1', b'user-2')).decode()}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be parsed"),
        ("ssh-ed25519-cert-v01@openssh.com", "cannot be parsed"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "cannot be parsed"),
        ("§", "cannot be parsed"),
        (PUBLIC, "not an SSH user certificate"),
        (Authority().certify(PUBLIC, type=SSHCertificateType.HOST), "not an SSH user certificate"),
        (Authority().certify(PUBLIC, key=rsa()), "not for an ed25519 key"),
        (tampered(Authority().certify(PUBLIC)), "cannot be parsed"),
        ("x" * 70_000, "longer than"),
        (Authority().certify(PUBLIC) + Authority().certify(PUBLIC), "more than one line"),
        (Authority().certify(PUBLIC) + "Host *\n  ProxyCommand touch /tmp/x\n", "more than one line"),
        (Authority().certify(PUBLIC).strip() + "\rcert-authority *", "more than one line"),
        (Authority().certify(PUBLIC).strip() + " comment\x0bmore", "more than one line"),
        ("\x00" + Authority().certify(PUBLIC), "more than one line"),
        (Authority().certify(PUBLIC, principals=[]), "names no principal"),
        (Authority().certify(PUBLIC, principals=[b""]), "names no principal"),
    ],
    ids=[
        "nothing",
        "a kind",
        "no body",
        "not ASCII",
        "a key",
        "a host's",
        "RSA",
        "tampered with",
        "endless",
        *(f"more {number}" for number in range(1, 8)),
    ],
)
def test_what_is_no_certificate_for_our_kind_of_key_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadReply, match=words):
        read_certificate(text)


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: f"ssh-ed25519-cert-v01@openssh.com {raw.hex()}"))
def test_any_text_is_a_certificate_or_a_bad_reply(text: str) -> None:
    with pytest.raises(BadReply):
        read_certificate(text)


@pytest.mark.parametrize(
    ("public", "age", "with_certificate", "need"),
    [
        (None, 0, True, "key"),
        (PUBLIC.encode(), None, True, "key"),
        (PUBLIC.encode(), 0, True, None),
        (PUBLIC.encode(), 86_400, True, None),
        (PUBLIC.encode(), 86_401, True, "key"),
        (PUBLIC.encode(), -60, True, None),
        (PUBLIC.encode(), -61, True, "key"),  # made in the future
        (PUBLIC.encode(), 0, False, "certificate"),
        (public_line().encode(), 0, True, "certificate"),  # another key's
    ],
    ids=[f"case {number}" for number in range(9)],
)
def test_what_is_missing(public: bytes | None, age: float | None, *, with_certificate: bool, need: str | None) -> None:
    made_at = None if age is None else NOW - timedelta(seconds=age)
    assert missing(public, made_at, certificate() if with_certificate else None, NOW) == need
