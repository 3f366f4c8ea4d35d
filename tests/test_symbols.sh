#!/bin/sh
# Holds what the libraries show to the world against what npvec.h declares.
#
#   test_symbols.sh HEADER STATIC-LIBRARY SHARED-LIBRARY
set -eu

header=$1 static=$2 shared=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
result=0

# expect_none WHAT FILE: the file must be empty.
expect_none() {
    [ -s "$2" ] || return 0
    echo "$1:" >&2
    sed 's/^/    /' "$2" >&2
    result=1
}

# Names are the last field of nm's lines; macOS puts an underscore before each.
names() { awk 'NF >= 2 { sub(/^_npv/, "npv", $NF); print $NF }' | sort -u; }

sed -n 's/^NPV_API .*[ *]\(npv_[a-z0-9_]*\)(.*/\1/p' "$header" | sort >"$work/declared"
[ -s "$work/declared" ] || { echo "no declarations found in $header" >&2 && exit 1; }

nm -g --defined-only "$static" 2>/dev/null | names | grep -v '^npv_' >"$work/strangers" || true
expect_none "$static defines names that do not begin with npv_" "$work/strangers"

case $(uname) in
Darwin) nm -g --defined-only "$shared" ;;
*) nm -D --defined-only "$shared" ;;
esac | names >"$work/exported"
comm -13 "$work/declared" "$work/exported" >"$work/undeclared"
expect_none "$shared exports what npvec.h does not declare" "$work/undeclared"
comm -23 "$work/declared" "$work/exported" >"$work/missing"
expect_none "npvec.h declares what $shared does not export" "$work/missing"

# The library never prints, never exits, and never reads the environment.
nm -u "$static" | names | grep -x -E '_*(exit|_exit|quick_exit|getenv|secure_getenv|v?f?printf|v?f?printf_chk|puts|fputs|putchar|perror|std(out|err))' \
    >"$work/forbidden" || true
expect_none "$static uses functions that print, exit or read the environment" "$work/forbidden"
exit $result
