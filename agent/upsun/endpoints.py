"""Where the API and the authentication service are."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from agent.errors import ConfigInvalid, SettingsInvalid
from agent.records import dataclass
from agent.upsun.network import is_host

API = "https://api.upsun.com"
AUTH = "https://auth.upsun.com"
#: Set to 1 where a token may go over plain HTTP to another machine.
ALLOW_HTTP = "UPSUN_AGENT_ALLOW_HTTP"
LIKE = "write it like https://api.upsun.com"
OF_THE_PLATFORM = (".upsun.com", ".platform.sh")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the API and the authentication service are; the overrides are the official CLI's."""

    api: str = API
    auth: str = AUTH

    @classmethod
    def of(cls, environ: Mapping[str, str], api: str | None = None, auth: str | None = None) -> Endpoints:
        """Return the endpoints that these options and variables name.

        Raises:
            ConfigInvalid: one is not a valid address.
            SettingsInvalid: the token would go to another machine without TLS, and nobody asked for that.
        """
        plain = environ.get(ALLOW_HTTP) == "1"
        return cls(
            _address(api or environ.get("UPSUN_CLI_API_URL") or API, "--api-url or UPSUN_CLI_API_URL", plain=plain),
            _address(
                auth or environ.get("UPSUN_CLI_AUTH_URL") or AUTH, "--auth-url or UPSUN_CLI_AUTH_URL", plain=plain
            ),
        )

    def at(self, path: str) -> str:
        """Return the URL of a path of the API, or of a link's path, which may begin with the address's own path.

        With the address ``https://host/api`` both ``/projects/p`` and ``/api/projects/p`` are below ``/api``.
        """
        base = self.api
        parts = path.split("/")
        for number in range(len(parts) - 1, 0, -1):
            shared = "/".join(parts[:number])
            if shared and urlsplit(base).path.endswith(shared):
                return base + path.removeprefix(shared)
        return base + path

    def remedy(self, known: str = "") -> str:
        """Return what helps where the API cannot be reached: what is ``known``, or what the address suggests."""
        if known:
            return known
        hosts = [urlsplit(each).hostname or "" for each in (self.api, self.auth)]
        if all(host.endswith(OF_THE_PLATFORM) for host in hosts):
            return "see status.upsun.com, and let the app's firewall through to it"
        return "check the address (UPSUN_CLI_API_URL, UPSUN_CLI_AUTH_URL), and that it answers"


def _address(value: str, source: str, *, plain: bool) -> str:
    """Return the address in its usual form; raise ConfigInvalid where it is not one."""
    scheme, colons, rest = value.partition("://")
    scheme = scheme.lower()
    if "@" in rest:
        raise ConfigInvalid(f"{source} holds a user or password", remedy=LIKE)
    if scheme not in {"http", "https"} or not colons or not _is_usable(f"{scheme}://{rest}"):
        raise ConfigInvalid(f"{source} is not a valid address: {value[:80]!r}", remedy=LIKE)
    if "?" in rest or "#" in rest:
        text = f"{source} is an address with a query or fragment: {value[:80]!r}"
        raise ConfigInvalid(text, remedy=f"leave out what follows the path; {LIKE}")
    address = f"{scheme}://{rest}".rstrip("/")
    host = urlsplit(address).hostname or ""
    if scheme == "http" and not plain and not _is_loopback(host):
        text = f"{source} is an address without TLS: the token would go to {host[:80]} unencrypted"
        raise SettingsInvalid(text, remedy=f"use https://, or set {ALLOW_HTTP}=1 where the network is trusted")
    return address


def _is_usable(address: str) -> bool:
    """Return whether the address names a host, and a port and a path that can be sent as they are."""
    try:
        parts = urlsplit(address)
        named = bool(parts.hostname) and is_host(parts.hostname or "", address) and parts.port != 0
    except ValueError:  # the port is not a number, or not one between 0 and 65535
        return False
    odd = not address.isprintable() or " " in address or "\\" in address
    return named and not odd and not any(each in {".", ".."} for each in parts.path.split("/"))


def _is_loopback(host: str) -> bool:
    """Return whether the host is this machine, so that nothing goes over a network."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    from ipaddress import IPv6Address, ip_address  # noqa: PLC0415  late: only tests and simulators have such addresses

    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address.is_loopback or (mapped is not None and mapped.is_loopback)
