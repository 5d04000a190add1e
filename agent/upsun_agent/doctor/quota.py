"""The finding about the number of manual backups that are kept. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from upsun_agent.doctor import Finding, Level
from upsun_agent.model.job import Job
from upsun_agent.platform.product import Product

#: How many manual backups Upsun Fixed keeps where the settings do not say it: at least so many, on every plan.
FIXED_LEAST = 2
FIXED_KEEPS = "Upsun Fixed keeps 2 (Basic) or 4 (Advanced, Premium) in production, and 2 elsewhere"
FEWER = 'take fewer: backup = { reuse-within = "3d" }'
MORE = "keep more: project settings, backup retention"


def quota(limit: int | None, manual: int, others: int, jobs: Sequence[Job], product: Product | None) -> Finding:
    """Return the finding.

    Args:
        limit: how many the project's settings keep; None if they do not say it.
        manual: how many there are.
        others: how many of them no run took.
        jobs: the jobs that run here.
        product: the product that the project is on.
    """
    if limit is None and product != "fixed":
        return Finding("backup quota", Level.OK, f"{manual} manual backups; the settings do not say how many are kept")
    if limit is not None and limit <= 1:
        text = f"the project keeps {limit} manual backup: each new one deletes the only proved one"
        return Finding("backup quota", Level.WARN, text, "keep at least two: project settings, backup retention")
    if limit is None:
        text = f"{manual} manual backups; the settings do not say how many are kept: {FIXED_KEEPS}"
        remedy, left, will = FEWER, FIXED_LEAST - manual, "may"
    else:
        left = limit - manual
        text = f"{manual} of {limit} manual backups{'; the next one replaces the oldest' if left <= 0 else ''}"
        remedy, will = f"{FEWER}; or {MORE}", "will"
    scheduled = [job.name for job in jobs if job.schedule and any(step.kind == "backup" for step in job.steps)]
    if not (others and scheduled):
        return Finding("backup quota", Level.OK, text)
    were, when = "was" if others == 1 else "were", ""
    if left > 0:
        when = f" once {left} more {'is' if left == 1 else 'are'} taken"
    text = f"{text}, and {others} of them {were} not taken by jobs: {', '.join(scheduled)} {will} replace those{when}"
    return Finding("backup quota", Level.WARN, text, remedy)
