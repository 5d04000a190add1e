"""Every example of the documents is executed or checked here, by its language: a block that nobody handles fails.

A new page needs nothing: its blocks are found. Shell runs in an app container against the simulator, TOML goes through
our reader, YAML is held to the platform's schema. What cannot run is in ``exceptions.py``, with its reason.
"""

from __future__ import annotations

import ast
import base64
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from upsun_agent.cli.main import SETUP, build
from upsun_agent.config import JobFileInvalid, parse

from tests.harness import fixed_checkouts
from tests.harness.config_schema import loaded, schema
from tests.harness.doc_blocks import BLOCKS, PAGES, Block, blocks_in
from tests.harness.doc_exceptions import AFTER_A_RUN, CHECKOUTS, NOT_RUN, RUN_ELSEWHERE, WITH_DATABASE
from tests.harness.doc_sandbox import SHELL, Sandbox, job_file_for, sandbox
from tests.harness.needs import database
from tests.harness.official_cli import binary
from tests.harness.sources import REPOSITORY
from tools.databases import DATABASE, OWNER, Postgres, Server, running
from tools.reference import pages

SHELLS = {"sh", "shell", "bash", "console"}
#: Words that begin a line of shell: a block without a language that has one hides from the tests.
TOOLS = {
    "upsun-agent",
    "upsun-agent-setup",
    "upsun",
    "platform",
    "make",
    "pip",
    "git",
    "curl",
    "sh",
    "export",
    "python3",
    "npm",
    ". ",
}
#: What Git says where a page had all that init wrote committed and pushed.
PUSHED = "Add upsun-agent\n"
FIXED = "docs/how-to/fixed.md"
#: Lines that any shell with Python takes.
PLAIN = [["true"], ["python3", "-m", "venv", "~/upsun-agent"], [".", "~/upsun-agent/bin/activate"]]
GENERATED = {f"docs/reference/{name}" for name in pages()}


def usual() -> str:
    """The job file of the README, which a fragment elsewhere adds to."""
    return next(block.text for block in BLOCKS if block.page == "README.md" and block.language == "toml")


# --- one handler for each language -----------------------------------------------------------------------------


def a_job_file(block: Block) -> None:
    """A job file, or a part of one that the README's can take in."""
    base = usual()
    jobs_only = base[base.index("[jobs.") :]
    candidates = [block.text, f"{base}\n{block.text}", f"{block.text}\n{jobs_only}", f"{jobs_only}\n{block.text}"]
    refused = []
    for text in candidates:
        try:
            assert parse(text, block.place).jobs
        except JobFileInvalid as error:
            refused.append(str(error))
        else:
            return
    pytest.fail(f"{block.place} is no job file, and no part of one: {refused[0]}")


def a_configuration(block: Block) -> None:
    """A configuration of the platform, with scripts that dash can read."""
    if block.key in RUN_ELSEWHERE:
        return
    data = loaded(block.text)
    if isinstance(data, dict) and data.keys() >= {"name", "type"}:  # an app of Upsun Fixed
        jsonschema.validate(data, fixed_checkouts.schema())
        return
    if not isinstance(data, dict) or not data.keys() & {"applications", "routes", "services"}:
        pytest.fail(f"{block.place}: nobody runs this YAML: name the test that does in RUN_ELSEWHERE")
    data.setdefault("applications", {})
    for app in data["applications"].values():
        operations = (app.get("source") or {}).get("operations", {})
        crons = [cron.get("commands", {}).get("start", "true") for cron in (app.get("crons") or {}).values()]
        scripts = [*(app.get("hooks") or {}).values(), *crons, *(each["command"] for each in operations.values())]
        for script in scripts:
            reads(script)
    jsonschema.validate(data, schema())


def documents(block: Block) -> None:
    """One JSON document, or one a line."""
    try:
        json.loads(block.text)
    except ValueError:
        for line in filter(None, block.text.splitlines()):
            json.loads(line)


def statements(block: Block) -> None:
    """SQL that a test says to real servers."""
    assert block.key in RUN_ELSEWHERE, f"{block.place}: name the test that says this to a server in RUN_ELSEWHERE"


def a_program(block: Block) -> None:
    """Python that parses; what it uses is the reader's."""
    ast.parse(block.text)


def an_image(block: Block) -> None:
    """A Dockerfile: known instructions, and lines that dash can read."""
    known = {"FROM", "RUN", "COPY", "ENV", "ARG", "WORKDIR", "USER", "CMD", "ENTRYPOINT", "LABEL", "EXPOSE", "ADD"}
    for line in block.text.replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        assert not word or word.startswith("#") or word in known, f"{block.place}: {line}"
        if word == "RUN":
            reads(rest)


def no_code(block: Block) -> None:
    """A drawing, a tree of files, a log: nothing that a reader would type."""
    for line in block.text.splitlines():
        assert line.strip().split(" ")[0] not in TOOLS, f"{block.place} is shell: begin it with ```sh"


def is_read(block: Block) -> None:
    """Shell that dash can read; it is run page by page, below."""
    if block.language != "console":
        reads(block.text)


HANDLERS: dict[str, Callable[[Block], None]] = {
    "toml": a_job_file,
    "yaml": a_configuration,
    "yml": a_configuration,
    "json": documents,
    "jsonl": documents,
    "python": a_program,
    "sql": statements,
    "dockerfile": an_image,
    "": no_code,
    "text": no_code,
    **dict.fromkeys(SHELLS, is_read),
}


def reads(script: str) -> None:
    done = subprocess.run([SHELL, "-n"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{script}"


# --- the tests ---------------------------------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize(
    "block", [each for each in BLOCKS if each.language in {"yaml", "yml"}], ids=lambda each: each.place
)
def test_yaml_is_right(block: Block) -> None:
    HANDLERS[block.language](block)


@pytest.mark.parametrize("block", [e for e in BLOCKS if e.language not in {"yaml", "yml"}], ids=lambda each: each.place)
def test_a_block_is_right_for_its_language(block: Block) -> None:
    if block.language not in HANDLERS:
        pytest.fail(f"{block.place}: nobody checks '{block.language}': give test_blocks.py a handler")
    HANDLERS[block.language](block)


def scripts_of(page: str) -> list[Block]:
    if page in GENERATED:  # a test of its own keeps them equal to what the commands say
        return []
    return [block for block in BLOCKS if block.page == page and block.language in SHELLS and block.key not in NOT_RUN]


WITH_SCRIPTS = sorted({block.page for block in BLOCKS if scripts_of(block.page)})


@pytest.mark.parametrize("page", WITH_SCRIPTS)
def test_the_commands_of_a_page_work_from_top_to_bottom(page: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        container = stack.enter_context(sandbox(tmp_path, "fixed" if page == FIXED else "flex"))
        if page in WITH_DATABASE:
            relate(container, stack.enter_context(running(database(Postgres, page))))
        if page in CHECKOUTS:
            container.check_out(first(page, "yaml"), CHECKOUTS[page])
        if page in AFTER_A_RUN:
            container.use(usual())
            assert container.run("upsun-agent run nightly-update --wait").returncode == 0
        for block in scripts_of(page):
            if page not in CHECKOUTS:
                container.use(job_file_for(block))
            if block.language == "console":
                shown(container.run, block)
                continue
            done = container.run(block.text)
            assert done.returncode == 0, f"{block.place}\n{done.stdout}\n{done.stderr}"
        if page in CHECKOUTS:
            assert container.run("git status --porcelain; git log -1 --format=%s @{upstream}").stdout == PUSHED, page


def first(page: str, language: str) -> str:
    """Return the page's first block in a language."""
    return next(block.text for block in BLOCKS if block.page == page and block.language == language)


def relate(container: Sandbox, server: Server) -> None:
    """Give the app a relationship named database."""
    login = {"host": "127.0.0.1", "port": server.port, "username": OWNER, "password": server.password}
    found = {"database": [{"scheme": "pgsql", "path": DATABASE, "query": {"is_master": True}, **login}]}
    container.variables["PLATFORM_RELATIONSHIPS"] = base64.b64encode(json.dumps(found).encode()).decode()


def shown(run: Callable[[str], subprocess.CompletedProcess[str]], block: Block) -> None:
    """Commands with their output: each line that is shown is said; `…` stands for anything."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, *lines = part.splitlines()
        said = " ".join((run(command).stdout).split())
        for line in filter(str.strip, lines):
            pattern = ".*".join(re.escape(" ".join(piece.split())) for piece in line.split("…"))
            assert re.search(pattern, said), f"{block.place}: '{line}' is not said by: {command}\n{said}"


@pytest.mark.parametrize("key", NOT_RUN)
def test_what_is_not_run_is_read_word_by_word(key: str) -> None:
    block = next((each for each in BLOCKS if each.key == key), None)
    assert block is not None, f"there is no block '{key}' any more: take it out of exceptions.py"
    for line in block.text.replace("\\\n", " ").splitlines():
        program, *words = shlex.split(line, comments=True) or ["true"]
        parse_line(program, words, block.place)


def parse_line(program: str, words: list[str], place: str) -> None:
    """A command line that its program would take."""
    if program == "upsun-agent":
        build().parse_args(words)
    elif program == "upsun-agent-setup":
        build(SETUP).parse_args(words)
    elif program == "git":
        assert words[:2] in (["submodule", "add"], ["worktree", "add"], ["worktree", "remove"]), place
    elif program == "upsun":
        said = subprocess.run([binary(), "help", words[0]], capture_output=True, text=True, check=False)
        assert said.returncode == 0, f"{place}: the official CLI has no command {words[0]}"
        for option in (word for word in words if word.startswith("-")):
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", said.stdout), f"{place}: no option {option}"
    elif program == "make":
        assert re.search(rf"^{words[0]}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    elif program == "pip":
        extra = re.search(r"\[([\w,]+)\]", " ".join(words))
        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
        assert extra is None or {*extra[1].split(",")} <= project["optional-dependencies"].keys()
        assert all(word in {"install", "."} or word.startswith(".[") for word in words), (
            "a name on an index is not ours"
        )
    elif program == "python":
        said = subprocess.run(
            [sys.executable, *words[:2], "--help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
        )
        assert all(word in said.stdout for word in words if word.startswith("--")), place
    elif program == "eval":
        inner = re.fullmatch(r"\$\((.*)\)", words[0])
        assert inner is not None, place
        parse_line(*_split(inner[1]), place)
    else:
        assert [program, *words] in PLAIN, f"{place}: nobody checks the command '{program}'"


def _split(line: str) -> tuple[str, list[str]]:
    program, *words = shlex.split(line)
    return program, words


def test_what_runs_elsewhere_is_there_and_does() -> None:
    keys = {block.key for block in BLOCKS}
    for key, test in RUN_ELSEWHERE.items():
        assert key in keys
        assert Path(key.partition(":")[0]).name in (REPOSITORY / test).read_text(encoding="utf-8")


def test_blocks_are_found_wherever_they_stand() -> None:
    text = "a\n```sh\nx\n```\n\n1. b\n\n   ~~~toml\n   y\n     z\n   ~~~\n\n"
    text += "````text\n```sh\nno\n```\n````\n```{yaml} more\nq: 1\n```\n"
    found = blocks_in(text, "p.md")
    assert [(each.line, each.language, each.text) for each in found] == [
        (2, "sh", "x\n"),
        (8, "toml", "y\n  z\n"),
        (13, "text", "```sh\nno\n```\n"),
        (18, "yaml", "q: 1\n"),
    ]
    for page in PAGES:
        fences = len(re.findall(r"^ *(?:```|~~~)", page.read_text(encoding="utf-8"), re.MULTILINE))
        assert fences == 2 * len([each for each in BLOCKS if REPOSITORY / each.page == page]), page


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("toml", "[jobs.x]\nshcedule = 1\n"),
        ("toml", "[jobs"),
        ("yaml", "applications: {app: {hoks: {}}}"),
        ("yaml", "applications: {app: {hooks: {build: 'if'}}}"),
        ("yaml", "version: '3'\n"),
        ("json", "{"),
        ("python", "def"),
        ("dockerfile", "FRM x"),
        ("", "upsun-agent tick"),
        ("sh", "if"),
    ],
)
def test_a_wrong_block_is_caught(language: str, text: str) -> None:
    problems: tuple[Any, ...] = (
        AssertionError,
        SyntaxError,
        ValueError,
        jsonschema.ValidationError,
        pytest.fail.Exception,
    )
    with pytest.raises(problems):
        HANDLERS[language](Block("p.md", 1, language, text))


def test_yaml_of_a_block_is_that_of_any_reader() -> None:
    for block in BLOCKS:
        if block.language == "yaml" and "!" not in block.text:
            assert loaded(block.text) == yaml.safe_load(block.text)
