#!/bin/sh
# Runs bench/run.py over the release build: scripts/bench.sh [options of bench/run.py; --help lists them]
# With --crash first: bench/crash.py, which kills writers and looks for what they had acknowledged.
# What it is compared with goes into an environment of its own, build/bench-venv; what cannot be installed is left out.
set -eu
cd "$(dirname "$0")/.."

requirements=bench/requirements.txt
venv=build/bench-venv
log=build/bench-venv.log

python=$(scripts/venv.sh --python) || {
    echo "bench: no Python with venv, ensurepip and ctypes; scripts/setup.sh --test installs one" >&2
    exit 1
}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "bench: needs Python 3.11 or newer, found $("$python" --version); NPVEC_PYTHON names another" >&2
    exit 1
fi

# Wheels where there are any; hnswlib is published as source only and is compiled here.
install() {
    "$venv/bin/python" -m pip install --disable-pip-version-check --prefer-binary "$@" >>"$log" 2>&1
}

make_environment() {
    rm -rf "$venv"
    mkdir -p build
    : >"$log"
    "$python" -m venv "$venv" >>"$log" 2>&1
    needed=$(grep -E '^(numpy|psutil)==' "$requirements")
    # shellcheck disable=SC2086 # words
    install $needed || {
        tail -n 20 "$log" >&2
        echo "bench: cannot be installed: $needed (all of the output: $log)" >&2
        exit 1
    }
    grep -E '^[a-z]' "$requirements" | grep -vE '^(numpy|psutil)==' | while read -r package; do
        echo "bench: installing $package"
        # NumPy is named again so that no package replaces it.
        # shellcheck disable=SC2086
        install $needed "$package" </dev/null || echo "bench: $package cannot be installed here and is left out (see $log)"
    done
}

# What the environment depends on; the directory, because environments cannot be moved.
stamp="$(cat "$requirements" scripts/bench.sh | cksum) $("$python" --version) $python $PWD"
if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$stamp" ]; then
    make_environment >&2
    echo "$stamp" >"$venv/stamp"
fi
case " $* " in
*" --python "*)
    scripts/wheel.sh
    install --no-deps --force-reinstall build/dist/npvec-*.whl
    ;;
esac
program=bench/run.py
if [ "${1-}" = --crash ]; then
    program=bench/crash.py
    shift
fi
PYTHONDONTWRITEBYTECODE=1 exec "$venv/bin/python" "$program" "$@"
