"""Probes that deploy: a redeployment while a cron runs, and a source operation that the user names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from upsun_agent.api.errors import Meaning, classify
from upsun_agent.api.http import NoAnswer
from upsun_agent.api.people import People
from upsun_agent.model.answers import Activity, Fate
from upsun_agent.model.resource_paths import project_path, segment
from upsun_agent.prove.order import beside_cron
from upsun_agent.prove.place import Place, embedded
from upsun_agent.prove.rows import Row, not_tried, row

OPERATION = ("source-operation", "commit-author")
HEAD_LOOKS = 12  # a head may move a moment after the activity


def play_redeploy(place: Place) -> Row:
    """Return the row about a deployment beside a cron."""
    cron = place.running_cron()
    if cron is None:
        return not_tried("cron-deploy", "no cron ran on the environment within some minutes")
    try:
        reply = place.request("#redeploy", {})
    except NoAnswer as error:
        return not_tried("cron-deploy", f"the request was not answered: {error}")
    if reply is None:
        return not_tried("cron-deploy", "#redeploy is not offered")
    found = embedded(reply, "environment.redeploy")
    if found is None:
        return not_tried("cron-deploy", f"the request was answered with {reply.status}, without an activity")
    ended = place.ended(found.activity.id)
    if ended is None:
        return not_tried("cron-deploy", "the deployment did not end within half an hour")
    return beside_cron("cron-deploy", place.activity(cron.activity.id), ended)


def play_operation(place: Place, name: str | None) -> Iterable[Row]:
    """Yield the rows about the source operation of this name."""
    if name is None:
        why = "name one with --operation NAME; the commit that it makes stays on the environment"
        yield from (not_tried(each, why) for each in OPERATION)
        return
    before = place.look()
    try:
        reply = place.request("#source-operation", {"operation": name, "variables": {}})
    except NoAnswer as error:
        yield from (not_tried(each, f"the request was not answered: {error}") for each in OPERATION)
        return
    found = None if reply is None else embedded(reply, "environment.source-operation")
    if found is None:
        done = reply is not None and classify(reply) is Meaning.DONE
        why = "#source-operation is not offered" if reply is None else f"the request was answered with {reply.status}"
        if done:
            yield row("source-operation", f"{why}, without an activity", same=False, embedded=False)
        else:
            yield not_tried("source-operation", why)
        yield not_tried("commit-author", "the operation is not known by an activity")
        return
    ended = place.ended(found.activity.id)
    if ended is None:
        yield from (not_tried(each, "the operation did not end within half an hour") for each in OPERATION)
        return
    head = _head(place, before.head_commit, ended.activity)
    commit = place.read(project_path(place.project, f"/git/commits/{segment(head)}"), "commit") if head else {}
    yield source_operation(ended.activity, before.head_commit, head, commit)
    user = People(place.client).me()
    yield commit_author(commit, user.email) if head else not_tried("commit-author", "the operation made no commit")


def _head(place: Place, old: str | None, ended: Activity) -> str | None:
    """Return the new head, waiting a moment for it; None if the operation made no commit."""
    for _ in range(HEAD_LOOKS if ended.fate == Fate.SUCCEEDED else 1):
        seen = place.look()
        if seen.head_commit != old:
            return seen.head_commit
        if not seen.is_dirty:
            break
        place.pause()
    return None


def source_operation(ended: Activity, old: str | None, head: str | None, commit: Mapping[str, Any]) -> Row:
    """Return the row about the activity and the head.

    Args:
        ended: the activity after its end.
        old: the head before.
        head: the head after; None if it is the same.
        commit: the new head as the API gives it; empty if there is none.
    """
    fate = ended.fate
    if head is None:
        made, follows = "made no commit", True
    else:
        parents = commit.get("parents")
        follows = isinstance(parents, list) and old in parents
        made = f"made a commit {'on' if follows else 'that is not on'} the old head"
    text = f"its activity {'ended without a result' if fate == 'odd' else fate}, and it {made}"
    good = fate in {Fate.SUCCEEDED, Fate.FAILED} and follows
    return row("source-operation", text, same=good, result=fate, committed=head is not None, follows=follows)


def commit_author(commit: Mapping[str, Any], email: str | None) -> Row:
    """Return the row about the author; addresses are compared and not told.

    Args:
        commit: the commit as the API gives it.
        email: the address of the token's user; None if the API does not say.
    """
    author = commit.get("author")
    theirs = author.get("email") if isinstance(author, Mapping) else None
    if not isinstance(theirs, str) or not email:
        return not_tried("commit-author", "the address of the author or of the token's user cannot be read")
    own = theirs.lower() == email.lower()
    who = "the token's user" if own else "somebody else"
    return row("commit-author", f"the author is {who}", same=own, own=own)
