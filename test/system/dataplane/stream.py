"""A UDP conversation that continues in the background: a question each 10 ms from a fixed port, every answer noted
with its time. Under test: when it stops, and which host answers."""
import json
import os
import sys
import time

import lab

ANSWERER = """
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    data, peer = s.recvfrom(2000)
    try: s.sendto(f"{sys.argv[3]} {peer[0]}".encode(), peer)
    except OSError: pass
"""
ASKER = """
import json, os
host, port, path, tos = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.01)
if tos: s.setsockopt(41, 67, tos) if ":" in host else s.setsockopt(0, 1, tos)
s.connect((host, port))
count = 0
while True:
    end = time.monotonic() + 0.01
    try: s.send(b"x" * 200)
    except OSError: pass
    while time.monotonic() < end:
        try: reported = s.recv(2000).decode()
        except OSError: continue
        count += 1
        with open(path + ".new", "w") as f: json.dump([time.monotonic(), count, reported], f)
        os.rename(path + ".new", path)
"""


class Stream:
    def __init__(self, the_lab, host, port, tos=0):
        self.lab, self.host = the_lab, host
        self.path = os.path.join(the_lab.directory, f"stream-{host}-{port}-{tos}")
        self.child = the_lab.start(the_lab.client, [
            sys.executable, "-Sc", "import socket, sys, time\n" + ASKER, host, str(port), self.path,
            str(tos)])

    def last(self):
        try:
            with open(self.path) as f:
                return json.load(f)
        except FileNotFoundError:
            return [0.0, 0, ""]

    def flows(self, who="", within=30.0):
        """Waits for answers after now, from a host; the seconds it took, None: none came."""
        begun = time.monotonic()
        while time.monotonic() - begun < within:
            at, _, shown = self.last()
            if at > begun and shown.startswith(who):
                return at - begun
            time.sleep(0.005)
        return None

    def stopped(self, since, quiet=0.25, within=30.0):
        """Waits until nothing came for that long; seconds from since to the last answer, None: it flows on."""
        while time.monotonic() - since < within:
            at = self.last()[0]
            if time.monotonic() - max(at, since) > quiet:
                return max(at - since, 0.0)
            time.sleep(0.01)
        return None

    def assured(self):
        """Conntrack takes it for a stream."""
        lab.check("a conversation", self.flows() is not None)
        self.lab.assure()

    def close(self):
        self.child.kill()
        self.child.wait()


def answer(the_lab, name, host, port, word):
    child = the_lab.start(name, [sys.executable, "-Sc", "import socket, sys\n" + ANSWERER, host,
                                 str(port), word], stdout=-1)
    assert child.stdout.readline() == "ready\n"


def hits(d):
    return sum(p["hits"] for p in d.status()["ports"].values())


def carried(d, count=20, within=30.0):
    """The fast path takes so many packets from now on."""
    end, before = time.monotonic() + within, hits(d)
    while hits(d) - before < count:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
