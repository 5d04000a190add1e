#!/bin/sh
# Install upsun-agent into the app, from an app's build hook:
#
#     hooks:
#       build: |
#         set -e
#         sh upsun-agent/hooks/build.sh
#
# It installs the checkout it lies in and its locked dependencies (hashes checked, wheels only: nothing of theirs
# runs) into $PLATFORM_APP_DIR/.upsun-agent, checks that the result runs, and says what it sees. A failed or killed
# install leaves the previous one. It needs python3 3.11 or newer with pip (or uv, or venv, or pip's wheel); where the
# image has none, it brings one along.
#
#   UPSUN_AGENT_TARGET   where to install      (default: $PLATFORM_APP_DIR/.upsun-agent): a directory that is empty,
#                        absent, or an earlier install. Anything else is refused and stays as it is
#   UPSUN_AGENT_EXTRA    also install what these need, several with commas between: simulator (`simulate`, `rehearse`),
#                        shared (the state in the project's database), otel (`report --otlp`), socks (a SOCKS proxy)
#   UPSUN_AGENT_WHEELS   a directory of wheels: they are taken from there, without a network; so is the archive of the
#                        agent's own interpreter, if it lies there
#   UPSUN_AGENT_PYTHON, UPSUN_AGENT_INTERPRETER, UPSUN_AGENT_INTERPRETER_SHA256: see interpreter.sh
set -eu
umask 022

archive=${1:-none} # the hash of the archive that this lies in; install.sh gives it
# The agent's own interpreter, where install.sh brought it along: its hash, where it lies, what the image has instead.
given_own=${2:-}
unpacked=${given_own:+$3}
given_image=${4:-}

# What is started here never needs the token. A stand-in stays, so that the agent's check can still warn of it.
[ -z "${UPSUN_CLI_TOKEN:+set}" ] || UPSUN_CLI_TOKEN=hidden-by-the-build-hook
unset PLATFORMSH_CLI_TOKEN
# Of the variables of Python, pip and uv only those stay that say where wheels are fetched from, and how.
for each in $(env | sed -n -e 's/^\(PYTHON[A-Za-z0-9_]*\)=.*/\1/p' -e 's/^\(PIP_[A-Za-z0-9_]*\)=.*/\1/p' \
    -e 's/^\(UV_[A-Za-z0-9_]*\)=.*/\1/p'); do
    case $each in
        PIP_INDEX_URL | PIP_EXTRA_INDEX_URL | PIP_NO_INDEX | PIP_FIND_LINKS | PIP_TRUSTED_HOST | PIP_PROXY) ;;
        PIP_CERT | PIP_CLIENT_CERT | PIP_TIMEOUT | PIP_DEFAULT_TIMEOUT | PIP_RETRIES) ;;
        UV_INDEX | UV_INDEX_* | UV_DEFAULT_INDEX | UV_EXTRA_INDEX_URL | UV_NO_INDEX | UV_FIND_LINKS | UV_OFFLINE) ;;
        UV_INSECURE_HOST | UV_NATIVE_TLS | UV_SYSTEM_CERTS | UV_HTTP_TIMEOUT | UV_HTTP_RETRIES | UV_REQUEST_TIMEOUT) ;;
        *) unset "$each" ;;
    esac
done
# pip reads no file of settings either. It starts no other Python because of one, as --python in it would make it do.
export PIP_CONFIG_FILE=/dev/null _PIP_RUNNING_IN_SUBPROCESS=1
# No file that is written here becomes larger than 100 MB, whatever an index serves.
ulimit -f 200000 2>/dev/null || :

say() { printf 'upsun-agent: %s\n' "$*"; }
fail() {
    printf 'upsun-agent: %s\n' "$1" >&2
    [ -z "${2:-}" ] || printf '  %s\n' "$2" >&2
    exit 1
}
same="the previous install is untouched"

source_dir=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
app_dir=${PLATFORM_APP_DIR:-$PWD}
target=${UPSUN_AGENT_TARGET:-$app_dir/.upsun-agent}
extra=${UPSUN_AGENT_EXTRA:-}
given=${UPSUN_AGENT_WHEELS:-}
set -- "$source_dir/requirements/runtime.txt"
for each in $(printf '%s' "$extra" | tr , ' '); do
    case $each in
        simulator | shared | otel | socks) set -- "$@" "$source_dir/requirements/$each.txt" ;;
        *) fail "UPSUN_AGENT_EXTRA is '$extra'" "it can be: simulator, shared, otel, socks, or several with commas between" ;;
    esac
done
for each; do
    [ -f "$each" ] || fail "$each is missing" "check the agent out whole: hooks/, agent/ and requirements/"
done
[ -z "$given" ] || [ -d "$given" ] || fail "UPSUN_AGENT_WHEELS is not a directory: $given"

# --- python ----------------------------------------------------------------------------------------------------
work=$(mktemp -d) || fail "no temporary directory can be created" "TMPDIR has to be writable in the build hook"
new=
trap 'rm -rf -- "$work" ${new:+"$new"}' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
. "$source_dir/hooks/interpreter.sh"
find_cache() { # set cache to the agent's directory in the build cache, which is made; or to nothing
    cache=
    if [ -n "${PLATFORM_CACHE_DIR:-}" ] && mkdir -p "$PLATFORM_CACHE_DIR/upsun-agent" 2>/dev/null &&
        [ ! -L "$PLATFORM_CACHE_DIR/upsun-agent" ]; then
        cache=$PLATFORM_CACHE_DIR/upsun-agent
    fi
}
if [ -n "$unpacked" ]; then # install.sh needed it already
    own=$given_own
    own_image=$given_image
    python=$unpacked/python/bin/python3
else
    find_python
    unpacked=$work/own
    if [ -n "$own" ]; then
        find_cache
        obtain_own "$cache" ${given:+"$given"}
    fi
fi
minor=$("$python" -IS -c 'import sys; print(sys.version_info.minor)')

# --- install beside the old one, then swap -------------------------------------------------------------------
# What may be replaced or removed, and how. Everything else that is found under these names stays untouched.
place() { # check TARGET APP (prints it as an absolute path, or why not) | lock TARGET | sweep TARGET
    "$python" -IS - "$@" <<'PYTHON'
import fcntl, os, re, shutil, stat, sys, time
mode, target, *app = sys.argv[1:]
sys.stdout.reconfigure(errors="surrogateescape")


def is_install(path):
    """Return whether this is a directory that an earlier build made: it says so, and the agent is in it."""
    try:
        with open(os.open(path + "/installed", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            told = stat.S_ISREG(os.fstat(file.fileno()).st_mode) and file.read(8) == b"archive "
    except OSError:
        return False
    has = [os.path.isfile(f"{path}/{name}") for name in ("bin/upsun-agent", "lib/upsun_agent/__init__.py", "lib/agent/__init__.py")]
    return told and has[0] and any(has[1:])  # releases until 0.9 had lib/agent


def check(target, app):
    """Print the target as an absolute path, or why something would be lost there and end with 1."""
    here, app = os.path.realpath(target), os.path.realpath(app)
    wrong = None
    if re.search(r"[\0-\x1f\x7f]", here):
        wrong = "its name holds a control character"
    elif os.path.commonpath([here, app]) == here:
        wrong = "the app is in it"
    elif os.path.islink(target.rstrip("/")) or (os.path.lexists(here) and not os.path.isdir(here)):
        wrong = "it is not a directory"
    elif os.path.isdir(here) and os.listdir(here) and not is_install(here):
        wrong = "it holds something else than an earlier install of the agent"
    print(wrong or here)
    sys.exit(wrong is not None)


def lock(target):
    """Lock what the shell has open as 9, for as long as it is open there: one build after the other."""
    end = time.monotonic() + 900
    told = False
    while True:
        try:
            return fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                sys.exit(1)
            if not told:
                print(f"upsun-agent: another build installs into {target}: waiting for it", flush=True)
            told = True
            time.sleep(0.2)
        except OSError:
            return None  # a file system without locks


def sweep(target):
    """Remove what a killed install left; where two names cannot be exchanged, put the previous install back."""
    target = os.path.realpath(target)
    above, name = os.path.split(target)
    ours, old = name == ".upsun-agent", target + ".old"
    if os.path.isdir(old) and not os.path.islink(old) and (ours or is_install(old)):
        if is_install(target):
            shutil.rmtree(old, ignore_errors=True)
        elif not os.path.lexists(target):
            os.rename(old, target)
    for each in os.listdir(above):
        left = os.path.join(above, each)
        ours_too = re.fullmatch(re.escape(name) + r"\.new-\w{6}", each) and (
            os.path.isfile(left + "/unfinished") or is_install(left) or (os.path.isdir(left) and not os.listdir(left))
        )
        if ours_too or (ours and each.startswith(name + ".new-")):
            shutil.rmtree(left, ignore_errors=True)


try:
    {"check": check, "lock": lock, "sweep": sweep}[mode](target, *app)
except (OSError, ValueError) as error:
    sys.exit(str(error))
PYTHON
}
checked() {
    here=$(place check "$target" "$app_dir") || {
        place sweep "$target" 2>/dev/null || :
        fail "the agent cannot be installed into $target: $here. Nothing in it was changed" \
            "UPSUN_AGENT_TARGET can be a directory that is empty or not there yet (default: $app_dir/.upsun-agent)"
    }
    printf '%s\n' "$here"
}
target=$(checked)
above=$(dirname -- "$target")
mkdir -p -- "$above" 2>/dev/null ||
    fail "the agent cannot be installed into $target: $above cannot be created" "name another folder, in the build hook"
if [ -r "$above" ]; then
    exec 9<"$above"
    place lock "$target" || fail "$target has been in use for 15 minutes; $same" "build again when the other build is over"
fi
place sweep "$target" || fail "what an earlier build left beside $target cannot be removed"
target=$(checked)

new=$(mktemp -d "$target.new-XXXXXX") || fail "$(dirname -- "$target") is not writable" "run this in the build hook"
: >"$new/unfinished"
mkdir "$new/lib" "$new/bin" "$work/wheels"
chmod 755 "$new"
if [ -n "$own" ]; then
    mv -- "$unpacked/python" "$new/python" || fail "the agent's own Python cannot be moved into $new; $same" "is there room?"
    python=$new/python/bin/python3
fi
export HOME="${HOME:-$work}" # pip wants one
export PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

hash_of() {
    "$python" -IS -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"
}
# What is to be installed, each package once: every extra's file repeats what the agent itself needs.
requirements=$work/requirements.txt
awk '/^[A-Za-z0-9]/ { split($1, pin, "=="); keep = !(pin[1] in seen); seen[pin[1]] = 1 } keep' "$@" >"$requirements"
# The lines of one package in a file of requirements.
lines_of() { sed -n "/^$1==/,/[^\\\\]\$/p" "$2"; }
# The dependencies that are compiled for a single version of Python: the package, and the module that is compiled. The
# other versions' file of it is laid beside this one's, so that the install serves them all.
compiled="cffi=_cffi_backend msgspec=msgspec/_core"
for each in $compiled; do lines_of "${each%%=*}" "$requirements"; done >"$work/compiled.txt"

# --- what installs: pip as it is here, pip's own wheel, pip of a venv, or uv ---------------------------------
pip_program=
find_pip_wheel() { # pip's own wheel, which can be run as it is, from the given ones
    lines_of pip "$source_dir/requirements/installer.txt" >"$work/pip.txt"
    for wheel in "$given/pip-$(sed -n 's/^pip==\([0-9.]*\).*/\1/p' "$work/pip.txt")"-*.whl; do
        [ -f "$wheel" ] || continue
        cp -- "$wheel" "$work/${wheel##*/}"
        grep -q "sha256:$(hash_of "$work/${wheel##*/}")" "$work/pip.txt" ||
            fail "$wheel is not the pinned one; $same" "put the right one there: this one was not run"
        pip_program=$work/${wheel##*/}/pip
    done
}
[ -z "$given" ] || find_pip_wheel
for each in "$app_dir/.global/lib/python3.$minor"/site-packages/pip; do # of dependencies in .upsun/config.yaml
    [ ! -f "$each/__main__.py" ] || [ -n "$pip_program" ] || pip_program=$each
done
if "$python" -I -m pip --version >/dev/null 2>&1; then
    installer=module
elif [ -n "$pip_program" ]; then
    installer=wheel
elif "$python" -I -m venv "$work/venv" >/dev/null 2>&1; then
    installer=venv
elif command -v uv >/dev/null 2>&1; then
    installer=uv
else
    fail "there is neither pip nor uv nor venv for $python" \
        "declare one in .upsun/config.yaml: dependencies: { python3: { pip: '*' } }; or set UPSUN_AGENT_PYTHON=bundled"
fi

run_pip() { # not in the app's directory: a file of it could stand in for a module of pip's
    case $installer in
        module) (cd "$work" && "$python" -I -m pip "$@") ;;
        wheel) (cd "$work" && "$python" -I "$pip_program" "$@") ;;
        venv) (cd "$work" && "$work/venv/bin/python" -I -m pip "$@") ;;
    esac
}
download() { # may use the network: the variables for an index, a proxy and certificates hold
    run_pip download --quiet --no-cache-dir --require-hashes --only-binary :all: --no-deps --dest "$work/wheels" "$@"
}
# Without a cache: uv trusts what lies in its own and does not check the hashes again.
uv_install() {
    (cd "$work" && uv --quiet --no-config pip install --no-cache --require-hashes --only-binary :all: --no-deps "$@")
}
install_wheels() { # from the private copies alone; no setting from outside changes what happens
    if [ "$installer" = uv ]; then
        uv_install --no-index --find-links "$work/wheels" --python "$python" --target "$new/lib" -r "$requirements"
        return
    fi
    run_pip --isolated install --quiet --no-index --find-links "$work/wheels" \
        --no-cache-dir --require-hashes --only-binary :all: --no-compile --no-deps --no-warn-conflicts \
        --disable-pip-version-check --no-input --root-user-action ignore \
        --target "$new/lib" -r "$requirements"
}

add_compiled() { # from the wheels of the other versions; wheels that are not the pinned ones are named and removed
    "$python" -IS - "$work/wheels" "$work/compiled.txt" "$new/lib" "$compiled" <<'PYTHON'
import glob, hashlib, importlib.machinery, io, os, re, sys, zipfile
wheels, requirements, library, compiled = sys.argv[1:]
pinned = set(re.findall("sha256:([0-9a-f]{64})", open(requirements).read()))
tail = re.escape(re.sub(r"^\.cpython-\d+", "", importlib.machinery.EXTENSION_SUFFIXES[0]))
for package, module in (each.split("=") for each in compiled.split()):
    for wheel in sorted(glob.glob(os.path.join(glob.escape(wheels), package + "-*.whl"))):
        content = open(wheel, "rb").read()
        if hashlib.sha256(content).hexdigest() not in pinned:
            print(os.path.basename(wheel))
            os.remove(wheel)
            continue
        with zipfile.ZipFile(io.BytesIO(content)) as files:
            for name in files.namelist():
                if re.fullmatch(re.escape(module) + r"\.cpython-\d+" + tail, name) and not os.path.exists(f"{library}/{name}"):
                    files.extract(name, library)
                    os.chmod(f"{library}/{name}", 0o644)
PYTHON
}
serves() {
    for pair in $compiled; do
        [ -e "$(echo "$new/lib/${pair#*=}.cpython-3$1-"*)" ] || return 1
    done
}

copy_wheels() { # from a directory
    for wheel in "$1"/*.whl; do
        [ ! -f "$wheel" ] || [ -L "$wheel" ] || cp -- "$wheel" "$work/wheels/" || return 1
    done
}

cached=
[ -n "$given" ] || [ "$installer" = uv ] || find_cache
if [ -z "$given" ] && [ "$installer" != uv ] && [ -n "$cache" ]; then
    key=$(hash_of "$requirements" | cut -c 1-12)
    cached=$cache/wheels-$key-3.$minor-$(uname -m)
fi

untouched_or() { fail "the dependencies could not be installed; $same" "$1"; }
# What pip says is shown where it failed: when it worked, its warnings are about the image's settings.
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2 && return 1; }; }
fetched=
if [ -n "$given" ]; then
    copy_wheels "$given"
    quietly install_wheels || untouched_or "see the lines above; $given has to hold the very wheels that are pinned"
elif [ "$installer" = uv ]; then
    quietly uv_install --python "$python" --target "$new/lib" -r "$requirements" ||
        untouched_or "see the lines above; a hash that does not match means: do not use what was served"
else
    # All branches share the build cache: it is as good as the network, so its wheels are copied and checked again.
    if [ -n "$cached" ] && [ -f "$cached/complete" ]; then
        if copy_wheels "$cached" && install_wheels >"$work/log" 2>&1; then
            say "the dependencies come from the build cache"
        else
            say "the dependencies in the build cache are not the pinned ones, or do not fit here: dropped, they are fetched again"
            rm -rf -- "$cached" "${new:?}/lib" "${work:?}/wheels"
            mkdir "$new/lib" "$work/wheels"
        fi
    fi
    if [ -z "$(ls -A "$new/lib")" ]; then
        fetched=yes
        { quietly download -r "$requirements" && quietly install_wheels; } ||
            untouched_or "see the lines above; a hash that does not match means: do not use what was served"
    fi
fi
for wheel in $(add_compiled); do
    [ -z "$given" ] || fail "$wheel in $given is not the pinned one; $same" "see what else changed there"
    say "$wheel in the build cache is not the pinned one: dropped"
    fetched=yes
done
for other in 11 12 13 14; do
    if serves "$other" || [ -n "$given" ]; then continue; fi
    if [ "$installer" = uv ]; then
        uv_install --python-version "3.$other" --target "$work/for-$other" -r "$work/compiled.txt" >"$work/log" 2>&1 ||
            continue
        for pair in $compiled; do
            module=${pair#*=}
            cp -- "$work/for-$other/$module".cpython-* "$(dirname "$new/lib/$module")/" || :
        done
    else
        download --python-version "3.$other" -r "$work/compiled.txt" >"$work/log" 2>&1 && fetched=yes && add_compiled || :
    fi
done
unserved=
for other in 11 12 13 14; do
    serves "$other" || unserved="$unserved 3.$other"
done
[ -z "$unserved" ] || say "cffi or msgspec is missing for Python$unserved: this install will not run with that"

if [ -n "$fetched" ] && [ -n "$cached" ]; then
    # Beside, then renamed: a build that is killed here leaves no half cache that looks whole.
    # Where another build was faster, its cache stays.
    if beside=$(mktemp -d "$cached.new-XXXXXX") && chmod 755 "$beside" && cp -- "$work"/wheels/*.whl "$beside/" &&
        : >"$beside/complete" && rm -rf -- "$cached" &&
        "$python" -IS -c 'import os, sys; os.rename(*sys.argv[1:])' "$beside" "$cached"; then
        # The cache is not ours alone: what no build has used for a month goes.
        find "${cached%/*}" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf -- {} + || :
    else
        rm -rf -- "${beside:-}"
    fi 2>/dev/null
elif [ -n "$cached" ]; then
    touch -- "$cached" 2>/dev/null || :
fi

# The agent itself is plain Python: a copy is an install. Tests and caches stay behind.
cp -R -- "$source_dir/agent/upsun_agent" "$new/lib/upsun_agent"
case ,$extra, in
    *,simulator,*) cp -R -- "$source_dir/agent/upsun_simulator" "$new/lib/upsun_simulator" ;;
esac
cp -- "$source_dir/hooks/environment.sh" "$new/environment.sh"
find "$new"/lib/upsun_* -name __pycache__ -prune -exec rm -rf -- {} +
rm -rf -- "$new/lib/bin"

# Isolated (-I) and without site (-S): no variable and no package of the app changes how the agent runs. The kernel
# takes no space in the interpreter's name and no long one: then a shell starts it, which costs a little. So it does
# where the interpreter is the agent's own, which lies beside and moves along.
case $python in
    *[!-A-Za-z0-9_./+]*) first="#!/bin/sh" ;;
    *) first="#!$python -IS" ;;
esac
[ "${#first}" -le 120 ] && [ -z "$own" ] || first="#!/bin/sh"
quoted=$(printf '%s\n' "$python" | sed "s/'/'\\\\''/g")
served=$(for other in 11 12 13 14; do
    if serves "$other"; then printf '(3, %s), ' "$other"; fi
done)
{
    echo "$first"
    if [ -n "$own" ]; then
        cat <<'LAUNCHER'
'''':
case $0 in
    */bin/*) here=${0%/bin/*} ;;
    */*) here=${0%/*}/.. ;;
    *) here=.. ;;
esac
[ ! -L "$0" ] || here=$(dirname -- "$(readlink -f -- "$0")")/..
exec "$here/python/bin/python3" -IS "$0" "$@"
'''
LAUNCHER
    elif [ "$first" = "#!/bin/sh" ]; then
        cat <<LAUNCHER
'''exec' '$quoted' -IS "\$0" "\$@"
'''
LAUNCHER
    fi
    cat <<LAUNCHER
import os, sys
if sys.version_info[:2] not in ($served):
    sys.stderr.write("upsun-agent: installed for other versions of Python than %s: build the app again\n" % sys.version)
    sys.exit(78)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "lib"))
from upsun_agent.__main__ import end, main
end(main())
LAUNCHER
} >"$new/bin/upsun-agent"
chmod 755 "$new/bin/upsun-agent"

# Byte code that is valid whatever happens to modification times: a stale one costs 150 ms at every run, for ever.
# The recorded file names are those of the final place.
compile_for() {
    "$1" -IS -m compileall -q --invalidation-mode unchecked-hash -s "$new/lib" -p "$target/lib" "$new/lib"
}
[ -z "$own" ] || finish_own "$new/python" "$target/python" || fail "the agent's own Python could not be compiled; $same"
compile_for "$python" || fail "the agent could not be compiled; $same"
for other in 11 12 13 14; do
    [ "$other" = "$minor" ] || ! "python3.$other" -IS -c '' 2>/dev/null || compile_for "python3.$other" >/dev/null 2>&1 || :
done

# --- self-check: the build fails here if the agent could not run, not the cron at night ----------------------
"$new/bin/upsun-agent" --version >/dev/null || fail "the agent does not start; $same"
"$new/bin/upsun-agent" check --phase build ||
    fail "the agent could not do its work; $same" "see the line that says 'fail' above"
printf 'archive %s\npython %s %s\nextra %s\n' "$archive" "${own:-$python}" "$("$python" -V)" "$extra" >"$new/installed"
[ -z "$own_image" ] || echo "image $own_image" >>"$new/installed"

target=$(checked)
rm -f -- "$new/unfinished"
# In one step where the file system can exchange two names, so that there is no moment without an agent.
"$python" -IS - "$new" "$target" <<'PYTHON' || fail "$new could not take the place of $target"
import os, sys
new, target = sys.argv[1:]
if not os.path.lexists(target):
    os.rename(new, target)
else:
    try:
        import ctypes
        exchange = ctypes.CDLL(None, use_errno=True).renameat2  # not in every C library
        here, swap = -100, 2
        if exchange(here, os.fsencode(new), here, os.fsencode(target), swap):
            raise OSError(ctypes.get_errno(), "renameat2")
    except (ImportError, AttributeError, OSError):
        os.rename(target, target + ".old")
        os.rename(new, target)
PYTHON
rm -rf -- "$new"
[ -z "$own" ] || python=$target/python/bin/python3
place sweep "$target" || :

# On the PATH of crons and SSH sessions, where the image has that directory on it.
case :$PATH: in
    *:"$app_dir/.global/bin":*) mkdir -p "$app_dir/.global/bin" &&
        if [ -L "$app_dir/.global/bin/upsun-agent" ] || [ ! -e "$app_dir/.global/bin/upsun-agent" ]; then
            ln -sf "$target/bin/upsun-agent" "$app_dir/.global/bin/upsun-agent"
        else
            say "$app_dir/.global/bin/upsun-agent is a file of the app: it stays"
        fi ;;
esac

say "installed $("$target/bin/upsun-agent" --version) with $("$python" -V) in $target"
