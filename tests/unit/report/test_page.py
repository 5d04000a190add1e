"""The page of ``report --html``: what it shows, that every text stays text, that it fetches nothing, its size."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from upsun_agent.errors import NotFound
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.limits import REPORT_BARS, REPORT_JOBS, REPORT_RUNS
from upsun_agent.model import events as ev
from upsun_agent.model.job import Job, StepPlan
from upsun_agent.report.calendar import days_of
from upsun_agent.report.history import look_back
from upsun_agent.report.html import ATTRIBUTES, ELEMENTS, Html, el, shown, style, style_hash
from upsun_agent.report.html_style import SHEET

from tests.harness.html_payloads import PAYLOADS
from tests.harness.past_runs import JOBS, NOW, Ledger, months
from tests.harness.report_pages import hostile, innocent, page_of


class Census(HTMLParser):
    """Every element, attribute and text of a page, as a parser of the standard library reads them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: Counter[str] = Counter()
        self.attributes: Counter[str] = Counter()
        self.values: dict[str, set[str]] = {}
        self.words: list[str] = []
        self.odd: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        for name, value in attrs:
            self.attributes[name] += 1
            self.values.setdefault(name, set()).add(value or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        self.odd.append(data)

    def unknown_decl(self, data: str) -> None:
        self.odd.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return months(Ledger(str(tmp_path / "state")))


# --- what it shows -------------------------------------------------------------------------------------------------


def test_the_page_tells_what_ran_runs_waits_and_comes_next(ledger: Ledger) -> None:
    text = re.sub(r"\s+", " ", Census(page_of(ledger)).text)
    for words in (
        "Jobs of main",
        "Project abcdefgh1234z, production. As of 2026-11-24 15:04 UTC.",
        "Last proved backup2 h 19 min ago",
        "Next slotin 3 h 35 min",
        "155 succeeded, 1 skipped, 1 in flight, 2 missed, 2 failed",
        "by-hand: activity act02414 is in progress (open for 9 min)",
        "nightly-update 2026-11-25 03:12 Europe/Paris",
        "37 runs, half of them shorter than 13 min, the longest 20 min",
        "source operation update failed: the activity failed: composer ran out of memory",
        "Remedy: read its log",
        "The newest 20 of 161 runs.",
    ):
        assert words in text, words


def test_the_calendar_names_each_days_outcome_in_words(ledger: Ledger) -> None:
    days = days_of(look_back(ledger.context, ledger.journal, 40), "nightly-update")
    assert days[(NOW - timedelta(days=2)).date()] == {"failed": 1}
    assert days[(NOW - timedelta(days=26)).date()] == {"skipped": 1}
    text = page_of(ledger)
    for word in ("1 failed", "1 missed", "1 skipped", "3 succeeded"):
        assert f'<span class="unseen">{word}</span>' in text


def test_every_slot_of_a_batch_of_missed_ones_is_on_the_calendar(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    job = ledger.job_file.jobs["nightly-update"]
    schedule = ledger.schedule(job)
    assert schedule
    slots = schedule.between(NOW - timedelta(days=14), NOW)
    last = slots[-1]
    opened = ev.RunOpened(
        at=NOW,
        run="r",
        environment="main",
        slot=last.name,
        due_at=last.due_at,
        trigger=ev.Trigger.SCHEDULE,
        job=job.to_json(),
    )
    detail = {"first": slots[0].name, "count": len(slots)}
    closed = ev.RunClosed(at=NOW, outcome=ev.RunOutcome.MISSED, message="", failure="missed", detail=detail)
    ledger.journal.open_run(opened, [closed])
    days = days_of(look_back(ledger.context, ledger.journal, 30), "nightly-update")
    assert len(days) == len(slots) == 14
    assert set(days) == {(NOW - timedelta(days=n)).date() for n in range(14)}


def test_one_job_can_be_shown_alone_and_an_unknown_one_is_refused(ledger: Ledger) -> None:
    text = Census(page_of(ledger, job="hourly-backup")).text
    assert "hourly-backup" in text
    assert "nightly-update" not in text
    with pytest.raises(NotFound, match="no job 'weekly'"):
        page_of(ledger, job="weekly")


def test_a_page_about_nothing_yet_says_so(tmp_path: Path) -> None:
    text = Census(page_of(Ledger(str(tmp_path)))).text
    for words in ("Last proved backupnever", "No run is in flight", "No run was opened in the last 40 days."):
        assert words in text


def test_a_run_whose_events_make_no_sense_is_shown_as_that(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    run = ledger.run("by-hand", NOW - timedelta(hours=1), "failed")
    ledger.journal.append(run, ev.Warned(at=NOW, message="after the end"))
    assert "the journal of this run is inconsistent: warned after run-closed" in Census(page_of(ledger)).text


# --- every text stays text -------------------------------------------------------------------------------------


TURNS = range(7)  # a run says six texts: in as many turns each attack was in each of their places


@pytest.mark.parametrize("turn", TURNS)
def test_hostile_texts_make_no_element_and_no_attribute(tmp_path: Path, turn: int) -> None:
    attacked = Census(page_of(hostile(str(tmp_path / "a"), turn)))
    plain = Census(page_of(innocent(str(tmp_path / "b"))))
    assert attacked.elements == plain.elements
    assert attacked.attributes == plain.attributes
    assert attacked.odd == plain.odd == []
    assert set(attacked.elements) <= ELEMENTS
    assert set(attacked.attributes) <= {name.lower() for name in ATTRIBUTES}
    assert attacked.values["href"] == {"data:,", "#now", "#jobs", "#calendars", "#runs"}
    assert attacked.values["class"] == plain.values["class"]
    assert attacked.values["id"] == plain.values["id"]


def test_hostile_texts_are_all_on_the_page_as_they_were_written(tmp_path: Path) -> None:
    pages = [page_of(hostile(str(tmp_path / str(turn)), turn)) for turn in TURNS]
    for page in pages:
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page)
    texts = [Census(page).text for page in pages]
    for payload in PAYLOADS:
        assert sum(shown(payload)[:100] in text for text in texts) >= 2, payload


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_door_lets_a_text_through_as_text_only(payload: str) -> None:
    found = Census(el("p", payload, el("bdi", payload), class_=payload, aria_label=payload).text)
    assert found.elements == {"p": 1, "bdi": 1}
    assert set(found.values) == {"class", "aria-label"}
    assert found.values["class"] == {shown(payload)}
    assert found.text == shown(payload) * 2


def test_the_door_knows_no_other_element_attribute_or_link() -> None:
    for wrong in (
        lambda: el("script", "x"),
        lambda: el("img"),
        lambda: el("p", onclick="x"),
        lambda: el("p", style="x"),
        lambda: el("a", href="https://evil.invalid/"),
        lambda: el("a", href="javascript:x"),
        lambda: style("</style>"),
    ):
        with pytest.raises(ValueError, match=r"not allowed|style sheet"):
            wrong()  # type: ignore[no-untyped-call]  # a lambda
    assert el("p", None, ["a", Html("<b>")], open=True, id=None).text == "<p open>a<b></p>"
    assert el("p", "half \ud800 surrogate, non\u00a0breaking").text == "<p>half \ufffd surrogate, non breaking</p>"


# --- nothing is fetched ----------------------------------------------------------------------------------------


def test_the_page_holds_no_address_no_script_and_no_style_but_its_own(ledger: Ledger) -> None:
    page = page_of(ledger)
    assert "://" not in page
    assert "url(" not in page
    assert "@import" not in page
    assert " style=" not in page
    assert page.count("<style>") == 1
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy[1].replace("&#x27;", "'").split(";"))
    assert rules == {
        "default-src": "'none'",
        "style-src": f"'{style_hash(SHEET)}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert page.index("Content-Security-Policy") < page.index("<style>")


# --- its size --------------------------------------------------------------------------------------------------


def crowded(directory: str, jobs: int, runs: int) -> Ledger:
    """Many jobs and many more runs, most of them of one job."""
    many = "".join(
        f'[jobs.job-{n}]\nschedule = "{n % 60} * * * *"\n[[jobs.job-{n}.steps]]\nbackup = {{}}\n' for n in range(jobs)
    )
    ledger = Ledger(directory, text=many)
    job = Job("job-0", (StepPlan("backup", {}),))
    db = ledger.journal._db
    opened = ev.RunOpened(
        at=NOW, run="", environment="main", slot=None, due_at=NOW, trigger=ev.Trigger.MANUAL, job=job.to_json()
    )
    from upsun_agent.journal.codec import encode

    text = encode(opened)
    with ledger.journal._transaction():
        for number in range(runs):
            at = (NOW - timedelta(minutes=4 * number)).timestamp()
            name = f"job-{number % jobs if number % 2 else 0}"
            db.execute(
                "INSERT INTO runs VALUES (?, ?, NULL, ?, ?, ?, 'failed')",
                (f"r{number}", name, at, at, at + 100 + number % 50),
            )
            db.execute("INSERT INTO events (run, kind, data) VALUES (?, 'run-opened', ?)", (f"r{number}", text))
    return ledger


def test_ten_thousand_runs_of_many_jobs_make_a_page_that_still_loads_and_says_what_it_leaves_out(
    tmp_path: Path,
) -> None:
    ledger = crowded(str(tmp_path), 60, 10_000)
    page = page_of(ledger, 400)
    found = Census(page)
    assert len(page) < 3_000_000
    assert found.elements["details"] <= REPORT_RUNS + REPORT_JOBS * 2
    assert found.elements["rect"] <= REPORT_BARS * 2 * REPORT_JOBS + REPORT_RUNS * 40
    text = re.sub(r"\s+", " ", found.text)
    assert "The newest 20 of 10000 runs." in text
    assert "20 more jobs are not shown" in text
    assert "older ones are not shown" in text
    assert "shows 400 days and 10000 runs." in text
    assert "older runs are in the journal" in Census(page_of(ledger, 3)).text


def test_the_journal_is_only_read(tmp_path: Path) -> None:
    ledger = months(Ledger(str(tmp_path)), 5)
    before = (tmp_path / "journal.sqlite").read_bytes()
    page_of(ledger)
    assert (tmp_path / "journal.sqlite").read_bytes() == before


def test_a_job_file_with_two_zones_has_each_job_in_its_own(tmp_path: Path) -> None:
    text = (
        JOBS + '\n[jobs.tokyo]\nschedule = "30 0 * * *"\ntimezone = "Asia/Tokyo"\n[[jobs.tokyo.steps]]\nbackup = {}\n'
    )
    ledger = Ledger(str(tmp_path), text=text)
    ledger.run("tokyo", NOW.replace(hour=0) - timedelta(hours=8, minutes=30))
    days = days_of(look_back(ledger.context, ledger.journal, 10), "tokyo")
    assert list(days) == [NOW.date()], "half past midnight of the 24th in Tokyo is the 23rd in UTC"
    assert isinstance(ledger.journal, SqliteJournal)
