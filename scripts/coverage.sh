#!/bin/sh
# Runs the C tests in build/coverage and says what of src/ they reached: scripts/coverage.sh [--missing]
set -eu
cd "$(dirname "$0")/.."

find build/coverage -name '*.gcda' -delete
# Those two look at the libraries as they are shipped.
ctest --preset coverage --parallel "$(getconf _NPROCESSORS_ONLN)" --exclude-regex '^(symbols|install)$' --quiet ||
    echo "coverage: some tests failed; make debug says which" >&2
"$(scripts/venv.sh --python)" scripts/coverage.py build/coverage "$@"
