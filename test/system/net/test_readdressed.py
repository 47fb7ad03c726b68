"""A commit gives the uplink another address while masqueraded connections run, with the fast path off, at tcx and at
xdp: nothing leaves with the old address any more, UDP continues with the new one, TCP cannot and is not answered, and
what is not masqueraded loses nothing."""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../lib"))
from appliance import Appliance, Tap, expect, need_root, run  # noqa: E402

BUILD = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(__file__))
TALKS, RUNNING = (os.path.join(HERE, "../dataplane", name) for name in ("talks.py", "running.py"))
SERVER, OLD, NEW, LAN = "192.0.2.1", "192.0.2.2", "192.0.2.7", "10.1.0"
# Reports whenever the server sees another source. Told to end by the end of its standard input it asks 20 times more; it
# ends by itself after a minute without an answer, or two.
FOLLOW = """import select, signal, socket, sys, time
signal.alarm(120)
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM)
s.settimeout(0.2)
s.connect((sys.argv[2], 5000))
left, seen, lost = 20, "", 0
while left and lost < 300:
    left -= bool(select.select([sys.stdin], [], [], 0)[0])
    try:
        s.send(b"x")
        now, lost = s.recv(999).decode().split()[1], 0
    except TimeoutError:
        lost += 1
        continue
    except OSError:
        break
    if now != seen:
        seen = now
        print(seen, flush=True)
    time.sleep(0.005)
print("end", flush=True)
"""


class Box(Appliance):
    def __init__(self):
        super().__init__(BUILD, "readdressed", dataplane=True)

    def build_up(self):
        self.lan, self.wan = self.host("lan", "lan0", f"{LAN}.2/24"), self.host("wan", "wan0", f"{SERVER}/24")
        for space in self.spaces:
            run("nsenter", f"--net=/run/netns/{space}", "ethtool", "-K", "eth0", "tx", "off", "gro", "on")
        run("ip", "-n", self.lan, "route", "add", "default", "via", f"{LAN}.1")
        run("ip", "-n", self.wan, "route", "add", f"{LAN}.0/24", "via", OLD)

    def child(self, space, *command):
        child = subprocess.Popen(["ip", "netns", "exec", space, sys.executable, "-S", *map(str, command)],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.children.append(child)
        return child

    def serve(self):
        expect(self.child(self.wan, TALKS, "serve", 5000, 5001).stdout.readline() == "ready\n", "the server listens")

    def state(self):
        """Of the translations, for who looks for the fault."""
        shown = [run(*self.inside(*words), check=False).stdout for words in (("conntrack", "-L", "-p", "udp"), ("ip", "-4", "addr"))]
        return "\n".join(shown) + json.dumps(self.call("dataplane@1", "status")["ports"])

    def commit(self, mode, address):
        self.ctl("config", "load", "-", "--replace", stdin=json.dumps({
            "interfaces": {"lan0": {"addresses": [f"{LAN}.1/24"], "fast-path": mode},
                           "wan0": {"addresses": [f"{address}/24"], "fast-path": mode}},
            "firewall": {"zones": {"lan": {"interfaces": ["lan0"]}, "wan": {"interfaces": ["wan0"]}},
                         "rules": {"10": {"from": "lan", "to": "wan", "action": "accept"}},
                         "nat": {"source": {"5": {"to": "wan", "protocol": "udp", "destination-ports": 5001, "action": "none"},
                                            "10": {"to": "wan", "action": "masquerade"}}}}}))
        return self.ctl("config", "commit").stdout


def moves(box, mode):
    box.commit(mode, OLD)
    if mode != "off":
        box.until(10, lambda: box.call("dataplane@1", "status")["ports"]["wan0"]["mode"] == mode, f"wan0 is at {mode}")
    follow = {p: box.child(box.lan, "-c", FOLLOW, p, SERVER) for p in ("udp", "tcp")}
    for protocol, child in follow.items():
        first = child.stdout.readline().strip()
        expect(first == OLD, f"{protocol} begins with the old address: {first}")
    hits = (lambda: sum(p["hits"] for p in box.call("dataplane@1", "status")["ports"].values()))
    before = hits()
    if mode != "off":
        box.until(15, lambda: hits() > before + 20, "the fast path carries them")
    box.commit(mode, NEW)
    now = follow["udp"].stdout.readline().strip()
    expect(now == NEW, f"UDP continues with the new address: {now or box.state()}")
    for child in follow.values():
        child.stdin.close()
    reply = {p: child.stdout.read().split() for p, child in follow.items()}
    expect(reply["udp"] == ["end"], f"UDP continues with one address: {reply}")
    expect(reply["tcp"] == ["end"], f"TCP is never answered again, by whatever address: {reply}")


def others(box, mode):
    """The exception: an address of the LAN is not translated; the server's way back does not change here."""
    run("ip", "-n", box.wan, "route", "replace", f"{LAN}.0/24", "via", OLD)
    box.commit(mode, OLD)
    code = ("import select, signal, socket, sys, time\nsignal.alarm(120)\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.settimeout(10)\n"
            "s.connect((sys.argv[1], 5001))\ni, left = 0, 100\nwhile left:\n    i += 1\n"
            "    left -= bool(select.select([sys.stdin], [], [], 0)[0])\n    s.send(b'x')\n    try:\n"
            "        s.recv(99)\n    except OSError:\n        print('lost', i, flush=True)\n"
            "    print('begun', flush=True) if i == 20 else 0\n    time.sleep(0.005)\n")
    child = box.child(box.lan, "-c", code, SERVER)
    expect(child.stdout.readline() == "begun\n", "a conversation that is not translated begins")
    box.ctl("config", "set", "interfaces", "wan0", "addresses", f"{NEW}/24")
    box.ctl("config", "commit")
    child.stdin.close()  # it continues after the commit, for a hundred more
    lost = child.stdout.read()
    expect(not lost, f"an address more costs what is not translated nothing: {lost}")


need_root()
tap = Tap()
with Box() as appliance:
    appliance.start()
    appliance.serve()
    for mode in ("off", "tcx", "xdp"):
        tap.test(f"{mode}: the uplink's address changes under masquerade", moves, appliance, mode)
        tap.test(f"{mode}: what is not masqueraded loses nothing", others, appliance, mode)
tap.end()
