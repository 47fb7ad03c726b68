#!/usr/bin/env python3
"""Texts of installed packages and requests of clients cost the host bounded time and memory.

    test_budget.py BUILD"""
import json
import os
import shutil
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Tap, expect, need_root  # noqa: E402

need_root()
build = sys.argv[1]
tap = Tap()
MOST_MS = 100  # of processor time in a turn of the loop: 50 are promised, and some machines take twice as long


class Client:
    """A connection to the control socket."""

    def __init__(self, box):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(f"{box.dir}/run/control.sock")
        self.stream = self.socket.makefile("rb")
        self.send(1, b'{"abi":1,"name":"test"}', b"")
        self.receive()

    def send(self, kind, envelope, payload):
        self.socket.sendall(struct.pack("<IHBBIIII", len(envelope + payload), len(envelope), kind, 0, 0, 7, 0, 0)
                            + envelope + payload)

    def receive(self):
        length, envlen = struct.unpack("<IH", self.stream.read(24)[:6])
        body = self.stream.read(length)
        return body[:envlen], body[envlen:]

    def ask(self, method, given):
        self.send(5, json.dumps({"to": "host@1", "method": method}).encode(), json.dumps(given).encode())
        return self.receive()


def add(box, name, capabilities, schema=None, description="a test"):
    where = f"{box.dir}/more/{name}"
    shutil.copytree(f"{build}/third-party/acme-probe", where)
    with open(f"{where}/manifest.json") as f:
        manifest = json.load(f)
    manifest |= {"name": name, "capabilities": capabilities, "description": description}
    with open(f"{where}/manifest.json", "w") as f:
        json.dump(manifest, f)
    with open(f"{where}/schema.json", "w") as f:
        json.dump({"interface": name, "version": "1.0", **(schema or {})}, f)


def start(box):
    box.kill(signal.SIGTERM)
    box.start()


def refused(box):
    return {r["name"].rsplit("/", 1)[-1]: r["error"] for r in box.json("show", "services").get("refused", [])}


def configures(box, mtu):
    state = box.service("config")["state"]
    expect(state == "Running", f"config is {state}")
    box.ctl("config", "set", "interfaces", "lan0", "mtu", mtu)
    box.ctl("config", "set", "firewall", "zones", "lan", "interfaces", '["lan0"]')
    box.ctl("config", "commit")


def reasons(box):
    return [r["what"] for r in json.loads(box.ctl("--json", "show", "health", ok=False).stdout)["reasons"]]


def ugly(box):
    os.makedirs(f"{box.dir}/more", exist_ok=True)
    for n in range(6):
        add(box, f"ugly-{n}", [f"config.read:/{k:02}" + "\u0001" * 105 for k in range(8)])
    add(box, "costly", [f"config.read:/{k:02}" + "\u0001" * 105 for k in range(64)])
    add(box, "shouts", ["log.write"], description="\u001b[31m" + "x" * 100)
    add(box, "quotes", ['config.read:/"\\'])
    add(box, "huge", ["log.write"], {"config": {"type": "object", "description": "x" * 70000}})
    add(box, "slow", ["log.write"], {"events": {"e": {"requires": "observe", "payload": {
        "allOf": [{"$ref": "#/$defs/d"}] * 60}}}, "$defs": {"d": {"pattern": "(a{1000}b{1000}){1,2}"}}})
    begin = time.monotonic()
    start(box)
    print(f"# up after {time.monotonic() - begin:.1f} s")
    out = refused(box)
    expect(set(out) >= {"ugly-0", "ugly-5", "costly", "shouts", "quotes", "huge", "slow"}, f"refused: {out}")
    expect("printable" in out["ugly-0"], out["ugly-0"])
    expect("too costly" in out["costly"], out["costly"])
    expect("slow" in out["slow"] and "too large" in out["slow"], out["slow"])
    configures(box, "1500")


def full(box):
    shutil.rmtree(f"{box.dir}/more")
    words = [f"config.read:/{k:02}" + "x" * 105 for k in range(64)]
    for n in range(20):
        add(box, f"full-{n:02}", words)
    for n in range(8):
        add(box, f"wide-{n}", ["log.write"], {"config": {"type": "object", "properties": {
            f"leaf-{k}": {"type": "string", "description": "y" * 1000} for k in range(55)}}})
    add(box, "modest", ["log.write"], {"config": {"type": "object", "properties": {"a": {"type": "string"}}}})
    start(box)
    expect(not refused(box), f"refused: {refused(box)}")
    configures(box, "1400")
    box.ctl("config", "set", "services", "full-03", "grants", json.dumps(words[:2]))
    box.ctl("config", "set", "modest", "a", "fits")
    box.ctl("config", "commit")
    shown = " ".join(reasons(box))
    expect("wide-" in shown and "a package may take" in shown, f"left out without a word: {shown}")
    expect("full-0" in shown, f"grants unlisted without a word: {shown}")
    expect("modest" not in shown, shown)


def quantile(times, part):
    times = sorted(times)
    return times[min(len(times) - 1, int(len(times) * part))] * 1000


def measure(client, seconds):
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        client.ask("version", {})
        times.append(time.monotonic() - begin)
        time.sleep(0.001)
    return times


def readers(box):
    """Twenty that read logs as fast as they can, and another client."""
    for n in range(40):  # something to read
        box.ctl("config", "set", "interfaces", "lan0", "description", f"{n}")
        box.ctl("config", "commit", "--comment", "x" * 1000)
    other = Client(box)
    quiet = measure(other, 2)
    stop = threading.Event()
    answers = []

    def read():
        client = Client(box)
        while not stop.is_set():
            answers.append(len(client.ask("logs", {"limit": 1000})[1]))

    threads = [threading.Thread(target=read) for _ in range(20)]
    for t in threads:
        t.start()
    box.until(20, lambda: len(answers) > 20, "answers")
    before = len(answers)
    busy = measure(other, 4)
    each = (len(answers) - before) / len(threads)
    stop.set()
    for t in threads:
        t.join()
    print(f"# {len(busy)} answers for others, {each:.0f} for each who reads; {len(answers)} answers of {max(answers)} bytes; others p50 {quantile(quiet, .5):.2f} -> {quantile(busy, .5):.2f} ms, "
          f"p99 {quantile(quiet, .99):.2f} -> {quantile(busy, .99):.2f} ms")
    expect(len(busy) >= each, f"others get {len(busy)} answers, and each who reads {each:.0f}")


def never_stopped(box):
    text = box.ctl("metrics").stdout
    worst = float(next(line.split()[1] for line in text.splitlines() if line.startswith("orbital_loop_stall_max_seconds ")))
    print(f"# the longest turn took {worst * 1000:.1f} ms")
    expect('orbital_loop_stall_seconds_bucket{le="0.05"}' in text, "no histogram")
    long = [json.loads(line) for line in box.ctl("logs", "-o", "json", "--grep", "loop.stalled", ok=False).stdout.splitlines()]
    for record in long:
        print(f"# {record['kv']}")
    expect(all(r["kv"]["processor-ms"] < MOST_MS for r in long), f"the loop computed for more than {MOST_MS} ms: {long}")


class Box(Appliance):
    def command(self, *more):
        return super().command("--packages", f"{self.dir}/more", *more)


with Box(build, "budget", links=[("lan0", "lan0p")]) as box:
    tap.test("ugly, huge and costly packages are refused alone, and the configuration works", ugly, box)
    tap.test("packages that ask for all there may be leave room for the others", full, box)
    tap.test("others are served while twenty read logs", readers, box)
    tap.test("the loop never computed for long", never_stopped, box)
tap.end()
