#!/usr/bin/env bash
# include_direction.sh INCLUDE_FOLDER: the arrows between the library's folders run one way, and each folder
# includes only the third-party headers it stands for.
set -u
cd "$1" || exit 2
status=0
complain() {
  echo "$1"
  status=1
}

# allow FOLDER REGEX: every include of a header in FOLDER matches REGEX, or is the standard library's.
allow() {
  local headers
  headers=$(find "$1" -name '*.hpp') || exit 2
  [ -n "$headers" ] || complain "$1 has no headers"
  while IFS=: read -r header include; do
    [[ $include =~ ^\<[a-z_0-9]+\>$ || $include == "<pthread.h>" || $include =~ $2 ]] || complain "$header includes $include"
  done < <(grep -roE --include='*.hpp' '^ *# *include *[<"][^>"]*[>"]' "$1" | sed -E 's/# *include *//; s/: +/:/')
}

allow core '^("event_relay/core/|<fmt/)'
allow outbox '^("event_relay/(core|outbox)/|<fmt/)'
allow json '^("event_relay/(core|outbox|json)/|<fmt/|<nlohmann/)'
allow sql '^("event_relay/(core|outbox|sql)/|<fmt/)'
allow sqlite '^("event_relay/(core|outbox|sql|sqlite)/|"event_relay/event_relay.hpp"|<fmt/|<sqlite3.h>|<sys/stat.h>|<unistd.h>)'
allow postgres '^("event_relay/(core|outbox|sql|postgres)/|"event_relay/event_relay.hpp"|<fmt/|<libpq-(fe|events).h>|<(fcntl|poll|signal|unistd).h>)'
allow testing '^("event_relay/(core|testing|outbox)/|<fmt/)'

# The umbrella is the core and nothing else, all of it.
while read -r include; do
  [[ $include =~ ^\"event_relay/(core/|version) ]] || complain "event_relay.hpp includes $include"
done < <(grep -oE '^#include .*' event_relay.hpp | sed 's/#include //')
for header in core/*.hpp; do
  grep -qF "\"event_relay/$header\"" event_relay.hpp || complain "event_relay.hpp leaves out $header"
done
# A folder that this test does not know has no direction yet.
for folder in */; do
  [[ " core/ outbox/ json/ postgres/ sql/ sqlite/ testing/ " == *" $folder "* ]] || complain "include_direction.sh does not know $folder"
done
exit "$status"
