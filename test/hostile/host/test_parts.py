#!/usr/bin/env python3
"""A package against single parts of the host: records, metrics, health, crash reports, accounts, orders to the supervisor
and names. Each attempt consists of frames that the test has the package send, with a control, and is repeated while the
answers to another client are compared with those of a second appliance beside it.

    test_parts.py BUILD [NAME]..."""
import json
import os
import re
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "..", "lib")]
import other as others  # noqa: E402
from appliance import Appliance, expect  # noqa: E402
from lab import attempt, build, conclude, stop, Watch  # noqa: E402
from packages import manifest, package  # noqa: E402
from wire import Client, ERR, LOG, METRIC, OPEN, REP, REQ, SUB  # noqa: E402

NAME, FAIL, PROBLEMS, PROGRESS, APPLIED = "v-parts", 20, 23, 24, 25
OPEN_SCHEMA = {"type": "object", "additionalProperties": True}
SCHEMA = {"interface": NAME, "version": "1.0", "config": {"type": "object", "properties": {"x": {"type": "integer"}}},
          "methods": {"do": {"input": OPEN_SCHEMA, "output": {}, "requires": "observe", "timeout-ms": 60000}}, "events": {}}
GRANTS = [f"config.read:/{NAME}", "ipc.call:auth/whoami", "ipc.call:service.*/*"]


class Agent:
    """The package, and what the host has of it."""

    def __init__(self, box, watch):
        self.box, self.watch, self.orders = box, watch, 0
        self.client = Client(f"{box.dir}/run/control.sock", timeout=60)

    def sends(self, type, payload, envelope="", times=1):
        text = payload if isinstance(payload, str) else json.dumps(payload)
        self.client.call(f"{NAME}@1", "do", {"frames": [{"type": type, "corr": 0, "envelope": envelope, "payload": text, "times": times}]})

    def asks(self, to, method, given=None, type=REQ, key="method"):
        """(result, None) or (None, the error)."""
        f = {"type": type, "corr": 8, "envelope": json.dumps({"to": to, key: method}), "payload": json.dumps(given or {}) if type == REQ else ""}
        got = [h for h in self.client.call(f"{NAME}@1", "do", {"frames": [f], "await": 8 if type == REQ else 0}) if h["corr"] == 8]
        expect(got, f"{to}/{method} was not answered")
        return json.loads(got[0]["envelope"])["err"] if got[0]["type"] == ERR else None

    def records(self, event):
        return [r for r in self.box.call("host@1", "logs", {"service": NAME, "limit": 500})["records"] if r["event"] == event]

    def metrics(self):
        text, at = "", None
        while True:
            page = self.box.call("host@1", "metrics", {"from": at} if at else {})
            text, at = text + page["text"], page.get("next")
            if not at:
                return text


def with_control(agent, other, label, fn, *args):
    """The attempt, with a record before and behind it: the package was received both times."""
    for step in ("before", "behind"):
        if step == "behind":
            complaint = other.compare(label, lambda: fn(agent, *args))
            print(f"# {label}: {other.measured}", flush=True)
            expect(not complaint, complaint)
        agent.sends(LOG, {"level": "info", "event": f"control.{step}", "kv": {"of": label}})
        agent.box.until(10, lambda: any(r["kv"].get("of") == label for r in agent.records(f"control.{step}")), f"control: its record {step}")
    agent.watch.sound(label)


# ---- records ----

def deep_record(agent):
    value = "1"
    for _ in range(29):
        value = '{"a":' + value + "}"
    agent.sends(LOG, '{"level":"info","event":"deep","kv":' + value + "}")
    agent.box.until(10, lambda: agent.records("deep"), "it is kept")
    expect("nested-deeper-than" in agent.records("deep")[0]["kv"], "it is kept as text")
    expect(agent.box.ctl("logs", "--limit", "20").returncode == 0, "orbctl logs")


def long_record(agent):
    agent.sends(LOG, {"level": "info", "event": "long", "kv": {"first": 1, "data": "x" * 5000}})
    agent.box.until(10, lambda: agent.records("long"), "it is kept")
    kv = agent.records("long")[0]["kv"]
    expect(kv.get("too-long-bytes", 0) > 5000 and kv["begins"].startswith('{"first"'), f"its pairs are {str(kv)[:100]}")


def forged_record(agent):
    agent.sends(LOG, {"level": "info", "event": "forged", "service": "host", "seq": 1, "time-us": 1, "kv": {"service": "host", "event": "audit.order"}})
    agent.box.until(10, lambda: agent.records("forged"), "it is kept as the package's own")
    one = agent.records("forged")[0]
    expect(one["service"] == NAME and one["seq"] > 1 and one["time-us"] > 1e15, f"{one}")


def forged_audit(agent):
    agent.sends(LOG, {"level": "info", "event": "audit.order", "kv": {"user": "root", "what": "FORGED"}})
    agent.box.until(10, lambda: agent.records("audit.order"), "it is the package's own record")
    agent.orders += 1
    agent.box.ctl("token", "create", f"control-{agent.orders}", "viewer")
    audit = agent.box.ctl("logs", "--audit").stdout
    expect("audit.order" in audit, "control: an order is in the audit log")
    expect("FORGED" not in audit, "it is in the audit log")
    with open(f"{agent.box.dir}/state/audit.jsonl", errors="replace") as f:
        expect("FORGED" not in f.read(), "it is in the file of the audit log")


def lines_in_record(agent):
    agent.sends(LOG, {"level": "info", "event": "two\nlines\u001b[2J", "kv": {"k\n{\"service\":\"host\"}": "\u202e\u009b\n"}})
    agent.box.until(10, lambda: [r for r in agent.box.call("host@1", "logs", {"service": NAME, "limit": 500})["records"] if r["event"].startswith("two")],
                    "it is kept")
    shown = agent.box.ctl("logs", "--service", NAME, "--limit", "50").stdout
    expect(not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown), "control characters on the terminal")
    expect(not any(line.startswith('{"service":"host"}') for line in shown.splitlines()), "a line of its own")


def record_flood(agent):
    agent.box.call("host@1", "version")
    before = {r["seq"] for r in agent.box.call("host@1", "logs", {"service": "host", "limit": 100})["records"]}
    agent.sends(LOG, {"level": "error", "event": "flood", "kv": {"x": "y" * 1000}}, times=20000)
    after = {r["seq"] for r in agent.box.call("host@1", "logs", {"service": "host", "limit": 500})["records"]}
    expect(before <= after, f"{len(before - after)} records of the host are gone")


# ---- metrics ----

def metric(agent, name, value, op="add"):
    agent.sends(METRIC, json.dumps({"name": "NAME", op: 1}).replace('"NAME"', json.dumps(name)).replace("1}", f"{value}}}"))


def metric_names(agent):
    metric(agent, "own", 1)
    agent.box.until(10, lambda: re.search(r"^orbital_.*own.*\{.*" + NAME, agent.metrics(), re.M), "control: its own metric")
    for name in ("x\norbital_forged 1", 'x{service="config"} 7\n#', "orbital_loop_stall_seconds_sum", "x" * 5000, "", "\u001b[2J", "é"):
        metric(agent, name, 1)
    for line in agent.metrics().splitlines():
        expect(re.fullmatch(r'(# .*|[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^{}]*\})? [0-9.eE+-]+|)', line), f"no line of OpenMetrics: {line[:100]!r}")
        expect("forged" not in line or NAME in line, f"forged: {line[:100]!r}")
    expect(sum(line.startswith("orbital_loop_stall_seconds_sum") and NAME not in line for line in agent.metrics().splitlines()) == 1, "the host's metric is its own")


def metric_values(agent):
    for value in ("1e999", "-1e999", "NaN", "1e308", "99999999999999999999999", "-5", '"x"', "null", "[]"):
        metric(agent, "own", value)
        metric(agent, "level", value, "set")
    for line in agent.metrics().splitlines():
        expect(not re.search(r" (nan|[+-]?inf(inity)?)$", line, re.I), f"{line[:100]!r}")


# ---- health and reports ----

def problems(agent):
    entry = {"key": "k", "level": "failed", "what": "w" * 4000 + "\u001b[2J", "why": "\n", "todo": "t" * 4000}
    for shape in ([{**entry, "key": f"k{i}"} for i in range(25)], [[[]]], {}, [{"key": "x"}], [1, 2]):
        agent.sends(PROBLEMS, {"problems": shape})
    shown = agent.box.ctl("show", "health", ok=False).stdout
    expect(not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown), "control characters on the terminal")
    expect(len(shown) < 200000, f"{len(shown)} bytes of health")
    agent.sends(PROBLEMS, {"problems": []})


def progress(agent):
    """Progress about requests that are not there, or not its own, changes no deadline and is answered to no client."""
    for corr in (0, 1, 65537, 0xffffffff):
        agent.client.call(f"{NAME}@1", "do", {"frames": [{"type": PROGRESS, "corr": corr, "payload": json.dumps({"phase": "x\n", "percent": 1000})}]})
    agent.sends(APPLIED, {"revision": 2 ** 53})


# ---- accounts and orders ----

def denied(agent, to, method, given=None):
    error = agent.asks(to, method, given)
    expect(error and error["code"] == "denied" and "capability" in error["text"], f"{to}/{method}: {error}")


def whoami(agent):
    """It is a service for others, whatever it is named."""
    got = agent.client.call(f"{NAME}@1", "do", {"frames": [{"type": REQ, "corr": 8, "envelope": json.dumps({"to": "auth@1", "method": "whoami"}), "payload": "{}"}], "await": 8})
    expect([h["type"] for h in got if h["corr"] == 8] == [REP], f"control: {got}")


def same_refusal(agent, type, key):
    """What exists and what does not are refused in the same words."""
    words = []
    for to in ("firewall", "nothing-here", "v-other"):
        error = agent.asks(to + "@1", "status", type=type, key=key)
        expect(error and error["code"] == "denied", f"{to}: {error}")
        words.append(error["text"].replace(to, "X"))
    expect(len(set(words)) == 1, f"{set(words)}")
    granted = agent.asks("service.nothing-here@1", "x")
    expect(granted["code"] == "not-found" and "there are" not in granted["text"] and "mean" not in granted["text"], f"{granted}")


ORDERS = (("host@1", "service-stop", {"name": "routing"}), ("host@1", "service-restart", {"name": "routing"}), ("host@1", "service-start", {"name": NAME}),
          ("host@1", "enforced", {"revision": 1}), ("host@1", "first-config", {}), ("host@1", "schemas", {}), ("host@1", "logs", {}), ("host@1", "sandbox", {"name": "config"}),
          ("auth@1", "token-create", {"name": "x", "role": "admin"}), ("auth@1", "token-list", {}), ("auth@1", "token-revoke", {"name": "x"}),
          ("auth@1", "login", {"token": "x"}), ("auth@1", "logout", {}), ("dataplane@1", "disable", {}), ("dataplane@1", "begin", {}), ("arp@1", "watch", {}),
          ("config@1", "commit", {}), ("config@1", "rollback", {"revision": 1}), ("config@1", "salvage-accept", {}), ("acme-probe@1", "echo", {"text": "x"}))


def begin(box):
    box.start()
    c = Client(f"{box.dir}/run/control.sock", timeout=60)
    values = {f"/services/{NAME}": {"enabled": True, "grants": GRANTS}, "/services/acme-probe": {"enabled": True, "grants": ["config.read:/acme-probe"]}}
    c.call("config@1", "edit", {"ops": [{"op": "set", "path": p, "value": v} for p, v in values.items()]})
    c.call("config@1", "commit")
    c.close()
    for name in (NAME, "acme-probe"):
        box.until(20, lambda: box.service(name)["state"] == "Running", f"{name} runs")


def main(root):
    package(root, NAME, "agent", mani=manifest(NAME, capabilities=GRANTS), sch=SCHEMA)
    with Appliance(build, "parts", packages=[root]) as box, Appliance(build, "beside", packages=[root]) as beside:
        for each in (box, beside):
            begin(each)
        agent, other = Agent(box, Watch(box)), others.Other(box, beside)
        for label, fn, *args in (
                ("a record that is nested deeply", deep_record), ("a record that is long", long_record), ("a record of the host", forged_record),
                ("a record of the audit log", forged_audit), ("line breaks and control characters in a record", lines_in_record),
                ("names of metrics", metric_names), ("values of metrics", metric_values), ("problems", problems), ("progress of others", progress),
                ("its own role", whoami), ("names of interfaces by a request", same_refusal, REQ, "method"),
                ("names of interfaces by OPEN", same_refusal, OPEN, "method"), ("names of interfaces by a subscription", same_refusal, SUB, "topic"),
                *((f"{to}/{method}", denied, to, method, given) for to, method, given in ORDERS),
                ("a flood of records", record_flood)):
            attempt(label, with_control, agent, other, label, fn, *args)
        other.end()
        stop(box, NAME)


conclude("parts", main)
