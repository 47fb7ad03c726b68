#!/usr/bin/env python3
"""extract.py GUIDE OUT INCLUDE LIBRARY SANITIZERS - builds the example of the plugin guide as its reader would.

Every fenced block whose info string has file=NAME is written to that file; the package is then built
with the commands the guide shows, tested with the test kit LIBRARY, which was built under
SANITIZERS (Meson's b_sanitize), and laid out as OUT/greeter/. A guide without such blocks fails.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FENCE = re.compile(r"^```\w+ file=(\S+)\n(.*?)^```$", re.M | re.S)
NEEDED = {"manifest.json", "schema.json", "greeter.c", "test_greeter.c", "meson.build", "meson_options.txt"}


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"extract.py: {' '.join(map(str, command))} failed:\n{done.stdout}")


def main():
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    guide, out, include, library = (pathlib.Path(a).absolute() for a in sys.argv[1:5])
    blocks = dict(FENCE.findall(guide.read_text(encoding="utf-8")))
    missing = NEEDED - blocks.keys()
    if missing:
        sys.exit(f"extract.py: {guide} has no block for {', '.join(sorted(missing))}")
    package = out / "greeter"
    with tempfile.TemporaryDirectory(prefix="orbital-guide-") as work:
        source = pathlib.Path(work) / "src"
        build = pathlib.Path(work) / "build"
        source.mkdir()
        for name, text in blocks.items():
            if pathlib.PurePath(name).name != name:
                sys.exit(f"extract.py: {name} is not a plain file name")
            (source / name).write_text(text, encoding="utf-8")
        (source / "orbital-testing.pc").write_text(
            f"Name: orbital-testing\nDescription: of the build tree\nVersion: 1\nLibs: {library} -Wl,-rpath,{library.parent}\n", encoding="utf-8")
        # gcc warns falsely under sanitizers (its manual describes it).
        sanitized = [] if sys.argv[5] == "none" else [f"-Db_sanitize={sys.argv[5]}", "-Db_lundef=false"]
        run("meson", "setup", *(sanitized or ["--werror"]), build, source, f"-Dorbital_include={include}", f"-Dpkg_config_path={source}")
        run("ninja", "-C", build)
        run("meson", "test", "-C", build)
        (package / "lib").mkdir(parents=True, exist_ok=True)
        for name in ("manifest.json", "schema.json"):
            shutil.copy(source / name, package / name)
        shutil.copy(build / "greeter.so", package / "lib" / "greeter.so.new")
        (package / "lib" / "greeter.so.new").rename(package / "lib" / "greeter.so")


main()
