#!/bin/sh
# Runs clang-tidy (.clang-tidy) over the sources of the library and the command, as the clang build compiles them.
set -eu
cd "$(dirname "$0")/.."

clang-tidy --version | sed -n 's/.*LLVM version/clang-tidy/p'
find src cli -name '*.c' -print0 | xargs -0 -n 4 -P "$(getconf _NPROCESSORS_ONLN)" \
    clang-tidy --quiet -p build/clang --warnings-as-errors='*' 2>/dev/null
