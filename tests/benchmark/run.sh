#!/usr/bin/env bash
# run.sh [BENCHMARK_ARGUMENTS]: builds the benchmarks for speed and runs them, those of PostgreSQL on a server of their
# own that waits for the disk. Compare numbers of one run only.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
bash "$top/.ci/ensure-packages" build-essential cmake libbenchmark-dev libfmt-dev libpq-dev libsqlite3-dev nlohmann-json3-dev postgresql
benchmarks="relay_benchmark outbox_benchmark queue_benchmark postgres_benchmark"
bash "$top/.ci/build" "$top/build/benchmark" "$benchmarks" -DCMAKE_BUILD_TYPE=Release \
  -DEVENT_RELAY_BUILD_TESTS=OFF -DEVENT_RELAY_BUILD_EXAMPLES=OFF -DEVENT_RELAY_BUILD_BENCHMARKS=ON
for benchmark in $benchmarks; do
  run=("$top/build/benchmark/tests/benchmark/$benchmark" "$@")
  [ $benchmark != postgres_benchmark ] || run=(env EVENT_RELAY_TEST_FSYNC=on bash "$here/../postgres/with_server.sh" "${run[@]}")
  "${run[@]}"
done
