"""Source operations, merging and synchronizing: what makes commits and moves them between environments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsun_simulator.activity import MERGE, SOURCE_OPERATION, SYNCHRONIZE, Activity, Plan
from upsun_simulator.environment import APP
from upsun_simulator.updates import UpdatePlan

if TYPE_CHECKING:
    from upsun_simulator.environment import Environment
    from upsun_simulator.scenario import Ending, Scenario
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User

# The source operation that takes the last update back: its commit breaks nothing, whatever the scenario says.
REVERT = "revert"
# How a source operation ends that does not end well.
ENDINGS: dict[str, Ending] = {"failure": "failure", "cancelled": "cancelled"}


def run_source_operation(
    state: PlatformState, environment: Environment, user: User, *, operation: str, variables: dict[str, Any]
) -> Activity:
    """Queue a source operation; the effects of its commit are decided now.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
        operation: the name of the operation.
        variables: the variables that it gets, by their prefix and name.
    """
    return state.add_activity(
        SOURCE_OPERATION,
        environment.id,
        user=user,
        plan=update_plan(state, environment, operation),
        parameters={"operation": operation, "variables": variables},
        payload={"operation": operation, "environment": environment.summary()},
    )


def defined(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the operations that the apps define, each as the app and the name."""
    return [(app or APP, name) for app, _, name in (one.rpartition(":") for one in names)]


def update_plan(state: PlatformState, environment: Environment, operation: str = "update") -> Plan:
    """Return the plan of a source operation requested now, from the present scenario.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        operation: the name of the operation.
    """
    scenario = state.scenario
    reverts = operation == REVERT
    outcome: str = scenario.revert_outcome if reverts else scenario.update_outcome
    commits = outcome == ("success" if reverts else "commit")
    manual = state.deploys_manually(environment)
    apart = manual or scenario.source_integration or scenario.deploy_mode == "follows"
    inclusive = commits and not apart
    return Plan(
        seconds=scenario.source_operation_seconds + (scenario.deploy_seconds if inclusive else 0),
        ending=scenario.deploy_outcome if inclusive else ENDINGS.get(outcome, "success"),
        commits=commits,
        commits_after=scenario.source_operation_seconds if inclusive else None,
        breaks="never" if reverts else scenario.update_breaks_site,
        update=None if reverts else planned_update(scenario),
        deploy=scenario.deploy_outcome,
        deploy_seconds=scenario.deploy_seconds,
        deploy_mode=scenario.deploy_mode,
        staged=manual,
        stages_itself=manual and scenario.staging == "own" and not scenario.source_integration,
        outside=scenario.source_integration,
        outside_seconds=scenario.integration_seconds,
    )


def planned_update(scenario: Scenario) -> UpdatePlan:
    """Return what an update changes in lock files, by the scenario."""
    return UpdatePlan(scenario.lock_files, scenario.package_changes, scenario.raised_packages, scenario.raised_majors)


def merge(state: PlatformState, child: Environment, user: User) -> Activity:
    """Queue the merging of an environment into its parent, in the parent's queue.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        child: the environment that is merged.
        user: who asks for it.
    """
    parent = state.environments[child.parent or ""]
    return state.add_activity(
        MERGE,
        parent.id,
        user=user,
        plan=_carrying_plan(state, parent, state.scenario.merge_outcome, state.scenario.merge_seconds),
        parameters={"environment": child.id, "into": parent.id},
        payload={"environment": child.summary(), "into": parent.summary()},
        concerns=(child.id,),
        source=child.id,
    )


def synchronize(state: PlatformState, child: Environment, user: User, wishes: dict[str, bool]) -> Activity:
    """Queue the synchronizing of an environment from its parent.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        child: the environment that takes.
        user: who asks for it.
        wishes: the flags of the request: `synchronize_code`, `synchronize_data`, `synchronize_resources`, `rebase`.
    """
    parent = state.environments[child.parent or ""]
    names = ("synchronize_code", "synchronize_data", "synchronize_resources", "rebase")
    return state.add_activity(
        SYNCHRONIZE,
        child.id,
        user=user,
        plan=_carrying_plan(state, child, state.scenario.sync_outcome, state.scenario.sync_seconds),
        parameters={"from": parent.id, **{name: wishes.get(name, False) for name in names}},
        payload={"environment": child.summary(), "from": parent.summary()},
        source=parent.id,
    )


def _carrying_plan(state: PlatformState, into: Environment, outcome: Ending, seconds: float) -> Plan:
    """Return the plan of a merge or synchronization, which deploys in its own activity unless it stages."""
    scenario = state.scenario
    works = outcome == "success"
    manual = state.deploys_manually(into)
    deploys = works and not manual
    return Plan(
        seconds=seconds + (scenario.deploy_seconds if deploys else 0),
        ending=scenario.deploy_outcome if deploys else outcome,
        commits=works,
        commits_after=seconds if deploys else None,
        deploy=scenario.deploy_outcome,
        deploy_seconds=scenario.deploy_seconds,
        deploy_mode="inclusive",
        staged=manual,
        stages_itself=manual and scenario.staging == "own",
    )
