"""Names that would lead a request to another resource are refused where they are written, and where paths are made."""

from __future__ import annotations

from pathlib import Path

import pytest
from upsun_agent.config import cache, load, parse
from upsun_agent.errors import BadReply
from upsun_agent.idle import state_setting
from upsun_agent.model.resource_paths import environment_path, project_path, segment

from tests.harness.job_files import mistakes

ELSEWHERE = [".", "..", "a/../b", "../x", "a/..", "/a", "a/", "a//b", "%2e%2e", "a%2f..", "..\\\\x", "a\\\\..\\\\b"]
SLASHES = ["a/b", "a%2Fb", "a\\\\b"]
UNPRINTABLE = ["\\u0007", "a\\u202Eb", "\\u200B"]
SPACES = [" a", "a "]

STEPS = {
    "task": 'task = {{ name = "{}" }}',
    "source operation": 'source-operation = {{ name = "{}", backup = "not-needed" }}',
    "runtime operation": 'runtime-operation = {{ app = "app", name = "{}" }}',
    "app of a runtime operation": 'runtime-operation = {{ app = "{}", name = "clear" }}',
    "backup to restore": 'restore = {{ allow-restore = true, backup = "{}" }}',
}
PLACES = {
    "environment": 'redeploy = {{ environment = "{}" }}',
    "environment of a backup": 'backup = {{ environment = "{}" }}',
    "environment of a page": 'http-check = {{ environment = "{}" }}',
    "environment to merge into": 'merge = {{ environment = "staging", into = "{}", backup = "not-needed" }}',
    "new environment": 'branch = {{ environment = "staging", name = "{}" }}',
}


def job(step: str, name: str) -> str:
    return f"[jobs.a]\n[[jobs.a.steps]]\n{step.format(name)}\n"


@pytest.mark.parametrize("name", [*ELSEWHERE, *SLASHES, *UNPRINTABLE, *SPACES, ""])
@pytest.mark.parametrize("step", STEPS)
def test_a_name_that_leads_elsewhere_is_refused(step: str, name: str) -> None:
    (found,) = mistakes(job(STEPS[step], name))
    assert found.startswith("3 jobs.a step 1 ")


@pytest.mark.parametrize("name", [*ELSEWHERE, *UNPRINTABLE, ""])
@pytest.mark.parametrize("step", PLACES)
def test_an_environment_that_is_another_resource_is_refused(step: str, name: str) -> None:
    if name != "." or step == "new environment":
        (found,) = mistakes(job(PLACES[step], name))
        assert found.startswith("3 jobs.a step 1 ")


@pytest.mark.parametrize("name", ["update", "update.all", "a..b", "...", "Größe 2", "a:b", "#1", "a%b", "-x", "a'b"])
def test_an_unusual_name_that_leads_nowhere_else_stays(name: str) -> None:
    for step in STEPS.values():
        assert parse(job(step, name)).jobs["a"].steps
    assert segment(name)


@pytest.mark.parametrize("name", ["main", "feature/login", "feature/a/b", "v1.2", "a..b", "."])
def test_ids_of_environments_may_hold_slashes(name: str) -> None:
    steps = [step for kind, step in PLACES.items() if name != "." or kind != "new environment"]
    for step in steps:
        assert parse(job(step, name)).jobs["a"].steps


@pytest.mark.parametrize("name", ["", ".", "..", "a/../b", "/", "a/", "%2E%2E", "a\n", "caf\udce9"])
def test_no_request_is_made_from_such_a_name_wherever_it_comes_from(name: str) -> None:
    for make in (segment, project_path, lambda text: environment_path("p", text)):
        with pytest.raises(BadReply, match="not a valid name"):
            make(name)


# --- marks and brackets ------------------------------------------------------------------------------------------

TEXT = '[agent]\nstate = "/app/var/x"\n[jobs.a]\n[[jobs.a.steps]]\nbackup = {}\n'


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_byte_order_mark_changes_nothing(tmp_path: Path, line_end: str) -> None:
    path = tmp_path / "agent.toml"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", line_end).encode())
    file = load(str(path))
    assert (file.state, list(file.jobs)) == ("/app/var/x", ["a"])
    assert state_setting(file.text) == "/app/var/x", "ticks find the state by the text that is compared"
    assert parse("\ufeff" + TEXT).jobs == file.jobs
    for _ in range(2):  # as a tick reads it, and the next one finds it
        assert cache.load({"UPSUN_AGENT_CONFIG": str(path), "UPSUN_AGENT_STATE": str(tmp_path)}).jobs == file.jobs
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("backup", "backups").encode())
    with pytest.raises(Exception, match=r"agent\.toml:5: jobs\.a step 1 backups"):
        load(str(path))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[jobs.a]\n[jobs.a.steps]\nbackup = {}\n[jobs.a.steps]\nredeploy = {}\n", 2),
        ("[jobs.a]\n[jobs.a.steps]\nbackup = {}\n", 2),
        ("[jobs.a]\n[[jobs.a.steps]]\nbackup = {}\n[jobs.a.steps]\nredeploy = {}\n", 4),
        ("[jobs.a]\n[jobs.a.steps]\nbackup = {}\n[[jobs.a.steps]]\nredeploy = {}\n", 2),
        ("[jobs.a]\n  [ jobs.a.steps ]  # first\nbackup = {}\n[jobs.a.steps]\n", 2),
    ],
)
def test_single_brackets_are_told_to_be_doubled(text: str, line: int) -> None:
    (found,) = mistakes(text)
    assert found.startswith(f"{line} ")
    assert "write [[jobs.a.steps]], with two brackets" in found


def test_single_brackets_of_on_failure_are_told_too() -> None:
    text = "[jobs.a]\n[[jobs.a.steps]]\nredeploy = {}\n[jobs.a.on-failure]\nredeploy = {}\n"
    (found,) = mistakes(text)
    assert found.startswith("4 ")
    assert "write [[jobs.a.on-failure]]" in found


PAGES = ["http://[::1", "http://x:99999", "https://256.1.1.1/", "http://[v1.x]/", "http://127.0.0.1:0/", "http://:80/x"]


@pytest.mark.parametrize("address", PAGES)
def test_a_page_that_no_host_can_have_is_refused(address: str) -> None:
    (found,) = mistakes(job('http-check = {{ url = "{}" }}', address))
    assert found.startswith("3 jobs.a step 1 http-check.url: is not a valid address")


@pytest.mark.parametrize(
    "address", ["http://[::1]:8080/x", "https://10.0.0.1", "https://é.example/ü?ö", "http://a_b:1"]
)
def test_a_page_that_a_host_can_have_stays(address: str) -> None:
    assert parse(job('http-check = {{ url = "{}" }}', address)).jobs["a"].steps


def test_a_job_file_that_nests_too_deep_is_told_so() -> None:
    (found,) = mistakes("a = " + "[" * 5000 + "]" * 5000)
    assert found == "1 not valid TOML: nested too deep"
