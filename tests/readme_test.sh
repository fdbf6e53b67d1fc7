#!/usr/bin/env bash
# readme_test.sh TOP: the README's first program is examples/first_event.cpp, the lines of its second are in
# examples/outbox_in_your_transaction.cpp, and every file that it links to is there.
set -u
cd "$1" || exit 2
status=0
program() {
  awk -v wanted="$1" '/^```cpp$/ { inside = (++number == wanted); next } /^```$/ { inside = 0 } inside' README.md
}
diff -u <(tail -n +3 examples/first_event.cpp) <(program 1) || status=1
while read -r line; do
  grep -qF -- "${line%%  //*}" examples/outbox_in_your_transaction.cpp ||
    { echo "README.md: \"$line\" is not in examples/outbox_in_your_transaction.cpp"; status=1; }
done < <(program 2)
while read -r linked; do
  [ -e "$linked" ] || { echo "README.md links to $linked, which is not there"; status=1; }
done < <(grep -oE '\]\([^):]+\)' README.md | tr -d ']()')
exit "$status"
