#!/usr/bin/env python3
"""The disk of the running config service fails, or the service dies, at each file call of a commit and
of a snapshot. Then it is killed, started, and accepts another commit. cells.py describes the arguments.

What was refused never runs, what was answered is never lost, and the kernel follows the store."""
import json
import os
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cells  # noqa: E402
from lab import Appliance, expect, need_root, run, wrap  # noqa: E402

CALLS = ["pwrite64", "write", "fdatasync", "fsync", "ftruncate64", "rename", "unlink", "open64"]
KINDS = ("kill-before", "kill-after", "kill-half", "eio", "enospc", "half", "eio-on", "enospc-on", "erofs-on")
OLD, NEW, LATER = "10.7.0.1/24", "10.7.0.2/24", "10.7.0.3/24"
MOST_CALLS = 60
SNAPSHOT_AFTER = 50  # commits


class Box(Appliance):
    """The config service and interfaces, nothing else."""

    def __init__(self, name, state=None):
        super().__init__(build, name, links=[("lan0", "far0")])
        self.template = state

    def __enter__(self):
        super().__enter__()
        try:
            self.fill()
        except BaseException:
            self.__exit__()
            raise
        return self

    def fill(self):
        where = f"{self.dir}/packages"
        for name in ("config", "interfaces"):
            shutil.copytree(f"{self.packages[0]}/{name}", f"{where}/{name}")
        found = wrap(f"{where}/config/lib/config.so", wrapper, CALLS)
        expect(set(found) == set(CALLS), f"of {CALLS} the config service makes only {found}")
        os.chmod(where, 0o755)
        self.packages = [where]
        if self.template:
            run("cp", "-a", self.template, f"{self.dir}/state")

    def begin(self):
        self.start(wait=False)
        self.until(20, self.settled, "store and kernel agree")

    def put(self, address):
        self.ctl("config", "load", "-", "--replace", stdin=json.dumps(
            {"interfaces": {"lan0": {"addresses": [address], "description": f"here is {address}"}}}))

    def commit(self, address, comment=""):
        self.put(address)
        return self.ctl("config", "commit", "--comment", comment, ok=False)

    def stored(self):
        value = self.call("config", "get", {"path": ""})["value"]
        return value["interfaces"]["lan0"]["addresses"][0] if value else ""

    def settled(self):
        """The address of the store, once the kernel has it as well."""
        if any(s["state"] != "Running" for s in self.json("show", "services")["services"]):
            return None
        stored = self.stored()
        link = json.loads(run(*self.inside("ip", "-j", "addr", "show", "lan0")).stdout)[0]
        there = [f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["family"] == "inet"]
        return (stored or "nothing") if there == ([stored] if stored else []) else None

    def again(self):
        """Kills the config service. Returns what runs then."""
        old = self.service("config")["pid"]
        os.kill(old, signal.SIGKILL)
        self.until(20, lambda: self.service("config")["pid"] not in (0, old), "config is started again")
        return self.until(20, self.settled, "store and kernel agree")

    def logged(self, begin, *events):
        return any(event in self.log_text()[begin:] for event in events)

    def is_written(self, name):
        return any(f.startswith(name) and f.endswith(".json")
                   for f in os.listdir(f"{self.dir}/state/services/config"))


def try_call(box, what, number, kind):
    """One file call fails. Returns whether there is such a call."""
    begin, pid = len(box.log_text()), box.service("config")["pid"]
    done = box.commit(NEW, f"{what} {number} {kind}")
    if what == "snapshot":
        expect(done.returncode == 0, f"the commit before the snapshot: {done.stderr}")
        box.until(10, lambda: box.logged(begin, "fault.reached", "worker.exited") or box.is_written("snapshot-"),
                  "a snapshot")
    now = box.until(20, box.settled, "store and kernel agree")  # it was called: the snapshot has ended
    died = kind.startswith("kill") and box.service("config")["pid"] != pid
    expect(now in (OLD, NEW), f"{now} runs")
    expect(now == NEW or done.returncode, "a commit that was answered does not run")
    expect(now == OLD or not done.returncode or died, f"refused, and yet it runs: {done.stderr}")
    expect(box.again() == now, f"{now} is gone after a restart")
    box.ctl("config", "discard", ok=False)
    done = box.commit(LATER)
    expect(done.returncode == 0, f"the next commit is refused: {done.stderr}")
    expect(box.again() == LATER, "the next commit is lost")
    return died or box.logged(begin, "fault.reached")


class Cell:
    """All calls of a commit or a snapshot, or each so many, one kind."""

    def __init__(self, what, kind, every=1, first=1):
        self.what, self.kind, self.every, self.first = what, kind, every, first
        self.name = f"{what} {kind}"

    def attempt(self, number):
        tried = 0
        for at in range(self.first, MOST_CALLS, self.every):
            with Box(f"disk{number}", template if self.what == "snapshot" else None) as box:
                box.begin()
                if self.what == "disk":
                    expect(box.commit(OLD).returncode == 0, "the first commit")
                try:
                    if not try_call(box, self.what, at, self.kind):
                        break
                except Exception as e:
                    cells.keep_log(box, f"{self.name} {at}")
                    raise type(e)(f"at call {at}: {e}") from None
            tried += 1
        expect(self.first + tried * self.every > 6, f"only {tried} calls were reached")
        return f"{tried} calls"


def make_template():
    """State in which the next commit is followed by a snapshot."""
    with Box("disk-make") as box:
        box.begin()
        for i in range(1, SNAPSHOT_AFTER):
            expect(box.commit(OLD if i % 2 else LATER).returncode == 0, f"commit {i}")
        expect(not box.is_written("snapshot-"), "a snapshot came too early")
        box.kill(signal.SIGTERM)
        run("cp", "-a", f"{box.dir}/state", template)


need_root()
build, wrapper = sys.argv[1:3]
work = tempfile.mkdtemp(prefix="orbt-disk-template.", dir="/run")
template = f"{work}/state"
every = [Cell(what, kind) for what in ("disk", "snapshot") for kind in KINDS]
some = [Cell("disk", "kill-half", 5, 1), Cell("disk", "kill-after", 4, 3), Cell("disk", "eio", 4, 2),
        Cell("disk", "enospc-on", 4, 4), Cell("snapshot", "kill-after", 5, 2), Cell("snapshot", "erofs-on", 6, 3)]
try:
    make_template()
    cells.main(every, some, lambda session: session.try_next(lambda cell: cell.attempt(session.number)))
finally:
    shutil.rmtree(work, ignore_errors=True)
