"""Foreign state, step by step: once a change is noticed every packet is the kernel's and the status reports that
it is being read; once it is read, exactly the packets it may apply to. Nothing here is timed: between two steps the
data plane only detects changes."""
import sys

import iptables
import lab
import stream

lab.need("ip", "nsenter", "ethtool", "nft", "tc")
L = lab.Lab(sys.argv[1])
L.offload(False)
SERVER, PORT = "10.200.2.2", 5004
REFUSED_S = 0.5  # an answer that was let through takes a thousandth of it
ALL, IN, BACK, NONE = (0, 0), (0, 1), (1, 0), (1, 1)  # what is taken from the fast path
BEING_READ = "everything is the kernel's: foreign state is being read"
TALKER = """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], int(sys.argv[2])))
for line in sys.stdin:
    got, (count, seconds) = 0, line.split()
    s.settimeout(float(seconds))
    for _ in range(int(count)):
        s.send(b"x")
        try: got += s.recv(2000) != b""
        except OSError: pass
    print(got, flush=True)
"""


class Talker:
    """Requests that are answered, as many as given."""

    def __init__(self):
        self.child = L.start(L.client, [sys.executable, "-Sc", "import socket, sys\n" + TALKER, SERVER,
                                        str(PORT)], stdin=-1, stdout=-1)

    def ask(self, count, seconds=5):
        self.child.stdin.write(f"{count} {seconds}\n")
        self.child.stdin.flush()
        return int(self.child.stdout.readline())

    def close(self):
        self.child.kill()
        self.child.wait()


class Box:
    COUNT = 6

    def __init__(self, mode):
        self.mode = mode
        self.d = L.dpctl()
        self.d.apply(lab.policy(mode, {"10": {"from": "lan", "to": "wan", "action": "accept"}}))
        self.d.say("tend")
        L.run(L.router, ["conntrack", "-F"], check=False)
        self.talk = Talker()

    def hits(self):
        ports = self.d.status()["ports"]
        return ports["r0"]["hits"], ports["r1"]["hits"]

    def fast(self):
        """Which ways the fast path takes, in and back; one packet of each in half a minute is the kernel's."""
        before = self.hits()
        answered = self.talk.ask(self.COUNT)
        lab.check(f"{self.mode}: all {answered} questions are answered", answered == self.COUNT)
        counts = [b - a for a, b in zip(before, self.hits())]
        if any(0 < n < self.COUNT - 1 for n in counts):
            return counts
        return tuple(int(n > 0) for n in counts)

    def reason(self, port="r0"):
        return self.d.status()["ports"][port].get("reason", "")

    def kinds(self):
        """By the metric, of both ports."""
        lines = self.d.say("metrics").split(";")
        return {line.split('kind="')[1].split('"')[0] for line in lines if "foreign_kind{" in line}

    def noticed(self, what):
        self.d.say("notice")
        found = self.fast()
        lab.check(f"{self.mode}: {what} is noticed, and everything the kernel's: {found}", found == ALL)
        reply = self.reason("r0"), self.reason("r1"), self.kinds()
        lab.check(f"{self.mode}: it is being read: {reply}", reply[0].startswith(BEING_READ) and
                  reply[1].startswith(BEING_READ) and "unread" in reply[2])
        self.d.say("read")
        reply = self.reason("r0") + self.reason("r1")
        lab.check(f"{self.mode}: it is read: {reply}", "being read" not in reply and "unread" not in self.kinds())

    def refused(self, what):
        """A request without an answer: it is left to the kernel, which refuses it."""
        before, answered = self.hits(), self.talk.ask(1, REFUSED_S)
        lab.check(f"{self.mode}: {what}: {answered}", not answered and self.hits() == before)

    def until_fast(self):
        for _ in range(100):  # until conntrack takes it for a stream, after two seconds of it
            if self.fast() == NONE:
                return
            L.run(L.router, ["sleep", "0.1"])
        lab.check(f"{self.mode}: the fast path carries it", False)

    def kind(self, what, come, go, takes, kind="", why="", port="r0"):
        come()
        self.noticed(what)
        found = self.fast()
        lab.check(f"{self.mode}: {what} takes {takes}: {found}", found == takes)
        reply, kinds = self.reason(port), self.kinds()
        lab.check(f"{self.mode}: the reason and the kind are shown: {reply} {kinds}",
                  why in reply and kinds == ({kind} if kind else set()))
        go()
        self.noticed(f"{what} that is removed")
        found, reply = self.fast(), self.reason("r0") + self.reason("r1")
        lab.check(f"{self.mode}: nothing is taken without it: {found} {reply}{self.kinds()}",
                  found == NONE and reply == "" and not self.kinds())

    def close(self):
        self.talk.close()
        self.d.say("destroy")
        self.d.kill()


def run(*words):
    return lambda: L.run(L.router, [*words])


def nft(text):
    return run("nft", text)


def chain(family, spec, rule="counter"):
    return (nft(f"add table {family} others; add chain {family} others c {{ type filter hook {spec}; }}; "
                f"add rule {family} others c {rule}"), nft(f"delete table {family} others"))


def tables(box):
    everything = (
            ("a forward chain", "inet", "forward priority 5", "counter", ALL, "everything is the kernel's"),
            ("an IPv6 chain", "ip6", "forward priority 5", "counter", NONE, "IPv6 is the kernel's"),
            ("a chain about what comes in", "ip", "forward priority 5", "iifname \"r0\" counter", IN,
             "what comes in here is the kernel's"),
            ("a chain about a name's beginning", "ip", "postrouting priority 5", "oifname \"r1*\" counter", IN,
             "first packets are the kernel's"),
            ("a chain about all but an interface", "ip", "forward priority 5", "iifname != \"r0\" counter", ALL,
             "IPv4 is the kernel's"),
            ("a chain that sets conntrack's zone", "ip", "prerouting priority raw", "udp dport 1 ct zone set 5",
             ALL, "IPv4 is the kernel's"),
            ("an ingress chain", "netdev", "ingress device \"r0\" priority 0", "counter", IN,
             "what comes in here is the kernel's"),
            ("an ingress chain of two interfaces", "netdev", "ingress devices = { r0, r1 } priority 0", "counter",
             ALL, "what comes in here is the kernel's"),
            ("an egress chain", "netdev", "egress device \"r0\" priority 0", "counter", BACK,
             "what leaves here is the kernel's"))
    for what, family, spec, rule, takes, why in everything if box.mode == "tcx" else everything[2:4]:
        box.kind(what, *chain(family, spec, rule), takes, "nftables", why)
    box.kind("a chain of a bridge", *chain("bridge", "forward priority 0"), NONE)
    box.kind("a chain for local packets", *chain("inet", "input priority 5"), NONE)


def dormant(box):
    nft("table inet others { flags dormant; chain c { type filter hook forward priority 5; counter; }; }")()
    box.noticed("a table that sleeps")
    lab.check(f"{box.mode}: it takes nothing", box.fast() == NONE and not box.kinds())
    box.kind("a table that wakes", nft("add table inet others"), nft("delete table inet others"), ALL, "nftables",
             "table inet others, chain c")


def disciplines(box):
    """Where filters are attached, and the priority of one."""
    tc = ("tc", "filter", "add", "dev", "r1")
    match = ("prio", "20306", "u32", "match", "u32", "0", "0", "flowid", "1:1")
    run("tc", "qdisc", "add", "dev", "r1", "clsact")()
    box.noticed("a place for filters")
    lab.check(f"{box.mode}: without filters it takes nothing", box.fast() == NONE and not box.kinds())
    box.kind("a filter at ingress", run(*tc, "ingress", *match), run("tc", "filter", "del", "dev", "r1", "ingress"),
             BACK, "tc", "tc ingress filter u32", "r1")
    if box.mode == "tcx":  # at XDP the port's hook changes: test_foreign.py
        box.kind("a filter at egress", run(*tc, "egress", *match), run("tc", "filter", "del", "dev", "r1", "egress"),
                 NONE)  # evaluated for packets sent by tcx, too
    run("tc", "qdisc", "del", "dev", "r1", "clsact")()
    box.noticed("its end")


def programs(box):
    other = box.d.say
    if lab.HAS_TCX:
        box.kind("a program at tcx", lambda: other("other-in r0 pass"), lambda: other("other-in"), IN, "bpf",
                 "another program at tcx ingress")
        if box.mode == "tcx":
            box.kind("a program at tcx egress", lambda: other("other-out r1 pass"), lambda: other("other-out"), NONE)


def netfilter(box):
    other = box.d.say
    try:
        other("other-netfilter 4 pass")
    except RuntimeError as e:
        print(f"# skipped: no programs at netfilter: {e}")
        return
    other("other-netfilter")
    for family, takes in (("4", ALL), ("6", NONE)):
        box.kind(f"a program at netfilter, IPv{family}", lambda f=family: other(f"other-netfilter {f} pass"),
                 lambda: other("other-netfilter"), takes, "bpf", f"IPv{family} is the kernel's: a BPF program")


def elsewhere(box):
    """A program at netfilter of another network namespace, such as a container's, is none of ours."""
    if "hook" not in L.run(L.router, ["nft", "list", "hooks"], check=False):
        print("# skipped: this kernel does not list hooks")
        return
    try:
        box.d.say(f"other-netfilter 4 pass /run/netns/{L.client}")
    except RuntimeError as e:
        print(f"# skipped: no programs at netfilter: {e}")
        return
    run("nft", "add table inet others")()
    box.noticed("an empty table beside a program of another namespace")
    found, reply = box.fast(), box.reason()
    lab.check(f"{box.mode}: that program takes nothing: {found} {reply}", found == NONE and not reply and not box.kinds())
    box.d.say("other-netfilter")
    run("nft", "delete table inet others")()
    box.noticed("the end of that table")


def old_tables(box):
    """Of iptables as it was before nftables."""
    if iptables.missing(L):
        return
    iptables.forward(L, "DROP")
    box.d.say("notice")
    box.refused("old tables that refuse are noticed")
    box.d.say("read")
    lab.check(f"{box.mode}: and told: {box.reason()}", "iptables table filter" in box.reason())
    iptables.forward(L, "ACCEPT")
    box.noticed("their end")
    lab.check(f"{box.mode}: nothing is taken without them", box.fast() == NONE and not box.kinds())


def ipsec(box):
    policy = "src", "10.9.0.0/24", "dst", "10.8.0.0/24", "dir", "out"
    box.kind("an IPsec policy", run("ip", "xfrm", "policy", "add", *policy, "action", "block"),
             run("ip", "xfrm", "policy", "delete", *policy), ALL, "ipsec", "everything is the kernel's: IPsec policies")


def rules(box):
    """What the look-up of routes itself honours."""
    for rule in (("fwmark", "7"), ("from", "10.200.1.0/24"), ("ipproto", "udp", "dport", str(PORT)),
                 ("not", "fwmark", "7"), ("iif", "r0")):
        L.run(L.router, ["ip", "rule", "add", *rule, "priority", "70", "table", "main"])
        box.d.say("events")
        lab.check(f"{box.mode}: a rule {' '.join(rule)} to the same routes takes nothing", box.fast() == NONE)
        L.run(L.router, ["ip", "rule", "del", "priority", "70"])
        box.d.say("events")


def settings(box):
    """A host that becomes a router had the first one set until then: only a redirect makes it last."""
    for name in ("net.ipv4.conf.all.accept_redirects", "net.ipv4.ip_forward_use_pmtu",
                 "net.netfilter.nf_conntrack_acct"):
        box.kind(name, run("sysctl", "-qw", f"{name}=1"), run("sysctl", "-qw", f"{name}=0"), ALL, "setting", f"{name} is set")


def objects(box):
    """Routes by next hop objects: a change of one is an event of its own, without an event about routes."""
    sysctl = "net.ipv4.nexthop_compat_mode"
    if "=" not in L.run(L.router, ["sysctl", sysctl], check=False):
        print("# skipped: this kernel has no next hop objects")
        return
    L.run(L.router, ["sysctl", "-qw", sysctl + "=0"])
    for words in (("nexthop", "add", "id", "1", "dev", "r1"), ("nexthop", "add", "id", "2", "group", "1"),
                  ("route", "add", SERVER, "nhid", "2")):
        L.run(L.router, ["ip", *words])
    box.d.say("tend")
    lab.check(f"{box.mode}: a route by a group of objects takes nothing", box.fast() == NONE)
    L.run(L.router, ["ip", "nexthop", "replace", "id", "1", "blackhole"])
    box.d.say("events")
    box.refused("an object that became a hole is obeyed")
    for words in (("route", "del", SERVER), ("nexthop", "flush")):
        L.run(L.router, ["ip", *words])
    L.run(L.router, ["sysctl", "-qw", sysctl + "=1"])
    box.d.say("tend")
    lab.check(f"{box.mode}: and carried again without it", box.fast() == NONE)


stream.answer(L, L.server, SERVER, PORT, "server")
machine_wide = (netfilter, elsewhere)  # with --netfilter
parts = (tables, dormant, disciplines, programs, old_tables, ipsec, rules, settings, objects)
for mode in "tcx", "xdp":
    box = Box(mode)
    box.until_fast()
    for part in machine_wide if sys.argv[2:] == ["--netfilter"] else parts:
        part(box)
    box.close()
