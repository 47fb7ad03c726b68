#!/usr/bin/env python3
"""The names of processes and records for other programs of the machine: process lists and the system's journal show
the host's data, whatever a package writes."""
import array
import ctypes
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "..", "lib")]
from appliance import Appliance, expect, run  # noqa: E402
from lab import attempt, build, conclude, no_win, start, stop, tap, words_of  # noqa: E402
from packages import manifest, package  # noqa: E402

FIELDS = ["MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "ORBITAL_SERVICE", "ORBITAL_EVENT", "ORBITAL_FIELDS"]
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18


def shown(pid):
    """By each way: the arguments, the name."""
    top = subprocess.run(["top", "-b", "-n", "1", "-c", "-w", "400", "-p", str(pid)], capture_output=True, text=True,
                         env={**os.environ, "TERM": "dumb"}).stdout.splitlines()[-1]
    return {"ps": run("ps", "-ww", "-o", "args=", "-p", pid).stdout.strip(), "name": run("ps", "-o", "comm=", "-p", pid).stdout.strip(),
            "top": " ".join(top.split()[11:]), "pgrep": run("pgrep", "-a", "-f", "^/sbin/init splash", check=False).stdout,
            "environment": open(f"/proc/{pid}/environ").read()}


def title(box, name):
    box.ctl("config", "set", "services", name, "grants", f'["config.read:/{name}"]')
    start(box, name)
    box.until(10, lambda: any("written" in w for w in words_of(box, name)), "it wrote over its arguments")
    pid = box.until(10, lambda: box.service(name)["state"] in ("Running", "Starting") and box.service(name)["pid"], "it runs")
    no_win(box, name)
    found = shown(pid)
    title = f"orbitald: {name} --worker"
    expect(found["ps"] == found["top"] == title, f"it is shown as {found}")
    expect(found["name"].startswith("orb:v-title"), f"its name is {found}")
    expect(str(pid) not in found["pgrep"].split() and not found["environment"], f"it is shown as {found}")
    sandbox = box.json("service", "show", name, "sandbox")
    expect(title in str(sandbox), f"attested: {sandbox}")
    stop(box, name)


def unsealed():
    """Control: arguments that a process writes over are shown so."""
    code = ("import ctypes, sys; at = ctypes.c_ulong.in_dll(ctypes.CDLL(None), '__libc_stack_end').value; "
            "argv = ctypes.cast(at + 8, ctypes.POINTER(ctypes.c_void_p)); ctypes.memmove(argv[0], b'/sbin/init splash', 18); "
            "print(flush=True); sys.stdin.read()")
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        found = shown(child.pid)
        child.stdin.close()
    expect(found["ps"].startswith("/sbin/init splash"), f"it is shown as {found}")


# ---- the journal ----

def fields(datagram):
    """A record of journald's native protocol: name, newline, 64-bit length, value, newline."""
    out = []
    while datagram:
        name, rest = datagram.split(b"\n", 1)
        size, = struct.unpack("<Q", rest[:8])
        expect(rest[8 + size:9 + size] == b"\n", f"no end of {name}")
        out.append((name.decode(), rest[8:8 + size].decode()))
        datagram = rest[9 + size:]
    return out


class Journal(threading.Thread):
    """In journald's place; records: (process id of the sender, fields)."""

    def __init__(self):
        super().__init__(daemon=True)
        self.records = []
        self.made = not os.path.exists("/run/systemd")
        os.makedirs("/run/systemd", exist_ok=True)
        libc = ctypes.CDLL(None, use_errno=True)
        expect(libc.unshare(CLONE_NEWNS) == 0 and libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0
               and libc.mount(b"journal", b"/run/systemd", b"tmpfs", 0, None) == 0, "mounts of its own")
        os.mkdir("/run/systemd/journal")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind("/run/systemd/journal/socket")
        self.start()

    def run(self):
        while True:
            data, more, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(12))
            self.records.append((array.array("i", more[0][2])[0], data))

    def close(self):
        ctypes.CDLL(None).umount2(b"/run/systemd", 2)
        if self.made:
            os.rmdir("/run/systemd")


class Journaled(Appliance):
    def command(self, *more):
        return super().command("--log-output", "journal", *more)


def journal(journal, root):
    with Journaled(build, "journal", packages=[root]) as box:
        box.start()
        start(box, "v-log-words")
        box.until(10, lambda: any(b"forged" in data for _, data in journal.records), "its words arrive")
        box.until(10, lambda: any(b"v-log-words: output" in data for _, data in journal.records), "also what it prints")
        stop(box, "v-log-words")
        services = {s["name"] for s in box.call("host@1", "services")["services"]}
        for pid, data in list(journal.records):
            record = fields(data)
            expect([n for n, _ in record] == FIELDS, f"fields {[n for n, _ in record]}")
            record = dict(record)
            expect(pid == box.daemon.pid and record["SYSLOG_IDENTIFIER"] == "orbitald", f"{pid} sent {record}")
            service = record["ORBITAL_SERVICE"]
            expect(service in services | {"host", "audit", "auth", "dataplane"} and record["MESSAGE"].startswith(f"{service}: "), f"{record}")
            expect(not re.search("[\x00-\x1f\x7f-\x9f]", "".join(record.values())), f"control characters in {record}")
            expect(service == "v-log-words" or "forged" not in record["MESSAGE"], f"forged: {record}")
        box.kill(signal.SIGTERM)


def main(root):
    for attack in ("title", "title_early", "log_words"):
        name = "v-" + attack.replace("_", "-")
        package(root, name, attack, mani=manifest(name, capabilities=[f"config.read:/{name}"]))
    log = Journal()
    try:
        tap.test("control: without the sandbox arguments written over are shown", unsealed)
        with Appliance(build, "names", packages=[root]) as box:
            box.start()
            for name in ("v-title", "v-title-early"):
                attempt(f"a worker passes for another program: {name}", title, box, name)
        attempt("a worker's words pass for another's in the journal", journal, log, root)
    finally:
        log.close()


conclude("names", main)
