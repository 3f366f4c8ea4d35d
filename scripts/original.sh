#!/bin/sh
# Runs the tests of numpy-vector-store itself against npvec, with the import changed and nothing else. Fails if others fail
# than those in tests/python/original_tests/differences.txt, or fewer. Arguments: those of pytest.
set -eu
cd "$(dirname "$0")/.."

scripts/wheel.sh
build/venv/bin/python -c 'import numpy_vector_store' 2>/dev/null || {
    echo "original: numpy-vector-store is not there for this Python: its tests are left out"
    exit 0
}
release=$(sed -n 's/^numpy-vector-store==\([0-9.]*\).*/\1/p' tests/python/requirements.txt)
work=$PWD/build/original-tests
rm -rf "$work"
mkdir -p "$work"
build/venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest "$work" \
    "numpy-vector-store==$release"
tar -xzf "$work"/numpy_vector_store-*.tar.gz -C "$work" --strip-components 1
sed -i.bak 's/numpy_vector_store/npvec/' "$work/tests/test_vector_store.py"
cp tests/python/original_tests/wording.py "$work/tests/conftest.py"

export PYTHONDONTWRITEBYTECODE=1
build/venv/bin/python -m pytest -q -p no:cacheprovider --rootdir "$work" --tb=line "$work/tests/test_vector_store.py" "$@" \
    >"$work/printed" || true
tail -n 1 "$work/printed"
grep -v '^#' tests/python/original_tests/differences.txt | sort >"$work/expected"
sed -n 's/^FAILED [^ ]*::\([^ ]*\).*/\1/p' "$work/printed" | sort | diff "$work/expected" - || {
    echo "original: other tests fail than are expected to (< expected, > found); all of it: $work/printed" >&2
    exit 1
}
