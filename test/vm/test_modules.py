#!/usr/bin/env python3
"""test_modules.py BUILD [KIND]... - a VRF, a bond, a VLAN and IPVS on Debian's own kernel, emulated: takes minutes."""
import os
import shutil
import subprocess
import sys
import tempfile

build = sys.argv[1]
source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

if os.geteuid() != 0:
    print("needs root")
    raise SystemExit(77)
with tempfile.TemporaryDirectory(prefix=f"orbt-modules-{os.getpid()}.") as share:
    os.chmod(share, 0o755)
    for part in ("lib", "system/dataplane"):
        shutil.copytree(f"{source}/test/{part}", f"{share}/test/{part}", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(f"{build}/test/system/dataplane/dpctl", share)
    raise SystemExit(subprocess.run([f"{source}/tools/vm", "run", "--share", share, "--time", "900", "--", "python3",
                                     "test/system/dataplane/test_modules.py", f"{share}/dpctl", *sys.argv[2:]]).returncode)
