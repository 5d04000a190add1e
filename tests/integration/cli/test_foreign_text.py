"""Answers full of secrets: whatever field holds them, in whatever spelling, they stand in nothing that is written."""

from __future__ import annotations

import base64
import json
import re
import socketserver
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle, islice
from threading import Thread
from typing import Any
from urllib.parse import quote, unquote

import pytest
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.model.events import RunClosed, RunOpened, RunOutcome, StepFailed, Trigger, Warned
from upsun_agent.model.job import Job, StepPlan
from upsun_simulator import Simulator

from tests.harness.agent_process import TOKEN, Result
from tests.harness.cli_app import IDENTITY, App
from tests.harness.pseudo_terminal import on_terminal

PASSWORD, API_KEY = "canary-Database+pass/4711", "canary9akey8nested7"
SECRETS = {"token": TOKEN, "password": PASSWORD, "key": API_KEY, "channel": "canaryT0KEN5chan3L"}
#: Fields that are never changed: how the agent comes by its bearer, and links, whose paths are requested.
KEPT = frozenset({"access_token", "token_type", "href"})
#: Fields in which any character may stand; others are refused for a control character alone.
PROSE = frozenset({"failure_reason", "text", "description", "message", "detail", "log"})

_SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\\]P_^X]|[\x9d\x90])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)"
)
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")


def base64_at(offset: int) -> Callable[[str], str]:
    """The secret within base64 of something longer, at that offset."""
    return lambda secret: base64.b64encode(b"xyz"[:offset] + secret.encode() + b"-and-more").decode()


def within(middle: str) -> Callable[[str], str]:
    """The secret with something that is not seen in its middle."""
    return lambda secret: f"{secret[:7]}{middle}{secret[7:]}"


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "base64 at 0": base64_at(0),
    "base64 at 1": base64_at(1),
    "base64 at 2": base64_at(2),
    "URL-encoded": lambda secret: quote(secret, safe=""),
    "all of it URL-encoded": lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
    "a colour": within("\x1b[31m"),
    "a title": within("\x1b]0;title\x07"),
    "an 8-bit sequence": within("\x9b1m"),
    "a DCS string": within("\x1bPq#0\x1b\\"),
    "concealed": lambda secret: f"\x1b[8m{secret}\x1b[0m",
    "inverse": within("\x1b[7m"),
    "a sequence in a sequence": within("\x1b[\x1b[31m8m"),
    "a bidi mark": within("\u202e"),
    "zero width": within("\u200b"),
    "a byte order mark": within("\ufeff"),
}


def spelled(secret: str) -> Iterator[str]:
    """The secret in every spelling."""
    return (spell(secret) for spell in SPELLINGS.values())


def readings(text: str) -> set[str]:
    """What a reader may make of a text: escapes of JSON, HTML and URLs undone, and what is not seen taken out."""
    found = {text}
    for _ in range(2):
        for undo in (unescape, unquote, unquoted, seen):
            found |= {undo(each) for each in found}
    return found


def unquoted(text: str) -> str:
    """The text with JSON's escapes undone."""
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text).replace("\\/", "/")


def seen(text: str) -> str:
    """The text as a terminal shows it."""
    before = None
    while before != text:
        before, text = text, _SEQUENCE.sub("", text)
    return _UNSEEN.sub("", text)


def cores(secret: str) -> Iterator[str]:
    """The secret, and what it alone decides of base64 at each offset."""
    yield secret
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + secret.encode()).decode().rstrip("=")
        yield whole[-(-8 * offset // 6) : 8 * (offset + len(secret)) // 6]


def assert_clean(text: str, place: str) -> None:
    """No secret is in the text, whichever way it is read."""
    for reading in readings(text):
        for name, secret in SECRETS.items():
            for core in cores(secret):
                assert core not in reading, f"{place} holds the {name}: {reading[:3000]!r}"
    if place.endswith(".sqlite"):
        return  # its numbers are any bytes; what its rows say is read by the commands
    for colour in ("\x1b[8m", "\x1b[7m", "\x9b", "\u202e", "\x1b]"):
        assert colour not in text, f"{place} holds {colour!r}"


class Talkative:
    """Stands before the simulator and puts secrets into its answers: into the fields that are wanted."""

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self._wanted = wanted
        every = [text for secret in SECRETS.values() for text in spelled(secret)]
        self._texts, self._printable = cycle(every), cycle([text for text in every if text.isprintable()])
        self.changed = 0

    def before(self, wsgi: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
        """The same platform, whose answers hold secrets."""

        def answer(simulator: Simulator, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            return self._answer(partial(wsgi, simulator), environ, start_response)

        return answer

    def _answer(self, wsgi: Any, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        caught: list[Any] = []

        def catch(status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], object]:
            caught[:] = [status, headers]
            return lambda data: data

        body = b"".join(wsgi({**environ, "HTTP_ACCEPT_ENCODING": "identity"}, catch))
        status, headers = caught
        lines = body.split(b"\n") if environ["PATH_INFO"].endswith("/log") else [body]
        body = b"\n".join(map(self._spoiled, lines))
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start_response(status, [*kept, ("Content-Length", str(len(body)))])
        return [body]

    def _spoiled(self, body: bytes) -> bytes:
        try:
            return json.dumps(self._walk(json.loads(body), "")).encode()
        except ValueError:
            return body

    def _walk(self, value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {name: self._walk(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self._walk(item, key) for item in value]
        text = isinstance(value, str) or (value is None and key in {"failure_reason", "parent"})
        if not text or not self._wanted(key) or key.endswith("_at"):
            return value
        self.changed += 1
        texts = self._texts if key in PROSE else self._printable
        return f"{next(texts)} {next(texts)}"


@contextmanager
def receiver() -> Iterator[tuple[str, list[str]]]:
    """A channel's other end: its address, and what it was sent."""
    bodies: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks/{SECRETS['channel']}", bodies
    finally:
        server.shutdown()
        server.server_close()


def variables(address: str) -> dict[str, str]:
    """The variables of a container whose relationships hold credentials under keys of their own."""
    entry = {"host": "db.internal", "username": "main", "password": PASSWORD, "more": {"list": [{"api_key": API_KEY}]}}
    blob = base64.b64encode(json.dumps({"database": [entry]}).encode()).decode()
    return {"PLATFORM_RELATIONSHIPS": blob, "CHAT_URL": address}


COMMANDS = (
    ("show", "nightly"),
    ("why", "nightly"),
    ("history",),
    ("changes", "nightly"),
    ("status",),
    ("check",),
    ("token", "list"),
    ("logs", "nightly"),
    ("logs", "nightly", "--platform"),
    ("next",),
)
CHANNEL = """
[agent]
log-file = true
[agent.notify]
on = ["failed", "missed", "recovered", "succeeded", "suspended"]
[notify.chat]
webhook = { url-variable = "CHAT_URL" }
[report]
publish = "DIRECTORY/public"
"""


def play(make_app: Callable[..., App], night: Mapping[str, str], wanted: Callable[[str], bool], *first: str) -> int:
    """Play a night and look at it with every command in both forms; search everything that was written.

    Returns how many texts of answers held secrets.
    """
    talkative = Talkative(wanted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Simulator, "wsgi", talkative.before(Simulator.wsgi))
        app = make_app(**night)
        app.write_jobs(CHANNEL.replace("DIRECTORY", str(app.directory)))
        app.make_due()
        look_at(app, first)
    return talkative.changed


def look_at(app: App, first: tuple[str, ...]) -> None:
    """Call these commands and all that only look; search what they and the channel's messages hold."""
    with receiver() as (address, bodies):
        settings = variables(address)
        for line in first:
            check(app.call(*line.split(), **settings))
        for arguments in COMMANDS:
            check(app.call(*arguments, **settings))
            check(app.call(*arguments, "--json", **settings))
        for form in ("--html", "--prometheus"):
            check(app.call("report", form, "-", **settings))
    for body in bodies:
        assert_clean(body, "a message")
    for file in app.directory.rglob("*"):
        if file.is_file():
            assert_clean(file.read_bytes().decode("utf-8", "replace"), str(file))


def check(said: Result) -> None:
    """The call ended in a documented way and told no secret."""
    assert said.code != 70, said.said
    assert "Traceback" not in said.said
    assert_clean(said.out, f"output of {' '.join(said.arguments)}")
    assert_clean(said.err, f"errors of {' '.join(said.arguments)}")


DECIDING = frozenset(
    {
        "id",
        "type",
        "state",
        "status",
        "result",
        "environment",
        "backup_name",
        "name",
        "head_commit",
        "parent",
        "project",
    }
)
NIGHTS = {
    "a night that succeeds": {},
    "an update that fails": {"update_outcome": "failure"},
    "a backup that fails": {"backup_outcome": "failure"},
}


@pytest.mark.parametrize("night", NIGHTS)
def test_words_of_answers_that_hold_secrets_are_written_without_them(make_app: Callable[..., App], night: str) -> None:
    assert play(make_app, NIGHTS[night], lambda key: key not in KEPT | DECIDING, "tick", "tick", "tick") > 20


@pytest.mark.parametrize("field", sorted(DECIDING))
def test_a_field_that_decides_may_hold_secrets_and_nothing_of_them_is_written(
    make_app: Callable[..., App], field: str
) -> None:
    assert play(make_app, {}, lambda key: key == field, "tick --log-level debug", "run hand", "tick")


# --- people, commands, errors ---------------------------------------------------------------------------------------

APPROVED = """
[jobs.asked]
[[jobs.asked.steps]]
backup = {}
[[jobs.asked.steps]]
approval = {}
[[jobs.asked.steps]]
source-operation = { name = "update" }
"""


@pytest.mark.parametrize("decision", ["approve", "approve --deny", "cancel", "cancel --activity"])
def test_a_run_that_people_decide_about_keeps_no_secret_of_theirs(app: App, decision: str) -> None:
    app.write_jobs(CHANNEL.replace("DIRECTORY", str(app.directory)) + APPROVED)
    with receiver() as (address, bodies):
        settings = variables(address)
        check(app.call("tick", **settings))
        check(app.call("run", "asked", **settings))
        for number, spelling in enumerate(SPELLINGS):
            text = SPELLINGS[spelling](PASSWORD)
            check(app.call("pause", "hand", "--reason", f"{text} {number}", **settings))
            check(app.call("resume", "hand", **settings))
        assert app.call("pause", "hand", "--reason", SPELLINGS["inverse"](PASSWORD), **settings).code == 0
        words = decision.split()
        said = app.call(words[0], "asked", *words[1:], "--by", SPELLINGS["a colour"](PASSWORD), **settings)
        check(said)
        assert said.code == 0, said.said
        look_at(app, ("tick", "show asked", "logs asked"))
        assert "suspended:hand" in (app.state / "sidecar.json").read_text()
    for body in bodies:
        assert_clean(body, "a message")


@pytest.mark.parametrize("first", range(4))
def test_what_a_command_prints_is_kept_without_secrets(app: App, first: int) -> None:
    spells = list(SPELLINGS.values())[first::4]
    texts = [spell(secret) for spell in spells for secret in (PASSWORD, SECRETS["channel"])]
    (app.directory / "said").write_text("\n".join(texts))
    step = '[jobs.command]\n[[jobs.command.steps]]\ncommand = { shell = "cat said; rm said; exit 3" }\n'
    app.write_jobs(CHANNEL.replace("DIRECTORY", str(app.directory)) + step)
    with receiver() as (address, _):
        said = app.call("run", "command", **variables(address))
    check(said)
    assert said.code == 1
    look_at(app, ())


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
def test_what_an_error_says_is_kept_without_secrets(app: App, status: int) -> None:
    texts = [" ".join(islice(spelled(secret), status % 5, None, 3)) for secret in SECRETS.values()]
    said = {"title": texts[0], "message": texts[1], "detail": {"error": texts[2:]}}
    body = json.dumps({"status": status, **said})
    app.simulator.add_fault(f"POST */backup json x* status={status} body={body}")
    app.write_jobs(CHANNEL.replace("DIRECTORY", str(app.directory)))
    app.make_due()
    look_at(app, ("tick",))


class Stub(socketserver.StreamRequestHandler):
    """A server that speaks no HTTP: its first line holds secrets."""

    line = b""

    def handle(self) -> None:
        """Answer with the line whatever was asked."""
        self.request.recv(65536)
        self.wfile.write(self.line)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_answer_that_is_no_http_is_quoted_without_secrets(app: App, spelling: str) -> None:
    line = f"NOT HTTP {SPELLINGS[spelling](PASSWORD)} {SPELLINGS[spelling](TOKEN)}\r\n\r\n".encode()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), type("Said", (Stub,), {"line": line})) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        api = f"http://127.0.0.1:{server.server_address[1]}"
        app.make_due()
        with receiver() as (address, _):
            settings = {**variables(address), "UPSUN_CLI_API_URL": api, "UPSUN_CLI_AUTH_URL": api}
            for arguments in (
                ("tick",),
                ("check",),
                ("token", "list"),
                ("show", "nightly"),
                ("token", "list", "--json"),
            ):
                check(app.call(*arguments, **settings))
        server.shutdown()


MARKS = {
    "a colour": "\x1b[31mred",
    "conceal": "\x1b[8mgone",
    "inverse": "\x1b[7mturned",
    "one in another": "\x1b[\x1b[31m8mgone",
    "a title": "\x1b]0;title\x07there",
    "8 bits": "\x9b8mgone",
    "a bidi mark": "\u202egone",
    "a colour of ours": "\x1b[32mgood\x1b[0m",
}


@pytest.mark.parametrize("mark", MARKS)
def test_on_a_terminal_nothing_foreign_changes_colours_or_hides_text(app: App, mark: str) -> None:
    said = app.call("pause", "hand", "--reason", f"marked {MARKS[mark]} end")
    assert said.code == 0
    with on_terminal(app.agent, "status") as terminal:
        terminal.end()
    shown = terminal.said
    assert b"marked" in shown
    line = next(each for each in shown.split(b"\n") if b"marked" in each)
    assert re.sub(rb"\x1b\[(?:2|33|31|0)m", b"", line).count(b"\x1b") == 0
    assert b"\x1b" not in line[line.index(b"marked") : line.index(b" end")]
    for each in (b"\x1b[8m", b"\x1b[7m", b"\x1b]", "\x9b".encode(), "\u202e".encode()):
        assert each not in shown


@pytest.mark.parametrize("first", range(4))
@pytest.mark.holds_secret("file */journal.sqlite", reason="an older version kept it there")
def test_a_journal_of_an_older_version_that_holds_secrets_is_shown_without_them(app: App, first: int) -> None:
    spells = list(SPELLINGS.values())[first::4]
    text = " ".join(spell(secret) for spell in spells for secret in SECRETS.values())
    app.write_jobs(CHANNEL.replace("DIRECTORY", str(app.directory)))
    now = datetime.now(UTC)
    about: dict[str, Any] = {"at": now, "step": 0}
    snapshot = Job("nightly", (StepPlan("backup", {}),)).to_json()
    run = RunOpened(
        at=now,
        run="nightly@old",
        environment="main",
        slot=app.slot,
        due_at=app.due,
        trigger=Trigger.SCHEDULE,
        job=snapshot,
    )
    said = [
        Warned(at=now, message=text),
        StepFailed(**about, failure="backup-failed", message=text, remedy=text),
        RunClosed(
            at=now,
            outcome=RunOutcome.FAILED,
            failure="backup-failed",
            message=text,
            remedy=text,
            detail={"said": [text]},
        ),
    ]
    app.state.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("upsun_agent.journal.codec.cleaned", lambda event: event)
        journal = SqliteJournal(str(app.state), IDENTITY)
        journal.open_run(run, said)
        journal.close()
    with receiver() as (address, _):
        for arguments in COMMANDS:
            check(app.call(*arguments, **variables(address)))
            check(app.call(*arguments, "--json", **variables(address)))
        for form in ("--html", "--prometheus"):
            check(app.call("report", form, "-", **variables(address)))
