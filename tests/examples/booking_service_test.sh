#!/usr/bin/env bash
# booking_service_test.sh PROGRAM BOOKINGS: what the program does as its user sees it: output, files, exit
# status. BOOKINGS is the example's own small file. Runs on a database are in booking_service_database_test.sh.
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
run 0 --base-backoff-ms 250 --breadcrumbs "$work/breadcrumbs" --notifications "$work/notes" "$bookings"
is "lines of breadcrumbs" "$(lines "$work/breadcrumbs")" $((30 * 5 + 36))
is "lines of notifications" "$(lines "$work/notes")" 36
has breadcrumbs "$work/breadcrumbs" '"event":"payment.captured.domain-event.relay","correlationId":"'
has breadcrumbs "$work/breadcrumbs" '"backoffMs":250'
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

# Options that make no sense, alone or together.
mode=
for wrong in "--workers 0" "--batch 0" "--stop-after -1" "--keep-processed -1" "--emails-per-second 0" "--kill-at nowhere:1" "--kill-at after-claim:0" "--in-process --db x" \
  "--in-process --keep-processed 5" "--in-process --postgres dbname=x" "--in-process --append-only" \
  "--append-only --workers 2" "--append-only --fail-rate 0.5" "--append-only --breadcrumbs x" "--append-only --keep-processed 5" \
  "--append-only --kill-at after-claim" "--work-only --stop-after 0" "--db x --postgres dbname=x"; do
  # shellcheck disable=SC2086
  run 2 $wrong "$bookings"
  has "$wrong" "$work/err" "${wrong%% *}"
done
run 2 --work-only --kill-at before-append-commit
has "a place of others" "$work/err" "--kill-at: --work-only never comes to before-append-commit"
run 2 --work-only "$bookings"
has "bookings that nobody reads" "$work/err" "BOOKINGS.csv excludes --work-only"
run 2 --append-only --work-only
has "both halves" "$work/err" "--append-only excludes --work-only"
run 2 --append-only
has "nothing to append" "$work/err" "BOOKINGS.csv is required"
# A build without libpq says so; one with it says what is wrong with the string, and shows nothing of it.
for wrong in "" "host=/nonexistent pass=SECRET" "postgresql://u:SECRET@/%zz" "SECRET"; do
  run 2 --postgres "$wrong" "$bookings"
  has "--postgres $wrong" "$work/err" "--postgres: "
  lacks "--postgres $wrong" "$work/err" SECRET
done

[ "$failures" = 0 ] && echo "booking_service: all as expected"
exit "$failures"
