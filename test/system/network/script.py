"""Steps of a script, as plain lists that print as JSON: conversations of packets, commits, and what other
programs do to the router. perform() does one in a world and returns what there was to see."""
import random
import time

from world import HOSTS, Failed
import wire

OBEY_S = 0.11  # established flows obey a change within 100 ms
STREAM_S = 2.05  # conntrack calls a UDP flow with answers a stream, and assured, after 2 s
LAN4, LAN6 = ["10.1.0.2", "10.1.0.3", "10.1.0.4"], ["fd00:1::2", "fd00:1::3"]
NET4, NET6 = ["198.51.100.10", "198.51.100.11"], ["2001:db8:100::10"]
DMZ4, DMZ6 = ["10.2.0.2", "10.2.0.3"], ["fd00:2::2"]
OWN = "192.0.2.2"
PORTS = [53, 80, 443, 8000, 9000]


def home(address):
    return next(h for h, (_, a) in HOSTS.items() if any(x.split("/")[0] == address for x in a))


class Talk:
    """One conversation: a client and whoever the client's packets reach."""

    def __init__(self, world, spec):
        self.w, self.spec, self.host = world, spec, home(spec["src"])
        self.proto = {"tcp": wire.TCP, "udp": wire.UDP}.get(spec["proto"], wire.ICMP6 if wire.is6(spec["src"]) else wire.ICMP)
        self.far = None  # (host, Seen): the last packet of the client as the server saw it
        self.near = None  # Seen: the last one of the server as the client saw it
        self.mine, self.theirs = 1000, 5000  # next sequence numbers

    def body(self, src, dst, sport, dport, flags, seq, ack, payload):
        if self.proto == wire.TCP:
            return wire.tcp(src, dst, sport, dport, flags, seq, ack, payload)
        if self.proto == wire.UDP:
            return wire.udp(src, dst, sport, dport, payload)
        kind = (128 if self.proto == wire.ICMP6 else 8) + (0 if flags == "ask" else 1 if self.proto == wire.ICMP6 else -8)
        return wire.icmp(src, dst, kind, 0, sport << 16 | 1, payload)

    def out(self, flags, payload=b"", ttl=64, pieces=0):
        s, number = self.spec, self.w.next_number()
        body = self.body(s["src"], s["dst"], s["sport"], s["dport"], flags, self.mine, self.theirs, payload)
        packets = [wire.ip(s["src"], s["dst"], self.proto, number, body, ttl)]
        if pieces:
            cut = pieces // 8 * 8
            packets = [wire.ip(s["src"], s["dst"], self.proto, number, body[:cut], ttl, 0, True),
                       wire.ip(s["src"], s["dst"], self.proto, number, body[cut:], ttl, cut)]
        heard = self.w.carry(self.host, packets)
        for host, seen in heard:
            if host != self.host and seen.number == number:
                self.far = (host, seen)
        if self.proto == wire.TCP:
            self.mine += len(payload) + (1 if flags & (wire.SYN | wire.FIN) else 0)
        return [f"{h} heard {x.text}" for h, x in heard]

    def back(self, flags, payload=b"", ttl=64):
        if not self.far or self.far[1].sport is None and self.proto in (wire.TCP, wire.UDP):
            return []
        host, x = self.far
        number = self.w.next_number()
        sport = x.dport if x.sport is not None else int.from_bytes(x.raw[(40 if wire.is6(x.src) else 20) + 4:][:2], "big")
        heard = self.w.carry(host, [wire.ip(x.dst, x.src, self.proto, number, self.body(
            x.dst, x.src, sport, x.sport, flags, self.theirs, self.mine, payload), ttl)])
        for h, seen in heard:
            if h == self.host and seen.number == number:
                self.near = seen
        if self.proto == wire.TCP:
            self.theirs += len(payload) + (1 if flags & (wire.SYN | wire.FIN) else 0)
        return [f"{h} heard {y.text}" for h, y in heard]

    def complaint(self, kind):
        """The server's host says by ICMP that the client's last packet did not get through."""
        if not self.far:
            return []
        host, x = self.far
        number, six = self.w.next_number(), wire.is6(x.src)
        what, code, rest = {"port": (1, 4, 0) if six else (3, 3, 0), "size": (2, 0, 1280) if six else (3, 4, 1000)}[kind]
        body = wire.icmp(x.dst, x.src, what, code, rest, x.raw[:68 if six else 28])
        return [f"{h} heard {y.text}" for h, y in
                self.w.carry(host, [wire.ip(x.dst, x.src, wire.ICMP6 if six else wire.ICMP, number, body)])]

    def begin(self):
        if self.proto != wire.TCP:
            return self.exchange(40)
        seen = self.out(wire.SYN)
        if self.far:
            seen += self.back(wire.SYN | wire.ACK) + self.out(wire.ACK)
        return seen + self.exchange(100)

    def exchange(self, size):
        text = bytes((i * 7 + self.mine + size) % 251 for i in range(size))
        if self.proto == wire.TCP:
            return self.out(wire.PSH | wire.ACK, text) + self.back(wire.PSH | wire.ACK, text[::-1]) + self.out(wire.ACK)
        if self.proto == wire.UDP:
            return self.out(0, text) + self.back(0, text[::-1])
        return self.out("ask", text) + self.back("answer", text)

    def end(self, how):
        if self.proto != wire.TCP:
            return []
        if how == "rst":
            return self.out(wire.RST) + self.back(wire.ACK)
        return (self.out(wire.FIN | wire.ACK) + self.back(wire.FIN | wire.ACK) + self.out(wire.ACK))


def say(world, name, size, times=1, how=""):
    talk = world.talks.get(name)
    if not talk:
        return []
    if how in ("port", "size"):
        return talk.complaint(how)
    if how == "ttl":
        return talk.out("ask" if talk.proto in (wire.ICMP, wire.ICMP6) else 0 if talk.proto == wire.UDP else wire.ACK, b"", ttl=1)
    if how == "pieces":
        return talk.out(0, b"x" * 900, pieces=480) if talk.proto == wire.UDP and not wire.is6(talk.spec["src"]) else []
    return sum((talk.exchange(size) for _ in range(times)), [])


def begin(world, name, spec):
    world.talks[name] = Talk(world, spec)
    return world.talks[name].begin()


def age(world):
    """UDP conversations go on for so long that conntrack calls them streams."""
    live = [t for t in world.talks.values() if t.proto == wire.UDP]
    seen = sum((t.exchange(20) for t in live), [])
    time.sleep(STREAM_S)
    return seen + sum((t.exchange(24) + t.exchange(24) for t in live), [])


def config(world, tree):
    refused = world.load(tree)
    time.sleep(OBEY_S)
    return [f"commit: {'refused' if refused else 'done'}"]


def foreign(world, command):
    failed = world.shell(command)
    time.sleep(OBEY_S)
    return [f"{command}: {'failed' if failed else 'done'}"]


STEPS = {"begin": begin, "say": say, "age": age, "config": config, "foreign": foreign,
         "end": lambda world, name, how: world.talks[name].end(how) if name in world.talks else []}
SLOW = {"age", "config", "foreign"}  # these wait: the worlds do them at the same time


def perform(world, step):
    return [world.plain(line) for line in STEPS[step[0]](world, *step[1:])]


# ---- what other programs do; each with how it is taken back ----

def table(name, family, body):
    return f"nft -f - <<'X'\ntable {family} {name} {{ {body} }}\nX"


def foreigners(r, specs):
    """One foreign change about one of the conversations."""
    s = r.choice(specs)
    src, dst, proto, six = s["src"], s["dst"], s["proto"], wire.is6(s["src"])
    v, wan = ("ip6" if six else "ip"), r.choice(["wan0", "wan1"])
    hook = r.choice(["forward", "forward", "prerouting", "postrouting"])
    priority = r.choice([-310, -150, -10, 10, 50])
    match = f"{v} {r.choice(['saddr ' + src, 'daddr ' + dst])}" if hook == "forward" else f"{v} daddr {dst}"
    port = f"{proto} dport {s['dport']}" if proto in ("tcp", "udp") else f"meta l4proto {proto}"
    chain = f"chain c {{ type filter hook {hook} priority {priority}; policy accept;"
    far = "fd00:11::1" if six else "203.0.113.1"
    return r.choice([
        table("x1", "inet", f"{chain} {match} drop; }}"),
        table("x1", "inet", f"set b {{ type ipv{6 if six else 4}_addr; elements = {{ {src} }}; }} {chain} {v} saddr @b {port} drop; }}"),
        table("x2", "netdev", f"chain c {{ type filter hook ingress device lan0 priority {priority}; {port} drop; }}"),
        table("x2", "netdev", f"chain c {{ type filter hook egress device {wan} priority 0; {port} drop; }}"),
        table("x3", "inet", f"chain c {{ type filter hook prerouting priority -150; iifname \"lan0\" {port} meta mark set 1; }}") +
        f"\nip {'-6 ' if six else ''}rule add fwmark 1 lookup 100; ip {'-6 ' if six else ''}route replace default via {far} dev wan1 table 100",
        f"ip {'-6 ' if six else ''}route replace default via {far} dev wan1 table 101; ip {'-6 ' if six else ''}rule add from {src} lookup 101",
        f"ip {'-6 ' if six else ''}rule add from {src} {r.choice(['prohibit', 'blackhole', 'unreachable'])}",
        table("x4", "inet", f"chain c {{ type filter hook {r.choice(['postrouting', 'forward'])} priority 20; {port} {v} dscp set cs1; }}"),
        table("x5", "inet", f"chain c {{ type filter hook prerouting priority -300; {port} notrack; }}"),
        table("x6", "inet", f"chain c {{ type filter hook {hook} priority {priority}; {port} queue num 77; }}"),
        f"tc qdisc replace dev {wan} root tbf rate 10mbit burst 700 limit 9000",
        f"ip {'-6 ' if six else ''}route replace {r.choice(['blackhole', 'unreachable', 'prohibit'])} {dst}",
        f"ip {'-6 ' if six else ''}route replace {dst} via {far} dev wan1",
        f"ip {'-6 ' if six else ''}route replace {dst} via {'fd00:10::1' if six else '192.0.2.1'} dev wan0 mtu lock {1280 if six else 700}",
        f"conntrack -D -p {proto if proto != 'icmp' or not six else 'icmpv6'} -s {src} || true",
        f"ip {'-6 ' if six else ''}xfrm policy add src {src} dst {dst} dir {r.choice(['fwd', 'out'])} action block",
        "sysctl -qw net.ipv4.conf.all.rp_filter=1",
        "conntrack -F",
    ])


# Most of it is not there, which ends nothing: each command is tried.
UNDO = ("set +e; for t in x1 x3 x4 x5 x6; do nft delete table inet $t; done; nft delete table netdev x2; tc qdisc del dev wan0 root; tc qdisc del dev wan1 root; "
        "for f in -4 -6; do ip $f rule flush; ip $f rule add pref 32766 lookup main; done; ip -4 rule add pref 32767 lookup default; ip rule add pref 0 lookup local; "
        "ip -6 rule add pref 0 lookup local; ip route flush table 100; ip route flush table 101; ip -6 route flush table 100; ip -6 route flush table 101; "
        "ip xfrm policy flush; for d in 198.51.100.10 198.51.100.11 10.2.0.2 10.2.0.3; do ip route del $d; ip route del unreachable $d; ip route del blackhole $d; ip route del prohibit $d; done; "
        "for d in 2001:db8:100::10 fd00:2::2; do ip -6 route del $d/128; done; sysctl -qw net.ipv4.conf.all.rp_filter=0; conntrack -F; true")


# ---- the random script ----

def tree(r, old=None):
    """A configuration; from an old one, the old one with one thing changed."""
    t = old or {"zones": {"lan": ["lan0"], "dmz": ["dmz0"], "wan": ["wan0", "wan1"]}, "rules": {}, "snat": {}, "dnat": {},
                "forward": "drop", "uplink": 0}
    t = {**t, "rules": dict(t["rules"]), "snat": dict(t["snat"]), "dnat": dict(t["dnat"])}
    what = r.choice(["rule", "rule", "rule", "less", "snat", "dnat", "uplink", "forward"]) if old else "rule"
    if what == "rule":
        rule = {"action": r.choice(["accept", "accept", "drop", "reject"])}
        rule.update(r.choice([{"from": "lan"}, {"from": "lan", "to": "wan"}, {"to": "dmz"}, {"from": "dmz"}]))
        if r.random() < 0.6:
            rule.update({"protocol": r.choice(["tcp", "udp"]), "destination-ports": r.choice(PORTS)})
        elif r.random() < 0.5:
            rule["source"] = r.choice(LAN4 + LAN6)
        t["rules"][str(r.randrange(1, 60))] = rule
    elif what == "less" and t["rules"]:
        del t["rules"][r.choice(sorted(t["rules"]))]
    elif what == "snat":
        t["snat"] = {} if t["snat"] else {"10": r.choice([{"to": "wan"}, {"to": "wan", "action": "snat", "translate-to": OWN},
                                                          {"to": "wan", "source": "10.1.0.2"}])}
    elif what == "dnat":
        t["dnat"] = {} if t["dnat"] and r.random() < 0.5 else {"10": {
            "from": "wan", "protocol": r.choice(["tcp", "udp"]), "destination": OWN, "port": 8000, "translate-to": r.choice(DMZ4) + r.choice(["", ":80"])}}
    elif what == "uplink":
        t["uplink"] = 1 - t["uplink"]
    elif what == "forward":
        t["forward"] = r.choice(["drop", "reject", "accept"])
    return t


def written(t):
    via = [("192.0.2.1", "fd00:10::1"), ("203.0.113.1", "fd00:11::1")][t["uplink"]]
    return {"firewall": {"zones": {z: {"interfaces": i} for z, i in t["zones"].items()}, "rules": t["rules"],
                         "default": {"forward": t["forward"]}, "nat": {"source": t["snat"], "destination": t["dnat"]}},
            "routing": {"static": {"0.0.0.0/0": {"next-hops": {via[0]: {}}}, "::/0": {"next-hops": {via[1]: {}}}}}}


def spec(r, n):
    proto = r.choice(["tcp", "tcp", "udp", "udp", "icmp"])
    src, dst = r.choice([(LAN4, NET4), (LAN4, NET4), (LAN4, DMZ4), (LAN6, NET6), (LAN6, DMZ6), (DMZ4, NET4), (NET4, [OWN])])
    return {"proto": proto, "src": r.choice(src), "dst": r.choice(dst), "sport": 20000 + n,
            "dport": 8000 if dst == [OWN] else r.choice(PORTS)}


def generate(seed):
    r = random.Random(seed)
    t = tree(r)
    t["rules"] = {**t["rules"], "100": {"from": "lan", "action": "accept"}}
    if r.random() < 0.6:
        t["snat"] = {"10": {"to": "wan"}}
    steps, specs = [["config", written(t)]], []

    def some():
        for _ in range(r.randrange(2, 5)):
            n = r.randrange(len(specs))
            how = r.choice([""] * 8 + ["port", "size", "ttl", "pieces"])
            steps.append(["say", n, r.choice([0, 20, 500, 800, 1300]), r.randrange(1, 3), how])

    for _ in range(r.randrange(3, 6)):
        specs.append(spec(r, len(specs)))
        steps.append(["begin", len(specs) - 1, specs[-1]])
    if r.random() < 0.5 and any(s["proto"] == "udp" for s in specs):
        steps.append(["age"])
    some()
    for _ in range(r.randrange(2, 5)):
        if r.random() < 0.45:
            t = tree(r, t)
            steps.append(["config", written(t)])
        else:
            steps.append(["foreign", r.choice([foreigners(r, specs)] * 4 + [UNDO])])
        some()
        if r.random() < 0.4:
            specs.append(spec(r, len(specs)))
            steps.append(["begin", len(specs) - 1, specs[-1]])
    for n in range(len(specs)):
        steps.append(["say", n, 100, 1, ""])
        if r.random() < 0.3:
            steps.append(["end", n, r.choice(["fin", "rst"])])
    return steps
