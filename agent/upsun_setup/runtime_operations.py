"""Runtime operations of the agent: its commands as buttons in the Console, and for ``upsun operation:run``.

The platform runs them in the app's container (https://developer.upsun.com/docs/configure-apps/runtime-operations) and
passes no arguments to them, so each names the job that it is for.
"""

from __future__ import annotations

from shlex import quote
from typing import Any

from upsun_setup.app import App
from upsun_setup.plan_record import Plan
from upsun_setup.project import Project

KEY = "operations"
#: How the command of each operation begins; ``init --remove`` finds them by it.
PROGRAM = ".upsun-agent/bin/upsun-agent"
#: Whom the journal names: the platform does not say who started an operation; its activity list does.
BY = "a runtime operation"


def runtime_operations(job: str) -> dict[str, dict[str, Any]]:
    """Return the operations by name; those that start or continue a run are for admins."""
    of = quote(job)
    commands = {
        "agent-status": ("contributor", "status"),
        "agent-check": ("contributor", "check"),
        "agent-run": ("admin", f"run {of}"),
        "agent-approve": ("admin", f"approve {of} --by {quote(BY)}"),
    }
    return {
        name: {"role": role, "commands": {"start": f"{PROGRAM} {words}"}} for name, (role, words) in commands.items()
    }


def own_operations(project: Project, app: App) -> list[str]:
    """Return the names of the app's runtime operations that start the agent."""
    names = project.names(app.spot, KEY)
    return [
        name for name in names if (project.text(app.spot, KEY, name, "commands", "start") or "").startswith(PROGRAM)
    ]


def add_runtime_operations(project: Project, app: App, plan: Plan, jobs: int) -> None:
    """Add the operations that the app does not have, for the plan's job.

    Args:
        project: the configuration.
        app: the app that has the agent.
        plan: what is done; it gets what was added, and remarks.
        jobs: how many jobs the job file has.
    """
    if project.is_fixed:
        text = "the schema of Upsun Fixed has no runtime operations: none were added"
        plan.say(text, f"call the agent in an SSH session: {PROGRAM} status")
        return
    there, own = project.names(app.spot, KEY), own_operations(project, app)
    wanted = runtime_operations(plan.job)
    for name in [name for name in wanted if name in there and name not in own]:
        plan.say(f"the app has a runtime operation {name} of its own", "rename it to get that of the agent")
    new = [name for name in wanted if name not in there]
    if there:
        for name in new:
            project.put(app.spot, (KEY, name), wanted[name])
    else:
        project.put(app.spot, (KEY,), wanted)
    if new:
        plan.done.append(f"the runtime operations {', '.join(new)} show in the Console, and run with operation:run")
    if new and jobs > 1:
        text = f"agent-run and agent-approve are for the job {plan.job}: an operation takes no arguments"
        plan.say(text, "copy them for the other jobs")
