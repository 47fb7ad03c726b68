#!/usr/bin/env python3
"""The datastore of a real appliance rots, is emptied, put back as root, or is on a disk that takes
nothing: what runs, what the kernel keeps, what a user sees and can do."""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Tap, expect, need_root, run  # noqa: E402

need_root()
build = sys.argv[1]
tap = Tap()


class Box(Appliance):
    """With three revisions: three addresses, the newest beside the others."""

    def __init__(self, name):
        super().__init__(build, name, links=[("lan0", "far0")])

    def store(self, name=""):
        return f"{self.dir}/state/services/config/{name}"

    def begin(self):
        self.start()
        for n in (1, 2, 3):
            self.ctl("config", "set", "interfaces", "lan0", "addresses", f"10.9.{n}.1/24")
            self.commit()
        expect(self.addresses() == {"10.9.1.1", "10.9.2.1", "10.9.3.1"}, f"{self.addresses()}")

    def commit(self):
        """Without a data plane the firewall service ends again and again, perhaps in the middle of this."""
        def once():
            done = self.ctl("config", "commit", ok=False)
            if done.returncode and "went away" in done.stderr:
                return False
            expect(done.returncode == 0, f"refused: {done.stderr}")
            return True
        self.until(20, once, "a commit")

    def addresses(self):
        links = json.loads(run(*self.inside("ip", "-j", "addr", "show", "lan0")).stdout)
        return {a["local"] for a in links[0]["addr_info"] if a["family"] == "inet"}

    def begin_again(self):
        self.start(wait=False)
        self.until(20, lambda: self.service("config")["state"] == "Running", "config runs")

    def flip(self, text, *names):
        for name in names:
            data = bytearray(open(self.store(name), "rb").read())
            at = data.find(text)
            expect(at > 0, f"{text} is not in {name}")
            data[at] ^= 1
            open(self.store(name), "wb").write(data)

    def degraded(self):
        return self.service("config").get("degraded") or ""

    def history(self):
        return self.json("config", "history")["entries"]


def one_copy_rots():
    with Box("rot1") as box:
        box.begin()
        box.kill()
        box.flip(b"10.9.1.1", "journal-0")
        box.begin_again()
        box.until(5, box.degraded, "config reports that it is damaged")
        expect("datastore damaged: journal-0" in box.degraded(), box.degraded())
        expect(box.history()[0]["state"] == "damaged", f"{box.history()[0]}")
        expect(box.history()[0]["revision"] == 3, f"{box.history()[0]}")
        expect("nothing was lost" in box.ctl("config", "salvage").stdout, "salvage")
        box.ctl("config", "set", "interfaces", "lan0", "mtu", "1400")
        box.commit()
        box.until(5, lambda: not box.degraded(), "the next commit makes it whole")
        expect(any(e["state"] == "noted" for e in box.history()), "the history remembers")
        expect(os.path.exists(box.store("journal-0.damaged")), "the damaged file is kept")


def both_copies_rot():
    with Box("rot2") as box:
        box.begin()
        box.kill()
        box.flip(b"10.9.3.1", "journal-0", "last-good-0")
        box.begin_again()
        box.until(5, box.degraded, "config reports that it is damaged")
        held = box.json("config", "salvage")
        expect(held["state"] == "held" and held["revision"] == 2 and held["enforced"] == 3, f"{held}")
        expect(box.addresses() == {"10.9.1.1", "10.9.2.1", "10.9.3.1"}, f"the kernel lost {box.addresses()}")
        done = box.ctl("config", "set", "interfaces", "lan0", "mtu", "1400", ok=False)
        done = box.ctl("config", "commit", ok=False)
        expect(done.returncode and "config salvage" in done.stderr, f"a commit was taken: {done}")
        box.ctl("config", "discard")
        # Files that are put back count again, without being accepted.
        pid = box.service("config")["pid"]
        box.flip(b"00.9.3.1", "journal-0", "last-good-0")
        box.ctl("service", "restart", "config")
        box.until(10, lambda: box.service("config")["pid"] not in (0, pid) and not box.degraded()
                  and box.history()[0]["revision"] == 3, "what was put back runs")
        pid = box.service("config")["pid"]
        box.flip(b"10.9.3.1", "journal-0", "last-good-0")
        box.ctl("service", "restart", "config")
        box.until(10, lambda: box.service("config")["pid"] not in (0, pid) and box.degraded(), "damaged again")
        expect("revision 1000" in box.ctl("config", "salvage", "--accept").stdout, "accepted")
        box.until(20, lambda: box.addresses() == {"10.9.1.1", "10.9.2.1"}, "the kernel follows the user")
        box.until(5, lambda: not box.degraded(), "accepted is accepted")
        box.ctl("config", "set", "interfaces", "lan0", "mtu", "1400")
        box.commit()
        expect([e["revision"] for e in box.history()][:2] == [1001, 1000], f"{box.history()}")


def emptied():
    with Box("empty") as box:
        box.begin()
        box.kill()
        shutil.rmtree(box.store())
        box.begin_again()
        box.until(5, box.degraded, "config reports that it is older than the kernel")
        expect("revision 3" in box.degraded(), box.degraded())
        expect(box.addresses() == {"10.9.1.1", "10.9.2.1", "10.9.3.1"}, f"the kernel lost {box.addresses()}")
        # The life of that memory is the kernel's: without it this is a new appliance.
        box.kill()
        os.unlink(f"{box.dir}/run/enforced")
        shutil.rmtree(box.store())
        box.start()
        expect(not box.degraded(), box.degraded())


def events_before_the_configuration():
    """Services that do not have their configuration yet leave what the daemon before put, whatever the kernel
    reports meanwhile."""
    with Box("early") as box:
        box.begin()
        box.ctl("config", "set", "routing", "static", "198.51.100.0/24", "next-hops", "10.9.1.254", "{}")
        box.commit()
        box.kill()
        shutil.move(box.store(), f"{box.dir}/kept")
        monitor = subprocess.Popen(box.inside("ip", "monitor", "link", "address", "route"), stdout=subprocess.PIPE,
                                   text=True)
        try:
            box.begin_again()
            box.until(5, box.degraded, "config holds the tree back")
            box.until(20, lambda: box.service("interfaces")["pid"], "interfaces waits for it")
            for state in ("down", "up"):
                run(*box.inside("ip", "link", "set", "far0", state))
            run(*box.inside("ip", "link", "set", "lo", "down"))  # a look every five seconds puts it up
            up = lambda: "UP" in run(*box.inside("ip", "-br", "link", "show", "lo")).stdout  # noqa: E731
            box.until(20, up, "the loopback is up again")
            shutil.rmtree(box.store())
            shutil.move(f"{box.dir}/kept", box.store().rstrip("/"))
            box.ctl("service", "restart", "config")
            box.until(20, lambda: all(box.service(name)["state"] == "Running" for name in ("interfaces", "routing")),
                      "they have their configuration")
        finally:
            monitor.terminate()
        gone = [line for line in monitor.communicate()[0].splitlines()
                if line.startswith("Deleted") and ("inet 10.9." in line or "198.51.100" in line)]
        expect(not gone, f"{gone}")
        expect(box.addresses() == {"10.9.1.1", "10.9.2.1", "10.9.3.1"}, f"the kernel lost {box.addresses()}")


def copied_back():
    with Box("back") as box:
        box.begin()
        box.kill()
        for name in os.listdir(box.store()):
            os.chown(box.store(name), 0, 0)
            os.chmod(box.store(name), 0o400)
        box.start()
        expect(not box.degraded() and box.history()[0]["revision"] == 3, f"{box.degraded()} {box.history()[0]}")
        box.ctl("config", "set", "interfaces", "lan0", "mtu", "1400")
        box.commit()


def read_only():
    with Box("ro") as box:
        os.mkdir(f"{box.dir}/state")
        run("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", f"{box.dir}/state")
        try:
            box.begin()
            box.kill()
            box.read_only_state()
            box.begin_again()
            expect(box.history()[0]["revision"] == 3, f"{box.history()[0]}")
            box.until(5, lambda: "Read-only file system" in box.degraded(), "config reports why it refuses")
            edit = box.ctl("config", "set", "interfaces", "lan0", "mtu", "1400")
            expect("cannot be saved" in edit.stderr, f"{edit}")
            done = box.ctl("config", "commit", ok=False)
            expect(done.returncode == 10 and "Read-only file system" in done.stderr, f"{done}")
            run("mount", "-o", "remount,rw", f"{box.dir}/state")
            box.commit()
            box.until(10, lambda: not box.degraded(), "it is well again")
            box.kill()
            box.start()
            expect(box.history()[0]["revision"] == 4, f"{box.history()[0]}")
        finally:
            box.kill()
            run("umount", "-l", f"{box.dir}/state", check=False)


def first_not_taken():
    """The first configuration is a FIFO, a directory, no JSON, or does not fit the schemas: an empty appliance is not healthy."""
    for number, (make, word) in enumerate(((os.mkfifo, "no regular file"), (os.mkdir, "no regular file"),
                                           (lambda p: open(p, "w").write("{"), "first configuration"),
                                           (lambda p: open(p, "w").write('{"interfaces": {"lan0": {"mtu": "x"}}}'), "/interfaces/lan0/mtu"))):
        with Box(f"first{number}") as box:
            path, command = f"{box.dir}/first", box.command
            make(path)
            box.command = lambda *more, c=command, p=path: [p if w == "/nonexistent" else w for w in c(*more)]
            box.start()
            told = box.ctl("show", "health", ok=False).stdout
            expect("the first configuration was not taken" in told and word in told, f"{word}: {told}")
            box.ctl("config", "set", "interfaces", "lan0", "mtu", "1400")
            box.ctl("config", "commit")
            box.until(10, lambda: "first configuration" not in box.ctl("show", "health", ok=False).stdout, "a commit ends it")


tap.test("a first configuration that is not taken is reported", first_not_taken)
tap.test("one copy of the journal rots: the newest revision runs, and it is reported", one_copy_rots)
tap.test("both rot: the kernel stays as it is until a user accepts what is left", both_copies_rot)
tap.test("an emptied state directory is not brought over the kernel's state", emptied)
tap.test("before a service has its configuration no event makes it take anything away", events_before_the_configuration)
tap.test("files that root copied back are read", copied_back)
tap.test("a read-only disk at start runs what is stored, and heals without a restart", read_only)
tap.end()
