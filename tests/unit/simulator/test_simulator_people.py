from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from upsun_simulator.user import COLLEAGUE, MACHINE, OWNER

from tests.harness.official_cli import OWNER_TOKEN
from tests.harness.simulator_client import Talker

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator import ManualClock

BOT = {"email": "bot@example.com", "role": "viewer", "permissions": [{"type": "production", "role": "admin"}]}
ROW = f"/projects/abcdefgh1234z/user-access/{MACHINE.id}"
INVITATIONS = "/projects/abcdefgh1234z/invitations"


def _grant(user: str, *permissions: str) -> list[dict[str, Any]]:
    return [{"user_id": user, "permissions": list(permissions)}]


def test_changed_roles_change_the_links_that_the_machine_user_sees(ask: Talker, boss: Talker) -> None:
    assert "#backup" in ask.get(ask.main)["_links"]
    assert boss("PATCH", ROW, {"permissions": ["viewer", "development:contributor"]}).status == 204
    assert "#backup" not in ask.get(ask.main)["_links"]
    assert ask("POST", f"{ask.main}/backup", {"safe": True}).status == 403
    assert boss("PATCH", ROW, {"permissions": ["viewer", "production:admin"]}).status == 204
    assert {"#backup", "#manage-variables"} <= set(ask.get(ask.main)["_links"])
    assert "#backup" not in ask.get(f"{ask.project}/environments/staging")["_links"]
    assert ask.get(ROW)["permissions"] == ["viewer", "production:admin"]
    ask.simulator.change(role="viewer")
    assert ask.get(ROW)["permissions"] == ["viewer", "production:viewer", "staging:admin", "development:admin"]


def test_everybody_sees_what_their_own_roles_allow(ask: Talker, boss: Talker) -> None:
    ask.simulator.change(role="viewer")
    assert "#backup" in boss.get(boss.main)["_links"]
    assert "#backup" not in ask.get(ask.main)["_links"]
    ask.simulator.add_token("token-of-grace", user="grace")
    grace = Talker(ask.simulator)
    grace.bearer = grace.exchange("token-of-grace").content["access_token"]
    assert grace.get("/users/me")["id"] == COLLEAGUE.id
    assert "#backup" not in grace.get(grace.main)["_links"]


def test_an_admin_of_the_project_is_admin_everywhere(make: Callable[..., Talker]) -> None:
    ask = make(project_role="admin", role="viewer", other_role=None)
    assert ask.get(ROW)["permissions"] == ["admin"]
    assert ask("POST", f"{ask.main}/backup", {"safe": True}).status == 202
    assert ask.get(INVITATIONS) == []


def test_who_lost_access_is_refused_everywhere_in_the_project(ask: Talker, boss: Talker) -> None:
    assert boss("DELETE", ROW).status == 204
    for path in (ask.project, ask.main, f"{ask.project}/activities"):
        assert ask("GET", path).status == 403
    assert ask("GET", "/users/me").status == 200
    assert ask.get(f"/users/{MACHINE.id}/extended-access")["items"] == []
    assert boss("POST", f"{boss.project}/user-access", _grant(MACHINE.id, "viewer", "staging:admin")).status == 204
    assert ask.get(ask.project)["id"] == "abcdefgh1234z"


def test_user_access_is_listed_page_by_page_and_changeable_only_by_an_admin(ask: Talker, boss: Talker) -> None:
    first = boss.get(f"{boss.project}/user-access?page[size]=2")
    second = boss.get(first["_links"]["next"]["href"])
    rows = [*first["items"], *second["items"]]
    assert [row["user_id"] for row in rows] == [OWNER.id, MACHINE.id, COLLEAGUE.id]
    assert "next" not in second["_links"]
    assert [sorted(row["_links"]) for row in rows] == [["self"], *[["delete", "self", "update"]] * 2]
    assert sorted(ask.get(ROW)["_links"]) == ["self"]
    assert boss("GET", f"{ask.project}/user-access?page[size]=x").status == 400


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PATCH", ROW, {"permissions": ["viewer", "production:owner"]}, 400),
        ("PATCH", ROW, {"permissions": []}, 400),
        ("PATCH", ROW, {}, 400),
        ("PATCH", f"/projects/abcdefgh1234z/user-access/{OWNER.id}", {"permissions": ["viewer"]}, 400),
        ("DELETE", f"/projects/abcdefgh1234z/user-access/{OWNER.id}", None, 400),
        ("DELETE", "/projects/abcdefgh1234z/user-access/nobody", None, 404),
        ("POST", "/projects/abcdefgh1234z/user-access", _grant(MACHINE.id, "viewer"), 409),
        ("POST", "/projects/abcdefgh1234z/user-access", _grant("nobody", "viewer"), 400),
        ("POST", "/projects/abcdefgh1234z/user-access", {}, 400),
        ("POST", INVITATIONS, {"email": "no address"}, 400),
        ("POST", INVITATIONS, {**BOT, "role": "owner"}, 400),
        ("POST", INVITATIONS, {**BOT, "permissions": [{"type": "production"}]}, 400),
        ("POST", INVITATIONS, {"email": COLLEAGUE.email}, 400),
        ("DELETE", f"{INVITATIONS}/none", None, 404),
    ],
)
def test_what_is_wrong_is_refused_and_by_others_than_admins_forbidden(
    ask: Talker, boss: Talker, method: str, path: str, body: Any, status: int
) -> None:
    assert boss(method, path, body).status == status
    assert ask(method, path, body).status == 403
    assert ask.simulator.request_log()["mails"] == []


def test_a_second_invitation_is_a_conflict_and_by_force_a_second_e_mail(boss: Talker) -> None:
    first = boss("POST", INVITATIONS, BOT)
    assert (first.status, first.content["state"]) == (201, "pending")
    assert boss("POST", INVITATIONS, {**BOT, "email": "BOT@example.com"}).status == 409
    assert len(boss.simulator.request_log()["mails"]) == 1
    second = boss("POST", INVITATIONS, {**BOT, "force": True})
    assert second.status == 201
    assert [one["id"] for one in boss.get(INVITATIONS)] == [second.content["id"]]
    assert [one["to"] for one in boss.simulator.request_log()["mails"]] == [BOT["email"]] * 2
    assert boss("DELETE", f"{INVITATIONS}/{second.content['id']}").status == 204
    assert boss.get(INVITATIONS) == []
    assert len(boss.get(f"{INVITATIONS}?filter[state]=cancelled")) == 2


def test_who_accepts_gets_the_roles_of_the_invitation(ask: Talker, boss: Talker) -> None:
    boss("POST", INVITATIONS, BOT)
    bot = boss.simulator.accept_invitation(str(BOT["email"]))
    assert boss.get(f"{boss.project}/user-access/{bot.id}")["permissions"] == ["viewer", "production:admin"]
    assert boss.get(INVITATIONS) == []
    assert boss("POST", INVITATIONS, {**BOT, "force": True}).status == 400
    ask.simulator.add_token("token-of-the-bot", user=str(BOT["email"]))
    ask.bearer = ask.exchange("token-of-the-bot").content["access_token"]
    assert ask.get("/users/me")["email"] == BOT["email"]
    ask.back_up()
    with pytest.raises(ValueError, match="no invitation"):
        boss.simulator.accept_invitation("nobody@example.com")


def test_an_account_that_was_invited_joins_as_itself(boss: Talker) -> None:
    known = boss.simulator.add_user("guest@example.com")
    boss("POST", INVITATIONS, {**BOT, "email": "guest@example.com"})
    assert boss.simulator.accept_invitation("guest@example.com") == known
    boss.simulator.set_permissions([], "guest@example.com")
    assert boss("GET", f"{boss.project}/user-access/{known.id}").status == 404
    with pytest.raises(ValueError, match="there is a user"):
        boss.simulator.add_user("guest@example.com")
    with pytest.raises(ValueError, match="not a valid permission"):
        boss.simulator.set_permissions(["owner"])


def test_tokens_are_listed_with_age_and_last_use_and_without_secret(ask: Talker, clock: ManualClock) -> None:
    tokens = f"/users/{MACHINE.id}/api-tokens"
    clock.advance(60)
    ask.exchange()
    listed = ask.get(tokens)
    assert [one["name"] for one in listed] == ["Agent"]
    assert listed[0]["created_at"] == "2026-01-30T12:00:00.000000+00:00"
    assert listed[0]["last_used_at"] == "2026-03-01T12:01:00.000000+00:00"
    assert "token" not in listed[0]
    ask.simulator.add_token("newer-token", name="Newer", age=60)
    assert [one["last_used_at"] for one in ask.get(tokens)][1] is None
    ask.simulator.revoke_token()
    assert [one["name"] for one in ask.get(tokens)] == ["Newer"]
    ask.simulator.change(token="rotated-token")
    assert [one["name"] for one in ask.get(tokens)] == ["Newer", "Agent"]
    assert ask("GET", f"/users/{OWNER.id}/api-tokens").status == 403
    assert "newer-token" not in json.dumps(ask.simulator.request_log())


def test_an_api_token_makes_and_deletes_no_tokens_unless_the_platform_lets_it(ask: Talker) -> None:
    tokens = f"/users/{MACHINE.id}/api-tokens"
    own = ask.get(tokens)[0]["id"]
    assert ask("POST", tokens, {"name": "next"}).status == 403
    assert ask("DELETE", f"{tokens}/{own}").status == 403
    assert ask.exchange().status == 200
    ask.simulator.change(tokens_manage_tokens=True)
    made = ask("POST", tokens, {"name": "next"})
    assert made.status == 201
    assert ask("POST", tokens, {"name": "next"}).status == 409
    assert ask("POST", tokens, {}).status == 400
    assert ask.exchange(made.content["token"]).status == 200
    assert made.content["token"] not in json.dumps(ask.simulator.request_log())
    assert "token" not in ask.get(f"{tokens}/{made.content['id']}")
    assert ask("DELETE", f"{tokens}/{own}").status == 204
    assert ask("GET", f"{tokens}/{own}").status == 404
    assert ask.exchange().status == 400


@pytest.mark.parametrize(("refusal", "status"), [("step-up", 401), ("forbidden", 403)])
def test_where_mfa_is_required_a_token_made_without_it_is_refused(
    make: Callable[..., Talker], refusal: str, status: int
) -> None:
    ask = make(mfa_required=True, mfa_refusal=refusal, mfa_enabled=True)
    assert ask.get("/users/me")["mfa_enabled"] is True
    assert ask.get(f"/users/{MACHINE.id}/api-tokens")[0]["mfa_on_creation"] is False
    for answer in (ask("GET", ask.main), ask("POST", "/ssh", {"key": "x"})):
        assert (answer.status, answer.content["amr"]) == (status, ["mfa"])
        assert "amr" not in answer.content["message"]
        challenge = answer.headers.get("WWW-Authenticate", "")
        assert ("insufficient_user_authentication" in challenge) == (status == 401)
    ask.simulator.change(token_mfa=True)
    ask.bearer = ask.exchange().content["access_token"]
    assert ask.get(f"{ask.project}/settings")["enforce_mfa"] is True


def test_there_may_be_no_token_of_the_owner(make: Callable[..., Talker]) -> None:
    assert make().exchange(OWNER_TOKEN).status == 200
    assert make(owner_token="").exchange(OWNER_TOKEN).status == 400
