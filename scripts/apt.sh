#!/bin/sh
# Installs the Debian packages named on the command line that are missing. Silent where all are there.
#   scripts/apt.sh chromium postgresql
set -eu
missing=
for package in "$@"; do
  case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)" in
    *" installed") ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0
command -v apt-get >/dev/null || { echo "please install:$missing (this script knows only apt)" >&2; exit 1; }
SUDO=; [ "$(id -u)" = 0 ] || SUDO=sudo
echo "apt: installing$missing" >&2
$SUDO apt-get update -qq >&2 || true
# shellcheck disable=SC2086
$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends $missing >/dev/null
