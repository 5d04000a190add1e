"""The lines that install this version of the agent, as the README has them: written there by ``tools/dist.py``.

One place, so that they cannot go stale: the README of the checkout that this package lies in, or the one in the
package's metadata. The archive of a release does not hold it: the hash in it is the archive's own.
"""

from __future__ import annotations

import os
import re

from upsun_agent.errors import UsageError

BEGIN, END = "<!-- install: begin -->", "<!-- install: end -->"
_HOOK = re.compile(r"^( *)build: \|\n((?:\1 +\S.*\n)+)", re.MULTILINE)
README_MOST = 256 * 1024  # bytes


def install_lines() -> list[str]:
    """Return the lines for the build hook, without ``set -e``.

    Raises:
        UsageError: this copy of the agent does not know them.
    """
    for text in (_of_checkout(), _of_metadata()):
        lines = lines_in(text)
        if lines:
            return lines
    remedy = "run init from a checkout of the agent, or install it with pip there: pip install '.[init,simulator]'"
    raise UsageError("this copy of the agent does not know the lines that install it", remedy=remedy)


def lines_in(readme: str) -> list[str]:
    """Return the lines for the build hook in the text of a README; none where it has no place for them."""
    block = readme.partition(BEGIN)[2].partition(END)[0]
    hook = _HOOK.search(block)
    return [line.strip() for line in hook[2].splitlines() if line.strip() != "set -e"] if hook else []


def _of_checkout() -> str:
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    try:
        with open(os.path.join(top, "README.md"), encoding="utf-8") as file:
            return file.read(README_MOST)
    except (OSError, ValueError):
        return ""


def _of_metadata() -> str:
    from importlib.metadata import PackageNotFoundError, metadata  # noqa: PLC0415  slow, and seldom needed

    try:
        found = metadata("upsun-agent")
    except PackageNotFoundError:
        return ""
    return str(found.json.get("description") or "")
