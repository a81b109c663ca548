#!/usr/bin/env bash
# Measures what quality demands of size and start: P8 (bytes of the approval page), P11 (memory, start-up).
set -euo pipefail
. "$(dirname "$0")/env.sh"
scripts/build.sh
scripts/npm.sh
CHROMIUM=$(scripts/chromium.sh)
export CHROMIUM
# A debug build is neither as quick nor as small as what is shipped.
cargo build --locked --release --package tidegate-server
cd end2end
export TIDEGATE_PROFILE=release
exec node_modules/.bin/playwright test --project bench
