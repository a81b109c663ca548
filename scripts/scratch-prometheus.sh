#!/usr/bin/env bash
# Runs a command with a Prometheus of its own on a free loopback port, which holds the samples of an OpenMetrics file, and
# leaves nothing behind.
#   scripts/scratch-prometheus.sh server/adapters/tests/sources/samples.openmetrics cargo test --test sources
# The command finds it in TIDEGATE_TEST_PROMETHEUS.
set -euo pipefail
cd "$(dirname "$0")/.."
samples=$(realpath "$1")
shift
home=$(scripts/prometheus.sh)
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

"$home/promtool" tsdb create-blocks-from openmetrics "$samples" "$dir/data" >"$dir/blocks.log" 2>&1 ||
  { cat "$dir/blocks.log" >&2; exit 1; }
echo 'scrape_configs: []' >"$dir/prometheus.yml"
# A port that was free a moment ago may be taken by the time Prometheus binds it: then another is tried.
for attempt in 1 2 3 4 5; do
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  "$home/prometheus" --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/data" --storage.tsdb.retention.time=100y \
    --web.listen-address="127.0.0.1:$port" >"$dir/server.log" 2>&1 &
  server=$!
  ready=false
  for _ in $(seq 300); do
    kill -0 "$server" 2>/dev/null || break
    if python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=1)' \
      "http://127.0.0.1:$port/-/ready" 2>/dev/null; then ready=true; break; fi
    sleep 0.1
  done
  if $ready; then break; fi
  if [ "$attempt" = 5 ]; then cat "$dir/server.log" >&2; exit 1; fi
done
export TIDEGATE_TEST_PROMETHEUS="http://127.0.0.1:$port"
"$@"
