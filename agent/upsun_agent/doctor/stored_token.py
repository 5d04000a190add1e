"""Findings about how the API token is stored: the variable, its level, flags and apps."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from upsun_agent.access.setup_plan import problems
from upsun_agent.api.variables import Variable, Variables
from upsun_agent.doctor import Finding, Level
from upsun_agent.errors import NotPermitted


def stored_token(variables: Variables, variable: str, app: str | None) -> Iterator[Finding]:
    """Yield a finding for each problem in how the token is stored, or that there is none.

    Args:
        variables: the variables of the environment and its project.
        variable: the name of the variable in the container.
        app: the app that the cron belongs to; None if it is not known.
    """
    name = f"env:{variable}"
    stored = variables.on_environment(name)
    try:
        shared = variables.on_project(name)
    except NotPermitted:  # project variables may be visible to project admins only
        shared = None
    if stored is None and shared is None:
        text = f"{name} is not stored on the platform: the token comes from elsewhere"
        yield Finding("variable", Level.WARN, text, "store it: upsun-agent setup token")
        return
    found = _problems(stored, shared, app)
    for text, remedy in found:
        yield Finding("variable", Level.WARN, f"{name} {text}", remedy)
    if not found:
        yield Finding("variable", Level.OK, f"{name} is sensitive, not inheritable, visible at runtime only")


def _problems(stored: Variable | None, shared: Variable | None, app: str | None) -> list[tuple[str, str]]:
    """Return the problems in how the token's variable is stored, each with its remedy."""
    found = []
    variable = stored or shared
    if shared is not None:
        remedy = f"store it on the environment only: upsun variable:delete {quote(shared.name)} --level project"
        found.append(("is stored on the project: every environment sees it", remedy))
    if variable is None:
        return found
    if variable.inherited:
        remedy = "store one on this environment: upsun-agent setup token; store the parent's again as not inheritable"
        found.append(("is inherited from the parent environment", remedy))
    if app is not None and variable.scope and app not in variable.scope:
        text = f"is only for {', '.join(variable.scope)}: {app} does not see it"
        found.append((text, f"store it again: upsun-agent setup token --app {quote(app)}"))
    # A project's variable has no flag inheritable: every environment has it.
    flags = {flag: value for flag, value in variable.flags.items() if variable.level != "project" or _on_both(flag)}
    return found + [(text, "store it again: upsun-agent setup token") for text in problems(flags)]


def _on_both(flag: str) -> bool:
    """Return whether variables of a project have this flag too."""
    return flag not in {"is_inheritable", "is_enabled"}
