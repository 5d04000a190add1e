"""Bugs of the commands, the place they run in and the token's variable, to be planted by ``tools.planted_bugs``."""

from __future__ import annotations

SETUP = ("tests/integration/cli/test_setup_token.py", "tests/unit/access/test_plans.py")
ELSEWHERE = ("tests/unit/config/test_container.py", "tests/integration/cli/test_run_elsewhere.py")

#: Each is its name, the file, the text that becomes another, that other, and the tests that catch it.
COMMAND_BUGS: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    (
        "a variable that was marked as JSON keeps the mark",
        "agent/upsun_agent/cli/token_variable.py",
        "    flags = dict(FIXED)\n",
        "    flags: dict[str, bool] = {}\n",
        SETUP,
    ),
    (
        "the apps of a variable that is there are not read back",
        "agent/upsun_agent/access/setup_plan.py",
        "        return differences(stored, self.flags, self.apps)\n",
        "        return differences(stored, self.flags)\n",
        SETUP,
    ),
    (
        "a variable that reads back late is a failure at once",
        "agent/upsun_agent/cli/token_variable.py",
        "        if not storing.as_before(stored):\n",
        "        if wrong:\n",
        SETUP,
    ),
    (
        "an activity that is pending means that the environment redeploys",
        "agent/upsun_agent/cli/token_variable.py",
        '        return "staged" if variables.deploys_by_hand() else "deploys"\n',
        '        return "deploys"\n',
        SETUP,
    ),
    (
        "without a terminal something is changed though nobody said yes",
        "agent/upsun_agent/cli/change.py",
        "    if not (context.options.yes or context.options.dry_run or can_ask(context)):\n",
        "    if context.terminal.json_wanted and not (context.options.yes or context.options.dry_run):\n",
        ("tests/integration/cli/test_setup.py", "tests/integration/cli/test_setup_token.py"),
    ),
    (
        "the project and a branch make a container of any machine",
        "agent/upsun_agent/platform/container.py",
        '        if environ.get("PLATFORM_PROJECT") and any(environ.get(name) for name in marks):\n',
        '        if environ.get("PLATFORM_PROJECT"):\n',
        ELSEWHERE,
    ),
    (
        "outside a container the state goes where the job file says",
        "agent/upsun_agent/cli/context.py",
        "        if not self.container.is_one:\n",
        '        if self.container.phase == "ci":\n',
        ELSEWHERE,
    ),
    (
        "run --wait begins a second run beside the one in flight",
        "agent/upsun_agent/cli/runs.py",
        "        if in_flight:\n            run_id = follower.attach(",
        "        if len(in_flight) > 1:\n            run_id = follower.attach(",
        (
            "tests/integration/cli/test_run_elsewhere.py::test_with_the_api_away_waiting_ends_with_69_within_its_bound_and_the_next_call_goes_on",
        ),
    ),
    (
        "a rehearsal lists what comes after its days",
        "agent/upsun_simulator/rehearsal/simulate_days.py",
        "    return sorted((each for each in found if each.at < end), key=lambda incident: incident.at)\n",
        "    return sorted(found, key=lambda incident: incident.at)\n",
        ("tests/integration/cli/test_rehearse.py",),
    ),
    (
        "backups that people took count as the agent's own",
        "agent/upsun_agent/doctor/platform.py",
        "        return backup.id in self.own_backups\n",
        "        return not backup.automated\n",
        ("tests/integration/cli/test_doctor.py",),
    ),
)
