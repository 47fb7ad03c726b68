"""What a user sees when a commit ends connections: a session of a peer stalls and continues when the commit is not
confirmed, a group's member is removed, a service restarts; the log and the metric have the number."""
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../lib"))
from appliance import Appliance, Tap, expect, need_root  # noqa: E402

BUILD = sys.argv[1]
RUNNING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../dataplane/running.py")
PEER, OWN = "192.0.2.1", "192.0.2.2"
BANNED = {"from": "wan", "to": "local", "source": "@banned", "action": "drop"}


class Box(Appliance):
    """One peer behind wan0, and services of the appliance itself on ports 2201 and 2202."""

    def __init__(self):
        super().__init__(BUILD, "running", dataplane=True)

    def build_up(self):
        self.peer = self.host("peer", "wan0", f"{PEER}/24")

    def begin(self):
        server = subprocess.Popen(self.inside(sys.executable, "-S", RUNNING, "serve", OWN, "2201,2202"),
                                  stdout=subprocess.PIPE, text=True)
        self.children.append(server)
        expect(server.stdout.readline() == "ready\n", "the servers listen")
        client = subprocess.Popen(["ip", "netns", "exec", self.peer, sys.executable, "-S", RUNNING, "talk",
                                   f"{self.dir}/talk"], stdin=subprocess.PIPE, text=True)
        self.children.append(client)
        json.dump({"session": ["tcp", OWN, 2201], "query": ["udp", OWN, 2202]}, client.stdin)
        client.stdin.close()

    def talk(self):
        with open(f"{self.dir}/talk") as f:
            return json.load(f)

    def flows(self, *names):
        since = time.monotonic()
        self.until(15, lambda: all(c["at"] > since and not c["error"] for n, c in self.talk().items()
                                   if n in names), f"{names} go on")

    def stopped(self, *names):
        self.until(10, lambda: all(time.monotonic() - c["at"] > 0.4 for n, c in self.talk().items()
                                   if n in names), f"{names} end")

    def ended(self):
        """By the log, by the metric."""
        shown = re.findall(r'flows-ended \{"flows":(\d+)', self.log_text())
        counted = re.findall(r"^orbital_flows_ended_total\{[^}]*\} (\d+)", self.json("metrics")["text"], re.M)
        return sum(map(int, shown)), sum(map(int, counted))


def a_commit_that_is_not_confirmed(box):
    box.ctl("config", "set", "firewall", "groups", "banned", "addresses", PEER)
    shown = box.ctl("config", "commit", "--confirm", "4").stdout
    expect("ended 2 running connections: 2 refused, 0 translated" in shown, f"the commit reports how many: {shown}")
    box.stopped("session", "query")
    box.flows("session", "query")  # the same connection, after the commit was taken back
    expect(box.ended() == (2, 2), f"two are counted: {box.ended()}")


def services_that_restart(box):
    before = box.talk()
    box.ctl("service", "restart", "firewall")
    box.until(20, lambda: box.service("firewall")["state"] == "Running", "the firewall runs again")
    box.ctl("config", "set", "firewall", "rules", "40", '{"from": "wan", "action": "drop"}')
    shown = box.ctl("config", "commit").stdout
    expect("ended" not in shown, f"a commit that ends nothing reports nothing of it: {shown}")
    box.kill()
    box.start()
    box.flows("session", "query")
    now = box.talk()
    for name, c in now.items():
        expect(c["gaps"] == before[name]["gaps"], f"{name}: {c['gaps'] - before[name]['gaps']} answers are missing")
    expect(box.ended()[1] == 0, "and nothing was ended")


def a_member_joins_a_group(box):
    box.ctl("config", "set", "firewall", "groups", "banned", "addresses", PEER)
    box.ctl("config", "commit")
    box.stopped("session", "query")


need_root()
tap = Tap()
with Box() as appliance:
    appliance.start()
    appliance.ctl("config", "load", "-", "--replace", stdin=json.dumps({
        "interfaces": {"wan0": {"addresses": [f"{OWN}/24"]}},
        "firewall": {"groups": {"banned": {"addresses": ["198.51.100.9"]}}, "zones": {"wan": {"interfaces": ["wan0"]}},
                     "default": {"input": "drop"},
                     "rules": {"10": BANNED, "20": {"from": "wan", "to": "local", "protocol": "tcp_udp",
                                                    "destination-ports": ["2201-2202"], "action": "accept"}}}}))
    appliance.ctl("config", "commit")
    appliance.begin()
    appliance.flows("session", "query")
    tap.test("a commit that is not confirmed: what it ended continues", a_commit_that_is_not_confirmed, appliance)
    tap.test("services and the host restart beside other commits: nothing is lost", services_that_restart, appliance)
    tap.test("a member joins a group: its sessions end", a_member_joins_a_group, appliance)
tap.end()
