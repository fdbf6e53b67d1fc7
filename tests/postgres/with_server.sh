#!/usr/bin/env bash
# with_server.sh COMMAND...: starts a PostgreSQL server of its own in a temporary folder, runs COMMAND with its
# connection string in EVENT_RELAY_TEST_POSTGRES, and stops it by process id. It listens on a Unix socket in that folder
# and nowhere else. Exits with 77 where PostgreSQL is not installed. EVENT_RELAY_TEST_FSYNC=on for what is to survive
# the machine, and for benchmarks; off otherwise. The server's folder is in EVENT_RELAY_TEST_SERVER, and
# "with_server.sh --restart" restarts it at once, as a crash would, from within COMMAND. The tests' data are in
# EVENT_RELAY_TEST_DATA.
set -euo pipefail
EVENT_RELAY_TEST_DATA=$(cd "$(dirname "${BASH_SOURCE[0]}")/../data" && pwd)
export EVENT_RELAY_TEST_DATA
programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
[ -n "$programs" ] || programs=$(dirname "$(command -v initdb || true)")
if [ ! -x "$programs/initdb" ] || [ ! -x "$programs/postgres" ]; then
  echo "NOT RUN: no PostgreSQL server is installed (Debian: postgresql), so nothing of event_relay::postgres was tested" >&2
  exit 77
fi
# The server refuses to run as root.
as_server=()
[ "$(id -u)" != 0 ] || as_server=(setpriv --reuid postgres --regid postgres --init-groups)

start() {
  "${as_server[@]}" "$programs/postgres" -D "$EVENT_RELAY_TEST_SERVER/data" >>"$EVENT_RELAY_TEST_SERVER/log" 2>&1 &
  disown $!
  for ((tries = 0; tries < 600; ++tries)); do
    "$programs/pg_isready" -q -h "$EVENT_RELAY_TEST_SERVER" && return
    read -r -t 0.1 <> <(:) || true
  done
  cat "$EVENT_RELAY_TEST_SERVER/log" >&2
  return 1
}
stop() {
  local id=
  id=$(head -n 1 "$EVENT_RELAY_TEST_SERVER/data/postmaster.pid" 2>/dev/null) || return 0
  kill -s "$1" "$id" 2>/dev/null || return 0
  while kill -0 "$id" 2>/dev/null; do read -r -t 0.05 <> <(:) || true; done
}

if [ "${1:-}" = --restart ]; then
  stop QUIT
  rm -f "$EVENT_RELAY_TEST_SERVER/data/postmaster.pid"
  start
  exit
fi

folder=$(mktemp -d)
export EVENT_RELAY_TEST_SERVER=$folder
trap 'stop QUIT; rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
chmod 711 "$folder"
[ "$(id -u)" != 0 ] || chown postgres: "$folder"
(cd / && "${as_server[@]}" "$programs/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale C.UTF-8 --no-sync) >"$folder/initdb.log" 2>&1 ||
  { cat "$folder/initdb.log" >&2; exit 1; }
cat >>"$folder/data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$folder'
fsync = ${EVENT_RELAY_TEST_FSYNC:-off}
full_page_writes = ${EVENT_RELAY_TEST_FSYNC:-off}
max_connections = 200
synchronous_standby_names = 'nobody' # a session that sets synchronous_commit = on waits at COMMIT, for tests to cut it
synchronous_commit = local
shared_buffers = 256MB
max_wal_size = 4GB
CONF
cd /
start
export EVENT_RELAY_TEST_POSTGRES="host=$folder user=postgres dbname=postgres"
cd "$OLDPWD"
"$@"
