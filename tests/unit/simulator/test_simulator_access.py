from __future__ import annotations

import base64
import dataclasses
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    load_ssh_public_identity,
)
from upsun_simulator import Scenario, Simulator
from upsun_simulator.user import OWNER

from tests.harness.official_cli import OWNER_TOKEN
from tests.harness.simulator_client import FORM, START, Talker

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator import ManualClock

OPERATIONS = {"#backup", "#source-operation", "#redeploy"}


def _public_line(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH), "ascii") + " a comment\n"


def _links(ask: Talker, name: str = "main") -> tuple[set[str], set[str]]:
    """The operation links of an environment, in the list and alone."""
    path = f"{ask.project}/environments/{name}"
    listed = next(one for one in ask.get(f"{ask.project}/environments") if one["id"] == name)
    return set(listed["_links"]) & OPERATIONS, set(ask.get(path)["_links"]) & OPERATIONS


def test_an_api_token_is_exchanged_for_a_bearer_in_the_shape_of_a_jwt(ask: Talker) -> None:
    answer = ask.exchange()
    content = answer.content
    assert (answer.status, content["token_type"], content["expires_in"]) == (200, "bearer", 10**6)
    payload = content["access_token"].split(".")[1]
    assert not set(payload) & set("-_"), "the official CLI decodes with the standard alphabet"
    claims = json.loads(base64.b64decode(payload + "=="))
    assert claims["sub"] == ask.get("/users/me")["id"]
    assert claims["exp"] == START.timestamp() + 10**6


def test_the_client_may_also_be_named_by_http_basic(ask: Talker) -> None:
    form = urlencode({"grant_type": "api_token", "api_token": "simulated-token"})
    good = base64.b64encode(b"platform-api-user:").decode()
    bad = base64.b64encode(b"platform-api-user:secret").decode()
    for coded, status in ((good, 200), (bad, 401), ("%%%", 401)):
        answer = ask.send("POST", "/oauth2/token", form, FORM, {"Authorization": f"Basic {coded}"})
        assert answer.status == status


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"api_token": "wrong"}, 400, "invalid_grant"),
        ({"api_token": "simulated-token\n"}, 400, "invalid_grant"),
        ({"api_token": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
        ({"client_id": "stranger"}, 401, "invalid_client"),
    ],
)
def test_a_bad_exchange_is_refused_in_the_shape_of_oauth(
    ask: Talker, fields: dict[str, str], status: int, error: str
) -> None:
    answer = ask.exchange(**{"token": fields.get("api_token", "simulated-token"), **fields})
    assert (answer.status, answer.content["error"]) == (status, error)
    assert answer.content["error_description"]


def test_an_exchange_that_is_no_form_is_refused(ask: Talker) -> None:
    assert ask.send("POST", "/oauth2/token", "{}").content["error"] == "invalid_request"
    assert ask.send("POST", "/oauth2/revoke", "{}").status == 400


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Basic eA=="])
def test_without_a_good_bearer_everything_answers_401(ask: Talker, header: str | None) -> None:
    headers = None if header is None else {"Authorization": header}
    for path in ("/users/me", ask.project, "/ref/users"):
        answer = ask.send("GET", path, headers=headers)
        assert answer.status == 401
        assert answer.content["error"] == "invalid_token"
        assert "insufficient_user_authentication" not in answer.headers["WWW-Authenticate"]
    assert ask.send("POST", "/ssh", "{}", headers=headers).status == 401


def test_a_bearer_ends_with_its_time(make: Callable[..., Talker], clock: ManualClock) -> None:
    ask = make(bearer_seconds=900)
    assert ask("GET", "/users/me").status == 200
    clock.advance(899)
    assert ask("GET", "/users/me").status == 200
    clock.advance(1)
    assert ask("GET", "/users/me").status == 401


def test_a_revoked_token_is_not_exchanged_but_its_bearers_live_on(ask: Talker) -> None:
    assert ask("GET", "/users/me").status == 200
    ask.simulator.revoke_token()
    assert ask.exchange().content["error_description"] == "Invalid API token"
    assert ask("GET", "/users/me").status == 200
    ask.simulator.expire_bearers()
    assert ask("GET", "/users/me").status == 401
    ask.simulator.add_token("another-token")
    assert ask.exchange("another-token").status == 200


def test_revoking_a_bearer_over_the_wire_ends_it(ask: Talker) -> None:
    assert ask("GET", "/users/me").status == 200
    form = urlencode({"token": ask.bearer or "", "token_type_hint": "access_token"})
    assert ask.send("POST", "/oauth2/revoke", form, FORM).status == 200
    assert ask("GET", "/users/me").status == 401
    assert ask.exchange().status == 200


def test_revoking_what_nobody_issued_changes_nothing(ask: Talker) -> None:
    assert ask.send("POST", "/oauth2/revoke", urlencode({"token": "environment"}), FORM).status == 200
    ask.back_up()
    assert ask.simulator.request_log()["activities"][0]["type"] == "environment.backup"


def test_a_changed_token_replaces_the_old_one(ask: Talker) -> None:
    ask.simulator.scenario = dataclasses.replace(ask.simulator.scenario, token="rotated-token")
    assert ask.exchange().status == 400
    assert ask.exchange("rotated-token").status == 200
    assert "simulated-token" not in json.dumps(ask.simulator.request_log())


def test_no_token_ever_reaches_the_books(ask: Talker) -> None:
    secret = "super-secret-value"
    ask.simulator.add_token(secret)
    ask.get(f"{ask.main}/activities?type={secret}")
    body = {"operation": "update", "variables": {"env": {"A": secret, "B": f"x {ask.bearer} y", "api_token": "z-z-z"}}}
    ask("POST", f"{ask.main}/source-operation", body)
    ask("POST", "/ssh", {"key": secret})
    ask.send("POST", f"/nothing/{secret}", f"no json {secret}")
    written = json.dumps(ask.simulator.request_log())
    assert ask.bearer
    for hidden in (secret, "simulated-token", ask.bearer, "z-z-z"):
        assert hidden not in written
    assert written.count("<secret>") >= 5


def test_a_certificate_is_signed_for_the_key_by_the_simulators_own_authority(ask: Talker) -> None:
    key = Ed25519PrivateKey.generate()
    line = ask("POST", "/ssh", {"key": _public_line(key)}).content["certificate"]
    assert line.startswith("ssh-ed25519-cert-v01@openssh.com ")
    certificate = load_ssh_public_identity(line.encode())
    assert isinstance(certificate, SSHCertificate)
    certificate.verify_cert_signature()
    me = ask.get("/users/me")
    assert certificate.key_id.decode() == me["id"]
    assert certificate.valid_principals == [me["id"].encode(), b"update-bot"]
    assert certificate.valid_before == START.timestamp() + 3600
    assert b"access-id@platform.sh" in certificate.extensions
    authority = certificate.signature_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert ask.simulator.ssh_authority.startswith(authority)


@pytest.mark.parametrize("key", [None, 1, "", "ssh-ed25519 AAAA", "ssh-dss AAAAB3NzaC1kc3M= x", "\x00"])
def test_what_is_no_key_gets_no_certificate(ask: Talker, key: object) -> None:
    answer = ask("POST", "/ssh", {"key": key})
    assert (answer.status, answer.content["title"]) == (400, "Bad Request")


def test_a_key_of_another_kind_gets_no_certificate(ask: Talker) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    assert ask("POST", "/ssh", {"key": _public_line(key)}).status == 400


@pytest.mark.parametrize("role", ["contributor", "viewer", None])
def test_too_small_a_role_sees_no_operations_and_may_not_ask_for_them(
    make: Callable[..., Talker], role: str | None
) -> None:
    ask = make(role=role)
    backup = ask.simulator.add_backup()
    cron = ask.simulator.start_activity(seconds=None)
    assert _links(ask) == (set(), set())
    assert _links(ask, "staging") == (OPERATIONS, OPERATIONS)
    for method, path in (
        ("POST", "backup"),
        ("POST", "source-operation"),
        ("POST", "redeploy"),
        ("DELETE", f"backups/{backup.id}"),
        ("POST", f"activities/{cron.id}/cancel"),
    ):
        body = {"operation": "update"} if path == "source-operation" else None
        answer = ask(method, f"{ask.main}/{path}", body)
        assert (answer.status, answer.content["title"]) == (403, "Forbidden")
    assert len(ask.states()) == 1
    assert ask("POST", f"{ask.project}/environments/staging/backup").status == 202


def test_user_access_tells_the_machine_users_roles(make: Callable[..., Talker]) -> None:
    ask = make(role="viewer", other_role=None)
    me = ask.get("/users/me")["id"]
    assert ask.get(f"{ask.project}/user-access/{me}")["permissions"] == ["viewer", "production:viewer"]
    boss = Talker(ask.simulator)
    boss.bearer = boss.exchange(OWNER_TOKEN).content["access_token"]
    rows = boss.get(f"{ask.project}/user-access")
    assert me in [row["user_id"] for row in rows["items"]]
    users = boss.get(rows["_links"]["ref:users:0"]["href"])
    assert users[me]["username"] == "update-bot"
    assert boss("GET", f"{ask.project}/user-access/nobody").status == 404


def test_only_an_admin_of_the_project_sees_what_others_may_do(ask: Talker) -> None:
    for path in ("user-access", f"user-access/{OWNER.id}", "environment-types/staging/access"):
        assert ask("GET", f"{ask.project}/{path}").status == 403


@pytest.mark.parametrize("status", ["inactive", "paused", "dirty", "deleting"])
def test_an_environment_that_is_not_active_takes_no_operations(ask: Talker, status: str) -> None:
    ask.simulator.set_status(status)
    assert ask.get(ask.main)["status"] == status
    assert _links(ask) == (set(), set())
    answer = ask("POST", f"{ask.main}/backup", {"safe": True})
    assert answer.status == 409
    assert status in answer.content["message"]


def test_any_environment_can_be_paused(ask: Talker) -> None:
    ask.simulator.pause("staging")
    assert ask.get(f"{ask.project}/environments/staging")["status"] == "paused"
    assert ask.get(f"{ask.project}/environments/staging")["deployment_state"]["crons"]["status"] == "paused"
    ask.simulator.set_crons("sleeping")
    assert ask.get(ask.main)["deployment_state"]["crons"] == {"enabled": False, "status": "sleeping"}


def test_while_busy_links_stay_and_requests_queue_unless_the_scenario_says_otherwise(ask: Talker) -> None:
    ask.back_up()
    assert _links(ask) == (OPERATIONS, OPERATIONS)
    assert ask.get(ask.main)["is_dirty"]
    ask.simulator.change(links_vanish_when_busy=True)
    assert _links(ask) == (set(), set())
    assert ask("POST", f"{ask.main}/backup").status == 409


def test_links_can_be_absent_everywhere_or_from_the_list_only(make: Callable[..., Talker]) -> None:
    ask = make(absent_links=("#redeploy",), absent_list_links=("#backup",))
    assert _links(ask) == ({"#source-operation"}, {"#source-operation", "#backup"})


def test_links_are_regional_or_plain_paths(make: Callable[..., Talker]) -> None:
    links = make().get("/projects/abcdefgh1234z/environments/feature%2Flogin")["_links"]
    assert links["self"]["href"].startswith("https://eu-5.platform.sh/api/projects/")
    assert links["#backup"]["href"] == "/api/projects/abcdefgh1234z/environments/feature%2Flogin/backup"
    ask = make(regional_links=False)
    assert ask.get(ask.main)["_links"]["self"]["href"] == ask.main


def test_a_scenario_tells_what_is_wrong_with_it() -> None:
    with pytest.raises(ValueError, match="backup_outcome is 'lost'"):
        Scenario(backup_outcome="lost")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="backup_seconds is -1"):
        Scenario(backup_seconds=-1)
    with pytest.raises(ValueError, match=r"backup_limit is 1\.5"):
        Scenario(backup_limit=1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no field 'speed'"):
        Simulator().change(speed=1)
    with pytest.raises(ValueError, match="'project' cannot change"):
        Simulator().change(project="other")
