"""Posts to incoming webhooks of Slack and compatible services (Mattermost, Rocket.Chat, Discord)."""

from __future__ import annotations

import json

from upsun_agent.config.notifications import Channel
from upsun_agent.notify.channels.http import HttpSender
from upsun_agent.notify.outcome import Outcome
from upsun_agent.notify.render import BAD, Notification, changed, story, subject

SIGNS = {True: ":red_circle:", False: ":large_green_circle:"}
STORY_MOST = 2500  # characters: Slack collapses longer texts, and refuses one of 40,000

#: Foreign text must not mention people, make links or change the format
#: (https://api.slack.com/reference/surfaces/formatting).
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "@\u200b", "`": "\u02cb"})
_MARKS = str.maketrans({mark: f"\u200b{mark}" for mark in "*_~[]|#!"})


def deliver(notification: Notification, channel: Channel, sender: HttpSender, seconds: float) -> Outcome:
    """Post the message.

    Args:
        notification: the message and the run's events.
        channel: the channel in the job file.
        sender: sends the request.
        seconds: the time limit.

    Raises:
        Unusable: the variable with the URL is missing or not valid.
    """
    url = sender.url(channel.url_variable or "")
    body = json.dumps({"text": words(notification, sender), "unfurl_links": False, "unfurl_media": False}).encode()
    headers = {"Content-Type": "application/json", "Upsun-Agent-Id": notification.message.id}
    return sender.post(url, body, headers, seconds)


def words(notification: Notification, sender: HttpSender) -> str:
    """Return the message as Slack's mrkdwn: a line with a sign, and for a problem the run's events as code."""
    sign = SIGNS[notification.message.event_type in BAD]
    lines = [f"{sign} {harmless(sender.clean(subject(notification)))}"]
    if notification.lost:
        lines.append(f"{notification.lost} earlier messages could not be delivered on this channel")
    lines += [harmless(line) for line in sender.clean("\n".join(changed(notification))).splitlines()]
    if notification.message.event_type in BAD:
        told = sender.clean("\n".join(story(notification)))[-STORY_MOST:]
        lines += [f"```\n{told.translate(_ESCAPES)}\n```"] if told else []
    if notification.message.run:
        lines.append(f"run {harmless(notification.message.run)}")
    return "\n".join(lines)


def harmless(text: str) -> str:
    """Return foreign text escaped so that Slack shows it without links, mentions, emphasis or code."""
    return text.translate(_ESCAPES).translate(_MARKS).replace("://", ":\u200b//")
