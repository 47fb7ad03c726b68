#!/usr/bin/env python3
"""Runs as root where systemd has booted with Orbital installed (test_boot.py starts it): the unit."""
import grp
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import Failed, Tap, expect, run  # noqa: E402

UNIT = "orbitald.service"
PATIENCE = 4 if sys.argv[1:] == ["run"] else 1  # an emulated machine takes this many times as long
WAIT = ["--wait", str(60 * PATIENCE)]
PACKAGES = "/usr/lib/orbital/packages"
CONFIG = {
    "interfaces": {"lan0": {"addresses": ["10.1.0.1/24"]}, "wan0": {"addresses": ["192.0.2.2/24"]}},
    "routing": {"static": {"0.0.0.0/0": {"next-hops": {"192.0.2.1": {"interface": "wan0"}}}}},
    "firewall": {"zones": {"lan": {"interfaces": ["lan0"]}, "wan": {"interfaces": ["wan0"]}},
                 "default": {"forward": "drop", "input": "accept", "output": "accept"},
                 "rules": {"10": {"from": "lan", "to": "wan", "protocol": "icmp", "action": "accept"},
                           "20": {"from": "lan", "to": "wan", "protocol": "tcp", "action": "accept"}},
                 "nat": {"source": {"10": {"to": "wan"}}}},
}
tap = Tap()


def prop(name):
    return run("systemctl", "show", "--value", "-p", name, UNIT).stdout.strip()


def main_pid():
    return int(prop("MainPID"))


def ctl(*args, stdin=None):
    done = run("orbctl", *args, check=False, input=stdin)
    if done.returncode:
        raise Failed(f"orbctl {' '.join(args)}: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def ctl_json(*args):
    return json.loads(ctl("--json", *args))


def until(seconds, condition, what):
    end, last = time.monotonic() + seconds * PATIENCE, None
    while time.monotonic() < end:
        try:
            if value := condition():
                return value
        except (Failed, OSError, ValueError, KeyError, subprocess.CalledProcessError) as e:
            last = e
        time.sleep(0.05)
    raise Failed(f"not within {seconds * PATIENCE} s: {what}{f' ({last})' if last else ''}")


def operational():
    return ctl_json("show", "boot")["phase"] == "operational"


def services():
    return {s["name"]: s for s in ctl_json("show", "services")["services"]}


def enabled_packages():
    return [n for n in sorted(os.listdir(PACKAGES))
            if json.load(open(f"{PACKAGES}/{n}/manifest.json")).get("enabled", True)]


def cgroup_of(pid):
    return next(line[3:].strip() for line in open(f"/proc/{pid}/cgroup") if line.startswith("0::"))


def journal(*match):
    run("journalctl", "--sync")
    out = run("journalctl", "-o", "json", "--no-pager", *match).stdout
    return [json.loads(line) for line in out.splitlines()]


def start():
    begin = time.monotonic()
    done = run("systemctl", "start", UNIT, check=False)
    if done.returncode:
        raise Failed(done.stderr + run("journalctl", "--no-pager", "-n", "60", "-u", UNIT).stdout)
    print(f"# active after {time.monotonic() - begin:.2f} s")
    expect(prop("ActiveState") == "active", f"{prop('ActiveState')}")
    expect(prop("StatusText") == "ok", f"status {prop('StatusText')!r}")
    expect(operational(), "READY=1 came before the appliance was operational")


def every_service_runs():
    now = services()
    for name in enabled_packages():
        expect(now[name]["state"] == "Running", f"{now[name]}")
        report = ctl_json("service", "show", name, "sandbox")
        expect(report["attested"], f"{name}: {report}")


def confined():
    own = cgroup_of(main_pid()).split(f"/{UNIT}")
    expect(len(own) == 2, f"main process in {own}")
    for name, s in services().items():
        if s["state"] != "Running" or not s["pid"]:
            continue
        found = cgroup_of(s["pid"])
        expect(found.endswith(f"/{UNIT}/orbital-main/{name}"), f"{name} in {found}")
        status = open(f"/proc/{s['pid']}/status").read()
        expect(re.search(r"^Uid:\s+(\d+)", status, re.M)[1] != "0", f"{name} is root")
        expect(re.search(r"^NoNewPrivs:\s+1", status, re.M), f"{name}: no_new_privs is not set")


def hardened():
    status = open(f"/proc/{main_pid()}/status").read()
    held = int(re.search(r"^CapBnd:\s+(\S+)", status, re.M)[1], 16)
    for name, number in (("CAP_SYS_MODULE", 16), ("CAP_SYS_RAWIO", 17), ("CAP_SYS_BOOT", 22), ("CAP_MKNOD", 27)):
        expect(not held >> number & 1, f"the daemon holds {name}")
    expect(re.search(r"^Seccomp:\s+2", status, re.M), "no system call filter")
    mounts = [line.split() for line in open(f"/proc/{main_pid()}/mountinfo")]
    for where, flag in (("/", "ro"), ("/var/lib/orbital", "rw"), ("/run/orbital", "rw"), ("/etc/orbital", "rw")):
        options = [m[5].split(",") for m in mounts if m[4] == where]
        expect(options and flag in options[-1], f"{where} is {options[-1:] or 'no mount of its own'}")


def unit_group():
    return "/sys/fs/cgroup" + cgroup_of(main_pid()).split(f"/{UNIT}")[0] + f"/{UNIT}"


def limits():
    given = open(f"{unit_group()}/cgroup.controllers").read().split()
    if "memory" not in given or "pids" not in given:
        return f"no memory and pids controllers in cgroup v2 here (only {given})"
    for name in enabled_packages():
        group = f"{unit_group()}/orbital-main/{name}"
        for limit in ("memory.max", "pids.max"):
            value = open(f"{group}/{limit}").read().strip()
            expect(value != "max", f"{name} has no {limit}")
    return None


def others_are_refused():
    done = run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "orbctl", "show", "services", check=False)
    expect(done.returncode != 0 and "Permission denied" in done.stderr, f"status {done.returncode}: {done.stderr}")


def commit():
    for a, b in (("lan0", "lan1"), ("wan0", "wan1")):
        run("ip", "link", "add", a, "type", "veth", "peer", "name", b)
        run("ip", "link", "set", b, "up")
    with open("/run/office.json", "w") as f:
        json.dump(CONFIG, f)
    ctl("config", "load", "/run/office.json")
    ctl("config", "commit", "--comment", "office")
    until(10, configured, "addresses and route are in the kernel")
    expect("table" in run("nft", "list", "tables").stdout, "no nftables table")
    expect(open("/proc/sys/net/ipv4/ip_forward").read().strip() == "1", "forwarding is off")


def configured():
    return "10.1.0.1/24" in run("ip", "-br", "addr", "show", "lan0").stdout and \
        run("ip", "route", "show", "default").stdout.startswith("default via 192.0.2.1 dev wan0")


def fast_path():
    status = ctl_json("show", "dataplane")
    modes = {name: port["mode"] for name, port in status["ports"].items()}
    print(f"# ports {modes}, kernel {os.uname().release}")
    pins = os.listdir("/sys/fs/bpf/orbital") if os.path.isdir("/sys/fs/bpf/orbital") else []
    expect(modes == {"lan0": "tcx", "wan0": "tcx"}, f"{status}")
    old = tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2]) < (6, 6)
    expect(all(("clsact" in p.get("reason", "")) == old for p in status["ports"].values()), f"{status}")
    expect(sum(p.startswith("link_") for p in pins) == 2, f"pins {pins}")


SERVER = """import socket
c, _ = socket.create_server(("192.0.2.1", 5000)).accept()
while data := c.recv(100):
    c.sendall(data)
print(c.getpeername()[0])"""
CLIENT = """import socket, time
s = socket.create_connection(("192.0.2.1", 5000), 60)
for i in range(200):
    s.sendall(b"%03d" % i)
    assert s.recv(100) == b"%03d" % i"""


# XDP does not see that a sender leaves the checksum to its card, and sends to a veth whose other end has GRO only.
FEATURES = """import array, fcntl, socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for command, value in ((0x17, 0), (0x2c, 1)):
    data = array.array("B", struct.pack("II", command, value))
    fcntl.ioctl(s, 0x8946, struct.pack("16sP", sys.argv[1].encode(), data.buffer_info()[0]))"""


def hosts():
    for host, link, address, route in (("client", "lan1", "10.1.0.2/24", "default via 10.1.0.1"),
                                       ("server", "wan1", "192.0.2.1/24", "10.1.0.0/24 via 192.0.2.2")):
        run("ip", "netns", "add", host)
        run("ip", "link", "set", link, "netns", host)
        for words in (["addr", "add", address, "dev", link], ["link", "set", link, "up"], ["route", "add", *route.split()]):
            run("ip", "-n", host, *words)
        run("ip", "netns", "exec", host, "python3", "-c", FEATURES, link)
    forwards("tcx")


def forwards(mode):
    """A connection between two hosts behind the ports, by the fast path in this mode, masqueraded."""
    config = {**CONFIG, "interfaces": {n: {**i, "fast-path": mode} for n, i in CONFIG["interfaces"].items()}}
    with open("/run/office.json", "w") as f:
        json.dump(config, f)
    ctl("config", "load", "/run/office.json")
    ctl("config", "commit", "--comment", mode)
    until(20, lambda: {p["mode"] for p in ctl_json("show", "dataplane")["ports"].values()} == {mode}, f"the ports are {mode}")
    server = subprocess.Popen(["ip", "netns", "exec", "server", "python3", "-c", SERVER], stdout=subprocess.PIPE, text=True)
    until(20, lambda: "5000" in run("ip", "netns", "exec", "server", "ss", "-Hltn").stdout, "the server listens")
    until(20, configured, "the route is back")

    def hits():
        return sum(p["hits"] for p in ctl_json("show", "dataplane")["ports"].values())
    before = hits()
    done = run("ip", "netns", "exec", "client", "python3", "-c", CLIENT, check=False)
    expect(done.returncode == 0, f"{done.stderr}")
    peer = server.communicate(timeout=60)[0].strip()
    took = hits() - before
    print(f"# {took} of 600 packets by the fast path, from {peer}")
    expect(peer == "192.0.2.2", f"the server saw {peer}")
    expect(took > 300 if mode != "off" else took == 0, f"{took} packets by the fast path")


def native_journal():
    records = journal("ORBITAL_SERVICE=config")
    expect(records, "no record has the field ORBITAL_SERVICE=config")
    for key in ("ORBITAL_EVENT", "PRIORITY", "MESSAGE"):
        expect(all(key in r for r in records), f"no {key}")
    expect(all(r.get("_SYSTEMD_UNIT") == UNIT for r in records), "records do not belong to the unit")
    events = {r["ORBITAL_EVENT"] for r in journal("ORBITAL_SERVICE=host")}
    expect("host.start" in events, f"events of the host {events}")


def back(pid):
    until(60, lambda: main_pid() not in (0, pid) and prop("StatusText") == "ok" and operational(), "operational again")
    expect(ctl_json("config", "show", "interfaces", "lan0", "addresses") == ["10.1.0.1/24"], "the configuration is lost")
    expect(configured(), "the kernel lost what was configured")
    until(10, lambda: all(services()[n]["state"] == "Running" for n in enabled_packages()), "every service runs again")


def killed():
    pid, restarts = main_pid(), int(prop("NRestarts"))
    workers = [s["pid"] for s in services().values() if s["pid"]]
    begin = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    back(pid)
    print(f"# operational again after {time.monotonic() - begin:.2f} s")
    expect(int(prop("NRestarts")) == restarts + 1, f"{prop('NRestarts')} restarts")
    expect(not [w for w in workers if os.path.exists(f"/proc/{w}")], "workers outlive the daemon")


def starts_counted():
    try:
        return len(open("/run/orbital/starts").read().split())
    except FileNotFoundError:
        return 0


def killed_often():
    """More often than systemd's own limit would let it: it comes back each time, and no call fails."""
    calls, last, kills = [], 0, 0
    while kills < 8 or starts_counted() < 3:
        expect(kills < 30, "so many starts were killed before they got anywhere, and are not counted")
        kills += 1
        had = starts_counted()
        last = until(20, lambda: main_pid() not in (0, last) and main_pid(), "a daemon")
        until(20, lambda: starts_counted() > had or operational(), "its start is counted")
        os.kill(last, signal.SIGKILL)
        calls += kills <= 8 and [subprocess.Popen(["orbctl", *WAIT, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                  for words in (["show", "services"], ["show", "boot"], ["config", "show"])] or []
    bad = [(c.args, err) for c in calls for err in [c.communicate(timeout=90 * PATIENCE)[1]] if c.returncode]
    expect(not bad, f"{len(bad)} of {len(calls)} calls failed: {bad[:2]}")
    until(60, operational, "operational again")
    expect(ctl_json("show", "boot")["safe"], "so many starts that got nowhere are not safe mode")
    run("systemctl", "restart", UNIT)
    expect(not ctl_json("show", "boot")["safe"], "a restart by a user does not end safe mode")
    until(10, lambda: all(services()[n]["state"] == "Running" for n in enabled_packages()), "every service runs again")


def socket_held():
    path = "/run/orbital/control.sock"
    expect(run("systemctl", "show", "--value", "-p", "ActiveState", "orbitald.socket").stdout.strip() == "active", "no orbitald.socket")
    st = os.stat(path)
    expect(st.st_mode & 0o777 == 0o660, f"mode {st.st_mode:o}")
    expect(grp.getgrgid(st.st_gid).gr_name == "orbital", f"group {st.st_gid}")
    run("systemctl", "stop", UNIT)
    expect(os.path.exists(path), "the socket went with the daemon")
    expect(run("orbctl", *WAIT, "show", "services", check=False).returncode == 0, "a call does not wait for the daemon")
    until(60, lambda: prop("StatusText") == "ok" and operational(), "operational again")


def signals():
    pid, restarts = main_pid(), prop("NRestarts")
    for name in ("USR1", "USR2", "ALRM", "HUP", "PIPE", "QUIT", "ABRT", "SEGV", "RTMIN"):
        run("systemctl", "kill", "--kill-who=main", "-s", name, UNIT)
    until(10, operational, "it answers")
    expect(main_pid() == pid and prop("NRestarts") == restarts, "a signal ended the daemon")


def repaired():
    """A program that cannot run, more often than systemd's own limit would let it, then a good one."""
    program = "/usr/sbin/orbitald"
    os.rename(program, program + ".good")
    try:
        with open(program, "w") as f:
            f.write("#!/bin/false\n")
        os.chmod(program, 0o755)
        before = int(prop("NRestarts"))
        os.kill(main_pid(), signal.SIGKILL)
        until(30, lambda: int(prop("NRestarts")) >= before + 7, "seven starts that fail")
    finally:
        os.rename(program + ".good", program)
    until(60, operational, "the good one runs")
    run("systemctl", "restart", UNIT)
    until(60, lambda: prop("StatusText") == "ok", "all is well")


def restarted_under_requests():
    asking = [subprocess.Popen(["bash", "-c", f"for i in {{1..15}}; do orbctl {' '.join(WAIT)} show services >/dev/null || exit; done"],
                               stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for _ in range(2):
        run("systemctl", "restart", UNIT)
    for a in asking:
        err = a.communicate(timeout=120 * PATIENCE)[1]
        expect(a.returncode == 0, f"a call failed over a restart: {err}")


def slow_start():
    """A start that makes progress is not ended by the unit's limit, here 2 s."""
    drop_in = f"/run/systemd/system/{UNIT}.d"
    os.makedirs(drop_in, exist_ok=True)
    with open(f"{drop_in}/slow.conf", "w") as f:
        f.write("[Service]\nTimeoutStartSec=2s\n")
    run("systemctl", "daemon-reload")
    before = int(prop("NRestarts"))
    run("systemctl", "stop", UNIT)
    run("systemctl", "start", "--no-block", UNIT)
    config = until(20, lambda: services()["config"]["pid"], "the config service")
    os.kill(config, signal.SIGSTOP)
    pid = main_pid()
    time.sleep(4)  # the time itself is what is tested
    expect(prop("ActiveState") == "activating" and main_pid() == pid, f"{prop('ActiveState')} after 4 of 2 s")
    os.kill(config, signal.SIGCONT)
    until(60, lambda: prop("ActiveState") == "active", "it is started in the end")
    expect(main_pid() == pid and int(prop("NRestarts")) in (0, before), "it was started again meanwhile")
    os.unlink(f"{drop_in}/slow.conf")
    run("systemctl", "daemon-reload")


def watchdog_fed():
    pid, restarts = main_pid(), prop("NRestarts")
    seconds = int(prop("WatchdogUSec").rstrip("s"))
    time.sleep(seconds + 2)  # the pause itself is what is tested
    expect(main_pid() == pid and prop("NRestarts") == restarts, "systemd restarted a healthy daemon")


def watchdog_bites():
    pid = main_pid()
    os.kill(pid, signal.SIGSTOP)
    until(60, lambda: main_pid() not in (0, pid), "a daemon that does nothing is replaced")
    back(pid)


def reload():
    pid = main_pid()
    run("systemctl", "reload", UNIT)
    until(5, operational, "operational")
    expect(main_pid() == pid, "a reload restarted the daemon")


def nothing_denied():
    text = "\n".join(r.get("MESSAGE") or "" for r in journal("-u", UNIT) if isinstance(r.get("MESSAGE"), str))
    wrong = [line for line in text.splitlines() if re.search(r"Read-only file system|not permitted|Permission denied|handles-left", line)]
    expect(not wrong, f"{wrong[:5]}")


def stop():
    group, workers = unit_group(), [s["pid"] for s in services().values() if s["pid"]]
    begin = time.monotonic()
    run("systemctl", "stop", UNIT)
    took = time.monotonic() - begin
    print(f"# stopped after {took:.2f} s")
    expect(took < 5, f"stopping took {took:.1f} s")
    expect(prop("Result") == "success" and prop("ExecMainStatus") == "0", f"result {prop('Result')} status {prop('ExecMainStatus')}")
    left = [d for d, _, _ in os.walk(group) if open(f"{d}/cgroup.procs").read()] if os.path.isdir(group) else []
    expect(not left, f"processes left in {left}")
    expect(not [w for w in workers if os.path.exists(f"/proc/{w}")], "workers are left")


def at_boot():
    run("systemctl", "enable", UNIT)
    expect(os.path.exists("/etc/systemd/system/multi-user.target.wants/orbitald.service"), "not wanted by multi-user.target")
    expect(os.path.exists("/etc/systemd/system/sockets.target.wants/orbitald.socket"), "the socket is not wanted by sockets.target")


def skippable(name, fn):
    """A test that may find that this machine lacks what it needs, and is then skipped."""
    tap.count += 1
    try:
        why = fn()
    except Exception as e:
        tap.bad += 1
        print(f"not ok {tap.count} - {name}\n# {type(e).__name__}: {e}", flush=True)
        return
    print(f"ok {tap.count} - {name}{f' # SKIP {why}' if why else ''}", flush=True)


tap.test("systemctl start ends when the appliance is operational", start)
tap.test("every service runs, attested, under the unit's hardening", every_service_runs)
tap.test("each worker has a uid and a cgroup of its own below the unit's", confined)
tap.test("the hardening of the unit is in force", hardened)
skippable("its memory and processes are limited by that cgroup", limits)
tap.test("others than root are refused", others_are_refused)
tap.test("a commit reaches the kernel", commit)
tap.test("the fast path is attached, without tcx by clsact", fast_path)
tap.test("it forwards", hosts)
for how in ("xdp", "off", "tcx"):
    tap.test(f"it forwards with the fast path {how}", forwards, how)
tap.test("the journal has the records with native fields", native_journal)
tap.test("the daemon killed is started again and everything is back", killed)
tap.test("a daemon killed again and again is started again, and its callers wait", killed_often)
tap.test("the control socket is systemd's and outlives the daemon", socket_held)
tap.test("no signal but TERM and INT ends the daemon", signals)
tap.test("a program that fails again and again and is then mended runs", repaired)
tap.test("calls wait for a daemon that is restarted", restarted_under_requests)
tap.test("a start that continues outlives TimeoutStartSec", slow_start)
tap.test("the watchdog is fed", watchdog_fed)
tap.test("the watchdog bites a daemon that does nothing", watchdog_bites)
tap.test("a reload keeps the daemon", reload)
tap.test("the hardening denied nothing that was tried", nothing_denied)
tap.test("systemctl stop is quick and leaves no process", stop)
tap.test("the unit can be enabled", at_boot)
if tap.bad:
    print("#", run("journalctl", "--no-pager", "-o", "short-monotonic", "-n", "80").stdout.replace("\n", "\n# "))
tap.end()
