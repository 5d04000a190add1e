"""The addresses of the API and the authentication service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from upsun_agent.api.network import Settings, SettingsError, is_host, is_loopback
from upsun_agent.errors import ConfigInvalid, SettingsInvalid

API = "https://api.upsun.com"
AUTH = "https://auth.upsun.com"
#: Set to 1 where the token may go over plain HTTP to another machine that an option names.
ALLOW_HTTP = "UPSUN_AGENT_ALLOW_HTTP"
LIKE = "write it like https://api.upsun.com"
OF_THE_PLATFORM = (".upsun.com", ".platform.sh")
#: The hosts of the API and the authentication service of both products. Names of projects and of environments are, or
#: were, below the platform's domains too: only these exact hosts get the token without being named elsewhere.
PLATFORM = frozenset({"api.upsun.com", "auth.upsun.com", "api.platform.sh", "auth.api.platform.sh"})


class Endpoints(Struct, frozen=True):
    """The addresses of the API and the authentication service; the official CLI's variables override them."""

    #: The address of the API.
    api: str = API
    #: The address of the authentication service.
    auth: str = AUTH

    @classmethod
    def of(
        cls,
        environ: Mapping[str, str],
        api: str | None = None,
        auth: str | None = None,
        hosts: Callable[[], Sequence[str]] = tuple,
    ) -> Endpoints:
        """Return the endpoints from these options and variables.

        Args:
            environ: the variables. Alone they name the platform's hosts and this machine, nothing else.
            api: the option --api-url.
            auth: the option --auth-url.
            hosts: returns the job file's ``api-hosts``; asked only where that decides.

        Raises:
            ConfigInvalid: one is not a valid address.
            SettingsInvalid: the token would go to a host that neither an option nor the job file names, or without TLS.
        """
        plain = environ.get(ALLOW_HTTP) == "1"
        found = []
        for option, flag, variable, usual in (
            (api, "--api-url", "UPSUN_CLI_API_URL", API),
            (auth, "--auth-url", "UPSUN_CLI_AUTH_URL", AUTH),
        ):
            address = _address(option or environ.get(variable) or usual, f"{flag} or {variable}")
            _check_trusted(address, flag, variable, hosts, by_option=bool(option), plain=plain)
            _check_proxy(address, environ)
            found.append(address)
        return cls(*found)

    @property
    def foreign(self) -> list[str]:
        """Return the addresses that are not the platform's or do not use TLS, without their paths."""
        every = [urlsplit(each) for each in dict.fromkeys((self.api, self.auth))]
        odd = [each for each in every if each.scheme != "https" or _host(each) not in PLATFORM]
        return list(dict.fromkeys(f"{each.scheme}://{each.netloc}" for each in odd))

    @property
    def is_local(self) -> bool:
        """Return whether all addresses that are not the platform's are on this machine."""
        return all(is_loopback(urlsplit(each).hostname or "") for each in self.foreign)

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
        """Return the remedy if the API cannot be reached: ``known``, or one that fits the address."""
        if known:
            return known
        hosts = [urlsplit(each).hostname or "" for each in (self.api, self.auth)]
        if all(host.endswith(OF_THE_PLATFORM) for host in hosts):
            return "see status.upsun.com, and let the app's firewall through to it"
        return "check the address (UPSUN_CLI_API_URL, UPSUN_CLI_AUTH_URL), and that it answers"


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").removesuffix(".")


def _check_trusted(
    address: str, flag: str, variable: str, hosts: Callable[[], Sequence[str]], *, by_option: bool, plain: bool
) -> None:
    """Raise SettingsInvalid if only a variable allows the token to be sent to the address."""
    parts = urlsplit(address)
    host, secure = parts.hostname or "", parts.scheme == "https"
    if (secure and (by_option or _host(parts) in PLATFORM)) or is_loopback(host) or (by_option and plain):
        return
    if any(_names(entry, parts) for entry in hosts()):
        return
    shown = f"[{host}]" if ":" in host else host
    entry = f'[agent] api-hosts = ["{"" if secure else "http://"}{shown[:80]}"]'
    if not secure:
        text = f"{flag} or {variable} is an address without TLS: the token would go to {host[:80]} unencrypted"
        other = f", or give it as {flag} with {ALLOW_HTTP}=1"
        remedy = f"use https://; where the network is trusted, name it in the job file: {entry}{other}"
        raise SettingsInvalid(text, remedy=remedy)
    text = f"{variable} names {host[:80]}, which is not the platform's: the token would go there"
    raise SettingsInvalid(
        text, remedy=f"unset {variable}, name the host in the job file: {entry}, or give it as {flag}"
    )


def _check_proxy(address: str, environ: Mapping[str, str]) -> None:
    """Raise SettingsInvalid if a request to this machine without TLS would go through a proxy elsewhere."""
    parts = urlsplit(address)
    if parts.scheme != "http" or not is_loopback(parts.hostname or ""):
        return
    with suppress(SettingsError):  # a proxy that cannot be used: named when something is sent
        proxy = Settings(environ).proxy_for(parts.scheme, parts.hostname or "", parts.port)
        if proxy is not None and not is_loopback(urlsplit(proxy.url).hostname or ""):
            text = f"{address[:80]} is this machine, and the proxy of {proxy.variable} ({proxy.address}) is not"
            remedy = f"set NO_PROXY=localhost,127.0.0.1,::1, or unset {proxy.variable}"
            raise SettingsInvalid(f"{text}: the token would go there unencrypted", remedy=remedy)


def _names(entry: str, parts: SplitResult) -> bool:
    """Return whether an entry of ``api-hosts`` matches the host; it needs TLS unless the entry begins with http://."""
    scheme, colons, rest = entry.rpartition("://")
    named = urlsplit(f"//{rest}")
    if parts.scheme == "http" and not (colons and scheme.lower() == "http"):
        return False
    default = {"http": 80, "https": 443}[parts.scheme]
    return _host(named) == _host(parts) and named.port in {None, parts.port or default}


def _address(value: str, source: str) -> str:
    """Return the normalised address; raise ConfigInvalid if it is not valid."""
    scheme, colons, rest = value.partition("://")
    scheme = scheme.lower()
    if "@" in rest:
        raise ConfigInvalid(f"{source} holds a user or password", remedy=LIKE)
    if scheme not in {"http", "https"} or not colons or not _is_usable(f"{scheme}://{rest}"):
        raise ConfigInvalid(f"{source} is not a valid address: {value[:80]!r}", remedy=LIKE)
    if "?" in rest or "#" in rest:
        text = f"{source} is an address with a query or fragment: {value[:80]!r}"
        raise ConfigInvalid(text, remedy=f"leave out what follows the path; {LIKE}")
    return f"{scheme}://{rest}".rstrip("/")


def _is_usable(address: str) -> bool:
    """Return whether the address has a valid host, port and path."""
    try:
        parts = urlsplit(address)
        named = bool(parts.hostname) and is_host(parts.hostname or "", address) and parts.port != 0
    except ValueError:  # the port is not a number, or not one between 0 and 65535
        return False
    odd = not address.isprintable() or " " in address or "\\" in address
    return named and not odd and not any(each in {".", ".."} for each in parts.path.split("/"))
