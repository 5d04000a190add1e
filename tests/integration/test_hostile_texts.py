"""No text of others makes a pattern or a reader hang: each is given the longest that it reads, of the worst kinds.

The patterns that were replaced are the specification of what replaced them: both are asked the same, on short texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from upsun_agent.access.ssh import configuration
from upsun_agent.access.ssh.certificate import read_certificate
from upsun_agent.api import errors, models
from upsun_agent.api.deadline import OverDeadline, alarm
from upsun_agent.api.http import Reply
from upsun_agent.api.network import Settings
from upsun_agent.api.pages import missing
from upsun_agent.cli import pasted_tokens
from upsun_agent.config import JobFileInvalid, notifications, parse
from upsun_agent.cron_expression import expression_fault
from upsun_agent.errors import AgentError
from upsun_agent.limits import CONFIG_MOST_BYTES, JOB_FILE_MOST_BYTES
from upsun_agent.log.redaction import Redaction
from upsun_agent.model.ids import id_fault, name_fault, variable_fault
from upsun_agent.platform import cli_calls
from upsun_setup import cli_cron, hook, job_file, package_managers, render
from upsun_setup.edits import editor_of

DEADLINE = 10  # seconds of a text: what is linear takes a tenth of that, what is quadratic an hour


def quietly(call: Callable[[str], object]) -> Callable[[str], object]:
    """The call, whose documented refusals are an answer too."""

    def ask(text: str) -> object:
        try:
            return call(text)
        except (AgentError, ValueError):
            return None

    return ask


def reply(text: str) -> Reply:
    return Reply(200, {"content-type": text[:8000]}, text.encode("utf-8", "replace"))


#: Each reader: what it is asked, the most characters that it is given, and of what its worst texts are made.
READERS: dict[str, tuple[Callable[[str], Any], int, tuple[str, ...]]] = {
    "lines that install the CLI": (
        cli_cron.installer_lines,
        CONFIG_MOST_BYTES,
        ("curl ", "wget", " upsun", " platformsh ", " installer", "|", " sh", "bash", "/", "x", "\n"),
    ),
    "a call of the CLI": (cli_calls.calls_cli, CONFIG_MOST_BYTES, ("upsun", "platform", ".phar", " ", "\n", "(", "x")),
    "a cron": (
        cli_cron.read_cron,
        CONFIG_MOST_BYTES,
        ("upsun backup:create", " -y", ";", "&&", "'", "\\\n", " $(", "if ", "[ ", "#", ">", "backup ", "\n"),
    ),
    "a guard of a cron": (
        lambda text: cli_cron.read_cron(f'[ "{text}" = production ] && upsun backup'),
        18_000,
        ("${PLATFORM_BRANCH", ":-", "}", "$", "{", "x"),
    ),
    "a hook that installs the agent": (
        hook.installs,
        CONFIG_MOST_BYTES,
        ("upsun-agent", "/install", "/build", ".sh", " ", "x", "\n", "hooks/build"),
    ),
    "a hook that is strict": (
        hook.is_strict,
        CONFIG_MOST_BYTES,
        ("set", " ", "-e", "e", "a", "1", " -x", "+x", ";", "\n", "-", " errexit"),
    ),
    "a build hook edited": (
        lambda text: hook.hook_edit(text, ["x"], "j", drop_cli=True),
        CONFIG_MOST_BYTES,
        ("# CLI\n", "curl upsun installer|sh\n", "set -e", "#!", "\n", " "),
    ),
    "requirements": (
        package_managers.PINNED.search,
        CONFIG_MOST_BYTES,
        ("a[", "a", "[", "]", " ", "=", "==", "\n", ".", "-", "1"),
    ),
    "the name of a job": (job_file.job_name, 100_000, ("-", "a", " ", "é")),
    "a machine name": (lambda text: cli_cron.SUFFIX.sub("", text), 100_000, ("-", "a", "-aaaaaaa", "1")),
    "a text for YAML": (
        lambda text: render.scalar(text, render.Style()),
        CONFIG_MOST_BYTES,
        ("a", " ", "-", ".", "+", "y", "~", "\n", "'", '"'),
    ),
    "a job file": (
        quietly(parse),
        JOB_FILE_MOST_BYTES,
        ("[", "]", "[jobs", ".", "steps", " ", '"', '"""', "\\", "'", "a", "=", "{", ",", "#", "\n", "on-failure"),
    ),
    "a job file with one mistake": (
        quietly(lambda text: parse(f"[jobs.a]\nx = 1\n{text}\n")),
        JOB_FILE_MOST_BYTES - 100,
        ("# x\n", '"\\""', " ", "[[a]]\n", "b=[", "]", "a.", '"""', "\\", "\n"),
    ),
    "credentials in an address": (
        notifications._CREDENTIALS.search,
        JOB_FILE_MOST_BYTES,
        ("://", "http://", ":", "@", "a", "/", "?"),
    ),
    "a schedule": (expression_fault, 100_000, ("*", "/1", "1-", ",", " ", "h(", "@", "mon")),
    "a name": (name_fault, 100_000, ("..", "/", "%2e", "%2f", "\\", "a")),
    "an id": (id_fault, 100_000, ("..", "/", "%2e", "%2f", "\\", "a", ".")),
    "the name of a variable": (variable_fault, 100_000, ("a", "1", "_", "A")),
    "the title of an answer": (
        lambda text: errors.not_the_apis(reply(f"<html>{text}")),
        2_000_000,
        ("<title", "<title>", "</title", ">", "a", " ", "\n"),
    ),
    "an answer that asks for more": (
        lambda text: errors.classify(Reply(401, {"www-authenticate": text[:64_000]}, text.encode())),
        2_000_000,
        ("bearer", " ", "amr", "=", '"', ",", "multi-factor", "a"),
    ),
    "the charset of a page": (
        lambda text: missing(reply(text), "not there"),
        2_000_000,
        ("<meta ", "charset", " ", "=", '"', "<?xml ", "encoding", "a", ">"),
    ),
    "a link": (quietly(models.link_path), 100_000, ("/", "..", "%2e", "%25", "a", "?", "[", ":")),
    "exceptions of a proxy": (
        quietly(lambda text: Settings({"HTTPS_PROXY": "http://p:1", "NO_PROXY": text}).proxy_for("https", "h", 443)),
        100_000,
        (",", " ", "[", "]", ":", "/", "1", "%", ".", "a"),
    ),
    "arguments": (
        lambda text: pasted_tokens.hidden(text, pasted_tokens.tokens_of([text])),
        128_000,
        ("a", "1", " ", "=", "a1a1a1a1a1a1a1a1", "T", "20260310T0300Z", "-"),
    ),
    "the user's ssh configuration": (
        configuration._without_block,
        configuration.CONFIG_MOST,
        (f"{configuration.BEGIN}\n", f"{configuration.END}\n", "\n", "x\n", "# BEGIN: ", " "),
    ),
    "a certificate": (
        quietly(read_certificate),
        1_000_000,
        ("ssh-ed25519-cert-v01@openssh.com ", "A", "=", " ", "\t", "\n", "é"),
    ),
    "a private key in a text": (
        Redaction(["canary-of-a-hostile-text"]).clean,
        200_000,
        ("-----BEGIN ", "PRIVATE KEY-----\n", "RSA ", "-----END ", "A" * 64 + "\n", "\n", " ", "LS0tLS1CRUdJTi", "\\n"),
    ),
    "YAML": (
        quietly(lambda text: editor_of(text, "x.yaml")),
        60_000,  # a reader of pure Python: the largest file takes eight times as long
        ("- ", "[", "]", "{", "}", "? ", ": ", '"', "'", "|", ">", "\n", " ", "#", "&a ", "*a ", "!t ", "a", "\t", "%"),
    ),
}


def worst(parts: tuple[str, ...], most: int) -> Iterator[str]:
    """Texts that hold one part over and over, or two by turns, behind a third."""
    for part in parts:
        yield part * (most // len(part))
    for one, two in permutations(parts, 2):
        yield (one + two) * (most // len(one + two))
        yield one + two * ((most - len(one)) // len(two))


@pytest.mark.parametrize("name", READERS)
def test_the_longest_and_worst_texts_are_read_in_time(name: str) -> None:
    read, most, parts = READERS[name]
    for text in worst(parts, most):
        try:
            with alarm(DEADLINE):
                read(text)
        except OverDeadline:
            pytest.fail(f"{name} hangs on {len(text)} characters such as {text[:60]!r}")


# --- what replaced a pattern says the same ----------------------------------------------------------------------

INSTALLER = re.compile(r"^\s*(curl|wget)\b.*\b(platformsh|upsun)\b.*\binstaller(\.sh|\b).*\|.*\b(ba|da)?sh\b")
FOLDERS = r"(?:/[^\s/]*)*"
INSTALLS = re.compile(
    rf"(?<![^\s/])(?:upsun-agent{FOLDERS}(?:/install\.sh|/hooks{FOLDERS}/build\.sh)|install-upsun-agent\.sh)(?!\S)"
)
STRICT = re.compile(r"set(?:\s+[-+]?\w+)*?\s+(?:-[a-zA-Z]*e[a-zA-Z]*|errexit)(?:\s+[-+]?\w+)*")
PINNED = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]\n]*\])?[^\S\n]*==", re.MULTILINE)
BLOCK = re.compile(
    rf"^{re.escape(configuration.BEGIN)}$.*?^{re.escape(configuration.END)}$\n?", re.MULTILINE | re.DOTALL
)


def made_of(*parts: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(parts), max_size=12).map("".join)


@given(made_of("curl", "wget", " ", "upsun", "platformsh", "installer", ".sh", "|", "sh", "bash", "x", "/", "-"))
def test_the_installer_is_known_as_before(line: str) -> None:
    assert cli_cron.installer_lines(line) == ([0] if INSTALLER.search(line) and "||" not in line else [])


@given(
    made_of("upsun-agent", "/install.sh", "/build.sh", "/install", ".sh", " ", "\n", "x", "hooks", "install-", "\x1c")
)
def test_a_hook_that_installs_the_agent_is_known_as_before(text: str) -> None:
    assert hook.installs(text) == (INSTALLS.search(text) is not None)


@given(made_of("set", " ", "\t", "-e", "-eu", "-x", "+e", "e", "errexit", "-o", "1", "-", ";", "é", "-é", "#", "-e1"))
def test_a_strict_hook_is_known_as_before(line: str) -> None:
    code = re.split(r"(?:^|(?<=[\s;]))#", line)[0]
    assert hook.is_strict(line) == (STRICT.fullmatch(code.strip().split(";")[0].strip()) is not None)


@given(made_of("a", "A1", "[", "]", "x", " ", "\t", "=", "==", "\n", ".", "-", "#"))
def test_pinned_requirements_are_known_as_before(text: str) -> None:
    assert (package_managers.PINNED.search(text) is None) == (PINNED.search(text) is None)


@given(made_of(configuration.BEGIN, configuration.END, "\n", "\n", "Host x", " ", "#"))
@example(f"\n{configuration.BEGIN}\n{configuration.END}")
def test_our_block_is_taken_out_as_before(text: str) -> None:
    assert configuration._without_block(text) == BLOCK.sub("", text)


def test_the_deadline_interrupts_a_pattern_that_hangs() -> None:
    with pytest.raises(OverDeadline), alarm(0.5):
        re.search(r"(a+)+b", "a" * 60)


def test_a_job_file_that_is_wrong_throughout_is_told_in_time() -> None:
    text = "[jobs.a.steps]\n" + "[jobs . a . steps ] # x\n" * 40_000
    with alarm(DEADLINE), pytest.raises(JobFileInvalid):
        parse(text)
