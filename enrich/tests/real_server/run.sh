#!/usr/bin/env bash
# From fifty photos, a table of items and a log of purchases to recommendations, with a server that is not ours:
# `transformers serve` around a tiny vision-language model with random weights, and a tiny Sentence-BERT model, both made on
# the spot. Nothing is downloaded by this script, and the describing run is killed once on the way.
#
#     python3 -m venv venv && venv/bin/pip install torch pillow "transformers[serving]"
#     enrich/tests/real_server/run.sh venv/bin/python [VIRAL]
#
# VIRAL is the built program; without it, cargo builds it. Where the server cannot be had, it says SKIPPED.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
python=${1:-python3}
viral=${2:-}
if ! "$python" -c 'import fastapi, PIL, torch, transformers, uvicorn' 2>/dev/null; then
    echo "SKIPPED: $python lacks torch, pillow or transformers[serving]; this run has tested NOTHING" >&2
    exit 0
fi
if [ -z "$viral" ]; then
    cargo build --release --manifest-path "$here/../../../Cargo.toml" -p viral-cli
    viral=${CARGO_TARGET_DIR:-$here/../../../target}/release/viral
fi

. "$here/common.sh"

"$python" "$here/tiny_vlm.py" "$work/model" 2>/dev/null
"$python" "$here/tiny_bert.py" "$work/tiny-bert" 2>/dev/null
prepare_toys

port=$(free_port)
"$python" -c 'from transformers.cli.transformers import main; main()' \
    serve "$work/model" --host 127.0.0.1 --port "$port" --device cpu >"$work/server.log" 2>&1 &
server=$!

# A model that never learned to speak says nothing that the validators would keep, hence --accept-any. The server takes its
# time to start; the program waits for it.
describe=("$viral" describe --data "$work/toys" --images "$work/shop/images" --server "http://127.0.0.1:$port/v1"
    --model "$work/model" --max-tokens 24 --temperature 1 --accept-any --concurrency 2 --patience 300)
step "${describe[@]}" --limit 10
"${describe[@]}" & run=$!
sleep 2
kill -9 "$run" 2>/dev/null && echo "killed on the way"
wait "$run" 2>/dev/null || true
step "${describe[@]}"
step "$viral" encode --data "$work/toys" --encoder "$work/tiny-bert"
step "$viral" train --data "$work/toys" --epochs 5 --set d_embed=16 --set d_fusion=16 --out "$work/model-of-toys"
step "$viral" recommend --model "$work/model-of-toys" --user customer-07 -k 5
"$viral" recommend --model "$work/model-of-toys" --user customer-07 -k 5 --json >"$work/answer.json"
"$python" - "$work" <<'CHECK'
import json, sys
from pathlib import Path

work = Path(sys.argv[1])
lines = [json.loads(line) for line in (work / "toys" / "descriptions.jsonl").read_text().splitlines()]
records = [json.loads(line) for line in (work / "toys" / "journal.jsonl").read_text().splitlines()]
asked = (work / "server.log").read_text().count('"POST /v1/chat/completions HTTP/1.1" 200')
assert len(lines) == 50 and all(line["text"] for line in lines), lines
assert len(records) == len({record["item"] for record in records}) == 50
assert all(record["tokens_in"] > 0 and record["tokens_out"] > 0 for record in records)
known = sum(record["attempts"] for record in records)
assert known <= asked <= known + 2, f"{asked} answers, {known} of them in the journal; two were in flight at the kill"
texts = len({line["text"] for line in lines})
assert texts > 25, f"{texts} different texts for 50 pictures"
ids = [line["id"] for line in lines]
for name in ("text_feat.npy", "image_feat.npy"):
    provenance = json.loads((work / "toys" / f"{name}.provenance.json").read_text())
    assert provenance["width"] == 64 and sorted(provenance["ids"]) == sorted(ids), provenance
    assert provenance["encoder"]["name"] == "tiny-bert" and provenance["encoder"]["sha256"], provenance
    assert (work / "toys" / f"{name}.mask.jsonl").read_text() == "", "every toy has a text and a picture"
assert provenance["prompt"]["name"] == "title" and provenance["model"]["name"] == str(work / "model"), provenance
answer = json.loads((work / "answer.json").read_text())
items = answer["items"]
assert len(items) == 5 and all(item["item"] in ids and item["title"].startswith("A ") for item in items), items
assert all({share[0] for share in item["shares"]} == {"text", "synergy", "visual"} for item in items), items
print(f"50 pictures described by a real server in {asked} answers; the first: {lines[0]['text']!r}")
print(f"encoded, trained on and recommended from: {items[0]['item']} ({items[0]['title']}) to customer-07")
CHECK
