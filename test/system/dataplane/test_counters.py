"""Every packet of what a rule decided is counted once, whichever way it took: the same conversations
with the fast path at tcx, at XDP and switched off give the same numbers, which are what was sent.

TCP's packets are what both hosts say they sent (OutSegs, which leaves out what is sent again, and
RetransSegs), its bytes follow: 52 of headers each, 60 with a SYN."""
import json
import subprocess
import sys
import time

import lab

lab.need("ip", "nsenter", "ethtool", "nft", "ping")
L = lab.Lab(sys.argv[1])
L.offload(False)
L.echo("tcp", 5004)
L.echo("udp", 5004)
V4 = "10.200.2.2"
RULES = {
    "10": {"from": "lan", "to": "wan", "protocol": "tcp", "destination-ports": ["5004"],
           "action": "accept"},
    "20": {"from": "lan", "to": "wan", "protocol": "udp", "destination-ports": ["5004"],
           "action": "accept"},
    "30": {"from": "lan", "to": "wan", "protocol": "udp", "destination-ports": ["7000"],
           "action": "drop"},
    "40": {"from": "lan", "to": "wan", "protocol": "icmp", "action": "accept"},
    "50": {"from": "lan", "to": "wan", "protocol": "tcp", "destination-ports": ["6000"],
           "action": "reject"},
    "60": {"from": "lan", "to": "local", "protocol": "icmp", "action": "accept"},
    "70": {"from": "wan", "to": "lan", "action": "drop"},
}
UDP, TCP, ROUNDS = 100, 50000, 6


def statistic(name, file, group, key):
    keys, values = [line.split() for line in L.run(name, ["cat", f"/proc/net/{file}"]).splitlines()
                    if line.startswith(group + ":")]
    return int(values[keys.index(key)])


def segments():
    """(sent, of those again) by TCP of both hosts. A SYN-ACK sent again is in OutSegs as well."""
    sent = again = 0
    for name in (L.client, L.server):
        repeated = statistic(name, "snmp", "Tcp", "RetransSegs")
        sent += statistic(name, "snmp", "Tcp", "OutSegs") + repeated
        again += repeated
    return sent - statistic(L.server, "netstat", "TcpExt", "TCPSynRetrans"), again


def ended():
    """Returns when both hosts have sent everything of their connections."""
    deadline = time.monotonic() + 60
    for name in (L.client, L.server):
        while s := L.run(name, ["ss", "-Htn"]).strip():
            assert time.monotonic() < deadline, s
            time.sleep(0.02)


def vector(d):
    """What is not 0: {counter: (packets, bytes)}; and how many packets the fast path had."""
    reply = d.counters()
    rows = list(reply["rules"].items()) + list(reply["default"].items())
    return ({name: (c["packets"], c["bytes"]) for name, c in rows if c["packets"] or c["bytes"]},
            sum(c["fast-packets"] for _, c in rows))


def datagrams(port, count, size):
    L.python(L.client, f"s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
             f"for i in range({count}): s.sendto(b'x' * {size}, ('{V4}', {port}))")


def converse(d):
    """The script. Returns the vector it must give."""
    before, again = segments()
    bytes_before = vector(d)[0].get("10", (0, 0))[1]
    L.run(L.client, ["ping", "-q", "-c", "20", "-i", "0.02", V4])
    L.run(L.client, ["ping", "-q", "-c", "20", "-i", "0.02", "10.200.1.1"])
    L.run(L.router, ["ping", "-q", "-c", "7", "-i", "0.02", V4])
    got, seen = L.talk("tcp", V4, 5004, ROUNDS, 0.01, TCP)
    assert got == ROUNDS and L.talk("udp", V4, 5004, 40, 0.001, UDP, assured=True)[0] == 40
    datagrams(7000, 11, 5)
    datagrams(9999, 13, 5)
    assert L.talk("tcp", V4, 6000, 1)[0] == 0
    ended()
    sent, again_now = segments()
    sent -= before + 1  # the refused SYN is another rule's
    size = 2 * ROUNDS * TCP + len(seen) + 1 + 52 * sent + 16
    if again_now != again:  # on a busy machine TCP asks twice; then the bytes cannot be foreseen
        size = vector(d)[0]["10"][1] - bytes_before
    return {"10": (sent, size), "20": (80, 80 * (UDP + 28)), "30": (11, 11 * 33),
            "40": (40, 40 * 84), "50": (1, 60), "60": (40, 40 * 84), "forward": (13, 13 * 33),
            "output": (14, 14 * 84)}


# The client loses some of what arrived, after the router has counted it: TCP sends it again.
LOSES = "add rule ip loses input tcp sport 5004 numgen inc mod 20 7 drop"
L.run(L.client, ["nft", "add table ip loses; add chain ip loses input "
                 "{ type filter hook input priority 0; }; " + LOSES])
d = L.dpctl()
d.apply(lab.policy("tcx", RULES))
before = segments()
got = L.talk("tcp", V4, 5004, ROUNDS, 0.01, TCP, wait=60.0)[0]
lab.check("all is answered, some of it late", got == ROUNDS)
ended()
sent, again = (now - then for now, then in zip(segments(), before))
deadline = time.monotonic() + 30  # what the kernel counted in nftables arrives with the next reading
while (found := d.rule(10)["packets"]) != sent and time.monotonic() < deadline:
    time.sleep(0.02)
lab.check(f"counted {found}, sent {sent}", found == sent)
lab.check(f"{again} of them again", again > 0)
L.run(L.client, ["nft", "delete table ip loses"])
d.say("destroy")
d.kill()

for mode in ("tcx", "xdp", "off"):
    d = L.dpctl()
    d.apply(lab.policy("tcx" if mode == "off" else mode, RULES))
    if mode == "off":
        d.say("disable")
    for name in (L.client, L.server, L.router):  # neighbours and what they cost are known
        L.run(name, ["ping", "-q", "-c", "1", V4 if name != L.server else "10.200.2.1"])
    for rules in ({}, {"70": RULES["70"]}, {}, RULES):  # the very next commit would take the first one back
        d.apply(lab.policy("tcx" if mode == "off" else mode, rules))
    zero = vector(d)[0]
    lab.check(f"{mode}: rules made anew begin at nothing {zero}", not set(zero) & set(RULES))
    should = zero
    for turn in ("at the beginning of the cache", "and from its end on", "and again"):
        if turn != "at the beginning of the cache":
            d.say("wrap")
        added = converse(d)
        should = {name: tuple(a + b for a, b in zip(should.get(name, (0, 0)), added.get(name, (0, 0))))
                  for name in {*should, *added}}
        deadline = time.monotonic() + 30
        while (found := vector(d))[0] != should and time.monotonic() < deadline:
            pass
        lab.check(f"{mode}: {turn}: counted {found[0]}, sent {should}", found[0] == should)
    lab.check(f"{mode}: {found[1]} packets took the fast path",
              found[1] == 0 if mode == "off" else found[1] > 100)
    d.say("destroy")
    d.kill()

# Where rules are few, the programs stop to look at first packets in vain, and begin again when they find one to drop.
FIRST = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # what was in vain is counted by each CPU
for port in range(int(sys.argv[2]), int(sys.argv[3])):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", port))
    s.sendto(b"x", (sys.argv[1], int(sys.argv[4])))
    s.close()
"""
for mode in ("tcx", "xdp"):
    d = L.dpctl()
    d.apply(lab.policy(mode, RULES))
    L.python(L.client, FIRST, V4, 20000, 20600, 5004)
    L.python(L.client, FIRST, V4, 21000, 21200, 7000)
    deadline = time.monotonic() + 30
    while (found := d.rule(30))["packets"] != 200 and time.monotonic() < deadline:
        time.sleep(0.02)
    lab.check(f"{mode}: 200 refused first packets are counted once, {found}", found["packets"] == 200)
    lab.check(f"{mode}: all but the first of them by the fast path", 184 <= found["fast-packets"] < 200)
    d.say("destroy")
    d.kill()

# A connection of the appliance whose address is taken away is forwarded, and counted as it began.
ASKER = """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.200.2.77", 4400))
s.settimeout(2)
s.connect(("10.200.2.2", 5099))
for i in range(3):
    s.send(b"x")
    s.recv(10)
"""
SPEAKER = """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.200.2.2", 5099))
print("ready", flush=True)
while True:
    data, peer = s.recvfrom(10)
    s.sendto(data, peer)
"""
MORE = "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('10.200.2.2', 5099))\n" \
    "for i in range(20): s.sendto(b'y' * 10, ('10.200.2.77', 4400)); time.sleep(0.005)"
L.run(L.client, ["sysctl", "-qw", "net.ipv4.ip_forward=0"])  # what comes there for others is not forwarded
for mode in ("off", "tcx", "xdp"):
    d = L.dpctl("live")
    d.apply(lab.policy(mode, RULES))
    lab.sh(f"ip -n {L.router} addr add 10.200.2.77/32 dev r1")
    speaker = L.start(L.server, [sys.executable, "-Sc", "import socket\n" + SPEAKER], stdout=subprocess.PIPE)
    assert speaker.stdout.readline() == "ready\n"
    L.python(L.router, ASKER)
    L.assure()
    speaker.kill()
    speaker.wait()
    mac = json.loads(lab.sh(f"ip -n {L.router} -j link show r1"))[0]["address"]
    lab.sh(f"ip -n {L.server} neigh replace 10.200.2.77 lladdr {mac} dev s0 nud permanent; ip -n {L.router} addr del 10.200.2.77/32 dev r1; "
           f"ip -n {L.router} route add 10.200.2.77 via 10.200.1.2")
    before = d.counters()["default"]["output"]["packets"]
    L.python(L.server, MORE)
    deadline = time.monotonic() + 3
    while (more := d.counters()["default"]["output"]["packets"] - before) != 20 and time.monotonic() < deadline:
        time.sleep(0.02)
    lab.check(f"{mode}: 20 packets to an address that is the appliance's no more are counted with its default: {more}", more == 20)
    lab.sh(f"ip -n {L.router} route del 10.200.2.77; ip -n {L.server} neigh del 10.200.2.77 dev s0")
    d.say("destroy")
    d.kill()

# A connection whose rule is gone continues where another rule allows it, and counts nowhere.
for mode in ("tcx", "xdp"):
    d = L.dpctl("live")
    d.apply(lab.policy(mode, RULES))
    talk = L.start(L.client, [sys.executable, "-S", lab.__file__, "talk", "udp", V4, "5004", "300", "0.05",
                              str(UDP), "10", L.router], stdout=subprocess.PIPE)
    while d.rule(20)["fast-packets"] < 5 and talk.poll() is None:
        time.sleep(0.05)
    swapped = {"21" if n == "20" else n: r for n, r in RULES.items()}
    d.apply(lab.policy(mode, swapped))
    time.sleep(1)
    reply = d.counters()["rules"]
    lab.check(f"{mode}: the rule's successor counts none of it {reply['21']}",
              "20" not in reply and reply["21"]["packets"] == 0)
    d.apply(lab.policy(mode, {**swapped, "99": RULES["70"]}))
    d.apply(lab.policy(mode, RULES))
    again = d.rule(20)["packets"]
    lab.check(f"{mode}: its number, given again later, begins anew ({again})", again < 5)
    got = json.loads(talk.communicate()[0])["got"]
    lab.check(f"{mode}: all {got} messages were answered", got == 300)
    lab.check(f"{mode}: and it counts on {d.rule(20)}", d.rule(20)["fast-packets"] > 10)
    d.say("destroy")
    d.kill()

# A commit that is taken back loses no counts of the rules it had taken away; a number given again by another one begins
# anew.
FEW = {n: r for n, r in RULES.items() if n not in ("20", "30")}


def takes_back(d, mode, how):
    """A new daemon if need be; the rules are in force again."""
    if how == "reverted":
        d.say("revert")
    elif how == "after a restart":
        d.kill()
        d = L.dpctl("live")
    if how != "reverted":
        d.apply(lab.policy(mode, RULES))
    return d


for mode in ("off", "tcx"):
    d = L.dpctl("live")
    d.apply(lab.policy(mode, RULES))
    for how in ("reverted", "committed", "after a restart"):
        assert L.talk("udp", V4, 5004, 10, 0.001, UDP, assured=True)[0] == 10
        datagrams(7000, 11, 5)
        before = {n: d.rule(n) for n in (20, 30)}
        d.apply(lab.policy(mode, FEW))
        datagrams(7000, 5, 5)  # the default's now
        lab.check(f"{mode}: rules that are gone are not shown", not {"20", "30"} & set(d.counters()["rules"]))
        d = takes_back(d, mode, how)
        after = {n: d.rule(n) for n in (20, 30)}
        lab.check(f"{mode}: {how}: the counts of rules that come back, {after}, are as before, {before}",
                  after == before and before[20]["packets"] >= 20 and before[30]["packets"] >= 11)
    for rules in (FEW, {**FEW, "99": RULES["70"]}, RULES):
        d.apply(lab.policy(mode, rules))
    reply = d.rule(20)["packets"], d.rule(30)["packets"]
    lab.check(f"{mode}: given again by a later commit they begin anew: {reply}", reply == (0, 0))
    d.say("destroy")
    d.kill()

# Who else changes nftables: the next commit makes the table whole again, and counters go on.
d = L.dpctl()
d.apply(lab.policy("off", RULES))
datagrams(7000, 9, 5)
for damage in ("flush chain inet orbital forward", "flush set inet orbital tally",
               "delete table inet orbital", "add table inet other"):
    before = d.rule(30)["packets"] if "30" in d.counters()["rules"] else 0
    L.run(L.router, ["nft", damage])
    d.apply({"rules": {"80": {"from": "wan", "action": "drop"}}}, "put")
    kept = d.rule(30)["packets"]
    lab.check(f"after {damage!r} a commit keeps {kept} of {before} packets",
              kept == (before if "chain" in damage or "other" in damage else 0))
    datagrams(7000, 9, 5)
    lab.check("and the rules are in force", d.rule(30)["packets"] == kept + 9)
listing = L.run(L.router, ["nft", "list", "chain", "inet", "orbital", "about"])
d.apply({"rules": {"80": None}}, "put")
lab.check("each commit has its generation",
          listing != L.run(L.router, ["nft", "list", "chain", "inet", "orbital", "about"]))
d.say("destroy")
