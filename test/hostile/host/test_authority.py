#!/usr/bin/env python3
"""Statements of a package give it no authority; only the host's own data do. Attempts by frames, by answers to
transactions, by names and by requests; each has a control: the same with permission succeeds."""
import json
import os
import select
import signal
import sys
import threading
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "..", "lib")]
from appliance import Appliance, expect, run  # noqa: E402
from lab import attempt, build, conclude, lives, no_win, start, stop, tap, Watch, words_of  # noqa: E402
from packages import manifest, package  # noqa: E402
from wire import Client, ERR, frame, Refused, REP, REQ  # noqa: E402

SECRET = "SECRET-OF-ANOTHER"
GRANTS = {
    "v-authority": ["config.read:/v-authority", "ipc.call:config/*"],
    "v-prepare-error": ["config.read:/v-prepare-error"],
    "v-prepare-exit": ["config.read:/v-prepare-exit"],
    "v-prepare-works": ["config.read:/v-prepare-works"],
    "v-apply-works": ["config.read:/v-apply-works"],
    "v-apply-error": ["config.read:/v-apply-error"],
    "v-names": ["ipc.subscribe:service.*/x"],
    "v-first": ["config.read:/v-first"],
    "v-logs-call": ["ipc.call:host/logs"],
    "v-named": ["ipc.call:acme-probe/*", "ipc.call:host/*"],
}


def commit(box, *edits, comment="a comment of users"):
    """By the local root; edits: (path, value), None deletes. Raises Refused."""
    c = Client(f"{box.dir}/run/control.sock", timeout=60)
    try:
        ops = [{"op": "delete", "path": p} if v is None else {"op": "set", "path": p, "value": v} for p, v in edits]
        c.call("config@1", "edit", {"ops": ops})
        try:
            return c.call("config@1", "commit", {"comment": comment})
        except Refused:
            c.call("config@1", "discard")
            raise
    finally:
        c.close()


def is_refused(box, code, *edits):
    try:
        commit(box, *edits)
    except Refused as e:
        expect(e.code in code.split(), f"refused with {e}")
        return str(e)
    expect(False, f"{edits} was committed")


def running(box, name):
    box.until(15, lambda: box.service(name)["state"] == "Running", f"{name} runs")


# ---- what a package may read, see and change ----

def reads(box, watch):
    lives(box, watch, "v-authority", mark="notes: authority")


def caps_in_force(box, watch):
    """A grant that no kernel enforces is gone with the process that had it."""
    start(box, "v-authority")
    running(box, "v-authority")
    pid = box.service("v-authority")["pid"]
    commit(box, ("/services/v-authority/grants", ["config.read:/v-authority"]))
    box.until(15, lambda: box.service("v-authority")["pid"] not in (0, pid), "it starts anew with less")
    commit(box, ("/services/v-authority/grants", GRANTS["v-authority"]))
    running(box, "v-authority")
    stop(box, "v-authority")


# ---- what a package may hold up ----

def vetoes(box, watch):
    """Control: it may refuse what concerns itself. But not its own end, nor less for itself."""
    name = "v-prepare-error"
    start(box, name)
    running(box, name)
    is_refused(box, "config.veto", (f"/{name}/x", 1))
    commit(box, ("/acme-probe/greeting", f"{SECRET} 2"))
    before = box.service(name)["pid"]
    commit(box, (f"/{name}/x", 2), (f"/services/{name}/grants", []))
    box.until(15, lambda: box.service(name)["pid"] != before, f"{name} is ended for its grants")
    commit(box, (f"/services/{name}/grants", GRANTS[name]))
    box.until(20, lambda: attached(box, name), f"{name} is attached again")
    is_refused(box, "config.veto", (f"/{name}/x", 3))
    commit(box, (f"/{name}/x", 4), (f"/services/{name}/enabled", False))
    box.until(10, lambda: box.service(name)["pid"] == 0, "it ends")
    watch.sound()


def left_out(box, watch):
    """It dies in each prepare: after three commits it takes part no more, and that is a problem."""
    name = "v-prepare-exit"
    start(box, name)
    for n in range(3):
        box.until(20, lambda: attached(box, name), f"{name} is attached")
        is_refused(box, "peer-gone", (f"/{name}/x", n))
    box.until(20, lambda: attached(box, name), f"{name} is attached")
    commit(box, (f"/{name}/x", 10))
    told = json.dumps(box.call("host@1", "health"))
    expect("left out of commits" in told, f"health reports {told[-600:]}")
    box.until(20, lambda: attached(box, name), f"{name} follows by starting anew")
    commit(box, (f"/services/{name}/enabled", False))
    box.until(10, lambda: "left out of commits" not in json.dumps(box.call("host@1", "health")), "the problem ends with it")
    watch.sound()


def told_left_out(box, name, why):
    box.until(10, lambda: any(name in r["what"] and "left out of commits" in r["what"] and why in r["what"]
                              for r in box.call("host@1", "health")["reasons"]), f"health reports that {name} is left out: {why}")


def back_again(box, name):
    commit(box, (f"/services/{name}/enabled", False))
    box.until(10, lambda: "left out of commits" not in json.dumps(box.call("host@1", "health")), "the problem ends with it")
    box.until(10, lambda: box.service(name)["pid"] == 0, "it ends")


def works_on(box, watch, phase):
    """It reports progress for ever: others start meanwhile, an administrator disables it, and commits wait for a
    limited time."""
    name = f"v-{phase}-works"
    start(box, name)
    box.until(20, lambda: attached(box, name), f"{name} is attached")
    done = []
    first = threading.Thread(target=lambda: done.append(commit(box, (f"/{name}/x", 1))))
    first.start()
    box.until(10, lambda: any(f"works at {phase}" in w for w in words_of(box, name)), f"it is at {phase}")
    pid = box.service("routing")["pid"]
    box.ctl("service", "restart", "routing")
    box.until(10, lambda: box.service("routing")["pid"] not in (0, pid) and attached(box, "routing"), "another service starts")
    watch.pids["routing"] = box.service("routing")["pid"]
    expect(not done, "no control: the commit did not wait for it")
    token = box.ctl("token", "create", f"boss-{phase}", "admin").stdout.strip()
    for method, path, body in (("PUT", f"candidates/mine/services/{name}/enabled", False), ("POST", "commits", {})):
        answer = http(box, token, f"config/{path}", method, body)
        expect("changes" in answer, f"{method} {path}: {answer}")
    box.until(10, lambda: box.service(name)["pid"] == 0, "it ends")
    first.join(20)
    expect(done, "the commit still waits for it")
    commit(box, (f"/services/{name}", {"enabled": True, "grants": GRANTS[name], "limits": {"commit-ms": 1000}}))
    box.until(20, lambda: attached(box, name), f"{name} is attached")
    commit(box, (f"/{name}/x", 2))
    told_left_out(box, name, "commit-ms")
    box.until(20, lambda: attached(box, name), f"{name} follows by starting anew")
    commit(box, (f"/{name}/x", 3))
    back_again(box, name)
    watch.sound()


def refuses(box, watch, name, code, why):
    """The same answer to every call: after three it is left out."""
    start(box, name)
    box.until(20, lambda: attached(box, name), f"{name} is attached")
    for n in range(3):
        is_refused(box, code, (f"/{name}/x", 100 + n))
    told_left_out(box, name, why)
    commit(box, (f"/{name}/x", 110))
    back_again(box, name)
    watch.sound()


def attached(box, name):
    list_ = box.call("config@1", "subscribers")["subscribers"]
    return box.service(name)["state"] == "Running" and {s["service"]: s["state"] for s in list_}.get(name) == "attached"


# ---- identities, and who may start what ----

def http(box, token, path, method="GET", body=None):
    given = [] if body is None else ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    done = run(*box.inside("curl", "-s", "-S", "-X", method, "-H", f"Authorization: Bearer {token}", *given,
                           f"http://127.0.0.1:8080/api/v1/{path}"))
    return json.loads(done.stdout)


def token_named_root(box, watch):
    running(box, "api")
    token = box.ctl("token", "create", "root", "viewer").stdout.strip()
    other = box.ctl("token", "create", "boss", "admin").stdout.strip()
    box.ctl("config", "set", "acme-probe", "greeting", f"{SECRET} of the local root")
    seen = http(box, token, "config/diff")
    expect(seen.get("count") == 0, f"the token sees the candidate of the local root: {seen}")
    expect(box.json("config", "diff")["count"] == 1, "the control: root sees the own one")
    box.ctl("config", "discard")
    expect(http(box, other, "config/diff").get("count") == 0, "no control: the token's own diff")
    whoami = box.call("auth@1", "whoami")
    expect(whoami["kind"] == "user" and whoami["name"] == "root", f"{whoami}")


def token_of_an_old_name(box, watch):
    """What a revoked token left is not committed, or read, by the next one of its name."""
    greeting = "config/candidates/mine/acme-probe/greeting"
    old = box.ctl("token", "create", "bob", "admin").stdout.strip()
    http(box, old, greeting, "PUT", "of the first bob")
    expect(http(box, old, "config/diff").get("count") == 1, "no control: the edit of the first")
    box.ctl("token", "revoke", "bob")
    new = box.ctl("token", "create", "bob", "admin").stdout.strip()
    seen = http(box, new, "config/diff")
    expect(seen.get("count") == 0, f"the second bob has the changes of the first: {seen}")
    http(box, new, greeting, "PUT", "of the second bob")
    expect(http(box, new, "config/diff").get("count") == 1, "no control: the edit of the second")
    http(box, new, "config/candidates/mine", "DELETE")


def token_that_expired_just_now(box, watch):
    """It is replaced before the host has noticed: its session, of more rank, ends nevertheless."""
    c = Client(watch.sock)
    old = c.call("auth@1", "token-create", {"name": "eve", "role": "admin", "expires-s": 2})["token"]
    expect(http(box, old, "whoami").get("role") == "admin", "no control: it is not known before it expires")

    def replaced():
        try:
            return c.call("auth@1", "token-create", {"name": "eve", "role": "viewer"})["token"]
        except Refused as e:
            expect(e.code == "conflict", f"refused with {e}")
    new = box.until(10, replaced, "eve is made anew")
    seen = http(box, old, "whoami")
    expect("role" not in seen and seen.get("status") == 401, f"the expired token is still {seen}")
    expect(http(box, new, "whoami").get("role") == "viewer", "no control: the new token is not known")
    expect("eve" in box.ctl("logs", "--grep", "audit.token-expired").stdout, "the audit log does not have the expiry")
    c.close()


def starts(box, watch):
    for name in ("v-named", "v-authority"):
        for word in ("start", "restart"):
            done = box.ctl("service", word, name, ok=False)
            expect(done.returncode != 0, f"service {word} {name} went through")
            expect("not enabled" in done.stderr and f"set services {name} enabled true" in done.stderr, done.stderr)
        expect(box.service(name)["pid"] == 0, f"{name} runs")
    pid = box.service("acme-probe")["pid"]
    expect(pid, "the control does not run")


def stays_stopped(box, watch):
    """An order between the commit that disables it and its end."""
    start(box, "v-authority")
    running(box, "v-authority")
    commit(box, ("/services/v-authority/enabled", False))
    for _ in range(20):
        done = box.ctl("service", "restart", "v-authority", ok=False)
        expect(done.returncode != 0, "restarted although it is disabled")
    box.until(10, lambda: box.service("v-authority")["pid"] == 0, "it ends")


def follows_commits(box, watch):
    """An order right after the answer to a commit, before the host has read what was committed."""
    c = Client(watch.sock)
    for enabled in (True, False) * 5:
        commit(box, ("/services/v-authority/enabled", enabled))
        try:
            c.call("host@1", "service-restart", {"name": "v-authority"})
            started = True
        except Refused as e:
            expect("not enabled" in str(e), f"refused with {e}")
            started = False
        expect(started == enabled, f"enabled {enabled} was committed; restarted: {started}")
    box.until(10, lambda: box.service("v-authority")["pid"] == 0, "it ends")
    c.close()


def confirms(box, watch):
    """A connection that was open, and silent, before the change proves nothing."""
    early = Client(watch.sock)
    c = Client(watch.sock, timeout=60)
    c.call("config@1", "edit", {"ops": [{"op": "set", "path": "/acme-probe/greeting", "value": f"{SECRET} 3"}]})
    c.call("config@1", "commit", {"confirm-s": 60})
    for who in (early, c):
        try:
            who.call("config@1", "confirm")
            expect(False, "an older session confirmed")
        except Refused as e:
            expect(e.code == "state" and "new connection" in str(e), f"refused with {e}")
    late = Client(watch.sock)
    late.call("config@1", "confirm")
    for each in (early, c, late):
        each.close()


# ---- what one may cost others ----

def many_names(box, watch):
    """Interfaces without a provider must not use up the limit for interfaces that have a provider."""
    start(box, "v-names")
    box.until(30, lambda: any("notes: names" in w for w in words_of(box, "v-names")), "the names were tried")
    no_win(box, "v-names")
    start(box, "v-first")  # for the first time: its interfaces are made now
    running(box, "v-first")
    stop(box, "v-first")
    stop(box, "v-names")
    watch.sound("many names")


def all_the_logs(box, watch):
    """A package that always has as many questions for the logs as it may: a user's is answered."""
    start(box, "v-logs-call")
    running(box, "v-logs-call")
    done = 0
    while not any("flood" in w or "notes" in w for w in words_of(box, "v-logs-call")[1:]) and done < 20:
        c = Client(watch.sock)
        c.call("host@1", "logs", {"limit": 5})
        done += 1
        c.close()
    stop(box, "v-logs-call")
    watch.sound("all the logs")


def crowds_out(box, watch):
    """A service that is busy for a moment, and clients that ask and hang up: it is not ended for that, and
    works when it is back."""
    watch.sound()
    pid = box.service("acme-probe")["pid"]
    text, busy, asked = "x" * 3800, 0, 0
    env = {"to": "acme-probe@1", "method": "echo"}
    os.kill(pid, signal.SIGSTOP)
    try:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            c = Client(watch.sock)
            c.send(b"".join(frame(REQ, env, {"text": text}, corr=i) for i in range(1, 61)) +
                   frame(REQ, {"to": "nothing", "method": "x"}, {}, corr=99))
            asked += 60
            while True:
                type, corr, env_, _ = c.next()
                busy += "does not keep up" in json.dumps(env_)
                if corr == 99:
                    break
            c.close()
    finally:
        os.kill(pid, signal.SIGCONT)
    expect(busy, f"no flood: {asked} requests, {busy} busy")
    box.until(10, lambda: Client(watch.sock).call("acme-probe@1", "echo", {"text": "back"}) == {"text": "back"}, "it answers again")
    expect(box.service("acme-probe")["pid"] == pid, "it was ended for what others sent")
    watch.control.take()  # those requests met the stopped service
    watch.sound()


def many_requests(box, watch):
    """A user has 240 requests in the queue of a service: one of another user is answered after one of them. Counted is how
    many of the 240 are answered when the other one is."""
    token = box.ctl("token", "create", "few", "viewer").stdout.strip()
    asks = "operations/acme-probe@1/echo", "POST", {"text": "mine"}
    expect(http(box, token, *asks) == {"text": "mine"}, "no control: it is not answered while nothing else is asked")
    crowd, answered = [Client(watch.sock, timeout=60) for _ in range(4)], 0
    for c in crowd:
        c.send(b"".join(frame(REQ, {"to": "acme-probe@1", "method": "spin"}, {"ms": 15}, corr=i) for i in range(1, 61)))
    expect(http(box, token, *asks) == {"text": "mine"}, "it is not answered")
    for c in crowd:
        while select.select([c.s], [], [], 0)[0] or c.buf:
            answered += c.next()[0] in (REP, ERR)
    print(f"# another user's request was answered after {answered} of 240", flush=True)
    expect(answered < 180, f"it waited for {answered} of the 240 requests before it")
    for c in crowd:
        c.close()
    box.until(20, lambda: Client(watch.sock).call("acme-probe@1", "echo", {"text": "back"}) == {"text": "back"}, "it answers")
    watch.sound()


# ---- what its manifest requests ----

LONG_S = 30  # the end of the daemon comes after ten seconds at the latest, on a quiet machine
ALL = {"limits": {"memory": "999999G", "files": 4096, "threads": 256},
       "deadlines": {"ready-ms": 600000, "ping-every-ms": 600000, "ping-ms": 600000, "stop-ms": 600000}}


def lay_out_greedy(root):
    package(root, "v-greedy", "greedy", mani=manifest("v-greedy", phase="early", requires=[], **ALL))
    package(root, "v-never", "never_ready", mani=manifest("v-never", phase="early", requires=[], **ALL))
    before = []
    for n in range(4):  # each ends only when those that require it have ended
        name = f"v-stays-{n}"
        package(root, name, "pong_flood", mani=manifest(name, requires=before, **ALL))
        before = [name]


def limits(box, watch):
    """The manifest's numbers end at the host's ceilings, and only the configuration moves those."""
    plan = box.json("service", "show", "v-greedy", "sandbox")
    plan = plan.get("plan", plan)
    expect(plan["memory"] == 256 << 20 and plan["files"] == 256 and plan["threads"] == 64, f"{plan}")
    is_refused(box, "schema", ("/services/v-greedy/limits", {"memory": "lots"}))
    commit(box, ("/services/v-greedy/limits", {"memory": "512M", "threads": 3}))
    box.until(5, lambda: [box.json("service", "show", "v-greedy", "sandbox").get("plan", box.json("service", "show", "v-greedy", "sandbox"))[k]
                          for k in ("memory", "files", "threads")] == [512 << 20, 256, 3], "the control: the configuration moves them")
    members = box.call("config@1", "schema", {"path": "/services/v-greedy/limits"})["members"]
    expect({"memory", "files", "stop-ms"} <= set(members), f"completion has {list(members)}")
    commit(box, ("/services/v-greedy/limits", None))


def holds_up(box, watch):
    """Neither the start nor the end of the daemon waits for it: the manifest requests ten minutes."""
    watch.control.ending = True
    for name in ("v-never", *(f"v-stays-{n}" for n in range(4))):
        start(box, name)
    for n in range(4):
        running(box, f"v-stays-{n}")
    begin = time.monotonic()
    box.kill(signal.SIGTERM, wait=LONG_S)
    print(f"# the daemon ended after {time.monotonic() - begin:.1f} s")
    begin = time.monotonic()
    box.start()
    print(f"# operational after {time.monotonic() - begin:.1f} s")
    expect(box.service("v-never")["state"] != "Running" and box.service("v-never")["pid"], "no control: it does not run at all")
    expect("service.phase-ignored" in box.log_text(), "the log does not say that its phase is ignored")
    box.kill(signal.SIGTERM, wait=LONG_S)


def main(root):
    lay_out_greedy(root)
    for name, grants in GRANTS.items():
        package(root, name, name[2:].replace("-", "_"), mani=manifest(name, capabilities=grants, restart={
            "backoff-ms": 20, "backoff-max-ms": 50, "breaker": {"failures": 32, "window-s": 60, "cooldown-s": 60}}))
    with Appliance(build, "authority", packages=[root]) as box:
        box.start()
        commit(box, *[(f"/services/{name}", {"grants": grants, "enabled": False}) for name, grants in GRANTS.items()],
               ("/services/firewall", {"enabled": False}),
               ("/services/acme-probe", {"grants": ["config.read:/acme-probe"], "enabled": True}),
               ("/acme-probe/greeting", f"{SECRET} 1"), ("/v-authority/x", 1))
        running(box, "acme-probe")
        watch = Watch(box)
        attempt("a package reads and edits outside of what it was granted", reads, box, watch)
        attempt("a grant outlives its being taken away", caps_in_force, box, watch)
        attempt("a package refuses its own end", vetoes, box, watch)
        attempt("a package spoils every commit", left_out, box, watch)
        attempt("a package works on a prepare for ever", works_on, box, watch, "prepare")
        attempt("a package works on an apply for ever", works_on, box, watch, "apply")
        attempt("a package refuses whatever it is asked", refuses, box, watch, "v-prepare-error", "config.veto", "refuses what runs")
        attempt("a package agrees and does not apply", refuses, box, watch, "v-apply-error", "invalid", "agreed to")
        attempt("a token named root sees what root edits", token_named_root, box, watch)
        attempt("a token is made under the name of a revoked one", token_of_an_old_name, box, watch)
        attempt("a token is made under the name of one that expires", token_that_expired_just_now, box, watch)
        attempt("an order starts what the configuration does not", starts, box, watch)
        attempt("an order starts what was disabled just now", stays_stopped, box, watch)
        attempt("an order right after a commit follows what was before it", follows_commits, box, watch)
        attempt("a session of before confirms", confirms, box, watch)
        attempt("interfaces without a provider use up all room", many_names, box, watch)
        attempt("a package takes all places of who reads logs", all_the_logs, box, watch)
        attempt("a service that is busy is disconnected for what others sent", crowds_out, box, watch)
        attempt("a user fills the queue of a service with requests", many_requests, box, watch)
        tap.test("no other service was hurt", watch.sound)
        attempt("a manifest sets its own limits", limits, box, watch)
        attempt("a package holds up the start and the end of the daemon", holds_up, box, watch)


conclude("authority", main)
