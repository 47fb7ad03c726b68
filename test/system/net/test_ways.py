"""Policy routes with real packets, by the fast path and without it: two uplinks, and the machine behind
them is the same; the host that answers shows the path of a packet."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../lib"))
from appliance import Appliance, Tap, expect, need_root, run  # noqa: E402

BUILD = sys.argv[1]
SERVER = "198.51.100.10"
ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 9000))
print("listening", flush=True)
while True:
    data, peer = s.recvfrom(64)
    s.sendto(sys.argv[2].encode(), peer)
"""
ASK = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], int(sys.argv[3])))
s.settimeout(3)
for _ in range(int(sys.argv[4])):
    try:
        s.sendto(b"x", (sys.argv[2], 9000))
        print(s.recv(64).decode())
    except OSError:
        print("none")
"""


class Box(Appliance):
    """lan0 is connected to "office" (10.1.0.2 and 10.1.0.200), wan0 and wan1 to providers that both have SERVER."""

    def __init__(self, mode):
        super().__init__(BUILD, f"ways-{mode}", dataplane=True)
        self.mode = mode

    def build_up(self):
        office = self.host("office", "lan0", "10.1.0.2/24")
        run("ip", "-n", office, "addr", "add", "10.1.0.200/24", "dev", "eth0")
        run("ip", "-n", office, "route", "add", "default", "via", "10.1.0.1")
        for name, link, address, back in (("isp0", "wan0", "192.0.2.1/24", "192.0.2.2"),
                                          ("isp1", "wan1", "203.0.113.1/24", "203.0.113.2")):
            self.serve(name, self.host(name, link, address), back)

    def serve(self, name, space, back):
        run("ip", "-n", space, "addr", "add", f"{SERVER}/32", "dev", "lo")
        run("ip", "-n", space, "route", "add", "10.1.0.0/24", "via", back)
        echo = subprocess.Popen(["ip", "netns", "exec", space, sys.executable, "-Sc", ECHO, SERVER, name],
                                stdout=subprocess.PIPE, text=True)
        self.children.append(echo)
        expect(echo.stdout.readline() == "listening\n", f"{name} listens")

    def way(self, source, port, count=5):
        """Who answered, in order."""
        return run("ip", "netns", "exec", f"{self.ns}-office", sys.executable, "-Sc", ASK, source, SERVER,
                   port, count).stdout.split()

    def commit(self, policy):
        link = {"fast-path": self.mode}
        self.ctl("config", "load", "-", "--replace", stdin=json.dumps({
            "interfaces": {"lan0": {**link, "addresses": ["10.1.0.1/24"]},
                           "wan0": {**link, "addresses": ["192.0.2.2/24"]},
                           "wan1": {**link, "addresses": ["203.0.113.2/24"]}},
            "routing": {"static": {"0.0.0.0/0": {"next-hops": {"192.0.2.1": {}}}},
                        "tables": {"guests": {"id": 100, "static": {
                            "0.0.0.0/0": {"next-hops": {"203.0.113.1": {}}}}}}, "policy": policy},
            "firewall": {"zones": {"lan": {"interfaces": ["lan0"]}, "wan": {"interfaces": ["wan0", "wan1"]}},
                         "rules": {"10": {"from": "lan", "to": "wan", "action": "accept"}}}}))
        self.ctl("config", "commit")


def packets_take_the_way_of_their_rule(mode):
    with Box(mode) as box:
        box.start()
        box.commit({"10": {"from": "10.1.0.128/25", "table": "guests"}})
        box.until(10, lambda: box.way("10.1.0.2", 40000, 1) == ["isp0"], "the main table's way works")
        box.until(10, lambda: box.way("10.1.0.200", 40000, 1) == ["isp1"], "the guests' way works")
        # Many of one flow: the fast path has it, and it stays on its way.
        for source, who in (("10.1.0.2", "isp0"), ("10.1.0.200", "isp1")):
            shown = box.way(source, 40001, 60)
            expect(shown == [who] * 60, f"{source}: {shown}")
        # The rules change: so does the next packet of each flow.
        box.commit({"10": {"to": f"{SERVER}/32", "interface": "lan0", "table": "guests"}})
        for source in ("10.1.0.2", "10.1.0.200"):
            box.until(5, lambda: box.way(source, 40001, 1) == ["isp1"], f"{source} takes isp1 now")
            shown = box.way(source, 40001, 20)
            expect(shown == ["isp1"] * 20, f"{source}: {shown}")
        box.commit({"10": {"from": "10.1.0.128/25", "blackhole": True}})
        box.until(5, lambda: box.way("10.1.0.2", 40001, 1) == ["isp0"], "back on the main way")
        expect(box.way("10.1.0.200", 40001, 2) == ["none"] * 2, "the others are dropped")


need_root()
tap = Tap()
for fast in ("off", "tcx", "xdp"):
    tap.test(f"packets take the way of their rule ({fast})", packets_take_the_way_of_their_rule, fast)
tap.end()
