"""composer.lock (https://getcomposer.org/doc/01-basic-usage.md#commit-your-composer-lock-file-to-version-control)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Raw, Struct

from upsun_agent.packages.manifest import composer_json
from upsun_agent.packages.records import Package
from upsun_agent.packages.source import Source, check_keys, commit_in, json_of


class _Locked(Struct):
    #: The name, such as ``drupal/core``.
    name: str
    #: The version, such as ``11.2.3``, ``v7.1.0`` or ``dev-main``.
    version: str
    #: Where its repository is, with the commit.
    source: Raw = Raw()
    #: Where its archive is, with the commit; some packages have only this one.
    dist: Raw = Raw()


class _Reference(Struct):
    #: The commit, or another mark of the content.
    reference: str | None = None


class _Lock(Struct, rename="kebab"):
    #: The packages that the project needs.
    packages: list[_Locked]
    #: Those that only its development needs; null in some files.
    packages_dev: list[_Locked] | None = None


def read(source: Source) -> Iterator[Package]:
    """Yield the packages. A branch, which has no number, is locked to a commit."""
    direct = composer_json(source)
    check_keys(source.data)
    lock = json_of(source.data, _Lock)
    for each in (*lock.packages, *(lock.packages_dev or ())):
        name = each.name.lower()
        is_branch = each.version.startswith("dev-") or each.version.endswith("-dev")
        commit = (_commit(each.source) or _commit(each.dist)) if is_branch else ""
        yield Package(name, each.version, commit, None if direct is None else name in direct)


def _commit(place: Raw) -> str:
    text = bytes(place)
    return commit_in(json_of(place, _Reference).reference or "") if text.startswith(b"{") else ""
