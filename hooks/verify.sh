#!/bin/sh
# Check the files of a release against SHA256SUMS, which lies beside this script. Exit code 1 where one is not right.
#
# This finds damage. That nobody put other files *and* other sums there, only a hash from elsewhere can tell: the
# README of the version that you want holds the one of install.sh.
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
exit $bad
