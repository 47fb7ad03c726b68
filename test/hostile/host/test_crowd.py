#!/usr/bin/env python3
"""Many third-party packages with texts of the largest size: no answer of the host becomes too large to be sent, and no
package's part of it is lost. Each assertion has its control: the texts do reach the answer."""
import json
import os
import re
import shutil
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "..", "lib")]
from appliance import Appliance, expect  # noqa: E402
from lab import attempt, attempts, build, successes, tap  # noqa: E402
from packages import manifest, package  # noqa: E402
from wire import Client, METRIC  # noqa: E402

PONG, PROBLEMS = 15, 23
CROWD = [f"crowd-{i:02}" for i in range(12)]
REFUSED = 60
LOUD = "\x01" * 700  # six bytes each as JSON
OPEN = {"type": "object", "additionalProperties": True}


def contract(name):
    return {"interface": name, "version": "1.0", "events": {},
            "methods": {"do": {"input": OPEN, "output": {}, "requires": "observe"}}}


def tell(client, name, *frames):
    client.call(f"{name}@1", "do", {"frames": [{"type": t, "payload": json.dumps(p)} for t, p in frames]})


def all_speak(box):
    """32 problems of the longest texts, and 64 metrics of the longest names, each."""
    client = Client(f"{box.dir}/run/control.sock", timeout=60)
    for name in CROWD:
        for part in range(0, 64, 16):
            tell(client, name, *((METRIC, {"name": f"m{name[-2:]}_{n}_".ljust(63, "x"), "set": 1.5}) for n in range(part, part + 16)))
        tell(client, name, (PROBLEMS, {"problems": [{"level": "failed", "key": f"k{n}", "what": LOUD[:200], "path": LOUD[:60], "todo": LOUD[:200]}
                                                    for n in range(32)], "more": 9}))
    client.close()


def health(box):
    own = box.json("service", "show", CROWD[0])
    expect(len(own["problems"]) == 32 and own["problems"][0]["what"].startswith("\x01"), f"control: {len(own['problems'])} problems")
    box.ctl("service", "stop", "interfaces")
    report = box.until(10, lambda: (lambda h: any("interfaces was stopped" in r["what"] for r in h["reasons"]) and h)(box.call("host@1", "health")),
                       "what is really wrong is in the report")
    box.ctl("service", "start", "interfaces")
    size = len(json.dumps(report))
    expect(size < 200_000, f"{size} bytes")
    for name in CROWD:
        mine = [r for r in report["reasons"] if r["service"] == name]
        expect(mine and len(json.dumps(mine)) < 6000, f"{name}: {len(json.dumps(mine))} bytes, {len(mine)} reasons")
        expect(any(name in r["what"] and "more" in r["what"] for r in mine), f"{name}: what is left out is not counted")
    print(f"# health: {size} bytes, {len(report['reasons'])} reasons")


def services(box):
    answer = box.call("host@1", "services")
    names = {s["name"] for s in answer["services"]}
    expect(set(CROWD) | {"config", "firewall", "api"} <= names, f"missing: {set(CROWD) - names}")
    listed = answer["refused"]
    expect(len(listed) + answer["refused-more"] == REFUSED, f"{len(listed)} listed, {answer['refused-more']} counted")
    expect(len(listed) >= 20 and all(len(json.dumps(r)) < 1500 for r in listed), f"{len(listed)} of {REFUSED} refused packages are listed")
    expect(any("\x01" in r["dir"] for r in listed), "control: their names are in it")
    print(f"# services: {len(json.dumps(answer))} bytes, {len(listed)} refused packages")


def metrics(box):
    client, pages, at = Client(f"{box.dir}/run/control.sock", timeout=60), [], {}
    while True:
        page = client.call("host@1", "metrics", at)
        pages.append(page["text"])
        if "next" not in page:
            break
        at = {"from": page["next"]}
    client.close()
    text = "".join(pages)
    expect(len(pages) > 2 and max(len(p) for p in pages) < 120_000, f"control: {[len(p) for p in pages]}")
    families = re.findall(r"^# TYPE (\S+)", text, re.M)
    expect(len(families) == len(set(families)), "a family occurs twice")
    for name in CROWD:
        mine = len(re.findall(rf'^orbital_service_m\S+{{service="{name}"}} 1.5$', text, re.M))
        expect(mine == 64, f"{name} has {mine} of its 64 metrics")
    for wanted in ('orbital_service_up{service="api"} 1', "orbital_health ", 'orbital_ipc_peer_frames_in_total{peer="root",kind="user"}'):
        expect(wanted in text, f"{wanted} is lost")
    expect(text.endswith("# EOF\n") and box.ctl("metrics").stdout.count("# EOF") == 1, "its end")
    refused = box.ctl("--json", "ipc", "call", "host@1", "metrics", '{"from":"nowhere"}', ok=False)
    expect("expected \\\"next\\\"" in refused.stdout + refused.stderr or "expected \"next\"" in refused.stderr, f"{refused}")
    print(f"# metrics: {len(text)} bytes in {len(pages)} pages")


def limits(box):
    """The administrator's numbers count at once, and are shown."""
    name = CROWD[0]
    for key, value in (("metric-rate", "5"), ("queue", "16M"), ("requests", "2")):
        box.ctl("config", "set", "services", name, "limits", key, value)
    pid = box.service(name)["pid"]
    box.ctl("config", "commit")
    shown = box.until(10, lambda: (lambda l: l["requests"] == 2 and l)(box.json("service", "show", name, "sandbox")["limits"]), "they are in force")
    expect(shown["queue"] == 16 << 20 and shown["metric-rate"] == 5, f"{shown}")
    expect(box.service(name)["pid"] == pid, "it was started anew for that")

    def refused():
        return int(re.search(r"^orbital_metrics_refused_total (\d+)", box.ctl("metrics").stdout, re.M)[1])
    before = refused()
    client = Client(f"{box.dir}/run/control.sock", timeout=60)
    tell(client, name, *((METRIC, {"name": f"m{name[-2:]}_0_".ljust(63, "x"), "set": n}) for n in range(100)))
    expect(refused() - before >= 80, f"{refused() - before} of 100 values were over the rate")
    before = refused()
    tell(client, CROWD[1], *((METRIC, {"name": f"m{CROWD[1][-2:]}_0_".ljust(63, "x"), "set": 1.5}) for n in range(100)))
    expect(refused() == before, "control: another one is not held to it")
    client.close()
    for key, value in (("queue", "1M"), ("queue", "9999M"), ("requests", "0"), ("metric-rate", "many")):
        done = box.ctl("config", "set", "services", name, "limits", key, value, ok=False)
        expect(done.returncode != 0, f"{key} {value} is taken")


def main(root):
    for name in CROWD:
        package(root, name, "agent", mani=manifest(name), sch=contract(name))
    for n in range(REFUSED):
        where = f"{root}/ugly-{n:02}" + "\x01" * 200
        os.makedirs(where)
        with open(f"{where}/manifest.json", "w") as f:
            f.write("{")
    with Appliance(build, "crowd", packages=[root]) as box:
        box.start()
        c = Client(f"{box.dir}/run/control.sock", timeout=60)
        c.call("config@1", "edit", {"ops": [{"op": "set", "path": f"/services/{n}/enabled", "value": True} for n in CROWD]})
        c.call("config@1", "commit")
        c.close()
        box.until(60, lambda: all(s["state"] == "Running" for s in box.call("host@1", "services")["services"] if s["name"] in CROWD), "all run")
        tap.test("control: each reports what it may", all_speak, box)
        attempt("many packages crowd others out of the health report", health, box)
        attempt("many packages, and refused ones, crowd others out of the list", services, box)
        attempt("many packages crowd others out of the metrics", metrics, box)
        attempt("a package takes more than the configuration's limits", limits, box)


base = tempfile.mkdtemp(prefix=f"orbt-crowd-{os.getpid()}.", dir="/run")
os.chmod(base, 0o755)
try:
    main(base)
finally:
    shutil.rmtree(base, ignore_errors=True)
print(f"# {len(attempts)} attempts, {len(successes)} successes{': ' + ', '.join(successes) if successes else ''}")
tap.end()
