#!/usr/bin/env bash
# Runs a command with a PostgreSQL of its own on a free loopback port, and leaves nothing behind.
#   scripts/scratch-postgres.sh cargo test -p tidegate-store
# The command finds it in TIDEGATE_TEST_POSTGRES and makes its own databases in it. Where that is set already
# (a service container, say), it is left as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -n "${TIDEGATE_TEST_POSTGRES:-}" ]; then exec "$@"; fi

# The newest that Debian's packages have installed, or what there is otherwise.
bindir() {
  local folders
  folders=$(find /usr/lib/postgresql/*/bin -maxdepth 1 -name initdb -printf '%h\n' 2>/dev/null | sort -V)
  if [ -n "$folders" ]; then tail -n 1 <<<"$folders"; else pg_config --bindir 2>/dev/null || true; fi
}
if [ ! -x "$(bindir)/initdb" ]; then
  # The package makes a cluster on port 5432 and starts it with the machine, unless it is told not to.
  scripts/apt.sh postgresql-common
  SUDO=; [ "$(id -u)" = 0 ] || SUDO=sudo
  conf=/etc/postgresql-common/createcluster.conf
  $SUDO cp -p $conf $conf.tidegate
  echo 'create_main_cluster = false' | $SUDO tee -a $conf >/dev/null
  installed=true
  scripts/apt.sh postgresql || installed=false
  $SUDO mv $conf.tidegate $conf
  $installed
fi
bin=$(bindir)
dir=$(mktemp -d)
# initdb refuses to be root.
as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid=postgres --regid=postgres --init-groups)
  chown postgres "$dir"
fi
# shellcheck disable=SC2317
stop() {
  "${as[@]}" "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cd "$dir"
"${as[@]}" "$bin/initdb" -D "$dir/data" -U postgres -A trust --no-sync -E UTF8 --locale=C.UTF-8 >"$dir/initdb.log" 2>&1 ||
  { cat "$dir/initdb.log" >&2; exit 1; }
# A port that was free a moment ago may be taken by the time PostgreSQL binds it: then another is tried.
for attempt in 1 2 3 4 5; do
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  # Nothing here outlives the tests: durability only costs time.
  if "${as[@]}" "$bin/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/server.log" -o "-p $port -c listen_addresses=127.0.0.1 \
      -c unix_socket_directories=$dir -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=300" \
      start >/dev/null; then
    break
  fi
  if [ "$attempt" = 5 ]; then cat "$dir/server.log" >&2; exit 1; fi
done
cd "$OLDPWD"
export TIDEGATE_TEST_POSTGRES="postgres://postgres@127.0.0.1:$port/postgres"
"$@"
