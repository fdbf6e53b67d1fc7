# What the tests of booking_service share; sourced with PROGRAM and BOOKINGS as arguments.
# shellcheck shell=bash
set -u
program=$1
bookings=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

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
# run EXPECTED_STATUS [ARGUMENTS]: standard output to out, standard error to err. MODE is how events are kept.
mode=--in-process
run() {
  local expected=$1
  shift
  # shellcheck disable=SC2086
  "$program" $mode "$@" >"$work/out" 2>"$work/err"
  is "exit status of booking_service $*" "$?" "$expected"
}
# The number behind KEY in the summary.
number() {
  grep -oE "\"$1\":[0-9]+" "$work/out" | head -n 1 | cut -d: -f2
}
lines() {
  wc -l <"$1" | tr -d ' '
}
