#!/usr/bin/env bash
# operator_commands_test.sh PROGRAM BOOKINGS DATABASE: what operators ask of booking_service, as they see it: dead letters
# and metrics. BOOKINGS is the example's own small file; DATABASE is sqlite or postgres.
# shellcheck source=checks.sh
source "$(dirname "$0")/checks.sh"

# What operators ask, each on its own database $db.
# ask EXPECTED_STATUS VERB [ARGUMENTS]: as run.
ask() {
  local expected=$1
  shift
  "$program" "$@" "$flag" "$db" >"$work/out" 2>"$work/err"
  is "exit status of booking_service $*" "$?" "$expected"
}
# Each line of standard output is JSON, by the judgement of whoever is there to judge.
is_json() {
  command -v sqlite3 >/dev/null || return 0
  is "lines that are no JSON, of $1" "$(sqlite3 :memory: "CREATE TABLE lines (line)" '.mode ascii' '.separator "\037" "\n"' \
    ".import $work/out lines" "SELECT count(*) FROM lines WHERE NOT json_valid(line)")" 0
}
# text FILE MEMBER: the text behind a member of the first line that has it.
text() {
  grep -oE "\"$2\":\"[^\"]*\"" "$1" | head -n 1 | cut -d'"' -f4
}
ids() {
  grep -oE '^\{"id":"[^"]*"' "$1"
}
fresh dead --base-backoff-ms 1
run 0 --fail-until 3 "$bookings"
dead=$db
fresh operated --base-backoff-ms 1
run 0 --summary json --fail-until 3 "$bookings"
ask 0 dead-letters export
is_json export
is "lines of export" "$(lines "$work/out")" 30
cp "$work/out" "$work/all"

# The pages of a list are the whole, in its order.
ask 0 dead-letters list --json --limit 7
is_json list
: >"$work/pages"
for _ in 1 2 3 4; do
  ids "$work/out" >>"$work/pages"
  ask 0 dead-letters list --json --limit 7 --after "$(text "$work/out" next)"
done
ids "$work/out" >>"$work/pages"
is "the last page" "$(lines "$work/out") $(text "$work/out" next)" "2 "
ids "$work/all" | cmp -s - "$work/pages" || fail "the pages of list are not what export prints"
ask 0 dead-letters list
is "lines of a list" "$(lines "$work/out")" 31
has list "$work/out" "dead since "
ask 0 dead-letters list --limit 29
has "a list that is longer" "$work/out" "more: --after "

# Filters, alone and together. What died first is at the instant from which --since counts.
dead_since=$(text "$work/all" deadSince)
grep -F '"name":"payment.captured"' "$work/all" >"$work/payments"
key=$(text "$work/payments" orderingKey)
correlation=$(text "$work/payments" correlationId)
for expected in "30 --reason max-attempts-exhausted" "0 --reason rejected" "10 --name booking.created" "0 --name booking" \
  "30 --since $dead_since" "0 --until $dead_since" "30 --since 2000-01-01" "0 --since 2000-01-01T00:00Z --until 2000-01-02" \
  "0 --older-than 36500d" "$(grep -cF "$key" "$work/all") --key $key" "1 --key $key --name booking.created" \
  "$(grep -cF "$correlation" "$work/all") --correlation-id $correlation" "0 --key $key --correlation-id no-such"; do
  # shellcheck disable=SC2086
  ask 0 dead-letters export ${expected#* }
  is "dead letters with ${expected#* }" "$(lines "$work/out")" "${expected%% *}"
  # shellcheck disable=SC2086
  ask 0 dead-letters redrive --dry-run --json ${expected#* }
  is "a dry run with ${expected#* }" "$(cat "$work/out")" "{\"redriven\":${expected%% *},\"dryRun\":true}"
done

# One of them, in full.
id=$(text "$work/all" id)
ask 0 dead-letters show "$id" --json
head -n 1 "$work/all" | cmp -s - "$work/out" || fail "show --json prints another line than export"
ask 0 dead-letters show "$id"
has show "$work/out" 'payload         {"bookingId":"booking-'
has show "$work/out" "key             $(text "$work/all" orderingKey)"
is "failures that show prints" "$(grep -c '^failure .* attempt [123]:' "$work/out")" 3
ask 1 dead-letters show no-such
has "an unknown id" "$work/err" 'there is no dead letter "no-such"'

# Wrong usage says what is wrong, and changes nothing.
while IFS='|' read -r wrong said; do
  # shellcheck disable=SC2086
  ask 2 dead-letters $wrong
  has "dead-letters $wrong" "$work/err" "$said"
done <<END
list --limit 0|--limit
list --after 12|--after: "12" is no place that list has named
list --reason bored|max-attempts-exhausted,rejected,undecodable
list --since yesterday|--since: "yesterday" is no time
list --until 2026-02-30|--until: "2026-02-30" is no time
list --since 2026-01-02 --until 2026-01-01|--since: 2026-01-02 is not before --until 2026-01-01
purge --older-than 30|--older-than: "30" is no age
purge --older-than 30d --until 2026-01-01|excludes
purge|purge: say which
redrive|redrive: say which
purge --all --name booking.created|purge: say which
purge --all $id|purge: say which
purge --dry-run|purge: say which
redrive --all --per-second 0|--per-second
redrive --all --at-most -1|--at-most
redrive $id --per-second 1|--per-second
show|ID
show $id $id|ID
list $id|$id
undo|undo
END
for option in --name --key --correlation-id --older-than --since --until --reason; do
  ask 2 dead-letters purge "$option" ""
  has "dead-letters purge with an empty $option" "$work/err" "$option"
done
ask 2 dead-letters purge ""
has "dead-letters purge of an empty id" "$work/err" "must not be empty"
"$program" dead-letters >"$work/out" 2>"$work/err"
is "exit status of dead-letters without a verb" "$?" 2
has "dead-letters without a verb" "$work/err" "list, show, redrive, purge or export"
ask 0 dead-letters purge --all --dry-run
has "dead letters after wrong usage" "$work/out" "30 would be purged"

# The numbers, and what they come to.
ask 2 metrics --json
is_json metrics
for expected in '"readiness":"critical"' '"deadLetters":30' '"oldestLagMs":null' \
  '"booking.created":{"attempts":30,"processed":0,"retried":20,"deadLettered":10}'; do
  has metrics "$work/out" "$expected"
done
ask 2 metrics
has "the table of metrics" "$work/out" "critical"
has "the table of metrics" "$work/out" "booking.created "
for wrong in "--limit 1" extra "--stop-after 1" "--stop-after -1"; do
  # shellcheck disable=SC2086
  ask 3 metrics $wrong
  has "metrics $wrong" "$work/err" "${wrong%% *}"
done

# Sent round again, some and then the others; the next run carries them out, each booking's in their order.
ask 0 dead-letters redrive --name booking.declined --at-most 2 --json
is "what redrive says" "$(cat "$work/out")" '{"redriven":2,"dryRun":false}'
ask 0 dead-letters redrive "$id"
ask 1 dead-letters redrive "$id"
has "an event that is no dead letter any more" "$work/err" "there is no dead letter \"$id\""
ask 0 dead-letters redrive --all --per-second 1000
is "what redrive says to people" "$(cat "$work/out")" "27 redriven"
ask 0 dead-letters list --json
is "a list of none" "$(cat "$work/out")" ""
run 0 --summary json --workers 1 --batch 3 --breadcrumbs "$work/breadcrumbs" "$bookings"
is "processed after redrive" "$(number processed)" 30
is "notifications after redrive" "$(number notifications)" 36
is "the order of a key after redrive" "$(grep -F "$correlation" "$work/breadcrumbs" | grep -oE '"event":"(booking|payment)\.[a-z]*\.domain-event.relay"')" \
  "$(printf '"event":"%s.domain-event.relay"\n' booking.created booking.accepted booking.completed payment.captured)"
ask 0 metrics --json
has "metrics when all is well" "$work/out" '"readiness":"good","ready":0,"scheduled":0,"leased":0,"orphans":0,"blocked":0,"deadLetters":0'

# What fails again is a dead letter again, and keeps its history.
fresh again --base-backoff-ms 1
run 0 --fail-until 3 "$bookings"
ask 0 dead-letters redrive --all
"$program" metrics --json "$flag" "$db" >"$work/out"  # watch, or critical where this machine is very slow
has "metrics of what was redriven" "$work/out" '"ready":10,"scheduled":0,"leased":0,"orphans":0,"blocked":20,"deadLetters":0'
run 0 --summary json --fail-until 3 "$bookings"
is "dead letters after redrive" "$(number dead_lettered)" 30
ask 0 dead-letters export --name payment.captured
cp "$work/out" "$work/payments"
ask 0 dead-letters show "$(text "$work/payments" id)"
is "failures that are kept" "$(grep -c '^failure' "$work/out")" 6

# Purged by filter and by id, until there is one, and none.
for each in booking.created:10 booking.accepted:7 booking.completed:5; do
  ask 0 dead-letters purge --name "${each%:*}"
  is "purge of ${each%:*}" "$(cat "$work/out")" "${each#*:} purged"
done
ask 0 dead-letters purge --older-than 36500d --json
is "purge of what is older" "$(cat "$work/out")" '{"purged":0,"dryRun":false}'
ask 0 dead-letters purge --since 2000-01-01 --name booking.declined
is "purge by time and name" "$(cat "$work/out")" "3 purged"
ask 2 metrics
id=$(text "$work/payments" id)
ask 0 dead-letters purge "$id" --dry-run
ask 0 dead-letters purge "$id"
ask 1 dead-letters purge "$id" "$(tail -n 1 "$work/payments" | grep -oE '^\{"id":"[^"]*"' | cut -d'"' -f4)"
is "purge of one that is there and one that is not" "$(cat "$work/out")" "1 purged"
ask 1 metrics
has "metrics with few dead letters" "$work/out" " watch "
ask 0 dead-letters purge --all
is "purge of all" "$(cat "$work/out")" "3 purged"
ask 0 metrics

# Watching ends by a signal, or after a time.
ask 0 metrics --watch --json --stop-after 0
is_json "metrics --watch"
is "lines of a watch, and more than none" "$(($(lines "$work/out") > 0))" 1
for signal in INT TERM; do
  mkfifo "$work/watched.$signal"
  "$program" metrics --watch "$flag" "$db" >"$work/watched.$signal" 2>"$work/err" &
  running=$!
  exec 3<"$work/watched.$signal"
  read -r head <&3
  read -r row <&3
  cat <&3 >/dev/null &
  kill -"$signal" "$running"
  wait "$running"
  is "exit status of a watch after SIG$signal" "$?" 0
  exec 3<&-
  is "the head of a watch" "${head%% *}" at
  [[ $row == *" good "* ]] || fail "a watch printed: $row"
done

# Texts that a row may hold command no terminal.
db=$dead
char=char
[ "$database" = postgres ] && char=chr
if [ "$(sql 'SELECT 1' 0)" = 1 ]; then
  sql "UPDATE event_relay_events SET name = 'a' || $char(27) || '[2J', payload = 'no' || $char(10) || 'JSON \" \' || $char(155),
    reason = 'undecodable' WHERE row = 1; UPDATE event_relay_failures SET text = $char(27) || ' ' || $char(13) WHERE event = 1"
  for verb in list "show $(sql "SELECT id FROM event_relay_events WHERE row = 1")"; do
    for form in --limit=1 --json; do
      [[ $verb$form == show*limit* ]] && form=
      # shellcheck disable=SC2086
      ask 0 dead-letters $verb $form
      LC_ALL=C grep -qE $'\e|\r|\x9b' "$work/out" && fail "$verb $form prints a control character"
      [ "$form" = --json ] && is_json "$verb of hostile texts"
    done
  done
  ask 0 dead-letters export --reason undecodable
  is "dead letters that are undecodable" "$(lines "$work/out")" 1
fi

# Nothing that an operator asks makes a database, or puts an outbox into one.
verbs=("dead-letters list" "dead-letters show x" "dead-letters redrive --all" "dead-letters purge --all" "dead-letters export"
  metrics)
look_at_files() {
  : >"$work/nothing.sqlite"
  cp "$bookings" "$work/text.csv"
  for verb in "${verbs[@]}"; do
    [ "$verb" = metrics ] && usage=3 failed=3 || usage=2 failed=1
    for missing in "$work/none.sqlite" "$work/no/such" ":memory:" ""; do
      db=$missing
      # shellcheck disable=SC2086
      ask "$usage" $verb
      has "$verb without a database" "$work/err" "there is no database \"$missing\""
    done
    db=$work/nothing.sqlite
    # shellcheck disable=SC2086
    ask "$usage" $verb
    has "$verb of a database without an outbox" "$work/err" "there is no outbox in $db"
    db=$work/text.csv
    # shellcheck disable=SC2086
    ask "$failed" $verb
    has "$verb of a file that is no database" "$work/err" "$db: "
    has "$verb of a file that is no database" "$work/err" "file is not a database"
    db=$work
    # shellcheck disable=SC2086
    ask "$failed" $verb
    has "$verb of a folder" "$work/err" "cannot be opened"
  done
  is "files beside these" "$(find "$work" -name 'no[nt]*' -o -name 'text*' | sort | xargs -n 1 basename | tr '\n' ' ')" \
    "nothing.sqlite text.csv "
  [ ! -s "$work/nothing.sqlite" ] || fail "there are tables in an empty database"
  cmp -s "$bookings" "$work/text.csv" || fail "a file that is no database was changed"
}
look_at_servers() {
  fresh nothing
  for verb in "${verbs[@]}"; do
    [ "$verb" = metrics ] && usage=3 failed=3 || usage=2 failed=1
    db=dbname=nothing
    # shellcheck disable=SC2086
    ask "$usage" $verb
    has "$verb of a database without an outbox" "$work/err" "there is no outbox in dbname=nothing"
    db="dbname=nothing options=-csearch_path=nowhere"
    # shellcheck disable=SC2086
    ask "$usage" $verb
    has "$verb of no schema" "$work/err" "there is no outbox in dbname=nothing"
    db=
    # shellcheck disable=SC2086
    ask "$usage" $verb
    has "$verb of no database" "$work/err" "--postgres: must not be empty"
    for missing in dbname=none "host=/nonexistent password=SECRET"; do
      db=$missing
      # shellcheck disable=SC2086
      ask "$failed" $verb
      has "$verb of what is not there" "$work/err" "cannot be opened"
      lacks "$verb of what is not there" "$work/err" SECRET
    done
  done
  db=dbname=nothing
  is "tables in an empty database" "$(sql "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")" 0
}
if [ "$database" = postgres ]; then look_at_servers; else look_at_files; fi
if [ -w /dev/full ]; then
  for verb in "1 dead-letters list" "1 dead-letters export" "3 metrics" "3 metrics --watch"; do
    # shellcheck disable=SC2086
    "$program" ${verb#* } "$flag" "$dead" >/dev/full 2>"$work/err"
    is "exit status of ${verb#* } on a full disk" "$?" "${verb%% *}"
    has "${verb#* } on a full disk" "$work/err" "cannot write"
  done
fi
for help in "dead-letters --help" "dead-letters purge --help" "metrics --help"; do
  # shellcheck disable=SC2086
  "$program" $help >"$work/out" 2>"$work/err"
  is "exit status of $help" "$?" 0
done
has "help of metrics" "$work/out" "$flag"

[ "$failures" = 0 ] && echo "operator commands: all as expected"
exit "$failures"
