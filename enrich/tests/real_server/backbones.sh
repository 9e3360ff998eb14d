#!/usr/bin/env bash
# From fifty photos to the map of figure 4 for two vision-language models, which have random weights and are made on the spot: it
# tries the way of the vectors, and says nothing about models. The models stand behind a server of the transformers library.
#
#     python3 -m venv venv && venv/bin/pip install torch pillow "transformers[serving]"
#     enrich/tests/real_server/backbones.sh FIGURES venv/bin/python VIRAL
#
# FIGURES is the folder for the pictures, VIRAL the built program.
set -euo pipefail

figures=$1 python=$2 viral=$3
. "$(dirname "$0")/common.sh"

prepare_toys
for seed in 1 2; do
    name=tiny-vlm-$seed
    "$python" "$here/tiny_vlm.py" "$work/$name" "$seed" 2>/dev/null
    port=$(free_port)
    "$python" "$here/embedding_server.py" "$work/$name" "$port" >"$work/$name.log" 2>&1 &
    server=$!
    # Runs are about one model each: one folder each.
    step "$viral" embed --data "$work/toys" --out "$work/$name-vectors" --images "$work/shop/images" \
        --server "http://127.0.0.1:$port/v1" --model "$work/$name" --concurrency 2 --patience 300
    stop
    for suffix in "" .mask.jsonl .provenance.json; do
        file=$work/$name-vectors/multimodal_feat.npy$suffix
        [ ! -e "$file" ] || cp "$file" "$work/toys/${name}_feat.npy$suffix"
    done
done
rows=(--modality tiny-vlm-1 --modality tiny-vlm-2)
step "$viral" train --data "$work/toys" --model lightgcn "${rows[@]}" --epochs 5 --out "$work/model"
step "$viral" report --model "$work/model" --data "$work/toys" "${rows[@]}" --out "$work/toys.html" --figures "$figures"
