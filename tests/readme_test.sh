#!/usr/bin/env bash
# readme_test.sh TOP: the README's program is examples/first_event.cpp, and every file that it links to is there.
set -u
cd "$1" || exit 2
status=0
diff -u <(tail -n +3 examples/first_event.cpp) <(sed -n '/^```cpp$/,/^```$/p' README.md | sed '1d;$d') || status=1
while read -r linked; do
  [ -e "$linked" ] || { echo "README.md links to $linked, which is not there"; status=1; }
done < <(grep -oE '\]\([^):]+\)' README.md | tr -d ']()')
exit "$status"
