#!/bin/sh
# Tests npvec.langchain, npvec.llama_index and npvec.haystack against the frameworks themselves, and checks their types.
# These packages are large, so they have an environment of their own, build/integrations. Arguments: those of pytest.
set -eu
cd "$(dirname "$0")/.."

scripts/wheel.sh
requirements=tests/python/integrations/requirements.txt
environment=build/integrations
log=build/integrations.log

# quietly COMMAND...: its output goes to the log, and is shown if it fails.
quietly() {
    "$@" >>"$log" 2>&1 && return
    tail -n 20 "$log" >&2
    echo "integrations: failed: $* (all of its output: $log)" >&2
    exit 1
}

stamp="$(cat "$requirements" scripts/integrations.sh | cksum) $(cat build/venv/stamp)"
if [ "$(cat "$environment/stamp" 2>/dev/null)" != "$stamp" ]; then
    echo "integrations: $requirements into $environment"
    rm -rf "$environment"
    : >"$log"
    quietly "$(scripts/venv.sh --python)" -m venv "$environment"
    quietly "$environment/bin/python" -m pip install --disable-pip-version-check --only-binary :all: -r "$requirements"
    echo "$stamp" >"$environment/stamp"
fi
quietly "$environment/bin/python" -m pip install --disable-pip-version-check --no-deps --force-reinstall \
    build/dist/npvec-*.whl

export PYTHONDONTWRITEBYTECODE=1
"$environment/bin/python" -m mypy --strict --cache-dir build/mypy_cache --package npvec
exec "$environment/bin/python" -m pytest -q -o cache_dir="$PWD/build/pytest_cache" -o asyncio_mode=auto \
    -o asyncio_default_fixture_loop_scope=function tests/python/integrations "$@"
