#!/bin/sh
# strict.sh INCLUDE DIR - the SDK's headers as authors with strict flags compile them: C11 and C++17,
# -Wpedantic, no warning at all; by each compiler that is installed.
set -eu
include=$1 here=$2
strict="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fvisibility=hidden -fsyntax-only -I$include"
tried=0
for c in gcc clang; do
    command -v "$c" >/dev/null || continue
    $c -std=c11 $strict "$here/strict.c"
    tried=$((tried + 1))
done
for c in g++ clang++; do
    command -v "$c" >/dev/null || continue
    $c -std=c++17 $strict "$here/strict.cc"
    tried=$((tried + 1))
done
[ "$tried" -gt 0 ] || { echo "strict.sh: no compiler is installed" >&2; exit 77; }
