#!/usr/bin/env bash
# From fifty photos to the map of figure 4 for two vision-language models, which have random weights and are made on the spot: it
# tries the way of the vectors, and says nothing about models. The models stand behind a server of the transformers library.
#
#     python3 -m venv venv && venv/bin/pip install torch pillow "transformers[serving]"
#     enrich/tests/real_server/backbones.sh FIGURES venv/bin/python VIRAL
#
# FIGURES is the folder for the pictures, VIRAL the built program.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
figures=$1 python=$2 viral=$3
work=$(mktemp -d)
server=
stop() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
    server=
}
trap 'stop; rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1

# Prints a command without the folders of this machine, and runs it.
step() {
    echo "\$ ${*}" | sed -e "s|$(dirname "$viral")/||g" -e "s|$work/||g"
    "$@"
}

"$python" "$here/catalogue.py" "$work/shop"
step "$viral" prepare --reviews "$work/shop/log.csv" --user customer --item sku --meta "$work/shop/items.csv" \
    --id sku --title name --categories kind --images "$work/shop/images" --core 2 --out "$work/toys"
for seed in 1 2; do
    name=tiny-vlm-$seed
    "$python" "$here/tiny_vlm.py" "$work/$name" "$seed" 2>/dev/null
    port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    "$python" "$here/embedding_server.py" "$work/$name" "$port" >"$work/$name.log" 2>&1 &
    server=$!
    # Runs are about one model each: one folder each.
    step "$viral" embed --data "$work/toys" --out "$work/$name-vectors" --images "$work/shop/images" \
        --server "http://127.0.0.1:$port/v1" --model "$work/$name" --concurrency 2 --patience 300
    stop
    for suffix in "" .ids.jsonl .mask.jsonl .provenance.json; do
        file=$work/$name-vectors/multimodal_feat.npy$suffix
        [ ! -e "$file" ] || cp "$file" "$work/toys/${name}_feat.npy$suffix"
    done
done
rows=(--modality tiny-vlm-1 --modality tiny-vlm-2)
step "$viral" train --data "$work/toys" --model lightgcn "${rows[@]}" --epochs 5 --out "$work/model"
step "$viral" report --model "$work/model" --data "$work/toys" "${rows[@]}" --out "$work/toys.html" --figures "$figures"
