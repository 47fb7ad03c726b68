"""Foreign state: tables, filters, disciplines and IPsec of other programs. A conversation that the fast path
carries obeys each of them at once, as with the fast path off, and returns to the fast path when it is gone.

    test_foreign.py DPCTL [--netfilter] [MODE]...

--netfilter: only a program at netfilter, which every daemon of the machine makes way for."""
import sys
import time

import iptables
import lab
import stream

lab.need("ip", "nsenter", "ethtool", "nft", "tc")
L = lab.Lab(sys.argv[1])
L.offload(False)
V4 = "10.200.2.2"
PORT = 5004
RULES = {"10": {"from": "lan", "to": "wan", "action": "accept"}}
# Within 0.1 s on a quiet machine; whether it is noticed by its own event is for test_notice.py.
OBEYS = 15.0
stream.answer(L, L.server, V4, PORT, "server")


def nft(text):
    L.run(L.router, ["nft", text])


def chain(family, spec, rule="drop", device=""):
    device = f"device {device} " if device else ""
    return (lambda: nft(f"add table {family} others; add chain {family} others c "
                        f"{{ type filter hook {spec.format(device)}; }}; add rule {family} others c {rule}"),
            lambda: nft(f"delete table {family} others"))


def ip(*words):
    return lambda: L.run(L.router, ["ip", *words])


POLICY = ["xfrm", "policy", "{}", "src", "10.200.1.0/24", "dst", "10.200.2.0/24", "dir", "fwd"]
FOREIGN = {
    "a forward chain": (*chain("inet", "forward priority -10"), "chain c"),
    "a chain that refuses by default": (
        lambda: nft("add table ip others; add chain ip others c "
                    "{ type filter hook forward priority 10; policy drop; }"),
        lambda: nft("delete table ip others"), "chain c"),
    "a prerouting chain": (*chain("ip", "prerouting priority raw", "udp dport 5004 drop"), "chain c"),
    "a postrouting chain of an interface": (
        *chain("ip", "postrouting priority 0", "oifname \"r1\" drop"), "chain c"),
    "an ingress chain": (*chain("netdev", "ingress {}priority 0", device="r0"), "chain c"),
    "an egress chain": (*chain("netdev", "egress {}priority 0", device="r1"), "chain c"),
    "an IPsec policy": (ip(*[w.format("add") for w in POLICY], "action", "block"),
                        ip(*[w.format("delete") for w in POLICY]), "IPsec"),
}
if not iptables.missing(L):
    FOREIGN["iptables' old tables"] = (lambda: iptables.forward(L, "DROP"), lambda: iptables.forward(L, "ACCEPT"),
                                       "iptables table filter")


def reasons(d):
    return " ".join(p.get("reason", "") for p in d.status()["ports"].values())


def back(d, mode):
    """The fast path carries it again."""
    return mode == "off" or stream.carried(d)


def kinds(d):
    """By the metric."""
    return {line.split('kind="')[1].split('"')[0] for line in d.say("metrics").split(";") if "foreign_kind{" in line}


def kind_of(what):
    return "ipsec" if "IPsec" in what else "iptables" if "iptables" in what else "nftables"


def obeys(d, mode, talk, what):
    come, go, why = FOREIGN[what]
    come()
    took = talk.stopped(time.monotonic())
    lab.check(f"{mode}: {what} that refuses is obeyed after {took if took is None else round(took, 2)} s",
              took is not None and took < OBEYS)
    shown = reasons(d)
    lab.check(f"{mode}: the status reports it: {shown}", mode == "off" or why in shown)
    found = kinds(d)
    lab.check(f"{mode}: and the metric: {found}", mode == "off" or kind_of(what) in found)
    go()
    lab.check(f"{mode}: when it is gone the conversation continues", talk.flows() is not None)
    lab.check(f"{mode}: by the fast path, without a reason {reasons(d)}",
              back(d, mode) and why not in reasons(d))


def leaves_alone(d, mode, what, family, spec, rule):
    """Another program's chain that decides about something else."""
    come, go = chain(family, spec, rule)
    come()
    d.say("tend")  # it is read by now
    lab.check(f"{mode}: {what} takes nothing away", back(d, mode))
    go()


def new_element(mode, talk):
    """A set-based blocker that is there before the conversation, as intrusion prevention does it."""
    nft("add table inet ban; add set inet ban bad { type ipv4_addr; }; add chain inet ban c "
        "{ type filter hook forward priority -10; }; add rule inet ban c ip saddr @bad drop")
    lab.check(f"{mode}: a blocker without an address to block", talk.flows() is not None)
    nft("add element inet ban bad { 10.200.2.2 }")
    took = talk.stopped(time.monotonic())
    lab.check(f"{mode}: one who is banned is cut off", took is not None and took < OBEYS)
    nft("delete table inet ban")
    lab.check(f"{mode}: and answers when the ban is gone", talk.flows() is not None)


def programs(d, mode, talk, places):
    """A BPF program of another owner. The kernel sends no events: a thread looks."""
    for where, port in places:
        d.say(f"other-{where} {port}")
        took = talk.stopped(time.monotonic())
        lab.check(f"{mode}: a program, {where} {port}, is obeyed after {took if took is None else round(took, 2)} s",
                  took is not None and took < OBEYS)
        d.say(f"other-{where}")
        lab.check(f"{mode}: without it the conversation continues", talk.flows() is not None and back(d, mode))


# The client asks for a connection to itself (active FTP); another one is refused as before.
FTP_SERVER = """
import subprocess
control = socket.create_server(("10.200.2.2", 21))
client = subprocess.Popen(["nsenter", "--net=" + sys.argv[1], sys.executable, "-Sc", '''
import socket
back = [socket.create_server(("10.200.1.2", port)) for port in (4321, 4322)]
c = socket.create_connection(("10.200.2.2", 21), 5)
c.settimeout(60)
for line in ("USER x", "PORT 10,200,1,2,16,225"):
    c.sendall(line.encode() + bytes([13, 10]))
    c.recv(10)
c.recv(10)
'''])
c, _ = control.accept()
c.settimeout(60)
c.recv(100)
c.send(b"331")
c.recv(100)
print("asked", flush=True)
sys.stdin.readline()
for port, word in ((4321, "expected"), (4322, "let in")):
    s = socket.socket()
    s.settimeout(5)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("10.200.2.2", 20))
    try:
        s.connect(("10.200.1.2", port))
        print(word)
    except OSError:
        print("refused")
    s.close()
c.send(b"x")
c.close()
client.wait()
"""


def expected(mode):
    """What a helper waits for is no first packet like another: rules refuse it, conntrack allows it."""
    nft("table ip helpers {\nct helper f {\ntype \"ftp\" protocol tcp\n}\nchain c {\ntype filter hook prerouting "
        "priority 0\niifname \"r0\" tcp dport 21 ct helper set \"f\"\n}\n}")
    child = L.start(L.server, [sys.executable, "-Sc", "import socket, sys\n" + FTP_SERVER, f"/run/netns/{L.client}"],
                    stdin=-1, stdout=-1)
    asked, end = child.stdout.readline(), time.monotonic() + 5
    while mode != "off" and "expectation" not in kinds(d) and time.monotonic() < end:
        time.sleep(0.02)
    lab.check(f"{mode}: what a helper expects is in the metric, and first packets the kernel's: {kinds(d)} {reasons(d)}", asked == "asked\n" and (
        mode == "off" or "expectation" in kinds(d) and "first packets are the kernel's" in reasons(d)))
    out = child.communicate("go on\n")[0].split()
    lab.check(f"{mode}: a connection a helper expects is let in, and only that: {out}",
              out == ["expected", "refused"])
    nft("delete table ip helpers")


def beside(d, mode, talk):
    for what in FOREIGN:
        obeys(d, mode, talk, what)
    new_element(mode, talk)
    expected(mode)
    if lab.HAS_TCX:  # behind ours, and where packets leave
        programs(d, mode, talk, [("in", "r0"), ("out", "r1")])
    leaves_alone(d, mode, "a chain about IPv6", "ip6", "forward priority 0", "drop")
    leaves_alone(d, mode, "a chain about another interface", "inet", "forward priority 0",
                 "iifname \"elsewhere*\" drop")
    leaves_alone(d, mode, "a chain for local packets", "inet", "input priority 10", "counter")
    discipline(d, mode)
    sorted_by(d, mode)


def sorted_by(d, mode):
    """A class has a filter: one that reads the packet costs nothing, one that may read its route or connection all."""
    def tc(*words):
        L.run(L.router, ["tc", *words])
    tc("qdisc", "add", "dev", "r1", "root", "handle", "1:", "htb", "default", "10")
    tc("class", "add", "dev", "r1", "parent", "1:", "classid", "1:10", "htb", "rate", "1gbit", "quantum", "60000")
    at = ["dev", "r1", "parent", "1:10", "protocol", "ip", "pref", "7"]
    tc("filter", "add", *at, "u32", "match", "ip", "dport", "1", "0xffff", "classid", "1:10")
    lab.check(f"{mode}: a class's filter for a port leaves the fast path its packets", back(d, mode))
    tc("filter", "replace", *at, "u32", "match", "ip", "dport", "2", "0xffff", "action", "mirred", "egress", "mirror", "dev", "r0")
    d.say("tend")  # it is read by now
    shown = d.status()["ports"]["r1"].get("reason", "")
    lab.check(f"{mode}: one that may read more takes them, which is reported: {shown}",
              mode == "off" or "what leaves here is the kernel's: a tc filter that may read connection or route: mirred" in shown)
    tc("qdisc", "del", "dev", "r1", "root")
    lab.check(f"{mode}: without it all is as before again", back(d, mode) and "mirred" not in reasons(d))


def discipline(d, mode):
    """Packets sent pass the queueing discipline that another program installed."""
    L.run(L.router, ["tc", "qdisc", "add", "dev", "r1", "root", "tbf", "rate", "100mbit", "burst",
                     "64kb", "latency", "50ms"])
    lab.check(f"{mode}: a shaped port does not slow the rest down", back(d, mode))
    ports = d.status()["ports"]
    lab.check(f"{mode}: it sends by tcx, and reports why: {ports['r1']}",
              mode == "off" or ports["r1"]["mode"] == "tcx" and
              (mode == "tcx" or "tbf" in ports["r1"]["reason"]))

    def sent():
        return int(L.run(L.router, ["tc", "-s", "qdisc", "show", "dev", "r1"])
                   .split("pkt")[0].split()[-1])
    before, asked = sent(), time.monotonic()
    while sent() - before < 20 and time.monotonic() - asked < 30:
        time.sleep(0.02)
    lab.check(f"{mode}: its packets pass the discipline", sent() - before >= 20)
    L.run(L.router, ["tc", "qdisc", "del", "dev", "r1", "root"])
    lab.check(f"{mode}: without it all is as before", back(d, mode))
    lab.check(f"{mode}: the port's hook, too", d.status()["ports"]["r1"]["mode"] == mode)


NETFILTER = "--netfilter" in sys.argv
for mode in [a for a in sys.argv[2:] if a != "--netfilter"] or ("off", "tcx", "xdp"):
    d = L.dpctl("live")
    d.apply(lab.policy(mode, RULES))
    talk = stream.Stream(L, V4, PORT)
    talk.assured()
    lab.check(f"{mode}: the fast path carries it", back(d, mode))
    if NETFILTER:
        programs(d, mode, talk, [("netfilter", "4")] if lab.HAS_TCX else [])
    else:
        beside(d, mode, talk)
    talk.close()
    d.say("destroy")
    d.kill()
