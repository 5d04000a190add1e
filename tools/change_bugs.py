"""Bugs of what an update changed: in the simulator's repository, to be planted by ``tools.planted_bugs``."""

from __future__ import annotations

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
        "a revert leaves the versions as they are",
        "agent/upsun_simulator/effects/code.py",
        "history[before[0]].content.locked",
        "history[environment.head].content.locked",
        REPOSITORY_SUITE,
    ),
)
