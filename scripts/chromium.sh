#!/bin/sh
# Prints the Chromium for the browser tests: $CHROMIUM, or the first that is found, or Debian's, which it then installs.
#   CHROMIUM=$(scripts/chromium.sh)
set -eu
found() {
  for name in chromium google-chrome google-chrome-stable chromium-browser; do
    command -v "$name" && return
  done
  return 1
}
if [ -n "${CHROMIUM:-}" ]; then echo "$CHROMIUM"; exit; fi
found && exit
"$(dirname "$0")/apt.sh" chromium
found || { echo "no Chromium: install one and name it in CHROMIUM" >&2; exit 1; }
