"""A commit applies to existing connections: connections that the new policy refuses end, those it would translate
otherwise end or are translated anew, all others lose nothing. The servers send unrequested, and the policy lets them
begin connections of their own: that must not restore an ended connection."""
import json
import os
import subprocess
import sys
import time

import lab

lab.need("ip", "nsenter", "ethtool", "nft", "ping")
RUNNING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "running.py")
L = lab.Lab(sys.argv[1])
L.offload(False)
S, S2, S6, S26 = "10.200.2.2", "10.200.2.3", "fd00:200:2::2", "fd00:200:2::3"
ROUTER, ROUTER6, SPECIAL = "10.200.1.1", "fd00:200:1::1", "10.200.2.77"
OWN, HIDDEN = "10.200.1.2", "10.200.2.1"
L.run(L.server, ["ip", "addr", "add", f"{S2}/24", "dev", "s0"])
L.run(L.server, ["ip", "addr", "add", f"{S26}/64", "dev", "s0", "nodad"])
L.run(L.router, ["ip", "addr", "add", f"{SPECIAL}/32", "dev", "r1"])


def serve(name, addresses, ports):
    child = L.start(name, [sys.executable, "-S", RUNNING, "serve", ",".join(addresses), ",".join(map(str, ports))],
                    stdout=subprocess.PIPE)
    assert child.stdout.readline() == "ready\n"


serve(L.server, (S, S2, S6, S26), (*range(5001, 5013), *range(5020, 5027), *range(5030, 5036), 5040))
serve(L.router, (ROUTER, ROUTER6), (2201, 2202, 2203, 2204, 8008))


class Talk:
    """Conversations of one host."""

    def __init__(self, name, table):
        self.path = os.path.join(L.directory, f"talk-{len(L.children)}")
        self.child = L.start(name, [sys.executable, "-S", RUNNING, "talk", self.path], stdin=subprocess.PIPE)
        json.dump(table, self.child.stdin)
        self.child.stdin.close()

    def now(self):
        try:
            with open(self.path) as f:
                return json.load(f)
        except FileNotFoundError:
            return {}

    def until(self, what, holds, names=None, seconds=60):
        """Until holds(conversation, the moment the waiting began) is true for each."""
        begun, end = time.monotonic(), time.monotonic() + seconds
        while True:
            now = self.now()
            wrong = {n: c for n, c in now.items() if (names is None or n in names) and not holds(c, begun)}
            if now and not wrong:
                return
            if time.monotonic() > end or self.child.poll() is not None:
                print(f"# {wrong}")
                lab.check(what, False)
            time.sleep(0.05)

    def close(self):
        self.child.kill()
        self.child.wait()


def flows(c, since):
    return c["at"] > since and not c["error"]


def accept(port, protocol="tcp", **more):
    return {"from": "lan", "to": "wan", "protocol": protocol, "destination-ports": [str(port)],
            "action": "accept", **more}


def refuse(port, protocol="tcp", action="drop", **more):
    return {"protocol": protocol, "destination-ports": [str(port)], "action": action, **more}


# Servers may begin what they like, the router too.
ALWAYS = {"900": {"from": "wan", "action": "accept"}, "10": accept(5001, "tcp_udp")}
NAT_PORTS = {"800": {"from": "lan", "to": "wan", "protocol": "tcp_udp", "destination-ports": ["5020-5040"],
                     "action": "accept"},
             "801": {"from": "lan", "to": "wan", "protocol": "icmp", "action": "accept"}}
GROUP = [f"{OWN}", "10.200.1.9", "fd00:200:1::2", "fd00:200:1::9"]
BEFORE_RULES = {
    **ALWAYS, **NAT_PORTS, "20": accept(5002), "30": accept(5003), "40": accept(5004, "udp"),
    "50": accept(5005, "udp", source=GROUP), "60": accept(5006, "udp", source=GROUP[0:1] + GROUP[2:3]),
    "70": accept(5007), "80": accept(5008, limit={"rate": 1000}), "90": accept(5009),
}
AFTER_RULES = {
    **ALWAYS, **NAT_PORTS, "25": refuse(5003), "30": accept(5003),
    "50": accept(5005, "udp", source=GROUP[1:2] + GROUP[3:4]), "60": accept(5006, "udp", source=GROUP),
    "65": refuse(5007, action="reject"), "70": accept(5007), "81": accept(5008),
    "88": refuse(5009, **{"source-mac": ["02:00:00:00:00:99"]}), "90": accept(5009),
    "100": refuse(2201, **{"from": "lan", "to": "local"}),
    "101": refuse(2203, "udp", **{"from": "lan", "to": "local"}),
    "102": refuse(2204, action="reject", **{"from": "lan", "to": "local"}),
    "110": refuse(5010, **{"from": "local", "to": "wan"}), "111": refuse(5012, "udp", to="wan"),
}


def forward(port, to, protocol="udp", **more):
    return {"from": "lan", "protocol": protocol, "port": str(port), "translate-to": to, **more}


# What these servers begin looks like the answer of a port forward.
BACK = {"60": {"to": "lan", "protocol": "udp", "source-ports": ["5040"], "action": "masquerade"}}
BEFORE_NAT = {
    "source-nat": {"5": {"to": "wan", "protocol": "udp", "destination-ports": ["5032"], "action": "none"},
                   "10": {"to": "wan", "protocol": "udp", "destination-ports": ["5030"], "action": "masquerade"},
                   "20": {"to": "wan", "protocol": "udp", "destination-ports": ["5031"], "action": "masquerade"},
                   "30": {"to": "wan", "protocol": "udp", "destination-ports": ["5033"], "translate-to": SPECIAL},
                   "40": {"to": "wan", "protocol": "tcp", "destination-ports": ["5034"], "action": "masquerade"},
                   "50": {"to": "wan", "protocol": "tcp_udp", "destination-ports": ["5035"],
                          "action": "masquerade"}, **BACK},
    "destination-nat": {"1": forward(8001, f"{S}:5020"), "2": forward(8002, f"{S}:5020", "tcp"),
                        "3": forward(8003, f"{S}:5021"), "4": forward(8004, f"{S}:5022"),
                        "5": forward("8005-8006", f"{S}:5023-5024"), "7": forward(8007, f"{S}:5021", "tcp_udp"),
                        "9": forward(8009, f"[{S6}]:5020"), "10": forward(8010, f"[{S6}]:5020", "tcp"),
                        "11": forward(5040, S)}}
AFTER_NAT = {
    "source-nat": {"10": {"to": "wan", "protocol": "udp", "destination-ports": ["5030"],
                          "translate-to": SPECIAL},
                   "25": {"to": "wan", "protocol": "udp", "destination-ports": ["5032"], "action": "masquerade"},
                   "29": {"to": "wan", "protocol": "udp", "destination": [f"{S}/32"],
                          "destination-ports": ["5033"], "action": "none"},
                   "30": {"to": "wan", "protocol": "udp", "destination-ports": ["5033"], "translate-to": SPECIAL},
                   "51": {"to": "wan", "protocol": "tcp_udp", "destination-ports": ["5035"],
                          "action": "masquerade"}, **BACK},
    "destination-nat": {"1": forward(8001, f"{S2}:5020"), "2": forward(8002, f"{S2}:5020", "tcp"),
                        "4": forward(8004, f"{S}:5025"), "5": forward("8005-8006", f"{S}:5024-5025"),
                        "7": forward(8007, f"{S}:5021", "tcp_udp"), "8": forward(8008, f"{S}:5026"),
                        "9": forward(8009, f"[{S26}]:5020"), "10": forward(8010, f"[{S26}]:5020", "tcp"),
                        "11": forward(5040, S2)}}

# What runs, what answer it gets before, and after: "ends", "stays", or another answer. "resumes": ends
# without a reset, so that it continues when the commit is undone.
BOTH = {  # over IPv4 and IPv6
    "another rule is removed": ("tcp", 5001, "stays"), "another rule is removed, UDP": ("udp", 5001, "stays"),
    "its rule is removed": ("tcp", 5002, "resumes"), "a rule before it refuses": ("tcp", 5003, "resumes"),
    "its rule is removed, UDP": ("udp", 5004, "ends"), "its address leaves the group": ("udp", 5005, "ends"),
    "an address joins the group": ("udp", 5006, "stays"), "a rule rejects it": ("tcp", 5007, "reset"),
    "its rule gets another number": ("tcp", 5008, "stays"),
}
ROWS = {f"{name}, IPv{6 if ':' in host else 4}": (protocol, host, port, f"{host} {port}", after)
        for name, (protocol, port, after) in BOTH.items() for host in (S, S6)}
ROWS.update({
    "input: a rule refuses": ("tcp", ROUTER, 2201, f"{ROUTER} 2201", "resumes"),
    "input: IPv6": ("tcp", ROUTER6, 2201, f"{ROUTER6} 2201", "resumes"),
    "input: UDP": ("udp", ROUTER, 2203, f"{ROUTER} 2203", "ends"),
    "input: a rule rejects": ("tcp", ROUTER, 2204, f"{ROUTER} 2204", "reset"),
    "input: another one": ("tcp", ROUTER, 2202, f"{ROUTER} 2202", "stays"),
    "input: another one, UDP": ("udp", ROUTER6, 2202, f"{ROUTER6} 2202", "stays"),
    "its MAC address might be refused": ("tcp", S, 5009, f"{S} 5009", f"{S} 5009"),
    "target": ("udp", ROUTER, 8001, f"{S} 5020", f"{S2} 5020 {OWN}"),
    "target of TCP": ("tcp", ROUTER, 8002, f"{S} 5020", "reset"),
    "target of one that sends unasked": ("udp", ROUTER, 5040, f"{S} 5040", f"{S2} 5040 {OWN}"),
    "target is deleted": ("udp", ROUTER, 8003, f"{S} 5021", "ends"),
    "port of the target": ("udp", ROUTER, 8004, f"{S} 5022", f"{S} 5025"),
    "range is shifted": ("udp", ROUTER, 8006, f"{S} 5024", f"{S} 5025"),
    "range, the first": ("udp", ROUTER, 8005, f"{S} 5023", f"{S} 5024"),
    "another target": ("udp", ROUTER, 8007, f"{S} 5021", "stays"),
    "another target of TCP": ("tcp", ROUTER, 8007, f"{S} 5021", "stays"),
    "target comes": ("udp", ROUTER, 8008, f"{ROUTER} 8008", f"{S} 5026"),
    "IPv6 target": ("udp", ROUTER6, 8009, f"{S6} 5020", f"{S26} 5020"),
    "IPv6 target of TCP": ("tcp", ROUTER6, 8010, f"{S6} 5020", "reset"),
    "masquerade becomes an address": ("udp", S, 5030, f"{S} 5030 {HIDDEN}", f"{S} 5030 {SPECIAL}"),
    "masquerade is removed": ("udp", S, 5031, f"{S} 5031 {HIDDEN}", f"{S} 5031 {OWN}"),
    "masquerade comes": ("udp", S, 5032, f"{S} 5032 {OWN}", f"{S} 5032 {HIDDEN}"),
    "an exception comes": ("udp", S, 5033, f"{S} 5033 {SPECIAL}", f"{S} 5033 {OWN}"),
    "an exception for another": ("udp", S2, 5033, f"{S2} 5033 {SPECIAL}", "stays"),
    "masquerade of TCP is removed": ("tcp", S, 5034, f"{S} 5034 {HIDDEN}", "reset"),
    "masquerade by another entry": ("udp", S, 5035, f"{S} 5035 {HIDDEN}", "stays"),
    "masquerade of TCP by another entry": ("tcp", S, 5035, f"{S} 5035 {HIDDEN}", "stays"),
})
OUTPUT_ROWS = {
    "output: a rule refuses": ("tcp", S, 5010, f"{S} 5010", "resumes"),
    "output: IPv6": ("tcp", S6, 5010, f"{S6} 5010", "resumes"),
    "output: UDP by a rule without from": ("udp", S, 5012, f"{S} 5012", "ends"),
    "output: another one": ("tcp", S, 5011, f"{S} 5011", "stays"),
    "output: another one, UDP": ("udp", S6, 5011, f"{S6} 5011", "stays"),
}


def start(name, rows):
    talk = Talk(name, {n: row[:3] for n, row in rows.items()})
    for n, row in rows.items():
        talk.until(f"{n}: it runs", lambda c, t, row=row: flows(c, t) and c["shown"].startswith(row[3]), [n])
    return talk


def look(mode, talk, rows):
    """What became of each."""
    for n, row in rows.items():
        if row[4] == "stays":
            talk.until(f"{mode}: {n}: it stays", lambda c, t, row=row: flows(c, t) and c["shown"].startswith(row[3]),
                       [n])
        elif row[4] == "reset":
            talk.until(f"{mode}: {n}: it is reset", lambda c, t: c["error"], [n])
        elif row[4] not in ("ends", "resumes"):
            talk.until(f"{mode}: {n}: it is translated anew",
                       lambda c, t, row=row: flows(c, t) and c["shown"].startswith(row[4]), [n])
    expect_stopped(talk, f"{mode}: it ends", [n for n, row in rows.items() if row[4] in ("ends", "resumes")])


def expect_stopped(talk, what, names):
    """Nothing came for a while, where another 50 answers would have."""
    for n in names:
        talk.until(f"{what}: {n}", lambda c, _: time.monotonic() - c["at"] > 0.5, [n])


def lossless(mode, talk, rows, when, least=5):
    for n, c in talk.now().items():
        if rows[n][4] == "stays":
            lab.check(f"{mode}: {n}: nothing is lost {when} ({c['got']} answers, {c['gaps']} missing)",
                      c["gaps"] == 0 and c["got"] > least)


def resumed(mode, talk, rows):
    names = [n for n, row in rows.items() if row[4] == "resumes"]
    talk.until(f"{mode}: what a commit that is taken back ended continues", flows, names)


def ended_all(mode):
    """Packets of a server to a client that has ended would be a connection of the next policy."""
    open_ones = "not asked"
    for _ in range(600):
        open_ones = "".join(L.run(name, ["ss", "-Htan", "exclude", "listening", "exclude", "time-wait"])
                            for name in (L.client, L.router, L.server))
        if not open_ones:
            return
        time.sleep(0.1)
    lab.check(f"{mode}: every TCP connection of it ends: {open_ones}", False)


PING = ["ping", "-i", "0.05", "-O", S]
for mode in ("off", "tcx", "xdp"):
    L.run(L.router, ["nft", "flush", "ruleset"])
    before = lab.policy(mode, BEFORE_RULES, **BEFORE_NAT)
    after = lab.policy(mode, AFTER_RULES, **AFTER_NAT)
    d = L.dpctl()
    d.apply(before)
    client, router = start(L.client, ROWS), start(L.router, OUTPUT_ROWS)
    L.assure()
    d.kill()
    d = L.dpctl()
    d.apply(before)
    lab.check(f"{mode}: the same policy by another daemon ends nothing", json.loads(d.say("ended")) ==
              {"refused": 0, "translated": 0})
    d.apply(after)
    ended = json.loads(d.say("ended"))
    look(mode, client, ROWS)
    look(mode, router, OUTPUT_ROWS)
    every = [r[4] for r in (*ROWS.values(), *OUTPUT_ROWS.values())]
    lab.check(f"{mode}: as many are counted as ended ({ended}, {len(every) - every.count('stays')})",
              sum(ended.values()) == len(every) - every.count("stays"))
    d.apply(before) if mode == "tcx" else d.say("revert")
    resumed(mode, client, ROWS)
    resumed(mode, router, OUTPUT_ROWS)
    ended = json.loads(d.say("ended"))  # going back translates what it had translated
    for i in range(10):
        d.apply(lab.policy(mode, {**BEFORE_RULES, "500": refuse(9000 + i)}, **BEFORE_NAT))
    lossless(mode, client, ROWS, "by a dozen commits")
    lossless(mode, router, OUTPUT_ROWS, "by a dozen commits")
    lab.check(f"{mode}: unrelated commits end nothing ({json.loads(d.say('ended'))})",
              json.loads(d.say("ended")) == ended)
    moved = lab.policy(mode, BEFORE_RULES, **BEFORE_NAT)
    moved["zones"] = {"lan": {"interfaces": ["r0"]}, "wan": {"interfaces": ["r9"]}, "dmz": {"interfaces": ["r1"]}}
    d.apply(moved)
    expect_stopped(client, f"{mode}: it ends with its zone's interface",
           [n for n, row in ROWS.items() if row[4] == "stays" and not n.startswith("input")])
    client.until(f"{mode}: what has nothing to do with it stays", flows, ["input: another one"])
    d.apply(before)
    client.close()
    router.close()
    ended_all(mode)
    d.say("destroy")
    d.kill()

# ---- what comes by one interface and is answered by another ----
FAR, UPLINK = "198.51.100.7", "10.200.3.1"
far = f"{L.router}-far"
L.extra.append(far)
lab.sh(f"ip netns add {far}; ip -n {far} link set lo up; ip -n {far} addr add {FAR}/32 dev lo")
L.wire("f0", far, "r2", 3)
lab.sh(f"ip link add f1 netns {far} type veth peer name s1 netns {L.server}; ip -n {far} link set f1 up; "
       f"ip -n {L.server} link set s1 up; ip -n {L.server} route add {FAR} dev s1 src {S}; "
       f"ip -n {far} addr add 10.200.4.2/24 dev f1; ip -n {L.server} addr add 10.200.4.1/24 dev s1; "
       f"ip -n {far} route replace default via 10.200.3.1 dev f0 src {FAR}; "
       f"ip -n {L.router} route add {FAR} via {S}; "
       f"ip netns exec {L.server} sysctl -qw net.ipv4.ip_forward=1; "
       f"ip netns exec {far} sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.f1.rp_filter=0; "
       f"ip netns exec {L.server} sysctl -qw net.ipv4.conf.all.rp_filter=0; "
       f"ip netns exec {L.router} sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.r2.rp_filter=0")
L.run(L.client, ["ip", "addr", "add", "10.200.1.3/24", "dev", "c0"])
serve(L.client, (OWN, "10.200.1.3"), (5050, 5051))
TWO = {"zones": {"lan": {"interfaces": ["r0"]}, "wan": {"interfaces": ["r1"]}, "backup": {"interfaces": ["r2"]}},
       "rules": {"10": {"from": "backup", "to": "lan", "action": "accept"}}}
FARS = {"by the other uplink": ("udp", UPLINK, 5050, f"{OWN} 5050", "10.200.1.3 5050"),
        "TCP by the other uplink": ("tcp", UPLINK, 5051, f"{OWN} 5051", "reset")}


def targets(zone, to):
    return {str(port): {"from": zone, "protocol": "tcp_udp", "port": str(port), "translate-to": to}
            for port in (5050, 5051)}


for mode in ("off", "tcx"):
    def two(to, rules=None):
        return lab.policy(mode, {**TWO["rules"], **(rules or {})}, zones=TWO["zones"],
                          **{"destination-nat": targets("backup", to)})
    d = L.dpctl()
    d.apply(two(OWN))
    talk = start(far, FARS)
    d.apply(two(OWN, {"5": {"from": "wan", "action": "drop"}}))
    d.apply(two(OWN, {"5": {"from": "lan", "action": "drop"}, "6": {"from": "!backup", "action": "reject"}}))
    d.kill()
    d = L.dpctl()
    d.apply(two(OWN, {"5": {"from": "wan", "to": "lan", "action": "reject"}}))
    talk.until(f"{mode}: what the routes do not show continues", flows)
    lab.check(f"{mode}: and nothing was ended", json.loads(d.say("ended")) == {"refused": 0, "translated": 0})
    lossless(mode, talk, {n: (*row[:4], "stays") for n, row in FARS.items()}, "by commits about other zones")
    d.apply(two("10.200.1.3"))
    look(mode, talk, FARS)
    talk.close()
    d.say("destroy")
    d.kill()

# ---- expected connections end and continue with the connection that expected them ----
ENTRIES = os.path.join(os.path.dirname(RUNNING), "entries.py")
FIRST, SECOND = [OWN, S, 4000, 21], [OWN, S, 4010, 2121]
FAMILY = [(FIRST, 10, None), ([OWN, S, 4001, 5555], 10, FIRST), (SECOND, 20, None), ([OWN, S, 4011, 5556], 20, SECOND)]
HELD = 0x40000000


def marks(make, entries=FAMILY):
    given = json.dumps([{"tuple": t, "mark": m, "master": master, "make": make} for t, m, master in entries])
    return json.loads(subprocess.run(L.inside(L.router) + [sys.executable, "-S", ENTRIES], input=given, text=True,
                                     capture_output=True, check=True).stdout)


d = L.dpctl()
d.apply(lab.policy("off", {"10": accept(21), "20": accept(2121)}))
lab.check("two connections and what they expected", marks(True) == [10, 10, 20, 20])
d.apply(lab.policy("off", {"20": accept(2121)}))
lab.check(f"what was expected ends with it {marks(False)}", marks(False) == [10 | HELD, 10 | HELD, 20, 20])
d.apply(lab.policy("off", {"20": accept(2121), "30": accept(9999)}))
lab.check(f"and stays so {marks(False)}", marks(False) == [10 | HELD, 10 | HELD, 20, 20])
d.apply(lab.policy("off", {"10": accept(21), "20": accept(2121)}))
lab.check(f"and continues with it {marks(False)}", marks(False) == [10, 10, 20, 20])

# ---- who is banned cannot fill conntrack with what is kept ----
KEPT = 8192
CROWD = [([OWN, f"10.200.77.{i >> 12}", 1024 + (i & 4095), 21], 10, None) for i in range(KEPT + 500)]
marks(True, CROWD)
d.apply(lab.policy("off", {"20": accept(2121)}))
left = marks(False, CROWD)
lab.check(f"some thousand are kept, the others forgotten ({len(left) - left.count(None)} of {len(left)})",
          all(m in (None, 10 | HELD) for m in left) and KEPT - 10 < len(left) - left.count(None) <= KEPT)
