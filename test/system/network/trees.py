"""Random configurations: a tree, and the tree with one thing changed. What they can say is what the firewall's and the
routing's schema can, except what takes time (schedules) or is asked of clocks (rates count by the minute at least)."""
from world import OWN4

LAN4, LAN6 = ["10.1.0.2", "10.1.0.3", "10.1.0.4"], ["fd00:1::2", "fd00:1::3"]
NET4, NET6 = ["198.51.100.10", "198.51.100.11"], ["2001:db8:100::10"]
DMZ4, DMZ6 = ["10.2.0.2", "10.2.0.3"], ["fd00:2::2"]
OWN = OWN4[0]
PORTS = [53, 80, 443, 8000, 9000]
MACS = ["02:00:00:00:00:02", "02:00:00:00:01:02", "02:00:5e:00:00:99"]
VIA = [("192.0.2.1", "fd00:10::1"), ("203.0.113.1", "fd00:11::1")]
GROUPS = {"web": {"ports": ["80", "443", "8000-8100"]}, "names": {"ports": ["domain"]},
          "friends": {"addresses": ["10.1.0.2", "10.1.0.4", "fd00:1::2"]}}
# what commits make of them
OTHERS = {"web": [{"ports": ["80"]}, {"ports": ["443", "9000"]}, {"ports": ["1-65535"]}], "names": [{"ports": ["8000"]}],
          "friends": [{"addresses": ["10.1.0.3"]}, {"addresses": ["10.1.0.0/24", "fd00:1::/64"]}, {"addresses": ["10.1.0.4", "fd00:1::3"]}]}
RULE_PORTS = [80, "http", [80, 443], "8000-9000", "!53", ["1-1000", "!80"], "@web", ["@names", 9000], "!@web", [53, "8000-8002"]]
SOURCES = [*LAN4, *LAN6, LAN4[:2], "!10.1.0.3", "@friends", "!@friends", "10.1.0.2-10.1.0.3", ["10.1.0.0/24", "!10.1.0.3"], "fd00:1::/64"]
FAR = [*NET4, *NET6, *DMZ4, *DMZ6, "198.51.100.0/24", "!198.51.100.10", ["198.51.100.0/24", "10.2.0.0/24", "!10.2.0.3"], "2001:db8::/32"]
WAYS = [{"from": "lan"}, {"from": "lan"}, {"from": "lan", "to": "wan"}, {"from": "lan", "to": "wan"}, {"to": "dmz"}, {"from": "dmz"},
        {"from": "!wan"}, {"from": "lan", "to": "!dmz"}, {"from": "lan", "to": "local"}, {"from": "wan", "to": "local"}, {"from": "local"}, {"from": "local", "to": "wan"},
        {"from": "wan", "to": "dmz"}, {"from": "wan"}, {"from": "!lan", "to": "!wan"}, {}, {"from": "!local"}, {"to": "!local"},
        {"from": "lan", "to": "!local"}, {"from": "!local", "to": "wan"}, {"from": "!dmz", "to": "local"}, {"from": "local", "to": "!lan"}]
STATES = [["new"], ["untracked"], ["established"], ["related"], ["new", "untracked"], ["invalid"], ["established", "related"], ["new", "established"]]
FLAGS = [["syn", "!ack"], ["rst"], ["fin"], ["!syn"], ["psh", "ack"], ["urg"], ["ece", "!cwr"], ["!ece", "!urg"], ["!psh", "!fin"], ["ack", "!rst"], ["cwr"]]
# other than TCP, UDP and ICMP: nothing but addresses
OTHER = ["gre", "esp", "ah", "igmp", "ospf", "pim", "vrrp", "sctp"]
PER = ["second", "minute", "hour", "day"]  # of records, which are not counted here
REJECTS = ["tcp-reset", "port-unreachable", "host-unreachable", "net-unreachable", "admin-prohibited"]


def rule(r):
    """One rule of any kind; plain ones are the most frequent."""
    x = {"action": r.choice(["accept", "accept", "accept", "drop", "reject"]), **r.choice(WAYS)}
    kind = r.choice(["any", "port", "port", "port", "port", "icmp", "icmp", "other", "number", "number"])
    if kind == "port":
        x["protocol"] = r.choice(["tcp", "udp", "tcp_udp"])
        if r.random() < 0.8:
            x["destination-ports"] = r.choice(RULE_PORTS + PORTS * 2)
        if r.random() < 0.15:
            x["source-ports"] = r.choice(["20000-20001", "!20002", [20000, 20003], 80])
        if x["protocol"] == "tcp" and r.random() < 0.15:
            x["tcp-flags"] = r.choice(FLAGS)
    elif kind == "icmp":
        x["protocol"] = r.choice(["icmp", "icmp", "icmpv6"])
        if r.random() < 0.5:
            x["icmp-type"] = r.choice(["echo-request", "echo-request", "time-exceeded" if x["protocol"] == "icmp" else "packet-too-big"])
    elif kind == "other":
        x["protocol"] = r.choice(OTHER + ["any"])
    four = x.get("protocol") != "icmpv6"
    if r.random() < 0.3:
        x["source"] = r.choice([s for s in SOURCES if four or isinstance(s, str) and "fd" in s])
    if r.random() < 0.2:
        x["destination"] = r.choice([d for d in FAR if four or isinstance(d, str) and ":" in d])
    if x.get("protocol") == "icmp":
        for k in ("source", "destination"):
            if isinstance(x.get(k), str) and ":" in x[k]:
                del x[k]
    if {"source", "destination"} <= x.keys() and len({":" in str(x[k]) for k in ("source", "destination")}) == 2:
        del x["destination"]
    if r.random() < 0.12 and x.get("from") != "local":
        x["source-mac"] = r.choice([MACS[0], MACS[1:], "!" + MACS[0], "!" + MACS[2]])
    if r.random() < 0.15:
        x["state"] = r.choice(STATES)
    if r.random() < 0.08:
        x["limit"] = {"rate": 1, "per": r.choice(["minute", "hour", "day"]), "burst": r.choice([1, 2, 4]), "per-source": r.random() < 0.5}
        if r.random() < 0.2:  # one that no machine exceeds
            x["limit"].update(rate=100000, per="second", burst=1000)
    if x["action"] == "reject" and r.random() < 0.5:
        x["reject-with"] = r.choice(REJECTS if x.get("protocol") == "tcp" else REJECTS[1:])
    if r.random() < 0.1:
        x.update({"log": True, "log-limit": log_limit(r), **({"log-prefix": r.choice(["seen", "a: b #1"])} if r.random() < 0.5 else {})})
    return noted(r, x)


def log_limit(r):
    return {"rate": 1, "per": r.choice(PER), **({"burst": 3} if r.random() < 0.5 else {})}


def noted(r, entry):
    """An entry as administrators keep them: with a note, or switched off for now."""
    if r.random() < 0.06:
        entry["description"] = r.choice(["for now", "\"all of it\"", "[1]"])
    if r.random() < 0.06:
        entry["enabled"] = False
    return entry


def kept(r, entries):
    """The same of a list of entries; one with a default may have it."""
    return {n: noted(r, dict(e)) for n, e in entries.items()}


def source_nat(r):
    return r.choice([
        {"10": {"to": "wan"}}, {"10": {"to": "wan", "action": "masquerade", "protocol": "any"}},
        {"10": {"to": "wan", "protocol": r.choice(OTHER + ["icmp"])}},
        {"5": {"to": "wan", "protocol": "icmp", "action": "none"}, "10": {"to": "wan"}},
        {"10": {"to": "wan", "protocol": "icmpv6", "action": "snat", "translate-to": "fd00:10::77"}},
        {"10": {"to": "wan", "action": "snat", "translate-to": OWN}},
        {"10": {"to": "wan", "source": "10.1.0.2"}},
        {"10": {"to": "wan", "source": "!10.1.0.2"}},
        {"5": {"to": "wan", "destination": "198.51.100.10", "action": "none"}, "10": {"to": "wan"}},
        {"5": {"to": "wan", "source": "@friends", "action": "exclude"}, "10": {"to": "wan", "action": "snat", "translate-to": "192.0.2.77"}},
        {"5": {"to": "wan", "protocol": r.choice(["tcp", "udp", "tcp_udp"]), "destination-ports": r.choice([80, "8000-9000", [53, 443], "!80"]), "action": "none"},
         "10": {"to": "wan"}},
        {"10": {"to": "wan", "protocol": "tcp_udp", "source-ports": "20000-20002", "action": "snat", "translate-to": "192.0.2.77"}},
        {"10": {"to": "wan", "source": ["fd00:1::/64", "10.1.0.0/24"]}},
        {"10": {"to": "wan", "source": "fd00:1::2", "action": "snat", "translate-to": "fd00:10::77"}},
        {"8": {"to": "dmz", "source": "10.1.0.0/24"}, "9": {"to": "lan", "source": "10.1.0.0/24"}, "10": {"to": "wan"}},
    ])


def destination_nat(r):
    to, more = r.choice(DMZ4), r.choice([{}, {}, {"destination": OWN}, {"destination": OWN}, {"destination": [OWN, "198.51.100.11"]}])
    base = {"from": r.choice(["wan", "lan", "lan"]), "protocol": r.choice(["tcp", "udp", "tcp_udp"]), **more}
    return r.choice([
        {"10": {**base, "port": 8000, "translate-to": to}},
        {"10": {**base, "port": 8000, "translate-to": f"{to}:80"}},
        {"10": {**base, "port": "8000-8002", "translate-to": f"{to}:9000-9002"}},
        {"10": {**base, "port": "8000-8002", "translate-to": f"{to}:9001", "fold": True}},
        {"10": {**base, "port": [80, "8000-8001", 53], "translate-to": to}},
        {"10": {**base, "port": "8000-8002", "translate-to": f"{to}:8001-8003"}},
        {"5": {**base, "port": 8000, "source": "10.1.0.2", "action": "none"}, "10": {**base, "port": [8000, 8001], "translate-to": to}},
        {"10": {**base, "port": 8000, "source-ports": "20000-20002", "translate-to": f"{to}:443"}},
        {"10": {"from": "lan", "protocol": "tcp_udp", "port": "domain", "destination": f"!{to}", "translate-to": to}},
        {"10": {"from": "lan", "protocol": "tcp_udp", "port": r.choice([80, "8000-8001"]), "destination": "2001:db8:100::10",
                "translate-to": r.choice(["fd00:2::2", "[fd00:2::2]:9000-9001"])}},
        {"10": {"from": "lan", "protocol": "tcp_udp", "port": 8000, "destination": OWN, "translate-to": "10.1.0.4"}},  # hairpin
        *[{"10": {"from": "local", "protocol": "tcp_udp", "port": r.choice([80, 8000, [80, 443, "8000-8002"]]), **where,
                  "translate-to": r.choice([to, NET4[1], f"{to}:9000"]), "fold": True}} for where in [{"destination": NET4[0]}, {"destination": "198.51.100.0/24"}]],
        {"10": {"from": "local", "protocol": "udp", "port": 80, "destination": "2001:db8:100::10", "translate-to": "fd00:2::2"}},
        {"10": {**base, "protocol": "any", "port": None, "destination": OWN, "translate-to": to, "action": "dnat"}},
        {"10": {**base, "protocol": r.choice([*OTHER, "icmp"]), "port": None, "destination": OWN, "translate-to": to}},
        {"10": {"from": "lan", "protocol": "icmpv6", "destination": "2001:db8:100::10", "translate-to": "fd00:2::2"}},
        {"5": {**base, "protocol": "tcp_udp", "port": 8001, "action": "exclude"}, "10": {**base, "port": "8000-8002", "translate-to": to}},
    ])


def notrack(r):
    return r.choice([
        {"10": {"from": "lan", "protocol": "udp", "destination-ports": 53}, "20": {"from": "!lan", "protocol": "udp", "source-ports": 53}},
        {"10": {"from": "lan", "source": "10.1.0.2"}},
        {"5": {"from": "lan", "source": "10.1.0.2", "action": "none"}, "10": {"from": "lan", "protocol": "tcp_udp", "destination-ports": "@web"}},
        {"10": {"protocol": "udp", "destination-ports": [53, 9000]}},
        {"10": {"from": "local"}}, {"10": {"from": "wan", "protocol": r.choice(["icmp", "icmpv6", "tcp", "any", *OTHER]), "action": "notrack"}},
        {"5": {"destination": NET4[0], "action": "exclude"}, "10": {"from": "lan", "destination": ["198.51.100.0/24", "2001:db8::/32"]}},
    ])


def route(r, to):
    """An entry about a destination of IPv4, of each kind there is."""
    none = r.choice(["blackhole", "unreachable", "reject"])
    # a destination without a neighbour there is given up after seconds, at another moment in each world
    direct = [{"interface": "wan1"}, {"interface": "wan1", "metric": 7, "preferred-source": "203.0.113.2"}] if to.startswith("198") else []
    return r.choice([
        *direct, {none: True}, {none: True, "metric": r.choice([5, 3000])},
        {"next-hops": {VIA[1][0]: {"metric": 10}, VIA[0][0]: {"metric": 20}}},
        {"next-hops": {VIA[0][0]: {}, VIA[1][0]: {"weight": 2}}},
        {"next-hops": {VIA[0][0]: {"metric": 4}}, "metric": 50, "description": "a \"note\""},
        {"next-hops": {VIA[1][0]: {"interface": "wan1", "onlink": True}}},
        {"next-hops": {VIA[1][0]: {}}, none: True},
        {"next-hops": {VIA[1][0]: {"preferred-source": "203.0.113.2"}}},
        {"next-hops": {VIA[1][0]: {}}, "preferred-source": "203.0.113.2"},
    ])


def route6(r):
    near, far = (link_local(host) for host in (2, 3))
    none = r.choice(["blackhole", "unreachable", "reject"])
    return r.choice([
        {"next-hops": {"fe80::ff:fe00:302": {"interface": "wan1"}}},
        {"next-hops": {near: {"metric": 30}, far: {"metric": 20}}},
        {"next-hops": {VIA[0][1]: {}, VIA[1][1]: {"weight": r.choice([1, 3])}}}, {"next-hops": {near: {"weight": 2}, far: {}}},
        {"next-hops": {VIA[1][1]: {"preferred-source": "fd00:11::2"}}, none: True}, {none: True},
    ])


def link_local(host):
    """A host of an uplink by what it has on each of its links, and which one it is."""
    return f"fe80::ff:fe00:{host:x}02%wan{host - 2}"


def routing(r):
    """More routes, tables and rules beside the default one."""
    to = r.choice([NET4[1] + "/32", "198.51.100.0/24", DMZ4[1] + "/32"])
    second = {"tables": {"second": {"id": 200, "static": {"0.0.0.0/0": {"next-hops": {VIA[1][0]: {}}}, "::/0": {"next-hops": {VIA[1][1]: {}}}}}}}
    none = r.choice(["blackhole", "unreachable", "reject"])
    special = {"tables": {"second": {"id": 200, "description": "one more", "static": {to: route(r, to), "2001:db8::/32": route6(r)}}}}
    return r.choice([
        *[{"static": {to: route(r, to)}}] * 4, *[{"static": {"2001:db8::/32": route6(r)}}] * 3, {"static": {NET6[0] + "/128": {none: True}}},
        *[{**special, "policy": {"50": {"interface": "lan0", "table": "second", **more}}} for more in ({}, {"description": "x"}, {"ignore-default": True})],
        {**second, "policy": {"50": {"from": "10.1.0.3/32", "table": "second"}}},
        {**second, "policy": {"50": {"interface": r.choice(["lan0", "dmz0"]), "table": "second"}}},
        {**second, "policy": {"40": {"mark": "0x1/0xff", "table": "second"}}},
        {**second, "policy": {"30": {"to": "10.0.0.0/8"}, "40": {"from": "10.1.0.0/24", "table": "second"}}},
        {"policy": {"40": {"from": r.choice(LAN4) + "/32", none: True}}},
        {**second, "policy": {"40": {"from": LAN6[0] + "/128", "table": "second"}}},
        {**second, "policy": {"40": {"to": NET4[0] + "/32", "table": "second", "ignore-default": True}}},
        {"policy": {"40": {"to": NET4[0] + "/32", none: True}}},
    ])


PLAIN = {"zones": {"lan": {"interfaces": ["lan0"]}, "dmz": {"interfaces": ["dmz0"]}, "wan": {"interfaces": ["wan0", "wan1"]}},
         "rules": {}, "snat": {}, "dnat": {}, "notrack": {}, "default": {"forward": "drop"}, "uplink": 0, "routing": {}, "interfaces": {},
         "groups": GROUPS}
WHAT = ["rule"] * 6 + ["less", "less", "snat", "snat", "dnat", "dnat", "notrack", "uplink", "uplink", "forward", "input", "routing", "routing",
                       "mss", "zone", "address", "port", "port", "log", "group", "group", "mtu", "note"]


def tree(r, old=None):
    """A configuration; from an old one, the old one with one thing changed. Nothing of the old one is touched."""
    old = old or PLAIN
    t = {k: dict(v) if isinstance(v, dict) else v for k, v in old.items()}
    what = r.choice(WHAT) if old is not PLAIN else "rule"
    if what == "rule":
        t["rules"][str(r.randrange(1, 60))] = rule(r)
    elif what == "less" and t["rules"]:
        del t["rules"][r.choice(sorted(t["rules"], key=int))]
    elif what in ("snat", "dnat", "notrack", "routing"):
        make = {"snat": source_nat, "dnat": destination_nat, "notrack": notrack, "routing": routing}[what]
        t[what] = {} if t[what] and r.random() < 0.4 else make(r) if what == "routing" else kept(r, make(r))
    elif what == "uplink":
        t["uplink"] = 1 - t["uplink"]
    elif what == "forward":
        t["default"]["forward"] = r.choice(["drop", "reject", "accept"])
    elif what == "input":
        t["default"][r.choice(["input", "output"])] = r.choice(["drop", "reject", "accept", "accept"])
    elif what == "mss":
        t["zones"]["wan"] = {**t["zones"]["wan"], "mss-clamp": r.choice(["pmtu", 1000])} if "mss-clamp" not in t["zones"]["wan"] else PLAIN["zones"]["wan"]
    elif what == "zone":  # the second uplink is one of the dmz
        moved = t["zones"]["dmz"]["interfaces"] == ["dmz0"]
        t["zones"]["dmz"] = {**t["zones"]["dmz"], "interfaces": ["dmz0", "wan1"] if moved else ["dmz0"]}
        t["zones"]["wan"] = {**t["zones"]["wan"], "interfaces": ["wan0"] if moved else ["wan0", "wan1"]}
    elif what == "address":
        own = dict(t["interfaces"].get("wan0", {}))
        t["interfaces"]["wan0"] = own
        if own.pop("addresses", None) is None:
            own["addresses"] = [OWN4[1] + "/24", "fd00:10::2/64"]
    elif what == "port":
        name = r.choice(["lan0", "dmz0", "wan0", "wan1"])
        t["interfaces"][name] = {**t["interfaces"].get(name, {}), "fast-path": r.choice(["off", "tcx", "auto", "xdp"])}
    elif what == "group":
        name = r.choice(sorted(GROUPS))
        t["groups"][name] = r.choice(OTHERS[name]) if t["groups"][name] == GROUPS[name] else GROUPS[name]
    elif what == "mtu":
        name = r.choice(["lan0", "wan0", "wan1"])
        own = t["interfaces"].get(name, {})
        t["interfaces"][name] = {**own, "mtu": 1500 if own.get("mtu") == 1400 else 1400}  # without it an interface keeps what it has
    elif what == "log":
        t["default"].update({"log": r.choice([["forward"], ["forward", "input"], ["output"], "forward"]), "log-limit": log_limit(r)})
    elif what == "note":
        for kind in (t["zones"], t["groups"], t["interfaces"]):
            name = r.choice(sorted(kind) or ["lan0"])
            kind[name] = {**kind.get(name, {}), "description": r.choice(["x", "\"y\""])}
    return t


def written(t):
    """The tree as `config load` reads it."""
    four, six = VIA[t["uplink"]]
    more = t["routing"]
    static = {"0.0.0.0/0": {"next-hops": {four: {}}}, "::/0": {"next-hops": {six: {}}}, **more.get("static", {})}
    dnat = {n: {k: v for k, v in e.items() if v is not None} for n, e in t["dnat"].items()}
    out = {"firewall": {"zones": t["zones"], "groups": t["groups"], "rules": t["rules"], "default": t["default"],
                        "nat": {"source": t["snat"], "destination": dnat}, "notrack": t["notrack"]},
           "routing": {**more, "static": static}}
    return {**out, "interfaces": t["interfaces"]} if t["interfaces"] else out
