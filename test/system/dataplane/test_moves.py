"""Neighbours that move and announce it: an address that another card takes over (gratuitous ARP, an unsolicited neighbour
advertisement), and a card that is behind another port of a bridge. The traffic follows at once, as without a fast path."""
import os
import sys
import time

import lab
import stream

lab.need("ip", "nsenter", "ethtool", "nft")
L = lab.Lab(sys.argv[1])
L.offload(False)
V4, V6, PORT = "10.200.3.2", "fd00:200:3::2", 5004
HOSTS = {word: f"orbt-{os.getpid()}-{word}" for word in ("a", "b")}
L.run(L.router, ["ip", "link", "add", "r2", "type", "bridge"])
for word, name in HOSTS.items():
    L.extra.append(name)
    lab.sh(f"set -e; ip netns add {name}; ip -n {name} link set lo up; ip netns exec {name} sysctl -qw net.ipv6.conf.all.accept_dad=0 "
           "net.ipv6.conf.default.accept_dad=0 net.ipv4.ip_nonlocal_bind=1 net.ipv6.ip_nonlocal_bind=1; "
           f"ip link add e0 netns {name} type veth peer name p{word}0 netns {L.router}; ip -n {L.router} link set p{word}0 master r2 && ip -n {L.router} link set p{word}0 up; "
           f"ip -n {name} link set e0 up; nsenter --net=/run/netns/{name} ethtool -K e0 tx off gro on; "
           f"ip -n {name} route add 10.200.0.0/16 via 10.200.3.1 dev e0 onlink; ip -n {name} -6 route add fd00:200::/32 via fd00:200:3::1 dev e0 onlink")
    for host in (V4, V6):
        stream.answer(L, name, host, PORT, word)
lab.sh(f"ip -n {L.router} addr add 10.200.3.1/24 dev r2; ip -n {L.router} addr add fd00:200:3::1/64 dev r2 nodad; ip -n {L.router} link set r2 up; "
       f"ip netns exec {L.router} sysctl -qw net.ipv4.neigh.r2.locktime=0")

# Announces the owner of the addresses; arguments: interface, 1: by ARP and a neighbour advertisement, 0: by a frame about nothing.
ANNOUNCES = """
import struct
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("e0", 0))
mac = s.getsockname()[4]
def total(data):
    n = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while n >> 16: n = (n & 0xffff) + (n >> 16)
    return ~n & 0xffff
if sys.argv[1] == "0":
    s.send(b"\\xff" * 6 + mac + b"\\x88\\xb5" + bytes(46))
else:
    four, six, all6 = socket.inet_aton("10.200.3.2"), socket.inet_pton(socket.AF_INET6, "fd00:200:3::2"), socket.inet_pton(socket.AF_INET6, "ff02::1")
    s.send(b"\\xff" * 6 + mac + b"\\x08\\x06" + struct.pack("!HHBBH", 1, 0x800, 6, 4, 2) + mac + four + b"\\xff" * 6 + four)
    body = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + six + b"\\2\\1" + mac
    body = body[:2] + struct.pack("!H", total(six + all6 + struct.pack("!II", len(body), 58) + body)) + body[4:]
    s.send(b"\\x33\\x33\\0\\0\\0\\1" + mac + b"\\x86\\xdd" + struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + six + all6 + body)
"""


def owns(word, mac):
    """This host has the addresses from now on, the other one not."""
    other = "b" if word == "a" else "a"
    lab.sh(f"ip -n {HOSTS[other]} addr flush dev e0 scope global", check=False)
    lab.sh(f"ip -n {HOSTS[word]} link set e0 address {mac}; ip -n {HOSTS[word]} addr add {V4}/24 dev e0; "
           f"ip -n {HOSTS[word]} addr add {V6}/64 dev e0 nodad; ip -n {HOSTS[word]} neigh flush all; "
           f"ip -n {HOSTS[word]} route replace 10.200.0.0/16 via 10.200.3.1 dev e0 onlink; "
           f"ip -n {HOSTS[word]} -6 route replace fd00:200::/32 via fd00:200:3::1 dev e0 onlink")


def policy(mode):
    p = lab.policy(mode, {"10": {"from": "lan", "to": "wan", "action": "accept"}})
    p["ports"]["r2"] = {"fast-path": "tcx" if mode == "xdp" else mode}
    p["zones"]["wan"]["interfaces"] = ["r1", "r2"]
    return p


def carried(d, mode):
    end = time.monotonic() + 10
    while mode != "off" and time.monotonic() < end:
        before = stream.hits(d)
        time.sleep(0.1)
        if stream.hits(d) - before >= 6:
            return True
    return mode == "off"


def follows(mode, what, talks, word):
    for host, talk in talks.items():
        took = talk.flows(word, 10)
        lab.check(f"{mode}: {what}: the conversation to {host} follows after {took if took is None else round(took, 2)} s",
                  took is not None)


for number, mode in enumerate(("off", "tcx", "xdp")):
    one, two = f"02:00:00:00:{number:02x}:01", f"02:00:00:00:{number:02x}:02"
    owns("a", one)
    L.python(HOSTS["a"], ANNOUNCES, 1)
    d = L.dpctl("live")
    d.apply(policy(mode))
    talks = {host: stream.Stream(L, host, PORT) for host in (V4, V6)}
    for talk in talks.values():
        lab.check(f"{mode}: a conversation", talk.flows("a") is not None)
    L.assure()
    lab.check(f"{mode}: the fast path carries it", carried(d, mode))
    owns("b", two)
    L.python(HOSTS["b"], ANNOUNCES, 1)
    follows(mode, "another card has the address and announces it", talks, "b")
    lab.check(f"{mode}: the fast path carries it there", carried(d, mode))
    owns("a", two)
    L.python(HOSTS["a"], ANNOUNCES, 0)
    follows(mode, "the card is behind another port of the bridge", talks, "a")
    for talk in talks.values():
        talk.close()
    d.say("destroy")
    d.kill()
