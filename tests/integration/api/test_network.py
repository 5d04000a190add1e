"""The machine's settings for the network: used as curl and Go use them, or refused with the name of the variable."""

from __future__ import annotations

import base64
import importlib.util
import os
import select
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from upsun_agent.api.client import Client
from upsun_agent.api.endpoints import Endpoints
from upsun_agent.api.http import NoAnswer, SettingsUnusable, Transport
from upsun_agent.api.network import Settings, SettingsError
from upsun_agent.clock import SystemClock
from upsun_agent.errors import SettingsInvalid, Unreachable

from tests.harness.api_client import Misbehaving, answer
from tests.harness.sources import SOURCES
from tests.integration.api.test_tls import certificate, server_with

Build = Callable[..., Misbehaving]
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def without_socks(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "socksio" else found(name, *rest)
    )


def ok(connection: Any, _: Misbehaving) -> None:
    connection.sendall(answer())


def send(url: str) -> int:
    transport = Transport("upsun-agent/test")
    try:
        headers = {"Authorization": "Bearer canary-bearer"}
        return transport.send("GET", url, headers=headers, content=None, deadline=5.0).status
    finally:
        transport.close()


def unusable(url: str = "http://127.0.0.1:1/") -> SettingsUnusable:
    with pytest.raises(SettingsUnusable) as caught:
        send(url)
    assert caught.value.sent is False
    assert caught.value.remedy
    assert "status.upsun.com" not in caught.value.remedy
    return caught.value


# --- proxies that cannot be used -----------------------------------------------------------------------------------

ODD = [
    "socks5://127.0.0.1:9",
    "socks5h://127.0.0.1:9",
    "socks4://127.0.0.1:9",
    "socks4a://127.0.0.1:9",
    "SOCKS5://127.0.0.1:9",
    "socks://127.0.0.1:9",
    "socks:127.0.0.1:9",
    "ftp://127.0.0.1:9",
    "tcp://127.0.0.1:9",
    "file:///tmp/proxy",
    "://127.0.0.1:9",
    "http://",
    "http://:3128",
    "http://127.0.0.1:port",
    "http://127.0.0.1:99999",
    "http://127.0.0.1:0",
    "http://a b:3128",
    "http://[::1:3128",
    "http://pröxy:3128",
    "http://a\\b:3128",
    "DIRECT\n;PROXY",
    "http://256.1.1.1:3128",
    "http://[v1.x]:3128",
    f"http://{'a.' * 200}example:3128",
]


@pytest.mark.parametrize("variable", PROXIES)
@pytest.mark.parametrize("value", ODD, ids=ascii)
def test_a_proxy_that_cannot_be_used_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert str(unusable()).startswith(f"{variable} ")
    assert str(unusable("https://127.0.0.1:1/")).startswith(f"{variable} "), "whatever the request's own scheme"


def test_the_password_of_a_proxy_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "ftp://user:canary@127.0.0.1:9")
    assert "canary" not in f"{unusable()} {unusable().remedy}"
    monkeypatch.setenv("HTTP_PROXY", "http://user:canary@127.0.0.1:1")
    with pytest.raises(NoAnswer) as caught:
        send("http://127.0.0.1:1/")
    assert "canary" not in f"{caught.value} {caught.value.remedy}"


@pytest.mark.parametrize("no_proxy", ["*", "localhost,*", " * "])
def test_a_proxy_that_nothing_takes_is_not_looked_at(misbehaving: Build, monkeypatch: Any, no_proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert send(misbehaving(ok).url) == 200


def test_a_client_says_which_variable_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    here = Endpoints("http://127.0.0.1:1", "http://127.0.0.1:1")
    client = Client(Transport("test"), here, "a-token", clock=SystemClock())
    attempts: tuple[Callable[[], object], ...] = (
        client.exchange,
        lambda: client.post("/x", {}),
        lambda: client.write("POST", "/x", {}, "thing"),
        lambda: client.page("http://127.0.0.1:1/", 1.0),
        lambda: client.some("/log", "log", 10, 1.0),
    )
    for attempt in attempts:
        with pytest.raises(SettingsInvalid, match="ALL_PROXY") as caught:
            attempt()
        assert caught.value.exit_code == 78
        assert "socks" in caught.value.remedy


# --- proxies that can be used --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["http://{}", "HTTP://{}", "{}", " http://{} ", "http://{}/", "http://user:p%40ss@{}"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_a_request_goes_through_its_proxy(misbehaving: Build, monkeypatch: Any, variable: str, form: str) -> None:
    proxy = misbehaving(ok)
    monkeypatch.setenv(variable, form.format(f"127.0.0.1:{proxy.port}"))
    assert send("http://api.invalid/projects/p") == 200
    assert proxy.heard[0].startswith(b"GET http://api.invalid/projects/p HTTP/1.1\r\n")
    login = base64.b64encode(b"user:p@ss")
    assert (b"proxy-authorization: basic " + login.lower() in proxy.heard[0].lower()) is ("user" in form)


def test_lower_case_wins_even_where_it_is_empty(misbehaving: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    server = misbehaving(ok)
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "")
    assert send(server.url) == 200
    monkeypatch.setenv("http_proxy", server.url)
    assert send("http://api.invalid/") == 200


def test_a_visitors_header_is_no_proxy(misbehaving: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    assert send(misbehaving(ok).url) == 200


@pytest.mark.parametrize("secure", [False, True])
def test_a_proxy_that_asks_for_a_login_is_named(misbehaving: Build, monkeypatch: Any, *, secure: bool) -> None:
    refusing = answer("407 Proxy Authentication Required", b"<html>", 'Proxy-Authenticate: Basic realm="x"')
    proxy = misbehaving(lambda connection, _: connection.sendall(refusing))
    variable = "HTTPS_PROXY" if secure else "HTTP_PROXY"
    monkeypatch.setenv(variable, proxy.url)
    error = unusable("https://api.invalid/" if secure else "http://api.invalid/")
    assert variable in str(error)
    assert f"127.0.0.1:{proxy.port}" in str(error)
    assert "407" in str(error)
    assert variable in error.remedy


@pytest.mark.parametrize("status", ["403 Forbidden", "502 Bad Gateway", "503 Service Unavailable"])
def test_a_proxy_that_refuses_a_tunnel_is_named(misbehaving: Build, monkeypatch: Any, status: str) -> None:
    proxy = misbehaving(lambda connection, _: connection.sendall(answer(status)))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    with pytest.raises(NoAnswer, match=f"the proxy of HTTPS_PROXY .* refuses the connection: {status[:3]}") as caught:
        send("https://api.invalid/")
    assert caught.value.sent is False
    assert "HTTPS_PROXY" in caught.value.remedy


def test_a_proxy_that_is_not_there_is_named_and_not_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    client = Client(Transport("test"), Endpoints(), "a-token", clock=SystemClock())
    with pytest.raises(Unreachable, match="the proxy of HTTPS_PROXY") as caught:
        client.exchange()
    assert "HTTPS_PROXY" in caught.value.remedy
    assert "status.upsun.com" not in caught.value.remedy


def test_socks_is_spoken_where_its_package_is_installed(misbehaving: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    server = misbehaving(ok)
    proxy = misbehaving(_socks, eager=True)
    monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
    assert send(server.url) == 200
    assert proxy.connections == 1


def test_the_tick_of_a_cron_speaks_socks_too(misbehaving: Build, tmp_path: Path) -> None:
    server, proxy = misbehaving(_refuse_the_token), misbehaving(_socks, eager=True)
    config = tmp_path / "agent.toml"
    config.write_text('[jobs.n]\nschedule = "* * * * *"\nsteps = [{ backup = {} }]\n')
    done = subprocess.run(
        [sys.executable, "-m", "upsun_agent", "tick"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": SOURCES,
            "UPSUN_AGENT_CONFIG": str(config),
            "UPSUN_AGENT_STATE": str(tmp_path / "state"),
            "UPSUN_CLI_TOKEN": "canary-api-token",
            "UPSUN_CLI_API_URL": server.url,
            "UPSUN_CLI_AUTH_URL": server.url,
            "PLATFORM_PROJECT": "abcdefgh1234z",
            "PLATFORM_BRANCH": "main",
            "PLATFORM_ENVIRONMENT_TYPE": "production",
            "ALL_PROXY": f"socks5://127.0.0.1:{proxy.port}",
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 77, done.stderr
    assert "API token" in done.stderr
    assert proxy.connections >= 1, done.stderr
    assert server.connections >= 1, done.stderr


def _refuse_the_token(connection: Any, _: Misbehaving) -> None:
    """Answer as the token endpoint does to a revoked token: nothing is tried again, so the tick ends at once."""
    connection.sendall(answer("400 Bad Request", b'{"error": "invalid_grant"}', "Content-Type: application/json"))


def _socks(connection: Any, _: Misbehaving) -> None:
    """Speak SOCKS5 without a login to one client, whose greeting was read already."""
    import socket

    connection.sendall(b"\x05\x00")
    wanted = connection.recv(64)
    where = (socket.inet_ntoa(wanted[4:8]), int.from_bytes(wanted[8:10], "big"))
    with socket.create_connection(where) as upstream:
        connection.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        others = {connection: upstream, upstream: connection}
        while True:
            for ready in select.select([*others], [], [])[0]:
                piece = ready.recv(65536)
                if not piece:
                    return
                others[ready].sendall(piece)


# --- hosts without a proxy -----------------------------------------------------------------------------------------

EXCEPT: list[tuple[str, str, bool]] = [
    ("127.0.0.1", "http://127.0.0.1:8080", True),
    ("127.0.0.1:8080", "http://127.0.0.1:8080", True),
    ("127.0.0.1:81", "http://127.0.0.1:8080", False),
    ("127.0.0.0/8", "http://127.0.0.1:8080", True),
    ("127.0.0.1/8", "http://127.9.9.9", True),
    ("10.0.0.0/8", "http://127.0.0.1:8080", False),
    ("0.0.0.0/0", "http://127.0.0.1", True),
    ("::1", "http://[::1]:8080", True),
    ("[::1]", "http://[::1]:8080", True),
    ("[::1]:8080", "http://[::1]:8080", True),
    ("[::1]:81", "http://[::1]:8080", False),
    ("fd00::/8", "http://[fd07:b51a:cc66:f0::1]", True),
    ("[fd00::]/8", "http://[fd07::1]", True),
    ("fd07:b51a:cc66:f0::/64", "http://127.0.0.1", False),
    ("fe80::1%eth0", "http://[fe80::1]", True),
    ("127.0.0.0/8", "http://[::ffff:127.0.0.1]", True),
    ("localhost", "http://localhost:1", True),
    ("LOCALHOST", "http://localhost:1", True),
    ("upsun.com", "https://api.upsun.com", True),
    ("upsun.com", "https://upsun.com", True),
    (".upsun.com", "https://api.upsun.com", True),
    ("*.upsun.com", "https://api.upsun.com", True),
    ("upsun.com.", "https://api.upsun.com", True),
    ("sun.com", "https://api.upsun.com", False),
    ("api.upsun.com:443", "https://api.upsun.com", True),
    ("api.upsun.com:80", "https://api.upsun.com", False),
    ("http://127.0.0.1", "http://127.0.0.1", True),
    ("https://127.0.0.1", "http://127.0.0.1", False),
    ("http://127.0.0.1:8080/", "http://127.0.0.1:8080", True),
    ("http://[::1]:8080/", "http://[::1]:8080", True),
    ("a, b ,127.0.0.1", "http://127.0.0.1", True),
    ("a b 127.0.0.1", "http://127.0.0.1", True),
    ("foo:abc,127.0.0.1", "http://127.0.0.1", True),
    (",,fe80::/10,,127.0.0.1,", "http://127.0.0.1", True),
]
JUNK = [
    "foo:abc",
    "[",
    "]",
    "[]",
    "[::1",
    "::1]",
    ":",
    "/",
    "//",
    "1.2.3.4/99",
    "1.2.3.4/x",
    "fe80::/999",
    "a:b:c",
    "://",
    "x://y://z",
    "é",
    "\x00",
    "%",
    "[a]:b",
    "." * 300,
    ":" * 300,
]


@pytest.mark.parametrize(("no_proxy", "url", "excepted"), EXCEPT)
def test_the_hosts_of_no_proxy_are_read_as_usual(no_proxy: str, url: str, *, excepted: bool) -> None:
    scheme, _, place = url.partition("://")
    host, _, port = place.rpartition(":") if place.rsplit("]", 1)[-1].count(":") else (place, "", "")
    settings = Settings({"ALL_PROXY": "http://proxy:3128", "NO_PROXY": no_proxy})
    found = settings.proxy_for(scheme, host.strip("[]"), int(port) if port else None)
    assert (found is None) is excepted


@pytest.mark.parametrize("junk", JUNK, ids=ascii)
@pytest.mark.parametrize("proxied", [True, False])
def test_an_entry_of_no_proxy_that_makes_no_sense_is_passed_over(
    misbehaving: Build, tmp_path: Path, monkeypatch: Any, junk: str, *, proxied: bool
) -> None:
    server = misbehaving(ok)
    monkeypatch.setattr(os, "environ", {**os.environ, "NO_PROXY": f"{junk},127.0.0.1", "HTTP_PROXY": "127.0.0.1:1"})
    assert send(server.url) == 200
    monkeypatch.setattr(os, "environ", {"NO_PROXY": junk, **({"HTTP_PROXY": server.url} if proxied else {})})
    assert send("http://api.invalid/" if proxied else server.url) == 200
    public = certificate(tmp_path)
    monkeypatch.setattr(os, "environ", {"NO_PROXY": junk, "SSL_CERT_FILE": str(public)})
    assert send(server_with(misbehaving, public).url) == 200


# --- certificate authorities ---------------------------------------------------------------------------------------


def spoiled(place: Path, how: str) -> str:
    """A path that names no usable certificate authorities."""
    path = place / "authorities"
    if how == "empty":
        path.write_bytes(b"")
    elif how == "garbage":
        path.write_bytes(b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    elif how == "a folder":
        path.mkdir()
    elif how == "a folder of others":
        path.mkdir()
        (path / "README").write_text("nothing")
    elif how == "a pipe":
        os.mkfifo(path)
    elif how == "below a file":
        path.write_bytes(b"")
        path = path / "x"
    elif how == "too long":
        path = path / ("x" * 5000)
    return str(path)


HOW = ["missing", "empty", "garbage", "a folder", "a folder of others", "a pipe", "below a file", "too long"]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("how", HOW)
def test_authorities_that_cannot_be_read_are_refused_by_the_name_of_their_variable(
    misbehaving: Build, tmp_path: Path, monkeypatch: Any, how: str, variable: str
) -> None:
    server = server_with(misbehaving, certificate(tmp_path))
    monkeypatch.setenv(variable, spoiled(tmp_path, how))
    error = unusable(server.url)
    assert str(error).startswith(f"{variable} names ")
    assert variable in error.remedy
    assert server.heard == []


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("how", HOW)
def test_where_no_certificate_is_looked_at_they_do_not_matter(
    misbehaving: Build, tmp_path: Path, monkeypatch: Any, how: str, variable: str
) -> None:
    monkeypatch.setenv(variable, spoiled(tmp_path, how))
    assert send(misbehaving(ok).url) == 200


def test_one_usable_folder_of_a_list_is_enough(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "0a1b2c3d.0").write_bytes(certificate(tmp_path).read_bytes())
    assert Settings({"SSL_CERT_DIR": f"{tmp_path}/none:{tmp_path}/good"}).certificates()
    with pytest.raises(SettingsError, match="SSL_CERT_DIR"):
        Settings({"SSL_CERT_DIR": f"{tmp_path}/none:{tmp_path}"}).certificates()


def test_a_certificate_that_is_not_trusted_is_no_trouble_of_the_platform(misbehaving: Build, tmp_path: Path) -> None:
    server = server_with(misbehaving, certificate(tmp_path))
    client = Client(Transport("test"), Endpoints(server.url, server.url), "a-token", clock=SystemClock())
    with pytest.raises(Unreachable, match=f"cannot connect to 127.0.0.1:{server.port}") as caught:
        client.exchange()
    assert "SSL_CERT_FILE" in caught.value.remedy
    assert "status.upsun.com" not in caught.value.remedy
    client.close()


def test_settings_hold_in_every_thread(misbehaving: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "ftp://127.0.0.1:9")
    heard: list[SettingsUnusable] = []
    thread = threading.Thread(target=lambda: heard.append(unusable()))
    thread.start()
    thread.join(10)
    assert len(heard) == 1


def test_without_any_setting_certificates_are_still_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upsun_agent.api.network.CERTIFICATES", "/nowhere")
    assert Settings({}).certificates() is None, "httpx's own bundle is taken then"
    monkeypatch.undo()
    found = Settings({}).certificates()
    assert found is None or found.verify_mode is ssl.CERT_REQUIRED
