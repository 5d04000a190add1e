"""Mail through the platform's relay: `PLATFORM_SMTP_HOST`, port 25, no login.

https://developer.upsun.com/docs/development/email
"""

from __future__ import annotations

import os
import smtplib
from collections.abc import Mapping
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import BinaryIO

from upsun_agent.api.http import NoAnswer, bounded
from upsun_agent.config.notifications import Channel
from upsun_agent.notify.channels.http import HttpSender, Unusable
from upsun_agent.notify.outcome import Delivered, Disabled, Outcome, Partly, Undelivered
from upsun_agent.notify.render import BAD, Notification, subject, text

HOST = "PLATFORM_SMTP_HOST"
PORT, PORT_MOST = 25, 65535
ANSWERS_MOST_BYTES = 256 * 1024  # of all answers to one mail
#: Answers of a relay that refuse this mail for good (RFC 5321, 4.2.1).
PERMANENT = range(500, 600)


def relay(environ: Mapping[str, str]) -> tuple[str, int] | None:
    """Return host and port of the relay, None if mail is disabled; raise Unusable if the variable is not valid."""
    value = (environ.get(HOST) or "").strip()
    if not value:
        return None
    host, _, port = value.partition(":") if value.count(":") <= 1 else (value, "", "")
    odd = not host or any(not (char.isalnum() or char in ".-:_") for char in host) or not host.isascii()
    if odd or (port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= PORT_MOST)):
        raise Unusable(f"{HOST} is not a valid host")
    return host, int(port or PORT)


def deliver(notification: Notification, channel: Channel, sender: HttpSender, seconds: float) -> Outcome:
    """Send the mail to the relay.

    Args:
        notification: the message and the run's events.
        channel: the channel in the job file.
        sender: redacts secrets.
        seconds: the time limit.

    Raises:
        Unusable: the variable with the relay is not valid.
    """
    place = relay(sender.environ)
    if place is None:
        return Disabled(f"mail is disabled here ({HOST} is empty); it is enabled in production, or with enable_smtp")
    left = notification.message.to
    to = tuple(each for each in channel.to if each in left or not left)
    if not to:
        return Delivered("the remaining recipients are not in the job file any more")
    mail = compose(notification, channel, sender)
    try:
        with bounded(seconds):
            refused = _hand_over(mail, channel.sender, to, place, seconds)
        return _partly(to, refused, delivered=True) if refused else Delivered()
    except NoAnswer as error:
        return Undelivered(str(error))
    except smtplib.SMTPResponseException as error:
        return Undelivered(f"the relay answered {error.smtp_code}", for_good=error.smtp_code in PERMANENT)
    except smtplib.SMTPRecipientsRefused as error:
        return _partly(to, error.recipients, delivered=False)
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        return Undelivered(f"the connection to the relay failed: {type(error).__name__}")


def _partly(to: tuple[str, ...], codes: Mapping[str, tuple[int, bytes]], *, delivered: bool) -> Outcome:
    """Return the result of a mail that the relay refused for some recipients.

    Args:
        to: all recipients.
        codes: the relay's answers, by refused recipient.
        delivered: whether the other recipients got the mail.
    """
    refused = tuple(each for each in to if each in codes and codes[each][0] in PERMANENT)
    again = tuple(each for each in to if each not in refused and (each in codes or not delivered))
    listed = ", ".join(sorted({str(code) for code, _ in codes.values()}))
    if len(refused) == len(to) or (len(again) == len(to) and not delivered):
        return Undelivered(f"the relay refused every recipient: {listed}", for_good=not again)
    named = "; ".join(f"{each}: {codes[each][0]}" for each in to if each in codes)
    return Partly(f"the relay refused {len(codes)} of {len(to)} recipients ({named})", again, refused)


def _hand_over(
    mail: EmailMessage, sender: str, to: tuple[str, ...], place: tuple[str, int], seconds: float
) -> Mapping[str, tuple[int, bytes]]:
    """Send the mail, and return the relay's answers by refused recipient."""
    client = _Relay(timeout=seconds, local_hostname=_own_name())
    try:
        client.connect(*place)
        refused: Mapping[str, tuple[int, bytes]] = client.send_message(mail, sender, list(to))
    except BaseException:
        client.close()
        raise
    with suppress(smtplib.SMTPException, OSError):
        client.quit()
    client.close()
    return refused


class _Counted:
    """The relay's answers, read up to a limit of bytes: one answer may have any number of lines."""

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner
        self._left = ANSWERS_MOST_BYTES

    def readline(self, most: int) -> bytes:
        """Return the next line.

        Raises:
            SMTPServerDisconnected: the answers exceed the limit.
        """
        line = self._inner.readline(most)
        self._left -= len(line)
        if self._left < 0:
            raise smtplib.SMTPServerDisconnected("the relay's answers are too long")
        return line

    def close(self) -> None:
        """Close the file."""
        self._inner.close()


class _Relay(smtplib.SMTP):
    """The SMTP client of the standard library, with a limit on the bytes that it reads."""

    def getreply(self) -> tuple[int, bytes]:
        """Return the next answer: its code and text."""
        if self.file is None and self.sock is not None:  # the library would open the file, but uses one that is open
            self.file = _Counted(self.sock.makefile("rb"))
        return super().getreply()


def compose(notification: Notification, channel: Channel, sender: HttpSender) -> EmailMessage:
    """Return the mail. Its Message-ID contains the message's id, so that receivers recognise a second delivery.

    Args:
        notification: what is told.
        channel: the channel, with its addresses.
        sender: hides secrets in what is told.
    """
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = f"[upsun-agent] {sender.clean(subject(notification))}"
    mail["From"] = channel.sender
    mail["To"] = ", ".join(channel.to)
    mail["Date"] = format_datetime(notification.message.at)
    mail["Message-ID"] = f"<{notification.message.id}@{channel.sender.partition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["Upsun-Agent-Id"] = notification.message.id
    if notification.message.event_type in BAD:
        mail["Importance"] = "high"
    mail.set_content(sender.clean(text(notification)))
    return mail


def _own_name() -> str:
    """Return the name for EHLO; the library's default would wait for a name server."""
    name = os.uname().nodename
    return name if name and name.isascii() and name.replace("-", "").replace(".", "").isalnum() else "localhost"
