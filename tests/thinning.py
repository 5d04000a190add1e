"""Say which tests ``make test`` leaves to ``make soak``, and which it begins with, so that it ends within minutes.

The files below try many inputs of one kind, each of which takes long. Of every test function in them ``make test`` runs
the first case and one in so many of the rest, always the same ones; ``UPSUN_SOAK=1`` or ``UPSUN_TESTS=all`` runs all.
"""

from __future__ import annotations

import os
import sys
from zlib import crc32

#: By file: one case in so many is run.
ONE_IN: dict[str, int] = {
    "tests/integration/cli/test_bytes_not_utf8.py": 2,
    "tests/integration/cli/test_exit_codes.py": 2,
    "tests/integration/cli/test_foreign_text.py": 6,
    "tests/integration/cli/test_full_pipes.py": 3,
    "tests/integration/cli/test_run_elsewhere.py": 3,
    "tests/integration/faults/test_ambiguous_answers.py": 4,
    "tests/integration/faults/test_one_look.py": 4,
    "tests/integration/faults/test_promotion.py": 4,
    "tests/long/fuzz/test_endless_answers.py": 2,
    "tests/long/fuzz/test_malformed_journals.py": 3,
    "tests/long/fuzz/test_malformed_replies.py": 4,
    "tests/end_to_end/hooks/test_install.py": 3,
    "tests/end_to_end/hooks/test_install_attacks.py": 6,
    "tests/end_to_end/hooks/test_roots.py": 4,
    "tests/end_to_end/hooks/test_target.py": 6,
    "tests/end_to_end/hooks/test_wheels.py": 2,
    "tests/integration/setup/test_git.py": 3,
    "tests/integration/setup/test_hostile_checkouts.py": 3,
    "tests/integration/journal/test_broken_connections.py": 6,
    "tests/integration/journal/test_foreign_rows.py": 3,
    "tests/integration/journal/test_hostile_servers.py": 8,
    "tests/integration/journal/test_lost_tables.py": 2,
    "tests/integration/journal/test_move.py": 2,
    "tests/integration/journal/test_quiet_drivers.py": 2,
    "tests/integration/journal/test_shared_processes.py": 2,
    "tests/unit/log/test_escapes.py": 3,
    "tests/unit/log/test_secrets_and_innocents.py": 2,
    "tests/unit/log/test_spellings.py": 2,
    "tests/integration/notify/test_answers_of_receivers.py": 2,
    "tests/integration/notify/test_messages_are_clean.py": 3,
    "tests/end_to_end/official_cli/test_official_cli_commands.py": 2,
    "tests/integration/simulator/test_simulator_bodies.py": 2,
    "tests/end_to_end/ssh/test_paths.py": 4,
    "tests/integration/test_hostile_texts.py": 4,
    "tests/integration/runtime/test_foreign_processes.py": 3,
    "tests/integration/runtime/test_foreign_runs.py": 3,
    "tests/integration/runtime/test_process.py": 3,
    "tests/integration/runtime/test_strange_files.py": 4,
    "tests/integration/api/test_pages_searched.py": 3,
    "tests/integration/api/test_settings_of_commands.py": 4,
}
#: Files whose few tests take longest: a worker that begins with one of these last would keep the others waiting.
FIRST: tuple[str, ...] = (
    "tests/end_to_end/hooks/test_roots.py",
    "tests/unit/engine/test_decide_exhaustive.py",
    "tests/long/fuzz/test_malformed_journals.py",
    "tests/integration/journal/test_broken_connections.py",
    "tests/end_to_end/hooks/test_wheels.py",
    "tests/long/crash/test_crash_matrix.py",
    "tests/integration/journal/test_tenants.py",
    "tests/end_to_end/hooks/test_build_hook.py",
    "tests/end_to_end/hooks/test_install.py",
    "tests/long/crash/test_lost_journal_crashes.py",
)
ALL = "UPSUN_TESTS"


def runs_all() -> bool:
    """Return whether every case is to be run."""
    return os.environ.get(ALL) == "all" or os.environ.get("UPSUN_SOAK") == "1"


def is_left(node: str, seen: set[str]) -> bool:
    """Return whether a case is left to ``make soak``.

    Args:
        node: the test's node id, with its parameters.
        seen: the test functions of which a case was kept already; one is added with its first case.

    """
    file, _, _ = node.partition("::")
    function, _, case = node.partition("[")
    if file not in ONE_IN or not case:
        return False
    if function not in seen:
        seen.add(function)
        return False
    return crc32(node.encode()) % ONE_IN[file] != 0


def rank(node: str) -> int:
    """Return where the test's file stands in the order: those that take longest come first."""
    file = node.partition("::")[0]
    return FIRST.index(file) if file in FIRST else len(FIRST)


if __name__ == "__main__":
    sys.stdout.write("\n".join(ONE_IN) + "\n")
