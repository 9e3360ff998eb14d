#!/usr/bin/env bash
# All that a GPU is held to, in one command:
#
#     benches/gpu.sh DATA [PEER]
#
# DATA is the folder that has the data set `baby` in it. PEER is a program that times the same works in PyTorch, called as
# `python3 PEER --data DATA/baby --device cuda`; without it that column stays empty. VIRAL_GPU=wgpu takes an adapter of
# Vulkan, Metal or DirectX instead of cuda, PYTHON another interpreter, OUT another folder than out/gpu.
#
# A step that fails does not stop the others. Each writes OUT/<step>.log; OUT/report.md has the table. Building the feature
# `cuda` needs no CUDA toolkit but, the first time, the network: cubecl-llvm fetches its LLVM.
set -uo pipefail
cd "$(dirname "$0")/.."

data=${1:?usage: benches/gpu.sh DATA [PEER]}
peer=${2:-${VIRAL_PEER:-}}
gpu=${VIRAL_GPU:-cuda}
out=${OUT:-out/gpu}
mkdir -p "$out"
report=$out/report.md
failed=0

# step NAME COMMAND...: runs the command, keeps what it prints, and adds a line to the report.
step() {
    local name=$1 start=$SECONDS result=passed
    shift
    echo "== $name: $*"
    "$@" 2>&1 | tee "$out/$name.log" || { result=FAILED; failed=1; }
    if grep -q '^skipped:' "$out/$name.log"; then result=skipped; failed=1; fi
    echo "| $name | $result | $((SECONDS - start)) s |" >>"$report"
}

{
    echo "# $gpu, $(date +%F), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
    echo
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null
    echo
    echo "| step | result | time, build included |"
    echo "|---|---|---:|"
} >"$report"

suite() { VIRAL_TEST_DEVICE=$gpu cargo test --release --features "$gpu" --test suite -- "$1"; }
train() {
    cargo run --release --features "$gpu" --example train_baby -- \
        --data "$data/baby" --model viral --seed 1 --device "$1" --precision "$2" --out "$out/$1-$2" --json "$out/$1-$2.json"
}
bench() { VIRAL_DATA=$data VIRAL_DEVICE=$gpu VIRAL_BENCH_SLOW=1 cargo bench --features "$gpu"; }

step operators suite operators
step parity suite parity
step "train-$gpu-f32" train "$gpu" f32
step "train-$gpu-bf16" train "$gpu" bf16
step train-flex-f32 train flex f32
step bench bench
if [ -n "$peer" ]; then
    step peer "${PYTHON:-python3}" "$peer" --data "$data/baby" --device cuda
else
    : >"$out/peer.log"
fi

# R@20 is the third column of the program's table, seconds the last.
figure() { awk -v column="$2" '$1 == "viral" && NF == 7 { print $column }' "$out/train-$1.log" | tail -1; }
{
    echo
    echo "| VIRAL on Baby, seed 1 | R@20 | seconds |"
    echo "|---|---:|---:|"
    for run in "$gpu-f32" "$gpu-bf16" flex-f32; do
        echo "| $run | $(figure "$run" 3) | $(figure "$run" 7) |"
    done
    echo
    echo "| work | this crate | PyTorch, ms |"
    echo "|---|---:|---:|"
    awk '
        # {"what": "spmm_64", "median_s": 0.0292, ...}
        FILENAME ~ /peer.log$/ {
            if (match($0, /"what": "[^"]*"/)) what = substr($0, RSTART + 9, RLENGTH - 10); else next
            if (match($0, /"median_s": [0-9.e-]*/)) peer[what] = substr($0, RSTART + 12, RLENGTH - 12) * 1000
            next
        }
        # work/data set/width, on the line of the time or on the one before it
        $1 ~ /^[a-z_0-9]+\/[^ ]+\/[0-9]+$/ { id = $1 }
        /time: *\[/ {
            sub(/.*time: *\[/, ""); sub(/\].*/, "")
            split($0, t, " "); split(id, part, "/")
            name = part[1] "_" part[3]
            sub(/^spmm_forward_backward_/, "spmm_", name); sub(/^info_nce_forward_backward_/, "infonce_", name)
            sub(/^encoder_forward_backward_/, "encoder_", name); sub(/^lightgcn_step_.*/, "lightgcn", name)
            sub(/^viral_redu2_step_.*/, "viral_redu2", name); sub(/^nearest_neighbors_384/, "knn", name)
            printf "| `%s` | %s %s | %s |\n", id, t[3], t[4], (name in peer) ? sprintf("%.3f", peer[name]) : "–"
        }' "$out/peer.log" "$out/bench.log"
} >>"$report"
cat "$report"
exit $failed
