#!/bin/sh
# Check the files of a release against SHA256SUMS, which lies beside this script. Exit code 1 where one is not right.
#
# The hashes find damage. That nobody put other files *and* other sums there, only something from elsewhere can tell: the
# attestation of the build, which is checked too where `gh` is there and logged in, or a build of your own.
cd -- "$(dirname -- "$0")" || exit 1
if command -v sha256sum >/dev/null 2>&1; then
    hash() { sha256sum <"$1" | cut -d ' ' -f 1; }
else
    hash() { python3 -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"; }
fi
[ -s SHA256SUMS ] || { echo "SHA256SUMS is missing" >&2; exit 1; }
bad=0
while read -r sum file; do
    if [ ! -f "$file" ]; then
        echo "$file: missing" >&2
        bad=1
    elif [ "$(hash "$file")" != "$sum" ]; then
        echo "$file: NOT what was released, do not use it" >&2
        bad=1
    else
        echo "$file: ok"
    fi
done <SHA256SUMS
[ "$bad" = 0 ] || exit 1

# The repository that published the release: install.sh says it. An argument OWNER/NAME says which one you expect.
repository=${1:-}
while [ -z "$repository" ] && read -r line; do
    case $line in
        releases=https://github.com/*/*/releases/download)
            repository=${line#releases=https://github.com/}
            repository=${repository%/releases/download} ;;
    esac
done <install.sh
if [ -z "$repository" ]; then
    echo "attestation: not checked, this release was not published on GitHub"
elif ! command -v gh >/dev/null 2>&1; then
    echo "attestation: not checked, gh is not installed (https://cli.github.com)"
elif ! gh auth status >/dev/null 2>&1; then
    echo "attestation: not checked, gh is not logged in (gh auth login)"
else
    while read -r sum file; do
        if gh attestation verify "$file" --repo "$repository" >/dev/null; then
            echo "$file: built by $repository"
        else
            echo "$file: NOT attested by $repository, do not use it" >&2
            bad=1
        fi
    done <SHA256SUMS
fi
exit $bad
