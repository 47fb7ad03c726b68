"""What fast paths usually get wrong, each with the cache hot: with the fast path switched off
nothing observable may change but speed."""
import re
import sys
import time

import lab

lab.need("ip", "nsenter", "ethtool", "nft", "ping")
L = lab.Lab(sys.argv[1])
for family in (4, 6):
    L.echo("tcp", 5000 + family, family)
    L.echo("udp", 5000 + family, family)
d = L.dpctl()
V4, V6 = "10.200.2.2", "fd00:200:2::2"
RULES = {"10": {"from": "lan", "to": "wan", "action": "accept"}}
NAT = {"1": {"to": "wan", "action": "masquerade"},
       "2": {"to": "wan", "source": ["::/0"], "action": "masquerade"}}

# A UDP socket whose flow is assured and in the cache. Arguments: host, port.
HOT = """
import select, subprocess
host, port = sys.argv[1], int(sys.argv[2])
v6 = ":" in host
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect((host, port))
def error():  # waits for what ICMP reports about the socket
    wait = select.poll()
    wait.register(s, 0)
    wait.poll(10000)
def ask(size=100):
    s.send(b"x" * size)
    return len(s.recv(65536))
ask()
subprocess.run(["nsenter", "--net=/run/netns/ROUTER", sys.executable, "-S", ASSURED], check=True, stdout=subprocess.DEVNULL)
for _ in range(4): ask()
""".replace("ROUTER", L.router).replace("ASSURED", repr(lab.ASSURED))
MTU = HOT + """
if v6: s.setsockopt(41, 23, 2)  # IPV6_MTU_DISCOVER, do
else: s.setsockopt(0, 10, 2)
try:
    s.send(b"x" * 1420)
    error()
    s.send(b"x")
except OSError: pass
print(s.getsockopt(41, 24) if v6 else s.getsockopt(0, 14))
"""
# The offender's address out of the error queue.
TTL = HOT + """
if v6:
    s.setsockopt(41, 25, 1)
    s.setsockopt(41, 16, 1)
else:
    s.setsockopt(0, 11, 1)
    s.setsockopt(0, 2, 1)
s.send(b"x")
error()
_, control, _, _ = s.recvmsg(100, 1000, socket.MSG_ERRQUEUE)
data = control[0][2][16:]
print(socket.inet_ntop(s.family, data[8:24] if v6 else data[4:8]))
"""
FRAGMENTS = HOT + "print(ask(4000), ask(100))\n"
OPTIONS = HOT + "s.setsockopt(0, 4, bytes(4 * [1]))\nprint(ask(90))\n"
NO_CHECKSUM = HOT + "s.setsockopt(1, 11, 1)\nfor _ in range(3): ask(77)\nprint('sent')\n"
SNIFF = """
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x800))
s.bind(("s0", 0))
s.settimeout(10)
print("ready", flush=True)
seen = set()
while len(seen) < 1:
    data = s.recv(2000)
    if data[23] == 17 and data[36:38] == struct.pack("!H", 5004) and len(data) == 42 + 77:
        seen.add(data[40:42].hex())
print(*seen)
"""
BULK = """
host, port = sys.argv[1], int(sys.argv[2])
s = socket.create_connection((host, port), 5)
s.settimeout(30)
while s.recv(1) != b"\\n": pass
want = bytes(range(256)) * 256
for _ in range(40):
    s.sendall(want)
    got = b""
    while len(got) < len(want): got += s.recv(65536) or 1 / 0
    assert got == want
print("equal")
"""


def conntrack_seconds(what):
    """Remaining time-out of the liveliest conntrack entry of this kind."""
    return max((int(line.split()[4])
                for line in L.run(L.router, ["cat", "/proc/net/nf_conntrack"]).splitlines()
                if re.search(what, line)), default=-1)


def hits():
    d.say("tend")  # foreign state may have to be read
    return sum(p["hits"] for p in d.status()["ports"].values())


def sums_of_zero(mode):
    sniffer = L.start(L.server, [sys.executable, "-Sc", "import socket, struct\n" + SNIFF],
                      stdout=-1)
    assert sniffer.stdout.readline() == "ready\n"
    L.python(L.client, NO_CHECKSUM, V4, 5004)
    lab.check(f"{mode}: a UDP checksum of 0 stays 0", sniffer.communicate()[0].strip() == "0000")


def answer_after_refusal(mode):
    """A refused tuple is the answer of a flow that begins a moment later."""
    out = L.run(L.server, [sys.executable, "-Sc", f"""
import socket, subprocess, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("{V4}", 9100))
s.settimeout(30)
for _ in range(200): s.sendto(b"x", ("10.200.1.2", 9200))
print("refused", flush=True)
child = subprocess.Popen(["nsenter", "--net=/run/netns/{L.client}", sys.executable, "-Sc", '''
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.200.1.2", 9200))
s.settimeout(10)
s.connect(("{V4}", 9100))
s.send(b"q")
print(s.recv(9).decode())
'''], stdout=subprocess.PIPE)
data, peer = s.recvfrom(10)
s.sendto(b"a", peer)
print(child.communicate()[0].decode())
"""])
    lab.check(f"{mode}: an answer is not taken for what was refused before", "a" in out.split()[1:])


for mode in ("tcx", "xdp"):
    L.offload(mode == "tcx")
    for mtu in (1500, 1400):
        lab.sh(f"ip -n {L.router} link set r1 mtu {mtu}; ip -n {L.server} link set s0 mtu {mtu}")
        if mtu == 1500:
            d.apply(lab.policy(mode, RULES))
            answer_after_refusal(mode)
            d.apply(lab.policy(mode, RULES, **{"source-nat": NAT}))
            sums_of_zero(mode)
            for host, port in ((V4, 5004), (V6, 5006)):
                before = hits()
                lab.check(f"{mode}: fragments to {host} arrive",
                          L.python(L.client, FRAGMENTS, host, port).split() == ["4000", "100"])
                lab.check(f"{mode}: 40 times 64 KiB to {host} and back are equal",
                          L.python(L.client, BULK, host, port).strip() == "equal")
                lab.check(f"{mode}: that was the fast path", hits() - before > 50)
                ttl = L.python(L.client, TTL, host, port).strip()
                lab.check(f"{mode}: {host} with one hop left is answered by the router ({ttl})",
                          ttl == ("fd00:200:1::1" if ":" in host else "10.200.1.1"))
            lab.check(f"{mode}: IP options are the kernel's",
                      L.python(L.client, OPTIONS, V4, 5004).strip() == "90")
            for _ in range(3):  # one that loses a message on a busy machine ends before it is a stream
                L.talk("udp", V4, 5004, 1500, 0.002)
                left = conntrack_seconds(r"udp .*dport=5004 .*ASSURED")
                if 90 <= left <= 120:
                    break
            lab.check(f"{mode}: a UDP stream has conntrack's own time-out ({left} s)",
                      90 <= left <= 120)
            continue
        for host, port in ((V4, 5004), (V6, 5006)):
            found = L.python(L.client, MTU, host, port).strip()
            lab.check(f"{mode}: the client learns of the smaller MTU to {host} ({found})",
                      found == "1400")
    lab.sh(f"ip -n {L.router} route add {V4}/32 dev r1 mtu 1200; ip -n {L.client} route flush cache")
    d.say("events")
    found = L.python(L.client, MTU, V4, 5004).strip()
    lab.check(f"{mode}: and of the one of a route ({found})", found == "1200")
    lab.sh(f"ip -n {L.router} route del {V4}/32 dev r1")
    d.say("events")
    talk = L.start(L.client, [sys.executable, "-S", lab.__file__, "talk", "tcp", V4, "5004", "30", "0.1",
                              "100", "2"], stdout=-1)
    time.sleep(2)  # the point: this long it is refreshed by the fast path alone
    left = conntrack_seconds(r"tcp .*ESTABLISHED .*dport=5004 ")
    lab.check(f"{mode}: a TCP connection keeps its days ({left} s)", left > 400000)
    talk.communicate()
    lab.sh(f"ip -n {L.router} link set r1 mtu 1500; ip -n {L.server} link set s0 mtu 1500")
    for name in (L.client, L.server):
        L.run(name, ["ip", "route", "flush", "cache"])
        L.run(name, ["ip", "-6", "route", "flush", "cache"])

# The other end of a veth that would let redirected frames vanish.
L.offload(False)
lab.sh(f"nsenter --net=/run/netns/{L.server} ethtool -K s0 gro off")
d.apply(lab.policy("off", RULES))
d.apply(lab.policy("xdp", RULES))
ports = d.status()["ports"]
lab.check(f"the status reports that r1 takes no redirects: {ports['r1'].get('reason')}",
          "redirected" in ports["r1"].get("reason", "") and "reason" not in ports["r0"])
lab.check("and everything arrives nevertheless",
          L.talk("tcp", V4, 5004, 50)[0] == 50)


def vlans():
    """VLANs on a port, and a VLAN as a port."""
    lab.sh(f"ip -n {L.client} link add link c0 name c0.5 type vlan id 5; "
           f"ip -n {L.router} link add link r0 name r0.5 type vlan id 5; "
           f"ip -n {L.client} addr add 10.200.5.2/24 dev c0.5; ip -n {L.client} link set c0.5 up; "
           f"ip -n {L.router} addr add 10.200.5.1/24 dev r0.5; ip -n {L.router} link set r0.5 up; "
           f"ip -n {L.client} route add 10.200.2.2 via 10.200.5.1")
    d.say("events")
    vlan = lab.policy("auto", RULES)
    vlan["ports"]["r0.5"] = {"fast-path": "auto"}
    vlan["zones"]["lan"]["interfaces"] = ["r0", "r0.5"]
    d.apply(vlan)
    before = d.status()["ports"]["r0.5"]["hits"]
    lab.check("a VLAN works", L.talk("tcp", V4, 5004, 50)[0] == 50)
    lab.check("and is fast as a port", d.status()["ports"]["r0.5"]["hits"] - before >= 40)
    vlan["zones"]["lan"]["interfaces"] = ["r0"]
    vlan["ports"].pop("r0.5")
    d.apply(vlan)
    lab.check("a VLAN that is in no zone is not its port's zone",
              L.talk("tcp", V4, 5004, 1, wait=0.5)[0] == 0)


if L.has_vlans():
    vlans()
else:
    print("# skipped: this kernel has no VLAN interfaces")

# What IPsec may have to protect must not leave in the clear.
d.apply(lab.policy("tcx", RULES))
lab.check("a hot connection", L.talk("tcp", V4, 5004, 50)[0] == 50)
lab.sh(f"ip -n {L.router} xfrm policy add src 192.0.2.0/24 dst 198.51.100.0/24 dir out "
       "tmpl src 192.0.2.1 dst 198.51.100.1 proto esp mode tunnel")
before = hits()
lab.check("with an IPsec policy everything arrives", L.talk("tcp", V4, 5004, 50)[0] == 50)
lab.check("but nothing by the fast path", hits() == before)
lab.sh(f"ip -n {L.router} xfrm policy flush")

# A port that is removed and added again.
d.apply(lab.policy("auto", RULES))
lab.sh(f"ip -n {L.router} link del r0")
d.say("events")
lab.check("a port that went is off", d.status()["ports"]["r0"]["mode"] == "off")
L.wire("c0", L.client, "r0", 1)
for _ in range(50):
    d.say("events")
    if d.status()["ports"]["r0"]["mode"] == "tcx":
        break
lab.check("and works again when it is back", d.status()["ports"]["r0"]["mode"] == "tcx" and
          L.talk("tcp", V4, 5004, 50)[0] == 50)
d.say("destroy")
