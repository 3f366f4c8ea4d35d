#!/bin/sh
# Formats all C and C++ sources, or with --check says which are not formatted and changes nothing.
set -eu
cd "$(dirname "$0")/.."

scripts/venv.sh
case ${1:-} in
--check) how='--dry-run --Werror' ;;
*) how=-i ;;
esac
echo "$(build/venv/bin/clang-format --version) $how"
# shellcheck disable=SC2046,SC2086 # words
build/venv/bin/clang-format $how $(find . -path ./build -prune -o \( -name '*.[ch]' -o -name '*.cpp' \) -print)
