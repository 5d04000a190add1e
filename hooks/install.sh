#!/bin/sh
# Fetch one release of upsun-agent, check it, and install it into the app, from an app's build hook:
#
#     curl -fsS --retry 5 -LO https://.../install.sh
#     echo "THE SHA-256 OF THIS FILE  install.sh" | sha256sum -c -
#     sh install.sh
#
# That one hash pins everything: this file holds the archive's, the archive holds those of its dependencies. Nothing
# of the archive is unpacked or run before its hash has been found right, wherever it came from.
#
#   UPSUN_AGENT_SOURCE    a URL that holds the archive, a directory that holds it (and perhaps wheels), or a checkout
#                         (default: this release's URL)
#   UPSUN_AGENT_TIMEOUT   seconds for one try to fetch it (default: 60)
#   UPSUN_AGENT_TARGET, UPSUN_AGENT_EXTRA, UPSUN_AGENT_PYTHON, UPSUN_AGENT_WHEELS: see build.sh
set -eu
umask 022

# The next two lines are filled in when a release is made (tools/dist.py).
version=
sha256=

tries=5
most_wait=30 # seconds; a Retry-After beyond it is cut, because a build hook must end

# What is started here never needs the token. A stand-in stays, so that the agent's check can still warn of it.
[ -z "${UPSUN_CLI_TOKEN:+set}" ] || UPSUN_CLI_TOKEN=hidden-by-the-build-hook
unset PLATFORMSH_CLI_TOKEN

say() { printf 'upsun-agent: %s\n' "$*"; }
fail() {
    printf 'upsun-agent: %s\n' "$1" >&2
    [ -z "${2:-}" ] || printf '  %s\n' "$2" >&2
    exit 1
}

find_python() {
    found=$(command -v "${UPSUN_AGENT_PYTHON:-python3}" 2>/dev/null) ||
        fail "there is no python3 in this image" "composable image: list python@3.13 under stack.runtimes"
    python=$("$found" -c 'import sys; print(sys.executable)') || fail "$found does not start"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$("$python" -V) is too old, 3.11 is the least" \
            "type: python:3.13, or on a composable image python@3.13 under stack.runtimes"
}

hash_of() {
    "$python" -IS -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"
}
is_right() { [ "$(hash_of "$1")" = "$sha256" ]; }

# Is exactly this already installed, for this very interpreter, and does it still pass its own check?
is_installed() {
    [ -f "$target/installed" ] || return 1
    [ "$(cat "$target/installed")" = "archive $sha256
python $python $("$python" -V)
extra ${UPSUN_AGENT_EXTRA:-}" ] || return 1
    "$target/bin/upsun-agent" check --phase build >"$work/check" 2>&1 || return 1
    cat "$work/check"
}

# One try: prints the HTTP status, or 000 where no whole answer came, then the seconds of Retry-After.
fetch_once() {
    : >"$work/headers"
    if command -v curl >/dev/null 2>&1; then
        status=$(curl --silent --show-error --location --proto '=https,http' --connect-timeout 20 \
            --max-time "$timeout" --max-filesize 50000000 --dump-header "$work/headers" --output "$2" \
            --write-out '%{http_code}' "$1" 2>"$work/error") || status=000
        wait=$(tr -d '\r' <"$work/headers" | sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9]\{1,9\}\)$/\1/p' | tail -n 1)
        printf '%s %s\n' "$status" "$wait"
        return
    fi
    "$python" -I - "$1" "$2" "$timeout" 2>"$work/error" <<'PYTHON' || printf '000 \n'
import sys, time, urllib.error, urllib.request
url, file, seconds = sys.argv[1:]
end = time.monotonic() + float(seconds)
try:
    with urllib.request.urlopen(url, timeout=min(20, float(seconds))) as reply, open(file, "wb") as output:
        size = 0
        while block := reply.read1(65536):
            size += output.write(block)
            if time.monotonic() > end or size > 50_000_000:
                sys.exit("it took too long or is too large")
        if size != int(reply.headers.get("Content-Length") or size):
            sys.exit("the connection was cut")
        print(reply.status)
except urllib.error.HTTPError as error:
    wait = error.headers.get("Retry-After") or ""
    print(error.code, wait if wait.isdigit() and len(wait) < 10 else "")
except Exception as error:
    sys.exit(str(error))
PYTHON
}

fetch() { # URL, file
    try=1
    pause=2
    while :; do
        answer=$(fetch_once "$1" "$2")
        status=${answer%% *}
        wait=${answer#"$status"}
        wait=${wait# }
        case $status in
            200) return ;;
            000) what="no whole answer ($(tail -n 1 "$work/error" | cut -c 1-200 | sed "$without_login"))" ;;
            403 | 408 | 429 | 5??) what="HTTP $status" ;;
            404) fail "$shown is not there (HTTP 404)" "UPSUN_AGENT_SOURCE has to be a URL that holds $name" ;;
            *) fail "$shown cannot be had (HTTP $status)" "see what that server wants, or use a local UPSUN_AGENT_SOURCE" ;;
        esac
        [ "$try" -lt "$tries" ] ||
            fail "$shown cannot be had after $tries tries: $what" \
                "build again later, or set UPSUN_AGENT_SOURCE to a mirror or to a directory that holds $name"
        [ "${wait:-0}" -gt "$pause" ] || wait=$pause
        [ "$wait" -le "$most_wait" ] || wait=$most_wait
        try=$((try + 1))
        say "$shown: $what; try $try of $tries in $wait s"
        sleep "$wait"
        pause=$((pause * 2))
    done
}

take_from_cache() {
    [ -n "$cache" ] || return 1
    [ -e "$cache/$name" ] || [ -L "$cache/$name" ] || return 1
    # All branches share this directory, so it is no more trusted than the network; and what is checked is a private
    # copy, so that nobody can change it between the check and its use.
    if [ -f "$cache/$name" ] && [ ! -L "$cache/$name" ] && cp -- "$cache/$name" "$work/$name" && is_right "$work/$name"; then
        return
    fi
    say "$name in the build cache is not the pinned one: removed"
    rm -rf -- "${cache:?}/$name" "${work:?}/$name"
    return 1
}

put_into_cache() {
    [ -n "$cache" ] || return 0
    cp -- "$work/$name" "$cache/$name.new-$$" 2>/dev/null && mv -f -- "$cache/$name.new-$$" "$cache/$name" || :
}

# Everything is in functions, so that a file that was cut somewhere runs nothing.
main() {
    source=${UPSUN_AGENT_SOURCE:-}
    if [ -n "$source" ] && [ -f "$source/hooks/build.sh" ]; then
        say "$source is a checkout: no hash is checked, its commit is what pins it"
        exec sh "$source/hooks/build.sh"
    fi
    version=${version:-${UPSUN_AGENT_VERSION:-}}
    sha256=${sha256:-${UPSUN_AGENT_SHA256:-}}
    case $version in
        "" | *[!0-9A-Za-z.]*) fail "this install.sh is not one of a release: it names no version" \
            "take the one from a release, or set UPSUN_AGENT_VERSION and UPSUN_AGENT_SHA256" ;;
    esac
    case $sha256 in
        *[!0-9a-f]*) sha256= ;;
    esac
    [ "${#sha256}" -eq 64 ] || fail "this install.sh is not one of a release: it holds no SHA-256 of the archive" \
        "take the one from a release, or set UPSUN_AGENT_VERSION and UPSUN_AGENT_SHA256"
    name=upsun-agent-$version.tar
    source=${source:-https://github.com/upsun-agent/upsun-agent/releases/download/v$version}
    timeout=${UPSUN_AGENT_TIMEOUT:-60}
    case $timeout in
        "" | 0 | *[!0-9]*) fail "UPSUN_AGENT_TIMEOUT is '$timeout'" "it is a number of seconds" ;;
    esac
    without_login='s#//[^/@ ]*@#//#g'
    find_python
    target=${UPSUN_AGENT_TARGET:-${PLATFORM_APP_DIR:-$PWD}/.upsun-agent}

    work=$(mktemp -d) || fail "no temporary directory can be made" "TMPDIR has to be writable in the build hook"
    trap 'rm -rf -- "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM

    if is_installed; then
        say "version $version is already installed in $target and passes its check: nothing to do"
        return
    fi
    cache=
    if [ -n "${PLATFORM_CACHE_DIR:-}" ] && mkdir -p "$PLATFORM_CACHE_DIR/upsun-agent" 2>/dev/null; then
        cache=$PLATFORM_CACHE_DIR/upsun-agent
    fi
    wheels=${UPSUN_AGENT_WHEELS:-}
    case $source in
        https://* | http://*)
            url=${source%/}/$name
            shown=$(printf '%s\n' "$url" | sed "$without_login")
            if take_from_cache; then
                say "$name comes from the build cache"
            else
                fetch "$url" "$work/$name"
                is_right "$work/$name" || fail "$shown is not the pinned archive: nothing of it was used
  wanted $sha256
  got    $(hash_of "$work/$name")" "do not use what is served there; ask whoever runs that server"
                put_into_cache
            fi ;;
        *)
            [ -d "$source" ] || fail "UPSUN_AGENT_SOURCE is neither a URL nor a directory: $source"
            source=$(CDPATH='' cd -- "$source" && pwd -P)
            [ -f "$source/$name" ] || fail "$source does not hold $name" "put the archive of version $version there"
            cp -- "$source/$name" "$work/$name"
            is_right "$work/$name" || fail "$source/$name is not the pinned archive: nothing of it was used
  wanted $sha256
  got    $(hash_of "$work/$name")" "put the archive of version $version there again"
            # The agent's own wheel lies beside the archive in every release: it is no dependency.
            [ -n "$wheels" ] || for wheel in "$source"/*.whl; do
                case ${wheel##*/} in
                    upsun_agent-*) ;;
                    *) [ ! -e "$wheel" ] || wheels=$source ;;
                esac
            done ;;
    esac

    "$python" -IS - "$work/$name" "$work" <<'PYTHON' || fail "$name cannot be unpacked" "is there room in $work?"
import sys, tarfile
with tarfile.open(sys.argv[1], "r:") as archive:
    archive.extractall(sys.argv[2], **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
PYTHON
    UPSUN_AGENT_WHEELS=$wheels sh "$work/upsun-agent-$version/hooks/build.sh" "$sha256"
}

main
