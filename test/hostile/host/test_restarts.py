#!/usr/bin/env python3
"""Packages that end again and again, as fast as their manifests let them: what it costs another client, compared with
an appliance beside that is not attacked.

    test_restarts.py BUILD [--figures] [NAME]..."""
import os
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "..", "lib")]
figures = "--figures" in sys.argv and bool(sys.argv.remove("--figures") or True)
import other as others  # noqa: E402
from appliance import Appliance, expect  # noqa: E402
from lab import attempt, build, conclude, tap  # noqa: E402
from packages import manifest, package  # noqa: E402
from wire import Client  # noqa: E402

# attack: what its end is
ENDS = {"c_crash": "a constructor crashes", "ready_exit": "exits once it is ready", "c_garbage": "rubbish instead of HELLO",
        "c_exit": "a constructor exits", "close": "closes its connection",
        "src_host": "a frame of the host's"}
AT_ONCE, A_MINUTE = 8, 20
FAST = {"policy": "always", "backoff-ms": 10, "backoff-max-ms": 10,
        "breaker": {"failures": 32, "window-s": 1, "cooldown-s": 1, "cooldown-max-s": 1, "healthy-s": 1}}


def name_of(attack, n):
    return f"v-{attack.replace('_', '-')}-{n}"


def commit(box, *edits):
    c = Client(f"{box.dir}/run/control.sock", timeout=60)
    c.call("config@1", "edit", {"ops": [{"op": "set", "path": p, "value": v} for p, v in edits]})
    c.call("config@1", "commit")
    c.close()


def of_all(box, names, key):
    found = {s["name"]: s[key] for s in box.call("host@1", "services")["services"]}
    return [found[n] for n in names]


def starts(box, names):
    return sum(of_all(box, names, "restarts"))


def again_and_again(box, other, names):
    commit(box, *((f"/services/{n}/enabled", True) for n in names))
    box.until(20, lambda: all(of_all(box, names, "restarts")), "control: each ends and is started again")
    try:
        before, begin = starts(box, names), time.monotonic()
        complaint = other.compare(f"{len(names)} × {names[0][2:-2]}", lambda: time.sleep(.25))
        print(f"# {names[0]} × {len(names)}: {(starts(box, names) - before) / (time.monotonic() - begin):.0f} starts a second; {other.measured}")
        expect(not complaint, complaint)
        box.until(30, lambda: min(of_all(box, names, "next-ms")) > 1100, "each waits longer than its manifest specifies")
        before, begin = starts(box, names), time.monotonic()
        time.sleep(2)  # the quantity measured: starts in this time
        allowed = len(names) * (1 + (time.monotonic() - begin) * A_MINUTE / 60)
        expect(starts(box, names) - before <= allowed, f"{starts(box, names) - before} starts, {allowed:.0f} allowed")
    finally:
        commit(box, *((f"/services/{n}/enabled", False) for n in names))
        box.until(10, lambda: not any(of_all(box, names, "pid")), "they end")


def main(root):
    for attack in ENDS:
        for n in range(AT_ONCE):
            name = name_of(attack, n)
            package(root, name, attack, mani=manifest(name, requires=[], restart=FAST))
    with Appliance(build, "restarts", packages=[root]) as box, Appliance(build, "beside") as beside:
        box.start()
        beside.start()
        for b in (box, beside):
            commit(b, ("/services/firewall", {"enabled": False}), ("/services/acme-probe", {"enabled": True, "grants": ["config.read:/acme-probe"]}))
            b.until(20, lambda b=b: b.service("acme-probe")["state"] == "Running", "acme-probe runs")
        other = others.Other(box, beside, strict=figures)
        try:
            for attack, how in ENDS.items():
                for count in (1, AT_ONCE):
                    attempt(f"{how}, {count} at once", again_and_again, box, other, [name_of(attack, n) for n in range(count)])
            tap.test("the daemon lives", expect, box.daemon.poll() is None, "it died")
        finally:
            other.end()


conclude("restarts", main)
