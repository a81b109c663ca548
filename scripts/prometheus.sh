#!/bin/sh
# Prints the folder that holds prometheus and promtool: $PROMETHEUS_HOME, or where they are installed, or Debian's package,
# which is fetched and unpacked beside what is built. Nothing is installed: the package would start a service.
#   home=$(scripts/prometheus.sh)
set -eu
cd "$(dirname "$0")/.."
if [ -n "${PROMETHEUS_HOME:-}" ]; then echo "$PROMETHEUS_HOME"; exit; fi
if command -v promtool >/dev/null && found=$(command -v prometheus); then dirname "$found"; exit; fi
target="${CARGO_TARGET_DIR:-$HOME/.cache/tidegate/target}"
mkdir -p "$target"
cache=$(cd "$target/.." && pwd)/prometheus
if [ ! -x "$cache/usr/bin/promtool" ]; then
  command -v apt-get >/dev/null || { echo "no Prometheus: install it, or name its folder in PROMETHEUS_HOME" >&2; exit 1; }
  echo "prometheus: fetching Debian's package" >&2
  fresh="$cache.$$"
  mkdir "$fresh"
  trap 'rm -rf "$fresh"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  SUDO=; [ "$(id -u)" = 0 ] || SUDO=sudo
  (cd "$fresh" && { apt-get download -qq prometheus 2>/dev/null ||
    { $SUDO apt-get update -qq >&2 && apt-get download -qq prometheus >&2; }; })
  dpkg-deb -x "$fresh"/prometheus_*.deb "$fresh"
  rm -rf "$cache"
  mv "$fresh" "$cache"
fi
echo "$cache/usr/bin"
