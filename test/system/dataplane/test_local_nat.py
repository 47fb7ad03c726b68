"""Destination NAT where a packet does not simply pass through: back to the network it came from (hairpin), and
what the appliance sends itself. The same by rules written by hand, and at off, tcx and xdp."""
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
S, S6, IN, IN6 = "10.200.2.2", "fd00:200:2::2", "10.200.1.2", "fd00:200:1::2"
LAN, LAN6, WAN, WAN6 = "10.200.1.1", "fd00:200:1::1", "10.200.2.1", "fd00:200:2::1"
FAR, SPARED = "203.0.113.53", "203.0.113.99"
L.run(L.router, ["ip", "route", "add", "203.0.113.0/24", "via", S])
L.run(L.server, ["ip", "addr", "add", f"{SPARED}/32", "dev", "lo"])
for space, ports in ((L.client, (9000, 9001)), (L.server, (53, 9001, 9002, 9003)), (L.router, (8081,))):
    child = L.start(space, [sys.executable, "-S", TALKS, "serve", *map(str, ports)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == "ready\n"
L.echo("tcp", 9012)
L.echo("tcp", 9013)
L.echo("udp", 9012)

DNAT = {
    "1": {"from": "lan", "protocol": "tcp_udp", "port": "8080", "translate-to": f"{IN}:9000"},
    "2": {"from": "lan", "protocol": "tcp", "port": "8080", "destination": [WAN6],
          "translate-to": f"[{IN6}]:9000"},
    "3": {"from": "local", "protocol": "tcp", "port": "53", "destination": [SPARED], "action": "none"},
    "4": {"from": "local", "protocol": "tcp_udp", "port": "53", "destination": ["203.0.113.0/24"],
          "translate-to": f"{S}:9001"},
    "5": {"from": "local", "protocol": "tcp_udp", "port": "8081", "translate-to": f"{S}:9001"},
    "6": {"from": "local", "protocol": "tcp", "port": "8081", "translate-to": f"[{S6}]:9001"},
    "7": {"from": "local", "protocol": "tcp", "port": "8090-8091", "source-ports": ["4000-4999"],
          "translate-to": f"{S}:9002-9003"},
    "8": {"from": "local", "protocol": "tcp_udp", "port": "8082", "translate-to": f"{S}:9012"},
    "9": {"from": "local", "protocol": "udp", "port": "8083", "translate-to": f"{S}:9002"},
}
SNAT = {"1": {"to": "lan", "source": ["10.200.1.0/24", "fd00:200:1::/64"], "action": "masquerade"}}
BY_HAND = f"""table inet hand {{
chain a {{
type nat hook prerouting priority dstnat; policy accept;
iifname r0 meta l4proto {{ tcp, udp }} fib daddr type local th dport 8080 dnat ip to {IN}:9000
iifname r0 ip6 daddr {WAN6} tcp dport 8080 dnat ip6 to [{IN6}]:9000
}}
chain b {{
type nat hook output priority -100; policy accept;
ip daddr {SPARED} tcp dport 53 accept
ip daddr 203.0.113.0/24 meta l4proto {{ tcp, udp }} th dport 53 dnat ip to {S}:9001
ip daddr != 127.0.0.0/8 fib daddr type local meta l4proto {{ tcp, udp }} th dport 8081 dnat ip to {S}:9001
ip6 daddr != ::1 fib daddr type local tcp dport 8081 dnat ip6 to [{S6}]:9001
fib daddr type local tcp sport 4000-4999 dnat ip to {S}:tcp dport map {{ 8090 : 9002, 8091 : 9003 }}
}}
chain c {{
type nat hook postrouting priority srcnat; policy accept;
oifname r0 ip saddr 10.200.1.0/24 masquerade
oifname r0 ip6 saddr fd00:200:1::/64 masquerade
}}
}}"""
REFUSED = "Connection refused"
# protocol, host, port, source port, messages: the port that answered, the source it saw
FROM_LAN = {
    "to the outer address, and back into the network": (("tcp", WAN, 8080, 0, 60), (9000, LAN)),
    "to the inner address": (("tcp", LAN, 8080, 0, 60), (9000, LAN)),
    "UDP, too": (("udp", WAN, 8080, 0, 60), (9000, LAN)),
    "IPv6": (("tcp", WAN6, 8080, 0, 60), (9000, LAN6)),
    "what the appliance's own traffic is sent to is not for others": (("tcp", WAN, 8081, 0, 5), (8081, IN)),
    "through the appliance": (("tcp", S, 9001, 0, 60), (9001, IN)),
    "nor what is refused there": (("tcp", WAN, 8090, 4100, 1), REFUSED),
}
FROM_BOX = {
    "its own outer address": (("tcp", WAN, 8081, 0, 20), (9001, WAN)),
    "of UDP, too": (("udp", WAN, 8081, 0, 20), (9001, WAN)),
    "its own inner address": (("tcp", LAN, 8081, 0, 5), (9001, LAN)),
    "IPv6 to itself": (("tcp", WAN6, 8081, 0, 20), (9001, WAN6)),
    "loopback is left alone": (("tcp", "127.0.0.1", 8081, 0, 5), (8081, "127.0.0.1")),
    "loopback of IPv6, too": (("tcp", "::1", 8081, 0, 5), (8081, "::1")),
    "a destination elsewhere": (("udp", FAR, 53, 0, 20), (9001, WAN)),
    "an exception": (("tcp", SPARED, 53, 0, 5), (53, WAN)),
    "which is not UDP's": (("udp", SPARED, 53, 0, 5), (9001, WAN)),
    "a range, by source port": (("tcp", WAN, 8091, 4100, 5), (9003, WAN)),
    "not of another source port": (("tcp", WAN, 8090, 5100, 1), REFUSED),
    "what is for the network is not for the appliance": (("tcp", WAN, 8080, 0, 1), REFUSED),
}


def ask(space, rows):
    r = subprocess.run(L.inside(space) + [sys.executable, "-S", TALKS, "ask"], capture_output=True, text=True,
                       input=json.dumps([row[0] for row in rows.values()]))
    if r.returncode:
        raise RuntimeError(r.stderr)
    wrong = [f"{name}: {answer}, not {want}" for (name, (_, want)), answer in zip(rows.items(), json.loads(r.stdout))
             if (answer != want if isinstance(want, str) else answer.split()[:2] != [str(want[0]), want[1]])]
    return wrong


def both(mode):
    for space, rows in ((L.client, FROM_LAN), (L.router, FROM_BOX)):
        wrong = ask(space, rows)
        lab.check(f"{mode}: all {len(rows)} conversations are as they should be {wrong or ''}", not wrong)


FOLLOW = """import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.2)
s.connect((sys.argv[1], 8083))
end, seen = time.monotonic() + 60, []
while time.monotonic() < end and seen[-1:] != ["9003"]:
    try:
        s.send(b"x")
        port = s.recv(99).decode().split()[0]
    except OSError:
        continue
    if port not in seen:
        seen.append(port)
        print(port, flush=True)
    time.sleep(0.01)
"""


def begin(protocol, count):
    return L.start(L.router, [sys.executable, "-S", lab.__file__, "talk", protocol, WAN, "8082", str(count), "0.02", "100", "5"],
                   stdout=subprocess.PIPE)


ENDLESS = 10000  # messages; what is to be cut runs for minutes where it is not


def sent():
    return json.loads(L.run(L.router, ["ip", "-j", "-s", "link", "show", "r1"]))[0]["stats64"]["tx"]["packets"]


def under_way(before):
    end = time.monotonic() + 60
    while sent() < before + 30 and time.monotonic() < end:
        time.sleep(0.01)


def running(mode, policy):
    """A connection of the appliance continues over commits that do not concern it, and ends when its target changes."""
    before = sent()
    children = {p: begin(p, 150) for p in ("tcp", "udp")}
    under_way(before)
    policy["default"]["output"] = "drop"
    policy["rules"]["9"] = {"from": "local", "to": "wan", "protocol": "udp", "destination-ports": ["9"], "action": "drop"}
    d.apply(policy)
    got = {p: json.loads(child.communicate()[0])["got"] for p, child in children.items()}
    lab.check(f"{mode}: what the appliance sends to itself continues over a commit {got}", set(got.values()) == {150})
    policy["default"]["output"] = "accept"
    d.apply(policy)
    before = sent()
    tcp = begin("tcp", ENDLESS)
    under_way(before)
    udp = L.start(L.router, [sys.executable, "-Sc", FOLLOW, WAN], stdout=subprocess.PIPE)
    first = udp.stdout.readline()
    policy["destination-nat"] = {**DNAT, "8": {**DNAT["8"], "translate-to": f"{S}:9013"},
                                 "9": {**DNAT["9"], "translate-to": f"{S}:9003"}}
    d.apply(policy)
    got = json.loads(tcp.communicate()[0])["got"]
    lab.check(f"{mode}: TCP ends when it is sent elsewhere from now on ({got} messages)", 0 < got < ENDLESS)
    ports = (first + udp.communicate()[0]).split()
    lab.check(f"{mode}: and UDP is sent there {ports}", ports == ["9002", "9003"])
    policy["destination-nat"] = {"1": DNAT["1"]}
    d.apply(policy)
    wrong = ask(L.router, {"its own service": (("tcp", WAN, 8081, 0, 5), (8081, WAN))})
    lab.check(f"{mode}: without entries it is its own again {wrong or ''}", not wrong)


L.run(L.router, ["nft", BY_HAND])
both("rules by hand")
L.run(L.router, ["nft", "delete table inet hand"])
for mode in ("off", "tcx", "xdp"):
    d = L.dpctl()
    policy = lab.policy(mode, {"1": {"from": "lan", "action": "accept"}},
                        **{"source-nat": SNAT, "destination-nat": dict(DNAT)})
    d.apply(policy)
    got = d.status()["ports"]["r0"]["mode"]
    lab.check(f"{mode}: the port is {got}", got == mode)
    both(mode)
    fast = d.rule(1)["fast-packets"]
    # What leaves where it came in is the kernel's.
    lab.check(f"{mode}: {fast} packets took the fast path", 50 < fast < 150 if mode != "off" else fast == 0)
    running(mode, policy)
    d.say("destroy")
    d.kill()
