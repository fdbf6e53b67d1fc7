#!/usr/bin/env bash
# run.sh [CTEST_ARGUMENTS]: builds all tests and runs them.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# ctest runs the tests elsewhere; a relative path is meant from here.
[ -z "${EVENT_RELAY_PARITY_VECTORS:-}" ] || export EVENT_RELAY_PARITY_VECTORS="$(realpath "$EVENT_RELAY_PARITY_VECTORS")"
bash "$top/.ci/ensure-packages" build-essential ccache cmake ninja-build catch2 libfmt-dev libcli11-dev libcsv-dev libpq-dev libsqlite3-dev nlohmann-json3-dev postgresql sqlite3
bash "$top/.ci/build" "$top/build/tests" all -DCMAKE_BUILD_TYPE=Debug
exec ctest --test-dir "$top/build/tests" --output-on-failure --parallel "$(nproc)" "$@"
