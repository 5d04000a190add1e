"""Every error says something, whose turn it is, and an exit code that is documented."""

from __future__ import annotations

import pytest
from upsun_agent.errors import (
    AgentError,
    BadReply,
    ConfigInvalid,
    NotFound,
    NotPermitted,
    RunFailed,
    SecondFactorNeeded,
    SettingsInvalid,
    TokenRefused,
    Unreachable,
    UsageError,
    documented,
)
from upsun_agent.model.failures import FailureKind

DESIGNED = {1, 64, 65, 69, 70, 73, 75, 77, 78}
OURS = [error for error in documented() if error.__module__.startswith("upsun_")]


@pytest.mark.parametrize("error", OURS, ids=lambda error: error.__name__)
def test_every_error_has_a_sentence_a_turn_and_a_designed_exit_code(error: type[AgentError]) -> None:
    sentence = (error.__doc__ or "").splitlines()[0]
    assert sentence.endswith(".")
    assert error.turn
    assert error.exit_code in DESIGNED


def test_all_designed_exit_codes_are_in_use() -> None:
    assert {error.exit_code for error in OURS} == DESIGNED


def test_the_sentence_is_the_message_where_none_is_given() -> None:
    assert str(UsageError()) == "The arguments of the command are not valid."
    assert str(UsageError("--count is no number")) == "--count is no number"


def test_the_stable_name_is_the_class_name_in_kebab_case() -> None:
    assert TokenRefused.word() == "token-refused"
    assert NotFound.word() == "not-found"
    assert len({error.word() for error in OURS}) == len(OURS)


def test_failures_and_troubles_have_designed_codes() -> None:
    as_errors = {
        FailureKind.UNREACHABLE: Unreachable,
        FailureKind.BAD_REPLY: BadReply,
        FailureKind.TOKEN: TokenRefused,
        FailureKind.SECOND_FACTOR: SecondFactorNeeded,
        FailureKind.PERMISSION: NotPermitted,
        FailureKind.NOT_FOUND: NotFound,
        FailureKind.NOT_OFFERED: ConfigInvalid,
        FailureKind.SETTINGS: SettingsInvalid,
    }
    assert {kind: kind.exit_code for kind in as_errors} == {kind: error.exit_code for kind, error in as_errors.items()}
    assert {kind.exit_code for kind in FailureKind if kind not in as_errors} == {0, RunFailed.exit_code}
