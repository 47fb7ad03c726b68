#!/usr/bin/env python3
"""The configuration with real services: refusals, vetoes, deaths in each phase, confirmed commits, and
the config service and the host killed while commits run."""
import json
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Tap, expect, need_root, run, seeded  # noqa: E402

need_root()
build = sys.argv[1]
tap = Tap()
chance = seeded()


def put(box, path, value, op="set"):
    return box.call("config", "edit", {"ops": [{"op": op, "path": path, "value": value}]}, ok=False)


def running(box, path=""):
    return box.call("config", "get", {"path": path})


def commit(box, **options):
    return box.call("config", "commit", {key.replace("_", "-"): value for key, value in options.items()})


def refused(done, *words):
    expect(not isinstance(done, dict), f"was accepted: {done}")
    for word in words:
        expect(word in done.stderr, f"{word!r} is not in {done.stderr.strip()!r}")


def probe(box):
    return box.call("acme-probe", "status")


def prepare_box(box):
    box.call("config", "edit", {"ops": [
        {"op": "set", "path": "/services/acme-probe", "value": {"enabled": True, "grants": ["config.read:/acme-probe"]}},
        {"op": "set", "path": "/acme-probe/greeting", "value": "old"}]})
    commit(box)
    box.until(10, lambda: box.service("acme-probe")["state"] == "Running" and probe(box)["greeting"] == "old", "probe runs")


def refusals(box):
    refused(put(box, "/acme-prob/greeting", "x"), "/acme-prob", "did you mean acme-probe?")
    refused(put(box, "/acme-probe/greetign", "x"), "/acme-probe/greetign", "did you mean greeting?")
    refused(put(box, "/acme-probe/crash-in", "prepar"), "prepare", '"prepar"', "did you mean prepare?")
    refused(put(box, "/acme-probe/crash-after-ms", -1), "/acme-probe/crash-after-ms", "0", "-1")
    put(box, "/acme-probe/targets/a", {"interval": 10})
    refused(box.call("config", "commit", ok=False), "/acme-probe/targets/a", "address")
    box.call("config", "discard")
    refused(box.call("config", "commit", ok=False), "nothing to commit")


def unchanged(box, what):
    before = running(box)
    what()
    after = running(box)
    expect(before == after, f"{before} became {after}")
    box.call("config", "discard")


def veto(box):
    def attempt():
        put(box, "/acme-probe/refuse", "not on my watch")
        put(box, "/acme-probe/greeting", "vetoed")
        put(box, "/interfaces/lo/description", "vetoed")
        refused(box.call("config", "commit", ok=False), "acme-probe refused", "not on my watch")
        expect(probe(box)["greeting"] == "old", "the probe changed")
    unchanged(box, attempt)


def dies_in(box, phase):
    def attempt():
        pid = box.service("acme-probe")["pid"]
        put(box, "/acme-probe/crash-in", phase)
        put(box, "/interfaces/lo/description", f"crashed in {phase}")
        refused(box.call("config", "commit", ok=False), "acme-probe went away", phase)
        box.until(10, lambda: box.service("acme-probe")["state"] == "Running" and box.service("acme-probe")["pid"] != pid,
                  "the probe runs again")
        expect(probe(box)["greeting"] == "old", "the probe came back with something else")
        expect(probe(box)["revision"] == running(box)["revision"], "and at another revision")
    unchanged(box, attempt)


def large_load(box):
    targets = {f"t{i}": {"address": f"10.{i // 250}.{i % 250}.1", "interval": 60000} for i in range(6000)}
    tree = running(box)["value"]
    tree["acme-probe"]["targets"] = targets
    path = f"{box.dir}/large.json"
    with open(path, "w") as f:
        json.dump(tree, f)
    box.ctl("config", "load", path, "--replace")
    commit(box)
    refused(box.call("config", "get", {"path": "/acme-probe/targets"}, ok=False), "get-part")
    shown = box.json("config", "show", "acme-probe", "targets")
    expect(shown == targets, "what is shown is not what was loaded")
    box.ctl("config", "rollback", "1")
    commit(box)
    expect("targets" not in running(box)["value"]["acme-probe"], "rollback left targets")


def confirmed(box):
    put(box, "/acme-probe/greeting", "trial")
    expect("confirm-by" in commit(box, confirm_s=2), "no deadline")
    expect(probe(box)["greeting"] == "trial", "not applied")
    box.until(6, lambda: running(box, "/acme-probe/greeting")["value"] == "old", "undone")
    expect(probe(box)["greeting"] == "old", "the service kept it")
    expect(box.call("config", "history")["entries"][0]["comment"] == "not confirmed in 2 s", "history")
    put(box, "/acme-probe/greeting", "kept")
    commit(box, confirm_s=2)
    box.call("config", "confirm")  # a session of its own, opened after the apply
    time.sleep(2.5)  # past the deadline: that nothing happens then is what is tested
    expect(running(box, "/acme-probe/greeting")["value"] == "kept", "undone although confirmed")
    put(box, "/acme-probe/greeting", "old")
    commit(box)


def config_pid(box, not_pid=0):
    s = box.service("config")
    return s["state"] == "Running" and s["pid"] != not_pid and s["pid"]


def settled(box):
    """Store and services agree."""
    box.until(10, lambda: box.service("acme-probe")["state"] == "Running", "the probe runs")

    def agree():
        now = running(box)["value"]["acme-probe"]["greeting"]
        return probe(box)["greeting"] == now and now
    return box.until(10, agree, "store and service agree")


def unconfirmed_and_killed(box, kill):
    put(box, "/acme-probe/greeting", "unreachable")
    commit(box, confirm_s=600)
    expect(probe(box)["greeting"] == "unreachable", "not applied")
    kill(box)
    expect(settled(box) == "old", "an unconfirmed commit outlived the restart")


def kill_config(box):
    pid = config_pid(box)
    os.kill(pid, signal.SIGKILL)
    box.until(15, lambda: config_pid(box, pid), "config runs again")


def forgive(box):
    """Starting by hand forgets earlier failures, so that the breaker does not count them in this test."""
    box.ctl("service", "restart", "config")
    box.until(15, lambda: config_pid(box), "config runs")


def kill_host(box):
    box.kill(signal.SIGKILL)
    box.start()
    box.until(15, lambda: config_pid(box), "config runs again")


def killed_while_committing(box):
    seen = {"old": 0, "new": 0}
    for i in range(8):
        want, was = f"round-{i}", settled(box)
        answer = {}
        put(box, "/acme-probe/greeting", want)
        put(box, "/interfaces/lo/description", want)

        def attempt():
            answer["done"] = box.call("config", "commit", ok=False)
        pid = config_pid(box)
        worker = threading.Thread(target=attempt)
        worker.start()
        time.sleep(chance.uniform(0.005, 0.06))  # anywhere in start-up of the client and the commit
        os.kill(pid, signal.SIGKILL)
        worker.join()
        box.until(15, lambda p=pid: config_pid(box, p), "config runs again")
        now = settled(box)
        tree = running(box)["value"]
        expect(now in (was, want), f"round {i}: {now}")
        if now == want:
            expect(tree["interfaces"]["lo"]["description"] == want, f"round {i}: half a commit: {tree}")
        if isinstance(answer["done"], dict):
            expect(now == want, f"round {i}: a commit that was answered is lost")
        seen["new" if now == want else "old"] += 1
        box.call("config", "discard")
        if i % 3 == 2:
            forgive(box)
    print(f"# {seen['old']} ended with the old, {seen['new']} with the new revision")


def link_gets_back(box):
    """A link's MTU that no revision holds any more is nowhere but in the service's own memory."""
    def link():
        return json.loads(run(*box.inside("ip", "-j", "link", "show", "lan0")).stdout)[0]

    expect(link()["mtu"] == 1500 and "UP" not in link()["flags"], f"{link()}")
    box.call("config", "edit", {"ops": [{"op": "set", "path": "/interfaces/lan0", "value": {"mtu": 1400}}]})
    commit(box, confirm_s=600)
    expect(link()["mtu"] == 1400 and "UP" in link()["flags"], f"{link()}")
    kill_host(box)
    box.until(10, lambda: link()["mtu"] == 1500 and "UP" not in link()["flags"], "the link is as before")
    box.call("config", "edit", {"ops": [{"op": "set", "path": "/interfaces/lan0", "value": {}}]})
    commit(box)
    box.call("config", "edit", {"ops": [{"op": "set", "path": "/interfaces/lan0/mtu", "value": 1300}]})
    commit(box, confirm_s=600)
    expect(link()["mtu"] == 1300, f"{link()}")
    os.kill(box.service("interfaces")["pid"], signal.SIGKILL)
    kill_config(box)
    box.until(10, lambda: link()["mtu"] == 1500, "the MTU is as before")


with Appliance(build, "config", links=[("lan0", "lan1")]) as box:
    box.start()
    tap.test("a first configuration is typed and committed", prepare_box, box)
    tap.test("wrong edits are refused with path and suggestion", refusals, box)
    tap.test("a veto changes nothing anywhere", veto, box)
    tap.test("a service that dies in prepare changes nothing", dies_in, box, "prepare")
    tap.test("a service that dies in apply changes nothing", dies_in, box, "apply")
    tap.test("thousands of entries are loaded, shown and rolled back", large_load, box)
    tap.test("a commit is undone unless a new session confirms it", confirmed, box)
    tap.test("the config service killed undoes what was not confirmed", unconfirmed_and_killed, box, kill_config)
    tap.test("so does the host killed", unconfirmed_and_killed, box, kill_host)
    tap.test("a link gets back what it had, although no process has it in memory", link_gets_back, box)
    tap.test("killed while a commit runs: old or new, in store and services", killed_while_committing, box)
tap.end()
