"""Bugs of what an update changed, and of the simulator's repository, to be planted by ``tools.planted_bugs``."""

from __future__ import annotations

ADVISORY_SUITE = ("tests/unit/simulator/test_simulator_advisories.py",)
CHANGES_SUITE = ("tests/integration/runtime/test_changes_read.py",)
SHOWN_SUITE = ("tests/integration/cli/test_changes_shown.py",)
REPOSITORY_SUITE = ("tests/unit/simulator/test_simulator_repository.py",)

#: Each is its name, the file, the text that becomes another, that other, and the tests that catch it.
CHANGE_BUGS: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    (
        "the id of a commit is made without its parents",
        "agent/upsun_simulator/repository.py",
        '*(f"parent {one}" for one in parents), ',
        "",
        REPOSITORY_SUITE,
    ),
    (
        "a commit that is too new is shown",
        "agent/upsun_simulator/endpoints/git.py",
        "history[sha].origin.at <= shown",
        "history[sha].origin.at <= call.now",
        REPOSITORY_SUITE,
    ),
    (
        "a commit that is still with the code host is shown",
        "agent/upsun_simulator/history.py",
        "        return (sha for sha in self._versions if sha not in self._outside)\n",
        "        return iter(self._versions)\n",
        REPOSITORY_SUITE,
    ),
    (
        "a merge leaves the child's versions behind",
        "agent/upsun_simulator/history.py",
        "ours.locked.get(key), theirs.locked.get(key))",
        "ours.locked.get(key), base.locked.get(key))",
        REPOSITORY_SUITE,
    ),
    (
        "what changed is recorded anew at every look",
        "agent/upsun_agent/engine/changes.py",
        "whole=not answer.unread))",
        "whole=False))",
        ("tests/unit/engine/test_changes.py",),
    ),
    (
        "a run that is done waits for what changed for as long as there is no time",
        "agent/upsun_agent/engine/changes.py",
        """    if why == "time" and now - run.current_since < CHANGES_WITHIN:
""",
        """    if why == "time":
""",
        ("tests/unit/engine/test_changes.py",),
    ),
    (
        "folders that are the same in both commits are read",
        "agent/upsun_agent/runtime/package_changes.py",
        "for pair in pairs if pair[1] != pair[2] for deeper",
        "for pair in pairs for deeper",
        CHANGES_SUITE,
    ),
    (
        "the reason why a lock file cannot be read is lost",
        "agent/upsun_agent/runtime/package_changes.py",
        '        except AgentError as error:\n            text = f"{file.path} cannot be read: {error}"\n',
        '        except NotFound as error:\n            text = f"{file.path} cannot be read: {error}"\n',
        CHANGES_SUITE,
    ),
    (
        "texts of lock files are kept as they are",
        "agent/upsun_agent/runtime/package_changes.py",
        "            name=one_line(each.name, LOCKED_TEXT_MOST),\n",
        "            name=each.name,\n",
        CHANGES_SUITE,
    ),
    (
        "lock files that are known already are read again",
        "agent/upsun_agent/runtime/package_changes.py",
        "in question.done:",
        "in ():",
        CHANGES_SUITE,
    ),
    (
        "a file of another size than the answer says is believed",
        "agent/upsun_agent/api/git.py",
        "        if len(data) != found.size:\n",
        "        if len(data) > found.size:\n",
        CHANGES_SUITE,
    ),
    (
        "a major change stands behind others",
        "agent/upsun_agent/model/packages.py",
        "key=lambda each: (PLACES[each.kind], each.direct",
        "key=lambda each: (0, each.direct",
        SHOWN_SUITE,
    ),
    (
        "packages beyond the first ten are not counted",
        "agent/upsun_agent/text/package_text.py",
        '    return [*lines, f"and {hidden} more"] if hidden > 0 and lines else lines\n',
        "    return lines\n",
        SHOWN_SUITE,
    ),
    (
        "a name that no index has gets a link",
        "agent/upsun_agent/text/package_text.py",
        '    if _NAME.fullmatch(path) is None or ".." in path:\n',
        "    if not path:\n",
        SHOWN_SUITE,
    ),
    (
        "a merge tells the same changes once more",
        "agent/upsun_agent/text/package_text.py",
        "        if changed and changed <= known and not warnings:\n",
        "        if not changed and not warnings:\n",
        SHOWN_SUITE,
    ),
    (
        "a step whose changes were read counts as not over",
        "agent/upsun_agent/text/durations.py",
        "        if step is None or isinstance(event, ev.ChangesRead):",
        "        if step is None:",
        SHOWN_SUITE,
    ),
    (
        "a version that is fixed still has the fault",
        "agent/upsun_simulator/advisory.py",
        "_compared(version, self.fixed) < 0)",
        "_compared(version, self.fixed) <= 0)",
        ADVISORY_SUITE,
    ),
    (
        "a page of advisories does not name the next one",
        "agent/upsun_simulator/endpoints/advisories.py",
        'str(end) if end < len(found) else ""',
        '""',
        ADVISORY_SUITE,
    ),
    (
        "a revert leaves the versions as they are",
        "agent/upsun_simulator/effects/code.py",
        "history[before[0]].content.locked",
        "history[environment.head].content.locked",
        REPOSITORY_SUITE,
    ),
)
