"""The page docs/reference/speed.md, from one run."""

from __future__ import annotations

from bench.result import Result

HEAD = """\
<!-- Written by `python -m bench --write --picture docs/reference/speed.svg`; the numbers are those of one run. -->

# Speed

`make bench` measures in under a minute what this page shows, on your machine. All of it is ratios: milliseconds
differ from machine to machine and from hour to hour, ratios much less.

![How much of its target each figure takes up](speed.svg)
"""

HOW = """\
## How it is measured

- The agent is installed by the real build hook, with its runtime dependencies only, and started as a cron starts it.
- 1x is `python3 -I -S -c pass`, the bare interpreter, with the interpreter of the install.
- In each round every command is run once, in a random order; a ratio is the median of the rounds' own ratios.
- A small process starts them all (`posix_spawn`, `wait4`): a child's peak memory never reads lower than its parent's.
- *Idle tick*: there is a journal, and nothing is due. It ends after one row; most ticks of a day are such.
- *Journal on PostgreSQL*, *on MariaDB*: the same with the journal on a real server on this machine, over TLS and with
  a password, as the extra `shared` makes it possible. One connection, one statement.
- *1,000 jobs and 100,000 events*: the same with that many in the job file and in the journal, against the plain one.
- *status*, *report* with 1,000 jobs: the CPU of the whole command with that state, against the bare interpreter's.
  120x is a second where the interpreter starts in eight milliseconds.
- *Two composer.lock of 2 MB*: `changes OLD NEW --json` with 1,300 packages, of which a third differ. The figures are of
  the whole command; reading and comparing the files take 4 MiB of its memory.
- *Backup and update in one process*: one tick that gets a bearer, looks at the environment, asks for a backup, proves
  it, and asks for the update. The simulated platform finishes backups at once, so that nothing waits.
- *The official CLI* 5.11.1, unmodified, asks the same platform for the same: `backup:create --no-wait --yes`, then
  `source-operation:run update --no-wait --yes`, as the platform's guide puts them into crons. It proves nothing.
  *Caches expired*: each command starts with an empty home, as crons hours apart find it; its PHP stays unpacked.
  *Caches kept*: both once more with everything cached, bearer included, which happens within two minutes only.
- CPU is user and system time of a command and all its children. *Largest process* is the peak of one process;
  the CLI runs two, and *all processes at once* is what they take together, by looking every few milliseconds. The
  latter is what a container's memory limit counts: the CLI's launcher waits for its PHP and keeps what it holds.
- Installed size is all files: for the agent with byte code, for the CLI with the PHP that it unpacks.

## Why a tick is fast, and what is not to be had

- An idle tick reads one row. A tick that works does without most of what its libraries import: modules for cookies,
  mail, forms, asynchronous loops and reflection are held back, and imported when something asks for them after all
  (`agent/upsun_agent/lazy_imports.py`). Records are structs of msgspec: it makes their classes without generated code.
- The job file is parsed and checked once. Later ticks take what came of it from `job-file.json` beside the journal,
  if its digest says that it is of this text and this install.
- A tick that a cron starts ends without taking apart what it loaded: that alone took as long as two idle ticks.
- *Requests with caches kept* cannot come down to 0.7x: with everything cached the CLI makes three, of which two are
  the backup and the update. The agent makes these two, looks at the environment before (may it? is it the right one?)
  and reads the backup after (can it be restored?). With `keep-bearers` the exchange of the token falls away, which
  leaves four. That costs more than it saves: the encryption takes two and a half interpreter starts and 8 MiB.
- On a disk that is slow to sync, syncs are most of a working tick's wall time. They stay: they are why no request is
  made twice.
"""


def page(result: Result) -> str:
    """Return the whole page."""
    rows = ["| what | measured | target | |", "|---|--:|--:|---|"]
    rows += [
        f"| {each.label} | {each.shown()} | {each.promise()} | {'' if each.verdict == 'told' else each.verdict} |"
        for each in result.figures
    ]
    counts = ["| count | |", "|---|--:|", *(f"| {label} | {value} |" for label, value in result.counted())]
    made = f"{result.date}, {result.python}, {result.cores} cores, {result.rounds} rounds."
    parts = [HEAD, f"## One run\n\n{made}\n", "\n".join(rows) + "\n", *([_notes(result)] if result.notes else [])]
    parts += ["## What does not depend on the clock\n", "\n".join(counts) + "\n", HOW]
    return "\n".join(parts)


def _notes(result: Result) -> str:
    return "\n".join(f"{note}." for note in result.notes) + "\n"
