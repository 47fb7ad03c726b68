"""Multipath routes: a connection takes one path, the one the kernel chose for its first packet, whatever the kernel's
choice depends on (net.ipv4.fib_multipath_hash_policy): addresses, or ports, for which the kernel takes the number
that the sending socket or a network card gave the packet, or fields of it (3)."""
import os
import sys
import time

import lab
import stream

lab.need("ip", "nsenter", "ethtool", "nft")
L = lab.Lab(sys.argv[1])
OTHER = f"orbt-{os.getpid()}-o"
lab.sh(f"ip netns add {OTHER}; ip -n {OTHER} link set lo up")
L.extra.append(OTHER)
lab.sh(f"ip netns exec {OTHER} sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0")
L.wire("o0", OTHER, "r2", 3)
for name, dev in ((L.client, "c0"), (L.server, "s0"), (OTHER, "o0")):
    lab.sh(f"nsenter --net=/run/netns/{name} ethtool -K {dev} tx off gro on")
V4, V6 = "198.51.100.10", "2001:db8:9::10"
for name, word in ((L.server, "server"), (OTHER, "other")):
    lab.sh(f"ip -n {name} addr add {V4}/32 dev lo; ip -n {name} addr add {V6}/128 dev lo nodad")
    for host in (V4, V6):
        stream.answer(L, name, host, 5004, word)
RULES = {"10": {"from": "lan", "to": "wan", "action": "accept"}}
FLOWS, ROUNDS = 24, 6
LEFT = (1, 2, 3)  # policies with which the fast path leaves such routes to the kernel
ASKER = """
import subprocess
host, flows, rounds, assure = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
ways = []
for _ in range(flows):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.connect((host, 5004))
    ways.append((s, []))
for turn in range(rounds):
    for s, reported in ways:
        s.send(b"x" * 100)
        reported.append(s.recv(2000).decode().split()[0])
    if turn == 0:
        subprocess.run(assure, check=True, stdout=subprocess.DEVNULL)
print(*("+".join(dict.fromkeys(reported)) for _, reported in ways))
"""


def policy(mode):
    p = lab.policy(mode, RULES)
    p["ports"]["r2"] = {"fast-path": mode}
    p["zones"]["wan"]["interfaces"] = ["r1", "r2"]
    return p


def ask(host):
    """The ways each conversation went."""
    assure = ["nsenter", f"--net=/run/netns/{L.router}", sys.executable, "-S", lab.ASSURED, "5"]
    return L.python(L.client, ASKER, host, FLOWS, ROUNDS, *assure).split()


def shared(word):
    for ip, via in (("ip", "10.200.{}.2"), ("ip -6", "fd00:200:{}::2")):
        hops = " ".join(f"nexthop via {via.format(n)} dev {dev}" for n, dev in ((2, "r1"), (3, "r2")))
        lab.sh(f"{ip} -n {L.router} route {word} default {hops}")


def objects(word):
    """A route by a next hop object, which may become a group without an event about the route."""
    lines = (f"nexthop add id 5 via 10.200.2.2 dev r1", f"route add {V4} nhid 5") if word == "add" else ("nexthop del id 5",)
    for line in lines:
        lab.sh(f"ip -n {L.router} {line}")


def noticed(d, mode, number):
    """No event reports a setting: it is read within 100 ms, and conversations begun before may change their way."""
    end = time.monotonic() + 60
    while mode != "off" and ("share a route" in d.status()["ports"]["r1"].get("reason", "")) != (number in LEFT):
        if time.monotonic() > end:
            raise TimeoutError(f"policy {number} is not noticed within 60 s")
        time.sleep(0.02)


for mode in sys.argv[2:] or ("off", "tcx", "xdp"):
    d = L.dpctl("live")
    d.apply(policy(mode))
    L.run(L.router, ["sysctl", "-qw", "net.ipv4.fib_multipath_hash_policy=0", "net.ipv6.fib_multipath_hash_policy=0"])
    shared("replace")
    for number in (0, 1, 2, 3):
        L.run(L.router, ["sysctl", "-qw", f"net.ipv4.fib_multipath_hash_policy={number}", f"net.ipv6.fib_multipath_hash_policy={number}"])
        noticed(d, mode, number)
        L.run(L.router, ["conntrack", "-F"], check=False)
        d.say("tend")
        for host in (V4, V6):
            before, ways = stream.hits(d), ask(host)
            lab.check(f"{mode}: policy {number}: each conversation to {host} takes one way, by both of them: {' '.join(ways)}",
                      len(ways) == FLOWS and (set(ways) == {"server", "other"} if number == 1 else set(ways) <= {"server", "other"}))
            lab.check(f"{mode}: policy {number}: the fast path carried {stream.hits(d) - before} packets",
                      mode == "off" or number in (2, 3) or stream.hits(d) > before)  # one pair of addresses: one way, maybe not the way back
        shown = d.status()["ports"]["r1"].get("reason", "")
        lab.check(f"{mode}: policy {number}: what is the kernel's, and why: {shown}", mode == "off" or (
            "what leaves here is the kernel's: next hops that share a route" in shown) == (number in LEFT))
    for what, go in (("the routes", lambda: shared("del")), ("the objects", lambda: objects("del"))):
        end = time.monotonic() + 60
        if what == "the objects":
            objects("add")
            while mode != "off" and "share a route" not in d.status()["ports"]["r1"].get("reason", "") and time.monotonic() < end:
                time.sleep(0.05)
            shown = d.status()["ports"]["r1"].get("reason", "")
            lab.check(f"{mode}: a route by an object is the kernel's: {shown}", mode == "off" or "share a route" in shown)
        go()
        while "share a route" in d.status()["ports"]["r1"].get("reason", "") and time.monotonic() < end:
            time.sleep(0.05)
        shown = d.status()["ports"]["r1"].get("reason", "")
        lab.check(f"{mode}: without {what} nothing is reported about them: {shown}", "share a route" not in shown)
    d.say("destroy")
    d.kill()
