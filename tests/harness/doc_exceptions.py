"""The few blocks that do not run in the sandbox, each with its reason. Their command lines are parsed all the same."""

from __future__ import annotations

#: The first line of the blocks that install the agent's commands on a laptop.
INSTALL = "python3 -m venv ~/upsun-agent"
#: Shell, by page and first line.
NOT_RUN = {
    "README.md: make demo": "runs for minutes; it is tried whole before a release, and the target is looked for here",
    "README.md: make test": "would run this very test",
    "docs/how-to/tokens.md: upsun user:add robot@example.com --role viewer --role production:admin": (
        "the official CLI asks for the value on a terminal; end_to_end/official_cli tries both commands with it given"
    ),
    **{
        f"docs/tutorial/{name}.md: {INSTALL}": "needs the package index; the extra is looked for"
        for name in ("drupal", "node")
    },
    "docs/how-to/remove.md: upsun variable:delete env:UPSUN_CLI_TOKEN -e main": "needs the official CLI and a project",
    'docs/how-to/restore.md: upsun backup:restore "$BACKUP" -e main': "needs the official CLI and a project",
    'docs/how-to/install.md: eval "$(upsun-agent completion zsh)"': "zsh; integration/cli asks a real one",
    "docs/how-to/upgrade.md: upsun-agent-setup upgrade": (
        "needs a checkout that init set up; integration/setup/test_upgrade.py runs it"
    ),
    'docs/how-to/install.md: git submodule add "$UPSUN_AGENT_REPOSITORY" .upsun-agent-release': (
        "end_to_end/hooks/test_ways.py runs it with real repositories"
    ),
    f"README.md: {INSTALL}": "needs the package index; the extra is looked for here",
    f"docs/how-to/init.md: {INSTALL}": "needs the package index; the extra is looked for here",
    'docs/how-to/ci.md: eval "$(upsun-agent ssh env)"': "bash of a CI system; end_to_end/ssh runs it",
    'docs/how-to/monitoring.md: upsun ssh -p "$PROJECT" -e main \\': (
        "needs the official CLI and a project; integration/report runs the agent's part of it"
    ),
    "docs/how-to/report.md: upsun ssh -e main '. .upsun-agent/environment.sh; upsun-agent report --html -' "
    "> report.html": ("needs the official CLI and a project; integration/report runs the agent's part of it"),
    "docs/how-to/notifications.md: upsun variable:create -e main --level environment --prefix env "
    "--name SLACK_URL \\": ("needs the official CLI and a project; end_to_end/official_cli tries the command"),
    "docs/how-to/scale.md: python -m bench.fleet --environments 10000": (
        "takes minutes; tests/integration/bench/test_fleet.py runs it with 1,000"
    ),
    "docs/how-to/changes.md: git worktree add ../before HEAD~1": (
        "needs a checkout with two commits; integration/cli/test_changes.py runs it in one"
    ),
    "docs/how-to/notifications.md: upsun-agent notify test": "sends messages; integration/notify runs these",
}
#: Pages that lead through the first job, from a checkout with this lock file on.
CHECKOUTS = {
    "docs/tutorial/drupal.md": "composer.lock",
    "docs/tutorial/node.md": "package-lock.json",
    "docs/how-to/fixed.md": "composer.lock",
}
#: Pages that speak of a run that was.
AFTER_A_RUN = {
    "docs/how-to/restore.md",
    "docs/how-to/troubleshooting.md",
    "docs/how-to/logs.md",
    "docs/how-to/monitoring.md",
    "docs/how-to/report.md",
    "docs/how-to/shared-database.md",
}
#: Pages whose app is related to a database.
WITH_DATABASE = {"docs/how-to/shared-database.md"}
#: YAML that is no configuration of the platform, and SQL: the test that runs it.
RUN_ELSEWHERE = {
    "docs/how-to/ci.md: name: Nightly update": "tests/end_to_end/docs/test_ci_examples.py",
    "docs/how-to/ci.md: nightly-update:": "tests/end_to_end/docs/test_ci_examples.py",
    "docs/how-to/shared-database.md: -- PostgreSQL": "tests/integration/journal/test_tables.py",
    "docs/how-to/monitoring.md: groups:": "tests/unit/docs/test_monitoring_pages.py",
}
