#!/usr/bin/env python3
"""test_boot.py BUILD [container|run] - boots systemd with what BUILD installs and looks at the unit.

`container` shares the running kernel; `run` emulates a machine with Debian's own, and takes minutes."""
import os
import re
import subprocess
import sys
import tempfile

build, how = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "container"
source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXPOSURE_MOST = 5.4

if os.geteuid() != 0:
    print("needs root")
    raise SystemExit(77)


def exposure():
    """systemd's score of the unit's hardening: 0 is best, 10 worst."""
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", f"{source}/packaging/orbitald.service"],
                          capture_output=True, text=True)
    found = re.search(r"Overall exposure level for orbitald.service: ([0-9.]+)", done.stdout)
    if not found:
        return True
    print(f"# exposure {found[1]}, at most {EXPOSURE_MOST}")
    return float(found[1]) <= EXPOSURE_MOST


with tempfile.TemporaryDirectory(prefix=f"orbt-boot-{os.getpid()}.") as tree:
    os.chmod(tree, 0o755)
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", tree], check=True)
    done = subprocess.run([f"{source}/tools/vm", how, "--install", tree, "--share", f"{source}/test",
                           "--time", "1800" if how == "run" else "180", "--", "python3", "vm/inside.py", how])
if done.returncode == 0 and not exposure():
    raise SystemExit("the unit is exposed more than that")
raise SystemExit(done.returncode)
