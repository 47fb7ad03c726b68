#!/bin/sh
# kit.sh PACKAGE INCLUDE LIBRARY - builds a package with its tests as its author does, under the address
# and undefined sanitizers, and runs them; then with a leak planted, which they must find.
set -eu
package=$1 include=$2 library=$(realpath "$3")
work=$(mktemp -d "${TMPDIR:-/tmp}/orbital-kit.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cp -r "$package" "$work/source"
meson setup "$work/build" "$work/source" -Dtests=true -Db_sanitize=address,undefined -Db_lundef=false \
    -Dorbital_include="$include" -Dorbital_testing="$library" >"$work/log" 2>&1 &&
    ninja -C "$work/build" >>"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
"$work/build/test_probe" "$work/source/schema.json"
sed -i 's/^    probe_settings_free(prepared);$/    if (!prepared)\n        probe_settings_free(prepared);/' \
    "$work/source/src/settings.c"
ninja -C "$work/build" >>"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
if "$work/build/test_probe" "$work/source/schema.json" >"$work/leak" 2>&1; then
    echo "the planted leak was not found" >&2
    exit 1
fi
grep -q 'detected memory leaks' "$work/leak" || { cat "$work/leak" >&2; exit 1; }
