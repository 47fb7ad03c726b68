#!/usr/bin/env python3
"""The host with real workers: readiness, crashes of every kind, hangs, breaker, its own death."""
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Failed, Tap, expect, need_root, processor_s, run  # noqa: E402

need_root()
build = sys.argv[1]
tap = Tap()


def enable_probe(box):
    box.ctl("config", "set", "services", "acme-probe", "enabled", "true")
    box.ctl("config", "set", "services", "acme-probe", "grants", '["config.read:/acme-probe"]')
    box.ctl("config", "commit")
    box.until(10, lambda: box.service("acme-probe")["state"] == "Running", "acme-probe runs")


def running(box, name, not_pid=0):
    s = box.service(name)
    return s["state"] == "Running" and s["pid"] != not_pid and s


def restart(box):
    pid = box.service("acme-probe")["pid"]
    box.ctl("service", "restart", "acme-probe")
    return box.until(10, lambda: running(box, "acme-probe", pid), "restarted")


def workers_of(box):
    """pids of the host's children."""
    return [int(p) for p in open(f"/proc/{box.daemon.pid}/task/{box.daemon.pid}/children").read().split()]


def crash(box, how, check):
    before = box.until(10, lambda: running(box, "acme-probe"), "runs before")
    box.call("acme-probe", "crash", {"how": how}, ok=False)
    box.until(10, lambda: running(box, "acme-probe", before["pid"]), "runs again")
    report = box.json("service", "show", "acme-probe", "crashes")["crashes"][-1]
    expect(check(report), f"unexpected report {report}")
    expect(report["pid"] == before["pid"], "the report is of another worker")
    restart(box)


def hang(box):
    before = box.until(10, lambda: running(box, "acme-probe"), "runs")
    box.call("acme-probe", "hang", ok=False)
    box.until(20, lambda: running(box, "acme-probe", before["pid"]), "killed and started again")
    report = box.json("service", "show", "acme-probe", "crashes")["crashes"][-1]
    expect("ping" in report["ended-because"], f"reason: {report['ended-because']}")


def breaker(box):
    restart(box)
    box.ctl("config", "set", "acme-probe", "crash-after-ms", "10")
    box.ctl("config", "commit")
    box.until(20, lambda: box.service("acme-probe")["breaker"] == "open", "open")
    s = box.service("acme-probe")
    expect(s["state"] == "Failed" and s["next-ms"] > 0, f"{s}")
    for other in box.json("show", "services")["services"]:
        if other["name"] in ("config", "interfaces", "routing"):
            expect(other["state"] == "Running", f"{other['name']} is {other['state']}")
    box.ctl("config", "delete", "acme-probe", "crash-after-ms")
    box.ctl("config", "commit")
    box.ctl("service", "start", "acme-probe")
    box.until(10, lambda: running(box, "acme-probe"), "runs after mending")


def threads(box):
    """A package's threads reach its loop, inside the sandbox and while it is ended."""
    s = box.until(10, lambda: running(box, "acme-probe"), "runs")
    out = box.call("acme-probe", "count", {"steps": 30000})
    expect(out == {"counted": 30000}, f"counted {out}")
    words = ("--wait", "0", "ipc", "call", "acme-probe", "count", '{"steps": 1000000000}')  # not called again
    client = threading.Thread(target=box.ctl, args=words, kwargs={"ok": False})
    client.start()
    try:
        box.until(10, lambda: len(os.listdir(f"/proc/{s['pid']}/task")) > 1, "the thread runs")
        expect(box.call("acme-probe", "echo", {"text": "x"}) == {"text": "x"}, "the loop is free meanwhile")
        crashes = len(box.json("service", "show", "acme-probe", "crashes")["crashes"])
        restart(box)
        expect(len(box.json("service", "show", "acme-probe", "crashes")["crashes"]) == crashes, "stop was no crash")
    finally:
        client.join()


def flood(box):
    s = box.until(10, lambda: running(box, "acme-probe"), "runs")
    before = processor_s(box.daemon.pid)
    box.call("acme-probe", "flood", {"kind": "log", "count": 20000}, ok=False)
    for _ in range(50):
        box.json("show", "boot")
    took = processor_s(box.daemon.pid) - before
    print(f"# {took:.2f} s of the daemon's processor time")
    expect(took < 10, f"20000 records took {took:.1f} s of the host's processor time")
    text = box.ctl("metrics").stdout
    line = next(x for x in text.splitlines() if x.startswith('orbital_log_dropped_total{service="acme-probe"}'))
    expect(float(line.split()[1]) > 1000, line)
    expect(box.service("config")["pid"] != 0 and s, "config is gone")


def config_killed(box):
    box.ctl("config", "set", "acme-probe", "greeting", "kept")
    box.ctl("config", "commit")
    pid = box.service("config")["pid"]
    os.kill(pid, signal.SIGKILL)
    box.until(10, lambda: running(box, "config", pid), "config runs again")
    expect(box.json("config", "show", "acme-probe", "greeting") == "kept", "the value is lost")
    box.ctl("config", "set", "acme-probe", "greeting", "after")
    box.ctl("config", "commit")
    expect(box.call("acme-probe", "status")["greeting"] == "after", "a commit after the restart did not reach the service")


def no_descriptor_is_lost(box):
    def fds():
        return len(os.listdir(f"/proc/{box.daemon.pid}/fd"))
    box.until(10, lambda: running(box, "acme-probe"), "runs")
    before = min(fds() for _ in range(50))  # a client's connection that is just closing counts not
    for _ in range(12):
        box.ctl("service", "start", "acme-probe")
        s = box.until(10, lambda: running(box, "acme-probe"), "runs")
        box.call("acme-probe", "crash", {"how": "exit"}, ok=False)
        box.until(10, lambda p=s["pid"]: running(box, "acme-probe", p), "again")
        restart(box)  # forgives the failures so far
    box.until(5, lambda: fds() <= before, f"{before} descriptors before, {fds()} after")


def stopped_host_does_not_kill(box):
    pids = {n: box.service(n)["pid"] for n in ("config", "interfaces", "routing")}
    box.daemon.send_signal(signal.SIGSTOP)
    time.sleep(8)  # longer than every ping deadline: the pause itself is what is tested
    box.daemon.send_signal(signal.SIGCONT)
    box.until(10, lambda: box.json("show", "boot"), "answers")
    time.sleep(2.5)  # two more ping rounds
    for n, pid in pids.items():
        expect(box.service(n)["pid"] == pid, f"{n} was restarted")


def second_daemon(box):
    done = run(*box.command(), check=False)
    expect(done.returncode == 1 and "another orbitald uses" in done.stderr, f"{done.returncode} {done.stderr}")


def same_instance_name(box):
    """Two daemons, one --instance: neither touches the other's workers."""
    with Appliance(build, "twin") as twin:
        twin.instance = box.instance
        twin.start()
        mine = {n: box.service(n)["pid"] for n in ("config", "interfaces")}
        pid = twin.service("config")["pid"]
        os.kill(pid, signal.SIGKILL)
        twin.until(10, lambda: running(twin, "config", pid), "the twin's config runs again")
        twin.kill(signal.SIGTERM)
        for n, p in mine.items():
            expect(box.service(n)["pid"] == p, f"{n} of the first daemon was touched")


def killed_host(box):
    workers = workers_of(box)
    expect(len(workers) >= 4, f"only {workers}")
    box.daemon.kill()
    box.daemon.wait()

    def gone():
        for w in workers:
            try:
                if open(f"/proc/{w}/stat").read().rsplit(")", 1)[1].split()[0] not in "ZX":
                    return False
            except (FileNotFoundError, ProcessLookupError):
                pass
        return True
    box.until(5, gone, "workers end with the host")
    box.start()
    expect(box.json("config", "show", "acme-probe", "greeting") == "after", "the configuration is lost")


def cgroup_of(pid):
    """The version 2 cgroup a process is in, as a directory; None where there is none."""
    with open("/proc/self/mountinfo") as f:
        mounts = [line.split()[4] for line in f if " - cgroup2 " in line]
    with open(f"/proc/{pid}/cgroup") as f:
        paths = [line.strip()[3:] for line in f if line.startswith("0::")]
    return f"{mounts[0]}{paths[0]}" if mounts and paths else None


def cgroups_after_kill(box):
    """A host that is killed leaves its workers' cgroups; the next start takes them over."""
    before = cgroup_of(workers_of(box)[0])
    parent = os.path.dirname(before) if before else None
    stale = f"{parent}/stale" if parent else None
    box.kill(signal.SIGKILL)
    if stale:
        os.mkdir(stale)  # of a service that has ended by now
    box.start()
    if not stale:
        return
    expect(not os.path.exists(stale), f"{stale} is left")
    expect(all(os.path.dirname(cgroup_of(w)) == parent for w in workers_of(box)), "other cgroups")


def clean_stop(box):
    workers = workers_of(box)
    cgroups = os.path.dirname(cgroup_of(workers[0]) or "")
    code = box.kill(signal.SIGTERM)
    expect(code == 0, f"exit status {code}")
    text = box.log_text()
    stops = [line for line in text.splitlines() if '"to":"Disabled"' in line]
    # others end between these four, in any order
    names = [n for line in stops for n in ("acme-probe", "routing", "interfaces", "config") if f'"{n}"' in line][-4:]
    expect(names.index("config") == 3, f"config was not the last to stop: {names}")
    expect(names.index("routing") < names.index("interfaces"), f"order {names}")
    for w in workers:
        expect(not os.path.exists(f"/proc/{w}"), f"worker {w} is left")
    expect("handles-left" not in text, "the loop had handles left")
    if cgroups:
        expect(os.path.basename(cgroups).startswith("orbital-"), f"workers were in {cgroups}")
        expect(not os.path.exists(cgroups), f"{cgroups} is left")


with Appliance(build, "host") as box:
    path = f"{box.dir}/notify"
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(path)
    notify.settimeout(20)
    try:
        box.start(env={"NOTIFY_SOCKET": path})
    except Failed:
        print("Bail out! the daemon does not start")
        print("#", box.log_text().replace("\n", "\n# "))
        raise

    def told_systemd():
        while b"READY=1" not in notify.recv(4096):
            pass
    tap.test("systemd is told when the appliance is operational", told_systemd)
    tap.test("a third-party service runs once enabled and granted", enable_probe, box)

    def attested():
        for name in ("config", "interfaces", "routing", "acme-probe"):
            report = box.json("service", "show", name, "sandbox")
            expect(report["attested"], f"{name}: {report}")
        plan = box.json("service", "show", "acme-probe", "sandbox")["plan"]
        expect(plan["uid"] != 0, f"{plan}")
    tap.test("every worker is attested as confined", attested)
    tap.test("a second daemon on the same state is refused", second_daemon, box)
    tap.test("a daemon of the same instance name leaves the other's workers alone", same_instance_name, box)
    tap.test("a segmentation fault is restarted and reported", crash, box, "segv",
             lambda r: r["signaled"] and r["status"] == signal.SIGSEGV and r["fault-untrusted"])
    tap.test("so is an abort", crash, box, "abort", lambda r: r["status"] in (134, signal.SIGABRT))
    tap.test("so is an exit", crash, box, "exit", lambda r: not r["signaled"] and r["status"] == 42)
    tap.test("so is a stack overflow", crash, box, "stack-overflow", lambda r: r["status"] in (signal.SIGSEGV, signal.SIGBUS))
    tap.test("a service that hangs is killed and started again, with the reason", hang, box)
    tap.test("one that keeps crashing is opened by the breaker, alone", breaker, box)
    tap.test("threads of a package reach its loop", threads, box)
    tap.test("a flood of logs is dropped, counted, and hurts no other service", flood, box)
    tap.test("the config service killed loses nothing and continues", config_killed, box)
    tap.test("crashes cost no descriptor of the host", no_descriptor_is_lost, box)
    tap.test("a host that was stopped for a while kills no worker", stopped_host_does_not_kill, box)
    tap.test("the host killed takes its workers along and comes back with the configuration", killed_host, box)
    tap.test("cgroups of a killed host are taken over", cgroups_after_kill, box)
    tap.test("SIGTERM stops services in reverse order and leaves nothing", clean_stop, box)
tap.end()
