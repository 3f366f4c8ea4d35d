#!/bin/sh
# Makes the Python environment of the tests in build/venv, with older releases of NumPy in build/numpy/<version> and of
# numpy-vector-store in build/original/<version>. Does nothing when they are there and up to date.
#
#   scripts/venv.sh            makes them
#   scripts/venv.sh --python   prints the Python that would be used; fails if there is none
set -eu
cd "$(dirname "$0")/.."

requirements=tests/python/requirements.txt
log=build/venv.log

find_python() {
    for candidate in "${NPVEC_PYTHON:-python3}" /usr/bin/python3; do
        if "$candidate" -c 'import ctypes, ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# Those that run on this Python; the newest of each is in build/venv itself.
older_numpys() {
    case $version in
    3.10 | 3.11) echo 1.24.4 1.26.4 ;;
    3.12) echo 1.26.4 ;;
    3.13) echo 2.1.3 ;;
    esac
}
older_originals() {
    case $version in
    3.10) echo 0.1.0 0.2.0 0.3.2 ;;
    *) echo 0.1.0 0.2.0 0.3.2 0.4.0 0.5.0 0.6.0 ;;
    esac
}

# quietly COMMAND...: its output goes to the log, and is shown if it fails.
quietly() {
    "$@" >>"$log" 2>&1 && return
    tail -n 20 "$log" >&2
    echo "venv: failed: $* (all of its output: $log)" >&2
    exit 1
}

install() {
    quietly build/venv/bin/python -m pip install --disable-pip-version-check --only-binary :all: "$@"
}

[ "${1:-}" = --python ] && { find_python || exit 1; } && exit 0
python=$(find_python) || {
    echo "venv: no Python 3.10 or newer with venv, ensurepip and ctypes; scripts/setup.sh --test installs one" >&2
    exit 1
}
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

# What the environment depends on; the directory, because environments cannot be moved.
stamp="$(cat "$requirements" scripts/venv.sh | cksum) $("$python" --version) $python $PWD"
[ "$(cat build/venv/stamp 2>/dev/null)" = "$stamp" ] && exit 0

numpys=$(older_numpys)
originals=$(older_originals)
echo "venv: Python $version, $requirements${numpys:+, NumPy $numpys}, numpy-vector-store $originals into build/"
case $version in
3.10) echo "venv: numpy-vector-store 0.4 and later need Python 3.11, this is $version: tests go without" ;;
esac
rm -rf build/venv build/numpy build/original
mkdir -p build
: >"$log"
quietly "$python" -m venv build/venv
install -r "$requirements"
for release in $numpys; do
    install --no-deps --target "build/numpy/$release" "numpy==$release"
done
for release in $originals; do
    install --no-deps --target "build/original/$release" "numpy-vector-store==$release"
done
echo "$stamp" >build/venv/stamp
