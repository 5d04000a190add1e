"""Which crons are the platform guide's, in all the ways that people write them, and which are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upsun_agent.platform.cli_calls import calls_cli, cli_calls
from upsun_setup.cli_cron import (
    CliCron,
    UnsupportedCron,
    Update,
    installer_lines,
    installs_cli,
    read_cron,
)
from upsun_setup.replaced_crons import types_of

BOTH = "upsun backup:create --yes --no-wait\nupsun source-operation:run update --no-wait --yes"
UPDATE = (Update("update", {}),)
ALL = ("production", "staging", "development")

KNOWN: dict[str, tuple[str, CliCron]] = {
    "as in the guide": (
        f'if [ "$PLATFORM_ENVIRONMENT_TYPE" = production ]; then\n{BOTH}\nfi\n',
        CliCron(True, False, UPDATE, ("production",)),
    ),
    "no guard": (BOTH, CliCron(True, False, UPDATE)),
    "the binary platform": (BOTH.replace("upsun", "platform"), CliCron(True, False, UPDATE, is_platform=True)),
    "a path to the binary": (BOTH.replace("upsun", "~/.upsun/bin/upsun"), CliCron(True, False, UPDATE)),
    "on one line": (BOTH.replace("\n", " && "), CliCron(True, False, UPDATE)),
    "with semicolons": (BOTH.replace("\n", "; "), CliCron(True, False, UPDATE)),
    "set -e and a comment": (f"set -e\n# every night\n{BOTH}", CliCron(True, False, UPDATE)),
    "live": (BOTH.replace("--yes", "--live", 1), CliCron(True, True, UPDATE)),
    "short options": ("upsun backup -W -y; upsun source-operation:run -W -y update", CliCron(True, False, UPDATE)),
    "only a backup": ("upsun backup:create --no-wait", CliCron(True, False, ())),
    "an old name": ("platform snapshot:create --no-wait", CliCron(True, False, (), is_platform=True)),
    "only an update": ("upsun source-operation:run up --no-wait", CliCron(False, False, (Update("up", {}),))),
    "variables": (
        "upsun source-operation:run up --variable env:A=1 --variable=env:B='x y'",
        CliCron(False, False, (Update("up", {"A": "1", "B": "x y"}),)),
    ),
    "two operations": (
        "upsun source-operation:run a -y && upsun source-operation:run b -y",
        CliCron(False, False, (Update("a", {}), Update("b", {}))),
    ),
    "double brackets": (
        f'if [[ "$PLATFORM_ENVIRONMENT_TYPE" == "production" ]]; then\n{BOTH}\nfi',
        CliCron(True, False, UPDATE, ("production",)),
    ),
    "then on a line of its own": (
        f"if [ $PLATFORM_ENVIRONMENT_TYPE = staging ]\nthen\n{BOTH}\nfi",
        CliCron(True, False, UPDATE, ("staging",)),
    ),
    "test": (
        f"if test ${{PLATFORM_ENVIRONMENT_TYPE}} = production; then {BOTH.replace(chr(10), '; ')}; fi",
        CliCron(True, False, UPDATE, ("production",)),
    ),
    "a chain": (
        f'[ "$PLATFORM_ENVIRONMENT_TYPE" = production ] && {BOTH.replace(chr(10), " && ")}',
        CliCron(True, False, UPDATE, ("production",)),
    ),
    "an early exit": (
        f'[ "$PLATFORM_ENVIRONMENT_TYPE" = production ] || exit 0\n{BOTH}',
        CliCron(True, False, UPDATE, ("production",)),
    ),
    "an early exit, the other way round": (
        f'[ "$PLATFORM_ENVIRONMENT_TYPE" != production ] && exit\n{BOTH}',
        CliCron(True, False, UPDATE, ("production",)),
    ),
    "all but one type": (
        f'if [ "$PLATFORM_ENVIRONMENT_TYPE" != development ]; then\n{BOTH}\nfi',
        CliCron(True, False, UPDATE, ("production", "staging")),
    ),
    "a branch": (f'if [ "$PLATFORM_BRANCH" = "main" ]; then\n{BOTH}\nfi', CliCron(True, False, UPDATE, (), "main")),
    "a machine name": (
        f"if [ $PLATFORM_ENVIRONMENT = main-bvxea6i ]; then\n{BOTH}\nfi",
        CliCron(True, False, UPDATE, (), "main"),
    ),
    "this environment by name": (
        'upsun backup -e . -p $PLATFORM_PROJECT; upsun source-operation:run update -e "$PLATFORM_BRANCH"',
        CliCron(True, False, UPDATE),
    ),
    "redirections and a shrug": (
        "upsun backup:create --no-wait > /dev/null 2>&1 || true\nupsun source-operation:run update >> /tmp/log",
        CliCron(True, False, UPDATE),
    ),
    "a sleep in between": (BOTH.replace("\n", "\nsleep 600\n"), CliCron(True, False, UPDATE)),
    "lines that go on": (BOTH.replace(" --no-wait", " \\\n   --no-wait"), CliCron(True, False, UPDATE)),
    "line breaks of Windows": (BOTH.replace("\n", "\r\n"), CliCron(True, False, UPDATE)),
    "the same guard twice": (
        "\n".join(f"if [ $PLATFORM_ENVIRONMENT_TYPE = production ]; then {line}; fi" for line in BOTH.split("\n")),
        CliCron(True, False, UPDATE, ("production",)),
    ),
}

FOREIGN = {
    "work of its own": f"./clean\n{BOTH}",
    "another environment": "upsun backup:create -e staging\nupsun source-operation:run update",
    "another environment as an argument": "upsun backup staging",
    "another project": "upsun backup:create -p other",
    "another command of the CLI": f"upsun sync -e development code data\n{BOTH}",
    "a pipe": "upsun backup:create | tee log",
    "in the background": "upsun backup:create &",
    "a substitution": "upsun backup:create --project=$(cat id)",
    "an else": f'if [ "$PLATFORM_ENVIRONMENT_TYPE" = production ]; then\n{BOTH}\nelse\n./other\nfi',
    "a guard over half of it": f'[ "$PLATFORM_ENVIRONMENT_TYPE" = production ] && {BOTH}',
    "two guards that differ": "\n".join(
        f"if [ $PLATFORM_ENVIRONMENT_TYPE = {kind} ]; then {line}; fi"
        for kind, line in zip(("production", "staging"), BOTH.split("\n"), strict=True)
    ),
    "a guard on something else": f'if [ "$MODE" = on ]; then\n{BOTH}\nfi',
    "a guard on a file": f"if [ -f /tmp/x ]; then\n{BOTH}\nfi",
    "not on a branch": f'if [ "$PLATFORM_BRANCH" != main ]; then\n{BOTH}\nfi',
    "an unknown type": f'if [ "$PLATFORM_ENVIRONMENT_TYPE" = live ]; then\n{BOTH}\nfi',
    "an unknown option": "upsun backup:create --fast",
    "a variable that the shell fills in": "upsun source-operation:run up --variable env:A=$B",
    "a variable that is no env": "upsun source-operation:run up --variable php:a=b",
    "no operation": "upsun source-operation:run --no-wait --variable env:backup=1",
    "a quote that is not closed": 'upsun backup:create "',
    "a failure that matters": "upsun backup:create || ./alarm",
    "a loop": f"for i in 1 2; do\n{BOTH}\ndone",
}


@pytest.mark.parametrize("what", KNOWN)
def test_the_guides_cron_is_known_in_this_form(what: str) -> None:
    command, night = KNOWN[what]
    assert read_cron(command) == night


@pytest.mark.parametrize("what", FOREIGN)
def test_a_cron_that_does_something_else_too_is_not_taken_over(what: str) -> None:
    found = read_cron(FOREIGN[what])
    assert isinstance(found, UnsupportedCron)
    assert found.reason
    assert "\n" not in found.reason


@pytest.mark.parametrize(
    "command",
    ["", "php bin/console cache:clear", "upsun environment:list", "./upsun-backup.sh", "# upsun backup", "echo backup"],
)
def test_a_cron_that_has_nothing_to_do_with_it_is_left_alone(command: str) -> None:
    assert read_cron(command) is None


@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from(BOTH.split() + list("[];&|\n'\"$") + ["if", "then", "fi"])).map(" ".join)
)
def test_no_text_of_a_cron_is_too_much(command: str) -> None:
    found = read_cron(command)
    assert found is None or isinstance(found, (CliCron, UnsupportedCron))


def test_types_are_those_of_the_guard_and_what_is_in_doubt_is_said() -> None:
    assert types_of(CliCron(True, False, (), ("staging",))) == (("staging",), "")
    assert types_of(CliCron(True, False, ()))[0] == ("production",)
    assert "every environment" in types_of(CliCron(True, False, ()))[1]
    for branch in ("main", "master", "main-bvxea6i"):
        kinds, doubt = types_of(CliCron(True, False, (), (), branch))
        assert kinds == ("production",)
        assert branch in doubt
    assert types_of(CliCron(True, False, (), (), "updates"))[0] == ("staging", "development")


INSTALLERS = [
    "curl -fsSL https://raw.githubusercontent.com/platformsh/cli/main/installer.sh | VENDOR=upsun bash",
    "curl -fsSL https://raw.githubusercontent.com/upsun/cli/main/installer.sh | bash",
    "    curl -sL https://raw.githubusercontent.com/platformsh/cli/v5/installer.sh | sudo sh",
    "wget -qO- https://raw.githubusercontent.com/platformsh/cli/main/installer.sh | bash",
]


@pytest.mark.parametrize("line", INSTALLERS)
def test_the_installer_is_known(line: str) -> None:
    assert installer_lines(f"set -e\n{line}\nmake") == [1]


@pytest.mark.parametrize(
    "line",
    [f"# {INSTALLERS[0]}", "curl https://example.com/installer.sh | bash", "curl -O https://upsun.com/x", "make"],
)
def test_other_lines_are_not_the_installer(line: str) -> None:
    assert installer_lines(line) == []


@pytest.mark.parametrize(
    ("line", "removed"),
    [
        ("curl -fsS https://platform.sh/cli/installer | php >/dev/null 2>&1", True),
        ("curl -sfS https://platform.sh/cli/installer | php || true", False),
        ("make && curl -sfS https://platform.sh/cli/installer | php", False),
        ("curl -sL https://github.com/platformsh/legacy-cli/releases/latest/download/platform.phar -o p", False),
        ("composer global require platformsh/cli", False),
    ],
)
def test_an_installer_is_removed_only_if_its_line_does_nothing_else(line: str, *, removed: bool) -> None:
    assert installs_cli(line)
    assert installer_lines(line) == ([0] if removed else [])


def test_an_installer_that_goes_on_in_the_next_line_is_one_and_a_lonely_one_of_a_block_stays() -> None:
    assert installer_lines("a\ncurl -sfS \\\n  https://platform.sh/cli/installer | php\nb") == [1, 2]
    assert installer_lines("if a; then\n  curl -sfS https://platform.sh/cli/installer | php\nfi") == []


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("croncape upsun -y backup:create --live", ["backup:create"]),
        ("timeout 60 ~/.upsun/bin/upsun -e main backup", ["backup"]),
        ('bash -lc "cd /app && platform snapshot:create"', ["snapshot:create"]),
        ("subprocess.run(['upsun', 'backup:create', '-y'])", ["backup:create"]),
        ('execFile("upsun", ["backup:create"])', ["backup:create"]),
        ("R=$(upsun backup:list)\n# upsun backup:create", ["backup:list"]),
        ("symfony cloud:backup:create", ["backup:create"]),
        ("symfony server:start", []),
        ("echo upsun backup:create", []),
        ("[ -x ~/.upsun/bin/upsun ] || exit", []),
    ],
)
def test_a_call_of_the_cli_is_found_in_whatever_starts_it(text: str, called: list[str]) -> None:
    assert list(cli_calls(text)) == called


def test_calls_of_the_cli_are_noticed() -> None:
    assert calls_cli("upsun url")
    assert calls_cli("x=$(platform url)")
    assert not calls_cli("upsunny url")
