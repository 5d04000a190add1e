"""An app of Upsun Fixed: its token, what ``check`` says of its plan, its words, and a night of its backup job."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from upsun_agent.platform.paths import mark_tick

from tests.harness.agent_process import TOKEN
from tests.harness.cli_app import App

BACKUP = """
[jobs.nightly-backup]
schedule = "H 3 * * *"
[[jobs.nightly-backup.steps]]
backup = {}
"""
UPDATE = BACKUP + '[[jobs.nightly-backup.steps]]\nsource-operation = { name = "update" }\n'
NAME = "env:PLATFORMSH_CLI_TOKEN"


@pytest.fixture
def fixed(make_app: Callable[..., App]) -> Callable[..., App]:
    """Builds a container of Upsun Fixed, with the token where its CLI looks for it."""

    def build(job_file: str = BACKUP, **scenario: Any) -> App:
        app = make_app(product="fixed", other_role=None, **scenario)
        app.jobs.write_text(job_file)
        (app.directory / ".platform.app.yaml").write_text("name: app\n")
        app.simulator.add_variable(NAME, TOKEN, is_sensitive=True, is_inheritable=False, visible_build=False)
        app.agent.variables.pop("UPSUN_CLI_TOKEN")
        app.agent.variables["PLATFORMSH_CLI_TOKEN"] = TOKEN
        return app

    return build


def findings(app: App, **changes: str | None) -> dict[str, dict[str, str]]:
    document = app.call("check", "--json", **changes).document
    return {each["name"]: each for each in document["findings"]}


# --- the token ---------------------------------------------------------------------------------------------------


def test_the_token_of_the_platform_cli_is_read_without_being_told(fixed: Callable[..., App]) -> None:
    app = fixed()
    assert "  from    PLATFORMSH_CLI_TOKEN" in app.call("token", "check").out
    assert findings(app)["token"]["message"].startswith("PLATFORMSH_CLI_TOKEN is valid")
    assert "API token in PLATFORMSH_CLI_TOKEN" in app.call("status").out
    assert app.call("status", "--json").document["token_variable"] == "PLATFORMSH_CLI_TOKEN"


def test_of_both_the_first_one_is_used_unless_the_job_file_names_the_other(fixed: Callable[..., App]) -> None:
    app = fixed()
    assert app.call("token", "check", "--json", UPSUN_CLI_TOKEN=TOKEN).document["source"] == "UPSUN_CLI_TOKEN"
    assert app.call("token", "check", "--json", UPSUN_CLI_TOKEN=" ").document["source"] == "PLATFORMSH_CLI_TOKEN"
    app.jobs.write_text(f'[agent]\ntoken-variable = "PLATFORMSH_CLI_TOKEN"\n{BACKUP}')
    assert app.call("token", "check", "--json", UPSUN_CLI_TOKEN="wrong").document["source"] == "PLATFORMSH_CLI_TOKEN"


def test_without_a_token_the_variable_of_the_product_is_named(fixed: Callable[..., App]) -> None:
    app = fixed()
    said = app.call("token", "check", PLATFORMSH_CLI_TOKEN=None)
    assert (said.code, "PLATFORMSH_CLI_TOKEN is not set" in said.err) == (77, True)
    assert "no API token is set here" in app.call("status", PLATFORMSH_CLI_TOKEN=None).out
    assert app.call("status", "--json", PLATFORMSH_CLI_TOKEN=None).document["token_variable"] is None


# --- the doctor --------------------------------------------------------------------------------------------------


def test_a_backup_job_has_nothing_to_mend_on_any_plan(fixed: Callable[..., App]) -> None:
    app = fixed(fixed_plan="professional")
    found = findings(app)
    assert "Upsun Fixed" in found["product"]["message"]
    assert "var/agent (local)" in found["mount"]["message"]
    assert [each for each in found.values() if each["level"] == "fail"] == []
    assert found["cron"]["message"] == "app runs ticks at '*/5 * * * *'"
    assert found["backup quota"]["message"].endswith(
        "Upsun Fixed keeps 2 (Basic) or 4 (Advanced, Premium) in production, and 2 elsewhere"
    )


def test_a_missing_source_operation_may_be_the_plan(fixed: Callable[..., App]) -> None:
    found = findings(fixed(UPDATE))["source-operation"]
    assert (found["level"], "Enterprise and Elite" in found["remedy"]) == ("fail", True)
    assert "lacks the role" not in found["message"]


def test_where_the_role_is_not_known_the_plan_is_named_too(fixed: Callable[..., App]) -> None:
    app = fixed(UPDATE, fixed_plan="enterprise", role="viewer")
    found = findings(app)["source-operation"]
    assert (found["level"], "lacks the role" in found["message"]) == ("fail", True)
    assert "or the plan has none" in found["remedy"]
    assert "platform user:update" in found["remedy"]


@pytest.mark.parametrize("plan", ["enterprise", "elite"])
def test_the_larger_plans_allow_crons_every_minute(fixed: Callable[..., App], plan: str) -> None:
    found = findings(fixed(UPDATE, fixed_plan=plan))
    assert "allows '* * * * *' too" in found["cron"]["message"]
    assert found["source-operation"]["level"] == "ok"


def test_a_cron_every_minute_is_fine(fixed: Callable[..., App]) -> None:
    found = findings(fixed(fixed_plan="elite", cron_spec="* * * * *"))
    assert found["cron"]["message"] == "app runs ticks at '* * * * *'"


def test_backups_of_others_may_be_replaced_though_the_settings_keep_silent(fixed: Callable[..., App]) -> None:
    app = fixed()
    for _ in range(2):
        app.simulator.add_backup()
    found = findings(app)["backup quota"]
    assert (found["level"], "nightly-backup may replace those" in found["message"]) == ("warn", True)
    assert "reuse-within" in found["remedy"]


def test_sleeping_crons_are_called_so_and_ticks_count_more(fixed: Callable[..., App]) -> None:
    app = fixed()
    app.simulator.set_crons("sleeping")
    found = findings(app)["cron"]
    assert (found["level"], "crons are sleeping on main" in found["message"]) == ("warn", True)
    assert "platform redeploy" in found["remedy"]
    app.state.mkdir(parents=True)
    mark_tick(str(app.state), time.time())
    assert findings(app)["cron"]["message"].endswith("but ticks still run")


def test_remedies_name_the_cli_and_the_files_of_the_product(fixed: Callable[..., App]) -> None:
    app = fixed(UPDATE, fixed_plan="elite", source_operations=("other",))
    app.simulator.set_crons("paused")
    said = app.call("check")
    assert "platform redeploy" in said.out
    assert "define it: source.operations.update in .platform.app.yaml" in said.out
    assert "upsun redeploy" not in said.out
    assert ".upsun/config.yaml" not in said.out


#: Every command whose document holds remedies or messages, after a night whose backup failed.
DOCUMENTS = (
    ("check",),
    ("status",),
    ("show", "nightly-backup"),
    ("history",),
    ("why", "nightly-backup"),
    ("next",),
    ("tick",),
    ("run", "nightly-backup"),
    ("token", "check"),
    ("setup", "token", "--stdin", "--dry-run"),
    ("notify", "list"),
    ("notify", "test"),
    ("validate",),
    ("resume", "nightly-backup"),
    ("report", "--html", "page.html"),
    ("state", "move", "--to", "relationship:gone", "--dry-run"),
)
FLEX_WORDS = re.compile(r"\.upsun/config\.yaml|\bupsun (?:ssh|redeploy|[a-z]+(?:-[a-z]+)*:[a-z])|source 'storage'")


def test_no_document_and_no_text_names_the_files_or_the_cli_of_flex(fixed: Callable[..., App]) -> None:
    jobs = UPDATE.replace("backup = {}", "backup = { retries = 0 }")
    app = fixed(jobs, fixed_plan="elite", backup_outcome="failure", source_operations=("other",))
    app.simulator.set_crons("paused")
    app.call("run", "nightly-backup")
    app.clock.advance(300)
    app.call("tick")
    said = {
        (*words, option): app.call(*words, *option.split())
        for words in DOCUMENTS
        for option in ("--json", "")
        if words[0] != "why" or not option
    }
    assert {
        words: FLEX_WORDS.findall(each.out + each.err)
        for words, each in said.items()
        if FLEX_WORDS.search(each.out + each.err)
    } == {}
    for words in (("show", "nightly-backup", "--json"), ("check", "--json"), ("show", "nightly-backup", "")):
        assert re.search(r"\bplatform (?:redeploy|activity:)", said[words].out), words
    assert not FLEX_WORDS.search((app.directory / "page.html").read_text())


@pytest.mark.parametrize("mark", ["settings", "mounts"])
def test_the_product_is_known_without_its_files_too(fixed: Callable[..., App], mark: str) -> None:
    """An app below the top of the repository has no configuration file in its folder."""
    app = fixed()
    (app.directory / ".platform.app.yaml").unlink()
    if mark == "settings":
        assert "Upsun Fixed" in findings(app)["product"]["message"]
        return
    application = {"mounts": {"/var/agent": {"source": "local", "source_path": "agent"}}}
    coded = base64.b64encode(json.dumps(application).encode()).decode()
    said = app.call("token", "check", PLATFORMSH_CLI_TOKEN=None, PLATFORM_APPLICATION=coded)
    assert "PLATFORMSH_CLI_TOKEN is not set" in said.err


# --- a night -----------------------------------------------------------------------------------------------------


def test_the_backup_job_runs_on_a_professional_plan(fixed: Callable[..., App]) -> None:
    app = fixed()
    said = app.call("run", "nightly-backup")
    assert said.code == 0, said.err
    app.clock.advance(300)
    assert app.call("tick").code == 0
    assert app.asked("backup") == 1
    shown = app.call("show", "nightly-backup", "--json").document
    assert (shown["outcome"], [step["phase"] for step in shown["steps"]]) == ("succeeded", ["done"])


def test_an_update_there_ends_before_its_backup(fixed: Callable[..., App]) -> None:
    app = fixed(UPDATE)
    assert app.call("run", "nightly-backup").code != 0
    assert (app.asked("backup"), app.asked("source-operation")) == (0, 0)
    shown = app.call("show", "nightly-backup")
    assert "Enterprise and Elite" in shown.out
