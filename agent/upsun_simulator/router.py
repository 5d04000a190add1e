"""The router: find the endpoint for a path."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import BaseConverter, Map, Rule

from upsun_simulator.answers import Refusal
from upsun_simulator.endpoints import (
    access,
    accounts,
    activities,
    advisories,
    api_tokens,
    auth,
    backups,
    code,
    deployments,
    domains,
    environments,
    git,
    integrations,
    organizations,
    projects,
    site,
    tasks,
    variables,
)
from upsun_simulator.permissions import check_member, check_mfa

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.wrappers import Response

    from upsun_simulator.call import Call

TOKENS = "/users/<s:user>/api-tokens"
PROJECT = "/projects/<s:project>"
ACCESS = f"{PROJECT}/user-access/<s:user>"
PROJECT_VARIABLE = f"{PROJECT}/variables/<s:variable>"
ENVIRONMENT = f"{PROJECT}/environments/<s:environment>"
VARIABLE = f"{ENVIRONMENT}/variables/<s:variable>"
ACTIVITY = f"{PROJECT}/activities/<s:activity>"
ENVIRONMENT_ACTIVITY = f"{ENVIRONMENT}/activities/<s:activity>"

BACKUP = f"{ENVIRONMENT}/backups/<s:backup>"
DEPLOYMENT = f"{ENVIRONMENT}/deployments/<s:deployment>"
TASK = f"{ENVIRONMENT}/tasks/<s:task>"
DOMAIN = f"{ENVIRONMENT}/domains/<s:domain>"
PROJECT_DOMAIN = f"{PROJECT}/domains/<s:domain>"
INTEGRATION = f"{PROJECT}/integrations/<s:integration>"
TYPE = f"{PROJECT}/environment-types/<s:kind>"
GIT = f"{PROJECT}/git"
ORGANIZATION = "/organizations/<s:organization>"
TEAM = "/teams/<s:team>"

# Answered without a bearer: how one gets rid of having none, and what everybody may see.
OPEN = (
    ("POST", "/oauth2/token", auth.token),
    ("POST", "/oauth2/revoke", auth.revoke),
    ("GET", "/_site/<s:environment>/", site.page),
    ("GET", "/_site/<s:environment>/<path:rest>", site.page),
    # The stand-in for OSV, which is another host in truth.
    ("POST", "/v1/query", advisories.query),
    ("POST", "/v1/querybatch", advisories.batch),
    ("GET", "/v1/vulns/<s:vulnerability>", advisories.vulnerability),
)
CLOSED = (
    ("POST", "/ssh", auth.ssh),
    ("GET", "/users/me", accounts.me),
    ("GET", "/users/<s:user>", accounts.user),
    ("GET", "/users/<s:user>/extended-access", accounts.extended_access),
    ("GET", TOKENS, api_tokens.api_tokens),
    ("POST", TOKENS, api_tokens.create),
    ("GET", f"{TOKENS}/<s:token>", api_tokens.one_api_token),
    ("DELETE", f"{TOKENS}/<s:token>", api_tokens.delete),
    ("GET", "/ref/users", accounts.reference_users),
    ("GET", "/ref/projects", accounts.reference_projects),
    ("GET", "/ref/organizations", accounts.reference_organizations),
    ("GET", "/ref/teams", accounts.reference_teams),
    ("GET", "/me", accounts.legacy_account),
    ("POST", "/ssh_keys", accounts.add_ssh_key),
    ("GET", "/ssh_keys/<s:key>", accounts.one_ssh_key),
    ("DELETE", "/ssh_keys/<s:key>", accounts.delete_ssh_key),
    ("GET", "/users/<s:user>/organizations", organizations.of_user),
    ("GET", "/users/<s:user>/teams", organizations.teams_of_user),
    ("GET", "/organizations", organizations.organizations),
    ("GET", ORGANIZATION, organizations.organization),
    ("PATCH", ORGANIZATION, organizations.update),
    ("GET", f"{ORGANIZATION}/members", organizations.members),
    ("GET", f"{ORGANIZATION}/members/<s:user>", organizations.member),
    ("GET", f"{ORGANIZATION}/address", organizations.address),
    ("GET", f"{ORGANIZATION}/profile", organizations.profile),
    ("GET", f"{ORGANIZATION}/subscriptions", organizations.subscriptions),
    ("GET", f"{ORGANIZATION}/subscriptions/<s:subscription>", organizations.subscription),
    ("GET", "/teams", organizations.teams),
    ("GET", TEAM, organizations.team),
    ("GET", f"{TEAM}/members", organizations.team_members),
    ("GET", f"{TEAM}/project-access", organizations.team_projects),
    ("GET", PROJECT, projects.project),
    ("PATCH", PROJECT, projects.update),
    ("POST", f"{PROJECT}/clear_build_cache", projects.clear_build_cache),
    ("GET", f"{PROJECT}/team-access", organizations.of_project),
    ("GET", f"{PROJECT}/certificates", domains.certificates),
    ("GET", f"{PROJECT}/certificates/<s:certificate>", domains.certificate),
    ("GET", f"{PROJECT}/domains", domains.of_project),
    ("POST", f"{PROJECT}/domains", domains.create_in_project),
    ("GET", PROJECT_DOMAIN, domains.one_of_project),
    ("PATCH", PROJECT_DOMAIN, domains.update_in_project),
    ("DELETE", PROJECT_DOMAIN, domains.delete_in_project),
    ("GET", f"{GIT}/refs", git.refs),
    ("GET", f"{GIT}/refs/<s:ref>", git.ref),
    ("GET", f"{GIT}/commits/<s:sha>", git.commit),
    ("GET", f"{GIT}/trees/<s:tree>", git.tree),
    ("GET", f"{GIT}/blobs/<s:blob>", git.blob),
    ("GET", f"{GIT}/diffs/<s:base>/<s:target>", git.diffs),
    ("GET", f"{PROJECT}/settings", projects.settings),
    ("GET", f"{PROJECT}/system", projects.system),
    ("GET", f"{PROJECT}/capabilities", projects.capabilities),
    ("GET", f"{PROJECT}/environment-types", projects.environment_types),
    ("GET", TYPE, projects.environment_type),
    ("GET", f"{TYPE}/access", projects.environment_type_access),
    ("POST", f"{TYPE}/access", projects.set_environment_type_access),
    ("GET", f"{TYPE}/access/<s:user>", projects.one_environment_type_access),
    ("PATCH", f"{TYPE}/access/<s:user>", projects.set_environment_type_access),
    ("DELETE", f"{TYPE}/access/<s:user>", projects.remove_environment_type_access),
    ("GET", f"{PROJECT}/integrations", integrations.integrations),
    ("POST", f"{PROJECT}/integrations", integrations.create),
    ("GET", INTEGRATION, integrations.integration),
    ("PATCH", INTEGRATION, integrations.update),
    ("POST", f"{INTEGRATION}/validate", integrations.validate),
    ("GET", f"{INTEGRATION}/activities", integrations.activities),
    ("GET", f"{INTEGRATION}/activities/<s:activity>", integrations.activity),
    ("DELETE", INTEGRATION, integrations.delete),
    ("GET", f"{PROJECT}/user-access", access.user_access),
    ("POST", f"{PROJECT}/user-access", access.grant),
    ("GET", ACCESS, access.one_user_access),
    ("PATCH", ACCESS, access.update),
    ("DELETE", ACCESS, access.remove),
    ("GET", f"{PROJECT}/invitations", access.invitations),
    ("POST", f"{PROJECT}/invitations", access.invite),
    ("DELETE", f"{PROJECT}/invitations/<s:invitation>", access.cancel_invitation),
    ("GET", f"{PROJECT}/variables", variables.of_project),
    ("POST", f"{PROJECT}/variables", variables.create_in_project),
    ("GET", PROJECT_VARIABLE, variables.one_of_project),
    ("PATCH", PROJECT_VARIABLE, variables.update_in_project),
    ("DELETE", PROJECT_VARIABLE, variables.delete_in_project),
    ("GET", f"{PROJECT}/activities", activities.project_activities),
    ("GET", ACTIVITY, activities.activity),
    ("GET", f"{ACTIVITY}/log", activities.log),
    ("POST", f"{ACTIVITY}/cancel", activities.cancel),
    ("GET", f"{PROJECT}/environments", environments.environments),
    ("GET", ENVIRONMENT, environments.environment),
    ("PATCH", ENVIRONMENT, environments.update),
    ("DELETE", ENVIRONMENT, environments.delete),
    ("GET", f"{ENVIRONMENT}/settings", environments.settings),
    ("PATCH", f"{ENVIRONMENT}/settings", environments.update_settings),
    ("GET", f"{ENVIRONMENT}/domains", domains.of_environment),
    ("POST", f"{ENVIRONMENT}/domains", domains.create_in_environment),
    ("GET", DOMAIN, domains.one_of_environment),
    ("PATCH", DOMAIN, domains.update_in_environment),
    ("DELETE", DOMAIN, domains.delete_in_environment),
    ("GET", f"{ENVIRONMENT}/routes", domains.routes),
    ("GET", f"{ENVIRONMENT}/routes/<s:route>", domains.route),
    ("GET", f"{ENVIRONMENT}/variables", variables.of_environment),
    ("POST", f"{ENVIRONMENT}/variables", variables.create_in_environment),
    ("GET", VARIABLE, variables.one_of_environment),
    ("PATCH", VARIABLE, variables.update_in_environment),
    ("DELETE", VARIABLE, variables.delete_in_environment),
    ("GET", f"{ENVIRONMENT}/activities", activities.environment_activities),
    ("GET", ENVIRONMENT_ACTIVITY, activities.activity),
    ("GET", f"{ENVIRONMENT_ACTIVITY}/log", activities.log),
    ("POST", f"{ENVIRONMENT_ACTIVITY}/cancel", activities.cancel),
    ("POST", f"{ENVIRONMENT}/branch", environments.branch),
    ("POST", f"{ENVIRONMENT}/activate", environments.activate),
    ("POST", f"{ENVIRONMENT}/deactivate", environments.deactivate),
    ("POST", f"{ENVIRONMENT}/pause", environments.pause),
    ("POST", f"{ENVIRONMENT}/resume", environments.resume),
    ("POST", f"{ENVIRONMENT}/backup", backups.back_up),
    ("GET", f"{ENVIRONMENT}/backups", backups.backups),
    ("GET", BACKUP, backups.backup),
    ("DELETE", BACKUP, backups.delete_backup),
    ("POST", f"{BACKUP}/restore", backups.restore),
    ("GET", f"{ENVIRONMENT}/source-operations", code.source_operations),
    ("POST", f"{ENVIRONMENT}/source-operation", code.run_source_operation),
    ("POST", f"{ENVIRONMENT}/merge", code.merge),
    ("POST", f"{ENVIRONMENT}/synchronize", code.synchronize),
    ("POST", f"{ENVIRONMENT}/redeploy", deployments.redeploy),
    ("POST", f"{ENVIRONMENT}/deploy", deployments.deploy),
    ("GET", f"{ENVIRONMENT}/deployments", deployments.deployments),
    ("GET", DEPLOYMENT, deployments.deployment),
    ("PATCH", DEPLOYMENT, deployments.resize),
    ("POST", f"{DEPLOYMENT}/operations", deployments.run_operation),
    ("GET", f"{ENVIRONMENT}/tasks", tasks.tasks),
    ("GET", TASK, tasks.task),
    ("POST", f"{TASK}/run", tasks.run),
)


class _Segment(BaseConverter):
    """One segment of a path that is still percent-encoded."""

    def to_python(self, value: str) -> str:
        return unquote(value)


_ENDPOINTS: dict[str, Callable[[Call], Response]] = {}
_RULES: list[Rule] = []
for _method, _path, _function in (*OPEN, *CLOSED):
    _name = f"{_method} {_path}"
    _ENDPOINTS[_name] = _function
    _RULES.append(Rule(_path, endpoint=_name, methods=[_method]))
_MAP = Map(_RULES, converters={"s": _Segment}, strict_slashes=False, merge_slashes=False)
_OPEN_NAMES = frozenset(f"{method} {path}" for method, path, _ in OPEN)


def answer(call: Call) -> Response:
    """Return the platform's answer, errors included; never raise for any request."""
    try:
        return _found(call)(call)
    except Refusal as refusal:
        return refusal.response()


def _found(call: Call) -> Callable[[Call], Response]:
    try:
        bound = _MAP.bind("simulator.invalid")
        name, values = bound.match(path_info=call.target.encoded, method=call.request.method)
    except MethodNotAllowed:
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "The method is not allowed here.") from None
    except HTTPException:
        raise Refusal(HTTPStatus.NOT_FOUND, "There is nothing here.") from None
    if name not in _OPEN_NAMES:
        call.bearer()
    call.values.update(values)
    if call.values.get("project", call.state.scenario.project) != call.state.scenario.project:
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such project.")
    if "project" in call.values:
        check_member(call)
        check_mfa(call)
    return _ENDPOINTS[name]
