"""Planted bugs about answers that are valid and about something else, or of another time."""

from __future__ import annotations

MIXED = "tests/integration/runtime/test_mixed_up_answers.py"
#: Name, file, text, what it becomes, and the test that catches it.
ANSWER_BUGS: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    (
        "an answer about another activity counts",
        "agent/upsun_agent/api/models.py",
        "    if found.id != wanted:\n",
        '    if found.id != wanted and what == "environment":\n',
        (f"{MIXED}::test_an_answer_about_another_thing_is_asked_for_again",),
    ),
    (
        "a link to another environment is followed",
        "agent/upsun_agent/engine/guards.py",
        "    if not _leads_there(environment, kind.link):\n",
        "    if environment.is_dirty and not _leads_there(environment, kind.link):\n",
        (f"{MIXED}::test_nothing_is_ever_requested_at_the_link_of_another_environment",),
    ),
    (
        "one answer sets the clock",
        "agent/upsun_agent/runtime/executor.py",
        "        if there is None or self._is_near(there, here):\n",
        "        if there is None or here is not None:\n",
        (f"{MIXED}::test_one_answer_with_a_wrong_date_changes_nothing",),
    ),
    (
        "the first of several embedded activities is taken",
        "agent/upsun_agent/runtime/executor.py",
        "    if len(found) > 1:  # the activity list",
        "    if len(found) > 9:  # the activity list",
        (f"{MIXED}::test_an_answer_that_embeds_two_activities_is_looked_up_in_the_list",),
    ),
    (
        "an empty text is not null",
        "agent/upsun_agent/api/replies.py",
        'ABSENT_TEXTS = (None, "")',
        "ABSENT_TEXTS = (None, None)",
        (f"{MIXED}::test_an_activity_that_is_complete_with_an_empty_result_is_unknown_and_restores_nothing",),
    ),
    (
        "a secret on two lines is shown",
        "agent/upsun_agent/log/redaction.py",
        "        for each in filter(None, (layer, layer.unfolded())):\n",
        "        for each in filter(None, (layer, None)):\n",
        ("tests/unit/log/test_spellings.py::test_a_secret_is_hidden_in_every_spelling",),
    ),
)
