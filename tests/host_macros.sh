#!/usr/bin/env bash
# host_macros.sh FOLDER HEADER...: writes two headers for host_macros_test.cpp into FOLDER: one with what the
# given headers of the library include of others, and one that includes them all.
set -euo pipefail
folder=$1
shift
grep -hE '^ *# *include *<' "$@" | sort -u >"$folder/host_macros_includes.hpp"
printf '#include "%s"\n' "$@" >"$folder/host_macros_headers.hpp"
