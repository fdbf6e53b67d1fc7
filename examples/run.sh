#!/usr/bin/env bash
# run.sh [ARGUMENTS]: builds the booking service and runs it with these arguments, a file of bookings among
# them (see --help); without any, it plays the small file beside it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
bash "$top/.ci/ensure-packages" build-essential cmake libfmt-dev libcli11-dev libcsv-dev nlohmann-json3-dev
bash "$top/.ci/build" "$top/build/examples" booking_service -DCMAKE_BUILD_TYPE=Release -DEVENT_RELAY_BUILD_TESTS=OFF
[ $# -gt 0 ] || set -- "$here/booking_service/bookings.csv"
exec "$top/build/examples/examples/booking_service" "$@"
