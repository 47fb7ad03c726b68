#!/usr/bin/env python3
"""A commit lasts as long as the services at work say that they go on: beyond the time one may be silent,
up to the time it may take in all. Three appliances side by side."""
import fcntl
import json
import os
import pty
import select
import shutil
import struct
import sys
import termios
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Tap, expect, need_root  # noqa: E402

need_root()
build = sys.argv[1]
tap = Tap()
SILENT_S = 10  # how long a service may be silent in prepare
STEPS = (SILENT_S + 2) * 5


def lay_out(box, deadlines):
    """The shipped packages and test/system/config/work.c, shipped as well."""
    shipped = f"{box.dir}/shipped"
    shutil.copytree(f"{build}/packages", shipped)
    box.packages = [shipped]
    os.makedirs(f"{shipped}/work/lib")
    shutil.copy(f"{build}/test/system/config/work.so", f"{shipped}/work/lib/work.so")
    with open(f"{shipped}/work/manifest.json", "w") as f:
        json.dump({"name": "work", "version": "1.0.0", "description": "prepares slowly", "library": "lib/work.so",
                   "phase": "features", "requires": ["config"], "uses": {"config": "1.0"},
                   "capabilities": ["config.read:/work"], "deadlines": deadlines}, f)
    with open(f"{shipped}/work/schema.json", "w") as f:
        json.dump({"interface": "work", "version": "1.0", "methods": {}, "events": {}, "config": {
            "type": "object", "additionalProperties": False, "properties": {
                "steps": {"type": "integer"}, "silent": {"type": "boolean"}, "shows": {"type": "boolean"}}}}, f)


def commit(name, deadlines, silent):
    """What `orbctl config commit` reported, and the configuration afterwards."""
    with Appliance(build, name) as box:
        lay_out(box, deadlines)
        box.start()
        box.call("config", "edit", {"ops": [{"op": "set", "path": "/work", "value": {"steps": STEPS, "silent": silent}}]})
        done = box.ctl("config", "commit", ok=False)
        return done, box.call("config", "get", {"path": ""})["value"]


class Terminal:
    """`orbctl config commit` in a terminal of its own."""

    def __init__(self, box):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(f"{build}/orbctl", ["orbctl", "config", "commit"],
                      {**os.environ, "ORBITAL_SOCKET": f"{box.dir}/run/control.sock", "TERM": "vt100"})
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))

    def until(self, *wanted):
        """Reads until one of the texts was written, which is returned, and what was before it is forgotten."""
        end = time.monotonic() + 60
        while True:
            for word in wanted:
                if word in self.text:
                    self.text = self.text.split(word, 1)[1]
                    return word
            ready = select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]
            try:
                more = os.read(self.fd, 4096).decode(errors="replace") if ready else ""
            except OSError:  # the other end was closed
                more = ""
            expect(more, f"{wanted} did not come; the terminal has {self.text!r}")
            self.text += more

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def status(self):
        try:
            while os.read(self.fd, 4096):
                pass
        except OSError:
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def in_terminal():
    """A bar, and Ctrl-C: what became of three commits."""
    with Appliance(build, "pr-shows") as box:
        lay_out(box, {})
        box.start()

        def begin(steps):
            box.call("config", "edit", {"ops": [{"op": "set", "path": "/work", "value": {"steps": steps, "shows": True}}]})
            terminal = Terminal(box)
            terminal.until("] ")
            terminal.until("%")
            terminal.until("work: working")
            terminal.until(" s")
            return terminal

        # Thirty seconds, of which as much passes as the questions take: the first two end before.
        terminal = begin(150)
        terminal.type("\x03")
        terminal.until("[w]ait for it, [c]ancel it, or [l]eave")
        terminal.type("c\n")
        terminal.until("canceled by root; nothing was changed")
        canceled = terminal.status()
        tree = box.call("config", "get", {"path": ""})["value"]
        terminal = begin(20)
        terminal.type("\x03")
        terminal.until("[l]eave")
        terminal.type("l\n")
        terminal.until("the commit continues")
        left = terminal.status()
        while box.call("config", "get", {"path": ""})["value"].get("work", {}).get("steps") != 20:
            box.call("config", "history", {"limit": 1})
        terminal = begin(15)
        terminal.type("\x03")
        terminal.until("[l]eave")
        terminal.type("\n")
        terminal.until("revision ")
        return canceled, "work" in tree, left, terminal.status()


COMMITS = {"continues": ({}, False), "silent": ({}, True), "too-long": ({"progress-ms": (SILENT_S + 1) * 1000}, False)}
results = {}


def run_one(name):
    try:
        results[name] = in_terminal() if name == "terminal" else commit("pr-" + name.split("-")[0], *COMMITS[name])
    except Exception as problem:  # pylint: disable=broad-except
        results[name] = problem


threads = [threading.Thread(target=run_one, args=(name,)) for name in list(COMMITS) + ["terminal"]]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()


def result(name):
    if isinstance(results[name], Exception):
        raise results[name]
    return results[name]


def continues():
    done, tree = result("continues")
    expect(done.returncode == 0, f"commit: {done}")
    expect(tree["work"]["steps"] == STEPS, f"stored: {tree}")
    expect("it is being carried out" in done.stderr, f"nothing was reported while it took long: {done.stderr}")


def refused(name, *words):
    done, tree = result(name)
    expect(done.returncode != 0 and "work" not in tree, f"commit: {done}; stored: {tree}")
    for word in words + ("nothing was changed, and work is restarted",):
        expect(word in done.stderr, f"{word!r} is not in {done.stderr!r}")


def terminal_test():
    canceled, changed, left, waited = result("terminal")
    expect(canceled == 6 and not changed, f"canceled: exit status {canceled}, /work was {'' if changed else 'not '}changed")
    expect(left == 130, f"left: exit status {left}")
    expect(waited == 0, f"waited for: exit status {waited}")


tap.test("a terminal has a bar of a commit that takes long, and Ctrl-C cancels it, leaves it, or waits on", terminal_test)
tap.test("a prepare that reports it continues may take longer than its deadline", continues)
tap.test("one that reports nothing ends with its deadline", refused, "silent", f"did not answer prepare within {SILENT_S} s")
tap.test("one that continues for ever ends with its progress-ms", refused, "too-long", "was still at prepare after 11",
         "progress-ms")
tap.end()
