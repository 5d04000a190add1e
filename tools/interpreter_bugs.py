"""Bugs of the interpreter that comes along, to be planted by ``tools.planted_bugs``."""

from __future__ import annotations

_HOOK = "tests/end_to_end/hooks/test_interpreter.py"
_ROOTS = "tests/end_to_end/hooks/test_interpreter_roots.py"
#: Each is its name, the file, the text that becomes another, that other, and the tests that catch it.
INTERPRETER_BUGS: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    (
        "an interpreter whose hash is wrong is unpacked",
        "hooks/interpreter.sh",
        """    [ "${sum%% *}" != "$own" ] || return 0""",
        "    return 0",
        (f"{_HOOK}::test_a_flipped_byte_is_refused_from_a_server",),
    ),
    (
        "members of the interpreter's archive lead where they like",
        "hooks/interpreter.sh",
        r"""awk '!/^python(\/|$)/ || /(^|\/)\.\.(\/|$)/ { print; exit }'""",
        "sed -n '/^$/p'",
        (f"{_HOOK}::test_a_member_outside_of_its_folder_is_refused_whatever_the_hash",),
    ),
    (
        "messages show the login of the interpreter's mirror",
        "hooks/interpreter.sh",
        'if (mode == "shown") print scheme host path',
        'if (mode == "shown") print scheme login host path',
        (f"{_HOOK}::test_a_login_and_a_query_reach_the_server_and_nothing_that_is_printed",),
    ),
    (
        "bundled is not heard where the image's Python would do",
        "hooks/interpreter.sh",
        '        bundled) choose_own "UPSUN_AGENT_PYTHON is bundled" && return ;;\n',
        "        bundled) ;;\n",
        (f"{_HOOK}::test_bundled_uses_the_agents_own_whatever_the_image_has",),
    ),
    (
        "a wrong interpreter stays in the build cache",
        "hooks/interpreter.sh",
        '            rm -rf -- "$own_cached"\n',
        "            :\n",
        (f"{_HOOK}::test_what_is_wrong_in_the_cache_is_dropped_and_fetched_again",),
    ),
    (
        "byte code of the interpreter that the build left is kept",
        "hooks/interpreter.sh",
        "-m compileall -q -f --invalidation-mode",
        "-m compileall -q --invalidation-mode",
        (f"{_ROOTS}::test_all_byte_code_of_the_interpreter_is_valid_whatever_the_times_of_its_files",),
    ),
    (
        "the launcher starts the interpreter of where it was built",
        "hooks/build.sh",
        'exec "$here/python/bin/python3" -IS "$0" "$@"\n',
        'exec "/app/.upsun-agent/python/bin/python3" -IS "$0" "$@"\n',
        (f"{_ROOTS}::test_the_interpreter_moves_along",),
    ),
    (
        "init tells as known what is inferred",
        "agent/upsun_setup/image.py",
        '    if python.certainty == "known":\n',
        '    if python.certainty != "unknown":\n',
        ("tests/unit/setup/test_images.py::test_known_inferred_and_unknown_are_told_apart",),
    ),
)
