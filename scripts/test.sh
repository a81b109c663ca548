#!/usr/bin/env bash
# Runs every check, or the parts named on the command line, and prints how long each took.
#   scripts/test.sh            everything
#   scripts/test.sh lint unit  these two
# A part that fails does not keep the others from running; the last line counts both. Ctrl-C ends all.
set -uo pipefail
. "$(dirname "$0")/env.sh"
root=$PWD
only=("$@")
names=() seconds=() results=()
trap 'echo; echo interrupted >&2; exit 130' INT
trap 'exit 143' TERM

# part NAME COMMAND…
part() {
  local name=$1 began result=passed
  shift
  if [ ${#only[@]} -gt 0 ] && [[ " ${only[*]} " != *" $name "* ]]; then return; fi
  printf '\n── %s: %s\n' "$name" "$*"
  began=$SECONDS
  ("$@") || result=FAILED
  names+=("$name") seconds+=($((SECONDS - began))) results+=("$result")
}

# with_python COMMAND…: botocore, schemathesis and what else the checks need are importable.
with_python() {
  local venv
  venv=$("$root/scripts/venv.sh") && PATH="$venv/bin:$PATH" "$@"
}

# What the sandbox is asked and answers, a file for each part; `protocol-aws`, `protocol-github` and `protocol-slack` hold what the parts
# last wrote against what AWS, GitHub and Slack publish.
records="$CARGO_TARGET_DIR/sandbox-records"
mkdir -p "$records"
# recorded PART COMMAND…: what the sandbox is asked here goes into a new file of the part's own.
recorded() {
  export SANDBOX_RECORD="$records/$1.jsonl"
  rm -f "$SANDBOX_RECORD"
  shift
  "$@"
}

# cargo_test PART ARGUMENT…: the workspace as a whole, always, so that all parts share every artefact.
cargo_test() {
  local name=$1
  shift
  recorded "$name" cargo test --locked --workspace --no-fail-fast "$@"
}

# postgres_test PART ARGUMENT…: the same on both databases.
postgres_test() {
  local name=$1
  shift
  recorded "$name" scripts/scratch-postgres.sh cargo test --locked --workspace --no-fail-fast "$@"
}

# Where rustup has no wasm target, Debian's compiler lints the client too.
lint_wasm() {
  local answer
  answer=$(scripts/wasm-target.sh) && eval "$answer" &&
    cargo clippy --locked --package tidegate-client --target wasm32-unknown-unknown -- -D warnings
}

# A replica's clock is set wrong by faketime.
crash() {
  scripts/apt.sh faketime && postgres_test crash --test crash
}

# The readers of metrics against what the sandbox did not make: a public emulator of CloudWatch, and the real Prometheus.
emulator() {
  scripts/scratch-emulator.sh cargo test --locked --workspace --test sources -- --ignored emulator::
}

prometheus() {
  scripts/scratch-prometheus.sh server/adapters/tests/sources/samples.openmetrics \
    cargo test --locked --workspace --test sources -- --ignored prometheus::
}

types() {
  scripts/npm.sh && cd end2end && node_modules/.bin/tsc
}

# The story, and then all of `make demo` as a person meets it.
demo() {
  cargo test --locked --workspace --test history && scripts/build.sh && python3 end2end/demo/tests/demo.py
}

browser() {
  CHROMIUM=$(scripts/chromium.sh) && export CHROMIUM && scripts/npm.sh && cd end2end &&
    recorded browser node_modules/.bin/playwright test --project js --project plain
}

api() {
  scripts/npm.sh && cd end2end && recorded api with_python node_modules/.bin/playwright test --project api
}

# The checkers are themselves checked.
protocol_aws() {
  with_python python3 -m unittest discover -s end2end/sandbox/check &&
    with_python python3 end2end/sandbox/check/aws_models.py "$records"/*.jsonl
}

protocol_github() {
  scripts/npm.sh end2end/sandbox/check && cd end2end/sandbox/check && node --test --test-reporter=dot &&
    node github_openapi.mjs "$records"/*.jsonl
}

protocol_slack() {
  with_python python3 end2end/sandbox/check/slack_blocks.py "$records"/*.jsonl
}

scripts/cc.sh
part format           cargo fmt --all --check
part lint             cargo clippy --locked --workspace --all-targets -- -D warnings
part lint-wasm        lint_wasm
part types            types
part compile          cargo test --locked --workspace --no-run
part unit             cargo_test unit --lib --bins --test pages --test layering
part sandbox          cargo_test sandbox --test aws
part store            postgres_test store --test contract
part adapters         cargo_test adapters --test sandbox
part emulator         emulator
part prometheus       prometheus
part flows            postgres_test flows --test flows
part http             cargo_test http --test http_web
part crash            crash
part build            scripts/build.sh
part demo             demo
part browser          browser
part api              api
part protocol-aws     protocol_aws
part protocol-github  protocol_github
part protocol-slack   protocol_slack

passed=0 failed=0
printf '\n%-18s %8s  %s\n' part time result
for i in "${!names[@]}"; do
  printf '%-18s %5d:%02d  %s\n' "${names[i]}" $((seconds[i] / 60)) $((seconds[i] % 60)) "${results[i]}"
  if [ "${results[i]}" = passed ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
for name in "${only[@]}"; do
  [[ " ${names[*]} " == *" $name "* ]] || { echo "there is no part $name"; failed=$((failed + 1)); }
done
printf '%-18s %5d:%02d\n\n' all $((SECONDS / 60)) $((SECONDS % 60))
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
