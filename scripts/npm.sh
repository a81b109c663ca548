#!/bin/sh
# Installs the npm packages of a folder (end2end unless named), exactly as its lock file says. A moment once they are there.
#   scripts/npm.sh end2end/sandbox/check
set -eu
cd "$(dirname "$0")/../${1:-end2end}"
command -v npm >/dev/null && command -v node >/dev/null || { echo "npm is missing: install Node 20 or newer" >&2; exit 1; }
node=$(node --version)
major=${node#v} major=${major%%.*}
[ "$major" -ge 20 ] || { echo "Node 20 or newer is needed; this is $node ($(command -v node))" >&2; exit 1; }
stamp=node_modules/.tidegate-lock
if ! cmp -s package-lock.json "$stamp"; then
  echo "npm: installing the packages of ${1:-end2end}" >&2
  # The browser is Debian's: nothing else is to be fetched.
  PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --loglevel=error --no-audit --no-fund >&2
  cp package-lock.json "$stamp"
fi
