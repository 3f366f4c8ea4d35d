#!/bin/sh
# Makes the source archive and, from it, the wheel in build/dist, and installs that into the environment of the tests.
# Does nothing when it is there and up to date.
set -eu
cd "$(dirname "$0")/.."

scripts/venv.sh
python=build/venv/bin/python
log=build/wheel.log

# quietly COMMAND...: its output goes to the log, and is shown if it fails.
quietly() {
    "$@" >>"$log" 2>&1 && return
    tail -n 20 "$log" >&2
    echo "wheel: failed: $* (all of its output: $log)" >&2
    exit 1
}

sources() {
    find CMakeLists.txt pyproject.toml README.md LICENSE scripts/wheel.sh cmake include src python -type f \
        ! -name '*.pyc' | LC_ALL=C sort
}

stamp="$(sources | xargs cksum | cksum) ${NPVEC_WERROR:-OFF} $(cat build/venv/stamp)"
[ "$(cat build/venv/wheel 2>/dev/null)" = "$stamp" ] && exit 0

echo "wheel: building it from the source archive, and installing it into build/venv"
: >"$log"
rm -rf build/dist
quietly "$python" -c 'from scikit_build_core.build import build_sdist; build_sdist("build/dist")'
set -- --disable-pip-version-check --no-build-isolation --no-deps
quietly "$python" -m pip wheel "$@" --verbose --wheel-dir build/dist \
    --config-settings "cmake.define.NPVEC_WERROR=${NPVEC_WERROR:-OFF}" build/dist/npvec-*.tar.gz
quietly "$python" -m pip install "$@" --force-reinstall build/dist/npvec-*.whl
echo "$stamp" >build/venv/wheel
