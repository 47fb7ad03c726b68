#!/usr/bin/env python3
"""orbitald as the first process of a machine that has nothing but its programs: no /proc, no /dev.

The machine is a pid namespace whose root is a tmpfs with /usr, the build and the box bound in."""
import os
import shutil
import signal
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Tap, expect, need_root, run  # noqa: E402

need_root()
build = os.path.realpath(sys.argv[1])
tap = Tap()

# Becomes the first process by exec. $1: the new root, $2: the build, $3: the box.
MACHINE = """set -e; R=$1 B=$2 X=$3; shift 3
mount -t tmpfs tmpfs $R
mkdir -p $R/usr $R$B $R/box $R/tmp $R/old $R/etc
echo ada:x:12345:4321::/:/bin/sh >$R/etc/passwd; echo orbital:x:4321: >$R/etc/group
for d in bin lib lib32 lib64 sbin; do [ ! -L /$d ] || cp -P /$d $R/$d; done
mount --bind /usr $R/usr; mount --bind $B $R$B; mount --bind $X $R/box
cd $R; pivot_root . old; cd /; umask 027
exec "$@"
"""


class Machine(Appliance):
    """box.daemon is unshare(1); box.first is orbitald, as seen from out here."""

    def command(self, *more):
        os.makedirs(f"{self.dir}/root", exist_ok=True)
        daemon = [w.replace(self.dir, "/box") for w in super().command(*more)]
        daemon = daemon[daemon.index("--") + 1:]
        return self.inside("unshare", "--pid", "--fork", "--kill-child", "--mount", "--ipc", "--uts", "sh",
                           "-c", MACHINE, "sh", f"{self.dir}/root", self.build, self.dir, *daemon)

    def start(self, wait=True, env=None):
        daemon = super().start(wait, env)
        self.first = self.until(10, lambda: children(daemon.pid), "a first process")[0]
        return daemon

    def ask_end(self, number):
        """Signals the first process and waits until nothing of the machine is left."""
        pids = [self.first, *descendants(self.first)]
        os.kill(self.first, number)
        self.daemon.wait(60)
        expect(not [p for p in pids if os.path.exists(f"/proc/{p}")], f"of {pids} some are left")
        return self.log_text()

    def kill(self, number=signal.SIGKILL, wait=20):
        return super().kill(signal.SIGKILL, wait)  # takes the machine with it, if it is still there

    def enter(self, script):
        """Runs a shell inside, beside the daemon."""
        return run("nsenter", "-t", self.first, "-p", "-m", "-n", "-r", "--", "/bin/sh", "-c", script).stdout


def children(pid):
    try:
        return [int(p) for p in open(f"/proc/{pid}/task/{pid}/children").read().split()]
    except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        return []


def descendants(pid):
    return [d for c in children(pid) for d in [c, *descendants(c)]]


def state(pid):
    return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]


def zombies(box):
    return [p for p in children(box.first) if state(p) == "Z"]


def operational(box):
    expect(os.path.basename(os.readlink(f"/proc/{box.first}/exe")) == "orbitald", "the first process is another")
    expect("NSpid:" in (t := open(f"/proc/{box.first}/status").read()) and
           [x for x in t.splitlines() if x.startswith("NSpid:")][0].split()[-1] == "1", "it is not pid 1")
    for name in ("config", "interfaces", "routing"):
        s = box.service(name)
        expect(s["state"] == "Running" and s["pid"] > 1, f"{name}: {s}")


def mounted(box):
    seen = {}
    for line in open(f"/proc/{box.first}/mountinfo"):
        front, back = line.split(" - ")
        seen[front.split()[4]] = back.split()[0]
    for at, kind in {"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs", "/run": "tmpfs",
                     "/sys/fs/bpf": "bpf", "/sys/fs/cgroup": "cgroup2"}.items():
        expect(seen.get(at) == kind, f"{at}: {seen.get(at)}, expected {kind}")
    expect(",UP" in run(*box.inside("ip", "link", "show", "lo")).stdout, "lo is down")


def serves_its_group(box):
    """Whatever the first process was given as umask: users in the group orbital are served, others are not."""
    def asks(group):
        return subprocess.run([f"{box.dir}/orbctl", "show", "services"], user=12345, group=group, extra_groups=[],
                              capture_output=True, text=True, env={"ORBITAL_SOCKET": f"{box.dir}/run/control.sock"})
    shutil.copy(f"{build}/orbctl", f"{box.dir}/orbctl")
    found = os.stat(f"{box.dir}/run/control.sock")
    expect((found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 4321, 0o660), f"the socket: {found}")
    expect(stat.S_IMODE(os.stat(f"{box.dir}/run").st_mode) == 0o755, f"its directory: {os.stat(f'{box.dir}/run')}")
    served = asks(4321)
    expect(served.returncode == 0 and "routing" in served.stdout, f"one of the group is not served: {served.stderr}")
    refused = asks(4322)
    expect(refused.returncode != 0 and not refused.stdout, f"one of another group is served: {refused.stdout}")


def orphans_are_reaped(box):
    workers = set(children(box.first))
    box.enter("for i in $(seq 20); do ( sleep 1000 >/dev/null 2>&1 & ) ; done")
    left = box.until(5, lambda: (n := set(children(box.first)) - workers) and len(n) == 20 and n, "20 orphans are ours")
    for pid in left:
        os.kill(pid, signal.SIGTERM)
    box.until(10, lambda: not left & set(children(box.first)), "they are reaped")
    expect(box.log_text().count("init.orphan") >= 20, "no word of them in the log")
    expect(set(children(box.first)) == workers, "a worker is gone, or a process came")


def running(box, not_pid):
    s = box.service("routing")
    return s["state"] == "Running" and s["pid"] != not_pid and s


def crashes_are_reported(box):
    """While orphans end all the time, each end of a worker must reach its supervisor as it was."""
    busy = subprocess.Popen(["nsenter", "-t", str(box.first), "-p", "-m", "-r", "--", "/bin/sh", "-c",
                             "while :; do ( ( exit 3 ) & ( exit 4 ) & ); sleep 0.01; done"])
    try:
        for number in (signal.SIGKILL, signal.SIGABRT, signal.SIGKILL):
            before = box.service("routing")
            seen = len(box.json("service", "show", "routing", "crashes")["crashes"])
            pid = next(p for p in children(box.first) if inner(p) == before["pid"])
            orphans = box.log_text().count("init.orphan")
            box.until(10, lambda n=orphans: box.log_text().count("init.orphan") > n + 3, "orphans come and go")
            os.kill(pid, number)
            after = box.until(20, lambda p=before["pid"]: running(box, p), "routing runs again")
            reports = box.json("service", "show", "routing", "crashes")["crashes"]
            expect(len(reports) == seen + 1, f"{len(reports)} reports after {seen}")
            r = reports[-1]
            how = number if r["signaled"] else 128 + number  # the worker's own handler records a fault
            expect(r["pid"] == before["pid"] and r["status"] == how, f"{r}")
            box.ctl("service", "restart", "routing")  # forgives the failures so far
            box.until(10, lambda p=after["pid"]: running(box, p), "restarted")
    finally:
        busy.kill()
        busy.wait()
    box.until(10, lambda: not zombies(box), "no zombie is left")


def inner(pid):
    """The pid of a worker in its host's namespace, where the host is PID 1; in its own it is 1, too."""
    line = next(x for x in open(f"/proc/{pid}/status") if x.startswith("NSpid:")).split()
    return int(line[2])


def ends(box, number, word):
    text = box.ask_end(number)
    expect("host.stopped" in text, "the services were not stopped first")
    expect(text.rstrip().endswith(f"orbitald: {word}"), f"last words: {text[-200:]}")


def restart_asked():
    with Machine(build, "initr") as box:
        box.start()
        ends(box, signal.SIGINT, "restart")


def error_stays_readable():
    with Machine(build, "inite") as box:
        box.instance = "Not A Name"
        begin = time.monotonic()
        box.start(wait=False)
        box.until(5, lambda: "cannot continue" in box.log_text(), "it reports it")
        box.daemon.wait(60)
        expect(time.monotonic() - begin >= 9, "it left at once")
        text = box.log_text()
        expect("--instance: expected" in text and text.rstrip().endswith("orbitald: power off"), text)


# $1: where the mounts are listed before and after; all in mounts of this test's own.
SHARED = """X=$1; shift
mount --make-rprivate /
cat /proc/self/mountinfo >$X/before
unshare --pid --fork --kill-child "$@" >$X/log 2>&1 &
until grep -q host.start $X/log; do kill -0 $! || break; read -t 0.05 _ <>$X/never; done
cat /proc/self/mountinfo >$X/after
kill -9 $!
wait
"""


def mounts_of_others_stay():
    """First in a process namespace, with the mounts of who started it."""
    with Appliance(build, "inits") as box:
        os.mkfifo(f"{box.dir}/never")
        run(*box.inside("unshare", "--mount", "bash", "-c", SHARED, "sh", box.dir,
                        *box.command()[len(box.inside()):]), check=False)
        text = open(f"{box.dir}/log").read()
        expect("host.start" in text, f"it did not start: {text[-300:]}")
        before, after = (sorted(open(f"{box.dir}/{name}")) for name in ("before", "after"))
        expect(before == after, f"others see {[line for line in after if line not in before]}")


tap.test("the mounts of who started it stay as they are", mounts_of_others_stay)
with Machine(build, "init") as box:
    box.start()
    tap.test("the appliance is operational with orbitald as pid 1", operational, box)
    tap.test("what was missing is mounted, loopback is up", mounted, box)
    tap.test("the group orbital is served", serves_its_group, box)
    tap.test("orphans are reaped", orphans_are_reaped, box)
    tap.test("crashes of workers are reported rightly among orphans", crashes_are_reported, box)
    tap.test("SIGTERM stops the services and powers off", ends, box, signal.SIGTERM, "power off")
tap.test("SIGINT restarts the machine", restart_asked)
tap.test("an error at the start stays readable for 10 seconds", error_stays_readable)
tap.end()
