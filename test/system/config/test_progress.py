#!/usr/bin/env python3
"""A commit lasts as long as the services at work say that they go on: beyond the time one may be silent,
up to the time it may take in all. Three appliances side by side."""
import json
import os
import shutil
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Tap, expect, need_root  # noqa: E402

need_root()
build = sys.argv[1]
tap = Tap()
SILENT_S = 10  # how long a service may be silent in prepare
STEPS = (SILENT_S + 2) * 5


def lay_out(box, deadlines):
    """The shipped packages and test/system/config/work.c, shipped as well."""
    shipped = f"{box.dir}/shipped"
    shutil.copytree(f"{build}/packages", shipped)
    box.packages = [shipped]
    os.makedirs(f"{shipped}/work/lib")
    shutil.copy(f"{build}/test/system/config/work.so", f"{shipped}/work/lib/work.so")
    with open(f"{shipped}/work/manifest.json", "w") as f:
        json.dump({"name": "work", "version": "1.0.0", "description": "prepares slowly", "library": "lib/work.so",
                   "phase": "features", "requires": ["config"], "uses": {"config": "1.0"},
                   "capabilities": ["config.read:/work"], "deadlines": deadlines}, f)
    with open(f"{shipped}/work/schema.json", "w") as f:
        json.dump({"interface": "work", "version": "1.0", "methods": {}, "events": {}, "config": {
            "type": "object", "additionalProperties": False, "properties": {
                "steps": {"type": "integer"}, "silent": {"type": "boolean"}}}}, f)


def commit(name, deadlines, silent):
    """What `orbctl config commit` said, and the configuration afterwards."""
    with Appliance(build, name) as box:
        lay_out(box, deadlines)
        box.start()
        box.call("config", "edit", {"ops": [{"op": "set", "path": "/work", "value": {"steps": STEPS, "silent": silent}}]})
        done = box.ctl("config", "commit", ok=False)
        return done, box.call("config", "get", {"path": ""})["value"]


COMMITS = {"goes-on": ({}, False), "silent": ({}, True), "too-long": ({"progress-ms": (SILENT_S + 1) * 1000}, False)}
results = {}


def run_one(name):
    try:
        results[name] = commit("pr-" + name.split("-")[0], *COMMITS[name])
    except Exception as problem:  # pylint: disable=broad-except
        results[name] = problem


threads = [threading.Thread(target=run_one, args=(name,)) for name in COMMITS]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()


def result(name):
    if isinstance(results[name], Exception):
        raise results[name]
    return results[name]


def goes_on():
    done, tree = result("goes-on")
    expect(done.returncode == 0, f"commit: {done}")
    expect(tree["work"]["steps"] == STEPS, f"stored: {tree}")
    expect("it is being carried out" in done.stderr, f"nothing was said while it took long: {done.stderr}")


def refused(name, *words):
    done, tree = result(name)
    expect(done.returncode != 0 and "work" not in tree, f"commit: {done}; stored: {tree}")
    for word in words + ("nothing was changed, and work is restarted",):
        expect(word in done.stderr, f"{word!r} is not in {done.stderr!r}")


tap.test("a prepare that says it goes on may take longer than its deadline", goes_on)
tap.test("one that says nothing ends with its deadline", refused, "silent", f"did not answer prepare within {SILENT_S} s")
tap.test("one that goes on for ever ends with its progress-ms", refused, "too-long", "was still at prepare after 11",
         "progress-ms")
tap.end()
