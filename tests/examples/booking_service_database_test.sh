#!/usr/bin/env bash
# booking_service_database_test.sh PROGRAM BOOKINGS DATABASE: what runs on a database do, alone and several at once:
# output, files, exit status, and what is left. BOOKINGS is the example's own small file; DATABASE is sqlite or postgres.
# shellcheck source=checks.sh
source "$(dirname "$0")/checks.sh"

# The same numbers as without a database, kept.
fresh plain --base-backoff-ms 1
run 0 --summary json --notifications "$work/notes" --breadcrumbs "$work/breadcrumbs" "$bookings"
for expected in events:30 appended:30 processed:30 dead_lettered:0 attempts:30 notifications:36 rejected_rows:0 \
  resumed_rows:0 stale_settles:0 captured_cents:109547 lost_breadcrumbs:0; do
  is "${expected%:*} with a database" "$(number "${expected%:*}")" "${expected#*:}"
done
numbers=$(sed 's/,"seconds".*//' "$work/out")
mode="--db $work/another.sqlite"
run 0 --summary json "$bookings"
is "the summary of another database" "$(sed 's/,"seconds".*//' "$work/out")" "$numbers"
mode="$flag $db --base-backoff-ms 1"
is "lines of notifications with a database" "$(lines "$work/notes")" 36
has "notifications with a database" "$work/notes" '"channel":"email","recipientUserId":"guest-4","subject":"Your booking of Mill, The Old, 7 nights: received"'
has "breadcrumbs with a database" "$work/breadcrumbs" '"event":"notification.email.domain-event.relay","correlationId":"'
run 0 --summary json "$bookings"
is "events of a run that was complete" "$(number events)" 0
is "rows of a run that was complete" "$(number resumed_rows)" 10
{ cat "$bookings"; head -2 "$bookings" | tail -1; } >"$work/grown.csv"
run 0 --summary json "$work/grown.csv"
is "rows of a file of another name" "$(number resumed_rows)" 0

# Another database for each: faults, and dead letters.
fresh faults --base-backoff-ms 1
run 0 --summary json --fail-until 2 --workers 1 --batch 3 "$bookings"
is "attempts with --fail-until 2 and a database" "$(number attempts)" 90
is "notifications with --fail-until 2 and a database" "$(number notifications)" 36
fresh dead --base-backoff-ms 1
run 0 --summary json --fail-until 3 "$bookings"
is "dead letters with --fail-until 3 and a database" "$(number dead_lettered)" 30
is "notifications with --fail-until 3 and a database" "$(number notifications)" 0

# Killed at each place in turn, then run to its end: what a run without kills leaves.
fresh killed --base-backoff-ms 1
for place in before-append-commit after-append-commit after-claim before-settle inside-settle after-commit; do
  # shellcheck disable=SC2086
  "$program" $mode --kill-at "$place" "$bookings" >/dev/null 2>"$work/err"
  is "exit status of a run that is killed at $place" "$?" 137
done
run 0 --summary json "$bookings"
is "rows of the last run" "$(($(number resumed_rows) > 0))" 1
mode="$flag $db"
run 0 "$bookings"
has "the table of a run without work" "$work/out" "10 resumed rows"
is "notifications after kills" "$(sql 'SELECT count(*) FROM notifications_delivered' 36)" 36
is "payments after kills" "$(sql 'SELECT sum(amount_cents) FROM payments' 109547)" 109547

# A graceful stop says that it is one.
fresh stopped --base-backoff-ms 60000
run 0 --summary json --fail-until 1 --stop-after 0.2 "$bookings"
has "a graceful stop" "$work/err" "stopped; the same command goes on from here"
mkfifo "$work/pipe"
# shellcheck disable=SC2086
"$program" $mode --fail-until 1 --breadcrumbs "$work/pipe" "$work/grown.csv" >"$work/out" 2>"$work/err" &
running=$!
exec 3<"$work/pipe"
read -r _ <&3  # it works by now, and will wait for a minute
cat <&3 >/dev/null &
kill -INT "$running"
wait "$running"
is "exit status after Ctrl-C" "$?" 0
exec 3<&-
has "Ctrl-C" "$work/err" "stopped; the same command goes on from here"

# Processed events are kept for as long as they shall be, and no longer than the next run's housekeeping.
fresh kept
run 0 --summary json --keep-processed 3600 "$bookings"
is "processed events that are kept" "$(number processed)" 30
# So many e-mails and no more; the others are not kept waiting, and all are sent in the end.
fresh slow
run 0 --summary json --emails-per-second 100 "$bookings"
is "notifications with --emails-per-second" "$(number notifications)" 36

# await_idle PROCESS...: until nothing waits and nothing runs, or one of the processes is gone.
await_idle() {
  while kill -0 "$@" 2>/dev/null; do
    "$program" metrics "$flag" "$db" --json >"$work/now" 2>/dev/null
    grep -qF '"ready":0,"scheduled":0,"leased":0,"orphans":0,"blocked":0,' "$work/now" && return
  done
  fail "a process that only works has ended by itself"
}
# total KEY FILE...: the sum of a number over summaries.
total() {
  local sum=0 each
  for each in "${@:2}"; do sum=$((sum + $(number "$1" "$each"))); done
  echo "$sum"
}
# The processes that work may be there first, on an empty database, and make the tables. They stay when nothing is left.
fresh split
working=()
for worker in 1 2; do
  # shellcheck disable=SC2086
  "$program" $mode --work-only --stop-after 600 --summary json --notifications "$work/notes.$worker" >"$work/out.$worker" 2>"$work/err.$worker" &
  working+=($!)
done
await_idle "${working[@]}"
run 0 --append-only --summary json "$bookings"
is "appended by a process that only appends" "$(number appended)" 30
is "attempts of a process that only appends" "$(number attempts)" 0
await_idle "${working[@]}"
run 0 --append-only --summary json "$work/grown.csv"
is "appended to those who wait" "$(number appended)" 34
run 0 --append-only --summary json "$bookings"
is "rows that were appended before" "$(number resumed_rows)" 10
await_idle "${working[@]}"
kill -TERM "${working[0]}"
kill -INT "${working[1]}"
for worker in 1 2; do
  wait "${working[$((worker - 1))]}"
  is "exit status of process $worker that only works" "$?" 0
  is "standard error of process $worker that only works" "$(cat "$work/err.$worker")" ""
done
for expected in events:64 appended:0 processed:64 attempts:64 notifications:76 stale_settles:0 captured_cents:0; do
  is "${expected%:*} of both processes" "$(total "${expected%:*}" "$work"/out.[12])" "${expected#*:}"
done
is "distinct notifications of both processes" "$(cat "$work"/notes.[12] | grep -oE '"id":"[^"]*"' | sort -u | wc -l | tr -d ' ')" 76
is "notifications that are stored" "$(sql 'SELECT count(*) FROM notifications_delivered' 76)" 76
run 0 --work-only --stop-after 0.3 --summary json
[[ $(grep -oE '"seconds":[0-9.]+' "$work/out") =~ :(0\.[3-9]|[1-9]) ]] || fail "a process that finds nothing to do did not stay"

# Whole runs and processes that append, at once and on an empty database: each row is played once.
fresh together
running=()
for each in --workers=1 --workers=2 --append-only; do
  # shellcheck disable=SC2086
  "$program" $mode $each --summary json "$bookings" >"$work/out.$each" 2>"$work/err" &
  running+=($!)
done
for each in "${running[@]}"; do
  wait "$each"
  is "exit status of a process beside others" "$?" 0
done
run 0 --summary json "$bookings"
is "rows of the last process" "$(number resumed_rows)" 10
cp "$work/out" "$work/out.last"
for expected in appended:30 processed:30 notifications:36; do
  is "${expected%:*} of all processes" "$(total "${expected%:*}" "$work"/out.--* "$work/out.last")" "${expected#*:}"
done

# Processes of either kind are killed at each of their places, and others go on.
fresh split_and_killed
for place in before-append-commit after-append-commit; do
  run 137 --append-only --kill-at "$place" "$bookings"
done
run 0 --append-only --summary json "$bookings"
is "rows of the last one that appends" "$(number resumed_rows)" 1
for place in after-claim before-settle inside-settle after-commit; do
  run 137 --work-only --stop-after 60 --kill-at "$place:2"
done
run 0 --summary json "$bookings"
is "bookings that are stored" "$(sql 'SELECT count(*) FROM bookings' 10)" 10
is "notifications that are stored after kills" "$(sql 'SELECT count(*) FROM notifications_delivered' 36)" 36

# Databases that cannot serve.
mode=
if [ "$database" = postgres ]; then
  for verb in "$bookings" --append-only=true --work-only=true; do
    [ "$verb" = --append-only=true ] && bookings_too=$bookings || bookings_too=
    # shellcheck disable=SC2086
    run 1 --postgres "host=/nonexistent password=SECRET user=someone" $verb $bookings_too
    has "a server that is not there" "$work/err" "host=/nonexistent"
    lacks "a server that is not there" "$work/err" SECRET
  done
  run 1 --postgres "postgresql://someone:SECRET@/none?host=$PGHOST" "$bookings"
  has "a user or a database that is not there" "$work/err" "does not exist"
  lacks "a user or a database that is not there" "$work/err" SECRET
  [ "$failures" = 0 ] && echo "booking_service on PostgreSQL: all as expected"
  exit "$failures"
fi
run 1 --db :memory: "$bookings"
has "a database in memory" "$work/err" '":memory:" names no file'
run 1 --db "$work" "$bookings"
has "a folder as database" "$work/err" "cannot be opened"
run 2 --db "$bookings" "$bookings"
has "the bookings as database" "$work/err" "would be overwritten while it is read"
cp "$bookings" "$work/no.sqlite"
run 1 --db "$work/no.sqlite" "$bookings"
has "a file that is no database" "$work/err" "file is not a database"
run 2 --db "$work/both" --breadcrumbs "$work/both" "$bookings"
has "one file for database and breadcrumbs" "$work/err" "the database and breadcrumbs cannot both go to $work/both"

[ "$failures" = 0 ] && echo "booking_service on SQLite: all as expected"
exit "$failures"
