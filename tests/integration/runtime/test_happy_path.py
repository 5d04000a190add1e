"""The main job when nothing goes wrong: a backup that is proved, then one update, then the deployment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.harness.stage import HOST, RUN, SLOT, START, TOKEN, Stage, Wsgi

ACTS = {"backup", "source-operation"}


def test_a_night_asks_for_one_backup_and_one_update_and_nothing_else(stage: Stage) -> None:
    run = stage.play()
    assert run.closed is not None
    assert run.closed.outcome == "succeeded"
    posts = [
        each["path"].rpartition("/")[2] for each in stage.simulator.request_log()["requests"] if each["method"] != "GET"
    ]
    assert [each for each in posts if each != "token"] == ["backup", "source-operation"]
    assert len(stage.activities("backup")) == len(stage.activities("source-operation")) == 1


def test_the_update_is_asked_for_only_after_the_backup_was_proved(stage: Stage) -> None:
    stage.play()
    request_log = stage.simulator.request_log()
    (backup,) = request_log["backups"]
    (update,) = stage.asked("source-operation")
    proofs = [each for each in request_log["requests"] if each["path"].endswith(f"/backups/{backup['id']}")]
    assert [each["status"] for each in proofs] == [200]
    assert proofs[0]["number"] < update["number"]
    (made,), (operation,) = stage.activities("backup"), stage.activities("source-operation")
    assert made["result"] == "success"
    assert made["completed_at"] <= operation["created_at"]
    assert backup["restorable"] is True
    assert backup["environment"] == "main"
    assert backup["created_at"] >= f"{SLOT:%Y-%m-%dT%H:%M:%S}"


def test_the_journal_tells_the_run_in_order(stage: Stage) -> None:
    run = stage.play()
    assert [kind for kind in stage.kinds() if kind != "wait-begun"] == [
        "run-opened",
        "intent-recorded",
        "request-accepted",
        "activity-ended",
        "step-done",
        "intent-recorded",
        "request-accepted",
        "activity-ended",
        "step-done",
        "changes-read",
        "run-closed",
    ]
    moments = [event.at for event in stage.events()]
    assert moments == sorted(moments)
    assert run.slot == "2026-03-02T03:00"
    assert run.proved_backup == stage.simulator.request_log()["backups"][0]["id"]
    live = stage.simulator.request_log()["environments"]["main"]["deployed_commit"]
    assert run.steps[1].detail == {"commit": live, "deployment": "live"}


def test_every_event_is_told_to_who_listens_and_to_the_log_but_never_a_secret(stage: Stage) -> None:
    stage.play()
    recorded = stage.kinds()
    assert [event.kind for run, event in stage.heard if run == RUN] == recorded
    lines = [line for line in stage.logged() if line.get("run") == RUN]
    assert [line["event"] for line in lines] == recorded
    assert all(line["slot"] == "2026-03-02T03:00" for line in lines)
    assert TOKEN not in stage.log.getvalue()
    assert "eyJ" not in stage.log.getvalue()  # how every bearer of the simulator begins


def test_a_later_tick_finds_nothing_left_to_do(stage: Stage) -> None:
    stage.play()
    before = len(stage.simulator.requests)
    report = stage.later(minutes=5).tick()
    assert len(stage.simulator.requests) == before
    assert report.runs == {}
    assert report.exit_code() == 0
    assert report.next_due == SLOT + timedelta(days=1)


def test_the_next_night_is_another_run_with_another_backup(stage: Stage) -> None:
    stage.play()
    stage.at(SLOT + timedelta(days=1, seconds=7)).ticks()
    assert [row.outcome for row in stage.rows()] == ["succeeded", "succeeded"]
    assert stage.rows()[0].slot == "2026-03-03T03:00"
    assert (stage.backups_asked, stage.updates_asked) == (2, 2)
    assert len(stage.simulator.request_log()["backups"]) == 2


def test_no_tick_lets_time_pass_to_wait_for_the_platform(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT)
    for _ in range(6):
        before = stage.manual_clock.now()
        stage.tick()
        assert stage.manual_clock.now() == before
        stage.later(minutes=5)
    assert stage.run().closed is not None


def test_nothing_to_update_is_an_outcome_of_its_own(make: Callable[..., Stage]) -> None:
    stage = make(update_outcome="no-commit")
    run = stage.play()
    assert [step.outcome for step in run.steps] == ["done", "nothing-to-do"]
    assert run.steps[1].detail == {"commit": None}
    assert run.closed is not None
    assert "nothing to update" in run.closed.message
    environment = stage.simulator.request_log()["environments"]["main"]
    assert len(environment["commits"]) == 1


def test_the_requests_say_what_the_job_file_says(make: Callable[..., Stage]) -> None:
    variables = 'variables = { env = { CHANNEL = "stable" }, drupal = { mode = "quiet" } }'
    jobs = """
[jobs.nightly]
schedule = "0 3 * * *"
[[jobs.nightly.steps]]
backup = { live = true }
[[jobs.nightly.steps]]
source-operation = { name = "upgrade", VARIABLES }
""".replace("VARIABLES", variables)
    stage = make(jobs, source_operations=("update", "upgrade"))
    stage.play()
    (backup,), (update,) = stage.asked("backup"), stage.asked("source-operation")
    assert backup["body"] == {"safe": False}
    assert update["body"] == {
        "operation": "upgrade",
        "variables": {"env": {"CHANNEL": "stable", "UPSUN_AGENT_RUN": RUN}, "drupal": {"mode": "quiet"}},
    }


def test_both_requests_of_one_process_cost_at_most_five_requests_in_all(make: Callable[..., Stage]) -> None:
    stage = make(backup_seconds=0)
    stage.tick()
    assert stage.simulator.requests == [], "an idle tick asks the platform for nothing"
    stage.at(SLOT + timedelta(seconds=7)).tick()
    (update,) = stage.asked("source-operation")
    assert update["status"] == 202
    assert update["number"] <= 5, [f"{each.method} {each.path}" for each in stage.simulator.requests]
    assert stage.backups_asked == 1


def test_links_to_regional_hosts_are_followed_at_the_configured_host(stage: Stage) -> None:
    hosts: list[tuple[str, str]] = []

    def watched(wsgi: Wsgi) -> Wsgi:
        def app(environ: dict[str, Any], start_response: Any) -> Any:
            hosts.append((environ["wsgi.url_scheme"], environ["HTTP_HOST"]))
            return wsgi(environ, start_response)

        return app

    stage.wrap = watched
    assert stage.simulator.scenario.regional_links
    stage.play()
    assert set(hosts) == {("http", HOST.removeprefix("http://"))}
    assert {each["raw_path"].split("/")[1] for each in stage.asked("backup")} == {"api"}
