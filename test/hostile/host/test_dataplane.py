#!/usr/bin/env python3
"""A viewer with as many requests to the data plane as the host accepts, directly and through the firewall: the commits of an
administrator are done, another user is answered, and the answers to another client are compared with those of a second
appliance. Controls: the viewer's own requests are answered, and refused above its limit.

    test_dataplane.py BUILD [NAME]..."""
import os
import sys
import threading
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "..", "lib")]
import other as others  # noqa: E402
from appliance import Appliance, expect, run  # noqa: E402
from lab import attempt, attempts, build, need_root, successes, tap  # noqa: E402
from wire import Client, ERR, frame, REP, REQ  # noqa: E402

need_root("bpf", "bpffs")
PACKET = {"source": "10.0.0.1", "destination": "10.0.0.2", "protocol": "udp", "source-port": 5, "destination-port": 7, "from": "lo"}
FLOODS = (("dataplane@1", "flows", {}), ("dataplane@1", "counters", {}), ("dataplane@1", "status", {}), ("dataplane@1", "test", PACKET),
          ("firewall@1", "counters", {}), ("firewall@1", "status", {}), ("firewall@1", "test", PACKET))


class Flood(threading.Thread):
    """60 requests on each of four connections at any time."""

    def __init__(self, sock, to, method, given):
        super().__init__(daemon=True)
        self.clients, self.ask = [Client(sock, timeout=60) for _ in range(4)], (to, method, given)
        self.ending, self.answered, self.refused = False, 0, {}
        self.start()

    def run(self):
        to, method, given = self.ask
        one = frame(REQ, {"to": to, "method": method}, given, corr=1)
        for c in self.clients:
            c.send(one * 60)
        while not self.ending:
            for c in self.clients:
                type, _, env, _ = c.next()
                self.answered += type == REP
                if type == ERR:
                    text = env["err"]["text"]
                    self.refused[text] = self.refused.get(text, 0) + 1
                    time.sleep(0.0005)  # refusals alone keep no processor busy
                c.send(one)

    def end(self):
        self.ending = True
        self.join(60)
        for c in self.clients:
            c.close()


def flooded(box, other, token, to, method, given):
    flood = Flood(f"{box.dir}/run/control.sock", to, method, given)
    admin = Client(f"{box.dir}/run/control.sock", timeout=60)
    try:
        box.until(20, lambda: any("limit" in text or "waiting already" in text for text in flood.refused), "control: some are refused")
        flooded.rule += 1
        admin.call("config@1", "edit", {"ops": [{"op": "set", "path": f"/firewall/rules/{flooded.rule}", "value": {"action": "accept", "protocol": "udp"}}]})
        admin.call("config@1", "commit")
        for service in ("dataplane", "firewall"):
            done = run(*box.inside("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "-H", f"Authorization: Bearer {token}",
                                   f"http://127.0.0.1:8080/api/v1/operations/{service}@1/status"))
            expect(done.stdout == "200", f"another user is answered with {done.stdout}")
        complaint = other.compare(f"{to}/{method}", lambda: time.sleep(others.MOMENT_S))
        print(f"# {to}/{method}: {flood.answered} answered, {sum(flood.refused.values())} refused; {other.measured}", flush=True)
        expect(not complaint, complaint)
        box.until(20, lambda: flood.answered, f"control: its own are answered: {flood.refused}")
    finally:
        flood.end()
        admin.close()


flooded.rule = 100


def impatient(box):
    """A missed deadline that its caller chose is no problem of the data plane."""
    c = Client(f"{box.dir}/run/control.sock", timeout=60)
    late = 0
    for n in range(300):
        c.send(frame(REQ, {"to": "firewall@1", "method": "counters" if n % 2 else "status"}, {}, corr=1, deadline=1) * 30)
        for _ in range(30):
            type, _, env, _ = c.next()
            late += type == ERR and env["err"]["code"] == "deadline"
        shown = box.json("show", "health") if n % 50 == 49 else {}
        expect(not any(r.get("key") == "data-plane" for r in shown.get("reasons", [])), f"{shown}")
        if late > 200:
            break
    c.close()
    expect(late, "control: none was late")
    print(f"# {late} were late")
    shown = str(box.json("show", "health"))
    expect("deadline" not in shown and "within" not in shown, shown)


def begin(box):
    box.start()
    box.ctl("config", "set", "services", "acme-probe", '{"enabled": true, "grants": ["config.read:/acme-probe"]}')
    box.ctl("config", "commit")
    box.until(20, lambda: box.service("acme-probe")["state"] == "Running", "acme-probe runs")


def main():
    with Appliance(build, "dataplane", dataplane=True) as box, Appliance(build, "beside") as beside:
        for each in (box, beside):
            begin(each)
        for name in ("firewall", "api"):
            box.until(30, lambda: box.service(name)["state"] == "Running", f"{name} runs")  # noqa: B023
        token = box.ctl("token", "create", "another", "viewer").stdout.strip()
        other = others.Other(box, beside)
        try:
            for to, method, given in FLOODS:
                attempt(f"a viewer fills the queue of the data plane: {to}/{method}", flooded, box, other, token, to, method, given)
            attempt("a viewer has no patience with the data plane", impatient, box)
            tap.test("the daemon lives", expect, box.daemon.poll() is None, "it died")
        finally:
            other.end()


main()
print(f"# {len(attempts)} attempts, {len(successes)} successes{': ' + ', '.join(successes) if successes else ''}")
tap.end()
