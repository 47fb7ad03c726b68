#!/usr/bin/env python3
"""Clients of the HTTP API that ask more than there is: many connections, requests without waiting for answers, slow ones,
large ones, with a token and without. All the time another user asks, on a connection of its own and on new ones, and
its answers are compared with those of a second appliance that is not attacked. Each attempt has its control: the
flood itself is served, or cut off, as it may be.

    test_http.py BUILD [--figures] [NAME]..."""
import json
import os
import select
import signal
import subprocess
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "..", "lib")]
figures = "--figures" in sys.argv and bool(sys.argv.remove("--figures") or True)
if figures:
    real, sys.stdout = sys.stdout, sys.stderr
import other as others  # noqa: E402
from appliance import Appliance, expect  # noqa: E402
from lab import attempt, attempts, build, successes, tap  # noqa: E402

FLOOR_S = 0.06 if others.SANITIZED else 0.006  # of the processor, of API and daemon: where both are busy, one waits a slice for the other's
MANY = 180

# What, how many connections, whose; and what must have come of it: a status, or "cut" for none at all.
FLOODS = (
    ("healthz", MANY, "no token", "200"), ("unknown paths", MANY, "no token", "401|cut"), ("heads of 25 KB", MANY, "no token", "401|431|cut"),
    ("cookies", MANY, "no token", "401|431|cut"), ("queries", MANY, "no token", "cut"), ("long paths", MANY, "no token", "401|414|431|cut"),
    ("login attempts", MANY, "no token", "401|cut"), ("bodies without a token", 60, "no token", "401|cut"), ("not HTTP", MANY, "no token", "400|cut"),
    ("slow heads", 300, "no token", "408|cut"), ("silent connections", 300, "no token", "408|cut"),
    ("connections that come and go", 1, "no token", "401|cut"), ("connections that are reset", 1, "no token", "401|cut"),
    ("healthz, unread", MANY, "no token", "cut"),
    ("unknown paths", MANY, "viewer", "404|401|cut"), ("whoami", MANY, "viewer", "200"), ("services", MANY, "viewer", "200"),
    ("the logs", 40, "viewer", "200"), ("the schema", 40, "viewer", "200"), ("the metrics", 40, "viewer", "200"),
    ("the history", 40, "viewer", "200"), ("large bodies", 40, "admin", "200|429"), ("bodies of one byte a chunk", 40, "admin", "200|400|429"),
)


def flood(box, other, kind, count, token, wanted):
    process = subprocess.Popen(box.inside(sys.executable, f"{here}/http_floods.py", kind, str(count), token), stdout=subprocess.PIPE, bufsize=0)
    try:
        expect(process.stdout.readline() == b"begun\n", "control: the flood begins")
        complaint = other.compare(kind, lambda: time.sleep(others.MOMENT_S))
        if "cut" not in wanted:
            select.select([process.stdout], [], [], 60)  # on a busy machine the first answer comes late
    finally:
        process.send_signal(signal.SIGTERM)
        said = json.loads(process.communicate(timeout=60)[0].removeprefix(b"answered\n") or "{}")
    print(f"# {kind}: {said}; {other.measured}", flush=True)
    expect(not complaint, complaint)
    expect("cut" in wanted or set(said["answers"]) & set(wanted.split("|")), f"control: it was answered with {said}")
    expect(said["opened"] >= count, f"control: it had {said['opened']} connections")
    expect(box.service("api")["pid"] == other.api, "the API is another process now")


def until_running(box):
    box.until(20, lambda: box.service("api")["state"] == "Running", "the API runs")
    return box.ctl("token", "create", "other", "viewer").stdout.strip()


def main():
    with Appliance(build, "http") as box, Appliance(build, "beside") as beside:
        box.start()
        beside.start()
        tokens = until_running(box), until_running(beside)
        whose = {"no token": "none", **{role: box.ctl("token", "create", f"many-{role}", role).stdout.strip() for role in ("viewer", "admin")}}
        other = others.Other(box, beside, strict=figures, tokens=tokens, floor_s=FLOOR_S)
        other.api = box.service("api")["pid"]
        try:
            for kind, count, who, wanted in FLOODS:
                attempt(f"{kind} of {who}", flood, box, other, kind, count, whose[who], wanted)
            tap.test("the daemon lives", expect, box.daemon.poll() is None, "it died")
        finally:
            other.end()
        return other.figures


measures = main()
print(f"# {len(attempts)} attempts, {len(successes)} successes{': ' + ', '.join(successes) if successes else ''}")
for what, ratio, longest, *_ in sorted(measures, key=lambda f: -f[1])[:25 if figures else 5]:
    print(f"# {what}: others' p99 {ratio:.1f} times quiet, longest {longest * 1e3:.0f} ms")
if figures:
    sys.stdout = real
    others.bench(measures, len(attempts), len(successes))
    sys.exit(0)
tap.end()
