"""Allowed traffic takes the fast path in both modes and by clsact, denied traffic ends at the hook, both kinds of
NAT work in both families, and a connection the new policy refuses stops at once."""
import os
import subprocess
import sys
import time

import lab

lab.need("ip", "nsenter", "ethtool", "nft", "ping", "conntrack")
L = lab.Lab(sys.argv[1])
L.offload(False)
for protocol in ("tcp", "udp"):
    for family in (4, 6):
        L.echo(protocol, 5000 + family, family)
        L.echo(protocol, 6000 + family, family)
V4, V6 = "10.200.2.2", "fd00:200:2::2"
RULES = {
    "10": {"from": "lan", "to": "wan", "protocol": "tcp", "destination-ports": ["5000-5999"],
           "action": "accept"},
    "20": {"from": "lan", "to": "wan", "protocol": "udp", "destination-ports": ["5000-5999"],
           "action": "accept"},
    "30": {"from": "lan", "to": "wan", "protocol": "udp", "destination-ports": ["7000"],
           "action": "drop"},
    "40": {"from": "lan", "to": "wan", "protocol": "icmp", "action": "drop"},
}
# IPv6 addresses are masqueraded only where configured.
MASQUERADE = {"1": {"to": "wan", "action": "masquerade"},
              "2": {"to": "wan", "source": ["::/0"], "action": "masquerade"}}
FORWARD = {
    "1": {"from": "lan", "protocol": "tcp", "port": "8004", "destination": ["10.200.1.1/32"],
          "translate-to": "10.200.2.2:5004"},
    "2": {"from": "lan", "protocol": "tcp", "port": "8006", "destination": ["fd00:200:1::1/128"],
          "translate-to": "[fd00:200:2::2]:5006"},
}


def denied(mode):
    before = d.rule(30)
    L.run(L.client, [sys.executable, "-Sc",
                     "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
                     f"for i in range(2000): s.sendto(b'x', ('{V4}', 7000))"])
    after = d.rule(30)
    fast = after["fast-packets"] - before["fast-packets"]
    lab.check(f"{mode}: 2000 denied packets end at the hook (nft saw "
              f"{after['packets'] - before['packets'] - fast}), each is counted once",
              fast >= 1990 and after["packets"] - before["packets"] == 2000)
    before = d.rule(40)["fast-packets"]
    L.run(L.client, ["ping", "-q", "-c", "20", "-i", "0.01", "-W", "1", V4], check=False)
    lab.check(f"{mode}: denied echo requests end at the hook",
              d.rule(40)["fast-packets"] - before >= 19)
    before = d.counters()["default"]["forward"]["fast-packets"]
    lab.check(f"{mode}: what no rule names does not connect",
              L.talk("tcp", V4, 6004, 1, wait=0.5)[0] == 0)
    lab.check(f"{mode}: and is counted with the default",
              d.counters()["default"]["forward"]["fast-packets"] > before)


def allowed(mode, rule, protocol, host, port, pause, source):
    fast, end = 0, time.monotonic() + 10
    while fast < 40 and time.monotonic() < end:  # while foreign state is being read all is the kernel's
        before = d.rule(rule)
        got, seen = L.talk(protocol, host, port, 60, pause, assured=True)
        fast = d.rule(rule)["fast-packets"] - before["fast-packets"]
        lab.check(f"{mode}: {protocol} to {host}:{port} all 60 answered, from {seen}", got == 60 and seen == source)
    lab.check(f"{mode}: {fast} packets of it on the fast path, as rule {rule}", fast >= 40)


def ended(mode, port=5004, family="ipv4"):
    """Conntrack sees the last packet of a connection, too: both ends have closed."""
    end, states = time.monotonic() + 30, ["LAST_ACK"]
    while time.monotonic() < end and set(states) != {"TIME_WAIT"}:
        states = [line.split()[3] for line in L.run(L.router, ["conntrack", "-L", "-p", "tcp", "-f", family]).splitlines()
                  if f"dport={port}" in line]
    lab.check(f"{mode}: conntrack saw how it ended: {states}", set(states) == {"TIME_WAIT"})


# Each processor has a cache of its own, and a packet is handled by the one that sent it: the client's
# acknowledgements by the server's, so that its last one follows no FIN there.
SERVER = """
s = socket.create_server((sys.argv[1], int(sys.argv[2])), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print("ready", flush=True)
c, _ = s.accept()
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for i in range(12):
    c.sendall(b"x")
    while struct.unpack_from("I", c.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 24)[0]:
        time.sleep(0.001)  # until it is acknowledged
c.sendall(b"end")
c.recv(1)
c.close()
"""
CLIENT = """
c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
while not c.recv(100).endswith(b"end"):
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
c.close()
"""


def over_two(mode, own, host, port):
    """Packets of a connection over two processors that the fast path took."""
    os.sched_setaffinity(0, own[1:2])
    server = L.start(L.server, [sys.executable, "-Sc", "import socket, struct, sys, time\n" + SERVER, host, str(port)],
                     stdout=subprocess.PIPE)
    assert server.stdout.readline() == "ready\n"
    os.sched_setaffinity(0, own[:1])
    before = d.rule(10)["fast-packets"]
    L.python(L.client, CLIENT, host, port)
    server.wait()
    os.sched_setaffinity(0, own)
    return d.rule(10)["fast-packets"] - before


def by_two_processors(mode):
    own = sorted(os.sched_getaffinity(0))
    if len(own) < 2:
        print("# skipped: one processor")
        return
    for host, port, family in ((V4, 5010, "ipv4"), (V6, 5011, "ipv6")):
        fast, end = 0, time.monotonic() + 10
        while fast < 8 and time.monotonic() < end:  # while foreign state is being read all is the kernel's
            fast, port = over_two(mode, own, host, port), port + 2
        lab.check(f"{mode}: a connection over two processors to {host}: {fast} packets on the fast path", fast >= 8)
        ended(mode, port - 2, family)


for mode, name in (("tcx", "tcx"), ("xdp", "xdp"), ("clsact", "tcx"))[not lab.HAS_TCX:]:
    d = L.dpctl(*["no-tcx"] if mode == "clsact" else [], "live")
    d.apply(lab.policy(name, RULES))
    ports = d.status()["ports"]
    lab.check(f"ports are in mode {mode}: {ports['r0']} {ports['r1']}",
              ports["r0"]["mode"] == name == ports["r1"]["mode"]
              and ("clsact" in ports["r1"].get("reason", "")) == (mode == "clsact"))
    L.run(L.client, ["ping", "-q", "-c", "1", "10.200.1.1"])
    allowed(mode, 10, "tcp", V4, 5004, 0.001, "10.200.1.2")
    ended(mode)
    by_two_processors(mode)
    allowed(mode, 10, "tcp", V6, 5006, 0.001, "fd00:200:1::2")
    allowed(mode, 20, "udp", V4, 5004, 0.001, "10.200.1.2")
    allowed(mode, 20, "udp", V6, 5006, 0.001, "fd00:200:1::2")
    denied(mode)
    nat = lab.policy(name, RULES)
    nat["source-nat"], nat["destination-nat"] = MASQUERADE, FORWARD
    d.apply(nat)
    allowed(mode, 10, "tcp", V4, 5004, 0.001, "10.200.2.1")
    allowed(mode, 10, "tcp", V6, 5006, 0.001, "fd00:200:2::1")
    allowed(mode, 20, "udp", V4, 5004, 0.001, "10.200.2.1")
    allowed(mode, 20, "udp", V6, 5006, 0.001, "fd00:200:2::1")
    allowed(mode, 10, "tcp", "10.200.1.1", 8004, 0.001, "10.200.2.1")
    allowed(mode, 10, "tcp", "fd00:200:1::1", 8006, 0.001, "fd00:200:2::1")
    d.say("destroy")
    d.kill()
