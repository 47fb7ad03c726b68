"""The hint of the classifier leads nftables to the rule that it would find by evaluating all of them. The same packets,
each the first of its flow, give the same counters with the fast path at tcx, at XDP and switched off, for random rules of
every action; hints of another generation, other zones or no rule are not obeyed, and neither the mark nor the priority
that carries a hint is routed, while those that others give do."""
import ipaddress
import json
import random
import re
import sys
import time

import lab

lab.need("ip", "nsenter", "ethtool", "nft", "conntrack")
SEED = random.randrange(1 << 32)
PACKETS, RULES = 300, 160
SENDER = """
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for line in sys.stdin:
    s.send(bytes.fromhex(line))
"""
L = lab.Lab(sys.argv[1])
L.offload(False)
MACS = {dev: json.loads(L.run(name, ["ip", "-j", "link", "show", "dev", dev]))[0]["address"]
        for name, dev in ((L.client, "c0"), (L.router, "r0"), (L.router, "r1"), (L.server, "s0"))}
SIDES = {"lan": (L.client, "c0", "r0"), "wan": (L.server, "s0", "r1")}
NETS = {"lan": ("172.16.{}.{}", "fd16:{:x}::{:x}"), "wan": ("172.17.{}.{}", "fd17:{:x}::{:x}")}


def quiet():
    """Hosts answer nothing, and the router has routes and neighbours that need no packet."""
    for zone, (name, dev, port) in SIDES.items():
        L.run(name, ["nft", "add table inet quiet; add chain inet quiet host "
                     "{ type filter hook input priority -500; policy drop; }"])
        net = 1 if zone == "lan" else 2
        for family, via, to in (("-4", f"10.200.{net}.2", f"172.{15 + net}.0.0/16"),
                                ("-6", f"fd00:200:{net}::2", f"fd{15 + net}::/16")):
            L.run(L.router, ["ip", family, "neigh", "replace", via, "lladdr", MACS[dev], "dev", port, "nud", "permanent"])
            L.run(L.router, ["ip", family, "route", "replace", to, "via", via])


def address(rng, zone, six):
    return NETS[zone][six].format(rng.randrange(4), rng.randrange(1, 5))


def network(rng, zone, six):
    text = NETS[zone][six].format(rng.randrange(4), 0 if rng.random() < 0.5 else rng.randrange(1, 5))
    if text.endswith("0"):
        return text + ("/24" if not six else "/32")
    return text + ("/32" if not six else "/128")


def random_rule(rng, number):
    source = rng.choice(("lan", "wan"))
    target = "wan" if source == "lan" else "lan"
    six = rng.random() < 0.4
    rule = {"action": rng.choice(("accept", "accept", "drop", "reject"))}
    for key, zone in (("from", source), ("to", target)):
        if rng.random() < 0.8:
            rule[key] = rng.choice((zone, zone, zone, "!" + ("wan" if zone == "lan" else "lan")))
    if rng.random() < 0.7:
        rule["source"] = [network(rng, source, six) for _ in range(rng.randrange(1, 3))]
    if rng.random() < 0.8 or not rule.get("source"):
        rule["destination"] = [network(rng, target, six) for _ in range(rng.randrange(1, 3))]
    if rng.random() < 0.6:
        rule["protocol"] = rng.choice(("tcp", "udp", "udp", "tcp_udp"))
        rule["destination-ports"] = [str(rng.randrange(1, 4) * 1000)]
    if rng.random() < 0.15:
        rule["log"] = True
        if rng.random() < 0.5:
            rule["log-limit"] = {"rate": 1, "per": "minute", "burst": 1}
    if rng.random() < 0.1:
        rule["limit"] = {"rate": 10000, "per": "second", "burst": 10000}
    return rule


def checksum(data):
    total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def frame(zone, source, target, protocol, port):
    """Source port is part of the flow: each frame is the first of one."""
    a, b = (ipaddress.ip_address(t).packed for t in (source, target))
    head = port[0].to_bytes(2, "big") + port[1].to_bytes(2, "big")
    if protocol == 17:
        body = head + (8).to_bytes(2, "big") + bytes(2)
        at = 6
    else:
        body = head + bytes(8) + b"\x50\x02\x10\x00" + bytes(4)
        at = 16
    value = checksum(a + b + len(body).to_bytes(4, "big") + protocol.to_bytes(4, "big") + body) or 0xffff
    body = body[:at] + value.to_bytes(2, "big") + body[at + 2:]
    if len(a) == 4:
        ip = b"\x45\x00" + (20 + len(body)).to_bytes(2, "big") + bytes(4) + bytes([64, protocol]) + bytes(2) + a + b
        ip = ip[:10] + checksum(ip).to_bytes(2, "big") + ip[12:]
    else:
        ip = b"\x60\x00\x00\x00" + len(body).to_bytes(2, "big") + bytes([protocol, 64]) + a + b
    _, dev, port = SIDES[zone]
    kind = b"\x08\x00" if len(a) == 4 else b"\x86\xdd"
    return bytes.fromhex((MACS[port] + MACS[dev]).replace(":", "")) + kind + ip + body


def packets(rng):
    made = {"lan": [], "wan": []}
    for number in range(PACKETS):
        zone = rng.choice(("lan", "lan", "wan"))
        six = rng.random() < 0.4
        made[zone].append(frame(zone, address(rng, zone, six), address(rng, "wan" if zone == "lan" else "lan", six),
                                rng.choice((6, 17)), (10000 + number, rng.randrange(1, 4) * 1000)))
    return made


def send(frames):
    L.run(L.router, ["conntrack", "-F"])
    for zone, list_ in frames.items():
        name, dev, _ = SIDES[zone]
        L.run(name, [sys.executable, "-Sc", "import socket, sys\n" + SENDER, dev], text="".join(f.hex() + "\n" for f in list_))


def counted(d):
    reply = d.counters()
    rows = {**reply["rules"], "forward": reply["default"]["forward"]}
    return {name: c["packets"] for name, c in rows.items()}


def grown(d, frames, more):
    """What each counter grew by, when as many packets are counted as should be."""
    before = counted(d)
    send(frames)
    deadline = time.monotonic() + 30
    while True:
        now = counted(d)
        by = {name: now[name] - before.get(name, 0) for name in now if now[name] != before.get(name, 0)}
        if sum(by.values()) >= more or time.monotonic() > deadline:
            return by


def nft(*words):
    return L.run(L.router, ["nft", *words])


def slots():
    return {int(number, 16): int(slot, 16)
            for slot, number in re.findall(r"(0x[0-9a-f]+) : (0x[0-9a-f]+)", nft("list", "map", "inet", "orbital", "hints"))}


def start(mode, rules):
    d = L.dpctl()
    d.apply(lab.policy("tcx" if mode == "off" else mode, rules))
    if mode == "off":
        d.say("disable")
    quiet()
    return d


def stop(d):
    d.say("destroy")
    d.kill()


print(f"# SEED={SEED}")
for seed in range(SEED, SEED + 3):
    rng = random.Random(seed)
    rules = {str((i + 1) * 10): random_rule(rng, i) for i in range(RULES)}
    frames = packets(rng)
    found = {}
    for mode in ("off", "tcx", "xdp"):
        d = start(mode, rules)
        found[mode] = grown(d, frames, PACKETS)
        stop(d)
    lab.check(f"seed {seed}: all are counted {found['off']}", sum(found["off"].values()) == PACKETS)
    for mode in ("tcx", "xdp"):
        lab.check(f"seed {seed}, {mode}: counted the same {found[mode]}", found[mode] == found["off"])

# Which way it was shows by a map that was changed: it names another rule.
LAST = {"from": "lan", "to": "wan", "destination": ["172.17.0.0/16"], "action": "accept"}
ONE = {**{str(i): {"from": "lan", "to": "wan", "destination": [f"192.0.2.{i}"], "action": "accept"}
          for i in (*range(1, 40), *range(100, 140))},
       "50": LAST, "60": {**LAST, "source": ["192.0.2.1"]}}


def single(port):
    return {"lan": [frame("lan", "172.16.1.1", "172.17.1.1", 17, (port, 1000))], "wan": []}


for mode in ("tcx", "xdp", "off"):
    d = start(mode, ONE)
    slot = slots()
    nft(f"delete element inet orbital hints {{ {slot[50]} }}; add element inet orbital hints {{ {slot[50]} : 60 }}")
    by = grown(d, single(7), 1)
    lab.check(f"{mode}: the packet went {'past' if mode == 'off' else 'by'} the map {by}",
              by == {"50" if mode == "off" else "60": 1})
    if mode != "off":  # the very same packet again: its connection is known, and stays its rule's
        nft(f"delete element inet orbital hints {{ {slot[50]} }}")
        by = grown(d, single(8), 1)
        lab.check(f"{mode}: a rule that the map lacks is evaluated {by}", by == {"50": 1})
        d.apply(lab.policy(mode, {**ONE, "45": {**LAST, "source": ["172.16.1.1"], "action": "drop"}}))
        by = grown(d, single(9), 1)
        lab.check(f"{mode}: after a commit the new rule decides {by}", by == {"45": 1})
        d.apply(lab.policy(mode, ONE))
        by = grown(d, single(10), 1)
        lab.check(f"{mode}: and after the next the old one {by}", by == {"50": 1})
        d.kill()
        d = L.dpctl()
        d.apply(lab.policy(mode, ONE))
        slot = slots()
        nft(f"delete element inet orbital hints {{ {slot[50]} }}; add element inet orbital hints {{ {slot[50]} : 60 }}")
        by = grown(d, single(11), 1)
        lab.check(f"{mode}: a new daemon's hints hold for the table that it found {by}", by == {"60": 1})
    stop(d)

# Marks and priorities that others give.
d = start("off", ONE)
slot = slots()
base = int(re.search(r'"r1" \. (0x[0-9a-f]+) : goto hint/accept', nft("list", "chain", "inet", "orbital", "hint"))[1], 16)
L.run(L.router, ["ip", "rule", "add", "fwmark", "0x90000000/0x90000000", "blackhole"])
LAN, WAN = "ffff:1", "ffff:2"
port = 20
for what, mark, priority, rule in (
        ("a hint as the programs give it", base | slot[60], LAN, "60"),
        ("one of another generation", (base ^ 1 << 24) | slot[60], LAN, "50"),
        ("one for another way out", (base ^ 3 << 18) | slot[60], LAN, "50"),
        ("one from another zone", base | slot[60], WAN, "50"),
        ("one to no rule", base | 65000, LAN, "50"),
        ("one to a rule that it does not drop", base | 1 << 16 | 65000, LAN, "50"),
        ("one to a decision that no rule has", base | 2 << 16 | slot[60], LAN, "50"),
        ("one of a packet for which no rule is", base | 3 << 16, LAN, "forward"),
        ("a mark alone, which routing sees", base | slot[60], None, None)):
    nft("add table netdev marks; delete table netdev marks; add table netdev marks; add chain netdev marks early { type "
        "filter hook ingress device r0 priority 0; }; add rule netdev marks early meta mark set "
        + hex(mark) + (f" meta priority set {priority}" if priority else ""))
    port += 1
    if rule:
        by = grown(d, single(port), 1)
        lab.check(f"{what} is counted for {by}", by == {rule: 1})
        continue
    before = counted(d)
    send(single(port))
    nft("delete table netdev marks")
    by = grown(d, single(port + 1), 1)
    lab.check(f"{what}: only the packet after it is counted {by}", by == {"50": 1} and
              counted(d)["50"] == before["50"] + 1)
stop(d)
