"""The release in an app's repository: what to write into its folder, and what of it is exactly as it was released."""

from __future__ import annotations

import re
from collections.abc import Mapping
from shlex import quote

from upsun_agent import __version__
from upsun_agent.errors import ConfigInvalid, UsageError

from upsun_setup.app import App
from upsun_setup.checkout import Checkout
from upsun_setup.delivery import ATTRIBUTES, FOLDER, Delivery, Way, fetched, submodule, vendored
from upsun_setup.hook import Block
from upsun_setup.plan_record import FileChange, Plan
from upsun_setup.preview import path
from upsun_setup.published import RELEASES
from upsun_setup.release import URL, own_release, sha256

_ARCHIVE = re.compile(r"upsun-agent-[0-9A-Za-z.]+\.tar")
_PIN = re.compile(rb"^(version|sha256)=([0-9A-Za-z.]+)$", re.MULTILINE)


def delivery_of(options: Mapping[str, object], block: Block | None) -> Delivery:
    """Return the way that the options name, else the one of the hook, else the default.

    Args:
        options: ``vendor``, ``submodule`` and ``url``, as the command line has them.
        block: the lines of the hook that install the agent; None where there are none.

    Raises:
        UsageError: no URL is known for a release, or it is not one that a hook can hold.
    """
    named: dict[Way, bool] = {
        "vendor": bool(options["vendor"]),
        "submodule": options["submodule"] is not None,
        "url": options["url"] is not None,
    }
    default: Way = "url" if RELEASES else "vendor"
    way = next((each for each, wanted in named.items() if wanted), block.way if block is not None else default)
    if way == "submodule":
        return submodule()
    if way == "vendor":
        return vendored(own_release())
    releases = str(options["url"] or "") or (block.releases if block is not None else "") or RELEASES
    if not releases:
        remedy = "name the URL where you put them (--url https://...), or use --vendor: docs/how-to/install.md"
        raise UsageError("no releases of the agent are published", remedy=remedy)
    if not URL.fullmatch(releases.rstrip("/")):
        remedy = "give the URL of the folder that holds v0.1.0 and the other versions, without a login or a query"
        raise UsageError(f"--url is not the URL of a folder: {releases[:80]}", remedy=remedy)
    return fetched(own_release(), releases.rstrip("/"), own=RELEASES)


def release_changes(checkout: Checkout, app: App, delivery: Delivery, plan: Plan) -> list[FileChange]:
    """Return what to write and what to delete, so that the app's folder holds just the files of this delivery.

    Args:
        checkout: the files.
        app: the app.
        delivery: the way; another one than ``vendor`` needs no files.
        plan: gets a remark about files that stay.

    Raises:
        ConfigInvalid: a submodule is in the place of the folder.
    """
    folder = app.file(FOLDER)
    if delivery.way == "submodule" and checkout.has(f"{folder}/.git"):
        return []
    if delivery.files and checkout.has(f"{folder}/.git"):
        text = f"{folder} is a Git submodule, and the files of the release belong there"
        raise ConfigInvalid(text, remedy=f"remove it first: git rm {folder}")
    wanted = {app.file(name): content for name, content in delivery.files.items()}
    changes = [FileChange(name, checkout.release_file(name), content) for name, content in wanted.items()]
    gone = [change for change in folder_removed(checkout, folder, plan) if change.path not in wanted]
    return [*(change for change in changes if change.old != change.new), *gone]


def submodule_command(checkout: Checkout, app: App, delivery: Delivery, url: str, plan: Plan) -> str:
    """Return the command that adds the agent's repository as a submodule; empty where that is not needed.

    Args:
        checkout: the files.
        app: the app.
        delivery: the way to get the release into the build.
        url: the URL of the agent's repository; empty if it is not known.
        plan: the changes; where they delete a release, Git has to forget it first.
    """
    folder = app.file(FOLDER)
    if delivery.way != "submodule" or checkout.has(f"{folder}/.git"):
        return ""
    forget = f"git rm -r -q --cached --ignore-unmatch {path(folder)} && " if plan.files else ""
    return f"{forget}git submodule add {quote(url or 'URL')} {path(folder)}"


def folder_removed(checkout: Checkout, folder: str, plan: Plan) -> list[FileChange]:
    """Return the deletion of all files of a release that are as they were released.

    Args:
        checkout: the files.
        folder: the folder of the release.
        plan: gets a remark about files that stay.
    """
    installer = checkout.release_file(f"{folder}/install.sh")
    pins = {name: value.decode() for name, value in _PIN.findall(installer or b"")}
    archive = f"upsun-agent-{pins.get(b'version', '')}.tar"
    changes, kept = [], []
    for name in checkout.names(folder):
        place = f"{folder}/{name}"
        if name not in {".gitattributes", "install.sh"} and not _ARCHIVE.fullmatch(name):
            kept.append(place)
            continue
        content = checkout.release_file(place)
        intact = {
            ".gitattributes": content == ATTRIBUTES.encode(),
            "install.sh": len(pins) == 2,  # noqa: PLR2004  the version and the hash
            archive: content is not None and sha256(content) == pins.get(b"sha256"),
        }
        if content is not None and intact.get(name, False):
            changes.append(FileChange(place, content, None))
        else:
            kept.append(place)
    if kept:
        plan.say(
            f"not a file of a release as it was made: {', '.join(kept)}", "it stays; delete it if nothing needs it"
        )
    return changes


def tell_versions(checkout: Checkout, app: App, block: Block, plan: Plan) -> None:
    """Add the old and the new version to the plan, with a warning where the new one is older.

    Args:
        checkout: the files, of which ``install.sh`` is read where the release is in the repository.
        app: the app whose folder has the release.
        block: the lines of the build hook that install the agent now; their version, where they name one, comes first.
        plan: the changes so far: nothing is added where it changes no file.
    """
    installer = checkout.release_file(f"{app.file(FOLDER)}/install.sh") if block.way == "vendor" else b""
    pins = {name: value.decode() for name, value in _PIN.findall(installer or b"")}
    before = block.version or pins.get(b"version", "")
    if not plan.paths or not before:
        return
    moved = f"{before} -> {__version__}" if before != __version__ else f"another build of {before}"
    plan.done.append(f"the agent: {moved}")
    if _number(before) > _number(__version__):
        plan.say(f"{before} is newer than {__version__}", "it may not read the state: docs/how-to/upgrade.md")


def _number(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]
