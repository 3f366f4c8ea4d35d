#!/bin/sh
# Runs every fuzz target of build/fuzz for some seconds, two at a time: scripts/fuzz.sh SECONDS [target...]
#
# Inputs are those of fuzz/corpus, and those found in earlier runs, which are in build/fuzz-corpus. What a target fails
# on is put into build/fuzz-findings, together with its output; run the target on that file to see it again.
set -eu
cd "$(dirname "$0")/.."

seconds=${1:?usage: scripts/fuzz.sh SECONDS [target...]}
shift
# A quarter of the time of small inputs goes into what is kept of freed memory and of who asked for it: 256 MB and 30
# frames, unless this is said. Run a finding again without it to see them all.
: "${ASAN_OPTIONS:=quarantine_size_mb=16:thread_local_quarantine_size_kb=512:malloc_context_size=1}"
export ASAN_OPTIONS
targets=${*:-$(cd fuzz && printf '%s\n' fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')}

# Inputs of more than 4 KiB find nothing that smaller ones do not, and take longer.
# The limit for one input, 5 minutes, is of the clock: on a busy machine a second's work may take many.
# shellcheck disable=SC2016 # the variables are those of the shell that is started
# shellcheck disable=SC2086 # words
printf '%s\n' $targets | xargs -P 2 -I NAME sh -c '
    corpus=build/fuzz-corpus/NAME findings=build/fuzz-findings/NAME
    mkdir -p "$corpus" "$findings"
    if build/fuzz/fuzz/fuzz_NAME -max_total_time='"$seconds"' -timeout=300 -max_len=4096 -reload=0 \
        -close_fd_mask=3 -print_final_stats=1 -artifact_prefix="$findings/" "$corpus" fuzz/corpus/NAME \
        >"$findings/log" 2>&1; then
        echo "fuzz: NAME: $(sed -n "s/^stat::number_of_executed_units: *//p" "$findings/log") inputs tried, no finding"
    else
        tail -n 40 "$findings/log"
        echo "fuzz: NAME: a finding, in $findings"
        exit 255
    fi' >&2
