#!/usr/bin/env bash
# Builds the portal and runs it on SQLite, with the sandbox in the place of AWS, GitHub, Slack and PagerDuty. Two weeks of history are
# written before the server first starts; then a few releases go on from there through its public interfaces.
#   scripts/demo.sh           as `make demo`
#   scripts/demo.sh --watch   as `make dev`: built quickly; built again and restarted when a source changes
# It listens on TIDEGATE_DEMO_PORT, 8080 unless set, and the sandbox on the four ports that follow.
# All state lies in one temporary folder: Ctrl-C stops every process and removes it.
set -euo pipefail
. "$(dirname "$0")/env.sh"
watch=false
[ "${1:-}" = --watch ] && watch=true

portal=${TIDEGATE_DEMO_PORT:-8080}
github=$((portal + 1)) aws=$((portal + 2)) control=$((portal + 3)) messages=$((portal + 4))
config=infra/demo/tidegate.toml
seed=end2end/sandbox/seeds/acme.json
server='' sandbox='' live=''

dir=$(mktemp -d -t tidegate-demo.XXXXXX)
trap cleanup EXIT
trap 'echo; exit 0' INT TERM
trap 'exit 0' HUP PIPE

cleanup() {
  trap - EXIT
  trap '' INT TERM HUP PIPE
  stop
  rm -rf "$dir"
}

# stop [PID…]: ends these processes, or all of them. The server hands over what it is doing; what has not gone after
# 15 s is made to. Only what this shell knows to run is signalled: the number of a process that has gone may be another's.
stop() {
  local deadline=$((SECONDS + 15)) signal=TERM
  while runs "$@"; do
    [ -z "$signal" ] || kill -"$signal" "${alive[@]}" 2>/dev/null || true
    signal=
    if [ $SECONDS -ge $deadline ]; then signal=KILL; fi
    sleep 0.1
  done
}

# runs [PID…]: whether any of these processes still runs, or any that was started; `alive` says which
runs() {
  local pid all
  all=$(jobs -rp)
  alive=()
  for pid in $all; do
    if [ $# = 0 ] || [[ " $* " == *" $pid "* ]]; then alive+=("$pid"); fi
  done
  [ ${#alive[@]} -gt 0 ]
}

# start NAME COMMAND…: in the background, with its output in a file; it dies with this script, however that ends
start() {
  local name=$1 die=()
  shift
  if setpriv --help 2>/dev/null | grep -q pdeathsig; then die=(setpriv --pdeathsig TERM --); fi
  "${die[@]}" "$@" >>"$dir/$name.log" 2>&1 &
  started=$!
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
    if ! runs "$2" || [ $SECONDS -ge $deadline ]; then
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

# The configuration is written for the usual ports; with others it runs on a copy.
configure() {
  if [ "$portal" = 8080 ]; then return; fi
  sed "s/127\.0\.0\.1:8080/127.0.0.1:$portal/g; s/127\.0\.0\.1:8081/127.0.0.1:$github/g; s/127\.0\.0\.1:8084/127.0.0.1:$messages/g" \
    infra/demo/tidegate.toml >"$dir/tidegate.toml"
  config=$dir/tidegate.toml
}

start_server() {
  AWS_ENDPOINT_URL="http://127.0.0.1:$aws" \
    TIDEGATE_DATABASE_URL="sqlite://$dir/tidegate.db" \
    TIDEGATE_SECRET_KEY="$secret_key" \
    TIDEGATE_GITHUB_CLIENT_SECRET=sandbox-client-secret-not-for-production \
    TIDEGATE_GITHUB_WEBHOOK_SECRET=sandbox-webhook-secret \
    TIDEGATE_GITHUB_TOKEN=ghp_sandbox_service \
    TIDEGATE_SLACK_TOKEN=xoxb-sandbox-token \
    TIDEGATE_PAGERDUTY_KEY=5a4d3b0c5a4d3b0c5a4d3b0c5a4d3b0c \
    TIDEGATE_SITE="$CARGO_TARGET_DIR/site" \
    start server "$CARGO_TARGET_DIR/debug/tidegate" serve --config "$config"
  server=$started
  ready server "$server" "$portal" /readyz
}

# The whole stage, from the beginning of the story; returns when the portal answers.
start_all() {
  configure
  rm -f "$dir"/tidegate.db*
  start sandbox "$CARGO_TARGET_DIR/debug/sandbox" --data $seed \
    --aws-port "$aws" --github-port "$github" --control-port "$control" --messages-port "$messages"
  sandbox=$started
  "$CARGO_TARGET_DIR/debug/demo-history" --config "$config" --seed $seed --database "sqlite://$dir/tidegate.db" \
    >>"$dir/history.log"
  ready sandbox "$sandbox" "$control" /healthz
  start_server
  start live "$CARGO_TARGET_DIR/debug/demo-live" --seed $seed --portal "http://127.0.0.1:$portal" \
    --github "http://127.0.0.1:$github" --control "http://127.0.0.1:$control"
  live=$started
}

# Says once how today's releases went. Without them everything works, but nothing waits for approval.
tell_of_live() {
  if [ -z "$live" ] || runs "$live"; then return; fi
  if wait "$live"; then
    echo "  Today's releases are there: four deployments wait for approval, and one takes its first 10 % of traffic."
  else
    echo "  Today's releases did not get where they should:" >&2
    tail -n 5 "$dir/live.log" >&2
  fi
  live=''
}

for port in "$portal" "$github" "$aws" "$control" "$messages"; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "port $port is taken: stop what listens there (another demo?), or choose others with TIDEGATE_DEMO_PORT" >&2
    exit 1
  fi
done

build
began=$SECONDS
secret_key=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
start_all
cat <<TEXT

  Tidegate runs at   http://127.0.0.1:$portal      (ready in $((SECONDS - began)) s, with two weeks of history)

  Sign in with GitHub: a stand-in asks who you are.
    ada-acme    approves for release-approvers
    hana-acme   approves for security, which guardrails needs besides
    dara-acme   requests deployments, but approves none
    gus-acme    audits: sees everything, changes nothing

  What people were told: http://127.0.0.1:$control/messages (Slack, PagerDuty, as the stand-ins got it)
  Logs               $dir/server.log, $dir/sandbox.log
  Ctrl-C stops everything and leaves nothing behind.

  Today's commits are being released meanwhile …
TEXT

# What the server is made of, and what makes up the stage and its story.
server_sources=(Cargo.toml Cargo.lock app domain server style xtask)
stage_sources=(end2end/sandbox end2end/demo migrations infra/demo)
newer() { find "$@" -name node_modules -prune -o -newer "$dir/built" -type f -print -quit; }

touch "$dir/built"
while sleep 1; do
  tell_of_live
  if ! $watch; then
    if runs "$server" && runs "$sandbox"; then continue; fi
    echo "a process ended by itself:" >&2
    tail -n 20 "$dir/server.log" "$dir/sandbox.log" >&2
    exit 1
  fi
  stage=$(newer "${stage_sources[@]}")
  changed=${stage:-$(newer "${server_sources[@]}")}
  [ -n "$changed" ] || continue
  echo "changed: $changed"
  touch "$dir/built"
  build || continue
  if [ -n "$stage" ]; then
    live=''
    stop
    start_all && echo "started anew, with a new story: http://127.0.0.1:$portal"
  else
    stop "$server"
    start_server && echo "restarted: http://127.0.0.1:$portal"
  fi
done
