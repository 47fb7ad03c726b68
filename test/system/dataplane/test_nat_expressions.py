"""NAT with everything it can match and mean, with real packets: the same at off, tcx and xdp. Ranges of ports
move as a whole, lists keep their ports, exceptions come first, and what is not named is left alone."""
import json
import os
import subprocess
import sys
import time

import lab

lab.need("ip", "nsenter", "ethtool", "nft")
TALKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "talks.py")
L = lab.Lab(sys.argv[1])
L.offload(False)
for net in ("10.201.0.0/16", "10.202.0.0/16"):
    L.run(L.router, ["ip", "route", "add", net, "via", "10.200.2.2"])
L.run(L.server, ["ip", "addr", "add", "10.201.0.1/32", "dev", "lo"])
L.run(L.server, ["ip", "addr", "add", "10.202.0.1/32", "dev", "lo"])
server = L.start(L.server, [sys.executable, "-S", TALKS, "serve", *map(str, (
    53, 80, 81, 443, 5000, 7000, *range(9000, 9010)))], stdout=subprocess.PIPE)
assert server.stdout.readline() == "ready\n"

ROUTER, S, S6 = "10.200.1.1", "10.200.2.2", "fd00:200:2::2"
OWN, OWN6, HIDDEN, SPECIAL = "10.200.1.2", "fd00:200:1::2", "10.200.2.1", "10.200.2.77"
L.run(L.router, ["ip", "addr", "add", f"{SPECIAL}/32", "dev", "r1"])
POLICY = {
    "source-nat": {
        "1": {"to": "wan", "destination": ["10.201.0.0/16"], "action": "none"},
        "2": {"to": "wan", "destination": ["10.202.0.0/16"], "protocol": "tcp_udp",
              "destination-ports": ["443"], "action": "none"},
        "3": {"to": "wan", "source": ["10.200.1.0/24", "!10.200.1.128/25"], "protocol": "tcp",
              "source-ports": ["4000-4999"], "translate-to": SPECIAL},
        "4": {"to": "wan", "protocol": "udp", "destination-ports": ["7000"], "action": "none"},
        "9": {"to": "wan", "source": ["0.0.0.0/0", "fd00:200:1::/64"], "action": "masquerade"}},
    "destination-nat": {
        "1": {"from": "lan", "protocol": "tcp_udp", "port": "8000-8002", "translate-to": f"{S}:9000-9002"},
        "2": {"from": "lan", "protocol": "tcp", "port": ["80", "443"], "translate-to": S},
        "3": {"from": "lan", "protocol": "tcp", "port": "9005", "translate-to": f"{S}:9006"},
        "4": {"from": "lan", "protocol": "udp", "port": "9003-9004", "translate-to": f"{S}:9003-9004"},
        "5": {"from": "lan", "protocol": "tcp", "port": ["8100-8110", "8200"], "translate-to": f"{S}:81",
              "fold": True},
        "6": {"from": "lan", "protocol": "tcp_udp", "port": "53", "destination": ["10.201.0.1"],
              "action": "none"},
        "7": {"from": "lan", "protocol": "tcp_udp", "port": "53", "destination": [f"!{S}"],
              "translate-to": S},
        "8": {"from": "lan", "protocol": "tcp", "port": "8300", "source-ports": ["4500"],
              "translate-to": f"{S}:9008"},
        "9": {"from": "lan", "protocol": "tcp", "destination": ["fd00:200:1::1"], "port": "8000-8001",
              "translate-to": f"[{S6}]:9000-9001"},
        "10": {"from": "lan", "protocol": "tcp", "port": "8300", "source": ["10.9.0.0/16"],
               "translate-to": f"{S}:9009"}},
}
REFUSED = "Connection refused"  # by the router itself: nothing translated it
MANY = 60
# protocol, host, port, source port, messages: the port that answered, the source it saw, its port (0: any)
ROWS = {
    "the first of a range is mapped to the first": (("tcp", ROUTER, 8000, 0, MANY), (9000, HIDDEN, 0)),
    "the second to the second": (("tcp", ROUTER, 8001, 0, MANY), (9001, HIDDEN, 0)),
    "the last to the last": (("tcp", ROUTER, 8002, 0, 5), (9002, HIDDEN, 0)),
    "of UDP, too": (("udp", ROUTER, 8001, 0, 5), (9001, HIDDEN, 0)),
    "behind a range nothing": (("tcp", ROUTER, 8003, 0, 1), REFUSED),
    "an IPv6 range is shifted": (("tcp", "fd00:200:1::1", 8001, 0, MANY), (9001, "fd00:200:2::1", 0)),
    "a list of ports keeps its ports": (("tcp", ROUTER, 443, 0, 5), (443, HIDDEN, 0)),
    "each of them": (("tcp", ROUTER, 80, 0, 5), (80, HIDDEN, 0)),
    "one port is mapped to one": (("tcp", ROUTER, 9005, 0, MANY), (9006, HIDDEN, 0)),
    "a range onto itself stays": (("udp", ROUTER, 9004, 0, 5), (9004, HIDDEN, 0)),
    "an explicit fold folds": (("tcp", ROUTER, 8104, 0, 5), (81, HIDDEN, 0)),
    "also from a list": (("tcp", ROUTER, 8200, 0, 5), (81, HIDDEN, 0)),
    "an exception is not redirected": (("tcp", "10.201.0.1", 53, 0, 5), (53, OWN, 0)),
    "what is not excepted is": (("udp", "10.202.0.1", 53, 0, 5), (53, HIDDEN, 0)),
    "a source port chooses a forward": (("tcp", ROUTER, 8300, 4500, 5), (9008, SPECIAL, 4500)),
    "another one does not": (("tcp", ROUTER, 8300, 5500, 1), REFUSED),
    "traffic to the other site keeps its address": (("tcp", "10.201.0.1", 5000, 0, MANY), (5000, OWN, 0)),
    "an exception of one port holds for it": (("tcp", "10.202.0.1", 443, 0, MANY), (443, OWN, 0)),
    "and for no other": (("tcp", "10.202.0.1", 80, 0, 5), (80, HIDDEN, 0)),
    "NAT by source port": (("tcp", S, 5000, 4100, MANY), (5000, SPECIAL, 4100)),
    "the rest is masqueraded": (("tcp", S, 5000, 0, MANY), (5000, HIDDEN, 0)),
    "an exception by protocol": (("udp", S, 7000, 0, 5), (7000, OWN, 0)),
    "which is not the other's": (("tcp", S, 7000, 0, 5), (7000, HIDDEN, 0)),
    "IPv6 is hidden where it is named": (("tcp", S6, 5000, 0, MANY), (5000, "fd00:200:2::1", 0)),
}


def ask():
    r = subprocess.run(L.inside(L.client) + [sys.executable, "-S", TALKS, "ask"], capture_output=True, text=True,
                       input=json.dumps([row[0] for row in ROWS.values()]))
    if r.returncode:
        raise RuntimeError(r.stderr)
    return json.loads(r.stdout)


def is_right(answer, want):
    if isinstance(want, str):
        return answer == want
    words = answer.split()
    return words[:2] == [str(want[0]), want[1]] and want[2] in (0, int(words[2] if words[2:] else -1))


for mode in ("off", "tcx", "xdp"):
    d = L.dpctl("live")
    d.apply(lab.policy(mode, {"1": {"from": "lan", "action": "accept"}}, **POLICY))
    got = d.status()["ports"]["r0"]["mode"]
    lab.check(f"{mode}: the port is {got}", got == mode)
    fast, end = -1, time.monotonic() + 10
    while fast < 0 or (mode != "off" and fast <= 300 and time.monotonic() < end):  # while foreign state is being read all is the kernel's
        before = d.rule(1)["fast-packets"]
        answers = ask()
        wrong = [f"{name}: {answer}, not {want}" for (name, (_, want)), answer in zip(ROWS.items(), answers)
                 if not is_right(answer, want)]
        lab.check(f"{mode}: all {len(ROWS)} conversations are as they should be {wrong or ''}", not wrong)
        fast = d.rule(1)["fast-packets"] - before
    lab.check(f"{mode}: {fast} packets took the fast path", fast > 300 if mode != "off" else fast == 0)
    d.say("destroy")
    d.kill()
