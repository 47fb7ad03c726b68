#!/usr/bin/env python3
"""Nothing writes to a disk on the host's loop: strace watches the thread of the loop, from its first wait for events to
its last, through a start, a commit, a token, crashes of services, restarts, a reload and a stop. Whatever it makes,
writes, renames, removes or syncs there is a call that waits for a disk, and all clients with it; a thread does that."""
import json
import os
import re
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Tap, expect, need_root  # noqa: E402

need_root()
build = os.path.realpath(sys.argv[1])
tap = Tap()
CALLS = ["openat", "open", "creat", "write", "pwrite64", "writev", "pwritev", "rename", "renameat", "renameat2", "unlink",
         "unlinkat", "rmdir", "mkdir", "mkdirat", "link", "linkat", "symlink", "symlinkat", "ftruncate", "truncate",
         "fallocate", "fsync", "fdatasync", "sync", "syncfs", "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat",
         "utimensat"]
WAIT = re.compile(r"epoll_p?wait")
# No disk is behind these; 2 is what the test gave for the journal.
NO_DISK = re.compile(r'<(?:/proc/|/sys/|/dev/|socket:|pipe:|anon_inode:|UNIX|TCP|UDP|NETLINK|/memfd:)|"/(?:proc|sys|dev)/|^write\(2<')
READS = re.compile(r"^open(?:at)?\(.*\bO_RDONLY\b(?!.*\bO_(?:CREAT|TRUNC)\b)|^openat\(.*\bO_PATH\b")


class Box(Appliance):
    def command(self, *more):
        """-D: the daemon stays the child of the test. Without -f only its first thread, which runs the loop."""
        ours = super().command(*more)
        at = ours.index(f"{self.build}/orbitald")
        trace = "trace=epoll_wait,epoll_pwait," + ",".join(f"?{c}" for c in CALLS)
        return [*ours[:at], "strace", "-D", "-y", "-s", "60", "-o", f"{self.dir}/calls", "-e", trace, *ours[at:]]

    def until_ended(self):
        """strace writes its last line after the daemon has ended."""
        self.until(20, lambda: "+++ exited" in open(f"{self.dir}/calls").read(), "strace has written all")

    def on_loop(self):
        """(calls of the loop that write to files, number of its waits)"""
        lines = open(f"{self.dir}/calls", errors="replace").read().splitlines()
        waits = [i for i, line in enumerate(lines) if WAIT.match(line)]
        between = lines[waits[0]:waits[-1]]
        return [line for line in between if not WAIT.match(line) and not NO_DISK.search(line) and not READS.match(line)
                and not line.startswith(("---", "+++"))], len(waits)


def crash(box, name):
    before = box.service(name)
    os.kill(before["pid"], signal.SIGABRT)
    box.until(20, lambda: box.service(name)["pid"] not in (0, before["pid"]) and
              box.service(name)["state"] == "Running", f"{name} runs again")


def run_all(box):
    box.start()
    box.until(20, lambda: not os.path.exists(f"{box.dir}/run/starts"), "the start counts no longer")
    box.ctl("config", "load", "-", "--replace", stdin=json.dumps({"interfaces": {"lan0": {"addresses": ["10.7.0.1/24"]}}}))
    box.ctl("config", "commit", "--comment", "one")
    box.ctl("token", "create", "anna", "viewer")
    crash(box, "interfaces")
    crash(box, "config")
    box.until(20, box.is_operational, "operational again")
    box.ctl("service", "restart", "routing")
    box.ctl("config", "set", "interfaces", "lan0", "description", "a link")
    box.ctl("config", "commit", "--comment", "two")
    box.ctl("logs", "-n", "20")
    for number in (signal.SIGHUP, signal.SIGUSR1):
        os.kill(box.daemon.pid, number)
    box.until(20, lambda: "log.reopened" in box.log_text(), "the log is opened anew")
    expect(box.kill(signal.SIGTERM, 30) == 0, "the daemon ends")


def loop_writes_nothing():
    with Box(build, "loopdisk", links=[("lan0", "far0")]) as box:
        run_all(box)
        box.until_ended()
        found, waits = box.on_loop()
        expect(waits > 50, f"strace saw the loop wait {waits} times")
        for name in ("run/enforced", "state/crashes", "state/auth/tokens.json"):
            expect(os.path.exists(f"{box.dir}/{name}"), f"{name} was written by whichever thread")
        expect(not found, f"{len(found)} calls on the loop, of which: " + "; ".join(found[:12]))


def a_write_is_noticed():
    """The test of the test: calls as strace writes them."""
    for line in ('unlink("/run/x/starts") = 0', 'fsync(5</var/lib/orbital/x>) = 0', 'write(3</run/x/f>, "1\\n", 2) = 2',
                 'openat(AT_FDCWD</root>, "/run/x/f", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 7</run/x/f>'):
        expect(not NO_DISK.search(line) and not READS.match(line), line)
    for line in ('write(8<socket:[123]>, "x", 1) = 1', 'openat(AT_FDCWD</root>, "/run/x/f", O_RDONLY|O_CLOEXEC) = 7</run/x/f>',
                 'write(9</proc/12/oom_score_adj>, "0", 1) = 1'):
        expect(NO_DISK.search(line) or READS.match(line), line)


if not shutil.which("strace"):
    tap.skip("the loop writes to no disk", "strace is not installed")
else:
    tap.test("calls that wait for a disk are told from others", a_write_is_noticed)
    tap.test("the loop writes to no disk from start to stop", loop_writes_nothing)
tap.end()
