#!/usr/bin/env bash
# run.sh [ARGUMENTS]: builds the booking service and runs it with these arguments, a file of bookings among
# them (see --help); without any, it plays the small file beside it. Unless the arguments say otherwise, its
# database is in the build folder: run it again, and it goes on where it was.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
bash "$top/.ci/ensure-packages" build-essential cmake libfmt-dev libcli11-dev libcsv-dev libsqlite3-dev nlohmann-json3-dev
bash "$top/.ci/build" "$top/build/examples" booking_service -DCMAKE_BUILD_TYPE=Release -DEVENT_RELAY_BUILD_TESTS=OFF
[ $# -gt 0 ] || set -- "$here/booking_service/bookings.csv"
case " $* " in
  *" --db"* | *" --postgres"* | *" --in-process "*) ;;
  *) set -- "$@" --db "$top/build/examples/booking_service.sqlite" ;;
esac
exec "$top/build/examples/examples/booking_service" "$@"
