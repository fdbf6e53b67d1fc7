#!/usr/bin/env bash
# run.sh [COUNT [SEED]]: kills the booking service COUNT times (12 unless told), at named places and at random
# instants, goes on after each, and compares what is left at the end with a run that nobody killed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
count=${1:-12}
seed=${2:-1}
RANDOM=$seed
bash "$top/.ci/ensure-packages" build-essential cmake libfmt-dev libcli11-dev libcsv-dev libsqlite3-dev \
  nlohmann-json3-dev sqlite3
bash "$top/.ci/build" "$top/build/examples" booking_service -DCMAKE_BUILD_TYPE=Release -DEVENT_RELAY_BUILD_TESTS=OFF
program=$top/build/examples/examples/booking_service
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  printf 'crash: %s\nThe seed was %s; its database is kept in %s\n' "$1" "$seed" "$work"
  trap - EXIT
  exit 1
}
sql() {
  sqlite3 -cmd '.timeout 10000' "$db" "$1"
}
# is WHAT ACTUAL EXPECTED
is() {
  [ "$2" = "$3" ] || fail "$1 (round $round, $kind): $2, expected $3"
}
# The tables as they must be at the end; what differs from run to run are the instants alone.
bookings_and_payments() {
  sql 'SELECT * FROM bookings ORDER BY id; SELECT id, booking_id, amount_cents, currency FROM payments ORDER BY id'
}
delivered() {
  sql 'SELECT notification_id, event_id, channel, recipient, subject, body, correlation_id
       FROM notifications_delivered ORDER BY notification_id'
}

# 400 bookings, of the example's ten.
example=$top/examples/booking_service/bookings.csv
head -n 1 "$example" >"$work/bookings.csv"
for _ in $(seq 40); do tail -n +2 "$example"; done >>"$work/bookings.csv"

round=0
kind=unharmed
db=$work/unharmed.sqlite
"$program" --db "$db" "$work/bookings.csv" >/dev/null || fail "the run that nobody killed failed"
bookings_and_payments >"$work/expected_bookings"
delivered >"$work/expected_delivered"
is "notifications of the run that nobody killed" "$(wc -l <"$work/expected_delivered")" 1440

places=(before-append-commit after-append-commit after-claim before-settle inside-settle after-commit a-random-instant)
declare -A hits
kills=0
passages=0
# Runs until it is killed at the next place in turn; false if it came to its end before.
killed_once() {
  local place=${places[$((passages++ % ${#places[@]}))]} status=0
  if [ "$place" = a-random-instant ]; then
    "$program" --db "$db" "${arguments[@]}" "$work/bookings.csv" >/dev/null 2>&1 &
    local running=$!
    sleep "0.$(printf %03d $((RANDOM % 1000)))"
    kill -9 "$running" 2>/dev/null || true
    wait "$running" 2>/dev/null || status=$?
  else
    local passage=$((RANDOM % 60 + 1))
    case $place in after-claim | before-settle) passage=$((passage / 10 + 1)) ;; esac
    { "$program" --db "$db" --kill-at "$place:$passage" "${arguments[@]}" "$work/bookings.csv" >/dev/null 2>&1; } \
      2>/dev/null || status=$?
  fi
  [ "$status" = 137 ] || { [ "$status" = 0 ] || fail "exit status $status at $place (round $round, $kind)"; return 1; }
  hits[$place]=$((${hits[$place]:-0} + 1))
}

# Every event that was ever appended, and every one that was processed, by the database's own account.
keep_account() {
  sql 'CREATE TABLE appended (id TEXT PRIMARY KEY); CREATE TABLE processed (id TEXT PRIMARY KEY);
       CREATE TRIGGER on_append AFTER INSERT ON event_relay_events BEGIN INSERT INTO appended VALUES (new.id); END;
       CREATE TRIGGER on_processed AFTER DELETE ON event_relay_events BEGIN INSERT INTO processed VALUES (old.id); END'
}

kinds=("without faults" "with faults" "with faults and three attempts")
per_round=$((count < 30 ? (count + 2) / 3 : 10))
while [ "$kills" -lt "$count" ]; do
  kind=${kinds[$((round % 3))]}
  db=$work/round.sqlite
  rm -f "$db" "$db"-*
  arguments=(--base-backoff-ms 5 --batch 20)
  [ "$kind" = "without faults" ] || arguments+=(--fail-rate 0.3 --seed "$((seed + round))")
  [ "$kind" = "with faults and three attempts" ] || arguments+=(--max-attempts 20)
  "$program" --db "$db" "${arguments[@]}" <(head -n 1 "$work/bookings.csv") >/dev/null  # makes the tables
  keep_account
  for ((in_round = 0; in_round < per_round && kills < count; in_round++)); do
    killed_once || break
    kills=$((kills + 1))
  done
  timeout 300 "$program" --db "$db" "${arguments[@]}" "$work/bookings.csv" >/dev/null 2>"$work/said" ||
    fail "the last run of round $round ended with $?: $(cat "$work/said")"

  diff <(bookings_and_payments) "$work/expected_bookings" >/dev/null || fail "other bookings or payments ($kind, round $round)"
  is "events that are stuck" "$(sql 'SELECT count(*) FROM event_relay_events WHERE state <> 3')" 0
  dead=$(sql 'SELECT count(*) FROM event_relay_events')
  is "processed and dead letters" "$(($(sql 'SELECT count(*) FROM processed') + dead))" "$(sql 'SELECT count(*) FROM appended')"
  is "an integrity check" "$(sql 'PRAGMA integrity_check')" ok
  if [ "$kind" = "with faults and three attempts" ]; then
    [ "$dead" -gt 0 ] || fail "no dead letters in three attempts (round $round)"
    is "delivered more than once, or by nobody's wish" \
      "$(delivered | sort | comm -23 - <(sort "$work/expected_delivered") | wc -l)" 0
  else
    is "dead letters in twenty attempts" "$dead" 0
    diff <(delivered) "$work/expected_delivered" >/dev/null || fail "other notifications ($kind, round $round)"
  fi
  round=$((round + 1))
done

for place in "${places[@]}"; do
  [ "$count" -lt "${#places[@]}" ] || [ "${hits[$place]:-0}" -gt 0 ] || fail "no kill $place"
  printf '%-21s %3d kills\n' "$place" "${hits[$place]:-0}"
done
echo "crash: $kills kills in $round rounds, and at the end of each what a run without kills leaves"
