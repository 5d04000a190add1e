"""Bugs of lock files and versions, to be planted by ``tools.planted_bugs``."""

from __future__ import annotations

VERSIONS = ("tests/unit/packages/test_versions.py",)
FORMATS = ("tests/unit/packages/test_formats.py", "tests/unit/packages/test_unreadable.py")

#: Each is its name, the file, the text that becomes another, that other, and the tests that catch it.
PACKAGE_BUGS: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    (
        "0.2.3 to 0.3.0 is a minor change of an npm package",
        "agent/upsun_agent/packages/versions/__init__.py",
        "    if ecosystem in CARET and not any(old.numbers[:place]):\n",
        "    if ecosystem in CARET and place == 0:\n",
        VERSIONS,
    ),
    (
        "a pre-release is compared as text",
        "agent/upsun_agent/packages/versions/version.py",
        '    return (0, *((0, int(each), "") if _is_number(each) else (1, 0, fold(each)) for each in parts))\n',
        "    return (0, *((1, 0, fold(each)) for each in parts))\n",
        VERSIONS,
    ),
    (
        "a lock file that cannot be read looks as if its packages were removed",
        "agent/upsun_agent/packages/compare.py",
        "    if faults:\n",
        "    if faults and len(faults) == len(files):\n",
        FORMATS,
    ),
    (
        "a package that is nested in another one is direct",
        "agent/upsun_agent/packages/formats/npm.py",
        "        direct = (owner, name) in required or (not owner and any(",
        "        direct = (any(",
        FORMATS,
    ),
    (
        "another commit of a branch is no change",
        "agent/upsun_agent/packages/formats/composer.py",
        '        is_branch = each.version.startswith("dev-") or each.version.endswith("-dev")\n',
        "        is_branch = False\n",
        FORMATS,
    ),
)
