"""What surrounds environments: domains, integrations, containers and their sizes, the organization and its teams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from upsun_simulator import Scenario
from upsun_simulator.user import COLLEAGUE, MACHINE

from tests.harness.simulator_client import Talker

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator import ManualClock

DOMAINS = "/projects/abcdefgh1234z/environments/main/domains"


def _routes(ask: Talker, path: str) -> dict[str, Any]:
    found: dict[str, Any] = ask.get(f"{path}/deployments/current")["routes"]
    return found


def test_a_domain_becomes_a_route_where_the_site_answers(ask: Talker, clock: ManualClock) -> None:
    assert ask.get(ask.main)["has_domains"] is False
    activity = ask.post(DOMAINS, {"name": "Shop.example.com"})
    assert (activity["type"], activity["payload"]["domain"]) == (
        "environment.domain.create",
        {"name": "shop.example.com"},
    )
    clock.advance(60)
    seen = ask.get(ask.main)
    assert (seen["has_domains"], seen["default_domain"]) == (True, "shop.example.com")
    assert next(iter(_routes(ask, ask.main))) == "https://shop.example.com/"
    assert [one["primary"] for one in ask.get(f"{ask.main}/routes")] == [True, False]
    with ask.client.get("/", base_url="https://shop.example.com/") as answer:
        assert (answer.status_code, "commit " in answer.get_data(as_text=True)) == (200, True)
    other = ask("POST", DOMAINS, {"name": "other.example.com", "is_default": True})
    assert (other.status, ask.get(ask.main)["default_domain"]) == (202, "other.example.com")
    assert ask.get(f"{DOMAINS}/shop.example.com")["is_default"] is False
    assert ask("DELETE", f"{DOMAINS}/other.example.com").status == 202
    assert [one["name"] for one in ask.get(DOMAINS)] == ["shop.example.com"]


def test_a_domain_elsewhere_takes_the_place_of_one_of_production(ask: Talker) -> None:
    path = f"{ask.staging}/domains"
    assert ask("POST", path, {"name": "staging.example.com"}).status == 400
    ask.simulator.add_domain("example.com")
    body = {"name": "staging.example.com", "replacement_for": "example.com"}
    assert ask("POST", path, body).status == 202
    (one,) = ask.get(path)
    assert (one["type"], one["replacement_for"], "is_default" in one) == ("replacement", "example.com", False)
    assert ask("POST", path, body).status == 409


@pytest.mark.parametrize("name", ["example", "-a.example.com", "exa mple.com", "https://example.com", "a" * 300])
def test_what_is_not_a_domain_name_is_refused(ask: Talker, name: str) -> None:
    assert ask("POST", DOMAINS, {"name": name}).status == 400


def test_the_platform_renews_the_certificate_of_a_domain(ask: Talker, clock: ManualClock) -> None:
    ask.simulator.add_domain("example.com")
    certificates = f"{ask.project}/certificates"
    (first,) = ask.get(certificates)
    assert (first["domains"], first["is_provisioned"]) == (["example.com"], True)
    clock.advance(80 * 86400)
    ask.bearer = None
    (later,) = ask.get(certificates)
    assert later["expires_at"] > first["expires_at"]
    assert ask.get(f"{certificates}/{later['id']}") == later


def test_a_source_integration_has_every_field_and_moves_the_repository(make: Callable[..., Talker]) -> None:
    ask = make(source_integration=True, project_role="admin")
    (one,) = ask.get(f"{ask.project}/integrations")
    assert {"base_url", "environment_init_resources", "build_draft_pull_requests", "token_type"} <= set(one)
    assert ask.get(ask.project)["repository"]["url"] == "git@github.com:simulated/project.git"
    assert ask.get(ask.main)["has_remote"] is True
    assert "#merge" not in ask.links(ask.staging)
    assert ask("DELETE", f"{ask.project}/integrations/{one['id']}").status == 202
    assert ask.get(ask.project)["repository"]["url"].startswith("abcdefgh1234z@git.eu-5.platform.sh:")
    assert (ask.get(ask.main)["has_remote"], "#merge" in ask.links(ask.staging)) == (False, True)
    body = {
        "type": "github",
        "token": "code-host-token",
        "repository": "me/shop",
        "base_url": "https://git.example.com",
    }
    made = ask("POST", f"{ask.project}/integrations", body).content["_embedded"]["entity"]
    assert ask.get(ask.project)["repository"]["url"] == "git@git.example.com:me/shop.git"
    assert ("token" in made, "code-host-token" in str(ask.simulator.request_log())) == (False, False)
    assert ask("POST", f"{ask.project}/integrations", body).status == 409


def test_an_integration_says_what_is_wrong_with_it(boss: Talker) -> None:
    path = f"{boss.project}/integrations"
    answer = boss("POST", path, {"type": "github", "repository": "me/shop"})
    assert (answer.status, answer.content["detail"]) == (400, {"token": "This field is required."})
    assert boss("POST", path, {"type": "carrier-pigeon"}).status == 400
    assert boss("POST", path, {"type": "webhook", "url": "https://example.com", "events": "all"}).status == 400
    assert boss("GET", f"{path}/none").status == 404


def test_a_deployment_lists_services_workers_and_sizes(ask: Talker) -> None:
    found = ask.get(f"{ask.main}/deployments/current")
    assert {name: one["type"] for name, one in found["services"].items()} == {
        "db": "postgresql:16",
        "cache": "redis:7.2",
    }
    assert found["workers"]["app--queue"]["worker"]["commands"]["start"] == "./work.sh"
    assert found["webapps"]["app"]["relationships"]["database"] == {"service": "db", "endpoint": "postgresql"}
    for one in (*found["webapps"].values(), *found["services"].values(), *found["workers"].values()):
        assert one["resources"]["profile_size"] in found["container_profiles"][one["container_profile"]]
    images = ask.get(f"{ask.project}/capabilities")["images"]
    assert images["python"]["3.13"] == {"available": True}


def test_sizes_are_set_for_the_next_deployment_and_live_after_it(ask: Talker, clock: ManualClock) -> None:
    following, current = f"{ask.main}/deployments/next", f"{ask.main}/deployments/current"
    body = {
        "webapps": {"app": {"resources": {"profile_size": "2"}, "instance_count": 3}},
        "services": {"db": {"disk": 4096}},
    }
    answer = ask("PATCH", following, body)
    assert answer.activity["type"] == "environment.resources.update"

    def sizes(path: str) -> tuple[Any, ...]:
        found = ask.get(path)
        app = found["webapps"]["app"]
        return app["resources"]["profile_size"], app["instance_count"], found["services"]["db"]["disk"]

    assert (sizes(following), sizes(current)) == (("2", 3, 4096), ("0.5", None, 1024))
    clock.advance(60)
    assert sizes(current) == ("2", 3, 4096)
    wrongs: tuple[dict[str, Any], ...] = (
        {"webapps": {"none": {}}},
        {"webapps": {"app": {"resources": {"profile_size": "7"}}}},
        {"apps": {}},
    )
    for wrong in wrongs:
        assert ask("PATCH", following, wrong).status == 400
    assert ask("PATCH", current, body).status == 404


@pytest.mark.parametrize(
    ("role", "allowed"), [("admin", {"wipe", "show", "clear"}), ("contributor", {"show", "clear"})]
)
def test_a_runtime_operation_is_run_by_those_whose_role_it_asks_for(
    make: Callable[..., Talker], role: str, allowed: set[str]
) -> None:
    ask = make(role=role, runtime_operations=("wipe=admin", "app:show=viewer", "clear"))
    current = f"{ask.main}/deployments/current"
    operations = ask.get(current)["webapps"]["app"]["operations"]
    assert {name: one["role"] for name, one in operations.items()} == {
        "wipe": "admin",
        "show": "viewer",
        "clear": "contributor",
    }
    ran = {
        name
        for name in operations
        if ask("POST", f"{current}/operations", {"service": "app", "operation": name}).status == 202
    }
    assert (ran, "#operations" in ask.links(current)) == (allowed, True)


def test_a_viewer_runs_only_what_is_for_viewers(make: Callable[..., Talker]) -> None:
    ask = make(role="viewer", runtime_operations=("wipe=admin",))
    current = f"{ask.main}/deployments/current"
    assert "#operations" not in ask.links(current)
    assert ask("POST", f"{current}/operations", {"service": "app", "operation": "wipe"}).status == 403
    with pytest.raises(ValueError, match="needs one of the roles"):
        Scenario(runtime_operations=("wipe=owner",))


def test_an_invitation_says_its_permissions_and_the_environments_they_are_about(boss: Talker) -> None:
    body = {"email": "new@example.com", "role": "viewer", "permissions": [{"type": "staging", "role": "admin"}]}
    made = boss("POST", f"{boss.project}/invitations", body).content
    assert made["permissions"] == body["permissions"]
    assert made["environments"] == [{"id": "staging", "type": "staging", "role": "admin", "title": "Staging"}]


def test_a_team_gives_its_members_access_that_is_not_their_own(ask: Talker, boss: Talker) -> None:
    boss("DELETE", f"{boss.project}/user-access/{MACHINE.id}")
    assert ask("GET", ask.project).status == 403
    team = ask.simulator.add_team("Operators", ["viewer", "production:admin"], [MACHINE.username])
    assert "#backup" in ask.links(ask.main)
    (row,) = ask.get(f"/users/{MACHINE.id}/extended-access")["items"]
    assert row["permissions"] == ["viewer", "production:admin"]
    assert ask("GET", f"{ask.project}/user-access/{MACHINE.id}").status == 404
    assert MACHINE.id not in [one["user_id"] for one in boss.get(f"{boss.project}/user-access")["items"]]
    assert [one["team_id"] for one in ask.get(f"{ask.project}/team-access")["items"]] == [team.id]
    assert [one["label"] for one in ask.get(f"/users/{MACHINE.id}/teams")["items"]] == ["Operators"]
    team.has_project = False
    assert ask("GET", ask.project).status == 403


def test_roles_of_a_user_and_of_a_team_add_up(ask: Talker) -> None:
    ask.simulator.set_permissions(["viewer", "staging:contributor"])
    ask.simulator.add_team("Operators", ["viewer", "staging:admin"], [MACHINE.username])
    assert "#backup" in ask.links(ask.staging)


def test_the_organization_is_its_owners_to_look_into(ask: Talker, boss: Talker) -> None:
    (seen,) = ask.get(f"/users/{MACHINE.id}/organizations")["items"]
    path = f"/organizations/{seen['id']}"
    assert (seen["name"], seen["type"], "members" in seen["_links"]) == ("simulated", "flexible", False)
    assert ask("GET", f"{path}/members").status == 403
    assert ask.get("/organizations/name=simulated")["id"] == seen["id"]
    members = boss.get(boss.get(path)["_links"]["members"]["href"])
    assert [one["owner"] for one in members["items"]] == [True, False, False]
    assert boss.get(members["_links"]["ref:users:0"]["href"])[COLLEAGUE.id]["username"] == "grace"
    assert [one["project_id"] for one in boss.get(f"{path}/subscriptions")["items"]] == ["abcdefgh1234z"]


def test_a_role_on_a_type_of_environments_can_be_given_and_taken(boss: Talker) -> None:
    path = f"{boss.project}/environment-types/staging/access"
    assert COLLEAGUE.id not in [one["user"] for one in boss.get(path)]
    assert boss("POST", path, {"user": COLLEAGUE.id, "role": "contributor"}).status == 202
    assert boss.get(f"{path}/{COLLEAGUE.id}")["role"] == "contributor"
    assert boss("PATCH", f"{path}/{COLLEAGUE.id}", {"role": "admin"}).status == 202
    access = boss.get(f"{boss.project}/user-access/{COLLEAGUE.id}")["permissions"]
    assert access == ["viewer", "development:contributor", "staging:admin"]
    assert boss("DELETE", f"{path}/{COLLEAGUE.id}").status == 202
    assert boss("GET", f"{path}/{COLLEAGUE.id}").status == 404
