"""Mail through the platform's relay: `PLATFORM_SMTP_HOST`, port 25, no login (docs:development/email)."""

from __future__ import annotations

import os
import smtplib
from collections.abc import Mapping
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from agent.config.notices import Channel
from agent.notify.door import Door, Unusable
from agent.notify.outcome import NotTold, Outcome, Silent, Told
from agent.notify.words import BAD, Letter, subject, text
from agent.upsun.transport import NoAnswer, bounded

HOST = "PLATFORM_SMTP_HOST"
PORT, PORT_MOST = 25, 65535
#: Answers of a relay that say: not this mail, ever (RFC 5321, 4.2.1).
PERMANENT = range(500, 600)


def relay(environ: Mapping[str, str]) -> tuple[str, int] | None:
    """Host and port of the relay; None where mail is off; raises Unusable where the variable holds something else."""
    value = (environ.get(HOST) or "").strip()
    if not value:
        return None
    host, _, port = value.partition(":") if value.count(":") <= 1 else (value, "", "")
    odd = not host or any(not (char.isalnum() or char in ".-:_") for char in host) or not host.isascii()
    if odd or (port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= PORT_MOST)):
        raise Unusable(f"{HOST} holds no host")
    return host, int(port or PORT)


def deliver(letter: Letter, channel: Channel, door: Door, seconds: float) -> Outcome:
    """Hand the mail to the relay; raises Unusable where none can be named."""
    place = relay(door.environ)
    if place is None:
        return Silent(f"mail is off here ({HOST} is empty); it is on in production, or with enable_smtp")
    mail = compose(letter, channel, door)
    try:
        with bounded(seconds):
            return _hand_over(mail, channel, place, seconds)
    except NoAnswer as error:
        return NotTold(str(error))
    except smtplib.SMTPResponseException as error:
        return NotTold(f"the relay answered {error.smtp_code}", for_good=error.smtp_code in PERMANENT)
    except smtplib.SMTPRecipientsRefused as error:
        codes = {code for code, _ in error.recipients.values()}
        listed = ", ".join(str(code) for code in sorted(codes))
        hopeless = all(code in PERMANENT for code in codes)
        return NotTold(f"the relay refused every recipient: {listed}", for_good=hopeless)
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        return NotTold(f"the relay could not be talked to: {type(error).__name__}")


def _hand_over(mail: EmailMessage, channel: Channel, place: tuple[str, int], seconds: float) -> Outcome:
    """What came of it; the mail is handed over once the relay has taken its text, whatever follows."""
    client = smtplib.SMTP(timeout=seconds, local_hostname=_own_name())
    try:
        client.connect(*place)
        refused = client.send_message(mail, channel.sender, list(channel.to))
    except BaseException:
        client.close()
        raise
    with suppress(smtplib.SMTPException, OSError):
        client.quit()
    client.close()
    return Told(f"{len(refused)} of {len(channel.to)} recipients were refused" if refused else "")


def compose(letter: Letter, channel: Channel, door: Door) -> EmailMessage:
    """The mail. Its Message-ID is made of the message's id, so that a second delivery is known as one."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = f"[upsun-agent] {door.clean(subject(letter))}"
    mail["From"] = channel.sender
    mail["To"] = ", ".join(channel.to)
    mail["Date"] = format_datetime(letter.message.at)
    mail["Message-ID"] = f"<{letter.message.id}@{channel.sender.partition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["Upsun-Agent-Id"] = letter.message.id
    if letter.message.moment in BAD:
        mail["Importance"] = "high"
    mail.set_content(door.clean(text(letter)))
    return mail


def _own_name() -> str:
    """What to call ourselves: asking for a full name would look it up, and wait for a silent name server."""
    name = os.uname().nodename
    return name if name and name.isascii() and name.replace("-", "").replace(".", "").isalnum() else "localhost"
