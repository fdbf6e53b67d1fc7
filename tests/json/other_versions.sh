#!/usr/bin/env bash
# other_versions.sh [FOLDER]: builds the codec's tests against each version of nlohmann_json that Debian or npm
# has besides the installed one, and runs them. The headers are fetched into FOLDER (build/nlohmann_json) once.
# If one cannot be fetched, it says so and ends with 1 when CI=true, with 77 otherwise, after the others.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "${1:-$top/build/nlohmann_json}"
folder=$(cd "${1:-$top/build/nlohmann_json}" && pwd)

# Neither Debian nor npm has nlohmann_json in more than one version; other packages carry its one header.
# VERSION SOURCE PACKAGE FILE SHA256
versions='
3.10.4 debian libpbcopper-dev usr/include/pbcopper/json/internal/json.hpp 4e4b65f0c5d3c5e3169f6f60104fcb30bebd9d0c57076888a65b95d2497b06df
3.11.3 npm llama.rn@0.3.11 package/cpp/json.hpp 5b4b37308d67f9820b5926486374246054fdd06baae85309b820a8315f23caca
3.12.0 npm llama.rn@0.12.9 package/cpp/nlohmann/json.hpp aaf127c04cb31c406e5b04a63f1ae89369fccde6d8fa7cdda1ed4f32dfc5de63
'

download() {
  apt-get -o APT::Sandbox::User=root -qq download "$1"
}
from_debian() { # PACKAGE FILE WORK
  (cd "$3" && { download "$1" || { apt-get update -qq && download "$1"; }; } >&2 &&
    dpkg --fsys-tarfile "$1"_*.deb | tar -xOf - "./$2")
}
from_npm() { # PACKAGE FILE WORK
  command -v npm >/dev/null || bash "$top/.ci/ensure-packages" npm
  (cd "$3" && npm pack --silent "$1" >/dev/null && tar -xOzf ./*.tgz "$2")
}
fetch() { # VERSION SOURCE PACKAGE FILE SHA256
  local work header=$folder/$1/nlohmann/json.hpp
  if ! echo "$5  $header" | sha256sum --check --status 2>/dev/null; then
    work=$(mktemp -d)
    mkdir -p "$(dirname "$header")"
    "from_$2" "$3" "$4" "$work" >"$header"
    rm -rf "$work"
    echo "$5  $header" | sha256sum --check --quiet
  fi
}

bash "$top/.ci/ensure-packages" build-essential catch2 libfmt-dev pkg-config
flags=(-std=c++20 -Wall -Wextra -Wpedantic -Werror -I"$top/include" -I"$top/tests")
read -ra libraries <<<"-lfmt $(pkg-config --libs catch2-with-main 2>/dev/null || true)" # Catch2 v3 has its main
"${CXX:-c++}" "${flags[@]}" -c "$top/tests/support/main.cpp" -o "$folder/main.o"
missing=0
while read -r version source package file sha256; do
  [ -n "$version" ] || continue
  if ! (fetch "$version" "$source" "$package" "$file" "$sha256"); then
    echo "NOT TESTED: nlohmann_json $version could not be fetched from $source ($package, $file)" >&2
    missing=1
    continue
  fi
  {
    echo '#include <nlohmann/json.hpp>'
    echo "static_assert(NLOHMANN_JSON_VERSION_MAJOR * 10000 + NLOHMANN_JSON_VERSION_MINOR * 100 + NLOHMANN_JSON_VERSION_PATCH =="
    IFS=. read -r major minor patch <<<"$version"
    echo "              $major * 10000 + $minor * 100 + $patch, \"another version than the one to test was included\");"
    echo '#include "json/json_codec_test.cpp"'
  } >"$folder/$version/json_codec_test.cpp"
  "${CXX:-c++}" "${flags[@]}" -isystem "$folder/$version" "$folder/$version/json_codec_test.cpp" "$folder/main.o" \
    "${libraries[@]}" -o "$folder/$version/json_codec_test"
  "$folder/$version/json_codec_test" >"$folder/$version/log" || { cat "$folder/$version/log"; exit 1; }
  echo "nlohmann_json $version: $(tail -n 2 "$folder/$version/log" | head -n 1)"
done <<<"$versions"
if [ "$missing" = 1 ]; then
  [ "${CI:-false}" = true ] && exit 1
  exit 77
fi
