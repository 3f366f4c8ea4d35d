#!/bin/sh
# Installs what the project needs and the machine lacks, and nothing else.
#
#   scripts/setup.sh --demo       to build the library and the command (the default)
#   scripts/setup.sh --test       the same, and to run all tests
#   scripts/setup.sh --lint       the same, and to run `make lint`
#   scripts/setup.sh --fuzz       to run `make fuzz`
#   scripts/setup.sh --aarch64    to run `make test-aarch64`
#
# Debian and Ubuntu: by apt-get, as root or through sudo. macOS: by Homebrew. Elsewhere: says what to install, and stops.
set -eu
cd "$(dirname "$0")/.."

level=${1:---demo}
case $level in
--demo | --test | --lint | --fuzz | --aarch64) ;;
*) echo "usage: scripts/setup.sh [--demo | --test | --lint | --fuzz | --aarch64]" >&2 && exit 2 ;;
esac
log=build/setup.log

has_c_compiler() {
    printf '#include <stdio.h>\nint main(void) { return puts("") < 0; }\n' | "${CC:-cc}" -x c -o /dev/null - 2>/dev/null
}
has_cxx_compiler() { command -v "${CXX:-c++}"; }
has_cmake() {
    version=$(cmake --version 2>/dev/null | sed -n '1s/[^0-9]*\([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
    # shellcheck disable=SC2086 # two words
    set -- ${version:-0 0}
    [ "$1" -gt 3 ] || { [ "$1" -eq 3 ] && [ "$2" -ge 22 ]; }
}
has_csv() {
    echo '#include <csv.h>' | "${CC:-cc}" -E -I/usr/local/include -I/opt/homebrew/include - 2>/dev/null
}
has_python() { scripts/venv.sh --python; }
has_python_headers() {
    "$(scripts/venv.sh --python)" -c 'import os, sysconfig as s; os.stat(os.path.join(s.get_path("include"), "Python.h"))'
}
# pip checks certificates against the system's list.
has_certificates() { [ -e /etc/ssl/certs/ca-certificates.crt ] || [ ! -e /etc/debian_version ]; }

# need NAME DEBIAN-PACKAGES HOMEBREW-FORMULAE CHECK...: notes what must be installed if the check fails.
need() {
    name=$1 packages=$2 formulae=$3
    shift 3
    "$@" >/dev/null 2>&1 && return
    missing="${missing:+$missing, }$name"
    apt_packages="$apt_packages $packages"
    brew_formulae="$brew_formulae $formulae"
}

need_to_build() {
    need "a C compiler" "gcc libc6-dev" llvm has_c_compiler
    need "CMake 3.22 or newer" cmake cmake has_cmake
    need Ninja ninja-build ninja command -v ninja
    need pkg-config pkg-config pkgconf command -v pkg-config
    need zlib zlib1g-dev zlib pkg-config --exists zlib
    need jansson libjansson-dev jansson pkg-config --exists jansson
    need xxHash libxxhash-dev xxhash pkg-config --exists libxxhash
    need libcsv libcsv-dev libcsv has_csv
}

need_to_test() {
    need "a C++ compiler" g++ llvm has_cxx_compiler
    need cmocka libcmocka-dev cmocka pkg-config --exists cmocka
    need "Python 3.10 or newer with venv" "python3 python3-venv" python has_python
    need "Python's headers" python3-dev python has_python_headers
    need "CA certificates" ca-certificates ca-certificates has_certificates
}

need_to_lint() {
    need clang clang llvm command -v clang
    need clang-tidy clang-tidy llvm command -v clang-tidy
}

# A part of the package clang-<version> on some systems, and on others of one that goes with it.
has_fuzzer() { echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | clang -x c -fsanitize=fuzzer -o /dev/null -; }
fuzzer_package() { clang --version 2>/dev/null | sed -n '1s/.*version \([0-9]*\).*/libclang-rt-\1-dev/p'; }

need_to_fuzz() {
    need clang clang llvm command -v clang
    command -v clang >/dev/null || return 0 # then there is a second round
    need "clang's libFuzzer" "$(fuzzer_package)" llvm has_fuzzer
}

need_for_aarch64() {
    need CMake cmake cmake has_cmake
    need Ninja ninja-build ninja command -v ninja
    need "a compiler for aarch64" "gcc-aarch64-linux-gnu libc6-dev-arm64-cross" "" command -v aarch64-linux-gnu-gcc
    need "an emulator of aarch64" qemu-user "" command -v qemu-aarch64
}

find_missing() {
    missing='' apt_packages='' brew_formulae=''
    case $level in
    --demo) need_to_build ;;
    --test) need_to_build && need_to_test ;;
    --lint) need_to_build && need_to_test && need_to_lint ;;
    --fuzz) need_to_build && need_to_test && need_to_fuzz ;;
    --aarch64) need_for_aarch64 ;;
    esac
}

find_root() {
    if [ "$(id -u)" -eq 0 ]; then
        as_root='env'
    elif command -v sudo >/dev/null; then
        as_root='sudo env'
    else
        echo "setup: neither root nor sudo: ask an administrator for: apt-get install$apt_packages" >&2
        exit 1
    fi
}

# quietly COMMAND...: its output goes to the log, and is shown if it fails.
quietly() {
    "$@" >>"$log" 2>&1 && return
    tail -n 20 "$log" >&2
    echo "setup: failed: $* (all of its output: $log)" >&2
    exit 1
}

install_by_apt() {
    find_root
    echo "setup: ${as_root%env}apt-get install$apt_packages"
    # shellcheck disable=SC2086 # lists of words
    quietly $as_root DEBIAN_FRONTEND=noninteractive apt-get update -q
    # shellcheck disable=SC2086
    quietly $as_root DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $apt_packages
}

install_by_brew() {
    echo "setup: brew install$brew_formulae"
    # shellcheck disable=SC2086 # a list of words
    quietly brew install $brew_formulae
}

install_missing() {
    if command -v apt-get >/dev/null; then
        install_by_apt
    elif [ "$(uname)" = Darwin ] && command -v brew >/dev/null; then
        install_by_brew
    elif [ "$(uname)" = Darwin ]; then
        echo "setup: install Homebrew (https://brew.sh), then: brew install$brew_formulae" >&2
        exit 1
    else
        echo "setup: please install them with this system's package manager, and try again" >&2
        exit 1
    fi
}

find_missing
[ -z "$missing" ] && exit 0
mkdir -p build
: >"$log"
for _ in 1 2; do # what goes with a version of something can be named when that is there
    echo "setup: missing: $missing"
    install_missing
    find_missing
    [ -z "$missing" ] && exit 0
done
echo "setup: still missing after the installation: $missing (this system's packages may be too old)" >&2
exit 1
