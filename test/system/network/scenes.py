"""Short scripts, each about one thing that the random ones of script.py meet seldom: the conversation is what the fast
path carries right before, one thing happens, and the packets sent then show it. Who, what and where is drawn by chance."""
import aim
from foreign import UNDO, table
from trees import DMZ4, LAN4, NET4, OWN, PLAIN, written
import wire


def named(r, n=0, proto=None):
    s = aim.spec(r, n)
    return {**s, "proto": proto or r.choice(["tcp", "udp", "udp"])}


def four(r, n=0, proto=None):
    return {**named(r, n, proto), "src": r.choice(LAN4), "dst": r.choice(NET4)}


def base(r, **more):
    t = {**PLAIN, "rules": {"100": {"from": "lan", "action": "accept"}}, **more}
    if "snat" not in more and r.random() < 0.6:
        t["snat"] = {"10": {"to": "wan"}}
    return t


def begun(t, *specs):
    steps = [["config", written(t)], *(["begin", n, s] for n, s in enumerate(specs))]
    return steps + ([["age"]] if any(s["proto"] == "udp" for s in specs) else []) + [["say", n, 20, 2, ""] for n in range(len(specs))]


def shown(r, names, *looks):
    return [["say", n, r.choice([20, 100, 500]) if size is None else size, 1, how] for size, how in looks for n in names]


PLAINLY = [(None, ""), (None, "")]
# an event about routes, after which the fast path asks anew
STALE = "ip route add blackhole 10.99.99.99 table 199; ip route del blackhole 10.99.99.99 table 199"


def ends(r):
    """The first FIN or RST is conntrack's; what comes then meets a connection that ends. The same ports begun again would
    meet what is left of it, which is a matter of conntrack's clock."""
    specs = [named(r, n, "tcp") for n in range(3)]
    steps = begun(base(r), *specs)
    for n in range(3):
        steps += [["say", n, 20, 2, ""], ["end", n, r.choice(["fin", "fin", "rst"])], *shown(r, [n], (20, "unasked"), (20, ""))]
    return steps + [["begin", n, {**specs[n - 3], "sport": 20000 + n}] for n in range(3, 5)]


def fragments(r):
    specs = [named(r, n, p) for n, p in enumerate(["udp", "tcp", "udp"])]
    return begun(base(r), *specs) + shown(r, range(3), (20, ""), (20, "pieces"), (20, ""), (20, "pieces"), (900, ""))


def ports(r):
    """What is translated has other ports than it came with."""
    to = r.choice([f"{DMZ4[1]}:9000", f"{DMZ4[0]}:8004"])
    entry = {"from": "wan", "protocol": "tcp_udp", "port": 8000, "destination": OWN, "translate-to": to}
    inner = {"from": "lan", "protocol": "tcp_udp", "port": 80, "destination": NET4[0], "translate-to": f"{DMZ4[1]}:9001"}
    t = base(r, dnat={"10": entry, "20": inner}, snat={"10": {"to": "wan"}})
    t["rules"]["101"] = {"from": "wan", "to": "dmz", "action": "accept"}
    specs = [{"proto": p, "src": NET4[1], "dst": OWN, "sport": 20000 + n, "dport": 8000, "tos": 0} for n, p in enumerate(["tcp", "udp"])]
    specs += [{"proto": p, "src": r.choice(LAN4), "dst": NET4[0], "sport": 20002 + n, "dport": 80, "tos": 0} for n, p in enumerate(["tcp", "udp"])]
    # the same ports from two hosts: masquerade gives the second one another
    specs += [{"proto": "udp", "src": a, "dst": NET4[1], "sport": 20010, "dport": 53, "tos": 0} for a in LAN4[:2]]
    return begun(t, *specs) + shown(r, range(6), *PLAINLY, (20, "unasked"), (900, ""))


def first_of_dnat(r):
    """A rule refuses the address of the first packet, not the one it is translated to."""
    proto = r.choice(["tcp", "udp"])
    port, dst = r.choice([80, 8000]), r.choice(NET4)
    entry = {"from": "lan", "protocol": r.choice([proto, "tcp_udp"]), "port": port, "destination": dst, "translate-to": r.choice([DMZ4[1], f"{DMZ4[0]}:9000"])}
    t = base(r, dnat={"10": entry})
    t["rules"]["4"] = {"action": "drop", "protocol": proto, "destination": dst}
    specs = [{"proto": proto, "src": a, "dst": dst, "sport": 20000 + n, "dport": port, "tos": 0} for n, a in enumerate(LAN4)]
    return begun(t, *specs) + shown(r, range(3), *PLAINLY) + [["begin", 3, {**specs[0], "sport": 20003}], ["begin", 4, {**specs[1], "sport": 20004, "dport": 443}]]


def untracked(r):
    """A connection that runs is not to be tracked any more, or only one way."""
    specs = [four(r, n, p) for n, p in enumerate(["udp", "tcp", "udp"])]
    t = base(r, snat={})
    steps = begun(t, *specs)
    for _ in range(2):
        t = {**t, **aim.untracked(r, {**t, "notrack": {}}, specs[r.randrange(3)])}
        steps += [["config", written(t)], *shown(r, range(3), (None, ""), (20, "unasked"), (None, ""))]
    return steps + [["begin", 3, {**specs[0], "sport": 20003}], ["begin", 4, {**specs[1], "sport": 20004}]]


def classes(r):
    """Another class takes another way, or is refused."""
    specs = [four(r, n, p) for n, p in enumerate(["udp", "tcp"])]
    dst = specs[0]["dst"]
    do = r.choice([f"ip route replace {dst} tos 0x10 via 203.0.113.1 dev wan1", "ip route replace default via 203.0.113.1 dev wan1 table 101; ip rule add pref 5 tos 0x10 lookup 101",
                   "ip rule add pref 5 tos 0x10 blackhole"])
    # masqueraded connections end where their way is another one; these show the ways of classes
    return begun(base(r, snat={}), *specs) + [["foreign", do], *shown(r, range(2), (20, ""), (20, "tos"), (20, ""), (20, "tos"), (600, "tos"), (20, ""))]


def leaving(r):
    """A chain at the way out of one interface, of a conversation or of its answers."""
    specs = [named(r, n) for n in range(3)]
    s = specs[0]
    dev, port = r.choice([("wan0", "dport"), ("wan0", "dport"), ("lan0", "sport"), ("dmz0", "dport")])
    do = table("x2", "netdev", f"chain c {{ type filter hook egress device {dev} priority 0; {s['proto']} {port} {s['dport']} drop; }}")
    return begun(base(r), *specs) + [["foreign", do], *shown(r, range(3), *PLAINLY), ["foreign", UNDO], *shown(r, range(3), *PLAINLY)]


def forgotten(r):
    """Conntrack is told to forget: the other end, which no rule lets in, sends something first. An entry of the cache asks
    anew after a second, so an event makes all of them stale right before, and it is a moment old."""
    specs = [four(r, n, "udp") for n in range(2)] + [named(r, 2, "tcp")]
    steps = begun(base(r, snat={}), *specs)
    for n, s in enumerate(specs):
        do = r.choice([f"conntrack -D -p {s['proto']} -s {s['src']} --sport {s['sport']} || true", f"conntrack -D -p {s['proto']} -d {s['dst']} --sport {s['sport']} || true", "conntrack -F"])
        steps += [["foreign", STALE], ["say", n, 20, 4, ""], ["foreign", do if n < 2 else "conntrack -F"], *shown(r, [n], (20, "unasked"), (20, ""), (20, "unasked"))]
    return steps


ALL = [ends, fragments, ports, first_of_dnat, untracked, classes, leaving, forgotten]
