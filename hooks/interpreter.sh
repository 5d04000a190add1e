# Find the interpreter that runs the agent: the image's python3, or one that the agent brings along ("its own").
#
# build.sh reads this file with `.`; in the install.sh of a release its text and the pins stand in the place of that
# line. It is POSIX sh, because it runs where there is no Python. Bringing one along needs curl or wget, sha256sum, tar,
# gzip, awk and sed. The caller defines say and fail, and a private directory $work before it calls obtain_own.
#
#   UPSUN_AGENT_PYTHON              the interpreter to use, or "bundled": the agent's own, whatever the image has
#                                   (default: the image's python3; the agent's own where that is missing or too old)
#   UPSUN_AGENT_INTERPRETER         where its own comes from: a file, a directory that holds the pinned file, the URL of
#                                   an archive (.tar.gz), or the URL of a mirror of
#                                   https://github.com/astral-sh/python-build-standalone/releases/download
#   UPSUN_AGENT_INTERPRETER_SHA256  the SHA-256 of an archive that is not the pinned one

own=       # the SHA-256 of the archive, where the agent's own is used
own_image= # what the image has instead: "Python 3.9", "no python3"; empty where nobody looked
own_most=100000000 # bytes of an archive; 200000 blocks of 512

pins() { cat -- "$source_dir/requirements/interpreter.txt"; } # a release has them in here

can_run() { # interpreter: whether an install serves its version
    "$1" -IS -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
}
minor_of() { "$1" -IS -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# Set python to the interpreter; or, where the agent brings its own, set own and leave python for obtain_own.
find_python() {
    remedy="unset UPSUN_AGENT_PYTHON: then the agent uses the image's python3, or brings its own"
    case ${UPSUN_AGENT_PYTHON:-} in
        "") ;;
        bundled) choose_own "UPSUN_AGENT_PYTHON is bundled" && return ;;
        *)
            found=$(command -v "$UPSUN_AGENT_PYTHON" 2>/dev/null) ||
                fail "there is no interpreter '$UPSUN_AGENT_PYTHON' (UPSUN_AGENT_PYTHON)" "$remedy"
            python=$("$found" -IS -c 'import sys; print(sys.executable)') || fail "$found does not start" "$remedy"
            "$python" -IS -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
                fail "$("$python" -V 2>&1) is too old, at least 3.11 is needed" "$remedy"
            return ;;
    esac
    if ! found=$(command -v python3 2>/dev/null); then
        own_image="no python3"
    elif ! python=$("$found" -IS -c 'import sys; print(sys.executable)' 2>/dev/null); then
        own_image="a python3 that does not start"
    elif can_run "$python"; then
        return
    else
        own_image="Python $(minor_of "$python")"
    fi
    choose_own "this image has $own_image"
}

choose_own() { # why
    machine=$(uname -m)
    [ "$machine" != arm64 ] || machine=aarch64
    pin=$(pins | awk -v machine="$machine" '$1 == machine { print $2, $3, $4 }')
    own_version=${pin%% *}
    own_pinned=${pin##* }
    own_name=$(printf '%s\n' "${own_pinned##*/}" | sed 's/%2B/+/g')
    own=${UPSUN_AGENT_INTERPRETER_SHA256:-}
    if [ -z "$own" ]; then
        own=${pin#* }
        own=${own%% *}
        [ -n "$own" ] || fail "$1, and there is no Python for $machine to bring along" \
            "name an interpreter in UPSUN_AGENT_PYTHON, or an archive in UPSUN_AGENT_INTERPRETER with UPSUN_AGENT_INTERPRETER_SHA256"
        say "$1: using the agent's own ${own_version%.*}"
        return
    fi
    case $own in
        *[!0-9a-f]*) own= ;;
    esac
    [ "${#own}" -eq 64 ] || fail "UPSUN_AGENT_INTERPRETER_SHA256 is not a SHA-256" "it has 64 digits, 0 to 9 and a to f"
    [ -n "${UPSUN_AGENT_INTERPRETER:+set}" ] ||
        fail "UPSUN_AGENT_INTERPRETER_SHA256 is set, UPSUN_AGENT_INTERPRETER is not" "name the archive there"
    say "$1: using the interpreter of UPSUN_AGENT_INTERPRETER"
}

# Put the agent's own interpreter into $work/own, and its name into python. Nothing is unpacked before its hash is right.
obtain_own() { # the build cache or "", then directories that may hold the archive
    remedy="add it to the image, or name an interpreter in UPSUN_AGENT_PYTHON"
    for tool in sha256sum tar gzip; do
        command -v "$tool" >/dev/null 2>&1 || fail "$tool is missing: the agent's own Python is not brought along without it" "$remedy"
    done
    own_archive=$work/own.tar.gz
    own_cached=${1:+$1/interpreter-$own.tar.gz}
    shift
    own_file=
    case ${UPSUN_AGENT_INTERPRETER:+set}${UPSUN_AGENT_INTERPRETER:-} in
        *://*) ;;
        set*)
            own_file=$UPSUN_AGENT_INTERPRETER
            [ ! -d "$own_file" ] || own_file=$own_file/$own_name
            [ -f "$own_file" ] || fail "UPSUN_AGENT_INTERPRETER is neither a URL nor a file: $own_file" \
                "a URL begins with https://; a directory has to hold $own_name" ;;
        *) for each; do
            [ ! -f "$each/$own_name" ] || own_file=$each/$own_name
        done ;;
    esac
    if [ -n "$own_file" ]; then
        got=$(take_own "$own_file") || not_own "$own_file" "$got"
    elif [ -n "$own_cached" ] && [ -e "$own_cached" ] && take_own "$own_cached" >/dev/null; then
        say "the agent's own Python comes from the build cache"
        touch -- "$own_cached" 2>/dev/null || :
    else
        if [ -n "$own_cached" ] && { [ -e "$own_cached" ] || [ -L "$own_cached" ]; }; then
            say "the agent's own Python in the build cache is not the pinned one: dropped, it is fetched again"
            rm -rf -- "$own_cached"
        fi
        fetch_own
        got=$(take_own "$work/own.fetched") || not_own "$shown" "$got"
        rm -f -- "$work/own.fetched"
        keep_own
    fi
    unset UPSUN_AGENT_INTERPRETER # nothing below needs it, and it can hold a login
    unpack_own
}

not_own() { # what, what it is instead
    fail "$1 is not the pinned interpreter: it was not used
  wanted $own
  got    $2" "do not use it; an archive of your own has its hash in UPSUN_AGENT_INTERPRETER_SHA256"
}

# Make a private copy of a file if it is the archive; print what it is instead if it is not.
take_own() { # file
    [ -f "$1" ] || { echo "not a regular file" && return 1; }
    (trap '' XFSZ && ulimit -f "$((own_most / 500))" && exec cp -- "$1" "$own_archive") 2>/dev/null ||
        { rm -f -- "$own_archive" && echo "more than $own_most bytes, or a file that cannot be read" && return 1; }
    sum=$(sha256sum <"$own_archive")
    [ "${sum%% *}" != "$own" ] || return 0
    rm -f -- "$own_archive"
    echo "${sum%% *}"
    return 1
}

keep_own() { # in a new directory first: another branch could have laid a link under a name that it can guess
    [ -n "$own_cached" ] || return 0
    beside=$(mktemp -d "${own_cached%/*}/new-XXXXXX" 2>/dev/null) || return 0
    { cp -- "$own_archive" "$beside/archive" && mv -f -- "$beside/archive" "$own_cached"; } 2>/dev/null || :
    rm -rf -- "$beside"
}

# The URL that UPSUN_AGENT_INTERPRETER and the pin make. A login and a query stay in here: they stand in no message, no
# argument and no trace of this shell.
own_url() { # shown: as messages may show it | curl: as a line of curl's settings | wget: as it is
    own_pinned=$own_pinned own_mode=$1 awk 'BEGIN {
        url = ENVIRON["UPSUN_AGENT_INTERPRETER"]
        pinned = ENVIRON["own_pinned"]
        if (url == "") url = pinned
        sub(/#.*/, "", url)
        if (url !~ /^[Hh][Tt][Tt][Pp][Ss]?:\/\/[^\/?]/ || url ~ /[^-A-Za-z0-9._~%!$&()*+,;=:@\/?]/) exit 2
        scheme = tolower(substr(url, 1, index(url, ":") - 1)) "://"
        rest = substr(url, length(scheme) + 1)
        query = ""
        if (index(rest, "?")) { query = substr(rest, index(rest, "?")); rest = substr(rest, 1, index(rest, "?") - 1) }
        host = rest; path = ""
        if (index(rest, "/")) { host = substr(rest, 1, index(rest, "/") - 1); path = substr(rest, index(rest, "/")) }
        login = ""
        if (index(host, "@")) { login = substr(host, 1, index(host, "@")); host = substr(host, index(host, "@") + 1) }
        if (host == "" || host ~ /[^-A-Za-z0-9._:]/ || path ~ /@/ || query ~ /@/) exit 2
        if (path !~ /\.tar\.gz$/) {
            sub(/\/+$/, "", path)
            parts = split(pinned, part, "/")
            path = path "/" part[parts - 1] "/" part[parts]
        }
        mode = ENVIRON["own_mode"]
        if (mode == "shown") print scheme host path
        else if (mode == "curl") print "url = \"" scheme login host path query "\""
        else print scheme login host path query
    }'
}

fetch_own() { # into $work/own.fetched
    shown=$(own_url shown) || fail "UPSUN_AGENT_INTERPRETER is not a valid http or https URL" \
        "in a login or a query write every character but letters, digits and . _ ~ - as %XX: @ as %40, / as %2F"
    command -v curl >/dev/null 2>&1 || command -v wget >/dev/null 2>&1 ||
        fail "there is neither curl nor wget to fetch $shown" "put $own_name into the repository, and its name into UPSUN_AGENT_INTERPRETER"
    say "fetching $shown"
    try=1
    pause=2
    while :; do
        fetch_own_once
        case $status in
            200) return ;;
            000) what="no complete answer$(reason_own)" ;;
            large) not_own "$shown" "more than $own_most bytes" ;;
            403 | 408 | 429 | 5??) what="HTTP $status" ;;
            404) fail "$shown is not there (HTTP 404)" "UPSUN_AGENT_INTERPRETER can name a mirror, or a file" ;;
            *) fail "$shown cannot be fetched (HTTP $status)" "UPSUN_AGENT_INTERPRETER can name a mirror, or a file" ;;
        esac
        [ "$try" -lt 5 ] || fail "$shown cannot be fetched after 5 tries: $what" \
            "build again later, or name a mirror or a file in UPSUN_AGENT_INTERPRETER"
        wait=$(tr -d '\r' <"$work/own.headers" | sed -n 's/^ *[Rr]etry-[Aa]fter: *\([0-9]\{1,9\}\)$/\1/p' | tail -n 1)
        [ "${wait:-0}" -gt "$pause" ] || wait=$pause
        [ "$wait" -le 30 ] || wait=30
        try=$((try + 1))
        say "$shown: $what; try $try of 5 in $wait s"
        sleep "$wait"
        pause=$((pause * 2))
    done
}

# One try: sets status to that of HTTP, to 000 where no complete answer came, or to "large".
fetch_own_once() {
    case ${UPSUN_AGENT_TIMEOUT:-60} in
        *[!0-9]* | ?????* | 0*) seconds=300 ;;
        *) seconds=$((${UPSUN_AGENT_TIMEOUT:-60} * 5)) ;; # it is 15 times as large as the agent
    esac
    rm -f -- "$work/own.fetched"
    : >"$work/own.headers"
    code=0
    if command -v curl >/dev/null 2>&1; then
        case $shown in
            http://*) protocols=http,https ;;
            *) protocols=https ;;
        esac
        # Neither body nor headers can become larger on the disk, whatever length is sent or not. -q: no .curlrc.
        status=$(
            own_url curl | {
                trap '' XFSZ 2>/dev/null || :
                ulimit -f "$((own_most / 500))" 2>/dev/null || :
                exec curl -q --config - --globoff --silent --show-error --location --proto "=$protocols" \
                    --connect-timeout 20 --max-time "$seconds" --max-filesize "$own_most" --dump-header "$work/own.headers" \
                    --output "$work/own.fetched" --write-out '%{http_code}' 2>"$work/own.error"
            }
        ) || code=$?
    else
        own_url wget | {
            trap '' XFSZ 2>/dev/null || :
            ulimit -f "$((own_most / 500))" 2>/dev/null || :
            exec timeout "$seconds" wget --no-config --no-verbose --server-response --tries=1 --timeout=20 \
                --output-document="$work/own.fetched" --input-file=- 2>"$work/own.headers"
        } || code=$?
        status=$(sed -n 's/^ *HTTP\/[0-9.]* \([0-9][0-9][0-9]\).*/\1/p' "$work/own.headers" | tail -n 1)
        : >"$work/own.error"
    fi
    [ "$code" -ne 0 ] || return 0
    if [ -f "$work/own.fetched" ] && [ "$(wc -c <"$work/own.fetched")" -gt "$own_most" ]; then status=large; fi
    case $code:$status in
        63:* | *:large) status=large ;;
        4:*) status=000 ;; # wget: the connection broke, be it after the question for a login (401)
        *:[45]??) ;;
        *) status=000 ;;
    esac
}
reason_own() { # an @ in it may stand behind the login of a proxy
    told=$(tail -n 1 "$work/own.error" | tr -cd ' -~' | cut -c 1-200)
    case $told in
        "" | *@*) ;;
        *) printf ' (%s)' "$told" ;;
    esac
}

# What the agent and pip never load stays in the archive: tests, Tk, IDLE, headers, documentation, and byte code, which
# is made anew because its time stamps do not survive a copy.
unpack_own() {
    wrong=$(tar -tzf "$own_archive" | awk '!/^python(\/|$)/ || /(^|\/)\.\.(\/|$)/ { print; exit }') || wrong="no archive"
    [ -z "$wrong" ] || fail "the archive of the interpreter is not one: $wrong is not in python/" "nothing of it was unpacked"
    mkdir "$work/own"
    tar -xzof "$own_archive" -C "$work/own" \
        --exclude='python/include' --exclude='python/share' --exclude='python/lib/pkgconfig' \
        --exclude='python/lib/tcl*' --exclude='python/lib/tk*' --exclude='python/lib/itcl*' --exclude='python/lib/thread*' \
        --exclude='python/lib/libtcl*' --exclude='python/lib/libtk*' --exclude='python/lib/python3*/config-*' \
        --exclude='python/lib/python3*/test' --exclude='python/lib/python3*/idlelib' \
        --exclude='python/lib/python3*/tkinter' --exclude='python/lib/python3*/turtle*' \
        --exclude='python/lib/python3*/ensurepip' --exclude='python/lib/python3*/lib2to3' \
        --exclude='python/lib/python3*/pydoc_data' --exclude='python/lib/python3*/lib-dynload/_test*' \
        --exclude='python/lib/python3*/lib-dynload/_tkinter*' --exclude='python/lib/python3*/lib-dynload/_ctypes_test*' \
        --exclude='__pycache__' ||
        fail "the agent's own Python cannot be unpacked" "is there room in $work?"
    rm -f -- "$own_archive"
    python=$work/own/python/bin/python3
    "$python" -IS -c '' || fail "the agent's own Python does not start here" \
        "it needs glibc 2.17 or newer; name an interpreter of this image in UPSUN_AGENT_PYTHON"
    can_run "$python" || fail "$("$python" -V) cannot run the agent, 3.11 to 3.14 can" "name another archive in UPSUN_AGENT_INTERPRETER"
}

# Remove what only the build needed, and make the byte code, with the names of the final place.
finish_own() { # where it is, where it will be
    rm -rf -- "$1"/lib/python3.*/site-packages
    find "$1/bin" ! -name 'python3*' ! -type d -exec rm -f -- {} +
    rm -f -- "$1"/bin/*-config
    mkdir "$1/aside"
    mv -- "$1"/lib/libpython3* "$1/aside/" 2>/dev/null || :
    # The interpreter has this library inside as well; where it has not, it stays.
    "$1/bin/python3" -IS -c 'import ctypes, sqlite3, ssl' 2>/dev/null || mv -- "$1"/aside/* "$1/lib/" 2>/dev/null || :
    rm -rf -- "$1/aside"
    "$1/bin/python3" -IS -m compileall -q -f --invalidation-mode unchecked-hash -s "$1" -p "$2" "$1/lib"
}
