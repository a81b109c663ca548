#!/usr/bin/env bash
# Runs every check, or the parts named on the command line, and prints how long each took.
#   scripts/test.sh            everything
#   scripts/test.sh lint unit  these two
# A part that fails does not keep the others from running; the last line counts both.
set -uo pipefail
. "$(dirname "$0")/env.sh"
root=$PWD
only=("$@")
names=() seconds=() results=()

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

# Where rustup has no wasm target, Debian's compiler lints the client too.
lint_wasm() {
  local answer
  answer=$(scripts/wasm-target.sh) && eval "$answer" &&
    cargo clippy --package tidegate-client --target wasm32-unknown-unknown -- -D warnings
}

browser() {
  scripts/apt.sh chromium && scripts/npm.sh && cd end2end && node_modules/.bin/playwright test --project js --project plain
}

api() {
  scripts/npm.sh && cd end2end && with_python node_modules/.bin/playwright test --project api
}

# What the sandbox is asked and answers in all of the tests, held against what AWS and GitHub publish; the checkers
# are themselves checked.
export SANDBOX_RECORD="$CARGO_TARGET_DIR/sandbox-record.jsonl"

unit() {
  rm -f "$SANDBOX_RECORD"
  scripts/scratch-postgres.sh cargo test --workspace --no-fail-fast
}

protocol_aws() {
  with_python python3 -m unittest discover -s end2end/sandbox/check &&
    with_python python3 end2end/sandbox/check/aws_models.py "$SANDBOX_RECORD"
}

protocol_github() {
  scripts/npm.sh end2end/sandbox/check && cd end2end/sandbox/check && node --test --test-reporter=dot &&
    node github_openapi.mjs "$SANDBOX_RECORD"
}

types() {
  scripts/npm.sh && cd end2end && node_modules/.bin/tsc
}

part format           cargo fmt --all --check
part lint             cargo clippy --workspace --all-targets -- -D warnings
part lint-wasm        lint_wasm
part types            types
part unit             unit
part build            scripts/build.sh
part browser          browser
part api              api
part protocol-aws     protocol_aws
part protocol-github  protocol_github

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
