#!/usr/bin/env python3
"""Requests of one client to the config service do not delay others: floods of expensive reads, by a viewer and by a
package, while another client reads and edits. Its answers are compared with those of an appliance beside that is
not attacked, and the service is never restarted.

    test_config.py BUILD [--figures] [NAME]..."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "..", "lib")]
figures = "--figures" in sys.argv and bool(sys.argv.remove("--figures") or True)
if figures:
    real, sys.stdout = sys.stdout, sys.stderr
import other as others  # noqa: E402
from appliance import Appliance, expect  # noqa: E402
from lab import attempt, attempts, build, successes, tap  # noqa: E402
from packages import manifest, package  # noqa: E402
from wire import Client, ERR, REP, REQ  # noqa: E402

# What cannot be stopped half-way (sending one answer, reading an old revision from the disk) takes up to 2 ms of the processor:
# beside that, twice the quiet time of 0.2 ms cannot hold for another request to the same thread.
STEP_S = 0.005
READER, OPEN = "v-reader", {"type": "object", "additionalProperties": True}
REVISIONS, GROUPS = 70, 1000
LIST = {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}, "p": {"type": "string", "x-orb-secret": True}}}}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
SCHEMA = {"interface": READER, "version": "1.0", "config": {"type": "object", "properties": {
    "x": {"type": "integer"}, "l": LIST, "ll": {"type": "array", "items": LIST}, "no": {"type": "string"}, "t": TEXTS, "o": {"type": "object", "additionalProperties": TEXTS}}},
    "methods": {"do": {"input": OPEN, "output": {}, "requires": "observe", "timeout-ms": 300000}}, "events": {}}
GRANTS = ["config.read:/", f"config.write:/{READER}", "ipc.call:config/*"]

# Expensive requests: old revisions, all of the history, all of a large tree.
READS = {"diff": {"from": 1}, "get": {"path": "/acme-probe", "revision": 1}, "get-part": {"path": "/", "revision": 1, "offset": 0},
         "history": {"limit": 500}, "validate": {}}
MORE = {"get of the firewall": ("get", {"path": "/firewall"}), "get-part of all": ("get-part", {"path": "/", "offset": 0}),
        "diff of two old ones": ("diff", {"from": 3, "to": 5}), "schema": ("schema", {"path": "/firewall"}),
        "subscribers": ("subscribers", {})}


def commit(client, *edits):
    """(path, value); None deletes."""
    client.call("config@1", "edit", {"ops": [{"op": "delete", "path": p} if v is None else {"op": "set", "path": p, "value": v} for p, v in edits]})
    return client.call("config@1", "commit")


def fill(box):
    """Many revisions with many changes each."""
    c = Client(f"{box.dir}/run/control.sock", timeout=60)
    for r in range(REVISIONS):
        commit(c, *((f"/firewall/groups/g{k}", {"addresses": [f"10.{r}.{k // 250}.{k % 250}/32"]}) for k in range(GROUPS)))
    c.close()


class Package:
    """Orders for a running package that the test controls (attacker_agent.c)."""

    def __init__(self, box):
        self.client = Client(f"{box.dir}/run/control.sock", timeout=120)

    def floods(self, method, given, times=60):
        """Sends that many requests at once; the codes of the answers, "": it was granted."""
        ask = {"type": REQ, "envelope": json.dumps({"to": "config@1", "method": method}), "payload": json.dumps(given)}
        got = self.client.call(f"{READER}@1", "do", {"frames": [{**ask, "corr": 7, "times": times - 1}, {**ask, "corr": 8}], "await": 8})
        mine = [h for h in got if h["corr"] in (7, 8)]
        return {"" if h["type"] == REP else json.loads(h["envelope"])["err"]["code"] for h in mine if h["type"] in (REP, ERR)}

    def asks(self, method, given):
        """None, or the error; the request may be large."""
        ask = {"type": REQ, "corr": 8, "envelope": json.dumps({"to": "config@1", "method": method}), "payload": json.dumps(given)}
        got = self.client.call(f"{READER}@1", "do", {"frames": [ask], "await": 8})
        mine = [h for h in got if h["corr"] == 8]
        return None if mine and mine[0]["type"] == REP else json.loads(mine[0]["envelope"])["err"]


def by_package(box, other, method, given):
    agent, codes = Package(box), set()
    complaint = other.compare(f"a package: {method}", lambda: codes.update(agent.floods(method, given)))
    expect("" in codes, f"no control: it was never answered, {codes}")
    expect(codes <= {"", "busy", "limit", "invalid", "state"}, f"{codes}")
    expect(not complaint, complaint)


class Viewer(threading.Thread):
    """Sends requests to the HTTP API again and again."""

    def __init__(self, box, token, path):
        super().__init__(daemon=True)
        self.ending, self.codes = False, set()
        command = ["python3", "-c", "import http.client,sys;p,t=sys.argv[1:];c=http.client.HTTPConnection('127.0.0.1',8080,timeout=60)\n"
                   "while True:\n c.request('GET',p,headers={'Authorization':'Bearer '+t});r=c.getresponse();r.read();print(r.status,flush=True)", path, token]
        self.process = subprocess.Popen(box.inside(*command), stdout=subprocess.PIPE, text=True)
        self.start()

    def run(self):
        for line in self.process.stdout:
            self.codes.add(line.strip())

    def end(self):
        self.process.kill()
        self.process.wait()
        self.join(5)
        return self.codes


def by_viewer(box, other, token, path):
    viewers = [Viewer(box, token, path) for _ in range(12)]
    try:
        box.until(30, lambda: all(v.codes for v in viewers), "each has an answer")
        complaint = other.compare(f"a viewer: {path}", lambda: other_moment(viewers))
    finally:
        codes = set().union(*(v.end() for v in viewers))
    expect(codes == {"200"}, f"no control: {codes}")
    expect(not complaint, complaint)


def other_moment(viewers):
    viewers[0].process.poll()
    threading.Event().wait(others.MOMENT_S)  # the attack continues meanwhile


def unhurt(box, pid):
    s = box.service("config")
    expect(s["pid"] == pid and s["state"] == "Running" and s["restarts"] == 0, f"config: {s['state']}, {s['restarts']} restarts, {s['reason']}")


def reads(box, other):
    for method, given in READS.items():
        attempt(f"a package sends expensive requests: {method}", by_package, box, other, method, given)
    for what, (method, given) in MORE.items():
        attempt(f"a package reads: {what}", by_package, box, other, method, given)
    token = box.ctl("token", "create", "looker", "viewer").stdout.strip()
    for path in ("config/diff?from=1", "config/history?limit=500", "config/running/firewall", "config/running/firewall?revision=9"):
        attempt(f"a viewer reads: {path}", by_viewer, box, other, token, f"/api/v1/{path}")


ELEMENTS, MASK = 3500, "********"


def listed(box, other, what, stored, given, path="l", code=None):
    """A list with secrets, and one with their masks for it."""
    agent = Package(box)
    set_ = lambda value: agent.asks("edit", {"ops": [{"op": "set", "path": f"/{READER}/{path}", "value": value}]})  # noqa: E731
    error = set_(stored)
    expect(not error, f"control: {error}")
    got = []
    complaint = other.compare(what, lambda: got.append(set_(given)))
    expect(all((e["code"] if e else None) == code for e in got), f"{code} expected: {got[:2]}")
    agent.asks("discard", {})
    expect(not complaint, complaint)


def lists(box, other):
    secrets = [{"n": n, "p": f"s{n}"} for n in range(ELEMENTS)]
    masked = [{"n": n, "p": MASK} for n in range(ELEMENTS)]
    same = [{"n": 1, "p": f"s{n % 2}"} for n in range(ELEMENTS)]
    attempt("a long list with secrets, moved by one", listed, box, other, "a list moved by one", secrets, masked[1:] + masked[:1])
    attempt("a long list with secrets, reversed", listed, box, other, "a list reversed", secrets, masked[::-1])
    attempt("a long list of masks for secrets that all look alike", listed, box, other, "a list of the same", same,
            [{"n": 1, "p": MASK}] * (ELEMENTS + 1), "l", "schema")
    attempt("a long list of masks for nothing", listed, box, other, "masks for nothing", [], masked, "l", "schema")
    attempt("lists in a list, moved by one", listed, box, other, "lists in a list", [[s] for s in secrets], [[m] for m in masked[1:] + masked[:1]], "ll")


def fills(box, other, what, ops, done):
    """Edits on and on, until it is refused; and on from there. Others read and edit meanwhile."""
    agent, got, n = Package(box), [], 0

    def more():
        nonlocal n
        n += 1
        got.append(agent.asks("edit", {"ops": ops(n)}))
    try:
        while not got or (got[-1] is None and len(got) < 3000):
            more()
        refused = got[-1]
        expect(done(refused), f"{len(got)} edits, then {refused}")
        complaint = other.compare(what, more)
        expect(done(got[-1]), f"then {got[-1]}")
    finally:
        agent.asks("discard", {})
    expect(not agent.asks("edit", {"ops": ops(1)[:1]}), "control: there is room once it is discarded")
    agent.asks("discard", {})
    expect(not complaint, complaint)


def is_full(e):
    return e and e["code"] == "limit" and "at most" in e["text"] and "discard" in e["text"] and e["path"].startswith(f"/{READER}")


def candidates(box, other):
    set_ = lambda path, value: {"op": "set", "path": f"/{READER}/{path}", "value": value}  # noqa: E731
    attempt("a package edits ever more: long texts", fills, box, other, "long texts", lambda n: [set_(f"t/t{n}", "x" * 90000)], is_full)
    attempt("a package edits ever more: many members", fills, box, other, "many members",
            lambda n: [set_("t", {})] * (n == 1) + [set_(f"t/m{n}x{i}", "x") for i in range(900)], is_full)
    attempt("a package edits ever more: one value that grows inside", fills, box, other, "grows inside",
            lambda n: [set_("t", {"a": "x"})] * (n == 1) + [set_(f"t/i{n}", "x" * 40000), set_(f"t/j{n}", "x" * 40000)], is_full)
    attempt("a package edits ever more: requests that fail at their end", failing, box, other)


def failing(box, other):
    """The candidate is large; each request does much, and nothing comes of it."""
    agent = Package(box)
    for n in range(28):
        expect(not agent.asks("edit", {"ops": [{"op": "set", "path": f"/{READER}/t/t{n}", "value": "x" * 90000}]}), "control: it is filled")
    ops = [{"op": "set", "path": f"/{READER}/t/s{i}", "value": "x"} for i in range(900)] + [{"op": "set", "path": f"/{READER}/x", "value": "no number"}]
    got = []
    complaint = other.compare("requests that fail at their end", lambda: got.append(agent.asks("edit", {"ops": ops})))
    expect(all(e and e["code"] == "schema" for e in got), f"{got[0]}")
    agent.asks("discard", {})
    expect(not complaint, complaint)


def large(box, other, what, method, given, whole):
    """Requests about a candidate with as many changes as it may have; whole: members of new values."""
    agent, n, error = Package(box), 0, None
    members = {f"x{i}": "x" for i in range(900)}
    while not error:
        ops = [{"op": "set", "path": f"/{READER}/o/m{n}", "value": members}] if whole else \
            [{"op": "set", "path": f"/{READER}/t/m{n}x{i}", "value": "x"} for i in range(250)]
        error = agent.asks("edit", {"ops": ops})
        n += 1
    expect(error["code"] == "limit", f"{error}")
    got = []
    complaint = other.compare(f"{what}, {'as values' if whole else 'one by one'}", lambda: got.append(agent.asks(method, given)))
    agent.asks("discard", {})
    expect(not any(e and e["code"] not in ("limit", "busy", "not-found") for e in got), f"{[e for e in got if e][:2]}")
    expect(not complaint, complaint)


def larges(box, other):
    path, edit = f"/{READER}", lambda *ops: {"ops": list(ops)}
    for what, method, given in (
            ("diff", "diff", {}), ("validate", "validate", {}), ("get", "get", {"path": path, "source": "candidate"}),
            ("get-part", "get-part", {"path": path, "source": "candidate", "offset": 0}), ("schema", "schema", {"path": f"{path}/t"}),
            ("set", "edit", edit(*({"op": "set", "path": f"{path}/t/a{i}", "value": "x"} for i in range(900)))),
            ("merge", "edit", edit({"op": "merge", "path": f"{path}/t", "value": {f"a{i}": "x" for i in range(900)}})),
            ("a failing request that deletes all", "edit", edit({"op": "set", "path": f"{path}/t", "value": {}}, {"op": "set", "path": f"{path}/o", "value": {}},
                                                                {"op": "delete", "path": f"{path}/no"})),
            ("dry run", "commit", {"dry-run": True})):
        for whole in (False, True):
            attempt(f"of a large candidate{' of whole values' * whole}: {what}", large, box, other, what, method, given, whole)


def both(box, other):
    """Each answer of a service in a dry run first ends what others' requests have stopped at."""
    token = box.ctl("token", "create", "beside", "viewer").stdout.strip()
    viewers, agent = [Viewer(box, token, "/api/v1/config/diff?from=1") for _ in range(4)], Package(box)
    expect(not agent.asks("edit", {"ops": [{"op": "set", "path": f"/{READER}/t/b{i}", "value": "x"} for i in range(200)]}), "control: it is edited")
    try:
        box.until(30, lambda: all(v.codes for v in viewers), "each has an answer")
        complaint = other.compare("dry runs beside diffs", lambda: agent.asks("commit", {"dry-run": True}))
    finally:
        codes = set().union(*(v.end() for v in viewers))
        agent.asks("discard", {})
    expect(codes == {"200"}, f"no control: {codes}")
    expect(not complaint, complaint)


def loads(box, other):
    """An administrator loads a whole configuration, again and again."""
    token, answers = box.ctl("token", "create", "loader", "admin").stdout.strip(), []
    groups = {f"l{i}": {"addresses": [f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}/32"], "description": "x" * 200} for i in range(3500)}
    file = f"{box.dir}/load.json"
    with open(file, "w") as f:
        json.dump({"firewall": {"groups": groups}}, f)

    def http(*how):
        answers.append(subprocess.run(box.inside("curl", "-sS", "-m", "60", "-o", "/dev/stderr", "-w", "%{http_code}", "-H", f"Authorization: Bearer {token}",
                                                 *how), capture_output=True, text=True, check=False))
    complaint = other.compare("a load of 1 MB", lambda: http("-X", "PATCH", "-H", "Content-Type: application/json", "-H", "Expect:", "-T", file,
                                                             "http://127.0.0.1:8080/api/v1/config/candidates/mine"))
    http("-X", "POST", "http://127.0.0.1:8080/api/v1/config/discard")
    expect(all(a.stdout == "200" for a in answers), f"control: {answers[0].stdout} {answers[0].stderr[:300]}")
    expect(not complaint, complaint)


def main(root):
    package(root, READER, "agent", mani=manifest(READER, capabilities=GRANTS), sch=SCHEMA)
    with Appliance(build, "config", packages=[root]) as box, Appliance(build, "beside") as beside:
        box.start()
        beside.start()
        c = Client(f"{box.dir}/run/control.sock", timeout=60)
        commit(c, ("/services/firewall", {"enabled": False}), (f"/services/{READER}", {"enabled": True, "grants": GRANTS}))
        c.close()
        box.until(20, lambda: box.service(READER)["state"] == "Running", f"{READER} runs")
        fill(box)
        pid = box.service("config")["pid"]
        other = others.Other(box, beside, kind="config", strict=figures)
        try:
            reads(box, other)
            lists(box, other)
            candidates(box, other)
            larges(box, other)
            attempt("dry runs of a package beside a viewer's diffs", both, box, other)
            attempt("an administrator loads 1 MB", loads, box, other)
            # The last: it is called before each commit from then on, and does not answer as it should.
            attempt("a package attaches again and again", by_package, box, other, "attach", {"paths": ["/"]})
            tap.test("the config service was not restarted", unhurt, box, pid)
        finally:
            other.end()
        return other.figures


base = tempfile.mkdtemp(prefix=f"orbt-config-{os.getpid()}.", dir="/run")
os.chmod(base, 0o755)
measures = []
try:
    measures = main(base)
finally:
    shutil.rmtree(base, ignore_errors=True)
print(f"# {len(attempts)} attempts, {len(successes)} successes{': ' + ', '.join(successes) if successes else ''}")
for what, ratio, longest, p99, quiet, used in sorted(measures, key=lambda f: -f[3]):
    print(f"# {what}: others' p99 {p99 * 1e3:.2f} ms ({used * 1e3:.2f} of the processor), quiet {quiet * 1e3:.2f} ({ratio:.1f} times), longest {longest * 1e3:.0f} ms")
if figures:
    sys.stdout = real
    others.bench(measures, len(attempts), len(successes), STEP_S)
    sys.exit(0)
tap.end()
