"""``check --prove``: try on a development environment what the agent assumes of the platform, and tell what differs."""

from __future__ import annotations

import os
from contextlib import closing

from upsun_agent import __version__
from upsun_agent.cli.answer import Answer
from upsun_agent.cli.change import agreed, previewing, project_of, refuse_unasked
from upsun_agent.cli.context import Context
from upsun_agent.cli.terminal import text_of
from upsun_agent.errors import EXIT_OK, ConfigInvalid, RunFailed, StateNotWritable
from upsun_agent.journal.state import MountState
from upsun_agent.platform.variables import decoded
from upsun_agent.prove.place import Place
from upsun_agent.prove.play import Container, Proof, prove
from upsun_agent.prove.rows import Fact, Outcome, Row
from upsun_agent.report.document import Count, View
from upsun_agent.text.event_text import Tone

VERSION = 1  # of the document
TONES: dict[Outcome, Tone] = {"as assumed": "good", "differs": "bad", "not tried": "dim"}


class ProveRowView(View, frozen=True, kw_only=True):
    """Something that the agent assumes of the platform, and what was seen."""

    #: Its stable name.
    name: str
    #: The number of the open question about the platform that it answers; null for an assumption only.
    question: int | None
    #: What it is about.
    about: str
    #: What the agent assumes.
    assumed: str
    #: What was seen.
    outcome: Outcome
    #: What was seen; why nothing was, if it was not tried.
    seen: str
    #: What the agent does if it differs; empty otherwise.
    then: str
    #: What was seen, for programs: numbers, truth values and words of the agent.
    facts: dict[str, Fact]


class ProveView(View, frozen=True, kw_only=True):
    """With ``--prove``: what the agent assumes of the platform, and what was seen."""

    #: The version of this document.
    proof: Count
    #: The version of the agent.
    agent: str
    #: One row for each assumption.
    rows: list[ProveRowView]
    #: What was made and could not be deleted.
    left: list[str]
    #: The exit code of the command.
    exit_code: Count


def run_prove(context: Context) -> Answer | int:
    """Try everything on the environment that is named, and return the table."""
    refuse_unasked(context)
    project, name = project_of(context), str(context.options.prove)
    terminal, operation = context.terminal, context.options.operation
    with closing(context.client()) as client:
        place = Place(client, project, name, context.clock)
        place.look()  # raises on production
        if previewing(context):
            runs = f", and run the source operation {operation}, whose commit stays" if operation else ""
            terminal.say(f"Would take two backups of {name} and delete them, redeploy {name} once{runs}.")
            terminal.say("It takes up to half an hour. It waits for a cron to run beside them.")
        if not agreed(context, f"Try this on {name}?"):
            return EXIT_OK
        proof = prove(place, _container(context, project, name), operation, terminal.live)
    terminal.unlive()
    code = RunFailed.exit_code if proof.left else EXIT_OK
    view = _view(proof, code)
    if context.options.to is not None:
        _write(context.options.to, text_of(view))
    return Answer(view, lambda: _tell(context, proof), code)


def _container(context: Context, project: str, name: str) -> Container | None:
    """Return the container that the command runs in, if it is the environment's."""
    here = context.surrounding
    if here.phase != "runtime" or (here.project, here.environment) != (project, name):
        return None
    try:
        kind = str(decoded(context.environ, "PLATFORM_APPLICATION").get("type") or "")
        state = context.state
    except ConfigInvalid:
        return Container(path=context.environ.get("PATH", os.defpath), kind="", directory=None)
    directory = state.directory if isinstance(state, MountState) and os.path.isdir(state.directory) else None
    return Container(path=context.environ.get("PATH", os.defpath), kind=kind, directory=directory)


def _view(proof: Proof, code: int) -> ProveView:
    rows = [
        ProveRowView(
            name=each.name,
            question=each.assumption.question,
            about=each.assumption.about,
            assumed=each.assumption.assumed,
            outcome=each.outcome,
            seen=each.seen,
            then=each.assumption.then if each.outcome == "differs" else "",
            facts=dict(each.facts),
        )
        for each in proof.rows
    ]
    return ProveView(proof=VERSION, agent=__version__, rows=rows, left=proof.left, exit_code=code)


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        raise StateNotWritable(f"{path} cannot be written: {error.strerror}") from error


def _tell(context: Context, proof: Proof) -> None:
    """Print the table, what the agent does about each row that differs, and what was left behind."""
    terminal = context.terminal
    for each in proof.rows:
        _tell_row(context, each)
    counts = [f"{sum(each.outcome == word for each in proof.rows)} {word}" for word in TONES]
    terminal.say(f"{', '.join(counts)}.")
    for text in proof.left:
        terminal.say(f"Left behind: {text}", "bad")
    if context.options.to is not None:
        terminal.say(f"Written: {context.options.to}. It holds no secret; see docs/how-to/prove.md to send it in.")


def _tell_row(context: Context, row: Row) -> None:
    terminal, known = context.terminal, row.assumption
    number = f" (question {known.question})" if known.question is not None else ""
    word = terminal.paint(f"{row.outcome:<10}", TONES[row.outcome])
    terminal.beside(f"{word}  ", f"{row.name}{number}: {known.about}", indent=12)
    terminal.beside("            assumed:    ", known.assumed, indent=24)
    terminal.beside(
        f"            {'not tried' if row.outcome == 'not tried' else 'seen'}:  ".ljust(24), row.seen, indent=24
    )
    if row.outcome == "differs":
        terminal.beside("            the agent:  ", known.then, indent=24)
