"""What a deployment writes into its activity's log."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from upsun_simulator.environment import APP, FAILED_COMMAND
from upsun_simulator.scenario import REGION

if TYPE_CHECKING:
    from datetime import datetime

    from upsun_simulator.activity import Activity
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import PlatformState

RUNTIME = "python:3.13"
OUTPUT = "    Executing step {number:06} of the deploy hook: nothing to do, everything is as it should be\n"


def write_deployment(state: PlatformState, activity: Activity, environment: Environment, at: datetime) -> None:
    """Write the lines of a deployment as the documented example has them.

    https://developer.upsun.com/docs/integrations/activity/reference

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity that deploys.
        environment: the environment that is deployed.
        at: when it happens, by the platform's clock.
    """
    good = activity.result == "success"
    activity.write(at, f"Building application '{APP}' (runtime type: {RUNTIME}, tree: {environment.head[:7]})\n")
    activity.write(at, "  Reusing existing build for this tree ID\n\n")
    activity.write(at, f"Redeploying environment {environment.id}\n  Preparing deployment\n  Closing service {APP}\n")
    activity.write(at, f"  Opening application {APP} and its relationships\n")
    activity.write(at, f"  Executing deploy hook for application {APP}\n")
    if state.scenario.log_bytes:
        activity.write(at, _output(state.scenario.log_bytes))
    if not good:
        activity.write(at, f"E: The deploy hook of {APP} ended with {FAILED_COMMAND}\n")
        return
    activity.write(at, "\n  Opening environment\n  Environment configuration\n")
    activity.write(at, f"    {APP} (type: {RUNTIME}, size: AUTO)\n\n  Environment routes\n")
    activity.write(at, f"    https://{environment.machine_name}.{REGION}/ is served by application `{APP}`\n")


@cache
def _output(size: int) -> str:
    """Return that many bytes of a hook's output; the text is cached and shared by all activities."""
    lines = size // len(OUTPUT.format(number=0)) + 1
    return "".join(OUTPUT.format(number=number) for number in range(lines))[:size]
