#!/usr/bin/env bash
# Runs a command with a public emulator of AWS (ministack, from PyPI) on a free loopback port, and leaves nothing behind.
#   scripts/scratch-emulator.sh cargo test --test sources
# The command finds it in TIDEGATE_TEST_EMULATOR.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(scripts/venv.sh emulator server/adapters/tests/sources/requirements.txt)
dir=$(mktemp -d)
server=
# shellcheck disable=SC2317
stop() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
  rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for attempt in 1 2 3 4 5; do
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  # Left to itself it listens on every interface.
  (cd "$dir" && exec env TMPDIR="$dir" BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" "$venv/bin/ministack") >"$dir/server.log" 2>&1 &
  server=$!
  ready=false
  for _ in $(seq 300); do
    kill -0 "$server" 2>/dev/null || break
    if python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=1)' \
      "http://127.0.0.1:$port/_ministack/ready" 2>/dev/null; then ready=true; break; fi
    sleep 0.1
  done
  if $ready; then break; fi
  if [ "$attempt" = 5 ]; then cat "$dir/server.log" >&2; exit 1; fi
done
export TIDEGATE_TEST_EMULATOR="http://127.0.0.1:$port"
"$@"
