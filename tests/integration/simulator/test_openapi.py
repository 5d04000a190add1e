"""Every answer of the simulator satisfies the platform's official OpenAPI document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from upsun_simulator import router
from upsun_simulator.documents.reference import reference
from upsun_simulator.user import COLLEAGUE, OWNER

from tests.harness import openapi_document
from tests.harness.official_cli import OWNER_TOKEN
from tests.harness.simulator_client import TOKEN, Talker

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator import ManualClock

pytestmark = pytest.mark.reference

ROUTES = [(method, template) for method, template, _ in router.CLOSED]
NEWCOMER = "newcomer@example.invalid"
STAFF = {"type": "production", "role": "admin"}
VARIABLE = {"name": "env:NEW", "value": "x", "is_sensitive": True}
BODIES: dict[str, Any] = {
    f"POST {router.ENVIRONMENT}/backup": {"safe": True},
    f"POST {router.ENVIRONMENT}/source-operation": {"operation": "update", "variables": {}},
    f"POST {router.ENVIRONMENT}/synchronize": {"synchronize_code": True, "synchronize_data": True, "rebase": False},
    f"POST {router.ENVIRONMENT}/merge": {"resources": {"init": "child"}},
    f"POST {router.ENVIRONMENT}/branch": {"title": "New", "name": "new", "type": "staging"},
    f"POST {router.BACKUP}/restore": {"environment_name": None, "restore_code": True, "resources": None},
    f"POST {router.DEPLOYMENT}/operations": {"service": "app", "operation": "clear-cache", "parameters": ["--all"]},
    f"POST {router.TASK}/run": {"variables": {"env": {"CHANNEL": "stable"}}},
    f"POST {router.TOKENS}": {"name": "another"},
    f"POST {router.PROJECT}/invitations": {
        "email": "guest@example.invalid",
        "role": "viewer",
        "permissions": [{"type": "production", "role": "admin"}],
    },
    f"PATCH {router.ACCESS}": {"permissions": ["viewer", "staging:admin"]},
    f"POST {router.PROJECT}/variables": VARIABLE,
    f"PATCH {router.PROJECT_VARIABLE}": {"value": "y"},
    f"POST {router.ENVIRONMENT}/variables": {**VARIABLE, "is_inheritable": False, "application_scope": ["app"]},
    f"PATCH {router.VARIABLE}": {"value": "y"},
    f"POST {router.ENVIRONMENT}/activate": {"resources": {"init": "parent"}},
    f"POST {router.ENVIRONMENT}/deploy": {"strategy": "stopstart"},
    f"PATCH {router.DOMAIN}": {"is_default": True},
    f"POST {router.PROJECT}/integrations": {"type": "webhook", "url": "https://example.invalid/hook", "events": ["*"]},
    f"PATCH {router.INTEGRATION}": {"type": "webhook", "url": "https://example.invalid/other", "events": ["*"]},
    "POST /ssh_keys": {"value": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "title": "laptop"},
}
# What can only be asked of an environment that has a parent.
OF_CHILDREN = (router.ENVIRONMENT_ACTIVITY, f"{router.ENVIRONMENT}/synchronize", f"{router.ENVIRONMENT}/merge")
# What the platform has and its document, as it is trimmed, has not.
UNDOCUMENTED = re.compile(
    r"/ssh|/me|/ref/teams|/(organizations|teams)(/.*)?|/users/<s:user>/(organizations|teams)"
    rf"|{router.PROJECT}/(certificates|domains|team-access|clear_build_cache)(/.*)?|{router.TYPE}/access(/.*)?"
    rf"|{router.INTEGRATION}/(validate|activities)(/.*)?|{router.ENVIRONMENT}/settings"
    rf"|{router.ACTIVITY}/log|{router.ENVIRONMENT_ACTIVITY}/log"
)
UNDOCUMENTED_CHANGES = {
    f"PATCH {router.PROJECT}",
    f"PATCH {router.ENVIRONMENT}",
    f"DELETE {router.ENVIRONMENT}",
    f"PATCH {router.DEPLOYMENT}",
}

WORLDS: dict[str, dict[str, Any]] = {
    "as it is by default": {},
    "that forbids": {"role": "viewer"},
    "that fails": {"backup_outcome": "failure", "update_outcome": "failure", "deploy_outcome": "failure"},
    "that cancels": {"backup_outcome": "cancelled", "update_outcome": "cancelled"},
    "that stages": {"manual_deployment": True},
    "that stages pushes": {"manual_deployment": True, "staging": "push"},
    "that is large": {"apps": 3, "services": 4, "workers": 2, "routes": 20, "log_bytes": 80_000},
    "that puts off": {"reschedule_seconds": 10, "failing_commands": ("backup=3", "redeploy")},
    "that goes through an integration": {"source_integration": True, "source_operations": ("update", "other")},
    "that is paused": {"status": "paused"},
    "that writes text as it is": {"blob_encoding": "utf-8", "lock_files": ("web/yarn.lock", "Gemfile.lock")},
}


def _fill(template: str, **names: str) -> str:
    path = re.sub(r"<s:(\w+)>", lambda found: quote(names[found[1]], safe=""), template)
    kind = template.rpartition("/")[2]
    return reference(kind, names["user"])["href"] if template.startswith("/ref/") else path


def _things(ask: Talker, clock: ManualClock, moment: float, suffix: str) -> dict[str, str]:
    """One of everything that a path can name."""
    simulator = ask.simulator
    for name in ("env:OLD", "env:OTHER"):
        simulator.add_variable(name, "one", is_sensitive=name == "env:OLD")
        simulator.add_variable(name, "two", project=True)
    simulator.set_permissions(["viewer", "production:admin"], COLLEAGUE.id)
    token = simulator.add_token(f"spare-token-{suffix}", user=ask.get("/users/me")["id"])
    newcomer = simulator.add_user(f"{suffix}-{NEWCOMER}").id
    for kind in ("environment.backup", "environment.source-operation", "environment.redeploy"):
        activity = simulator.start_activity("staging", kind, seconds=2).id
        simulator.start_activity("main", kind, seconds=2)
    clock.advance(moment)
    return {"variable": "env:OLD", "token": token.id, "newcomer": newcomer, "activity": activity}


def _of_the_project(boss: Talker, suffix: str) -> dict[str, str]:
    """One of everything that belongs to the project as a whole."""
    domain = boss.simulator.add_domain(f"{suffix}.example.com").name
    hook = {"type": "webhook", "url": "https://example.invalid/hook", "events": ["*"]}
    integration = boss("POST", f"{boss.project}/integrations", hook).content["_embedded"]["entity"]["id"]
    key = {"value": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"}
    keys = [one("POST", "/ssh_keys", key).content["key_id"] for one in (boss, Talker(boss.simulator))]
    head = boss.get(boss.main)["head_commit"]
    tree = boss.get(f"{boss.project}/git/commits/{head}")["tree"]
    # Each of these ends with the first who deletes it.
    asked = {"email": f"asked-{suffix}@example.invalid", "role": "viewer", "permissions": [STAFF]}
    return {
        "invitation": boss("POST", f"{boss.project}/invitations", asked).content["id"],
        "domain": domain,
        "integration": integration,
        "key": str(keys[0] if suffix == OWNER_TOKEN else keys[1]),
        "ref": "heads/staging",
        "sha": head,
        "base": boss.get(boss.staging)["head_commit"],
        "target": head,
        "tree": tree,
        "blob": next(
            one["sha"] for one in boss.get(f"{boss.project}/git/trees/{tree}")["tree"] if one["type"] == "blob"
        ),
        "route": "https://{default}/",
    }


def _ask_everything(ask: Talker, names: dict[str, str]) -> list[str]:
    me = ask.get("/users/me")["id"]
    found = []
    for method, template in ROUTES:
        place = "staging" if template.startswith(OF_CHILDREN) else "main"
        user = COLLEAGUE.id if template == router.ACCESS else me
        path = _fill(template, **{**names, "environment": place, "user": user})
        body = BODIES.get(f"{method} {template}")
        if template == f"{router.ENVIRONMENT}/branch":
            body = {**(body or {}), "name": names["newcomer"]}
        if (method, template) == ("POST", f"{router.ENVIRONMENT}/domains"):
            body = {"name": f"{names['newcomer']}.example.com"}
        if (method, template) == ("POST", f"{router.PROJECT}/user-access"):
            body = [{"user_id": names["newcomer"], "permissions": ["viewer", "development:viewer"]}]
        if not openapi_document.is_documented(method, path):
            known = UNDOCUMENTED.fullmatch(template) or f"{method} {template}" in UNDOCUMENTED_CHANGES
            assert known, f"{method} {template} is in no document"
            continue
        answer = ask(method, path, body)
        if answer.status == 204:
            assert answer.text == ""
            continue
        # Production is never paused; where an integration manages the branches, more of this is never possible.
        unending = template.endswith(("/pause", "/deactivate"))
        impossible = (400,) if unending or ask.simulator.scenario.source_integration else ()
        assert answer.status in (200, 201, 202, 403, 409, *impossible), f"{method} {path}: {answer.text}"
        assert me != OWNER.id or answer.status != 403, f"{method} {path}: {answer.text}"
        found.append(openapi_document.problem_of_answer(method, path, answer.status, answer.text) or "")
    return [one for one in found if one]


@pytest.mark.parametrize("moment", [0, 1, 3600])
@pytest.mark.parametrize("world", WORLDS)
def test_every_answer_validates(make: Callable[..., Talker], clock: ManualClock, world: str, moment: float) -> None:
    openapi_document.require()
    ask = make(tokens_manage_tokens=True, tasks=("migrate",))
    ask.simulator.change(**WORLDS[world])
    fixed = {"project": "abcdefgh1234z", "kind": "production", "deployment": "current", "task": "migrate"}
    fixed |= {"organization": "01H2X80DMRDZWR6CX753YQHTND", "subscription": "1234567", "team": "x", "certificate": "x"}
    problems = []
    boss = Talker(ask.simulator)
    boss.bearer = boss.exchange(OWNER_TOKEN).content["access_token"]
    for secret in (TOKEN, OWNER_TOKEN):
        ask.bearer = ask.exchange(secret).content["access_token"]
        things = _things(ask, clock, moment, secret)
        backup = ask.simulator.add_backup(age=60).id
        things |= _of_the_project(boss, secret)
        problems += _ask_everything(ask, {**fixed, **things, "backup": backup})
    assert "\n".join(problems) == ""
    assert openapi_document.problems_of_requests(ask.simulator.requests) == []


def test_what_is_changed_validates_too(ask: Talker, boss: Talker, clock: ManualClock) -> None:
    boss("PATCH", boss.main, {"http_access": {"addresses": [{"permission": "allow", "address": "192.0.2.1"}]}})
    boss("PATCH", f"{boss.main}/deployments/next", {"webapps": {"app": {"instance_count": 2}}})
    boss("POST", f"{boss.main}/domains", {"name": "example.com"})
    boss("POST", f"{boss.staging}/domains", {"name": "staging.example.com", "replacement_for": "example.com"})
    ask.update()
    paths = ["main", "main/deployments/next", "main/routes", "main/domains", "staging/domains", "main/activities"]
    found = [f"{ask.project}/environments/{path}" for path in paths]
    for moment in (0, 1, 3600):
        clock.advance(moment)
        for path in (*found, ask.project, f"{ask.project}/environments", f"{ask.project}/activities"):
            answer = ask("GET", path)
            assert openapi_document.problem_of_answer("GET", path, answer.status, answer.text) is None
    base = ask.simulator.state.environments["staging"].head
    path = f"{ask.project}/git/diffs/{base}/{ask.place()['head_commit']}"
    answer = ask("GET", path)
    assert (len(answer.content), openapi_document.problem_of_answer("GET", path, 200, answer.text)) == (2, None)


def test_what_the_document_does_not_allow_is_found() -> None:
    document = openapi_document
    backup = "/api/projects/p/environments/feature%2Flogin/backup"
    assert document.problem_of_request("POST", backup, {"safe": True}) is None
    assert "not of type 'boolean'" in (document.problem_of_request("POST", backup, {"safe": "yes"}) or "")
    assert "not found" in (document.problem_of_request("POST", f"{backup}s", {"safe": True}) or "")
    assert "required" in (document.problem_of_answer("GET", "/projects/p", 200, "{}") or "")
    assert "no error" in (document.problem_of_answer("GET", "/projects/p", 404, "{}") or "")


def test_the_document_is_missed_loudly(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(openapi_document, "NAMED", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="openapi-extended"):
        openapi_document.require()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="openapi-extended"):
        openapi_document.require()
