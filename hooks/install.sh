#!/bin/sh
# Fetch one release of upsun-agent, check it, and install it into the app, from an app's build hook:
#
#     sh .upsun-agent-release/install.sh
#
# This file pins everything: it holds the archive's hash, the archive holds those of its dependencies. Nothing of the
# archive is unpacked or run before its hash has been found right, wherever it came from.
#
#   UPSUN_AGENT_SOURCE    a URL that holds the archive, a directory that holds it (and perhaps wheels), or a checkout
#                         (default: the directory of this file, else where releases are published). A URL may hold a
#                         login and a query: neither is shown.
#   UPSUN_AGENT_TIMEOUT   seconds for one try to fetch it (default: 60)
#   UPSUN_AGENT_TARGET, UPSUN_AGENT_EXTRA, UPSUN_AGENT_WHEELS: see build.sh
#   UPSUN_AGENT_PYTHON, UPSUN_AGENT_INTERPRETER, UPSUN_AGENT_INTERPRETER_SHA256: see interpreter.sh
set -eu
umask 022

# The next four lines are filled in when a release is made (upsun_setup/release.py).
version=
sha256=
size=
releases=

tries=5
most_wait=30 # seconds; a Retry-After beyond it is cut, because a build hook must end

# What is started here never needs the token. A stand-in stays, so that the agent's check can still warn of it.
[ -z "${UPSUN_CLI_TOKEN:+set}" ] || UPSUN_CLI_TOKEN=hidden-by-the-build-hook
unset PLATFORMSH_CLI_TOKEN
# No variable of Python's changes what is started here.
for each in $(env | sed -n 's/^\(PYTHON[A-Za-z0-9_]*\)=.*/\1/p'); do unset "$each"; done

say() { printf 'upsun-agent: %s\n' "$*"; }
fail() {
    printf 'upsun-agent: %s\n' "$1" >&2
    [ -z "${2:-}" ] || printf '  %s\n' "$2" >&2
    exit 1
}

source_dir=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$source_dir/hooks/interpreter.sh"

# Copy a file if it is the pinned archive. What is checked is what is written, and no more is read than the archive has.
# Otherwise print what it is instead: its hash, or that it is larger or no file.
copy_pinned() { # source, copy, "nofollow" to refuse a link
    "$python" -IS - "$sha256" "$most" "$@" <<'PYTHON'
import hashlib, os, stat, sys
sha256, most, source, copy, *nofollow = sys.argv[1:]
try:
    descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | (os.O_NOFOLLOW if nofollow else 0))
    with open(descriptor, "rb") as file:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        content = file.read(int(most) + 1) if is_file else b""
    got = hashlib.sha256(content).hexdigest()
    if is_file and got == sha256:
        with open(copy, "wb") as file:
            file.write(content)
        sys.exit(0)
    print("not a regular file" if not is_file else f"more than {most} bytes" if len(content) > int(most) else got)
except OSError as error:
    print(error.strerror)
sys.exit(1)
PYTHON
}

# Is exactly this already installed, for this very interpreter, and does it still pass its own check?
is_installed() {
    [ -f "$target/installed" ] || return 1
    [ -z "$own" ] || python=$target/python/bin/python3
    [ "$(sed 3q "$target/installed")" = "archive $sha256
python ${own:-$python} $("$python" -V 2>/dev/null)
extra ${UPSUN_AGENT_EXTRA:-}" ] || return 1
    "$target/bin/upsun-agent" check --phase build >"$work/check" 2>&1 || return 1
    cat "$work/check"
}

# Everything that is done with the URL in UPSUN_AGENT_SOURCE. The login and the query in it stay in here: they stand
# in no message, no argument and no trace of this shell.
#   shown        print the archive's URL as messages may show it
#   curl         print what curl is to read from its standard input
#   get FILE N   fetch the archive within N seconds; print the status and Retry-After; 3: it is too large
#   reason FILE  print the last line of the file without anything secret
source_url() {
    "$python" -IS - "$name" "$most" "$@" <<'PYTHON'
import base64, http.client, os, re, sys, threading, urllib.request
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

name, most, mode, *rest = sys.argv[1:]
most = int(most)
# Login, host, path and query; a fragment is for nobody but the client.
found = re.fullmatch(
    r"([Hh][Tt][Tt][Pp][Ss]?)://(?:([^/?#]*)@)?((?:\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::[0-9]{1,5})?)(/[^?#@]*)?(?:\?([^#@]*))?(?:#[^@]*)?",
    os.environ["UPSUN_AGENT_SOURCE"],
)
login = unquote_to_bytes(os.fsencode(found[2] or "")) if found else b""
if found is None or b"\0" in login:
    sys.exit(2)
scheme, host = found[1].lower(), found[3]
path = quote(os.fsencode(found[4] or "").rstrip(b"/"), safe="/%:!$&'()*+,;=~")
query = quote(os.fsencode(found[5] or ""), safe="/%:!$&'()*+,;=~?")
shown = f"{scheme}://{host}{path}/{name}"
url = f"{shown}?{query}" if query else shown
if login and b":" not in login:
    login += b":"  # without it curl asks a terminal for the password


class Answers(urllib.request.HTTPErrorProcessor):
    """Hand over every answer: redirects are followed below, without reading their bodies."""

    def http_response(self, request, response):
        return response

    https_response = http_response


def get(file, seconds):
    def stop():
        sys.stderr.write(f"it took longer than {seconds} s\n")
        sys.stderr.flush()
        os._exit(1)

    end = threading.Timer(int(seconds), stop)
    end.daemon = True
    end.start()
    opener, at = urllib.request.build_opener(Answers), url
    for _ in range(10):
        request = urllib.request.Request(at, headers={"User-Agent": "upsun-agent-install"})
        if login and urlsplit(at)[:2] == (scheme, host):
            request.add_header("Authorization", "Basic " + base64.b64encode(login).decode())
        reply = opener.open(request, timeout=20)
        if reply.status not in (301, 302, 303, 307, 308) or "Location" not in reply.headers:
            break
        at = urljoin(at, quote(reply.headers["Location"].encode("latin-1", "replace"), safe="/%:!$&'()*+,;=~?@#[]"))
        if urlsplit(at).scheme not in {scheme, "https"}:
            sys.exit("it redirects to something that is not " + scheme)
        reply.close()
    wait = reply.headers.get("Retry-After") or ""
    wanted = reply.headers.get("Content-Length")
    size = 0
    with open(file, "wb") as output:
        while reply.status == 200 and (block := reply.read1(65536)):
            size += output.write(block)
            if size > most:
                sys.exit(3)
    if reply.status == 200 and wanted is not None and wanted != str(size):
        sys.exit("the connection was cut")
    print(reply.status, wait if re.fullmatch("[0-9]{1,9}", wait) else "")


def reason(file):
    with open(file, "rb") as errors:
        told = (errors.read(10000).splitlines() or [b""])[-1]
    raw = [os.fsencode(found[2] or ""), os.fsencode(found[5] or "")]
    parts = [part for each in (*raw, login, query.encode()) for part in (each, *re.split(b"[:&=]", each))]
    for secret in sorted({*parts, *map(unquote_to_bytes, parts)}, key=len, reverse=True):
        if len(secret) > 3:
            told = told.replace(secret, b"***")
    # With an @ in it, it may hold the login of a proxy.
    print("" if b"@" in told else re.sub(rb"[^ -~]", b"?", told)[:200].decode())


if mode == "shown":
    print(shown)
elif mode == "curl":
    escapes = {b"\\": b"\\\\", b'"': b'\\"', b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t", b"\v": b"\\v"}
    lines = [b'url = "%s"' % url.encode()]
    if login:
        lines.append(b'user = "%s"' % re.sub(rb'[\\"\n\r\t\v]', lambda one: escapes[one[0]], login))
    sys.stdout.buffer.write(b"\n".join(lines) + b"\n")
elif mode == "reason":
    reason(*rest)
else:
    try:
        get(*rest)
    except (OSError, http.client.HTTPException, ValueError) as error:
        # The words of the others can hold the address of a proxy with its login.
        sys.exit(str(error) if isinstance(error, OSError) else type(error).__name__)
PYTHON
}

# One try: prints the HTTP status, or 000 where no complete answer came, or "large"; then the seconds of Retry-After.
fetch_once() {
    rm -f -- "$1" "$work/headers"
    code=0
    if command -v curl >/dev/null 2>&1; then
        # Neither body nor headers can become larger on the disk, whatever length is sent or not. -q: no .curlrc.
        status=$(
            source_url curl | {
                trap '' XFSZ 2>/dev/null || :
                ulimit -f "$((most / 512 + 1))" 2>/dev/null || :
                exec curl -q --config - --globoff --silent --show-error --location --proto "=$protocols" \
                    --connect-timeout 20 --max-time "$timeout" --max-filesize "$most" \
                    --dump-header "$work/headers" --output "$1" --write-out '%{http_code}' 2>"$work/error"
            }
        ) || code=$?
        if [ "$code" -ne 0 ]; then
            case $status in # the answer itself may be whole where only the body of an error is not
                200) { [ "$code" -ne 63 ] && is_small "$1"; } || status=large ;;
                [45]??) code=0 ;;
            esac
            [ "$code" -eq 0 ] || [ "$status" = large ] || status=000
        fi
        wait=$([ ! -f "$work/headers" ] || tr -d '\r' <"$work/headers" |
            sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9]\{1,9\}\)$/\1/p' | tail -n 1)
        printf '%s %s\n' "$status" "$wait"
        return
    fi
    source_url get "$1" "$timeout" 2>"$work/error" || code=$?
    case $code in
        0) ;;
        3) echo large ;;
        *) echo 000 ;;
    esac
}
is_small() {
    [ ! -f "$1" ] || "$python" -IS -c 'import os, sys; sys.exit(os.path.getsize(sys.argv[1]) > int(sys.argv[2]))' "$1" "$most"
}

not_pinned() { # what, what it is instead, remedy
    fail "$1 is not the pinned archive: it was not used
  wanted $sha256
  got    $2" "$3"
}

fetch() { # file
    try=1
    pause=2
    while :; do
        answer=$(fetch_once "$1")
        status=${answer%% *}
        wait=${answer#"$status"}
        wait=${wait# }
        case $status in
            200) return ;;
            000)
                what=$(source_url reason "$work/error")
                what="no complete answer${what:+ ($what)}" ;;
            large) not_pinned "$shown" "more than $most bytes" "do not use what is served there; ask whoever runs that server" ;;
            403 | 408 | 429 | 5??) what="HTTP $status" ;;
            404) fail "$shown is not there (HTTP 404)" "UPSUN_AGENT_SOURCE has to be a URL that holds $name" ;;
            *) fail "$shown cannot be fetched (HTTP $status)" "see what that server wants, or use a local UPSUN_AGENT_SOURCE" ;;
        esac
        [ "$try" -lt "$tries" ] ||
            fail "$shown cannot be fetched after $tries tries: $what" \
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
    # All branches share this directory, so it is no more trusted than the network.
    copy_pinned "$cache/$name" "$work/$name" nofollow >/dev/null && return
    say "$name in the build cache is not the pinned one: removed"
    rm -rf -- "${cache:?}/$name"
    return 1
}

put_into_cache() { # in a new directory first: another branch could have laid a link under a name that it can guess
    [ -n "$cache" ] || return 0
    beside=$(mktemp -d "$cache/new-XXXXXX" 2>/dev/null) || return 0
    { cp -- "$work/$name" "$beside/$name" && mv -f -- "$beside/$name" "$cache/$name"; } 2>/dev/null || :
    rm -rf -- "$beside"
}

# Unpack the archive, which is $work/$name. Its hash was right; nevertheless nothing in it leads out of its own
# directory, whatever the tarfile of this Python does: all members are looked at before the first one is written.
unpack() {
    "$python" -IS - "$work/$name" "$work" "upsun-agent-$version" <<'PYTHON'
import os, sys, tarfile
archive, place, top = sys.argv[1:]
try:
    with tarfile.open(archive, "r:") as tar:
        seen, left, end = set(), os.path.getsize(archive), 0
        for member in tar:
            parts = member.name.split("/")
            plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE) and member.sparse is None
            left, end = left - member.size, member.offset_data + (member.size + 511) // 512 * 512
            plain = plain and member.size >= 0
            if parts[0] != top or {"", ".", ".."} & set(parts) or not plain or member.name in seen or left < 0:
                sys.exit(f"{member.name!a} is not a plain file or directory in {top}/")
            seen.add(member.name)
        with open(archive, "rb") as rest:  # where a header is not valid, some versions of tarfile stop without a word
            rest.seek(end)
            if rest.read().strip(b"\0"):
                sys.exit("it is not an archive to its end")
        if f"{top}/hooks/build.sh" not in seen:
            sys.exit(f"{top}/hooks/build.sh is missing")
        for member in tar.getmembers():
            path = os.path.join(place, member.name)
            os.makedirs(path if member.isdir() else os.path.dirname(path), exist_ok=True)
            if member.isdir():
                continue
            with open(path, "xb") as file:
                file.write(tar.extractfile(member).read())
            os.chmod(path, 0o755 if member.mode & 0o100 else 0o644)
except Exception as error:
    sys.exit(str(error) or type(error).__name__)
PYTHON
}

# Everything is in functions, so that a file that was cut somewhere runs nothing.
main() {
    # A URL is never put into a variable of this shell, or a trace would show its login.
    source=
    case ${UPSUN_AGENT_SOURCE:-} in
        "" | *://*) ;;
        *) source=$UPSUN_AGENT_SOURCE ;;
    esac
    if [ -n "$source" ] && [ -f "$source/hooks/build.sh" ]; then
        say "$source is a checkout: no hash is checked; its commit pins the version"
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
    if [ -z "${UPSUN_AGENT_SOURCE:+set}" ]; then
        here=$(dirname -- "$0")
        if [ -e "$here/$name" ]; then
            source=$here
        elif [ -n "$releases" ]; then
            export UPSUN_AGENT_SOURCE="$releases/v$version"
        else
            fail "$name is not beside $0" "put it there, or set UPSUN_AGENT_SOURCE to a URL or a directory that holds it"
        fi
    fi
    most=${size:-10000000} # bytes; without a pinned size a ceiling
    timeout=${UPSUN_AGENT_TIMEOUT:-60}
    case $timeout in
        *[!0-9]* | ?????*) timeout= ;;
        *[1-9]*) ;;
        *) timeout= ;;
    esac
    [ -n "$timeout" ] || fail "UPSUN_AGENT_TIMEOUT is '$UPSUN_AGENT_TIMEOUT'" "it is a number of seconds, from 1 to 9999"
    find_python
    target=${UPSUN_AGENT_TARGET:-${PLATFORM_APP_DIR:-$PWD}/.upsun-agent}

    work=$(mktemp -d) || fail "no temporary directory can be created" "TMPDIR has to be writable in the build hook"
    trap 'rm -rf -- "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM

    if is_installed; then
        say "version $version is already installed in $target and passes its check: nothing to do"
        return
    fi
    cache=
    if [ -n "${PLATFORM_CACHE_DIR:-}" ] && mkdir -p "$PLATFORM_CACHE_DIR/upsun-agent" 2>/dev/null &&
        [ ! -L "$PLATFORM_CACHE_DIR/upsun-agent" ]; then
        cache=$PLATFORM_CACHE_DIR/upsun-agent
    fi
    wheels=${UPSUN_AGENT_WHEELS:-}
    [ -z "$own" ] || obtain_own "$cache" ${source:+"$source"} ${wheels:+"$wheels"}
    if [ -z "$source" ]; then
        case $UPSUN_AGENT_SOURCE in
            [Hh][Tt][Tt][Pp]://*) protocols=http,https ;;
            *) protocols=https ;;
        esac
        shown=$(source_url shown) || fail "UPSUN_AGENT_SOURCE is not a valid http or https URL" \
            "in a login or a query write @ as %40, / as %2F, ? as %3F, # as %23 and : as %3A"
        if take_from_cache; then
            say "$name comes from the build cache"
        else
            fetch "$work/fetched"
            got=$(copy_pinned "$work/fetched" "$work/$name") ||
                not_pinned "$shown" "$got" "do not use what is served there; ask whoever runs that server"
            rm -f -- "$work/fetched"
            put_into_cache
        fi
    else
        [ -d "$source" ] || case $source in
            *[@?]*) fail "UPSUN_AGENT_SOURCE is neither a URL nor a directory" "a URL begins with https://" ;;
            *) fail "UPSUN_AGENT_SOURCE is neither a URL nor a directory: $source" ;;
        esac
        source=$(CDPATH='' cd -- "$source" && pwd -P)
        [ -f "$source/$name" ] || fail "$source does not hold $name" "put the archive of version $version there"
        got=$(copy_pinned "$source/$name" "$work/$name") ||
            not_pinned "$source/$name" "$got" "put the archive of version $version there again"
        # The agent's own wheel lies beside the archive in every release: it is no dependency.
        [ -n "$wheels" ] || for wheel in "$source"/*.whl; do
            case ${wheel##*/} in
                upsun_agent-*) ;;
                *) [ ! -e "$wheel" ] || wheels=$source ;;
            esac
        done
    fi
    unset UPSUN_AGENT_SOURCE # nothing below needs it, and it can hold a login

    unpack || fail "$name cannot be unpacked: it was not run" "the line above says why; is there room in $work?"
    UPSUN_AGENT_WHEELS=$wheels sh "$work/upsun-agent-$version/hooks/build.sh" "$sha256" \
        ${own:+"$own" "$work/own" "$own_image"}
}

main
