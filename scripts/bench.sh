#!/usr/bin/env bash
# Measures what quality demands of size and start: P8 (bytes of the approval page), P11 (memory, start-up).
set -euo pipefail
. "$(dirname "$0")/env.sh"
scripts/build.sh
scripts/npm.sh
scripts/apt.sh chromium
cd end2end
exec node_modules/.bin/playwright test --project bench
