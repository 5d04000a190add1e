"""Say which tests are left to ``make soak``, and which come first, so that the other lanes end within minutes.

The files below try many inputs of one kind, each of which takes long. Of every test function in them the first case and
one in so many of the rest are run, always the same ones; ``UPSUN_SOAK=1`` or ``UPSUN_TESTS=all`` runs all.
"""

from __future__ import annotations

import os
import sys
from zlib import crc32

#: By file: one case in so many is run.
ONE_IN: dict[str, int] = {
    "tests/end_to_end/docs/test_ci_examples.py": 2,
    "tests/end_to_end/docs/test_site.py": 3,
    "tests/end_to_end/hooks/test_install.py": 3,
    "tests/end_to_end/hooks/test_install_attacks.py": 16,
    "tests/end_to_end/hooks/test_interpreter.py": 4,
    "tests/end_to_end/hooks/test_interpreter_roots.py": 3,
    "tests/end_to_end/hooks/test_roots.py": 4,
    "tests/end_to_end/hooks/test_target.py": 12,
    "tests/end_to_end/hooks/test_wheels.py": 4,
    "tests/end_to_end/official_cli/test_official_cli_commands.py": 6,
    "tests/end_to_end/ssh/test_paths.py": 12,
    "tests/integration/access/test_clients.py": 4,
    "tests/integration/api/test_pages_searched.py": 9,
    "tests/integration/api/test_settings_of_commands.py": 10,
    "tests/integration/api/test_transport.py": 2,
    "tests/integration/cli/test_bytes_not_utf8.py": 2,
    "tests/integration/cli/test_doctor.py": 3,
    "tests/integration/cli/test_exit_codes.py": 2,
    "tests/integration/cli/test_foreign_text.py": 20,
    "tests/integration/cli/test_full_pipes.py": 3,
    "tests/integration/cli/test_odd_tokens.py": 4,
    "tests/integration/cli/test_outputs.py": 2,
    "tests/integration/cli/test_run_elsewhere.py": 8,
    "tests/integration/faults/test_ambiguous_answers.py": 12,
    "tests/integration/faults/test_one_look.py": 12,
    "tests/integration/faults/test_promotion.py": 12,
    "tests/integration/journal/test_broken_connections.py": 16,
    "tests/integration/journal/test_foreign_rows.py": 3,
    "tests/integration/journal/test_hostile_servers.py": 24,
    "tests/integration/journal/test_lost_tables.py": 5,
    "tests/integration/journal/test_move.py": 5,
    "tests/integration/journal/test_quiet_drivers.py": 4,
    "tests/integration/journal/test_shared_processes.py": 4,
    "tests/integration/notify/test_answers_of_receivers.py": 2,
    "tests/integration/notify/test_messages_are_clean.py": 6,
    "tests/integration/prove/test_prove.py": 6,
    "tests/integration/runtime/test_foreign_processes.py": 3,
    "tests/integration/runtime/test_foreign_runs.py": 3,
    "tests/integration/runtime/test_http_faults.py": 4,
    "tests/integration/runtime/test_process.py": 8,
    "tests/integration/runtime/test_strange_files.py": 4,
    "tests/integration/setup/test_git.py": 3,
    "tests/integration/setup/test_hostile_checkouts.py": 3,
    "tests/integration/simulator/test_openapi.py": 4,
    "tests/integration/simulator/test_simulator_bodies.py": 4,
    "tests/integration/test_hostile_texts.py": 12,
    "tests/long/fuzz/test_endless_answers.py": 2,
    "tests/long/fuzz/test_malformed_journals.py": 3,
    "tests/long/fuzz/test_malformed_replies.py": 4,
    "tests/unit/log/test_escapes.py": 8,
    "tests/unit/log/test_secrets_and_innocents.py": 8,
    "tests/unit/log/test_spellings.py": 8,
    "tests/unit/report/test_coming.py": 3,
}
#: Tests that each take longest by themselves: only ``make soak`` runs them.
LEFT = frozenset(
    {
        "tests/integration/bench/test_fleet.py::test_a_small_fleet_ticks_on_a_real_server_and_the_table_tells_of_it",
        "tests/end_to_end/hooks/test_roots.py::test_a_state_in_a_database_is_worked_with_within_64_mib",
        "tests/end_to_end/hooks/test_wheels.py::test_a_flipped_byte_in_any_wheel_fails_the_build",
        "tests/end_to_end/hooks/test_wheels.py::test_a_kill_at_any_moment_leaves_an_agent_that_works",
        "tests/end_to_end/hooks/test_target.py::test_several_builds_into_one_target_at_once_all_end_well",
        "tests/end_to_end/hooks/test_target.py::test_a_killed_build_does_not_keep_the_next_one_waiting",
        "tests/end_to_end/hooks/test_target.py::test_what_a_killed_build_left_beside_another_target_is_swept",
        "tests/end_to_end/hooks/test_build_hook.py::test_several_extras_are_installed_together_and_each_package_once",
        "tests/integration/simulator/test_simulator_bodies.py::test_many_requests_of_somebody_without_a_token_cost_bounded_memory",
        "tests/integration/journal/test_broken_connections.py::test_a_primary_that_is_slow_from_the_start_means_try_later_soon",
        "tests/integration/journal/test_hostile_servers.py::test_answers_of_a_real_server_that_were_spoiled_on_the_way_end_with_an_error_of_ours",
        "tests/integration/journal/test_shared_runs.py::test_thirty_two_agents_at_once_do_the_work_once",
        "tests/unit/report/test_page.py::test_ten_thousand_runs_of_many_jobs_make_a_page_that_still_loads_and_says_what_it_leaves_out",
    }
)
#: Files whose few tests take longest: a worker that begins with one of these last would keep the others waiting.
FIRST: tuple[str, ...] = (
    "tests/end_to_end/hooks/test_roots.py",
    "tests/long/engine/test_decide_exhaustive.py",
    "tests/long/fuzz/test_malformed_journals.py",
    "tests/long/crash/test_lost_journal_crashes.py",
    "tests/long/crash/test_crash_matrix.py",
    "tests/end_to_end/hooks/test_wheels.py",
    "tests/end_to_end/docs/test_blocks.py",
    "tests/end_to_end/hooks/test_build_hook.py",
    "tests/integration/bench/test_counts_and_figures.py",
    "tests/integration/journal/test_hostile_servers.py",
    "tests/integration/journal/test_shared_processes.py",
    "tests/integration/journal/test_broken_connections.py",
    "tests/end_to_end/docs/test_site.py",
    "tests/end_to_end/docs/test_ci_examples.py",
    "tests/end_to_end/hooks/test_install.py",
    "tests/integration/journal/test_tenants.py",
    "tests/integration/runtime/test_process.py",
    "tests/unit/docs/test_planted_bugs.py",
    "tests/unit/setup/test_properties.py",
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
    if function in LEFT:
        return True
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
    files = {node.partition("::")[0] for node in (*ONE_IN, *LEFT)}
    sys.stdout.write("\n".join(sorted(file for file in files if not file.startswith("tests/long/"))) + "\n")
