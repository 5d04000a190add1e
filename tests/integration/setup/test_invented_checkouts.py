"""Checkouts in forms that nobody here has seen in use: each is set up, said the truth of, and taken out of again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.harness.init_command import Result, commit, contents, git
from tests.integration.setup.test_looked_at_files import CONFIG, config, fresh, in_dash, twice

Init = Callable[..., Result]

#: How an ``.environment`` may end, and whether a shell that reads it comes to its own end.
ENDS: dict[str, tuple[bytes, bool]] = {
    "a line that goes on": (b"export A=1\nexport B=2:\\", True),
    "a text that is open": (b"export A=1\ncat >/dev/null <<END\nhello\n", True),
    "behind a return": (b"export A=1\nreturn 0\n", True),
    "behind an exit": (b"export A=1\n[ -z '' ] && exit 0\n", False),
    "strict": (b"export A=1\nset -eu", True),
    "a function": (b"export A=1\nf() {\n  echo x\n}", True),
    "a byte order mark": (b"\xef\xbb\xbfexport A=1\n", True),
    "nothing": (b"", True),
}


@pytest.mark.parametrize("what", ENDS)
def test_the_agent_is_on_the_path_however_an_environment_file_ends(init: Init, checkout: Path, what: str) -> None:
    before, goes_on = ENDS[what]
    fresh(checkout, config("php:8.4"), {".environment": before})
    twice(init, checkout)
    done = in_dash(checkout, 'echo "the agent"\n', '. ./.environment; echo "A=$A"')
    assert done.stdout.splitlines() == ["the agent", *(["A=1" if before else "A="] if goes_on else [])], done.stderr
    assert init("--remove", "--yes").code == 0
    if before:
        assert (checkout / ".environment").read_bytes() == before.removeprefix(b"\xef\xbb\xbf")


@pytest.mark.parametrize("link", [".upsun/config.yaml", ".upsun"])
def test_what_git_is_told_to_add_is_where_a_link_leads(init: Init, checkout: Path, link: str) -> None:
    real = "deploy/config.yaml" if link == ".upsun" else "deploy/upsun.yaml"
    (checkout / "deploy").mkdir()
    (checkout / CONFIG).rename(checkout / real)
    if link == ".upsun":
        (checkout / ".upsun").rmdir()
    (checkout / link).symlink_to("deploy" if link == ".upsun" else f"../{real}")
    commit(checkout)
    before = contents(checkout)
    said = init("--yes")
    assert said.code == 0, said.err
    assert (checkout / link).is_symlink()
    (command,) = re.findall(r"push: git add ([^&]+) &&", said.out)
    git(checkout, "add", *shlex.split(command))
    staged = git(checkout, "diff", "--cached", "--name-only").split()
    assert real in staged
    assert git(checkout, "status", "--porcelain").count("\n") == len(staged), "all that was written is staged"
    commit(checkout)
    (checkout / real).write_text(f"{(checkout / real).read_text()}# mine\n")
    assert f"not committed yet: {real}" in " ".join(init("--remove").out.split())
    (checkout / real).write_text((checkout / real).read_text().removesuffix("# mine\n"))
    assert init("--remove", "--yes").code == 0
    assert contents(checkout).keys() <= before.keys() | {f"{real.partition('/')[0]}/agent.toml", ".upsun/agent.toml"}


FLOWS = {
    "JSON": '{"applications": {"app": {"type": "php:8.4", "hooks": {"build": "set -e\\nmake"}}}}\n',
    "JSON of several lines": '{"applications": {\n  "app": {\n    "type": "php:8.4",\n    "web": {}\n  }\n}}\n',
    "a comma at the end": "applications: {app: {type: 'php:8.4', mounts: {a: {source: tmp, source_path: b},},},}\n",
    "a comment inside": "applications: {\n  app: {type: 'php:8.4', # one\n    web: {}}\n}\n",
    "nothing but the app": "applications: {app: {}}\n",
}


@pytest.mark.parametrize("what", FLOWS)
def test_a_configuration_in_braces_is_as_before_once_all_is_taken_out(init: Init, checkout: Path, what: str) -> None:
    fresh(checkout, FLOWS[what], {})
    twice(init, checkout)
    changed = yaml.safe_load((checkout / CONFIG).read_text())["applications"]["app"]
    assert {"hooks", "mounts", "crons"} <= changed.keys()
    said = init("--remove", "--yes")
    assert said.code == 0, said.err
    assert yaml.safe_load((checkout / CONFIG).read_text()) == yaml.safe_load(FLOWS[what])


def test_a_job_that_only_backs_up_as_the_cron_did_is_not_said_to_lack_what_is_there(init: Init, checkout: Path) -> None:
    cron = "    crons:\n      nightly: {spec: '0 2 * * *', commands: {start: 'upsun backup:create -y --no-wait'}}\n"
    fresh(checkout, config("php:8.4", cron), {"composer.lock": b"{}"})
    assert "nothing that the image can update" not in twice(init, checkout)
    assert "nothing that the image can update" not in init("--yes").out


def test_a_second_run_gives_the_same_advice_about_a_cron_that_stays(init: Init, checkout: Path) -> None:
    cron = "    crons:\n      nightly: {spec: '0 2 * * *', commands: {start: 'sh scripts/nightly.sh'}}\n"
    fresh(checkout, config("php:8.4", cron), {"scripts/nightly.sh": b"upsun backup:create -y\n"})
    advice = "the job backup has no schedule: delete the cron before you give it one, or both back up"
    assert advice in " ".join(twice(init, checkout).split())
    assert advice in " ".join(init("--yes").out.split())
    jobs = checkout / ".upsun" / "agent.toml"
    jobs.write_text(jobs.read_text().replace("# schedule =", "schedule ="))
    assert "remove from it what a job does now, or both will do it" in " ".join(init("--yes").out.split())


@pytest.mark.parametrize("python", ["python@3.12", ""])
def test_only_the_python_that_init_added_is_said_to_stay(init: Init, checkout: Path, python: str) -> None:
    listed = f"php@8.4, {python}" if python else "php@8.4"
    fresh(checkout, config("composable:26.05", f"    stack: {{runtimes: [{listed}]}}\n"), {})
    twice(init, checkout)
    assert ("python@3.13 stays in the stack" in init("--remove", "--yes").out) == (not python)


def test_the_job_file_names_the_file_in_which_the_app_stands(init: Init, checkout: Path) -> None:
    fresh(checkout, config("php:8.4"), {"composer.lock": b"{}"})
    (checkout / CONFIG).rename(checkout / ".upsun" / "apps.yaml")
    commit(checkout)
    twice(init, checkout)
    assert "source operation of .upsun/apps.yaml" in (checkout / ".upsun" / "agent.toml").read_text()


def test_every_call_of_the_cli_on_a_line_counts(init: Init, checkout: Path) -> None:
    cron = "    crons:\n      nightly: {spec: '0 2 * * *', commands: {start: 'npm run night'}}\n"
    scripts = b'{"scripts": {"night": "npm run a b", "a": "upsun backup:create", "b": "upsun source-operation:run u"}}'
    fresh(checkout, config("nodejs:24", cron), {"package.json": scripts})
    assert "the cron nightly backs up and updates with the official CLI" in twice(init, checkout)
