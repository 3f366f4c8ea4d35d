#!/bin/sh
# Runs the Python tests against one build: scripts/pytest.sh build/debug [arguments of pytest]
# Those of the frameworks are for scripts/integrations.sh.
set -eu
cd "$(dirname "$0")/.."

build=$PWD/${1:?usage: scripts/pytest.sh BUILD-DIRECTORY [arguments of pytest]}
shift
scripts/wheel.sh

# The directories in build/$1 as a list like PATH.
directories() {
    find "$PWD/build/$1" -mindepth 1 -maxdepth 1 2>/dev/null | sort | paste -sd : -
}

case $(uname) in
Darwin) library=libnpvec.dylib ;;
*) library=libnpvec.so ;;
esac
NPVEC_COMMAND=$build/npvec
NPVEC_LIBRARY=$build/$library
NPVEC_NUMPY_DIRS=$(directories numpy)
NPVEC_ORIGINAL_DIRS=$(directories original)
export NPVEC_COMMAND NPVEC_LIBRARY NPVEC_NUMPY_DIRS NPVEC_ORIGINAL_DIRS PYTHONDONTWRITEBYTECODE=1
exec build/venv/bin/python -m pytest -q -o cache_dir="$PWD/build/pytest_cache" --ignore tests/python/integrations \
    tests/python "$@"
