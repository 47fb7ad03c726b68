"""`orbctl firewall test`: what an operator is told about a packet, by the running configuration and by the candidate, and that
the packet, sent, does the same."""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../lib"))
from appliance import Appliance, Tap, expect, need_root  # noqa: E402

BUILD = sys.argv[1]
LAN, WAN = "10.1.0.2", "192.0.2.9"
PACKET = ["--from", "lan", "--source", LAN, "--destination", WAN, "--protocol", "tcp", "--port"]
CONFIG = {
    "interfaces": {"lan0": {"addresses": ["10.1.0.1/24"]}, "wan0": {"addresses": ["192.0.2.1/24"]}},
    "firewall": {"zones": {"lan": {"interfaces": ["lan0"]}, "wan": {"interfaces": ["wan0"]}},
                 "rules": {"10": {"from": "lan", "to": "wan", "protocol": "tcp", "destination-ports": ["80"],
                                  "action": "accept", "description": "web"},
                           "20": {"from": "lan", "to": "wan", "protocol": "tcp", "destination-ports": ["81"],
                                  "action": "drop"}},
                 "nat": {"source": {"5": {"to": "wan", "action": "masquerade"}}}}}


class Box(Appliance):
    def __init__(self):
        super().__init__(BUILD, "packet", dataplane=True)

    def build_up(self):
        self.lan = self.host("lan", "lan0", f"{LAN}/24")
        subprocess.run(["ip", "-n", self.lan, "route", "add", "default", "via", "10.1.0.1"], check=True)
        self.wan = self.host("wan", "wan0", f"{WAN}/24")

    def test(self, *arguments, status=0):
        done = self.ctl("firewall", "test", *arguments, ok=False)
        expect(done.returncode == status, f"firewall test {arguments}: {done.returncode} {done.stdout}{done.stderr}")
        return done.stdout + done.stderr


def the_running_configuration(box):
    shown = box.test(*PACKET, "80")
    for part in ('accept by rule 10 "web" (forward)', "lan0, zone lan", "wan0, zone wan", "to 192.0.2.1, by entry 5 (masquerade)",
                 "decided by   kernel"):
        expect(part in shown, f"{part!r} in {shown}")
    shown = box.test(*PACKET, "81")
    expect(shown.startswith("drop by rule 20 (forward)\n") and "source" not in shown, shown)
    shown = box.test(*PACKET, "82")
    expect(shown.startswith("drop by the default (forward)\n"), shown)
    shown = box.test("--from", "local", "--source", "192.0.2.1", "--destination", WAN, "--protocol", "icmp")
    expect(shown.startswith("accept by the default (output)\n"), shown)


def the_candidate(box):
    running = box.json("firewall", "test", *PACKET, "81")
    expect(box.json("firewall", "test", *PACKET, "81", "--candidate") == running, "an empty candidate gives the same")
    box.ctl("config", "set", "firewall", "rules", "15", json.dumps(
        {"from": "lan", "to": "wan", "protocol": "tcp", "destination-ports": ["81"], "action": "accept", "description": "new"}))
    expect(box.json("firewall", "test", *PACKET, "81") == running, "the running policy is as before")
    shown = box.test(*PACKET, "81", "--candidate")
    expect(shown.startswith('accept by rule 15 "new" (forward)\n'), shown)
    box.ctl("config", "delete", "firewall", "nat", "source", "5")
    shown = box.json("firewall", "test", *PACKET, "81", "--candidate")
    expect("source-nat" not in shown, f"without the entry there is no translation: {shown}")
    box.ctl("config", "set", "firewall", "rules", "16", '{"from": "lam", "action": "drop"}')
    shown = box.test(*PACKET, "81", "--candidate", status=7)
    expect("/firewall/rules/16/from" in shown and "lam" in shown, f"an error of the candidate is shown: {shown}")
    box.ctl("config", "delete", "firewall", "rules", "16")
    shown = box.test("--from", "lam", *PACKET[2:], "81", "--candidate", status=7)
    expect("/question/input/test/from" in shown and 'no interface "lam"; ' in shown and "did you mean lan?" in shown, shown)
    revision = box.json("config", "history")["entries"][0]["revision"]
    box.ctl("config", "commit")
    expect(box.json("config", "history")["entries"][0]["revision"] == revision + 1, "the candidate can still be committed")
    expect(box.test(*PACKET, "81").startswith('accept by rule 15 "new"'), "and then it is as the test had it")


def what_it_refuses(box):
    for arguments, status, part in ((PACKET[2:] + ["80"], 2, "missing option --from"), (PACKET + ["0"], 2, "--port"),
                                    (PACKET + ["80", "--icmp-type", "8"], 3, "icmp-type needs protocol icmp or icmpv6"),
                                    (PACKET + ["80", "--candidat"], 2, "--candidat")):
        shown = box.test(*arguments, status=status)
        expect(part in shown, f"{part!r} in {shown}")


def a_question_needs_a_dry_run(box):
    done = box.ctl("ipc", "call", "config@1", "commit", json.dumps({"question": {"service": "firewall", "input": {}}}), ok=False)
    expect("/question" in done.stderr and "dry-run" in done.stderr, done.stderr)
    done = box.ctl("ipc", "call", "config@1", "commit", json.dumps(
        {"dry-run": True, "question": {"service": "nothing", "input": {}}}), ok=False)
    expect("/question/service" in done.stderr and "nothing" in done.stderr, done.stderr)
    done = box.ctl("ipc", "call", "config@1", "commit", json.dumps(
        {"dry-run": True, "question": {"service": "firewall", "input": {"tset": {}}}}), ok=False)
    expect("/question/input" in done.stderr and "expected" in done.stderr, done.stderr)


SERVE = """
import socket, sys
s = socket.create_server(("0.0.0.0", 80))
print("ready", flush=True)
c = s.accept()[0]
while c.recv(100):
    c.send(b"x")
"""
TALK = """
import socket, sys
s = socket.create_connection((sys.argv[1], 80))
for line in sys.stdin:
    s.send(b"x")
    print(s.recv(100).decode(), flush=True)
"""


def talk(client):
    client.stdin.write("\n")
    client.stdin.flush()
    return client.stdout.readline().strip() == "x"


def the_connections(box):
    server = subprocess.Popen(["ip", "netns", "exec", box.wan, sys.executable, "-Sc", SERVE], stdout=subprocess.PIPE, text=True)
    box.children.append(server)
    expect(server.stdout.readline() == "ready\n", "the server listens")
    client = subprocess.Popen(["ip", "netns", "exec", box.lan, sys.executable, "-Sc", TALK, WAN], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    box.children.append(client)
    expect(talk(client) and talk(client), "a connection")
    shown = box.ctl("show", "firewall", "flows", "--port", "80").stdout.splitlines()
    expect(len(shown) == 2 and shown[1].split()[0] == "tcp", shown)
    for part in (f"{LAN}:", f" -> 192.0.2.1:", f" {WAN}:80 ", " established ", " 10 "):
        expect(part in shown[1], f"{part!r} in {shown}")
    source = int(re.search(f"{LAN}:([0-9]+)", shown[1])[1])
    asked = box.json("firewall", "test", *PACKET, "80", "--source-port", str(source))
    expect(asked["verdict"] == "accept", asked)
    for options, matched in ((["--source", "10.1.0.0/24"], 1), (["--source", "192.0.2.1", "--port", "80"], 1),
                             (["--source", "10.2.0.0/16"], 0), (["--rule", "10"], 1), (["--rule", "11"], 0),
                             (["--rule", "10", "--protocol", "udp"], 0), (["--destination", WAN, "--rule", "10"], 1)):
        found = box.json("show", "firewall", "flows", *options)
        expect(found["matched"] == matched == len(found["flows"]), f"{options}: {found}")
    done = box.ctl("firewall", "flows", "delete", ok=False)
    expect(done.returncode == 2 and "expected source" in done.stderr, f"not all of them by mistake: {done}")
    expect("1 connection deleted" in box.ctl("firewall", "flows", "delete", "--rule", "10").stdout, "it is deleted")
    expect(box.json("show", "firewall", "flows", "--port", "80")["matched"] == 0, "and gone")
    expect(talk(client), "its next packet begins it anew by the rules")
    expect(box.json("show", "firewall", "flows", "--rule", "10")["matched"] == 1, "which accept it")


def a_rule_that_can_never_match(box):
    box.ctl("config", "set", "firewall", "rules", "12", json.dumps(
        {"from": "lan", "to": "wan", "protocol": "tcp", "destination-ports": ["80"], "source": "10.1.0.0/28", "action": "drop"}))
    shown = box.ctl("config", "commit").stdout
    expect("rule 12 can never match: rule 10 before it matches all of its packets" in shown, shown)
    box.ctl("config", "set", "firewall", "rules", "40", '{"from": "wan", "action": "drop"}')
    shown = box.ctl("config", "commit").stdout
    expect("never match" not in shown, f"only what a commit brings is reported: {shown}")


need_root()
tap = Tap()
with Box() as appliance:
    appliance.start()
    appliance.ctl("config", "load", "-", "--replace", stdin=json.dumps(CONFIG))
    appliance.ctl("config", "commit")
    tap.test("a packet by the running configuration", the_running_configuration, appliance)
    tap.test("connections: listed, selected, deleted", the_connections, appliance)
    tap.test("a packet by the candidate", the_candidate, appliance)
    tap.test("a rule that can never match", a_rule_that_can_never_match, appliance)
    tap.test("what it refuses, and how", what_it_refuses, appliance)
    tap.test("a question is for a dry run", a_question_needs_a_dry_run, appliance)
tap.end()
