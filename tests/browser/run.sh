#!/usr/bin/env bash
# Tests pages in headless Chromium, where it and Node.js are there or can be installed; says so otherwise.
# CHROMIUM names another browser; SCREENSHOTS a folder for pictures.
set -euo pipefail
cd "$(dirname "$0")"
skip() {
    echo "skipped: pages were not tested in a browser: $1"
    exit 0
}
command -v npm >/dev/null || skip "there is no Node.js"
export CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
if [ ! -x "$CHROMIUM" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    (apt-get update && apt-get install -y --no-install-recommends chromium) >/dev/null 2>&1 || true
fi
[ -x "$CHROMIUM" ] || skip "there is no Chromium at $CHROMIUM, and none could be installed"
npm install --no-audit --no-fund --silent >/dev/null 2>&1 || skip "playwright-core could not be installed"
# With the features that the tests have, so that nothing is compiled again after them.
(cd ../.. && cargo test --workspace --release --no-run --quiet)
node shop_page.mjs ../../target/release/viral ${SCREENSHOTS:+"$SCREENSHOTS"}
node report_page.mjs ../../target/release/viral ${SCREENSHOTS:+"$SCREENSHOTS"}
