#!/bin/sh
# Install upsun-agent into the app, from an app's build hook:
#
#     hooks:
#       build: |
#         set -e
#         sh upsun-agent/hooks/build.sh
#
# It installs the checkout it lies in and its locked dependencies (hashes checked, wheels only: nothing of theirs
# runs) into $PLATFORM_APP_DIR/.upsun-agent, checks that the result runs, and says what it sees. A failed install
# leaves the previous one. It needs python3 3.11 or newer with pip (or uv).
#
#   UPSUN_AGENT_TARGET   where to install      (default: $PLATFORM_APP_DIR/.upsun-agent)
#   UPSUN_AGENT_EXTRA    simulator: also install what `simulate` and `rehearse` need
#   UPSUN_AGENT_PYTHON   the interpreter       (default: python3)
set -eu

say() { printf 'upsun-agent: %s\n' "$*"; }
fail() {
    printf 'upsun-agent: %s\n' "$1" >&2
    [ -z "${2:-}" ] || printf '  %s\n' "$2" >&2
    exit 1
}

source_dir=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
app_dir=${PLATFORM_APP_DIR:-$PWD}
target=${UPSUN_AGENT_TARGET:-$app_dir/.upsun-agent}
extra=${UPSUN_AGENT_EXTRA:-}
case $extra in
    "") requirements=$source_dir/requirements/runtime.txt ;;
    simulator) requirements=$source_dir/requirements/simulator.txt ;;
    *) fail "UPSUN_AGENT_EXTRA is '$extra'" "it can be: simulator" ;;
esac
[ -f "$requirements" ] || fail "$requirements is missing" "check the agent out whole: hooks/, agent/ and requirements/"

# --- python ----------------------------------------------------------------------------------------------------
python=$(command -v "${UPSUN_AGENT_PYTHON:-python3}" 2>/dev/null) ||
    fail "there is no python3 in this image" "composable image: list python@3.13 under stack.runtimes"
python=$("$python" -c 'import sys; print(sys.executable)') || fail "$python does not start"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" -V) is too old, 3.11 is the least" \
        "type: python:3.13, or on a composable image python@3.13 under stack.runtimes"

# --- install beside the old one, then swap -------------------------------------------------------------------
mkdir -p "$(dirname -- "$target")"
new=$(mktemp -d "$target.new-XXXXXX") || fail "$(dirname -- "$target") is not writable" "run this in the build hook"
trap 'rm -rf "$new" "${helper:-}"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$new/lib" "$new/bin"
chmod 755 "$new"

if [ -n "${PLATFORM_CACHE_DIR:-}" ]; then
    cache=$PLATFORM_CACHE_DIR/upsun-agent
    mkdir -p "$cache" 2>/dev/null || cache=
else
    cache=
fi

# Nothing that is started to install gets to see the token.
without_token() { env -u UPSUN_CLI_TOKEN -u PLATFORMSH_CLI_TOKEN PIP_ROOT_USER_ACTION=ignore "$@"; }
install_with() { # pip, as whatever command it is called here
    without_token "$@" install --quiet --disable-pip-version-check --no-input --require-hashes --only-binary :all: --no-compile \
        --no-deps --no-warn-conflicts --target "$new/lib" ${cache:+--cache-dir "$cache/pip"} -r "$requirements"
}
if "$python" -m pip --version >/dev/null 2>&1; then
    install_with "$python" -m pip
elif command -v uv >/dev/null 2>&1; then
    without_token uv pip install --quiet --python "$python" --require-hashes --only-binary :all: --target "$new/lib" \
        ${cache:+--cache-dir "$cache/uv"} -r "$requirements"
else
    helper=$(mktemp -d)
    "$python" -m venv "$helper" >/dev/null 2>&1 ||
        fail "there is neither pip nor uv nor venv for $python" \
            "declare one in .upsun/config.yaml: dependencies: { python3: { pip: '*' } }, or stack.packages on a composable image"
    install_with "$helper/bin/python" -m pip
fi || fail "the dependencies could not be installed; the previous install is untouched" \
    "see the lines above; a hash that does not match means: do not use what was served"

# The agent itself is plain Python: a copy is an install. Tests and caches stay behind.
(cd "$source_dir" && find agent -name __pycache__ -prune -o -type f -print) | while IFS= read -r file; do
    mkdir -p "$new/lib/$(dirname -- "$file")"
    cp -- "$source_dir/$file" "$new/lib/$file"
done
rm -rf "$new/lib/bin"

# Isolated (-I) and without site (-S): no variable and no package of the app changes how the agent runs.
cat >"$new/bin/upsun-agent" <<LAUNCHER
#!$python -IS
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "lib"))
from agent.__main__ import main
sys.exit(main())
LAUNCHER
chmod 755 "$new/bin/upsun-agent"

# Byte code that is valid whatever happens to modification times: a stale one costs 150 ms at every run, for ever.
"$python" -IS -m compileall -q --invalidation-mode unchecked-hash "$new/lib" >/dev/null ||
    fail "the agent could not be compiled; the previous install is untouched"

# --- self-check: the build fails here if the agent could not run, not the cron at night ----------------------
"$new/bin/upsun-agent" --version >/dev/null || fail "the agent does not start; the previous install is untouched"
"$new/bin/upsun-agent" check --phase build ||
    fail "the agent could not do its work; the previous install is untouched" "see the line that says 'fail' above"
[ ! -e "$target" ] || mv -- "$target" "$new.old"
mv -- "$new" "$target"
rm -rf -- "$new.old"

# On the PATH of crons and SSH sessions, where the image has that directory on it.
case :$PATH: in
    *:"$app_dir/.global/bin":*) mkdir -p "$app_dir/.global/bin" &&
        ln -sf "$target/bin/upsun-agent" "$app_dir/.global/bin/upsun-agent" ;;
esac

say "installed $("$target/bin/upsun-agent" --version) with $("$python" -V) in $target"
