#!/usr/bin/env bash
# Runs the fuzz targets of both crates, at most two at once, and says in a line for each what came of it.
#
#     fuzz/run.sh [SECONDS [TARGET…]]      600 seconds each, all targets
#
# JOBS=1 runs one at a time. Where cargo-fuzz is not installed, the targets are built with the flags that it gives to rustc. What
# was found is in corpus/ and artifacts/ of fuzz/ and enrich/fuzz/, what was said in fuzz/target/*.log.
set -euo pipefail
self=$(realpath "$0")
cd "$(dirname "$self")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
built=$PWD/fuzz/target

# build FOLDER: all its targets, with the versions of crates that the tests have.
build() {
    [ -e "$1/Cargo.lock" ] || cp Cargo.lock "$1/Cargo.lock"
    if cargo fuzz --version >/dev/null 2>&1; then
        (cd "$1/.." && RUSTC_BOOTSTRAP=1 cargo fuzz build --sanitizer none --target-dir "$built")
    else
        local flags="--cfg fuzzing -Cdebug-assertions -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
        flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
        flags+=" -Cllvm-args=-sanitizer-coverage-trace-compares"
        (cd "$1" && RUSTC_BOOTSTRAP=1 RUSTFLAGS="$flags" cargo build --release --target "$host" --target-dir "$built")
    fi
}

# run SECONDS FOLDER/TARGET
run() {
    local folder=${2%/*} target=${2##*/} status=0
    local log=$built/$target.log found=$folder/artifacts/$target
    mkdir -p "$folder/corpus/$target" "$found"
    "$built/$host/release/$target" "$folder/corpus/$target" "$folder/seeds/$target" -max_total_time="$1" \
        -print_final_stats=1 -artifact_prefix="$found/" >"$log" 2>&1 || status=$?
    local number='s/^stat::number_of_executed_units: *//p' coverage='s/^#.* cov: \([0-9]*\) .*/\1/p'
    local runs first last crashes
    runs=$(sed -n "$number" "$log")
    first=$(sed -n '/INITED/p' "$log" | sed -n "$coverage")
    last=$(sed -n "$coverage" "$log" | tail -n 1)
    crashes=$(find "$found" -type f ! -name 'slow-unit-*' -newer "$built/started" | wc -l)
    printf '%-24s %10s executions, coverage %5s to %5s, %s crashes\n' "$2" "${runs:-?}" "${first:-?}" "${last:-?}" "$crashes"
    # It cannot pass without having run.
    [ "$status" = 0 ] && [ -n "$runs" ] && [ "$crashes" = 0 ]
}

if [ "${1:-}" = --one ]; then
    run "$2" "$3"
    exit
fi

seconds=${1:-600}
shift $(($# > 0))
[ -n "${TMPDIR:-}" ] || [ ! -w /dev/shm ] || export TMPDIR=/dev/shm
targets=()
for folder in fuzz enrich/fuzz; do
    here=()
    for name in $(sed -n 's/^name = "\([a-z_]*\)"$/\1/p' "$folder/Cargo.toml"); do
        [ $# != 0 ] && [[ " $* " != *" $name "* ]] || here+=("$folder/$name")
    done
    [ ${#here[@]} != 0 ] || continue
    build "$folder"
    touch "$built/started"
    targets+=("${here[@]}")
done
[ ${#targets[@]} != 0 ] || { echo "no such target: $*" >&2; exit 1; }
printf '%s\n' "${targets[@]}" | xargs -P "${JOBS:-2}" -I{} "$self" --one "$seconds" {}
