#!/usr/bin/env bash
# The binaries, and what the browser loads with what building that needs: `scripts/build.sh [--dev]`.
set -euo pipefail
. "$(dirname "$0")/env.sh"
scripts/cc.sh
# Where rustup has no wasm target, Debian's compiler is used for that alone: one set of host artefacts serves everything.
wasm=$(scripts/wasm-target.sh)
scripts/npm.sh
# The workspace as a whole, always: one selection of packages, one set of features, nothing built twice.
cargo build --locked --workspace --bins
eval "$wasm"
"$CARGO_TARGET_DIR/debug/xtask" site "$@"
