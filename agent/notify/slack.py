"""A post to an incoming webhook of Slack, and of what is compatible with it (Mattermost, Rocket.Chat, Discord)."""

from __future__ import annotations

import json

from agent.config.notices import Channel
from agent.notify.door import Door
from agent.notify.outcome import Outcome
from agent.notify.words import BAD, Letter, story, subject

SIGNS = {True: ":red_circle:", False: ":large_green_circle:"}
STORY_MOST = 2500  # characters: Slack folds longer ones, and refuses a text of 40,000

#: Nothing of foreign text may call people, make links or change the look (api.slack.com/reference/surfaces/formatting).
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "@\u200b", "`": "\u02cb"})
_MARKS = str.maketrans({mark: f"\u200b{mark}" for mark in "*_~[]|#!"})


def deliver(letter: Letter, channel: Channel, door: Door, seconds: float) -> Outcome:
    """Post the message; raises Unusable where the URL is not there."""
    url = door.url(channel.url_variable or "")
    body = json.dumps({"text": words(letter, door), "unfurl_links": False, "unfurl_media": False}).encode()
    headers = {"Content-Type": "application/json", "Upsun-Agent-Id": letter.message.id}
    return door.post(url, body, headers, seconds)


def words(letter: Letter, door: Door) -> str:
    """The message as Slack's mrkdwn: a line with a sign, and the story as code where something is wrong."""
    sign = SIGNS[letter.message.moment in BAD]
    lines = [f"{sign} {harmless(door.clean(subject(letter)))}"]
    if letter.lost:
        lines.append(f"{letter.lost} earlier messages could not be delivered on this channel")
    if letter.message.moment in BAD:
        told = door.clean("\n".join(story(letter)))[-STORY_MOST:]
        lines += [f"```\n{told.translate(_ESCAPES)}\n```"] if told else []
    if letter.message.run:
        lines.append(f"run {harmless(letter.message.run)}")
    return "\n".join(lines)


def harmless(text: str) -> str:
    """Foreign text that Slack shows as it is: no link, no mention, no emphasis, no code."""
    return text.translate(_ESCAPES).translate(_MARKS).replace("://", ":\u200b//")
