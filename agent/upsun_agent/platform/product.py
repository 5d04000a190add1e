"""Which product of the platform a project is on: Upsun Flex, or Upsun Fixed (formerly Platform.sh)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from upsun_agent.errors import ConfigInvalid
from upsun_agent.platform.variables import decoded

#: ``both`` is a checkout with the configuration of both, which no deployment accepts.
Product = Literal["flex", "fixed", "both"]

#: The configuration files of each product. The folders alone are no marks: the official CLIs make them in any checkout.
_FLEX = re.compile(r"\.upsun/[^/]+\.ya?ml")
_FIXED = re.compile(r"(?:.+/)?\.platform\.app\.yaml|\.platform/(?:applications|routes|services)\.yaml")
#: What a project's settings call the product (``product_code``).
_CODES: dict[str, Product] = {"upsun": "flex", "platformsh": "fixed"}
#: Sources of mounts that only one of the products has.
_SOURCES: dict[str, Product] = {"storage": "flex", "instance": "flex", "local": "fixed"}
#: What messages name that is called otherwise on Fixed.
_IN_FIXED = (
    ("applications.APP.source.operations", "source.operations"),
    (".upsun/config.yaml", ".platform.app.yaml"),
    ("source 'storage'", "source 'local'"),
)
#: Commands of the official CLI, in the text of a message.
_CALL = re.compile(r"\bupsun (?=(?:ssh|redeploy|disk|relationships)\b|[a-z]+(?:-[a-z]+)*:[a-z])")


def product_of(names: Iterable[str] = (), mounts: Iterable[str] = (), code: object = None) -> Product | None:
    """Return which product a project is on, by the product's own marks; None where there is none of them.

    Args:
        names: paths of files, below the top of a checkout or below an app's folder.
        mounts: the sources of the app's mounts.
        code: the ``product_code`` of the project's settings, which decides where it is known.
    """
    known = _CODES.get(code) if isinstance(code, str) else None
    if known is not None:
        return known
    files = list(names)
    flex, fixed = any(map(_FLEX.fullmatch, files)), any(map(_FIXED.fullmatch, files))
    if flex or fixed:
        return "both" if flex and fixed else "flex" if flex else "fixed"
    found = {_SOURCES[source] for source in mounts if source in _SOURCES}
    return found.pop() if len(found) == 1 else None


def product_here(environ: Mapping[str, str]) -> Product | None:
    """Return the product of this container, or of the checkout that is the working directory."""
    base = environ.get("PLATFORM_APP_DIR") or os.curdir
    names = [f".upsun/{name}" for name in _listed(f"{base}/.upsun")]
    names += [f".platform/{name}" for name in _listed(f"{base}/.platform")]
    names += [".platform.app.yaml"] if os.path.isfile(f"{base}/.platform.app.yaml") else []
    return product_of(names, _sources(environ))


def product_words(text: str, product: Product | None) -> str:
    """Return a message in the words of the product: on Fixed other files, mounts and another CLI than on Flex."""
    if product != "fixed":
        return text
    for flex, fixed in _IN_FIXED:
        text = text.replace(flex, fixed)
    return _CALL.sub("platform ", text)


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _sources(environ: Mapping[str, str]) -> list[str]:
    """Return the sources of the mounts of this container's app."""
    try:
        mounts: Any = decoded(environ, "PLATFORM_APPLICATION").get("mounts")
    except ConfigInvalid:
        return []
    found = mounts.values() if isinstance(mounts, dict) else ()
    return [str(each.get("source")) for each in found if isinstance(each, dict)]
