"""What a test of a packet answers, beside what becomes of that packet: sent afterwards, it is counted by the rule the test
named, on the path it named, and arrives with the addresses it named. At off, tcx and xdp."""
import json
import sys

import lab

lab.need("ip", "nsenter", "ethtool", "nft")
L = lab.Lab(sys.argv[1])
L.offload(False)
S, S6, C, C6 = "10.200.2.2", "fd00:200:2::2", "10.200.1.2", "fd00:200:1::2"
MAC = json.loads(L.run(L.client, ["ip", "-j", "link", "show", "c0"]))[0]["address"]
RULES = {
    "10": {"from": "lan", "to": "wan", "protocol": "tcp", "destination-ports": ["80"], "action": "accept"},
    "20": {"from": "lan", "to": "wan", "protocol": "tcp", "destination-ports": ["81"], "action": "drop"},
    "30": {"from": "lan", "to": "wan", "protocol": "udp", "destination-ports": ["82"], "action": "reject"},
    "35": {"from": "lan", "to": "wan", "protocol": "icmp", "icmp-type": "echo-request", "action": "drop"},
    "40": {"from": "lan", "to": "local", "protocol": "tcp", "destination-ports": ["22"], "action": "drop"},
    "45": {"from": "local", "to": "wan", "protocol": "udp", "destination-ports": ["99"], "action": "drop"},
    "47": {"to": "wan", "protocol": "udp", "destination-ports": ["98"], "action": "drop"},
    "50": {"from": "lan", "to": "wan", "protocol": "udp", "destination": ["fd00:200:2::/64"], "destination-ports": ["100"],
           "action": "drop"},
    "55": {"from": "lan", "to": "wan", "protocol": "tcp", "destination-ports": ["90"], "action": "accept",
           "limit": {"rate": 1, "per": "second", "burst": 50}},
    "56": {"from": "lan", "to": "wan", "protocol": "tcp", "destination-ports": ["91"], "action": "drop",
           "source-mac": [MAC]},
    "57": {"from": "lan", "to": "wan", "protocol": "udp", "destination-ports": ["54"], "state": ["untracked"],
           "action": "accept"},
    "60": {"from": "lan", "to": "wan", "protocol": "tcp", "tcp-flags": ["syn", "!ack"], "destination-ports": ["92"],
           "action": "drop"},
    "61": {"from": "lan", "to": "wan", "protocol": "tcp", "destination-ports": ["92-93"], "action": "accept"},
}
MORE = {"source-nat": {"7": {"to": "wan", "source": ["10.200.1.0/24"], "action": "masquerade"}},
        "destination-nat": {"9": {"from": "lan", "protocol": "tcp", "port": "8080", "translate-to": f"{S}:80"}},
        "notrack": {"5": {"from": "lan", "protocol": "udp", "destination-ports": ["54"]}}}


def packet(protocol, port=0, source=C, destination=S, start="lan", **more):
    p = {"from": start, "source": source, "destination": destination, "protocol": protocol, **more}
    if port:
        p["destination-port"] = port
    return p


# What is tested, and what must be in the answer.
ROWS = {
    "accepted, translated": (packet("tcp", 80), {"verdict": "accept", "rule": 10, "hook": "forward"}),
    "dropped by a rule": (packet("tcp", 81), {"verdict": "drop", "rule": 20}),
    "rejected": (packet("udp", 82), {"verdict": "reject", "rule": 30}),
    "an echo request": (packet("icmp"), {"verdict": "drop", "rule": 35}),
    "for the appliance": (packet("tcp", 22, destination="10.200.1.1"), {"verdict": "drop", "rule": 40, "hook": "input"}),
    "of the appliance": (packet("udp", 99, source="10.200.2.1", start="local"),
                         {"verdict": "drop", "rule": 45, "hook": "output"}),
    "of the appliance, a rule without from": (packet("udp", 98, source="10.200.2.1", start="local"),
                                              {"verdict": "drop", "rule": 47, "hook": "output"}),
    "IPv6": (packet("udp", 100, C6, S6), {"verdict": "drop", "rule": 50}),
    "a limit": (packet("tcp", 90), {"verdict": "accept", "rule": 55, "depends": [{"rule": 55, "on": "limit"}]}),
    "a MAC address": (packet("tcp", 91, **{"source-mac": MAC}), {"verdict": "drop", "rule": 56}),
    "not tracked": (packet("udp", 54), {"verdict": "accept", "rule": 57, "untracked": True}),
    "flags of TCP": (packet("tcp", 92), {"verdict": "drop", "rule": 60}),
    "the default": (packet("tcp", 4000), {"verdict": "drop", "default": "forward"}),
    "the default, IPv6": (packet("tcp", 4000, C6, S6), {"verdict": "drop", "default": "forward"}),
    "destination NAT": (packet("tcp", 8080, destination="10.200.1.1"),
                        {"verdict": "accept", "rule": 10,
                         "destination-nat": {"entry": 9, "action": "translate", "address": S, "port": 80}}),
}
SEND = """
import json
p = json.loads(sys.argv[1])
v6 = ":" in p["source"]
family = socket.AF_INET6 if v6 else socket.AF_INET
if p["protocol"] == "icmp":
    s = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    s.sendto(struct.pack("!BBHHH", 8, 0, 0xf7fe, 0, 1), (p["destination"], 0))
else:
    s = socket.socket(family, socket.SOCK_STREAM if p["protocol"] == "tcp" else socket.SOCK_DGRAM)
    s.setblocking(False)
    s.bind((p["source"], 0))
    try:
        s.connect((p["destination"], p["destination-port"]))
        s.send(b"x")
    except OSError:
        pass
    if p["protocol"] == "tcp":
        import select
        select.select([], [s], [], 0.5)
"""


def numbers(d):
    c = d.counters()
    flat = {("rule", int(n)): v for n, v in c["rules"].items()}
    flat.update({("default", n): v for n, v in c["default"].items()})
    return {k: (v["packets"], v["fast-packets"]) for k, v in flat.items()}


def ask(d, p):
    return json.loads(d.say("test " + json.dumps(p, separators=(",", ":"))))


def check_row(d, mode, what, row):
    p, wanted = row
    before, ports = numbers(d), d.status()["ports"]
    got = ask(d, p)
    lab.check(f"{mode}: {what}: {wanted} in {got}", all(got.get(k) == v for k, v in wanted.items()))
    after = d.status()["ports"]
    lab.check(f"{mode}: {what}: nothing was counted by the test",
              numbers(d) == before and all(ports[n][k] == after[n][k] for n in ports for k in ("hits", "dropped")))
    L.run(L.router if p["from"] == "local" else L.client, [sys.executable, "-Sc", "import socket, struct, sys\n" + SEND,
                                                          json.dumps(p)])
    key = ("rule", got["rule"]) if "rule" in got else ("default", got["default"])
    now = numbers(d)
    changed = {k for k in now if now[k][0] != before.get(k, (0, 0))[0] and (k[0] == "rule" or k == ("default", "forward"))}
    lab.check(f"{mode}: {what}: sent, it is counted by {key}: {changed}", changed == {key})
    fast = now[key][1] - before.get(key, (0, 0))[1] > 0
    by = "fast-path" if fast and got["verdict"] == "drop" else "kernel"
    lab.check(f"{mode}: {what}: decided by the {by}: {got}", got["decided-by"] == by)
    lab.check(f"{mode}: {what}: no warning", "warning" not in got)


def error(d, p):
    d.process.stdin.write("test " + json.dumps(p, separators=(",", ":")) + "\n")
    d.process.stdin.flush()
    return d.process.stdout.readline().strip()


def check_errors(d):
    for what, p, part in (
            ("an unknown zone", packet("tcp", 80, start="lam"), '/from: there is no zone and no interface "lam"; expected one '
             'of them, or local for a packet of the appliance; did you mean lan?'),
            ("no port", packet("tcp"), "/destination-port: tcp and udp need a destination port"),
            ("two families", packet("tcp", 80, C6, S), "/destination: source and destination must be of one address family"),
            ("a network", packet("tcp", 80, destination="10.200.2.0/24"), "/destination: expected one address"),
            ("a port of ICMP", packet("icmp", 80), "/destination-port: ports need the protocol tcp or udp"),
            ("ICMP of the other family", packet("icmpv6"), "/protocol: icmpv6 has IPv6 addresses only; expected icmp"),
            ("an unknown member", {**packet("tcp", 80), "port": 1}, "/port: "),
            ("no source", {"destination": S, "protocol": "icmp"}, '"source" is missing')):
        got = error(d, p)
        lab.check(f"{what}: {got}", got.startswith("error ") and part in got)


def check_ways(d):
    got = ask(d, packet("tcp", 80))
    lab.check(f"the translation and the interfaces are named: {got}",
              got["source-nat"] == {"entry": 7, "action": "masquerade", "address": "10.200.2.1"} and
              got["in"] == {"interface": "r0", "zone": "lan"} and got["out"] == {"interface": "r1", "zone": "wan"})
    L.echo("tcp", 80)
    lab.check("the server sees that address", L.talk("tcp", S, 80, 1)[1] == "10.200.2.1")
    got = ask(d, {"source": C, "destination": S, "protocol": "icmp"})
    lab.check(f"the interface follows from the source: {got}", got["in"]["interface"] == "r0")
    got = ask(d, packet("tcp", 80, destination="203.0.113.9"))
    lab.check(f"no route: {got}", got["verdict"] == "no-route" and "no route" in got["reason"])
    got = ask(d, packet("tcp", 80, source="10.200.1.1"))
    lab.check(f"the appliance's own address from outside: {got}", got["verdict"] == "no-route" and "martian" in got["reason"])
    L.run(L.router, ["sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1"])
    got = ask(d, packet("tcp", 80, source="10.200.2.9"))
    L.run(L.router, ["sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0"])
    lab.check(f"another way back: {got}", got["verdict"] == "no-route" and "rp_filter" in got["reason"])
    got = ask(d, packet("tcp", 9, source="10.200.2.1", destination="10.200.1.1", start="local"))
    lab.check(f"to itself: {got}", got["verdict"] == "accept" and "loopback" in got["reason"])


d = L.dpctl()
for mode in ("off", "tcx", "xdp"):
    d.apply(lab.policy(mode, RULES, **MORE))
    for what, row in ROWS.items():
        check_row(d, mode, what, row)
    further = ask(d, packet("tcp", 93))["further-packets"]
    lab.check(f"{mode}: further packets: {further}", further["by"] == ("kernel" if mode == "off" else "fast-path"))
check_errors(d)
check_ways(d)
