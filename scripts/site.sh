#!/usr/bin/env bash
# What the browser loads, and what building it needs: `scripts/site.sh [--dev]`.
set -euo pipefail
. "$(dirname "$0")/env.sh"
# Debian's compiler is used for wasm only, so that one set of host artefacts serves everything.
answer=$(scripts/wasm-target.sh)
scripts/npm.sh
# The workspace as a whole, always: one selection of packages, one set of features, nothing built twice.
cargo build --workspace --bins
eval "$answer"
"$CARGO_TARGET_DIR/debug/xtask" site "$@"
