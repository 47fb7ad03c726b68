#!/usr/bin/env python3
"""test_reference.py BUILD - docs/configuration-reference.md beside a running appliance: it takes every command of the
page, and reports of every path what the page describes."""
import json
import os
import re
import shlex
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Tap, expect, need_root  # noqa: E402

BUILD = sys.argv[1]
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")


def leaves_of_the_tool():
    out = subprocess.run([sys.executable, os.path.join(ROOT, "tools", "confref"), "--list"], capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


def pointer_of(words):
    return "".join("/" + w.replace("~", "~0").replace("/", "~1") for w in words)


def every_command_is_taken(box):
    with open(os.path.join(ROOT, "docs", "configuration-reference.md"), encoding="utf-8") as f:
        text = re.sub(r"\n  ", " ", f.read())
    commands = re.findall(r"^- Example: `orbctl (config set .*)`$", text, re.M)
    expect(len(commands) > 100, f"{len(commands)} commands")
    for command in commands:
        done = box.ctl(*shlex.split(command), ok=False)
        expect(done.returncode == 0, f"{command}: {done.stderr.strip()}")
    box.ctl("config", "discard")


def every_leaf_is_described_so(box, leaves):
    for leaf in leaves:
        shown = box.call("config", "schema", {"path": pointer_of(leaf["words"])})
        if leaf["path"].startswith(("/services/", "/system/logging/")):  # the page adds what holds when it is left out
            expect(leaf["description"].startswith(shown["description"]), f"{leaf['path']}: {shown['description']}")
        else:
            expect(leaf["description"] == shown["description"], f"{leaf['path']}: {shown['description']}")


def nothing_is_missing(box, leaves):
    """Every member that the running schema has on the way to a leaf is on the page."""
    known = {pointer_of(leaf["words"][:n]) for leaf in leaves for n in range(1, len(leaf["words"]) + 1)}
    for pointer in sorted({k.rsplit("/", 1)[0] for k in known} - {""}):
        shown = box.call("config", "schema", {"path": pointer})
        if pointer in ("/services", "/system/logging/services"):  # by the installed packages: the page has one for all
            continue
        missing = [name for name in shown["members"] if f"{pointer}/{name}" not in known]
        expect(not missing, f"{pointer}: the page lacks {missing}")


def main():
    need_root()
    tap = Tap()
    leaves = leaves_of_the_tool()
    with Appliance(BUILD, "ref", links=[("lan0", "lan0p"), ("wan0", "wan0p")]) as box:
        box.start()
        tap.test("every command of the page is taken", every_command_is_taken, box)
        tap.test("every leaf has the description of the page", every_leaf_is_described_so, box, leaves)
        tap.test("the page lacks no member", nothing_is_missing, box, leaves)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
