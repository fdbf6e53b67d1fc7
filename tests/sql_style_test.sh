#!/usr/bin/env bash
# sql_style_test.sh INCLUDE_FOLDER: SQL reads like SQL. No statement is put together from macros, and states stand in
# statements by their names.
set -u
cd "$1" || exit 2
status=0
complain() {
  [ -z "$2" ] || { printf '%s:\n%s\n' "$1" "$2"; status=1; }
}
complain "SQL in a macro" "$(grep -rnE '^ *# *define .*"' sql sqlite postgres)"
complain "a state that is a bare number" "$(grep -rnE "\bstate *(=|<>|IN *\() *[0-9]" sql sqlite postgres)"
complain "SQL in pieces that are no raw string" "$(grep -rnE '"(SELECT|UPDATE|INSERT INTO|DELETE FROM|WITH) ' sql sqlite postgres | grep -v 'VALUES (NULL)')"
exit "$status"
