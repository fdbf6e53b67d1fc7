#!/usr/bin/env bash
# booking_service_test.sh PROGRAM BOOKINGS: what the program does as its user sees it: output, files, exit
# status. BOOKINGS is the example's own small file.
# shellcheck source=checks.sh
source "$(dirname "$0")/checks.sh"

# A plain run.
run 0 --summary json "$bookings"
is "lines of the summary" "$(lines "$work/out")" 1
is events "$(number events)" 30
is processed "$(number processed)" 30
is dead_lettered "$(number dead_lettered)" 0
is attempts "$(number attempts)" 30
is notifications "$(number notifications)" 36
is rejected_rows "$(number rejected_rows)" 0
is captured_cents "$(number captured_cents)" 109547
for name in booking.created:10 booking.accepted:7 booking.declined:3 booking.completed:5 payment.captured:5; do
  pattern="\"${name%:*}\":{\"published\":${name#*:},\"processed\":${name#*:},\"dead_lettered\":0"
  has "by_event of ${name%:*}" "$work/out" "$pattern"
done
is "standard error of a plain run" "$(cat "$work/err")" ""

# Faults: tried again, then dead.
run 0 --summary json --fail-until 2 "$bookings"
is "attempts with --fail-until 2" "$(number attempts)" 90
is "processed with --fail-until 2" "$(number processed)" 30
run 0 --summary json --fail-until 3 "$bookings"
is "dead letters with --fail-until 3" "$(number dead_lettered)" 30
is "notifications with --fail-until 3" "$(number notifications)" 0
is "captured with --fail-until 3" "$(number captured_cents)" 109547
run 0 --summary json --fail-until 3 --max-attempts 4 "$bookings"
is "processed with one attempt more" "$(number processed)" 30
run 0 --summary json --fail-rate 1 --max-attempts 2 "$bookings"
is "attempts with --fail-rate 1" "$(number attempts)" 60
run 0 --summary json --fail-rate 0.5 --seed 7 --breadcrumbs "$work/first" "$bookings"
first=$(sed 's/"seconds".*//' "$work/out")
run 0 --summary json --fail-rate 0.5 --seed 7 --breadcrumbs "$work/second" "$bookings"
is "a seeded run, repeated" "$(sed 's/"seconds".*//' "$work/out")" "$first"
without_time='s/"(timestamp|nextAttemptAt|markedAt|queuedAt)":"[^"]*"//g'
diff <(sed -E "$without_time" "$work/first") <(sed -E "$without_time" "$work/second") >/dev/null ||
  fail "two runs with the same seed left different breadcrumbs"

# Files of breadcrumbs and notifications.
run 0 --base-backoff-ms 250 --breadcrumbs "$work/crumbs" --notifications "$work/notes" "$bookings"
is "lines of breadcrumbs" "$(lines "$work/crumbs")" $((30 * 5 + 36))
is "lines of notifications" "$(lines "$work/notes")" 36
has breadcrumbs "$work/crumbs" '"event":"payment.captured.domain-event.relay","correlationId":"'
has breadcrumbs "$work/crumbs" '"backoffMs":250'
has notifications "$work/notes" '"channel":"email","recipientUserId":"guest-4","subject":"Your booking of Mill, The Old, 7 nights: received"'
is "distinct notification ids" "$(grep -oE '"id":"[^"]*"' "$work/notes" | sort -u | wc -l | tr -d ' ')" 36
has table "$work/out" "EUR 1095.47 captured"

# Standard input, and rows that are no bookings.
{ cat "$bookings"; echo 'Harbour Hotel,2025,May,9,0,1,PRT,x,Check-Out'; echo 'Harbour Hotel,2025'; head -2 "$bookings" | tail -1; } >"$work/bad.csv"
"$program" $mode --summary json - <"$work/bad.csv" >"$work/out" 2>"$work/err"
is "exit status with bad rows" "$?" 3
is "rejected rows" "$(number rejected_rows)" 2
is "events beside bad rows" "$(number events)" 34
has "bad rows" "$work/err" 'line 12: adr is not a number: "x"'
has "bad rows" "$work/err" 'line 13: 2 fields, the header has 9'

# What cannot work says so.
run 2 "$work/absent.csv"
has "an absent file" "$work/err" "cannot open $work/absent.csv: No such file or directory"
run 2 "$work"
has "a folder" "$work/err" "cannot be read: Is a directory"
run 2 --breadcrumbs "$work/no/such" "$bookings"
has "an unwritable file" "$work/err" "cannot open $work/no/such"
cp "$bookings" "$work/mine.csv"
run 2 --breadcrumbs "$work/../$(basename "$work")/mine.csv" "$work/mine.csv"
has "a file that is read" "$work/err" "mine.csv would be overwritten while it is read"
cmp -s "$bookings" "$work/mine.csv" || fail "the bookings were overwritten"
run 2 --breadcrumbs "$work/both" --notifications "$work/both" "$bookings"
has "one file for two" "$work/err" "breadcrumbs and notifications cannot both go to $work/both"
cut -d, -f1-7,9 "$bookings" >"$work/short.csv"
run 2 "$work/short.csv"
has "a missing column" "$work/err" "$work/short.csv: line 1: the header lacks adr"
: >"$work/empty.csv"
run 2 "$work/empty.csv"
has "an empty file" "$work/err" "$work/empty.csv: the file is empty"
for wrong in "--max-attempts 0" "--base-backoff-ms -1" "--fail-rate 1.5" "--fail-rate nan" "--fail-until x" "--fail-until -1" "--seed x" \
  "--summary xml" "--no-such"; do
  # shellcheck disable=SC2086
  run 2 $wrong "$bookings"
  has "$wrong" "$work/err" "${wrong%% *}"
done
run 2
has "no file" "$work/err" "BOOKINGS.csv"
run 0 --help
has help "$work/out" "--base-backoff-ms"
if [ -w /dev/full ]; then
  run 1 --breadcrumbs /dev/full "$bookings"
  has "a full disk" "$work/err" "No space left on device"
fi

# With a database: the same numbers, kept.
db=$work/bookings.sqlite
mode="--db $db --base-backoff-ms 1"
run 0 --summary json --notifications "$work/notes" --breadcrumbs "$work/crumbs" "$bookings"
for expected in events:30 appended:30 processed:30 dead_lettered:0 attempts:30 notifications:36 rejected_rows:0 \
  resumed_rows:0 stale_settles:0 captured_cents:109547 lost_breadcrumbs:0; do
  is "${expected%:*} with a database" "$(number "${expected%:*}")" "${expected#*:}"
done
is "lines of notifications with a database" "$(lines "$work/notes")" 36
has "notifications with a database" "$work/notes" '"channel":"email","recipientUserId":"guest-4","subject":"Your booking of Mill, The Old, 7 nights: received"'
has "breadcrumbs with a database" "$work/crumbs" '"event":"notification.email.domain-event.relay","correlationId":"'
run 0 --summary json "$bookings"
is "events of a run that was complete" "$(number events)" 0
is "rows of a run that was complete" "$(number resumed_rows)" 10
{ cat "$bookings"; head -2 "$bookings" | tail -1; } >"$work/grown.csv"
run 0 --summary json "$work/grown.csv"
is "rows of a file of another name" "$(number resumed_rows)" 0

# Another database for each: faults, and dead letters.
db=$work/faults.sqlite
mode="--db $db --base-backoff-ms 1"
run 0 --summary json --fail-until 2 --workers 1 --batch 3 "$bookings"
is "attempts with --fail-until 2 and a database" "$(number attempts)" 90
is "notifications with --fail-until 2 and a database" "$(number notifications)" 36
db=$work/dead.sqlite
mode="--db $db --base-backoff-ms 1"
run 0 --summary json --fail-until 3 "$bookings"
is "dead letters with --fail-until 3 and a database" "$(number dead_lettered)" 30
is "notifications with --fail-until 3 and a database" "$(number notifications)" 0

# Killed at each place in turn, then run to its end: what a run without kills leaves.
db=$work/killed.sqlite
mode="--db $db --base-backoff-ms 1"
for place in before-append-commit after-append-commit after-claim before-settle inside-settle after-commit; do
  "$program" $mode --kill-at "$place" "$bookings" >/dev/null 2>"$work/err"
  is "exit status of a run that is killed at $place" "$?" 137
done
run 0 --summary json "$bookings"
is "rows of the last run" "$(($(number resumed_rows) > 0))" 1
mode="--db $db"
run 0 "$bookings"
has "the table of a run without work" "$work/out" "10 resumed rows"

# A graceful stop says that it is one.
db=$work/stopped.sqlite
mode="--db $db --base-backoff-ms 60000"
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
mode="--db $work/kept.sqlite"
run 0 --summary json --keep-processed 3600 "$bookings"
is "processed events that are kept" "$(number processed)" 30
# So many e-mails and no more; the others are not kept waiting, and all are sent in the end.
mode="--db $work/slow.sqlite"
run 0 --summary json --emails-per-second 100 "$bookings"
is "notifications with --emails-per-second" "$(number notifications)" 36

# Databases that cannot serve.
mode=
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
for wrong in "--workers 0" "--batch 0" "--stop-after -1" "--keep-processed -1" "--emails-per-second 0" "--kill-at nowhere:1" "--kill-at after-claim:0" "--in-process --db x" \
  "--in-process --keep-processed 5"; do
  # shellcheck disable=SC2086
  run 2 $wrong "$bookings"
  has "$wrong" "$work/err" "${wrong%% *}"
done

[ "$failures" = 0 ] && echo "booking_service: all as expected"
exit "$failures"
