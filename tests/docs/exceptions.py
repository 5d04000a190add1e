"""The few blocks that do not run in the sandbox, each with its reason. Their command lines are parsed all the same."""

from __future__ import annotations

#: Shell, by page and first line.
NOT_RUN = {
    "README.md: make demo": "runs for minutes; it is tried whole before a release, and the target is looked for here",
    "README.md: make test": "would run this very test",
    "README.md: upsun user:add robot@example.com --role viewer --role production:admin": (
        "the official CLI asks for the value on a terminal; tests/simulator tries both commands with it given"
    ),
    "docs/init.md: pip install '.[init]'": "needs the package index; the extra is looked for here",
    'docs/ci.md: eval "$(upsun-agent ssh env)"': "bash of a CI system; tests/ssh runs the very line against sshd",
}
#: YAML that is no configuration of the platform: the test that runs it.
RUN_ELSEWHERE = {
    "docs/ci.md: name: Nightly update": "tests/docs/test_ci_examples.py",
    "docs/ci.md: nightly-update:": "tests/docs/test_ci_examples.py",
}
