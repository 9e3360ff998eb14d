#!/usr/bin/env bash
# Runs the tests of code that is marked unsafe under tools that watch the memory.
#
#     tests/memory.sh [address] [miri] [valgrind]      all that are there, if none is named
#
# address   AddressSanitizer: places outside of what was allocated, or used after it went; and, for debug assertions are on,
#           overflows and broken preconditions of the standard library. With the processor's widest instructions.
# miri      All that Rust calls undefined, in the code without vector instructions: `is_x86_feature_detected!` finds none
#           there. It is a component of nightly toolchains.
# valgrind  Places outside, and decisions by values that nobody has written. With AVX2, the widest that it knows.
#
# Not under Miri: what goes through the crate gemm, which asks the processor about its caches, and what goes through tensors, whose
# kernels choose instructions in ways of their own. Not under any of them: kernels of GPUs.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
# Of the library, and of the suite, where every operator runs forward and backward.
lib=(ops:: linalg:: data::npy data::floats data::csr serve::)
suite=(operators::)

under_address() {
    # Overflows and preconditions that a release does not check are checked as well.
    RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cdebug-assertions" \
        cargo test --release --target "$host" --target-dir target/address --lib --test suite -- "${lib[@]}" "${suite[@]}"
}

under_miri() {
    MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-tree-borrows -Zmiri-ignore-leaks" \
        cargo +nightly miri test --target-dir target/miri --lib -- ops::host ops::spmm::flex linalg::largest \
        linalg::matmul linalg::simd data::npy data::floats data::csr
}

under_valgrind() {
    local binary
    binary=$(cargo test --workspace --release --lib --no-run --message-format=json 2>/dev/null |
        sed -n 's/.*"executable":"\([^"]*deps\/viral-[^"]*\)".*/\1/p' | tail -n 1)
    valgrind --error-exitcode=1 --leak-check=no --fair-sched=yes "$binary" "${lib[@]}"
}

available() {
    case $1 in
        address) [ -n "$(compgen -G "$(rustc --print sysroot)/lib/rustlib/$host/lib/librustc*_rt.asan.*")" ] ;;
        miri) cargo +nightly miri --version >/dev/null 2>&1 ;;
        valgrind) command -v valgrind >/dev/null ;;
        *) echo "no tool '$1'; there are address, miri and valgrind" >&2 && exit 1 ;;
    esac
}

n=0
asked=("$@")
[ $# != 0 ] || set -- address miri valgrind
for tool in "$@"; do
    if available "$tool"; then
        echo "== $tool"
        "under_$tool"
        n=$((n + 1))
    else
        echo "== $tool: not here"
        # What was asked for must not seem to have passed.
        [ ${#asked[@]} = 0 ] || exit 1
    fi
done
[ $n != 0 ] || { echo "none of the tools is here" >&2; exit 1; }
