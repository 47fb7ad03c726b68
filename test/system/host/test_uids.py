#!/usr/bin/env python3
"""A package keeps its uid, and its state its owner, whatever is installed beside it.

    test_uids.py BUILD"""
import json
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Tap, expect, need_root, run  # noqa: E402

need_root()
build = sys.argv[1]
tap = Tap()


def add(box, name):
    """A package like acme-probe under another name, beside the shipped ones."""
    where = f"{box.dir}/more/{name}"
    shutil.copytree(f"{build}/third-party/acme-probe", where)
    for file, key in (("manifest.json", "name"), ("schema.json", "interface")):
        with open(f"{where}/{file}") as f:
            tree = json.load(f)
        tree[key] = name
        with open(f"{where}/{file}", "w") as f:
            json.dump(tree, f)


def uid_of_process(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Uid:"))


def picture(box):
    """{service: uid of its process} of the shipped ones, and {directory: its owner}."""
    services = {s["name"]: uid_of_process(s["pid"]) for s in box.json("show", "services")["services"]
                if s["state"] == "Running" and s["name"] in ("config", "interfaces", "routing", "api")}
    folder = f"{box.dir}/state/services"
    return services, {name: os.lstat(f"{folder}/{name}").st_uid for name in os.listdir(folder)}


def again(box):
    box.kill(signal.SIGTERM)
    box.start()


def same(box, before, *gone):
    now = picture(box)
    expected = ({k: v for k, v in before[0].items() if k not in gone}, before[1])
    expect(now == expected, f"{now}, expected {expected}")
    expect(box.json("config", "show", "interfaces")["lan0"]["description"] == "kept", "the configuration is not what it was")


def comes(box, before):
    add(box, "aaa-first")
    again(box)
    same(box, before)
    expect(any(s["name"] == "aaa-first" for s in box.json("show", "services")["services"]), "the new package is not there")


def removed(box, before):
    shutil.rmtree(f"{box.dir}/packages/api")
    again(box)
    same(box, before, "api")
    shutil.copytree(f"{build}/packages/api", f"{box.dir}/packages/api")
    again(box)
    same(box, before)


def spoilt(box, before):
    path = f"{box.dir}/state/uids"
    for text in (None, "", "config 0\ninterfaces 61000\n", "interfaces 61000\nconfig 61000\n\0\xff"):
        box.kill(signal.SIGTERM)
        os.unlink(path)
        if text is not None:
            with open(path, "w") as f:
                f.write(text)
        box.start()
        now = picture(box)
        expect(now[1] == before[1], f"after {text!r}: owners {now[1]}, expected {before[1]}")
        expect(all(now[0][name] == before[0][name] for name in before[1]), f"after {text!r}: {now[0]}")


def read_only(box):
    """The file is missing, a package was added, and nothing can be written."""
    before = picture(box)
    box.kill(signal.SIGTERM)
    os.unlink(f"{box.dir}/state/uids")
    add(box, "aab-second")
    box.read_only_state()
    try:
        box.start()
        now = picture(box)
        expect(now[1] == before[1], f"owners {now[1]}, expected {before[1]}")
        expect(all(now[0].get(name) == before[0][name] for name in before[1]), f"{now[0]}, expected {before[0]}")
        expect("package.uids-file" in box.log_text(), "the log does not say that the numbers cannot be written")
    finally:
        box.kill(signal.SIGTERM)
        run("mount", "-o", "remount,rw", f"{box.dir}/state")


with Appliance(build, "uids", links=[("lan0", "far0")]) as box:
    shutil.copytree(f"{build}/packages", f"{box.dir}/packages")
    os.makedirs(f"{box.dir}/more")
    os.makedirs(f"{box.dir}/state")
    box.packages = [f"{box.dir}/packages", f"{box.dir}/more"]
    run("mount", "-t", "tmpfs", "-o", "size=48m,mode=0755", "orbt-state", f"{box.dir}/state")
    try:
        box.start()
        box.ctl("config", "set", "interfaces", "lan0", "description", "kept")
        box.ctl("config", "commit")
        first = picture(box)
        tap.test("a package that comes alphabetically first changes no uid and no owner", comes, box, first)
        tap.test("a package that is removed, and comes back, neither", removed, box, first)
        tap.test("the file of uids gone, empty or spoilt: the owners say it", spoilt, box, first)
        tap.test("nothing can be written, and a package came: all run as before", read_only, box)
    finally:
        box.kill(signal.SIGTERM)
        run("umount", f"{box.dir}/state", check=False)
tap.end()
