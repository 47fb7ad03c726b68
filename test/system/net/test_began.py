"""Connections that began while the chains of translation were empty are translated afterwards: with an
inside address none leaves for good. The daemon is stopped meanwhile, so that there is no race to win."""
import contextlib
import itertools
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from closed_lab import CONFIG, Box, Tap, expect, need_root  # noqa: E402

BUILD = sys.argv[1]
POLICY = {**CONFIG, "firewall": {
    **CONFIG["firewall"],
    "rules": {**CONFIG["firewall"]["rules"],
              "20": {"from": "lan", "to": "wan", "protocol": "udp", "action": "accept"},
              "30": {"from": "wan", "to": "lan", "protocol": "udp", "action": "accept"},
              "40": {"from": "wan", "to": "local", "protocol": "udp", "action": "accept"}},
    "nat": {"source": {"10": {"to": "wan"}},
            "destination": {"10": {"from": "wan", "protocol": "udp", "port": "9000",
                                   "translate-to": "10.1.0.2:9001"}}}}}
SEND = """import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", int(sys.argv[3])))
while True:
    try:
        s.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
    except OSError:
        pass
    time.sleep(0.005)
"""
RECEIVE = """import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", int(sys.argv[1])))
print("listening", flush=True)
while True:
    print(s.recvfrom(9)[1][0], flush=True)
"""


@contextlib.contextmanager
def program(ns, text, *args):
    process = subprocess.Popen(["ip", "netns", "exec", ns, sys.executable, "-Sc", text, *args], text=True,
                               stdout=subprocess.PIPE)
    try:
        yield process.stdout
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def received(ns, port):
    """A function that waits for the next datagram there and returns its source."""
    with program(ns, RECEIVE, port) as out:
        expect(out.readline() == "listening\n", "it listens")
        yield lambda: out.readline().strip()


def emptied(box, change, host, target, port, first, then, wanted):
    """host sends to target while change holds; the datagrams arrive at first, later at then."""
    with received(*then) as later, contextlib.ExitStack() as stack:
        early = later if first == then else stack.enter_context(received(*first))
        box.daemon.send_signal(signal.SIGSTOP)
        try:
            for words in change:
                box.nft(*words)
            stack.enter_context(program(f"{box.ns}-{host}", SEND, target, port, str(next(SOURCES))))
            expect(early() != wanted[0] or first != then, "it begins without translation")
        finally:
            box.daemon.send_signal(signal.SIGCONT)
        box.until(5, lambda: "rules-put-back" in box.logged(), "the chains are back")
        box.until(5, lambda: later() == wanted[0], "it is translated")
        for _ in range(50):
            source = later()
            expect(source == wanted[0], f"a datagram from {source} arrives, expected {wanted[0]}")
    expect(box.right(), "all else as before")
    box.seen()


SOURCES = itertools.count(5000)
EMPTY = [("flush", "chain", "inet", "orbital", "{}")], [("insert", "rule", "inet", "orbital", "{}", "accept")]


def chains(name):
    return [[tuple(word.format(name) for word in words) for words in change] for change in EMPTY]


def source(box):
    for change in [*chains("postrouting"), [("flush", "ruleset")]]:
        wan = f"{box.ns}-wan", "7000"
        emptied(box, change, "lan", "192.0.2.1", "7000", wan, wan, ["192.0.2.2"])


def destination(box):
    for change in chains("prerouting"):
        emptied(box, change, "wan", "192.0.2.2", "9000", (box.ns, "9000"), (f"{box.ns}-lan", "9001"),
                ["192.0.2.1"])


def main():
    need_root()
    tap = Tap()
    with Box(BUILD, "began", dataplane=True) as box:
        box.configure(POLICY)
        for name, fn in (("source translation", source), ("destination translation", destination)):
            tap.test(f"connections begun without {name} get it", fn, box)
    tap.end()


main()
