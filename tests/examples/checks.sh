# What the tests of booking_service share; sourced with PROGRAM, BOOKINGS and perhaps DATABASE as arguments: sqlite, or
# postgres on the server that with_server.sh has started.
# shellcheck shell=bash
set -u
program=$1
bookings=$2
database=${3:-sqlite}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
if [ "$database" = postgres ]; then
  export PGHOST=$EVENT_RELAY_TEST_SERVER PGUSER=postgres
fi

fail() {
  echo "FAILED: $1"
  failures=$((failures + 1))
}
# is WHAT ACTUAL EXPECTED
is() {
  [ "$2" = "$3" ] || fail "$1: $2, expected $3"
}
# has WHAT FILE TEXT
has() {
  grep -qF -- "$3" "$2" || { fail "$1: nothing says \"$3\" in:"; cat "$2"; }
}
# lacks WHAT FILE TEXT
lacks() {
  grep -qF -- "$3" "$2" && { fail "$1: something says \"$3\" in:"; cat "$2"; }
}
# run EXPECTED_STATUS [ARGUMENTS]: standard output to out, standard error to err. MODE is how events are kept.
mode=--in-process
run() {
  local expected=$1
  shift
  # shellcheck disable=SC2086
  "$program" $mode "$@" >"$work/out" 2>"$work/err"
  is "exit status of booking_service $*" "$?" "$expected"
}
# fresh NAME [OPTIONS]: an empty database for the runs to come. $db is what it is called, $flag the option for it.
fresh() {
  if [ "$database" = postgres ]; then
    flag=--postgres
    db=dbname=$1
    psql -qc "CREATE DATABASE $1" postgres || fail "there is no database $1"
  else
    flag=--db
    db=$work/$1.sqlite
  fi
  mode="$flag $db ${*:2}"
}
# What an SQL query finds in the database, or EXPECTED where nobody is there to ask it: sql QUERY EXPECTED
sql() {
  if [ "$database" = postgres ]; then
    psql -Atqc "$1" "$db"
  elif command -v sqlite3 >/dev/null; then
    sqlite3 -cmd '.timeout 10000' "$db" "$1"
  else
    echo "$2"
  fi
}
# The number behind KEY in the summary, or in another FILE with one: number KEY [FILE]
number() {
  grep -oE "\"$1\":[0-9]+" "${2:-$work/out}" | head -n 1 | cut -d: -f2
}
lines() {
  wc -l <"$1" | tr -d ' '
}
