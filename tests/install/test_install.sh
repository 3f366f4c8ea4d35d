#!/bin/sh
# Builds one small program in every way that a user may and runs it: against the library installed in a temporary
# place, with the sources in the program's own CMake build, and by one line of cc.
#
#   test_install.sh BUILD-DIRECTORY SOURCE-DIRECTORY
set -eu

build=$1 source=$2
cc=${CC:-cc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "$1" >&2
    exit 1
}

# works WAY PROGRAM: fails unless the program prints what it should.
works() {
    printf '0 1.000\n2 0.600\n1 0.000\n' >"$work/expected"
    "$2" >"$work/printed" || fail "$1: the program failed"
    diff "$work/expected" "$work/printed" || fail "$1: the program printed something else"
    echo "$1: works"
}

# Installed in one place and used from another: nothing may have kept the first.
cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/prefix"
installed=$(dirname "$(find "$work/prefix" -name libnpvec.a)")
export PKG_CONFIG_PATH="$installed/pkgconfig"
if grep -rIl -e "$work/first" -e "$source" "$work/prefix"; then
    fail "the files above name the place where they were built or first installed"
fi
"$work/prefix/bin/npvec" --help >/dev/null || fail "the installed command does not run"

# shellcheck disable=SC2046 # words
"$cc" -o "$work/shared" "$source/tests/install/main.c" $(pkg-config --cflags --libs npvec) "-Wl,-rpath,$installed"
works "pkg-config, shared" "$work/shared"

# The program of the README, as it stands there.
sed -n '/^```c$/,/^```$/p' "$source/README.md" | sed '/^```/d' >"$work/titles.c"
# shellcheck disable=SC2046 # words
"$cc" -o "$work/titles" "$work/titles.c" $(pkg-config --cflags --libs npvec) "-Wl,-rpath,$installed"
(cd "$work" && ./titles >titles.printed) || fail "the program of the README failed"
printf 'row 0 scores 0.994\nrow 2 scores 0.685\nrow 1 scores 0.110\n' | diff - "$work/titles.printed" ||
    fail "the program of the README printed something else"

# By the name of its file, because a linker that can choose takes the shared one.
# shellcheck disable=SC2046 # words
"$cc" -o "$work/static" "$source/tests/install/main.c" \
    $(pkg-config --static --cflags --libs npvec | sed "s|-lnpvec|$installed/libnpvec.a|")
works "pkg-config, static" "$work/static"

cmake -S "$source/tests/install" -B "$work/package" -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
cmake --build "$work/package" >/dev/null
works "find_package, shared" "$work/package/with_shared"
works "find_package, static" "$work/package/with_static"

cmake -S "$source/tests/install" -B "$work/content" -DNPVEC_SOURCE="$source" >/dev/null
cmake --build "$work/content" --parallel 2 >/dev/null
works "FetchContent, shared" "$work/content/with_shared"
works "FetchContent, static" "$work/content/with_static"

# shellcheck disable=SC2046 # words
"$cc" -std=c17 -O2 -ffp-contract=off -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -D_DARWIN_C_SOURCE \
    -I"$source/include" -o "$work/bare" $(find "$source/src" -name '*.c') "$source/tests/install/main.c" \
    -lz -lxxhash -lpthread -lm
works "one line of cc" "$work/bare"
