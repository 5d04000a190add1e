"""The packages that a run's commits changed, on the HTML page: a table for each ecosystem, major changes first."""

from __future__ import annotations

from upsun_agent.engine.run import Run
from upsun_agent.limits import REPORT_PACKAGES
from upsun_agent.model.packages import Change, ChangeKind, Ecosystem, counted
from upsun_agent.report.html import Child, Html, el, foreign
from upsun_agent.text.package_text import CommitChanges, by_ecosystem, changes_of, page_of

#: The names of ecosystems as people write them.
NAMES = {
    Ecosystem.CARGO: "Cargo",
    Ecosystem.COMPOSER: "Composer",
    Ecosystem.GEM: "Ruby gems",
    Ecosystem.GOLANG: "Go modules",
    Ecosystem.HEX: "Hex",
    Ecosystem.MAVEN: "Maven",
    Ecosystem.NPM: "npm",
    Ecosystem.NUGET: "NuGet",
    Ecosystem.PYPI: "PyPI",
}
#: Classes of badges for kinds that need a look.
TONES = {ChangeKind.MAJOR: "badge odd", ChangeKind.REMOVED: "badge", ChangeKind.ADDED: "badge"}


def packages(run: Run) -> list[Html]:
    """Return the tables of what each commit of the run changed; none where nothing is known."""
    return [part for each in changes_of(run) for part in _commit(each)]


def _commit(found: CommitChanges) -> list[Html]:
    count = counted(found.files)
    parts = [el("h3", "Commit ", el("code", found.commit[:8]), f" changed {count}")] if count else []
    room = REPORT_PACKAGES
    for ecosystem, changes in by_ecosystem(found.files).items():
        shown = changes[:room]
        room -= len(shown)
        if shown:
            parts.append(_table(ecosystem, shown, len(changes)))
    hidden = sum(len(file.changes) + file.more for file in found.files) - (REPORT_PACKAGES - room)
    if hidden > 0 and count:
        parts.append(el("p", f"and {hidden} more: upsun-agent changes", class_="dim"))
    parts += [el("p", "Not read: ", foreign(text), class_="text odd") for text in found.warnings]
    return parts


def _table(ecosystem: Ecosystem, changes: list[Change], count: int) -> Html:
    caption = f"{NAMES[ecosystem]}: {count} {'package' if count == 1 else 'packages'}"
    head = el("tr", [el("th", name, scope="col") for name in ("Package", "Before", "After", "Kind")])
    table = el(
        "table",
        el("caption", caption),
        el("thead", head),
        el("tbody", [_row(each) for each in changes]),
        class_="plain packages",
    )
    return el("div", table, class_="wide")


def _row(change: Change) -> Html:
    page = page_of(change)
    name: Child = foreign(change.name)
    if page is not None:
        name = el("a", name, href=page, rel="noreferrer noopener")
    kind = "lower" if change.downgrade else change.kind.value
    tone = "badge odd" if change.downgrade else TONES.get(change.kind)
    return el(
        "tr",
        el("th", name, el("span", " indirect", class_="dim") if change.direct is False else None, scope="row"),
        *(el("td", foreign(text) if text is not None else "–") for text in (change.before, change.after)),  # noqa: RUF001  a dash for no version
        el("td", el("span", kind, class_=tone) if tone else kind),
    )
