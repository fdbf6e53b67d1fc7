#!/usr/bin/env bash
# check.sh SOURCE COMPILER [ARGUMENTS]: SOURCE compiles; with MUST_NOT_COMPILE defined it does not, and the
# compiler says every text of its "// expect: " lines.
set -u
source=$1
shift
if ! "$@" "$source"; then
  echo "$source does not even compile without MUST_NOT_COMPILE"
  exit 1
fi
if said=$("$@" -DMUST_NOT_COMPILE "$source" 2>&1); then
  echo "$source compiles with MUST_NOT_COMPILE"
  exit 1
fi
status=0
while read -r expected; do
  if ! grep -qF -- "$expected" <<<"$said"; then
    echo "$source: the compiler does not say: $expected"
    status=1
  fi
done < <(sed -n 's|^// expect: ||p' "$source")
if ! grep -q '^// expect: ' "$source"; then
  echo "$source names nothing that the compiler has to say"
  status=1
fi
[ "$status" = 0 ] || printf '%s\n' "$said"
exit "$status"
