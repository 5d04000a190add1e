"""A secret in the place of the name of a variable that holds it is refused, and no message repeats it."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upsun_agent.config import parse
from upsun_agent.errors import ConfigInvalid
from upsun_agent.model.ids import variable_fault

JOBS = "[jobs.a]\n[[jobs.a.steps]]\nbackup = {}\n"
PLACES: dict[str, Callable[[str], str]] = {
    "token-variable": lambda text: f'[agent]\ntoken-variable = "{text}"\n{JOBS}',
    "heartbeat": lambda text: f'[agent]\nheartbeat = {{ url-variable = "{text}" }}\n{JOBS}',
    "a channel": lambda text: f'{JOBS}[notify.c]\nslack = {{ url-variable = "{text}" }}\n',
    "a signature": lambda text: f'{JOBS}[notify.c]\nwebhook = {{ url-variable = "U", secret-variable = "{text}" }}\n',
    "state": lambda text: f'[agent]\nstate = "url-variable:{text}"\n{JOBS}',
    "keep-variables": lambda text: (
        f'[jobs.a]\n[[jobs.a.steps]]\ncommand = {{ run = ["x"], keep-variables = ["{text}"] }}\n'
    ),
}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
SECRETS = {
    "as the platform makes them": "a" + "".join(secrets.choice(LETTERS) for _ in range(42)),
    "with dashes": "a-" + secrets.token_urlsafe(20),
    "hexadecimal": "f1e2d3c4" + secrets.token_hex(16),
    "upper case": "T0K3N9" + secrets.token_hex(16).upper(),
    "short": "pw-" + secrets.token_hex(5),
    "a URL": "https://h/" + secrets.token_hex(5),
    "letters only": "".join(secrets.choice(LETTERS[:52]) for _ in range(40)),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_in_the_place_of_a_name_is_refused_and_not_repeated(place: str, kind: str) -> None:
    secret = SECRETS[kind]
    with pytest.raises(ConfigInvalid) as found:
        parse(PLACES[place](secret))
    assert secret[4:12] not in str(found.value) + found.value.remedy


@pytest.mark.parametrize(
    "name",
    [
        "UPSUN_CLI_TOKEN",
        "MY_TOKEN",
        "TOKEN2",
        "HEALTHCHECKS_URL_2026_PROD",
        "myCompanyUpsunTokenForBackups",
        "S3_BACKUP_V2_TOKEN",
        "CI_TOKEN_OF_PROJECT_1234567890",
        "_x",
    ],
)
@pytest.mark.parametrize("place", PLACES)
def test_names_of_variables_are_names(place: str, name: str) -> None:
    assert parse(PLACES[place](name)).jobs


@given(st.text(alphabet=LETTERS, min_size=36, max_size=64))
def test_a_long_text_without_a_break_is_no_name(text: str) -> None:
    assert variable_fault(text) is not None
