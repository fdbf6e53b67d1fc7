#!/usr/bin/env bash
# run.sh [BENCHMARK_ARGUMENTS]: builds the benchmarks for speed and runs them. Compare numbers of one run only.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
bash "$top/.ci/ensure-packages" build-essential cmake libbenchmark-dev libfmt-dev libsqlite3-dev nlohmann-json3-dev
for benchmark in relay_benchmark outbox_benchmark queue_benchmark; do
  bash "$top/.ci/build" "$top/build/benchmark" $benchmark -DCMAKE_BUILD_TYPE=Release \
    -DEVENT_RELAY_BUILD_TESTS=OFF -DEVENT_RELAY_BUILD_EXAMPLES=OFF -DEVENT_RELAY_BUILD_BENCHMARKS=ON
  "$top/build/benchmark/tests/benchmark/$benchmark" "$@"
done
