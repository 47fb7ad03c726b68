"""What rules can ask and answer, with real packets: the same at off, tcx and xdp."""
import json
import os
import subprocess
import sys
import time

import lab

lab.need("ip", "nsenter", "ethtool", "nft")
TALKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "talks.py")
L = lab.Lab(sys.argv[1])
L.offload(False)
S, S6, OTHER = "10.200.2.2", "fd00:200:2::2", "10.200.2.9"
L.run(L.server, ["ip", "addr", "add", f"{OTHER}/24", "dev", "s0"])
PORTS = [53, 54, 55, 56, 80, 443, *range(5000, 5012), *range(6000, 6008), 9000, 9001]
server = L.start(L.server, [sys.executable, "-S", TALKS, "serve", *map(str, PORTS)], stdout=subprocess.PIPE)
assert server.stdout.readline() == "ready\n"
L.echo("tcp", 7000)
L.echo("udp", 7001)
MAC = json.loads(L.run(L.client, ["ip", "-j", "link", "show", "c0"]))[0]["address"]
OTHER_MAC = "02:00:5e:00:00:99"


def rule(port, action, protocol="tcp", **more):
    return {"from": "lan", "protocol": protocol, "destination-ports": str(port).split(), "action": action,
            **more}


RULES = {
    "4": rule(5001, "accept", state=["invalid", "related"], log=True, **{"log-limit": {"rate": 1}}),
    "5": rule(5008, "drop", state=["established"]),
    "6": rule(7000, "drop", state=["established"], **{"tcp-flags": ["rst"]}),
    "10": rule("5000 7000", "accept", **{"source-mac": [OTHER_MAC, MAC]}),
    "11": rule(5001, "accept", **{"source-mac": [OTHER_MAC]}),
    "12": rule(5002, "accept", **{"source-mac": [f"!{OTHER_MAC}"]}),
    "13": rule(5003, "accept", **{"source-mac": [f"!{MAC}"]}),
    "14": rule(56, "accept", "udp", state=["new"]),
    "15": rule("54-55", "accept", "udp", state=["untracked"]),
    "16": {"from": "wan", "protocol": "udp", "source-ports": ["54"], "action": "accept"},
    "20": rule(53, "accept", "tcp_udp"),
    "21": rule(5004, "drop", **{"tcp-flags": ["syn", "!ack"]}),
    "22": rule(5004, "accept"),
    "23": rule(5005, "accept", **{"tcp-flags": ["syn", "!fin"]}, state=["new"]),
    "24": rule(5006, "drop", **{"tcp-flags": ["rst"]}),
    "25": rule(5006, "accept", state=["new", "untracked"], log=True,
               **{"log-prefix": "six", "log-limit": {"rate": 1, "burst": 1}}),
    "26": rule(5007, "accept", state=["established"]),
    "27": rule(5008, "accept"),
    "30": {"from": "!wan", "to": "!lan", "protocol": "udp", "destination-ports": ["5009"],
           "action": "accept"},
    "31": {"from": "!lan", "protocol": "udp", "destination-ports": ["5010"], "action": "accept"},
    "32": {"from": "lan", "protocol": "tcp", "destination": ["10.200.2.0/24", f"!{S}"],
           "destination-ports": ["5010-5011", "!5011"], "action": "accept"},
    "40": rule(6000, "reject", **{"reject-with": "tcp-reset"}),
    "41": rule(6001, "reject", "tcp_udp", **{"reject-with": "port-unreachable"}),
    "42": rule(6002, "reject", "tcp_udp", **{"reject-with": "host-unreachable"}),
    "43": rule(6003, "reject", "tcp_udp", **{"reject-with": "net-unreachable"}),
    "44": rule(6004, "reject", "tcp_udp", **{"reject-with": "admin-prohibited"}),
    "45": rule(6005, "reject", "tcp_udp"),
    "46": rule(6006, "reject", log=True, **{"log-limit": {"rate": 1}}),
    "50": rule(9000, "accept", limit={"rate": 1, "per": "hour", "burst": 3, "per-source": True}),
    "51": rule(9001, "accept"),
}
NOTRACK = {"10": {"from": "lan", "protocol": "udp", "destination-ports": ["54-56"]},
           "20": {"from": "wan", "protocol": "udp", "source-ports": ["54"]}}
REFUSED, GONE, NO_NET, DENIED = ("Connection refused", "No route to host", "Network is unreachable",
                                 "Permission denied")
SILENCE = "silence"
ROWS = {
    "a MAC address of the list": (("tcp", S, 5000, 0, 60), 5000),
    "a MAC address not of the list": (("tcp", S, 5001, 0, 1), SILENCE),
    "none of these MAC addresses": (("tcp", S, 5002, 0, 60), 5002),
    "all but this MAC address": (("tcp", S, 5003, 0, 1), SILENCE),
    "tcp_udp is TCP": (("tcp", S, 53, 0, 5), 53),
    "and UDP": (("udp", S, 53, 0, 5), 53),
    "and both of IPv6": (("udp", S6, 53, 0, 5), 53),
    "untracked both ways": (("udp", S, 54, 0, 5), 54),
    "untracked both ways, IPv6": (("udp", S6, 54, 0, 5), 54),
    "the answers need a rule, too": (("udp", S, 55, 0, 1), SILENCE),
    "untracked is not new": (("udp", S, 56, 0, 1), SILENCE),
    "flags that match refuse": (("tcp", S, 5004, 0, 1), SILENCE),
    "flags that match accept": (("tcp", S, 5005, 0, 60), 5005),
    "flags that do not match do not": (("tcp", S, 5006, 0, 5), 5006),
    "established alone begins nothing": (("tcp", S, 5007, 0, 1), SILENCE),
    "established may be refused": (("tcp", S, 5008, 0, 2), SILENCE),
    "not from and not to a zone": (("udp", S, 5009, 0, 5), 5009),
    "not from this zone": (("udp", S, 5010, 0, 1), SILENCE),
    "the net without a host": (("tcp", OTHER, 5010, 0, 60), 5010),
    "is not for the host": (("tcp", S, 5010, 0, 1), SILENCE),
    "ports without a port": (("tcp", OTHER, 5011, 0, 1), SILENCE),
    "tcp-reset": (("tcp", S, 6000, 0, 1), REFUSED),
    "port-unreachable for TCP": (("tcp", S, 6001, 0, 1), REFUSED),
    "port-unreachable for UDP": (("udp", S, 6001, 0, 1), REFUSED),
    "host-unreachable": (("tcp", S, 6002, 0, 1), GONE),
    "net-unreachable": (("tcp", S, 6003, 0, 1), NO_NET),
    "admin-prohibited": (("tcp", S, 6004, 0, 1), GONE),
    "reject of TCP as ever": (("tcp", S, 6005, 0, 1), REFUSED),
    "reject of UDP as ever": (("udp", S, 6005, 0, 1), GONE),
    "reject that is recorded": (("tcp", S, 6006, 0, 1), REFUSED),
    "IPv6 tcp-reset": (("tcp", S6, 6000, 0, 1), REFUSED),
    "IPv6 port-unreachable": (("udp", S6, 6001, 0, 1), REFUSED),
    "IPv6 host-unreachable": (("udp", S6, 6002, 0, 1), GONE),
    "IPv6 net-unreachable": (("udp", S6, 6003, 0, 1), NO_NET),
    "IPv6 admin-prohibited": (("udp", S6, 6004, 0, 1), DENIED),
    **{f"of six from one source, {i}": (("tcp", S, 9000, 0, 1), None) for i in range(6)},
}


def ask():
    r = subprocess.run(L.inside(L.client) + [sys.executable, "-S", TALKS, "ask"], capture_output=True, text=True,
                       input=json.dumps([row[0] for row in ROWS.values()]))
    if r.returncode:
        raise RuntimeError(r.stderr)
    return json.loads(r.stdout)


ENDLESS = 10000  # messages; what is to be cut runs for minutes where it is not


def talk(count, protocol="tcp", port=7000):
    return L.start(L.client, [sys.executable, "-S", lab.__file__, "talk", protocol, S, str(port), str(count), "0.02", "100", "3"],
                   stdout=subprocess.PIPE)


def accepted(number):
    return d.rule(number)["packets"]


def until(holds):
    end = time.monotonic() + 60
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def mac_rules_and_commits(mode):
    """A connection accepted by its MAC address continues until that very rule changes."""
    policy = lab.policy(mode, {number: r for number, r in RULES.items() if number != "5"})
    before = accepted(10)
    child = talk(70)
    until(lambda: accepted(10) > before + 20)
    policy["rules"]["60"] = rule(7777, "accept")
    d.apply(policy)
    got = json.loads(child.communicate()[0])["got"]
    lab.check(f"{mode}: a commit leaves a connection alone that a MAC address let in ({got} of 70)", got == 70)
    before = accepted(10)
    child = talk(ENDLESS)
    until(lambda: accepted(10) > before + 20)
    policy["rules"]["10"] = rule("5000 7000", "accept", **{"source-mac": [OTHER_MAC]})
    d.apply(policy)
    got = json.loads(child.communicate()[0])["got"]
    lab.check(f"{mode}: and cuts it when the rule asks for another one ({got} messages)", got < ENDLESS)


def cut_by(mode, policy, what):
    """Whether a UDP conversation that runs ends by the commit of policy."""
    before = accepted(70)
    child = talk(ENDLESS, "udp", 7001)
    runs = until(lambda: accepted(70) > before + 20)
    d.apply(policy)
    got = json.loads(child.communicate()[0])["got"]
    lab.check(f"{mode}: {what} ({got} messages)", runs and got < ENDLESS)


def known_and_tracked(mode, policy):
    """Rules about known connections, and what is no longer tracked, hold for what runs."""
    policy["rules"]["70"] = rule(7001, "accept", "udp")
    d.apply(policy)
    cut_by(mode, {**policy, "rules": {**policy["rules"], "7": rule(7001, "drop", "udp", state=["established"])}},
           "a rule about known connections cuts one")
    d.apply(policy)
    answers = {"5": {"from": "wan", "protocol": "udp", "source-ports": ["7001"]}}
    cut_by(mode, {**policy, "notrack": answers}, "one whose answers are no longer tracked ends for want of a rule")
    d.apply({**policy, "notrack": {**answers, "4": {"source": [S], "action": "none"}}})
    got = L.talk("udp", S, 7001, count=5)[0]
    lab.check(f"{mode}: an exception before it is tracked ({got} of 5)", got == 5)


# Each SYN that comes in: the port it was sent from or to, and the largest segment it announces.
SNIFFER = """
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((sys.argv[1], 0))
print("ready", flush=True)
while True:
    frame, where = s.recvfrom(2000)
    kind = frame[12:14]
    if where[2] == 4 or kind not in (b"\\x08\\0", b"\\x86\\xdd"): continue
    ip = frame[14:]
    protocol, tcp = (ip[9], ip[(ip[0] & 15) * 4:]) if kind == b"\\x08\\0" else (ip[6], ip[40:])
    if protocol != 6 or not tcp[13] & 2: continue
    options, size = tcp[20:(tcp[12] >> 4) * 4], 0
    while options and options[0]:
        if options[0] == 2: size = struct.unpack_from("!H", options, 2)[0]
        options = options[1 if options[0] == 1 else options[1]:]
    a, b = struct.unpack_from("!HH", tcp)
    print(a if tcp[13] == 2 or not tcp[13] & 16 else b, size, flush=True)
"""
CONNECT = """
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
if sys.argv[2] != "0": s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, int(sys.argv[2]))
s.settimeout(10)
s.connect((sys.argv[1], 5000))
print(s.getsockname()[1])
"""


def sniffer(name, dev):
    child = L.start(name, [sys.executable, "-Sc", "import socket, struct, sys\n" + SNIFFER, dev], stdout=subprocess.PIPE)
    assert child.stdout.readline() == "ready\n"
    return child.stdout


def announced(child, port):
    """By the SYN of that connection which came there."""
    for line in child:
        found, size = map(int, line.split())
        if found == port:
            return size
    return None


HERE = "10.200.1.2", "fd00:200:1::2"
L.echo("tcp", 5000, 6, L.client)  # both families
AT_CLIENT, AT_SERVER = sniffer(L.client, "c0"), sniffer(L.server, "s0")


def sizes_of(least=0):
    """What SYN and its answer announce where they arrive, of connections in both directions: IPv4, IPv6."""
    found = []
    for hosts, name, far, near in (((S, S6), L.client, AT_SERVER, AT_CLIENT), (HERE, L.server, AT_CLIENT, AT_SERVER)):
        for host in hosts:
            port = int(L.python(name, CONNECT, host, least))
            found.append((announced(far, port), announced(near, port)))
    return found


def segments(mode):
    policy = lab.policy(mode, {"1": {"from": "lan", "action": "accept"}, "2": {"from": "wan", "action": "accept"}})
    d.apply(policy)
    sizes = sizes_of()
    lab.check(f"{mode}: segments are what they are without a clamp {sizes}", sizes == [(1460, 1460), (1440, 1440)] * 2)
    policy["zones"]["wan"]["mss-clamp"] = 1000
    d.apply(policy)
    sizes = sizes_of()
    lab.check(f"{mode}: in both directions they are bounded by a number {sizes}", sizes == [(1000, 1000)] * 4)
    sizes = sizes_of(600)
    lab.check(f"{mode}: and never made larger {sizes}", sizes == [(600, 1000)] * 4)
    policy["zones"]["wan"]["mss-clamp"] = "pmtu"
    L.run(L.router, ["ip", "link", "set", "r1", "mtu", "1400"])
    d.apply(policy)
    sizes = sizes_of()
    L.run(L.router, ["ip", "link", "set", "r1", "mtu", "1500"])
    lab.check(f"{mode}: and by the MTU of the way out {sizes}", sizes == [(1360, 1360), (1340, 1340)] * 2)


for mode in ("off", "tcx", "xdp"):
    d = L.dpctl()
    policy = lab.policy(mode, dict(RULES), notrack=NOTRACK)
    policy["default"]["log"], policy["default"]["log-limit"] = ["forward", "input"], {"rate": 1}
    d.apply(policy)
    got = d.status()["ports"]["r0"]["mode"]
    lab.check(f"{mode}: the port is {got}", got == mode)
    answers = dict(zip(ROWS, ask()))
    wrong = [f"{name}: {answers[name]}, not {want}" for name, (_, want) in ROWS.items()
             if want is not None and answers[name].split()[:1] != [str(want)] and answers[name] != want]
    lab.check(f"{mode}: all {len(ROWS)} conversations are as they should be {wrong or ''}", not wrong)
    let_in = sum(answers[name] != SILENCE for name, (_, want) in ROWS.items() if want is None)
    lab.check(f"{mode}: of six connections at once from one source {let_in} came in", let_in == 3)
    if mode == "off":
        lab.check("off: nothing took the fast path", accepted(10) > 100 and not d.rule(10)["fast-packets"])
    else:  # rule 5 decides about known connections to one port: others take the fast path
        lab.check(f"{mode}: a rule about known connections of one port leaves others alone {d.rule(10)}",
                  d.rule(10)["fast-packets"] > 50)
        lab.check(f"{mode}: what conntrack does not see is the kernel's {d.rule(15)}",
                  d.rule(15)["packets"] == 6 + 5 and not d.rule(15)["fast-packets"])
    known_and_tracked(mode, policy)
    mac_rules_and_commits(mode)
    if mode != "off":
        lab.check(f"{mode}: what a MAC address let in takes the fast path {d.rule(10)}",
                  d.rule(10)["fast-packets"] > 50)
    segments(mode)
    d.say("destroy")
    d.kill()
