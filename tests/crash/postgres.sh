#!/usr/bin/env bash
# postgres.sh [COUNT [KILLS [SEED [ROUNDS]]]]: COUNT events (4,000 unless told), a tenth of them rolled back, by two
# processes that append and two of four threads that work, on a PostgreSQL server of its own; then log and database are
# judged. In round a nobody is disturbed; in b KILLS (4) times a worker is killed, or stopped for longer than its lease;
# in c the server is restarted KILLS times as by a crash, and five times as often one of its backends is terminated; in d
# eight connections append at a time, hold their transactions open, and commit in random order. At full size:
# postgres.sh 100000 20. POSTGRES_RUN names a program that is built already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
with_server=$top/tests/postgres/with_server.sh
if [ -z "${EVENT_RELAY_TEST_POSTGRES:-}" ]; then
  [ -n "${POSTGRES_RUN:-}" ] || bash "$top/.ci/build" "$top/build/tests" postgres_run -DCMAKE_BUILD_TYPE=Debug
  exec bash "$with_server" bash "$0" "$@"
fi
count=${1:-4000}
kills=${2:-4}
seed=${3:-1}
rounds=${4:-a b c d}
RANDOM=$seed
program=${POSTGRES_RUN:-$top/build/tests/tests/postgres_run}
work=$(mktemp -d)
log=$work/runs.log
workers=()
appenders=()
trap 'end_all; rm -rf "$work"' EXIT

end_all() {
  for each in "${workers[@]}" "${appenders[@]}"; do kill -9 "$each" 2>/dev/null || true; done
}
fail() {
  printf 'postgres: round %s: %s\nThe seed was %s; the log is kept in %s\n' "$round" "$1" "$seed" "$work"
  tail -n 50 "$work/said"
  trap - EXIT
  end_all
  exit 1
}
pause() { read -r -t "$1" <> <(:) || true; }
lines() { echo $(($(stat -c %s "$log") / 64)); }
start_worker() {
  "$program" work "$log" 2>>"$work/said" &
  workers+=($!)
}
start_appender() {  # VERB FROM TO
  "$program" "$1" "$2" "$3" "$log" $((seed + $2)) 2>>"$work/said" &
  appenders+=($!)
}
# Waits for the worker at place $1 to end, and forgets it; true if by a kill.
was_killed() {
  local status=0
  wait "${workers[$1]}" 2>/dev/null || status=$?
  unset "workers[$1]"
  workers=("${workers[@]}")
  [ "$status" = 137 ] || { [ "$status" = 0 ] || fail "a worker ended with $status"; return 1; }
}
# Until the log has $1 lines. Where it does not grow any more, the judge will say why.
wait_for_lines() {
  local last=0 now since=$SECONDS
  while now=$(lines) && [ "$now" -lt "$1" ]; do
    [ "$now" = "$last" ] || since=$SECONDS
    [ "$SECONDS" -lt $((since + 15)) ] || return 0
    last=$now
    pause 0.02
  done
}
# An event writes two lines or more, so there is work left at each of $2 disturbances, of which this is $1.
wait_for_share() { wait_for_lines $((2 * count * $1 / ($2 + 1) + RANDOM % (count / ($2 + 1) + 1))); }

disturb_a() { :; }
disturb_d() { :; }
disturb_b() {
  local each
  for ((each = 1; each <= kills; ++each)); do
    wait_for_share "$each" "$kills"
    if ((RANDOM % 2)); then
      kill -9 "${workers[0]}"
      was_killed 0 || fail "somebody else ended a worker"
      killed=$((killed + 1))
      start_worker
    else
      # It stalls past its lease, and goes on when another has its events.
      kill -STOP "${workers[0]}"
      pause "2.$((RANDOM % 10))"
      kill -CONT "${workers[0]}"
      workers=("${workers[@]:1}" "${workers[0]}")
      stopped=$((stopped + 1))
    fi
  done
}
disturb_c() {
  local each disturbances=$((kills * 6))
  for ((each = 1; each <= disturbances; ++each)); do
    wait_for_share "$each" "$disturbances"
    if ((each % 6 == 0)); then
      bash "$with_server" --restart || fail "the server did not restart"
      "$program" disturbed "$log"
      restarted=$((restarted + 1))
    else
      "$program" terminate "$log" 2>>"$work/said" || fail "nobody could be terminated"
      terminated=$((terminated + 1))
    fi
  done
}

for round in $rounds; do
  killed=0 stopped=0 restarted=0 terminated=0
  rm -rf "${work:?}"/*
  touch "$log" "$work/said"
  "$program" prepare 2>>"$work/said" || fail "the tables could not be made"
  if [ "$round" = d ]; then
    start_appender append-late 0 "$count"
  else
    start_appender append 0 $((count / 2))
    start_appender append $((count / 2)) "$count"
  fi
  start_worker
  start_worker
  "disturb_$round"
  for each in "${appenders[@]}"; do wait "$each" || fail "an append ended with $?"; done
  appenders=()
  touch "$log.all"
  # Nobody disturbs them any more.
  for ((tries = 0; tries < 6000 && ${#workers[@]} > 0; ++tries)); do
    if kill -0 "${workers[0]}" 2>/dev/null; then
      pause 0.1
    else
      ! was_killed 0 || fail "somebody else killed a worker"
    fi
  done
  [ "${#workers[@]}" = 0 ] || fail "a worker neither goes on nor ends"
  "$program" judge "$log" "$count" >"$work/numbers" 2>>"$work/said" || fail "the judge says:"
  echo "postgres, $round: $killed kills, $stopped stops, $restarted restarts, $terminated terminated: $(cat "$work/numbers")"
done
