"""The machine's network settings from variables: proxies, hosts without a proxy, certificate authorities.

The conventions are those of curl and of Go's net/http. What cannot be used is refused with the name of its variable;
httpx, which would read the same variables, is told not to.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
import ssl
import stat
from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from upsun_agent.lazy_imports import end_stubbing

CERTIFICATES = "/etc/ssl/certs"
HTTP = frozenset({"http", "https"})
SOCKS = frozenset({"socks5", "socks5h"})
DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
HOST_MOST = 253  # characters of a name that a resolver takes
HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
INSTALL_SOCKS = (
    "name an HTTP proxy, or install the extra: in an app UPSUN_AGENT_EXTRA=socks in the build hook; "
    "in a checkout of the agent's repository: pip install '.[socks]'"
)


class SettingsError(Exception):
    """A variable of the machine is not usable; the message names it."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class Proxy(Struct, frozen=True):
    """A proxy: the variable that names it, its URL (which may hold a password) and its host and port for messages."""

    #: The name of the variable that the proxy stands in.
    variable: str
    #: The address, which may hold a password.
    url: str
    #: The host and port, for messages.
    address: str

    def __repr__(self) -> str:
        """Return it without the URL."""
        return f"Proxy(variable={self.variable!r}, address={self.address!r})"


class Settings:
    """The proxies and certificate authorities that the variables name.

    Raises:
        SettingsError: a proxy cannot be used, whether or not the next request would take it.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        named = {scheme: _named(environ, f"{scheme}_proxy") for scheme in ("http", "https", "all")}
        exceptions = _named(environ, "no_proxy")
        self._exceptions = re.split(r"[,\s]+", exceptions[1].strip()) if exceptions else []
        everything = "*" in self._exceptions
        self._proxies = {each: _proxy(*found) for each, found in named.items() if found and not everything}

    def proxy_for(self, scheme: str, host: str, port: int | None) -> Proxy | None:
        """Return the proxy for a request; None if it goes directly to the host.

        Args:
            scheme: `http` or `https`.
            host: the name or address of the host.
            port: the port; None: that of the scheme.
        """
        found = self._proxies.get(scheme) or self._proxies.get("all")
        number = port or DEFAULT_PORTS.get(scheme, 0)
        if found is None or any(_excepts(each, scheme, host, number) for each in self._exceptions):
            return None
        return found

    def certificates(self) -> ssl.SSLContext | None:
        """Return a TLS context with the authorities trusted here; None if none are configured.

        Raises:
            SettingsError: a variable names authorities that cannot be read.
        """
        file, directory = self._environ.get("SSL_CERT_FILE"), self._environ.get("SSL_CERT_DIR")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_alpn_protocols(["http/1.1"])
        if file:
            try:
                if not stat.S_ISREG(os.stat(file).st_mode):  # reading a pipe or a device may never end
                    raise _no_certificates("SSL_CERT_FILE", file, "it is not a file")
                context.load_verify_locations(cafile=file)
            except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
                raise _no_certificates("SSL_CERT_FILE", file, _why(error)) from error
            return context
        places = (directory or CERTIFICATES).split(os.pathsep)
        if any(_is_hashed(each) for each in places):  # read lazily, while bundles are parsed at every start
            context.load_verify_locations(capath=directory or CERTIFICATES)
            return context
        if not directory:
            return None
        there = any(os.path.isdir(each) for each in places)
        why = "it holds no certificates with names like 0a1b2c3d.0" if there else "it is not a directory"
        raise _no_certificates("SSL_CERT_DIR", directory, why)


def _no_certificates(variable: str, value: str, why: str) -> SettingsError:
    other = "run 'openssl rehash' on it, " if variable == "SSL_CERT_DIR" else ""
    shown = value[:200] if value.isprintable() else ascii(value)[:200]
    remedy = f"{other}set {variable} to certificate authorities in PEM form, or unset it"
    return SettingsError(f"{variable} names {shown}, which cannot be used: {why}", remedy)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "it holds no certificate in PEM form"
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "it is not a valid path"


def _is_hashed(directory: str) -> bool:
    """Return whether OpenSSL can look certificates up in the directory: names like ``0a1b2c3d.0``."""
    try:
        with os.scandir(directory) as entries:
            return any(HASHED.fullmatch(entry.name) for entry in entries)
    except (OSError, ValueError):
        return False


def _named(environ: Mapping[str, str], name: str) -> tuple[str, str] | None:
    """Return the variable's name as set here, and its value. Lower case wins, even if it is empty.

    HTTP_PROXY in upper case is a header of the visitor's in CGI programs, and is not read there.
    """
    for written in (name, name.upper()):
        value = environ.get(written)
        if value is None or (written == "HTTP_PROXY" and "REQUEST_METHOD" in environ):
            continue
        return (written, value) if value.strip() else None
    return None


def _proxy(variable: str, value: str) -> Proxy:
    """Return the proxy in a variable; raise SettingsError if it is not valid. The value may hold a password."""
    text = value.strip()
    url = text if "://" in text else f"http://{text}"
    scheme = url.partition("://")[0].lower()
    if scheme in SOCKS:
        end_stubbing()  # a tick takes socksio for absent: nothing else needs it
    if scheme in SOCKS and importlib.util.find_spec("socksio") is None:
        text = f"{variable} names a SOCKS proxy, and the package socksio, which speaks to one, is not installed"
        raise SettingsError(text, INSTALL_SOCKS)
    if scheme not in HTTP | SOCKS:
        shown = re.sub(r"[^a-z0-9+.-]", "?", scheme[:20])
        text = f"{variable} names a proxy of the scheme '{shown}', which is not supported"
        raise SettingsError(text, f"set {variable} to an address like http://HOST:PORT, or unset it")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if (
        not host
        or not is_host(host, url)
        or port == 0
        or not url.isascii()
        or not url.isprintable()
        or " " in url
        or "\\" in url
    ):
        text = f"{variable} is not a valid proxy address"
        raise SettingsError(text, f"set {variable} to an address like http://HOST:PORT, or unset it")
    shown = f"[{host}]" if ":" in host else host
    return Proxy(variable, f"{scheme}://{url.partition('://')[2]}", f"{shown}:{port or DEFAULT_PORTS[scheme]}")


def is_host(host: str, url: str) -> bool:
    """Return whether an IP address is valid and a name is not too long; the resolver checks the rest."""
    if len(host) > HOST_MOST:
        return False
    bracketed = "[" in url.partition("://")[2].partition("/")[0]
    if not bracketed and re.fullmatch(r"[0-9]+(?:\.[0-9]+){3}", host) is None:
        return True
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether the host is this machine, so that nothing goes over a network."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address.is_loopback or (mapped is not None and mapped.is_loopback)


def _excepts(entry: str, scheme: str, host: str, port: int) -> bool:
    """Return whether an entry of NO_PROXY matches the host: a name, address or network, with or without a port.

    An entry that is none of these is about no host.
    """
    if "://" in entry:
        only, entry = entry.split("://", 1)
        if only.lower() not in {scheme, "all"}:
            return False
        entry = entry.partition("/")[0]
    entry, number = _without_port(entry.strip().lower())
    if not entry or (number is not None and number != port):
        return False
    host = host.strip("[]").lower().rstrip(".")
    if _is_numeric(host):
        return _is_within(host, entry)
    name = entry.removeprefix("*").strip(".")
    return bool(name) and "/" not in name and (host == name or host.endswith(f".{name}"))


def _without_port(entry: str) -> tuple[str, int | None]:
    """Return the entry without brackets and port, and the port; ``("", None)`` if the port is not a number."""
    bracketed = re.fullmatch(r"\[([^\]]*)\](/\d+)?(?::(.*))?", entry)
    if bracketed:
        entry, port = bracketed[1] + (bracketed[2] or ""), bracketed[3]
    elif entry.count(":") == 1:
        entry, port = entry.split(":")
    else:
        port = None  # a name without a port, or an IPv6 address
    if port is None:
        return entry, None
    return (entry, int(port)) if port.isascii() and port.isdigit() and len(port) <= 5 else ("", None)  # noqa: PLR2004


def _is_numeric(host: str) -> bool:
    return ":" in host or re.fullmatch(r"[0-9.]+", host) is not None


def _is_within(host: str, entry: str) -> bool:
    """Return whether an address equals the entry, or is in its network."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
        network = ipaddress.ip_network("".join(re.split(r"%[^/]*", entry)), strict=False)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return any(each is not None and each.version == network.version and each in network for each in (address, mapped))


def trust_remedy(said: str) -> str:
    """Return the remedy for a certificate that is not trusted, from OpenSSL's reason."""
    lowered = said.lower()
    if "mismatch" in lowered:
        return "the certificate is another host's: check the address, and the proxy if there is one"
    if "expired" in lowered or "not yet valid" in lowered:
        return "check this machine's clock; else the host's certificate has to be renewed"
    return (
        "where a proxy or a server of your own answers there, set SSL_CERT_FILE to a PEM file with the "
        "certificate authority that signed its certificate"
    )
