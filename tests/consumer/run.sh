#!/usr/bin/env bash
# run.sh: installs the library into a folder of its own, and builds and runs a host that uses it by each of
# find_package (with file sets and without), add_subdirectory, FetchContent (of a clone of the current state)
# and pkg-config.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
bash "$top/.ci/ensure-packages" build-essential cmake git libfmt-dev libpq-dev libsqlite3-dev nlohmann-json3-dev pkg-config
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
quietly() {
  "$@" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
}

# The state of the working tree, committed or not, as a repository to fetch.
mkdir "$work/source"
(cd "$top" && git ls-files -z --cached --others --exclude-standard | xargs -0 tar -cf - --ignore-failed-read) | tar -xf - -C "$work/source"
quietly git -C "$work/source" init -q -b main
quietly git -C "$work/source" add -A
quietly git -C "$work/source" -c user.name=consumer -c user.email=consumer@localhost commit -qm state
revision=$(git -C "$work/source" rev-parse HEAD)

quietly cmake -S "$work/source" -B "$work/install-build" -DEVENT_RELAY_BUILD_TESTS=OFF -DEVENT_RELAY_BUILD_EXAMPLES=OFF
quietly cmake --install "$work/install-build" --prefix "$work/first-prefix"
mv "$work/first-prefix" "$work/prefix" # an installed package may be moved

for way in find_package find_package_without_file_sets add_subdirectory FetchContent; do
  quietly cmake -S "$top/tests/consumer" -B "$work/$way" -DCONSUME_BY="$way" -DCMAKE_PREFIX_PATH="$work/prefix" \
    -DEVENT_RELAY_SOURCE="$work/source" -DEVENT_RELAY_REVISION="$revision"
  quietly cmake --build "$work/$way" --parallel "$(nproc)"
  quietly "$work/$way/consumer"
  quietly "$work/$way/durable_consumer"
  echo "consumer by $way: passed"
done

export PKG_CONFIG_PATH=$work/prefix/share/pkgconfig
[ "$(pkg-config --modversion event_relay)" = "$(sed -n 's/.*VERSION_[A-Z]* //p' "$top/include/event_relay/version.hpp" | paste -sd.)" ]
# shellcheck disable=SC2046
quietly "${CXX:-c++}" -std=c++20 "$top"/tests/consumer/{main,other}.cpp $(pkg-config --cflags --libs event_relay) -o "$work/by-pkg-config"
quietly "$work/by-pkg-config"
echo "consumer by pkg-config: passed"
