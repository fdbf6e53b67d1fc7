#!/usr/bin/env bash
# order.sh [COUNT [KILLS [SEED]]]: COUNT events (10,000 unless told) over 1, 100 and COUNT keys, carried out by workers
# of which KILLS (3) are killed in each round while another process appends; then log and database are judged.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
count=${1:-10000}
kills=${2:-3}
seed=${3:-1}
RANDOM=$seed
bash "$top/.ci/ensure-packages" build-essential cmake catch2 libfmt-dev libcli11-dev libcsv-dev \
  libsqlite3-dev nlohmann-json3-dev
bash "$top/.ci/build" "$top/build/tests" order_run -DCMAKE_BUILD_TYPE=Debug
program=$top/build/tests/tests/order_run
work=$(mktemp -d)
db=$work/events.sqlite
log=$work/runs.log
running=()  # the workers, the oldest first
appender=
trap 'end_all; rm -rf "$work"' EXIT

end_all() {
  for each in "${running[@]}" $appender; do kill -9 "$each" 2>/dev/null || true; done
}
fail() {
  printf 'order: %s\nThe seed was %s, of %s keys; log and database are kept in %s\n' "$1" "$seed" "$keys" "$work"
  cat "$work/said"
  trap - EXIT
  end_all
  exit 1
}
lines() {
  echo $(($(stat -c %s "$log") / 64))
}
start_workers() {
  while [ "${#running[@]}" -lt "$workers" ]; do
    "$program" work "$db" "$log" 2>>"$work/said" &
    running+=($!)
  done
}
# The next share of the events, after the one before.
append_next() {
  end_of_append
  "$program" append $((count * appended / shares)) $((count * (appended + 1) / shares)) "$keys" "$db" 2>>"$work/said" &
  appender=$!
  appended=$((appended + 1))
}
end_of_append() {
  [ -z "$appender" ] || wait "$appender" || fail "an append ended with $?"
  appender=
}
# Waits for the oldest worker to end; true if by a kill.
was_killed() {
  local status=0
  wait "${running[0]}" 2>/dev/null || status=$?
  running=("${running[@]:1}")
  [ "$status" = 137 ] || { [ "$status" = 0 ] || fail "a worker ended with $status"; return 1; }
}

# round KEYS WORKERS
round() {
  keys=$1
  workers=$2
  local killed=0 shares=$((kills + 1)) appended=0 target
  rm -f "$work"/*
  touch "$log" "$work/said"
  append_next
  while [ "$appended" -lt "$shares" ]; do
    append_next
    start_workers
    # An event writes two lines or more, so there is work left at the kill.
    target=$(($(lines) + (RANDOM << 15 | RANDOM) % (2 * count / shares)))
    local since=$SECONDS
    while [ "$(lines)" -lt "$target" ]; do
      [ "$SECONDS" -lt $((since + 300)) ] || fail "a worker neither goes on nor ends"
      if ! kill -0 "${running[0]}" 2>/dev/null; then
        ! was_killed || fail "somebody else killed a worker"
        [ -n "$appender" ] || break  # nobody can do more; the judge will say why
        end_of_append
        start_workers
      fi
    done
    start_workers
    kill -9 "${running[0]}" 2>/dev/null || true
    if was_killed; then killed=$((killed + 1)); fi
  done
  if [ "$workers" -gt 1 ] && [ "${#running[@]}" -gt 0 ]; then
    # One that stalls past its lease, and goes on when another has its events.
    kill -STOP "${running[0]}" 2>/dev/null || true
    start_workers
    sleep 0.4
    kill -CONT "${running[0]}" 2>/dev/null || true
  fi
  end_of_append
  timeout 600 "$program" work "$db" "$log" 2>>"$work/said" || fail "the last worker ended with $?"
  while [ "${#running[@]}" -gt 0 ]; do ! was_killed || fail "somebody else killed a worker"; done
  "$program" judge "$log" "$db" "$count" "$keys" >"$work/numbers" 2>>"$work/said" || fail "the judge says:"
  echo "order: $killed kills of $workers at a time, $(cat "$work/numbers")"
}

round 1 1
round 100 2
round "$count" 1
