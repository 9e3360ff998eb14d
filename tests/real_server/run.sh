#!/usr/bin/env bash
# Describes fifty pictures through a server that is not ours: `transformers serve` around a tiny vision-language model with
# random weights, made on the spot. Nothing is downloaded by this script, and the run is killed once on the way.
#
#     python3 -m venv venv && venv/bin/pip install torch pillow "transformers[serving]"
#     tests/real_server/run.sh venv/bin/python [PROGRAM]
#
# PROGRAM is a built `enrich` example; without it, cargo builds one. Where the server cannot be had, it says SKIPPED.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
python=${1:-python3}
program=${2:-}
if ! "$python" -c 'import fastapi, PIL, torch, transformers, uvicorn' 2>/dev/null; then
    echo "SKIPPED: $python lacks torch, pillow or transformers[serving]; this run has tested NOTHING" >&2
    exit 0
fi
if [ -z "$program" ]; then
    cargo build --release --manifest-path "$here/../../Cargo.toml" --features enrich --example enrich
    program=${CARGO_TARGET_DIR:-$here/../../target}/release/examples/enrich
fi

work=$(mktemp -d)
server=
cleanup() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap cleanup EXIT
export HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1

"$python" "$here/tiny_vlm.py" "$work/model" 2>/dev/null
"$python" "$here/catalogue.py" "$work/toys"
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$python" -c 'from transformers.cli.transformers import main; main()' \
    serve "$work/model" --host 127.0.0.1 --port "$port" --device cpu >"$work/server.log" 2>&1 &
server=$!

# A model that never learned to speak says nothing that the validators would keep, hence --accept-any. The server takes its
# time to start; the program waits for it.
enrich=("$program" --data "$work/toys" --images "$work/toys/images" --server "http://127.0.0.1:$port/v1"
    --model "$work/model" --max-tokens 24 --temperature 1 --accept-any --concurrency 2 --patience 300)
"${enrich[@]}" --limit 10
"${enrich[@]}" & run=$!
sleep 2
kill -9 "$run" 2>/dev/null && echo "killed on the way"
wait "$run" 2>/dev/null || true
"${enrich[@]}"
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
print(f"50 pictures described by a real server in {asked} answers; the first: {lines[0]['text']!r}")
CHECK
