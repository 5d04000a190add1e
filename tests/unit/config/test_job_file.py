"""The job file: what a good one says, and what every kind of mistake is met with."""

from __future__ import annotations

from pathlib import Path

import pytest
from upsun_agent.config import JobFileInvalid, find, load, parse
from upsun_agent.errors import ConfigInvalid
from upsun_agent.limits import JOB_FILE_MOST_BYTES
from upsun_agent.model.job import Job, StepPlan
from upsun_agent.steps import KINDS

from tests.harness.invalid_job_files import CASES
from tests.harness.job_files import GOOD, LEAST, mistakes, read

# --- a good one --------------------------------------------------------------------------------------------------


def test_a_good_file_becomes_jobs_with_every_default_filled_in() -> None:
    file = read(GOOD)
    assert (file.path, file.text) == ("/app/.upsun/agent.toml", GOOD)
    assert (file.state, file.token_variable) == ("/app/var/agent", "UPSUN_CLI_TOKEN")
    policy = {"when": "always", "retries": 0, "retry-after": 900, "on-failure": "stop"}
    assert file.jobs == {
        "nightly-update": Job(
            name="nightly-update",
            schedule="H 3 * * *",
            timezone="Europe/Paris",
            environment_types=("production",),
            catch_up="latest",
            misfire_grace=6 * 3600,
            overlap="skip",
            timeout=12 * 3600,
            suspend_after=3,
            steps=(
                StepPlan("backup", {"live": False, "reuse-within": 0, **policy, "retries": 1}),
                StepPlan(
                    "source-operation",
                    {"name": "update", "variables": {"env": {"CHANNEL": "stable"}}, "backup": "required", **policy},
                ),
            ),
        ),
        "by-hand": Job(
            name="by-hand",
            steps=(
                StepPlan(
                    "backup",
                    {
                        "live": True,
                        "reuse-within": 0,
                        "when": "always",
                        "retries": 2,
                        "retry-after": 300,
                        "timeout": 3600,
                        "on-failure": "continue",
                    },
                ),
                StepPlan("source-operation", {"name": "clean", "variables": {}, "backup": "not-needed", **policy}),
            ),
        ),
    }


def test_the_least_file_has_defaults_for_everything_else() -> None:
    file = read(LEAST)
    assert (file.state, file.token_variable) == (None, None)
    job = file.jobs["a"]
    assert (job.schedule, job.timezone, job.environment_types) == (None, "UTC", ("production",))
    assert (job.catch_up, job.misfire_grace, job.overlap, job.timeout) == ("latest", 21600, "skip", 43200)
    assert job.suspend_after == 0


def test_half_a_table_for_the_agent_keeps_the_other_default() -> None:
    assert read(LEAST + '[agent]\nstate = "/var/x"\n').token_variable is None
    assert read(LEAST + '[agent]\ntoken-variable = "TOKEN"\n').state is None


def test_the_snapshot_of_every_job_reads_back() -> None:
    for job in read(GOOD).jobs.values():
        assert Job.from_json(job.to_json()) == job


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("15m", 900), ("6h", 21600), ("1d12h", 129600), ("1d1h1m1s", 90061), ("30d", 2592000), ("90m", 5400)],
)
def test_durations_are_read_as_seconds(text: str, seconds: int) -> None:
    assert read(f'{LEAST}misfire-grace = "{text}"\n').jobs["a"].misfire_grace == seconds


def test_a_job_is_found_by_its_name_and_a_miss_names_those_there_are() -> None:
    file = read(GOOD)
    assert file.job("by-hand").name == "by-hand"
    with pytest.raises(ConfigInvalid) as missing:
        file.job("nightly")
    assert str(missing.value) == "/app/.upsun/agent.toml defines no job 'nightly'"
    assert missing.value.remedy == "the jobs are: nightly-update, by-hand"


# --- mistakes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new", "line", "key", "words"), CASES)
def test_a_mistake_is_named_with_its_line_its_key_and_the_remedy(
    old: str, new: str, line: int, key: str, words: str
) -> None:
    assert old in GOOD
    assert mistakes(GOOD.replace(old, new, 1)) == [f"{line} {key}: {words}"]


def test_an_update_that_no_backup_step_precedes_is_named_with_both_remedies() -> None:
    text = '[jobs.a]\n[[jobs.a.steps]]\nsource-operation.name = "x"\n[[jobs.a.steps]]\nbackup = {}\n'
    remedy = 'put a backup step before it, or set backup = "not-needed" on it'
    assert mistakes(text) == [f"3 jobs.a step 1 source-operation: needs a backup step before it ({remedy})"]
    assert read(text.replace('"x"', '"x"\nsource-operation.backup = "not-needed"')).jobs["a"].steps[0].kind


@pytest.mark.parametrize(
    "step",
    ["{}", '{ backup = {}, source-operation = { name = "x" } }'],
    ids=["no kind", "two kinds"],
)
def test_a_step_names_exactly_one_kind(step: str) -> None:
    found = mistakes(f"[jobs.a]\nsteps = [{step}]\n")
    assert found == [f"2 jobs.a step 1: must name exactly one kind of step (one of: {', '.join(KINDS)})"]


def test_an_unknown_kind_of_step_is_named_with_a_hint() -> None:
    assert mistakes("[jobs.a]\nsteps = [{ backups = {} }]\n") == [
        "2 jobs.a step 1 backups: unknown key 'backups' (did you mean 'backup'?)",
        f"2 jobs.a step 1: must name exactly one kind of step (one of: {', '.join(KINDS)})",
    ]


def test_a_file_without_jobs_says_so() -> None:
    assert mistakes("") == ["1 'jobs' is missing (The jobs, by name.)"]
    assert mistakes("[jobs]\n") == ["1 jobs: must have 1 to 1000 entries, not 0"]
    assert mistakes("jobs = 3\n") == ["1 jobs: must be a table, not a number"]


def test_every_mistake_is_listed_in_the_order_of_the_lines() -> None:
    text = '[jobs.b]\nsteps = [{ backup = {} }]\noverlap = "x"\n[agent]\nstate = 3\n[jobs.a]\ntimezone = "No/Where"\n'
    assert [each.split()[0] for each in mistakes(text)] == ["3", "5", "6", "7"]


def test_a_list_that_is_far_too_long_is_one_mistake_and_quickly_found() -> None:
    many = "environment-types = [" + '"x", ' * 100_000 + "]\n"
    assert mistakes(LEAST + many) == ["3 jobs.a.environment-types: must have 1 to 100 items, not 100000"]
    names = ", ".join(f"V{number} = 'x'" for number in range(101))
    step = f"{{ source-operation = {{ name = 'x', backup = 'not-needed', variables = {{ env = {{ {names} }} }} }} }}"
    [found] = mistakes(f"[jobs.a]\nsteps = [{step}]\n")
    assert found.endswith("variables.env: must have 0 to 100 entries, not 101")


def test_the_message_of_the_whole_names_file_and_line_of_each_and_the_command_to_check_again() -> None:
    with pytest.raises(JobFileInvalid) as invalid:
        parse('[jobs.a]\nsteps = [{ backup = {} }]\noverlap = "x"\nfoo = 1\n', "agent.toml")
    lines = str(invalid.value).splitlines()
    assert lines[0].startswith('agent.toml:3: jobs.a.overlap: must be one of "skip", "wait", not ')
    assert lines[1].startswith("agent.toml:4: jobs.a.foo: unknown key 'foo'")
    assert "upsun-agent validate" in invalid.value.remedy
    assert (invalid.value.path, len(invalid.value.mistakes)) == ("agent.toml", 2)
    assert str(invalid.value.mistakes[0]).startswith("line 3: jobs.a.overlap: must be one of")
    assert invalid.value.exit_code == 78


# --- text that is no TOML ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[jobs.a]\nsteps = [\n", 3, "Invalid value"),
        ("[jobs.a]\nsteps == 3\n", 2, "Invalid value"),
        ("a = 1\na = 2\n", 2, "Cannot overwrite a value"),
        ("[jobs\n", 1, "Expected ']' at the end of a table declaration"),
        ("\n\nfoo\n", 3, "Expected '=' after a key in a key/value pair"),
        ('x = "\\q"\n', 1, "Unescaped '\\' in a string"),
        ("x = 2026-13-40\n", 1, ""),
        ("x = '''\nno end", 2, "Expected \"'''\""),
    ],
)
def test_text_that_is_no_toml_is_refused_with_its_line(text: str, line: int, message: str) -> None:
    [found] = mistakes(text)
    number, _, rest = found.partition(" ")
    assert int(number) == line
    assert rest.startswith(f"not valid TOML: {message}")


@pytest.mark.parametrize(
    "text", ["x = " + "[" * 100_000, "x = " + "{a=" * 5000, "x = " + "9" * 5000], ids=["arrays", "tables", "digits"]
)
def test_what_is_beyond_the_parsers_limits_is_a_mistake_like_any_other(text: str) -> None:
    [found] = mistakes(text)
    assert found.startswith("1 not valid TOML: ")
    assert len(found) < 300


@pytest.mark.parametrize("char", ["\u00a0", "\ufeff", "\u200b", "\0", "\u202e", "\u3000"])
def test_a_character_that_editors_do_not_show_is_named(char: str) -> None:
    with pytest.raises(ConfigInvalid) as invalid:
        parse(f"[jobs.a]\nschedule{char} = 3\n")
    assert "agent.toml:2: not valid TOML" in str(invalid.value)
    assert f"delete the character U+{ord(char):04X} in this line" in str(invalid.value)


def test_a_number_with_too_many_digits_is_said_in_plain_words() -> None:
    assert mistakes("x = " + "9" * 5000) == ["1 not valid TOML: a number has too many digits"]


def test_an_unknown_job_is_named_in_one_short_line() -> None:
    for name in ("x" * 100_000, "a\nb", ""):
        with pytest.raises(ConfigInvalid) as invalid:
            parse("[jobs.a]\n[[jobs.a.steps]]\nbackup = {}\n").job(name)
        assert "defines no job '" in str(invalid.value)
        assert len(str(invalid.value)) < 150
        assert "\n" not in str(invalid.value)


# --- files ---------------------------------------------------------------------------------------------------------


def test_a_file_is_read_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(GOOD, encoding="utf-8")
    assert load(str(path)) == parse(GOOD, str(path))


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_bytes(b"# one\n# two\nx = '\xe9'\n")
    with pytest.raises(JobFileInvalid) as invalid:
        load(str(path))
    assert str(invalid.value) == f"{path}:3: not UTF-8 (save the file as UTF-8)"


@pytest.mark.parametrize(("extra", "fits"), [(0, True), (1, False)])
def test_a_file_that_is_too_large_is_refused(tmp_path: Path, extra: int, *, fits: bool) -> None:
    path = tmp_path / "agent.toml"
    path.write_bytes(LEAST.encode() + b"#" * (JOB_FILE_MOST_BYTES - len(LEAST) + extra))
    if fits:
        assert load(str(path)).jobs["a"].name == "a"
    else:
        with pytest.raises(ConfigInvalid, match="is larger than 1048576 bytes"):
            load(str(path))


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be read: No such file or directory"):
        load(str(tmp_path / "none.toml"))
    with pytest.raises(ConfigInvalid, match="cannot be read: it is a directory, not a regular file"):
        load(str(tmp_path))


def test_the_first_file_that_exists_is_found(tmp_path: Path) -> None:
    environ = {"PLATFORM_APP_DIR": str(tmp_path)}
    with pytest.raises(ConfigInvalid) as missing:
        find(environ)
    assert str(missing.value) == f"no job file at {tmp_path}/.upsun/agent.toml nor at {tmp_path}/upsun-agent.toml"
    assert "UPSUN_AGENT_CONFIG" in missing.value.remedy
    (tmp_path / "upsun-agent.toml").write_text(LEAST)
    assert find(environ) == f"{tmp_path}/upsun-agent.toml"
    (tmp_path / ".upsun").mkdir()
    (tmp_path / ".upsun" / "agent.toml").mkdir()
    assert find(environ) == f"{tmp_path}/upsun-agent.toml", "a directory is no file"
    (tmp_path / ".upsun" / "agent.toml").rmdir()
    (tmp_path / ".upsun" / "agent.toml").write_text(LEAST)
    assert find(environ) == f"{tmp_path}/.upsun/agent.toml"


def test_a_file_that_is_named_ends_the_search(tmp_path: Path) -> None:
    (tmp_path / "upsun-agent.toml").write_text(LEAST)
    environ = {"PLATFORM_APP_DIR": str(tmp_path), "UPSUN_AGENT_CONFIG": str(tmp_path / "other.toml")}
    with pytest.raises(ConfigInvalid, match=r"no job file at .*other\.toml$"):
        find(environ)
    with pytest.raises(ConfigInvalid, match=r"no job file at given\.toml$"):
        find(environ, "given.toml")
    (tmp_path / "other.toml").write_text(LEAST)
    assert find(environ) == str(tmp_path / "other.toml")


def test_a_line_of_too_many_dots_is_refused_before_it_costs_seconds() -> None:
    text = "[agent]\n" + ".".join("a" * 20_000) + " = 1\n"
    with pytest.raises(JobFileInvalid) as caught:
        parse(text)
    (mistake,) = caught.value.mistakes
    assert (mistake.line, mistake.message) == (2, "more than 200 dots on one line")
    with pytest.raises(JobFileInvalid) as caught:
        parse("[agent]\n" + ".".join("a" * 201) + " = 1\n")  # 200 dots: read, and refused for what it says
    assert "dots" not in str(caught.value)


@pytest.mark.parametrize("number", ["0x" + "f" * 5000, "0o" + "7" * 9000, "0b1" + "0" * 20_000, "9" * 4000, str(2**63)])
@pytest.mark.parametrize(
    "text",
    [
        "[agent]\nstate = N",
        "[agent]\nmax-token-age = N",
        "[agent]\napi-hosts = [N, N]",
        "[report]\ndays = N",
        "[jobs.n]\ntimeout = N",
        "[jobs.n]\nfailures-before-alert = N",
        "[jobs.n]\nenvironment-types = [[N]]",
        "[[jobs.n.steps]]\nbackup = { live = N, within = N }",
        "[[jobs.n.steps]]\nbackup = { within = [{ a = N }] }",
        "[[jobs.n.steps]]\nhttp-check = { status = [N] }",
        "[odd]\nkey = [N, [N, {a = N}]]",
    ],
)
def test_a_number_that_is_larger_than_any_of_toml_is_a_mistake_like_any_other(text: str, number: str) -> None:
    found = mistakes(text.replace("N", number))
    assert found
    assert all(each.endswith("is a number that does not fit into 64 bits (write a smaller one)") for each in found)
    assert {each.partition(" ")[0] for each in found} == {"2"}
