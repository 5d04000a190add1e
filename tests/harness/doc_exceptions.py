"""The few blocks that do not run in the sandbox, each with its reason. Their command lines are parsed all the same."""

from __future__ import annotations

#: Shell, by page and first line.
NOT_RUN = {
    "README.md: make demo": "runs for minutes; it is tried whole before a release, and the target is looked for here",
    "README.md: make test": "would run this very test",
    "README.md: upsun user:add robot@example.com --role viewer --role production:admin": (
        "the official CLI asks for the value on a terminal; end_to_end/official_cli tries both commands with it given"
    ),
    "docs/init.md: pip install '.[init,simulator]'": "needs the package index; the extra is looked for here",
    'docs/ci.md: eval "$(upsun-agent ssh env)"': "bash of a CI system; end_to_end/ssh runs the very line against sshd",
    'docs/monitoring.md: upsun ssh -p "$PROJECT" -e main \\': (
        "needs the official CLI and a project; integration/report runs the agent's part of it"
    ),
    "docs/report.md: upsun ssh -e main '. .upsun-agent/environment.sh; upsun-agent report --html -' > report.html": (
        "needs the official CLI and a project; integration/report runs the agent's part of it"
    ),
    "docs/notifications.md: upsun variable:create -e main --level environment --prefix env --name SLACK_URL \\": (
        "needs the official CLI and a project; end_to_end/official_cli tries the command"
    ),
    "docs/scale.md: python -m bench.fleet --environments 10000": (
        "takes minutes; tests/integration/bench/test_fleet.py runs it with 1,000"
    ),
    "docs/notifications.md: upsun-agent notify test": "sends messages; integration/notify runs these for real",
}
#: Pages that speak of a run that was.
AFTER_A_RUN = {"docs/logs.md", "docs/monitoring.md", "docs/report.md", "docs/shared-journal.md"}
#: Pages whose app is related to a database.
WITH_DATABASE = {"docs/shared-journal.md"}
#: YAML that is no configuration of the platform, and SQL: the test that runs it.
RUN_ELSEWHERE = {
    "docs/ci.md: name: Nightly update": "tests/end_to_end/docs/test_ci_examples.py",
    "docs/ci.md: nightly-update:": "tests/end_to_end/docs/test_ci_examples.py",
    "docs/shared-journal.md: -- PostgreSQL": "tests/integration/journal/test_tables.py",
    "docs/monitoring.md: groups:": "tests/unit/docs/test_monitoring_pages.py",
}
