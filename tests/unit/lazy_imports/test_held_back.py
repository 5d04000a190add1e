"""Stand-ins for modules: there while it is asked for, nothing lost, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from upsun_agent.lazy_imports import LazyModule, held_back, lazy_function

from tests.harness.sources import REPOSITORY


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package ``held`` with modules that tell of their import, and a library that imports them."""
    directory = tmp_path / "held"
    directory.mkdir()
    (directory / "__init__.py").write_text("")
    for name in ("one", "two"):
        (directory / f"{name}.py").write_text(f"value = '{name}'\ndef said(*words): return ('{name}', *words)\n")
    (tmp_path / "holder.py").write_text("import held.one\nimport held.two as two\ndef use(): return held.one.value\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("held", "held.one", "held.two", "holder"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_a_held_module_is_imported_when_something_of_it_is_used() -> None:
    with held_back("held.one", "held.two"):
        import holder
    assert not {"held.one", "held.two"} & sys.modules.keys()
    assert holder.use() == "one"
    assert type(sys.modules["held.one"]) is ModuleType
    assert "held.two" not in sys.modules
    assert holder.two.said(2) == ("two", 2)


def test_it_may_be_used_while_it_is_held() -> None:
    with held_back("held.one"):
        import holder

        assert holder.use() == "one"
        assert type(sys.modules["held.one"]) is ModuleType
    assert type(sys.modules["held.one"]) is ModuleType


def test_who_imports_it_later_gets_the_real_one() -> None:
    with held_back("held.one"):
        import holder
    import held.one

    assert type(held.one) is ModuleType
    assert holder.held.one is held.one


def test_what_is_imported_already_stays() -> None:
    import held.one

    with held_back("held.one", absent=("held.one",)):
        import holder
    assert sys.modules["held.one"] is holder.held.one is held.one


def test_a_given_stand_in_is_found_even_then_and_taken_away_again() -> None:
    import held.one

    real = held.one
    with held_back(LazyModule("held.one", value="given")):
        import holder

        assert (holder.held.one.value, holder.held.one.said) == ("given", real.said)
    assert sys.modules["held.one"] is holder.held.one is real


def test_absent_modules_fail_to_import_and_only_meanwhile() -> None:
    with held_back(absent=("held.one",)), pytest.raises(ImportError):
        import holder
    import holder

    assert holder.use() == "one"


def test_what_the_real_module_has_not_is_missing_and_a_module_that_is_not_there_says_so() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        LazyModule("held.one").nothing  # noqa: B018  asking is the test
    with pytest.raises(ModuleNotFoundError, match=r"held\.three"):
        LazyModule("held.three").value  # noqa: B018  same
    assert not hasattr(LazyModule("held.one"), "__path__")


def test_an_error_in_the_block_leaves_nothing_behind() -> None:
    with pytest.raises(RuntimeError), held_back("held.one", LazyModule("held.two"), absent=("nowhere",)):
        raise RuntimeError
    assert not {"held.one", "held.two", "nowhere"} & sys.modules.keys()


def test_a_late_function_imports_its_module_when_it_is_called() -> None:
    call = lazy_function("held.one", "said")
    assert "held.one" not in sys.modules
    assert call("a") == ("one", "a")


def test_what_a_tick_holds_back_is_there_for_whoever_needs_it() -> None:
    code = """
import sys
from upsun_agent.cli.cron import ABSENT, HELD_BACK
from upsun_agent.lazy_imports import LazyModule, defer_imports, held_back
defer_imports()
NAMES = [getattr(each, "__name__", each) for each in HELD_BACK]
assert not set(NAMES) & sys.modules.keys(), "imported before it could be held back"
with held_back(*HELD_BACK, absent=ABSENT):
    import upsun_agent.cli.context, upsun_agent.runtime.tick
    held = {name for name in NAMES if isinstance(sys.modules.get(name), LazyModule)}
import inspect, traceback, textwrap, importlib.util
for name in NAMES:
    if name != "_colorize" or sys.version_info >= (3, 13):
        assert not isinstance(importlib.import_module(name), LazyModule), name
assert traceback.linecache.getline(importlib.__file__, 1)
print(*sorted(held))
"""
    done = subprocess.run(
        [
            sys.executable,
            "-ISc",
            f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); sys.path += {sys.path!r}\n{code}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert {"inspect", "email.message"} <= set(done.stdout.split())


def test_what_was_given_to_httpx_is_not_what_others_get_later() -> None:
    code = (
        "import upsun_agent.api.http\n"
        "import requests, http.cookiejar, urllib.request\n"
        "from http import cookiejar\n"
        "assert issubclass(type(requests.Session().cookies), http.cookiejar.CookieJar)\n"
        "assert cookiejar.CookieJar.__module__ == 'http.cookiejar'\n"
        "assert urllib.request.Request('http://a.invalid/').host == 'a.invalid'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_let_in_is_imported_for_real_from_then_on() -> None:
    code = (
        "import sys\n"
        "from upsun_agent.lazy_imports import LazyModule, held_back, end_stubbing\n"
        "with held_back('importlib.resources', absent=('tomllib',)):\n"
        "    assert isinstance(sys.modules['importlib.resources'], LazyModule)\n"
        "    end_stubbing()\n"
        "    import importlib.abc, tomllib\n"
        "    assert not isinstance(sys.modules['importlib.resources'], LazyModule)\n"
        "assert not isinstance(sys.modules['importlib.resources'], LazyModule)\n"
        "end_stubbing()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_stand_in_can_be_held_back_twice() -> None:
    code = (
        "from upsun_agent.lazy_imports import LazyModule, held_back\n"
        "lean = LazyModule('colorsys', rgb_to_hsv='given')\n"
        "for _ in range(2):\n"
        "    with held_back(lean):\n"
        "        import colorsys\n"
        "        assert colorsys.rgb_to_hsv == 'given'\n"
        "    assert lean.rgb_to_hsv != 'given'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
