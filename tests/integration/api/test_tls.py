"""TLS: who is not vouched for gets no request, and so no bearer."""

from __future__ import annotations

import gc
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from upsun_agent.api.http import NoAnswer, Transport

from tests.harness.api_client import Misbehaving, answer

Build = Callable[..., Misbehaving]


def certificate(place: Path, *, address: str = "127.0.0.1", days: int = 30) -> Path:
    """A certificate that vouches for itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "upsun-agent test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (place / "both.pem").write_bytes(
        made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(serialization.Encoding.PEM, form, plain)
    )
    (place / "public.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return place / "public.pem"


def server_with(misbehaving: Build, public: Path) -> Misbehaving:
    """A TLS server that shows that certificate and answers everything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public.with_name("both.pem"))
    return misbehaving(lambda connection, _: connection.sendall(answer()), context=context)


def send(server: Misbehaving, deadline: float = 5.0) -> int:
    transport = Transport("upsun-agent/test")
    try:
        headers = {"Authorization": "Bearer canary-bearer"}
        return transport.send("GET", server.url, headers=headers, content=None, deadline=deadline).status
    finally:
        transport.close()


def refused(server: Misbehaving) -> str:
    with pytest.raises(NoAnswer) as caught:
        send(server)
    assert caught.value.sent is False
    assert server.heard == [], "no request went through"
    return str(caught.value)


def trusted(monkeypatch: pytest.MonkeyPatch, way: str, public: Path) -> None:
    """Trust that certificate, through a bundle or a directory."""
    if way == "SSL_CERT_FILE":
        monkeypatch.setenv("SSL_CERT_FILE", str(public))
        return
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a directory of certificates")
    command = [openssl, "x509", "-hash", "-noout", "-in", str(public)]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    directory = public.parent / "directory"
    directory.mkdir()
    shutil.copy(public, directory / f"{name}.0")
    monkeypatch.setenv("SSL_CERT_DIR", str(directory))


def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent(
    misbehaving: Build, tmp_path: Path
) -> None:
    words = refused(server_with(misbehaving, certificate(tmp_path)))
    assert "certificate verify failed" in words.lower()


@pytest.mark.parametrize("way", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_certificate_that_is_trusted_here_is_accepted(
    misbehaving: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    public = certificate(tmp_path)
    trusted(monkeypatch, way, public)
    server = server_with(misbehaving, public)
    assert send(server) == 200
    assert len(server.heard) == 1


@pytest.mark.parametrize("way", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("wrong", [{"address": "127.0.0.2"}, {"days": -30}], ids=str)
def test_a_trusted_certificate_of_another_host_or_another_time_is_refused(
    misbehaving: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, wrong: dict[str, Any]
) -> None:
    public = certificate(tmp_path, **wrong)
    trusted(monkeypatch, way, public)
    refused(server_with(misbehaving, public))


def test_a_plain_server_behind_https_is_refused(misbehaving: Build) -> None:
    server = misbehaving(lambda connection, _: connection.sendall(answer("400 Bad Request")), eager=True)
    server.url = server.url.replace("http://", "https://")
    refused(server)


# The library leaves the half-made TLS socket to the garbage collector when the alarm goes off in a handshake.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_handshake_that_hangs_ends_at_the_deadline(misbehaving: Build) -> None:
    server = misbehaving(lambda _, each: each.closing.wait(10), eager=True)
    server.url = server.url.replace("http://", "https://")
    begun = time.monotonic()
    with pytest.raises(NoAnswer):
        send(server, deadline=0.5)
    gc.collect()
    assert time.monotonic() - begun < 5
    assert server.heard == []
