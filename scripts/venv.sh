#!/bin/sh
# The Python environment of the checks: botocore's service models, schemathesis. Prints its folder.
#   PATH="$(scripts/venv.sh)/bin:$PATH"
# Or one of its own, by name and the file of what it holds:
#   scripts/venv.sh emulator server/adapters/tests/sources/requirements.txt
set -eu
cd "$(dirname "$0")/.."
target="${CARGO_TARGET_DIR:-$HOME/.cache/tidegate/target}"
venv="$target/../${1:-venv}"
mkdir -p "$target"
files=${2:-$(ls end2end/sandbox/check/requirements.txt end2end/api/requirements.txt 2>/dev/null || true)}
# shellcheck disable=SC2086
wanted=$(python3 --version; cat /dev/null $files)
if [ "$(cat "$venv/.tidegate-requirements" 2>/dev/null || true)" != "$wanted" ]; then
  echo "python: making the environment ${1:-of the checks}" >&2
  rm -rf "$venv"
  python3 -m venv "$venv" >&2 || { scripts/apt.sh python3-venv; python3 -m venv "$venv" >&2; }
  for file in $files; do
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$file" >&2
  done
  printf '%s\n' "$wanted" >"$venv/.tidegate-requirements"
fi
cd "$venv" && pwd
