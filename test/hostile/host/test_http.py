#!/usr/bin/env python3
"""Clients of the HTTP API that request more than their share: many connections, requests without waiting for answers, slow ones,
large ones, with a token and without. All the time another user sends requests, on a connection of its own and on new ones, and
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
from appliance import Appliance, expect, run  # noqa: E402
from lab import attempt, attempts, build, successes, tap  # noqa: E402
from wire import Client  # noqa: E402

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
        shown = json.loads(process.communicate(timeout=60)[0].removeprefix(b"answered\n") or "{}")
    print(f"# {kind}: {shown}; {other.measured}", flush=True)
    expect(not complaint, complaint)
    expect("cut" in wanted or set(shown["answers"]) & set(wanted.split("|")), f"control: it was answered with {shown}")
    expect(shown["opened"] >= count, f"control: it had {shown['opened']} connections")
    expect(box.service("api")["pid"] == other.api, "the API is another process now")


READER = r"""
import socket, sys, time
token, began = sys.argv[1], time.monotonic()
open_, seen = [], {}
while time.monotonic() < began + (30 if "200" in seen and "429" in seen else 150):  # how many answers 30 s make is what is tried
    while len(open_) < 60 and sum(one[1] != "200" for one in open_) < 2:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            s.connect(("127.0.0.1", 8080))
            s.sendall(b"GET /api/v1/config/running HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token.encode() + b"\r\n\r\n")
        except OSError:
            break
        s.setblocking(False)
        open_.append([s, False])
    for one in list(open_):
        try:
            data = one[0].recv(3000)
        except BlockingIOError:
            continue
        except OSError:
            data = b""
        if not one[1]:
            one[1] = data[9:12].decode() or "cut"
            seen[one[1]] = seen.get(one[1], 0) + 1
        if not data or one[1] != "200":
            open_.remove(one)
    time.sleep(0.05)
print(seen)
"""


def large_values(box, tokens):
    """A user reads a value of some MB again and again, on connections that take it slowly."""
    control = Client(f"{box.dir}/run/control.sock", timeout=120)
    for n in range(90):
        addresses = [f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}" for i in range(9000)]
        control.call("config@1", "edit", {"ops": [{"op": "set", "path": f"/firewall/groups/big{n}", "value": {"addresses": addresses}}]})
    control.call("config@1", "commit")
    before = box.service("api")
    done = run(*box.inside(sys.executable, "-c", READER, tokens["viewer"]), check=False)
    print(f"# a large value: {done.stdout.strip()} {done.stderr.strip()[-200:]}")
    after = box.service("api")
    expect(after["pid"] == before["pid"], f"the API ended: {after}")
    expect("'200'" in done.stdout and "'429'" in done.stdout, f"control: some were answered, the others refused: {done.stdout}")
    other = run(*box.inside("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Authorization: Bearer {tokens['admin']}",
                            "http://127.0.0.1:8080/api/v1/config/running/firewall/groups"), check=False)
    expect(other.stdout == "200", f"another user reads it meanwhile: {other.stdout} {other.stderr}")


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
            attempt("large values, taken slowly", large_values, box, whose)
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
