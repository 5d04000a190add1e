"""A JSON document posted to any receiver, signed as Standard Webhooks so that the receiver knows whose it is.

The signature covers id, timestamp and body: HMAC-SHA256 over `id.timestamp.body` (standardwebhooks.com), so that
neither a changed body nor an old one passes, and libraries of many languages can check it.
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

PREFIX = "whsec_"  # of a secret that is base64, as Standard Webhooks writes it
SECRET_LEAST = 16  # bytes: shorter ones can be guessed


def deliver(notification: Notification, channel: Channel, sender: HttpSender, seconds: float) -> Outcome:
    """Post the document; raises Unusable where URL or secret are not there, rather than sending it unsigned."""
    url = sender.url(channel.url_variable or "")
    body = json.dumps(sender.clean(document(notification))).encode()
    moment = str(int(sender.now().timestamp()))
    headers = {
        "Content-Type": "application/json",
        "webhook-id": notification.message.id,
        "webhook-timestamp": moment,
        "Upsun-Agent-Event": notification.message.moment,
    }
    if channel.secret_variable is not None:
        key = _key(sender.secret(channel.secret_variable), channel.secret_variable)
        headers["webhook-signature"] = sign(key, notification.message.id, moment, body)
    return sender.post(url, body, headers, seconds)


def sign(key: bytes, identity: str, moment: str, body: bytes) -> str:
    """The signature of a message: `v1,` and base64."""
    signed = hmac.new(key, b".".join([identity.encode(), moment.encode(), body]), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def _key(secret: str, variable: str) -> bytes:
    """The key of a secret: base64 behind `whsec_`, else its own bytes."""
    key = secret.encode()
    if secret.startswith(PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise Unusable(f"the variable {variable} begins with {PREFIX} but holds no base64 after it") from None
    if len(key) < SECRET_LEAST:
        raise Unusable(f"the secret in {variable} is shorter than {SECRET_LEAST} bytes")
    return key
