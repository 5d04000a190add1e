"""PLATFORM_* read into one value: phases, ids, and broken variables said clearly without showing them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from upsun_agent.errors import ConfigInvalid
from upsun_agent.limits import VARIABLE_MOST_BYTES
from upsun_agent.platform.container import phase_of, read_container

CANARY = "canary-password-of-the-database"

RUNTIME = {
    "PLATFORM_PROJECT": "abcdefgh1234z",
    "PLATFORM_BRANCH": "feature/login",
    "PLATFORM_ENVIRONMENT": "feature-login-bvxea6i",
    "PLATFORM_ENVIRONMENT_TYPE": "development",
    "PLATFORM_APPLICATION_NAME": "app",
    "PLATFORM_APP_DIR": "/app",
}
BUILD = {"PLATFORM_PROJECT": "abcdefgh1234z", "PLATFORM_OUTPUT_DIR": "/app", "CI": "true"}


def encoded(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


EVERYWHERE = {
    "PLATFORM_PROJECT": "abcdefgh1234z",
    "PLATFORM_APP_DIR": "/app",
    "PLATFORM_APPLICATION": "e30=",
    "PLATFORM_APPLICATION_NAME": "app",
    "PLATFORM_PROJECT_ENTROPY": "x" * 56,
    "PLATFORM_TREE_ID": "f" * 40,
}
BUILDING = {**EVERYWHERE, "CI": "true", "PLATFORM_CACHE_DIR": "/c", "PLATFORM_OUTPUT_DIR": "/o"}
RUNNING = {
    **EVERYWHERE,
    **RUNTIME,
    "PLATFORM_RELATIONSHIPS": "e30=",
    "PLATFORM_ROUTES": "e30=",
    "PORT": "8888",
}
SELECTED = {"PLATFORM_PROJECT": "abcdefgh1234z", "PLATFORM_BRANCH": "main", "PLATFORM_ENVIRONMENT": "main-bvxea6i"}
DEVELOPED = {"PLATFORM_RELATIONSHIPS": "e30=", "PLATFORM_ROUTES": "e30=", "PLATFORM_VARIABLES": "e30="}
CI = {"CI": "true"}


@pytest.mark.parametrize(
    ("environ", "phase"),
    [
        (RUNTIME, "runtime"),
        (RUNNING, "runtime"),
        ({**RUNNING, **CI}, "runtime"),
        ({**SELECTED, "PLATFORM_APP_DIR": "/app"}, "runtime"),
        ({**SELECTED, "PLATFORM_TREE_ID": "f" * 40}, "runtime"),
        ({**SELECTED, "PLATFORM_APPLICATION_NAME": "app"}, "runtime"),
        (BUILD, "build"),
        (BUILDING, "build"),
        ({**BUILDING, "CI": ""}, "build"),
        (EVERYWHERE, "build"),
        ({"PLATFORM_PROJECT": "p", "PLATFORM_APP_DIR": "/app", **CI}, "build"),
        ({"PLATFORM_CACHE_DIR": "/cache"}, "build"),
        ({"PLATFORM_SOURCE_DIR": "/source"}, "build"),
        ({"PLATFORM_PROJECT": "p"}, "laptop"),
        ({"PLATFORM_PROJECT": "p", **CI}, "ci"),
        ({"PLATFORM_PROJECT": "p", "PLATFORM_BRANCH": "main"}, "laptop"),
        ({"PLATFORM_PROJECT": "p", "PLATFORM_BRANCH": "main", **CI}, "ci"),
        ({"PLATFORM_PROJECT": "p", "PLATFORM_ENVIRONMENT": "main-x"}, "laptop"),
        ({"PLATFORM_PROJECT": "p", "PLATFORM_ENVIRONMENT": "main-x", **CI}, "ci"),
        (SELECTED, "laptop"),
        ({**SELECTED, **CI}, "ci"),
        ({**SELECTED, "PLATFORM_APPLICATION_NAME": "app", **CI}, "ci"),
        ({**SELECTED, "PLATFORM_ENVIRONMENT_TYPE": "production", **CI}, "ci"),
        ({**SELECTED, "PLATFORM_ENVIRONMENT_TYPE": "production"}, "laptop"),
        ({**SELECTED, **DEVELOPED, "PLATFORM_ENVIRONMENT_TYPE": "staging"}, "laptop"),
        ({**SELECTED, **DEVELOPED}, "laptop"),
        ({**SELECTED, **DEVELOPED, **CI}, "ci"),
        ({**RUNNING, "PLATFORM_CACHE_DIR": "/c", "IS_DDEV_PROJECT": "true"}, "laptop"),
        ({**RUNNING, "LANDO": "ON"}, "laptop"),
        ({**RUNTIME, "PLATFORM_PROJECT": ""}, "laptop"),
        (CI, "ci"),
        ({"CI": "1"}, "ci"),
        ({"CI": "false"}, "laptop"),
        ({"CI": "0"}, "laptop"),
        ({}, "laptop"),
    ],
)
def test_the_phase_follows_from_all_that_the_platform_sets_in_it(environ: dict[str, str], phase: str) -> None:
    assert phase_of(environ) == phase
    assert read_container(environ).phase == phase


def test_a_runtime_container_is_read_whole() -> None:
    relationships = {"database": [{"password": CANARY, "host": "db.internal"}]}
    environ = {
        **RUNTIME,
        "PLATFORM_RELATIONSHIPS": encoded(relationships),
        "PLATFORM_ROUTES": "what nobody asks for is not read",
    }
    container = read_container(environ)
    assert container.project == "abcdefgh1234z"
    assert container.environment == "feature/login"
    assert container.machine_name == "feature-login-bvxea6i"
    assert container.environment_type == "development"
    assert container.app == "app"
    assert container.app_dir == "/app"
    assert container.relationships == relationships
    assert container.identity == ("abcdefgh1234z", "feature/login", "app")
    assert CANARY not in repr(container), "a password must not get into a log by way of repr"


def test_the_environment_type_is_not_known_at_build() -> None:
    assert read_container(BUILD).environment_type is None


def test_an_id_with_a_slash_is_percent_encoded_in_paths() -> None:
    assert read_container(RUNTIME).environment_path == "feature%2Flogin"
    assert read_container({"PLATFORM_BRANCH": "ünï #1"}).environment_path == "%C3%BCn%C3%AF%20%231"


def test_options_win_and_an_environment_named_by_one_has_no_known_type() -> None:
    container = read_container(RUNTIME, project="other", environment="staging")
    assert (container.project, container.environment) == ("other", "staging")
    assert container.environment_type is None


ODD = [" main", "main ", "ma\nin", "ma\x1b[31min", ".", "..", "x" * 201, "caf\udce9"]
ELSEWHERE = ["a/../b", "../b", "a/..", "/a", "a/", "a//b", "a\\..\\b", "%2e%2e", "a%2F..%2Fb", "a/./b", "/", "\\"]


@pytest.mark.parametrize("value", [*ODD, *ELSEWHERE])
def test_an_id_that_cannot_be_one_is_refused(value: str) -> None:
    with pytest.raises(ConfigInvalid, match="PLATFORM_BRANCH is not a valid id") as caught:
        read_container({**RUNTIME, "PLATFORM_BRANCH": value})
    assert "\x1b" not in str(caught.value)
    with pytest.raises(ConfigInvalid, match="--environment is not a valid id"):
        read_container({}, environment=value)


@pytest.mark.parametrize("name", ["PLATFORM_RELATIONSHIPS"])
@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (f"%%{CANARY}%%", "is not base64"),
        (CANARY + "é", "is not base64"),
        (base64.b64encode(f'{{"password": "{CANARY}",}}'.encode()).decode(), "is not valid JSON"),
        (base64.b64encode(b"\xff\xfe" + CANARY.encode()).decode(), "is not valid JSON"),
        (base64.b64encode(b"[" * 100_000).decode(), "is not valid JSON"),
        (encoded([CANARY]), "holds a JSON list, not an object"),
        (encoded(CANARY), "holds a JSON str, not an object"),
        (encoded(7), "holds a JSON int, not an object"),
        ("e30=A", "is not base64"),
        ("e3", "is not valid JSON"),
        ("A" * (VARIABLE_MOST_BYTES + 1), "is longer than"),
    ],
)
def test_a_broken_variable_is_named_with_its_fault_and_never_shown(name: str, raw: str, what: str) -> None:
    with pytest.raises(ConfigInvalid, match=what) as caught:
        read_container({**RUNTIME, name: raw})
    assert str(caught.value).startswith(name)
    assert name in caught.value.remedy
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value.__cause__)
    assert caught.value.exit_code == 78


FORMS: dict[str, Any] = {
    "folded": lambda coded: "\n".join(coded[at : at + 20] for at in range(0, len(coded), 20)),
    "folded for Windows": lambda coded: "\r\n".join(coded[at : at + 76] for at in range(0, len(coded), 76)),
    "with a line break at its end": lambda coded: coded + "\n",
    "indented": lambda coded: f"  {coded[:8]}\n\t{coded[8:]} ",
    "unpadded": lambda coded: coded.rstrip("="),
    "safe for URLs": lambda coded: coded.replace("+", "-").replace("/", "_"),
    "safe for URLs, unpadded and folded": lambda coded: (
        coded.translate(str.maketrans("+/", "-_", "="))[:9]
        + "\n"
        + (coded.translate(str.maketrans("+/", "-_", "="))[9:])
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("password", ["x", "xx", "xxx", "ü>?~ÿþ"])
def test_base64_is_read_in_every_form(form: str, password: str) -> None:
    found = {"database": [{"password": password, "more": "?>~ÿ" * 40}]}
    coded = base64.b64encode(json.dumps(found, ensure_ascii=False).encode()).decode()
    assert read_container({**RUNTIME, "PLATFORM_RELATIONSHIPS": FORMS[form](coded)}).relationships == found


@pytest.mark.parametrize("nothing", ["[]", "null", "{}", "\ufeff{}", " []\n"])
def test_none_is_none_in_every_spelling(nothing: str) -> None:
    coded = base64.b64encode(nothing.encode()).decode()
    assert read_container({**RUNTIME, "PLATFORM_RELATIONSHIPS": coded}).relationships == {}


def test_empty_variables_count_as_absent() -> None:
    container = read_container(dict.fromkeys([*RUNTIME, "PLATFORM_RELATIONSHIPS"], ""))
    assert container.identity == ("", "", "")
    assert container.relationships == {}
