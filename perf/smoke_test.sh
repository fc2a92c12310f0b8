#!/bin/bash
# smoke_test.sh BENCHMARK: its smoke run ends well, and every line is an object with the members that ./bench needs.
set -euo pipefail
lines=$("$1" --smoke --json)
jq -es 'length > 0 and all(.[]; (.bench | type == "string") and (.metric | type == "string") and
    (.median | type == "number") and (.floor | type == "string") and (.floor_median > 0) and (.ratio > 0))' \
    <<<"$lines" >/dev/null || { echo "not what ./bench expects:"; echo "$lines"; exit 1; }
