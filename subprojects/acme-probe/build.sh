#!/bin/sh
# build.sh OUTDIR INCLUDE_DIR - builds the package and lays it out as OUTDIR/acme-probe/. INCLUDE_DIR
# holds orbital/orbital.h. Nothing is written into the source tree.
set -eu
if [ $# -ne 2 ]; then
    echo "usage: $0 OUTDIR INCLUDE_DIR" >&2
    exit 2
fi
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
mkdir -p "$1"
out=$(CDPATH= cd -- "$1" && pwd)
include=$(CDPATH= cd -- "$2" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/acme-probe.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

meson setup "$work/build" "$here" -Dorbital_include="$include" >"$work/log" 2>&1 &&
    ninja -C "$work/build" >>"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
}
mkdir -p "$out/acme-probe/lib"
cp "$work/build/acme-probe.so" "$out/acme-probe/lib/acme-probe.so.new"
mv "$out/acme-probe/lib/acme-probe.so.new" "$out/acme-probe/lib/acme-probe.so"
cp "$here/manifest.json" "$here/schema.json" "$here/README.md" "$out/acme-probe/"
