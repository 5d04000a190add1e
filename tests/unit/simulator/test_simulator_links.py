"""HAL links: what each says of itself, and who sees which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from upsun_simulator import router, serve
from upsun_simulator.user import OWNER

from tests.harness.simulator_client import Talker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from upsun_simulator import ManualClock

CHANGING = {"#manage-variables", "#manage-domains", "#edit", "#backup", "#redeploy", "#deactivate", "#synchronize"}


def _addresses(ask: Talker, path: str) -> dict[str, Any]:
    found = ask.get(path)["_links"]
    return {name: link for name, link in found.items() if name.startswith(("ssh", "pf:", "public-url"))}


def test_a_self_link_names_the_schema_and_an_operation_its_method(ask: Talker) -> None:
    links = ask.get(ask.staging)["_links"]
    assert links["self"]["meta"] == {"type": "object", "title": "Environment"}
    methods = {name: list(links[name]["meta"]) for name in ("#edit", "#backup", "#activities", "#deactivate")}
    assert methods == {"#edit": ["patch"], "#backup": ["post"], "#activities": ["get"], "#deactivate": ["post"]}
    assert links["#edit"]["href"] == f"/api{ask.staging}"
    assert "project" not in links


def test_a_running_environment_says_where_its_site_and_its_containers_are(ask: Talker) -> None:
    machine = ask.get(ask.staging)["machine_name"]
    user, site = f"ssh://abcdefgh1234z-{machine}--app", f"{machine}.simulator.invalid"
    assert _addresses(ask, ask.staging) == {
        "public-url": {"href": f"https://{site}/"},
        "pf:routes": [{"href": f"https://{site}/"}, {"href": f"http://{site}/"}],
        "ssh": {"href": f"{user}@ssh.eu-5.platform.sh"},
        "pf:ssh:app": {"href": f"{user}@ssh.eu-5.platform.sh"},
        "pf:ssh:app--queue": {"href": f"{user}--queue@ssh.eu-5.platform.sh"},
    }


def test_another_listener_can_be_the_regional_host_that_links_name(ask: Talker) -> None:
    with serve(ask.simulator) as central, serve(ask.simulator) as regional:
        ask.simulator.change(region_url=regional.url)
        token = ask.exchange().content["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        found = httpx.get(f"{central.url}{ask.main}", headers=headers).json()
        href = found["_links"]["self"]["href"]
        assert href == f"{regional.url}/api{ask.main}"
        assert httpx.get(href, headers=headers).json() == found


def test_one_that_does_not_run_has_no_addresses(ask: Talker, clock: ManualClock) -> None:
    for status in ("paused", "inactive"):
        ask.simulator.set_status(status, "staging")
        assert _addresses(ask, ask.staging) == {}
    ask.post(f"{ask.main}/branch", {"name": "new", "title": "New"})
    assert _addresses(ask, f"{ask.project}/environments/new") == {}
    clock.advance(60)
    assert "ssh" in _addresses(ask, f"{ask.project}/environments/new")


@pytest.mark.parametrize(
    ("role", "allowed"), [("admin", {"log in", "change"}), ("contributor", {"log in"}), ("viewer", set())]
)
def test_every_role_branches_contributors_log_in_and_admins_change(
    make: Callable[..., Talker], role: str, allowed: set[str]
) -> None:
    ask = make(other_role=role)
    found = ask.get(ask.staging)["_links"]
    assert "#branch" in found
    assert ({"ssh", "pf:ssh:app"} <= set(found), set(found) >= CHANGING) == (
        "log in" in allowed,
        "change" in allowed,
    )
    if "change" not in allowed:
        assert not CHANGING & set(found)
    assert ask("POST", f"{ask.staging}/branch", {"name": "mine", "title": "Mine"}).status == 202


def test_who_has_no_role_on_a_type_branches_nothing_of_it(make: Callable[..., Talker]) -> None:
    ask = make(other_role=None)
    assert "#branch" not in ask.get(ask.staging)["_links"]
    assert ask("POST", f"{ask.staging}/branch", {"name": "mine", "title": "Mine"}).status == 403


def test_a_project_shows_its_parts_to_all_and_changes_to_its_admins(ask: Talker, boss: Talker) -> None:
    parts = {"self", "environments", "domains", "integrations", "certificates", "#system", "#activities", "#variables"}
    changes = {"#edit", "#manage-domains", "#manage-variables", "#manage-integrations", "#clear-build-cache"}
    assert parts <= set(ask.get(ask.project)["_links"])
    assert not changes & set(ask.get(ask.project)["_links"])
    assert parts | changes <= set(boss.get(boss.project)["_links"])
    assert ask("PATCH", ask.project, {"title": "Shop"}).status == 403
    assert boss("PATCH", boss.project, {"title": "Shop"}).status == 202
    assert ask.get(ask.project)["title"] == "Shop"


def test_every_link_leads_to_what_answers_its_method(boss: Talker) -> None:
    simulator = boss.simulator
    simulator.change(source_integration=True)
    simulator.add_backup()
    simulator.add_domain("example.com")
    simulator.add_variable("env:NEW", "x")
    simulator.start_activity(seconds=None)
    team = simulator.add_team("Operators", ["viewer"], ["grace"])
    (organization,) = boss.get(f"/users/{OWNER.id}/organizations")["items"]
    ends = ("backups", "variables", "activities", "domains", "deployments", "settings", "deployments/next")
    paths = [f"{boss.staging}", *(f"{boss.main}/{end}" for end in ends), boss.main, boss.project]
    paths += [f"{boss.project}/{end}" for end in ("integrations", "environment-types", "domains", "certificates")]
    paths += [f"/organizations/{organization['id']}", f"/teams/{team.id}", f"{boss.project}/user-access"]
    routes, tried = router._MAP.bind("simulator.invalid"), set()
    for path in paths:
        for one in _resources(boss.get(path)):
            for name, link in one["_links"].items():
                if name.startswith(("ssh", "pf:", "public-url")):
                    continue
                where = urlsplit(link["href"]).path.removeprefix("/api")
                methods = [name for name in link.get("meta", {}) if name in ("get", "post", "patch", "delete")]
                for method in methods or [link.get("method", "GET")]:
                    routes.match(path_info=where, method=method.upper())
                    tried.add(name)
    assert len(tried) > 40, sorted(tried)


def _resources(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, list):
        for one in content:
            yield from _resources(one)
    elif "_links" in content:
        yield content
        yield from _resources(content.get("items", []))


def test_a_signature_holds_for_its_list_and_its_kind_only(ask: Talker) -> None:
    me = ask.get("/users/me")["id"]
    href = ask.get(f"/users/{me}/extended-access")["_links"]["ref:users:0"]["href"]
    assert ask.get(href)[me]["id"] == me
    for wrong in (href.replace(me, f"{me},nobody"), href.replace("/ref/users", "/ref/projects"), href + "x"):
        assert ask("GET", wrong).status == 403
