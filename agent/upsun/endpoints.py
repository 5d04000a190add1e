"""Where the API and the authentication service are."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from agent.errors import ConfigInvalid
from agent.records import dataclass

API = "https://api.upsun.com"
AUTH = "https://auth.upsun.com"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the API and the authentication service are; the overrides are the official CLI's."""

    api: str = API
    auth: str = AUTH

    @classmethod
    def of(cls, environ: Mapping[str, str], api: str | None = None, auth: str | None = None) -> Endpoints:
        """The endpoints these options and variables name; raises ConfigInvalid where one is no http(s) address."""
        return cls(
            _address(api or environ.get("UPSUN_CLI_API_URL") or API, "--api-url or UPSUN_CLI_API_URL"),
            _address(auth or environ.get("UPSUN_CLI_AUTH_URL") or AUTH, "--auth-url or UPSUN_CLI_AUTH_URL"),
        )


def _address(value: str, source: str) -> str:
    scheme, _, rest = value.partition("://")
    odd = not value.isprintable() or " " in value or "@" in rest or not _has_port_or_none(value)
    if scheme not in {"http", "https"} or not rest or odd:
        shown = "it holds a user or password" if "@" in value else repr(value[:80])
        raise ConfigInvalid(f"{source} is no address: {shown}", remedy="write it like https://api.upsun.com")
    return value.rstrip("/")


def _has_port_or_none(value: str) -> bool:
    try:
        return urlsplit(value).port != 0
    except ValueError:  # no number, or none between 0 and 65535
        return False
