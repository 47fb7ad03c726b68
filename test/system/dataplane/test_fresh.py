"""Flow entries are as current as the kernel's own state: uplinks that change under masquerade, routes by
DSCP, the one packet in a while that really takes the kernel's path, and a router that was replaced without notice."""
import os
import sys
import time

import lab
import stream

lab.need("ip", "nsenter", "ethtool", "nft", "ping")
L = lab.Lab(sys.argv[1])
OTHER = f"orbt-{os.getpid()}-o"
lab.sh(f"ip netns add {OTHER}; ip -n {OTHER} link set lo up")
L.extra.append(OTHER)
lab.sh(f"ip netns exec {OTHER} sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0")
L.wire("o0", OTHER, "r2", 3)
for name, dev in ((L.client, "c0"), (L.server, "s0"), (OTHER, "o0")):
    lab.sh(f"nsenter --net=/run/netns/{name} ethtool -K {dev} tx off gro on")
# The same host by two uplinks. What comes to an address of the other uplink is not answered.
V4, V6 = "198.51.100.10", "2001:db8:9::10"
for name, word in ((L.server, "server"), (OTHER, "other")):
    lab.sh(f"ip -n {name} addr add {V4}/32 dev lo; ip -n {name} addr add {V6}/128 dev lo nodad")
    for host in (V4, V6):
        stream.answer(L, name, host, 5004, word)
        stream.answer(L, name, host, 5005, word)
lab.sh(f"ip netns exec {L.router} sysctl -qw net.ipv4.conf.all.promote_secondaries=1")
for name in ("base_reachable_time_ms=500", "delay_first_probe_time=1", "retrans_time_ms=100"):
    lab.sh(f"nsenter --net=/run/netns/{L.router} sysctl -qw net.ipv4.neigh.r1.{name} net.ipv6.neigh.r1.{name}")
# What is kept too long is kept for half a minute and more; the kernel alone takes two seconds on a quiet machine.
LONG, TIMES = 15.0, 5
kernel_s = {}  # how long each took with the fast path off
RULES = {"10": {"from": "lan", "to": "wan", "action": "accept"}}
NAT = {"1": {"to": "wan", "action": "masquerade"},
       "2": {"to": "wan", "source": ["::/0"], "action": "masquerade"}}


def follows(mode, what, took):
    """About as soon as with the kernel alone, which is tried first."""
    if took is not None and mode == "off":
        kernel_s[what] = max(took, kernel_s.get(what, 0))
    return took is not None and took < max(LONG, TIMES * kernel_s.get(what, 0))


def policy(mode, **more):
    p = lab.policy(mode, RULES, **more)
    p["ports"]["r2"] = {"fast-path": mode}
    p["zones"]["wan"]["interfaces"] = ["r1", "r2"]
    return p


def route(net):
    lab.sh(f"ip -n {L.router} route replace default via 10.200.{net}.2; "
           f"ip -n {L.router} -6 route replace default via fd00:200:{net}::2")


def ping(*hosts):
    """As monitoring does: the kernel has a neighbour entry for each of them."""
    for host in hosts:
        L.run(L.router, ["ping", "-q", "-c1", "-W2", host])


def switch(d, mode, talks):
    """The default route moves: masqueraded conversations leave by the new uplink with its address."""
    route(3)
    for host, talk in talks.items():
        want = "other fd00:200:3::1" if ":" in host else "other 10.200.3.1"
        took = talk.flows(want, 120)
        lab.check(f"{mode}: a masqueraded conversation to {host} is answered by the new uplink after "
                  f"{took if took is None else round(took, 2)} s", follows(mode, ("uplink", host), took))


def readdress(old, new):
    """The uplink's addresses change, and 250 others go at once before: the kernel's masquerade, which handles 16 at a
    time, deletes nothing then."""
    others = [f"10.77.0.{i}/32 dev lo" for i in range(250)]
    address = (f"10.200.2.{old}/24 dev r1", f"fd00:200:2::{old}/64 dev r1")
    lines = [f"addr add {x}" for x in (*others, address[0].replace(f".{old}/", f".{new}/"), address[1].replace(f"::{old}/", f"::{new}/") + " nodad")]
    lines += [f"addr del {x}" for x in (*others, *address)]
    for part in (lines[:len(others) + 2], lines[len(others) + 2:]):
        L.run(L.router, ["ip", "-batch", "-"], text="\n".join(part) + "\n")
    route(2)


def readdressed(mode, talks):
    """It is the appliance that does."""
    for old, new in ((1, 7), (7, 1)):
        readdress(old, new)
        for host, talk in talks.items():
            took = talk.flows(f"server fd00:200:2::{new}" if ":" in host else f"server 10.200.2.{new}", 120)
            lab.check(f"{mode}: a masqueraded conversation to {host} continues with the address .{new} after "
                      f"{took if took is None else round(took, 2)} s", follows(mode, ("address", host), took))


def kernel_packets(d):
    """Packets of rule 10 that nftables saw."""
    rule = d.rule(10)
    return rule["packets"] - rule["fast-packets"]


def once_in_a_while(d, mode):
    """One packet of each direction takes the kernel's path when its time has come, and only one."""
    lab.check(f"{mode}: the fast path carries it", stream.carried(d))
    before = kernel_packets(d)
    d.say("age")
    end = time.monotonic() + 30
    while kernel_packets(d) - before < 2 and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.5)  # the point: no more of them
    seen = kernel_packets(d) - before
    lab.check(f"{mode}: {seen} packets went through the kernel when their time had come", 2 <= seen <= 8)


# Rules and routes that ask for more than the destination: what adds them, and what takes them away.
WAYS = {
    "DSCP": (V4, 0x10, "ip -n {r} rule {word} tos 0x10 lookup 100"),
    "port": (V4, 0, "ip -n {r} rule {word} ipproto udp dport 5005 lookup 100"),
    "source": (V6, 0, "ip -n {r} -6 rule {word} from fd00:200:1::/64 lookup 100"),
    "subtree": (V6, 0, "ip -n {r} -6 route {word} " + V6 + " from fd00:200:1::/64 via fd00:200:3::2 metric 1"),
}


def by_more(mode):
    """They hold for conversations the fast path carries, all at once."""
    lab.sh(f"ip -n {L.router} route add default via 10.200.3.2 table 100; "
           f"ip -n {L.router} -6 route add default via fd00:200:3::2 table 100")
    for pair in (("DSCP", "source"), ("port", "subtree")):
        talks = {}
        for what in pair:
            host, tos, command = WAYS[what]
            talks[what] = stream.Stream(L, host, 5005, tos)
            lab.check(f"{mode}: a conversation to {host}", talks[what].flows("server") is not None)
        L.assure()
        for what in pair:
            lab.sh(WAYS[what][2].format(r=L.router, word="add"))
            took = talks[what].flows("other", 120)
            lab.check(f"{mode}: it takes the way of its {what} after {took if took is None else round(took, 2)} s",
                      follows(mode, what, took))
        time.sleep(0.2)  # the point: the entry is looked up again
        for what in pair:
            shown = talks[what].last()[2]
            lab.check(f"{mode}: and continues there", shown.startswith("other"))
            talks[what].close()
            lab.sh(WAYS[what][2].format(r=L.router, word="del"))
    lab.sh(f"ip -n {L.router} route flush table 100; ip -n {L.router} -6 route flush table 100")




def swap(mode, talk, number):
    """Another machine takes the router's address, without a gratuitous ARP: stale after at most 0.75 s, probed 1 s
    later, failed 0.3 s after that, and resolved again."""
    lab.check(f"{mode}: a conversation by the first uplink", talk.flows("server") is not None)
    lab.sh(f"ip -n {L.server} link set s0 address 02:00:00:00:00:{number:02x}")
    since = time.monotonic()
    talk.stopped(since, 0.1)
    took = talk.flows("server", 120)
    took = None if took is None else time.monotonic() - since
    lab.check(f"{mode}: a silently swapped router to {talk.host} costs {took if took is None else round(took, 2)} s",
              follows(mode, ("swap", talk.host), took))


for number, mode in enumerate(("off", "tcx", "xdp")):
    route(2)
    L.run(L.router, ["ip", "neigh", "flush", "all"])
    d = L.dpctl("live")
    d.apply(policy(mode, **{"source-nat": NAT}))
    talks = {host: stream.Stream(L, host, 5004) for host in (V4, V6)}
    for talk in talks.values():
        lab.check(f"{mode}: a conversation", talk.flows("server") is not None)
    talks[V4].assured()
    ping("10.200.3.2", "fd00:200:3::2", "10.200.2.2", "fd00:200:2::2")
    once_in_a_while(d, mode) if mode != "off" else None
    readdressed(mode, talks)
    switch(d, mode, talks)
    talks[V6].close()
    talks[V4].close()
    route(2)
    by_more(mode)
    for host, at in ((V4, 1), (V6, 4)):
        talk = stream.Stream(L, host, 5005)
        talk.assured()
        swap(mode, talk, number + at)
        talk.close()
    d.say("destroy")
    d.kill()
