"""Advance the simulated time: start and end activities in the right order."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

from upsun_simulator.activity import ACTIVATE, CRON, SYNCHRONIZE, Activity
from upsun_simulator.effects import code, progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from upsun_simulator.state import PlatformState

PARALLEL_ACTIVITIES = 2  # of one project


def settle(state: PlatformState, now: datetime) -> None:
    """Apply everything that happens up to `now`."""
    while True:
        _start_what_may_start(state)
        moment = min(_moments_ahead(state), default=None)
        if moment is None or moment > now:
            break
        state.now = max(state.now, moment)
        _play_the_moment(state)
        state.open = [one for one in state.open if one.unfinished]
    state.now = max(state.now, now)


def _moments_ahead(state: PlatformState) -> Iterator[datetime]:
    for arrival in state.arrivals:
        yield arrival.at
    for one in state.open:
        if one.state in ("pending", "scheduled") and one.ready_at > state.now:
            yield one.ready_at
        if one.state == "in_progress":
            yield from (moment for moment in (one.commits_at, one.ends_at) if moment is not None)


def _play_the_moment(state: PlatformState) -> None:
    for arrival in [one for one in state.arrivals if one.at <= state.now]:
        state.arrivals.remove(arrival)
        code.arrive(state, arrival)
    running = [one for one in state.open if one.state == "in_progress"]
    for one in running:
        if one.commits_at is not None and one.commits_at <= state.now:
            progress.work(state, one, one.commits_at)
        if one.ends_at is not None and one.ends_at <= state.now:
            progress.end(state, one, one.ends_at)


def _start_what_may_start(state: PlatformState) -> None:
    """Start activities: one per environment, two per project, production first, then the oldest."""
    for one in state.open:
        if one.state == "scheduled" and one.ready_at <= state.now:
            one.state = "pending"
    while any(_put_off(state, one) for one in _next(state)):
        pass
    for one in _next(state):
        progress.begin(state, one, state.now)


def _put_off(state: PlatformState, one: Activity) -> bool:
    """Reschedule an activity that is next, once, if its plan says so; return whether it was."""
    if not one.plan.reschedule:
        return False
    one.state, one.ready_at = "scheduled", state.now + timedelta(seconds=one.plan.reschedule)
    one.plan = dataclasses.replace(one.plan, reschedule=0)
    return True


def _next(state: PlatformState) -> list[Activity]:
    """Return the activities that are next."""
    running = [one for one in state.open if one.state == "in_progress"]
    holds = state.scenario.crons_hold_others
    busy = {one.environment for one in running if holds or one.type != CRON}
    crons = {one.environment for one in running if one.type == CRON}
    heads: dict[str, Activity] = {}
    for one in state.open:
        if one.state == "pending" and one.environment not in busy:
            heads.setdefault(one.environment, one)
    ready = [one for one in heads.values() if one.ready_at <= state.now and not _held_by(state, crons, one)]
    ready.sort(key=lambda one: (state.environments[one.environment].type != "production", one.number))
    return ready[: max(0, PARALLEL_ACTIVITIES - len(running))]


def _held_by(state: PlatformState, crons: set[str], activity: Activity) -> bool:
    """Return whether a cron of the parent holds up an activity that clones the parent's data into a child.

    https://developer.upsun.com/docs/development/troubleshoot
    """
    return activity.type in (SYNCHRONIZE, ACTIVATE) and state.environments[activity.environment].parent in crons
