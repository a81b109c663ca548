#!/usr/bin/env bash
# Builds the portal and runs it on SQLite, with the sandbox in the place of AWS and GitHub. Two weeks of history are
# written before the server first starts, and a few releases go on from there through its public interfaces.
#   scripts/demo.sh           as `make demo`
#   scripts/demo.sh --watch   as `make dev`: built quickly; built again and restarted when a source changes
# All state lies in one temporary folder: Ctrl-C stops every process and removes it.
set -euo pipefail
. "$(dirname "$0")/env.sh"
watch=false
[ "${1:-}" = --watch ] && watch=true

config=infra/demo/tidegate.toml
seed=end2end/sandbox/seeds/acme.json
# As the configuration says.
portal=8080 github=8081
# Of the sandbox alone.
aws=8082 control=8083

dir=$(mktemp -d)
children=()
cleanup() {
  trap - EXIT
  trap '' INT TERM
  for pid in "${children[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  # The server hands over what it is doing; what has not gone by then is made to.
  (sleep 15; kill -KILL "${children[@]}") 2>/dev/null &
  local reaper=$!
  for pid in "${children[@]}"; do wait "$pid" 2>/dev/null || true; done
  kill "$reaper" 2>/dev/null || true
  rm -rf "$dir"
}
trap cleanup EXIT
trap 'echo; exit 0' INT TERM

# start NAME COMMAND…: in the background, with its output in a file; it dies with this script, however that ends
start() {
  local name=$1 die=()
  shift
  if setpriv --help 2>/dev/null | grep -q pdeathsig; then die=(setpriv --pdeathsig TERM --); fi
  "${die[@]}" "$@" >>"$dir/$name.log" 2>&1 &
  started=$!
  children+=("$started")
}

# get PORT PATH: succeeds when the answer is 200
get() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1:%s\r\n\r\n' "$2" "$1" >&3 &&
    read -r line <&3 && [[ $line == *" 200 "* ]]) 2>/dev/null
}

# ready NAME PID PORT PATH: waits until a process that was started answers, or says why it does not
ready() {
  local deadline=$((SECONDS + 60))
  until get "$3" "$4"; do
    if ! kill -0 "$2" 2>/dev/null || [ $SECONDS -ge $deadline ]; then
      echo "the $1 did not start:" >&2
      tail -n 20 "$dir/$1.log" >&2
      return 1
    fi
    sleep 0.1
  done
}

build() {
  if $watch; then scripts/build.sh --dev; else scripts/build.sh; fi
}

start_server() {
  AWS_ENDPOINT_URL="http://127.0.0.1:$aws" AWS_REGION=eu-west-1 \
    AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox \
    TIDEGATE_DATABASE_URL="sqlite://$dir/tidegate.db" \
    TIDEGATE_SECRET_KEY="$secret_key" \
    TIDEGATE_GITHUB_CLIENT_SECRET=sandbox-client-secret-not-for-production \
    TIDEGATE_GITHUB_WEBHOOK_SECRET=sandbox-webhook-secret \
    TIDEGATE_GITHUB_TOKEN=ghp_sandbox_service \
    TIDEGATE_SITE="$CARGO_TARGET_DIR/site" \
    start server "$CARGO_TARGET_DIR/debug/tidegate" serve --config "$config"
  server=$started
  ready server "$server" $portal /readyz
}

for port in $portal $github $aws $control; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "port $port is taken: stop what listens there (another demo?) and try again" >&2
    exit 1
  fi
done

build
began=$SECONDS
secret_key=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
start sandbox "$CARGO_TARGET_DIR/debug/sandbox" --data $seed \
  --aws-port $aws --github-port $github --control-port $control
sandbox=$started
"$CARGO_TARGET_DIR/debug/demo-history" --config $config --seed $seed --database "sqlite://$dir/tidegate.db" \
  >>"$dir/history.log"
ready sandbox "$sandbox" $control /healthz
start_server
echo "two weeks of history are written; releasing what was committed today …"
# Without it everything works, but nothing waits for approval yet.
"$CARGO_TARGET_DIR/debug/demo-live" --seed $seed --portal "http://127.0.0.1:$portal" \
  --github "http://127.0.0.1:$github" --control "http://127.0.0.1:$control" ||
  echo "today's releases did not get where they should; see $dir/server.log" >&2

cat <<TEXT

  Tidegate runs at   http://127.0.0.1:$portal      (ready in $((SECONDS - began)) s)

  Sign in with GitHub: a stand-in asks who you are.
    ada-acme    approves for release-approvers: four deployments wait for her, and one takes its first 10 % of traffic
    hana-acme   approves for security, which guardrails needs besides
    dara-acme   requests deployments, but approves none
    gus-acme    audits: sees everything, changes nothing

  Logs               $dir/server.log, $dir/sandbox.log
  Ctrl-C stops everything and leaves nothing behind.

TEXT

if ! $watch; then
  wait -n "$sandbox" "$server" || true
  echo "a process ended by itself:" >&2
  tail -n 20 "$dir/server.log" "$dir/sandbox.log" >&2
  exit 1
fi

touch "$dir/built"
while sleep 1; do
  changed=$(find Cargo.toml app domain server end2end/sandbox/src end2end/demo/src style migrations infra/demo xtask -newer "$dir/built" -type f 2>/dev/null | head -1)
  [ -n "$changed" ] || continue
  echo "changed: $changed"
  touch "$dir/built"
  if build; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    start_server && echo "restarted: http://127.0.0.1:$portal"
  fi
done
