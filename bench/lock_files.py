"""Lock files as large as those of large applications, before and after an update of a third of their packages."""

from __future__ import annotations

import json
import random
from hashlib import sha1
from typing import Any

#: The sizes, in bytes, that the agent is held to.
COMPOSER, NPM, PNPM, YARN = 2_000_000, 5_000_000, 1_000_000, 1_000_000
WORDS = (
    *("cache", "config", "console", "core", "debug", "event", "finder", "form", "http", "log"),
    *("mail", "model", "queue", "render", "router", "string", "test", "text", "view"),
)
KNOWN = 2000  # packages of which each requires some


def names(vendor: str) -> list[str]:
    """Return names of packages."""
    return [f"{vendor}{number % 97}/{WORDS[number % len(WORDS)]}-{number}" for number in range(KNOWN * 10)]


class Versions:
    """Versions that are the same in each call, but for every third one after an update."""

    def __init__(self, *, updated: bool) -> None:
        self._dice = random.Random(2026)  # noqa: S311  the same packages each time  # nosec B311
        self._updated = updated

    def next(self) -> str:
        """Return the version of the next package."""
        major, minor = self._dice.randint(1, 9), self._dice.randint(0, 20)
        changes = self._dice.randrange(3) == 0
        return f"{major}.{minor + (self._updated and changes)}.0"

    def some(self, known: list[str], many: int) -> dict[str, str]:
        """Return so many packages that the next one requires."""
        return dict.fromkeys(self._dice.sample(known[:KNOWN], many), "^1.0")


def _hash(name: str) -> str:
    return sha1(name.encode(), usedforsecurity=False).hexdigest()


def composer_lock(size: int = COMPOSER, *, updated: bool = False) -> bytes:
    """Return a composer.lock of about so many bytes."""
    known, versions, packages, total = names("vendor"), Versions(updated=updated), [], 0
    for name in known:
        package: dict[str, Any] = {
            "name": name,
            "version": versions.next(),
            "source": {"type": "git", "url": f"https://git.example/{name}.git", "reference": _hash(name)},
            "dist": {"type": "zip", "url": f"https://packages.example/{name}/zipball", "reference": _hash(name)},
            "require": versions.some(known, 4),
            "require-dev": {"phpunit/phpunit": "^9.6", "phpstan/phpstan": "^1.8"},
            "type": "library",
            "extra": {"branch-alias": {"dev-main": "1.x-dev"}},
            "autoload": {"psr-4": {f"{name.title()}\\": "src/"}},
            "license": ["MIT"],
            "authors": [{"name": "An Author", "email": "author@example.com"}],
            "description": f"What {name} does",
            "time": "2026-01-01T00:00:00+00:00",
        }
        packages.append(package)
        total += len(json.dumps(package, indent=4)) + 400  # it is indented twice more
        if total > size:
            break
    return json.dumps({"content-hash": "0", "packages": packages, "packages-dev": []}, indent=4).encode()


def package_lock(size: int = NPM, *, updated: bool = False) -> bytes:
    """Return a package-lock.json of version 3 of about so many bytes."""
    known, versions, total = names("@scope"), Versions(updated=updated), 0
    packages: dict[str, Any] = {"": {"name": "app", "dependencies": dict.fromkeys(known[:50], "*")}}
    for name in known:
        package = {
            "version": versions.next(),
            "resolved": f"https://packages.example/{name}/-/package.tgz",
            "integrity": f"sha512-{_hash(name)}{_hash(name)}==",
            "license": "MIT",
            "dependencies": versions.some(known, 3),
            "engines": {"node": ">=10"},
        }
        packages[f"node_modules/{name}"] = package
        total += len(json.dumps(package, indent=2)) + 100
        if total > size:
            break
    return json.dumps({"name": "app", "lockfileVersion": 3, "packages": packages}, indent=2).encode()


def pnpm_lock(size: int = PNPM, *, updated: bool = False) -> bytes:
    """Return a pnpm-lock.yaml of version 9 of about so many bytes."""
    known, versions, total = names("@scope"), Versions(updated=updated), 0
    parts = ["lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n"]
    parts += [f"      '{name}':\n        specifier: '*'\n        version: 1.0.0\n" for name in known[:50]]
    parts.append("\npackages:\n")
    for name in known:
        integrity = f"{{integrity: sha512-{_hash(name)}{_hash(name)}==}}"
        parts.append(f"\n  '{name}@{versions.next()}':\n    resolution: {integrity}\n    engines: {{node: '>=10'}}\n")
        total += len(parts[-1])
        if total > size:
            break
    return "".join(parts).encode()


def yarn_lock(size: int = YARN, *, updated: bool = False) -> bytes:
    """Return a yarn.lock of yarn 1 of about so many bytes."""
    known, versions, total = names("@scope"), Versions(updated=updated), 0
    parts = ["# yarn lockfile v1\n\n"]
    for name in known:
        needs = "".join(f'    "{other}" "^1.0"\n' for other in versions.some(known, 3))
        place = f"https://packages.example/{name}/-/package.tgz#{_hash(name)}"
        parts.append(f'\n"{name}@^1.0":\n  version "{versions.next()}"\n  resolved "{place}"\n  dependencies:\n{needs}')
        total += len(parts[-1])
        if total > size:
            break
    return "".join(parts).encode()
