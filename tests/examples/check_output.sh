#!/usr/bin/env bash
# check_output.sh PROGRAM EXPECTED: what PROGRAM prints on standard output is what EXPECTED holds.
set -u
if ! printed=$("$1" 2>/dev/null); then
  echo "$1 failed"
  exit 1
fi
diff -u "$2" <(printf '%s\n' "$printed")
