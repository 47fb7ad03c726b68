#!/usr/bin/env python3
"""What a package or a local user takes that belongs to all: the API's port, the disk. Each attempt has a
control that shows that the same way is open where it may be."""
import os
import shutil
import signal
import subprocess
import sys
import threading

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "..", "lib")]
from appliance import Appliance, expect  # noqa: E402
from lab import attempt, build, conclude, no_win, start, stop, tap, words_of  # noqa: E402
from packages import manifest, package  # noqa: E402
from wire import Client  # noqa: E402

PORT = "net.bind:tcp/127.0.0.1:8080#http"
FILLERS = {"v-state-fill": "MiB in /state", "v-state-removed": "MiB in /state", "v-state-deep": "nested deeper",
           "v-state-early": "MiB in /state", "v-state-leaderless": "MiB in /state",
           "v-state-moved": "MiB in /state"}
GRANTS = {"v-thief": [PORT], **{name: ["fs.state"] for name in (*FILLERS, "v-state-files", "v-state-mapped")}}
for name in GRANTS:  # without its own part of the configuration a package ends at once, whatever it did until then
    GRANTS[name].append(f"config.read:/{name}")

# A user without privileges that tries to bind the port, by every way to bind it; each line: what it got.
THIEF = """
import os, socket, sys, time
os.setgid(65534); os.setuid(65534)
IPPROTO_MPTCP, TCP, LO = 262, 0, b"lo"
def bind(family, address, only, protocol, options, device):
    with socket.socket(family, socket.SOCK_STREAM, protocol) as s:
        for o in options: s.setsockopt(socket.SOL_SOCKET, o, 1)
        if device: s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
        if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        s.bind((address, 8080)); s.listen(1)
# A name such as localhost has more than one address: all those count.
ADDRESSES = ((socket.AF_INET, "127.0.0.1", 0), (socket.AF_INET, "0.0.0.0", 0), (socket.AF_INET6, "::", 0), (socket.AF_INET6, "::", 1),
             (socket.AF_INET6, "::1", 1), (socket.AF_INET6, "::ffff:127.0.0.1", 0), (socket.AF_INET6, "::ffff:0.0.0.0", 0))
OPTIONS = ((), (socket.SO_REUSEADDR,), (socket.SO_REUSEPORT,), (socket.SO_REUSEADDR, socket.SO_REUSEPORT))
WAYS = [(*a, p, o, d) for a in ADDRESSES for p in (TCP, IPPROTO_MPTCP) for o in OPTIONS for d in (None, LO)]
print("trying", flush=True)
while True:
    for way in WAYS:
        try: bind(*way); print("got", *way, flush=True)
        except OSError: pass
"""


class Thief:
    """Tries while a with-block runs; got: what it was given."""

    def __init__(self, box):
        self.box, self.got, self.trying = box, [], threading.Event()

    def __enter__(self):
        self.process = subprocess.Popen(self.box.inside(sys.executable, "-c", THIEF), stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        expect(self.trying.wait(60), "the thief does not begin")
        return self

    def read(self):
        for line in self.process.stdout:
            if line.startswith("got"):
                self.got.append(line.strip())
            self.trying.set()

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.reader.join()


def curl(box, seconds, name="127.0.0.1"):
    return subprocess.run(box.inside("curl", "-s", "-m", str(seconds), f"http://{name}:8080/healthz"), capture_output=True, text=True).stdout


def healthy(box):
    box.until(15, lambda: box.service("api")["state"] == "Running" and "ok" in curl(box, 5), "the API answers")


def port_of_a_restart(box):
    healthy(box)
    expect("ok" in curl(box, 5, "localhost"), "who asks for localhost is not answered")
    with Thief(box) as thief:
        for _ in range(3):
            pid = box.service("api")["pid"]
            os.kill(pid, signal.SIGKILL)
            box.until(10, lambda: box.service("api")["pid"] not in (0, pid), "another worker")
            box.ctl("service", "restart", "api")
            healthy(box)
        box.ctl("service", "stop", "api")
        box.until(10, lambda: box.service("api")["pid"] == 0, "the API has ended")
        # A client that comes meanwhile waits and is answered.
        waiting = subprocess.Popen(box.inside("curl", "-s", "-m", "30", "http://127.0.0.1:8080/healthz"), stdout=subprocess.PIPE, text=True)
        box.until(10, lambda: subprocess.run(box.inside("ss", "-Htn", "state", "established", "dport = :8080"),
                                             capture_output=True, text=True).stdout.strip(), "a client waits")
        box.ctl("service", "start", "api")
        expect("ok" in waiting.communicate(timeout=40)[0], "who came meanwhile got no answer")
        healthy(box)
    expect(not thief.got, f"a local user got the port: {thief.got[:3]}")


def port_of_a_package(box):
    start(box, "v-thief")
    reason = box.until(10, lambda: (lambda s: s["reason"] if "8080" in s["reason"] else "")(box.service("v-thief")), "a reason")
    expect("held for api" in reason, f"it reports: {reason}")
    expect(box.service("v-thief")["pid"] == 0, "the package runs")
    healthy(box)
    box.ctl("service", "stop", "api")
    box.until(10, lambda: box.service("api")["pid"] == 0, "the API has ended")
    box.ctl("service", "restart", "v-thief", ok=False)
    box.until(10, lambda: box.service("v-thief")["state"] in ("Restarting", "Failed"), "it is refused again")
    expect(box.service("v-thief")["pid"] == 0, "the package has the port of the stopped API")
    box.ctl("service", "start", "api")
    healthy(box)


def unheld_port(box):
    """Control: where the configuration disables the API the port is given to who is granted it."""
    box.ctl("config", "set", "services", "api", "enabled", "false")
    box.ctl("config", "commit")
    box.until(20, lambda: box.service("v-thief")["pid"] != 0, "the package has it now")
    box.ctl("config", "set", "services", "v-thief", "enabled", "false")
    box.ctl("config", "commit")
    box.until(20, lambda: box.service("v-thief")["pid"] == 0, "the package has ended")
    with Thief(box) as thief:
        box.until(10, lambda: thief.got, "the thief gets a free port")
    box.ctl("config", "set", "services", "api", "enabled", "true")
    box.ctl("config", "commit")
    healthy(box)


def used_mib(path):
    return int(subprocess.run(["du", "-sm", path], capture_output=True, text=True).stdout.split()[0])


def fills_the_disk(box, name, why):
    """It is ended, not started again while it is over, and what it took is bounded."""
    where = f"{box.dir}/state/services/{name}"
    start(box, name)
    report = box.until(20, lambda: box.json("service", "show", name, "crashes")["crashes"][:1], "it is ended")[0]
    expect(why in report["ended-because"], f"it ended because: {report['ended-because']}")
    expect("service.state-over-limit" in box.log_text(), "nothing is reported about it")
    if name in ("v-state-fill", "v-state-deep"):  # what others hold ends with them
        box.until(10, lambda: why in box.service(name)["reason"] and box.service(name)["pid"] == 0, "it is not started again")
    expect(used_mib(where) < 2048, f"it has {used_mib(where)} MiB")
    box.ctl("service", "stop", name)
    box.until(10, lambda: box.service(name)["pid"] == 0, "it has ended")
    expect(not any("attack succeeded" in line for line in box.log_text().splitlines()), "it took room without writing")
    shutil.rmtree(where)


def maps_nothing(box):
    """A removed file would live on in a mapping, where no count finds it in every container."""
    start(box, "v-state-mapped")
    box.until(20, lambda: any("mapp" in w and "begins" not in w for w in words_of(box, "v-state-mapped")), "it tried")
    no_win(box, "v-state-mapped")
    box.ctl("service", "stop", "v-state-mapped")
    box.until(10, lambda: box.service("v-state-mapped")["pid"] == 0, "it has ended")


def stays_below(box):
    """Control: one that is below its limit runs on."""
    start(box, "v-state-files")
    box.until(30, lambda: "made 30000 files" in box.log_text(), "it made its files")
    box.until(5, lambda: box.service("v-state-files")["state"] == "Running", "it runs")
    pid = box.service("v-state-files")["pid"]

    def letter():
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0]
    box.until(20, lambda: any(letter() == "T" for _ in range(500)), "it is stopped while it is counted, now and then")
    box.until(5, lambda: letter() in "SR", "and continues")
    expect(not box.json("service", "show", "v-state-files", "crashes")["crashes"], "it was ended")
    box.ctl("service", "stop", "v-state-files")


# Each grants what a package may ask for at most: together more than one frame.
MANY = {f"w-{i:02}": [f"config.read:/w/{'x' * 90}-{j:02}" for j in range(64)] for i in range(36)}


def more_than_a_frame(box):
    """/services is applied however long it is."""
    c = Client(f"{box.dir}/run/control.sock", timeout=60)
    names = sorted(MANY)
    for i in range(0, len(names), 8):
        c.call("config@1", "edit", {"ops": [{"op": "set", "path": f"/services/{n}", "value": {"grants": MANY[n], "enabled": False}}
                                            for n in names[i:i + 8]]})
    c.call("config@1", "commit")
    c.close()
    for enabled in (True, False):
        (start if enabled else stop)(box, names[-1])
        box.until(10, lambda: (box.service(names[-1])["pid"] != 0) == enabled, f"{names[-1]} follows enabled {enabled}")
    expect("not in force" not in box.ctl("show", "health", ok=False).stdout, "health reports it is not read")


def main(root):
    for name, caps in MANY.items():
        package(root, name, "agent", mani=manifest(name, capabilities=caps))
    for name, caps in GRANTS.items():
        package(root, name, name[2:].replace("-", "_"), mani=manifest(name, capabilities=caps, restart={
            "backoff-ms": 200, "backoff-max-ms": 400, "breaker": {"failures": 32, "window-s": 10, "cooldown-s": 1}}))
    with Appliance(build, "limits", packages=[root]) as box:
        box.start()
        c = Client(f"{box.dir}/run/control.sock")
        c.call("config@1", "edit", {"ops": [{"op": "set", "path": f"/services/{n}", "value": {"grants": g, "enabled": False}}
                                            for n, g in GRANTS.items()]})
        c.call("config@1", "commit")
        c.close()
        tap.test("control: the API answers", healthy, box)
        attempt("a local user takes the API's port while it restarts", port_of_a_restart, box)
        attempt("a package takes the API's port", port_of_a_package, box)
        for name, why in FILLERS.items():
            attempt(f"a package takes the disk: {name}", fills_the_disk, box, name, why)
        attempt("a package holds removed files by mapping them", maps_nothing, box)
        tap.test("control: who stays below the limit runs on", stays_below, box)
        attempt("packages are granted more than one frame holds", more_than_a_frame, box)
        tap.test("control: a port that is not held can be had", unheld_port, box)


conclude("limits", main)
