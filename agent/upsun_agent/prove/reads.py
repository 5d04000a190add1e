"""Probes that only read the API: pages of activities, the rate limit, and the links of the token's role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from upsun_agent.api.http import Reply
from upsun_agent.api.people import People
from upsun_agent.api.replies import retry_after
from upsun_agent.api.status import StatusKind, kind_of
from upsun_agent.model.answers import Environment, Rights
from upsun_agent.prove.order import in_history, overlap
from upsun_agent.prove.place import PAGE_MOST, Place
from upsun_agent.prove.rows import Row, not_tried, row

READS = 20  # in a row; a tick makes about ten
FIRST_PAGE = 10  # items of a page without a count, as the simulator has them
ASKED = 15  # items that are asked for
LIMIT_HEADERS = ("ratelimit", "ratelimit-limit", "x-ratelimit-limit", "x-rate-limit-limit")
DEPLOYING = ("environment.redeploy", "environment.push")
LINKS = ("#backup", "#source-operation")


def play_reads(place: Place, seen: Environment) -> list[Row]:
    """Return the rows of everything that is found out by reading."""
    replies = [place.once(place.path("/activities?count=1")) for _ in range(READS)]
    plain, asked = len(place.activities()), len(place.activities(count=ASKED))
    rights = People(place.client).rights(place.project, seen.type)
    crons = place.activities(count=PAGE_MOST, type="environment.cron")
    return [
        page_size(plain, asked),
        rate_limit(replies, place.clock.now()),
        operation_role(seen.links, rights, seen.type),
        overlap(crons),
    ]


def play_history(place: Place) -> list[Row]:
    """Return the rows about crons that activities of the past can tell, such as those of the agent's own jobs."""
    crons = place.activities(count=PAGE_MOST, type="environment.cron")
    backups = place.activities(count=PAGE_MOST, type="environment.backup")
    deployments = [each for kind in DEPLOYING for each in place.activities(count=PAGE_MOST, type=kind)]
    found = (in_history("cron-backup", crons, backups), in_history("cron-deploy", crons, deployments))
    return [each for each in found if each is not None]


def page_size(plain: int, asked: int) -> Row:
    """Return the row about pages.

    Args:
        plain: how many activities came without a count.
        asked: how many came when 15 were asked for.
    """
    if asked < ASKED:
        if plain < asked and plain < FIRST_PAGE:
            text = f"{plain} without a count although there are {asked}"
            return row("page-size", text, same=False, page=plain, asked=asked)
        return not_tried("page-size", f"the environment has only {asked} activities yet")
    text = f"{plain} without a count, {asked} of {ASKED} asked for"
    return row("page-size", text, same=plain == FIRST_PAGE and asked == ASKED, page=plain, asked=asked)


def rate_limit(replies: Sequence[Reply], now: datetime) -> Row:
    """Return the row about the rate limit.

    Args:
        replies: the answers to reads in a row, nothing repeated.
        now: the present, UTC.
    """
    refused = [each for each in replies if kind_of(each.status) is StatusKind.LIMITED]
    named = next((name for name in LIMIT_HEADERS for each in replies if name in each.headers), "")
    told = f"; the answers have the header {named}" if named else "; no answer names a limit"
    if not refused:
        odd = sorted({each.status for each in replies if kind_of(each.status) is not StatusKind.OK})
        text = f"{len(replies)} reads in a row were answered{f', some with {odd}' if odd else ''}{told}"
        return row("rate-limit", text, same=not odd, reads=len(replies), refused=0, header=named or None)
    wish = retry_after(refused[0], now)
    after = "without Retry-After" if wish is None else f"with Retry-After of {wish:.0f} s"
    text = f"{len(refused)} of {len(replies)} reads were refused with {refused[0].status}, {after}{told}"
    facts = {"reads": len(replies), "refused": len(refused), "retry_after": wish, "status": refused[0].status}
    return row("rate-limit", text, same=False, header=named or None, **facts)


def operation_role(links: Mapping[str, str], rights: Rights, kind: str) -> Row:
    """Return the row about the links that the token's user is offered.

    Args:
        links: the links of the environment.
        rights: what the API says of the user and the project.
        kind: the type of the environment.
    """
    if rights.admin is None:
        return not_tried("operation-role", "the roles of the token's user cannot be read")
    offered = [name for name in LINKS if name in links]
    role = f"an admin of {kind}" if rights.admin else f"a user who is not an admin of {kind}"
    text = f"{role} is offered {' and '.join(offered) or 'neither #backup nor #source-operation'}"
    if rights.source_operations is False:
        text = f"{text}; the project has no source operations"
        wanted = [LINKS[0]] if rights.admin else []
    else:
        wanted = list(LINKS) if rights.admin else []
    facts = {"admin": rights.admin, "backup": LINKS[0] in links, "source_operation": LINKS[1] in links}
    return row("operation-role", text, same=offered == wanted, **facts)
