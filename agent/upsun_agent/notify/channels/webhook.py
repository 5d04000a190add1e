"""Post a JSON document to any receiver, signed as a Standard Webhook so that the receiver can verify its origin.

The signature is HMAC-SHA256 over `id.timestamp.body` (https://www.standardwebhooks.com): receivers can reject a
changed or an old body, and libraries in many languages verify it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

from upsun_agent.config.notifications import Channel
from upsun_agent.notify.channels.http import HttpSender, Unusable
from upsun_agent.notify.outcome import Outcome
from upsun_agent.notify.render import Notification, document

PREFIX = "whsec_"  # of a base64 secret, as in Standard Webhooks
SECRET_LEAST = 16  # bytes: shorter ones can be guessed


def deliver(notification: Notification, channel: Channel, sender: HttpSender, seconds: float) -> Outcome:
    """Post the signed document.

    Args:
        notification: the message and the run's events.
        channel: the channel in the job file.
        sender: sends the request.
        seconds: the time limit.

    Raises:
        Unusable: the variable with the URL or the secret is missing or not valid; nothing is sent unsigned.
    """
    url = sender.url(channel.url_variable or "")
    body = json.dumps(sender.clean(document(notification))).encode()
    moment = str(int(sender.now().timestamp()))
    headers = {
        "Content-Type": "application/json",
        "webhook-id": notification.message.id,
        "webhook-timestamp": moment,
        "Upsun-Agent-Event": notification.message.event_type,
    }
    if channel.secret_variable is not None:
        key = _key(sender.secret(channel.secret_variable), channel.secret_variable)
        headers["webhook-signature"] = sign(key, notification.message.id, moment, body)
    return sender.post(url, body, headers, seconds)


def sign(key: bytes, identity: str, moment: str, body: bytes) -> str:
    """Return the signature of a message: `v1,` and base64.

    Args:
        key: the secret key.
        identity: the message's id.
        moment: the timestamp, in epoch seconds.
        body: the document.
    """
    signed = hmac.new(key, b".".join([identity.encode(), moment.encode(), body]), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def _key(secret: str, variable: str) -> bytes:
    """Return the key of a secret: the decoded base64 after `whsec_`, else its own bytes."""
    key = secret.encode()
    if secret.startswith(PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise Unusable(f"the variable {variable} begins with {PREFIX}, but the rest is not valid base64") from None
    if len(key) < SECRET_LEAST:
        raise Unusable(f"the secret in {variable} is shorter than {SECRET_LEAST} bytes")
    return key
