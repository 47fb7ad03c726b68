"""What established flows obey although it is no foreign filter: routes, rules, neighbours, links, MTUs and connections
deleted from conntrack. A request is sent each 5 ms at the most, and as many answers may still take the old path as
there are requests in 100 ms: on a slower machine there are fewer. With the fast path off, too: the expected result is
the kernel's. ./dev bench foreign measures the delay."""
import os
import sys
import time

import lab
import stream

lab.need("ip", "nsenter", "ethtool", "nft", "conntrack")
L = lab.Lab(sys.argv[1])
OTHER = f"orbt-{os.getpid()}-o"
lab.sh(f"ip netns add {OTHER}; ip -n {OTHER} link set lo up")
L.extra.append(OTHER)
lab.sh(f"ip netns exec {OTHER} sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0")
L.wire("o0", OTHER, "r2", 3)
V4, V6, PORT, PUSHED = "198.51.100.10", "2001:db8:9::10", 5004, 6004
# Changes of which the fast path learns only by the thread that reads events: test_notice.py decides by its events, not by packets.
BY_EVENT = "a route with an MTU", "a rule about a mark that others set"
PACE_MS, LIMIT_MS, SLACK = 5, 100, 3  # SLACK: answers on their way as the change returned
GIVE_UP_S = 15
for name, dev, word in ((L.client, "c0", ""), (L.server, "s0", "server"), (OTHER, "o0", "other")):
    lab.sh(f"nsenter --net=/run/netns/{name} ethtool -K {dev} tx off gro on")
    for host in (V4, V6) if word else ():
        lab.sh(f"ip -n {name} addr add {host}/{128 if ':' in host else 32} dev lo {'nodad' if ':' in host else ''}")
        stream.answer(L, name, host, PORT, word)
RULES = {"10": {"from": "lan", "to": "wan", "action": "accept"}}
TALKER = """
host, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
six = ":" in host
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(*((41, 23, 3) if six else (0, 10, 3)))  # *_MTU_DISCOVER, *_PMTUDISC_PROBE: whole, whatever ICMP reports
s.connect((host, port))
number, end = 0, 0
for line in sys.stdin:
    number += 1
    time.sleep(max(0, end - time.monotonic()))
    end, reported = time.monotonic() + %f, "-"
    try: s.send(b"x" * size)
    except OSError: pass
    s.settimeout(float(line))
    try: reported = s.recv(2000).decode().split()[0]
    except OSError: pass
    print(reported, flush=True)
""" % (PACE_MS / 1000)
# The server sends to the client unrequested: after conntrack deleted the connection, no rule accepts it.
PUSHER = """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.200.2.2", int(sys.argv[1])))
print("ready", flush=True)
_, peer = s.recvfrom(100)
for line in sys.stdin:
    time.sleep(%f)
    s.sendto(b"x", peer)
    print("sent", flush=True)
""" % (PACE_MS / 1000)
LISTENER = """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("10.200.2.2", int(sys.argv[1])))
s.send(b"?")
for line in sys.stdin:
    s.settimeout(float(line))
    try: reported = s.recv(100).decode()
    except OSError: reported = "-"
    print(reported, flush=True)
"""


class Talk:
    def __init__(self, host, size):
        self.child = L.start(L.client, [sys.executable, "-Sc", "import socket, sys, time\n" + TALKER, host, str(PORT),
                                        str(size)], stdin=-1, stdout=-1)

    def ask(self, wait=0.3):
        self.child.stdin.write(f"{wait}\n")
        self.child.stdin.flush()
        return self.child.stdout.readline().strip()

    def close(self):
        self.child.kill()
        self.child.wait()


class Push:
    def __init__(self):
        self.ends = [self.start(L.server, PUSHER)]
        self.ends[0].stdout.readline()
        self.ends.append(self.start(L.client, LISTENER))

    @staticmethod
    def start(where, code):
        return L.start(where, [sys.executable, "-Sc", "import socket, sys, time\n" + code, str(PUSHED)], stdin=-1, stdout=-1)

    def ask(self, wait=0.3):
        for end, text in zip(self.ends, ("\n", f"{wait}\n")):
            end.stdin.write(text)
            end.stdin.flush()
            shown = end.stdout.readline().strip()
        return shown

    def close(self):
        for end in self.ends:
            end.kill()
            end.wait()


def r(*lines):
    """Commands inside the router, one after the other."""
    return lambda: [L.run(L.router, line.split() if isinstance(line, str) else line) for line in lines]


def mark(word):
    chain = " { chain c { type filter hook prerouting priority -150; iifname r0 meta mark set 7; }; }" if word == "add" else ""
    return r(["nft", f"{word if word == 'delete' else ''} table ip others{chain}"], f"ip rule {word} fwmark 7 lookup 100")


def kinds():
    """name: (host, size, come, go, what is answered then)."""
    near, far = "10.200.2.2", "10.200.3.2"
    return {
        "a route to another router": (V4, 20, r(f"ip route add {V4} via {far}"), r(f"ip route del {V4}"), "other"),
        "a route of IPv6": (V6, 20, r(f"ip -6 route add {V6} via fd00:200:3::2"), r(f"ip -6 route del {V6}"), "other"),
        "a route that depends on the source": (V6, 20, r(f"ip -6 route add {V6} from fd00:200:1::/64 via fd00:200:3::2 metric 1"),
                                               r(f"ip -6 route del {V6} from fd00:200:1::/64 metric 1"), "other"),
        "a route that refuses": (V4, 20, r(f"ip route add prohibit {V4}"), r(f"ip route del prohibit {V4}"), "-"),
        "a route with an MTU": (V4, 1350, r(f"ip route add {V4} via {near} mtu 1300"), r(f"ip route del {V4}"), "-"),
        "a route with a locked MTU": (V4, 1350, r(f"ip route add {V4} via {near} mtu lock 1300"), r(f"ip route del {V4}"), "-"),
        "a rule about the source": (V4, 20, r("ip rule add from 10.200.1.0/24 lookup 100"), r("ip rule del lookup 100"), "other"),
        "a rule about the interface": (V4, 20, r("ip rule add iif r0 lookup 100"), r("ip rule del lookup 100"), "other"),
        "a rule that refuses": (V4, 20, r("ip rule add ipproto udp dport 5004 prohibit"), r("ip rule del prohibit"), "-"),
        "a rule about a mark that others set": (V4, 20, mark("add"), mark("delete"), "other"),
        "a neighbour that moved": (V4, 20, r(f"ip neigh replace {near} lladdr 02:00:00:00:00:99 dev r1 nud permanent"),
                                   r(f"ip neigh del {near} dev r1"), "-"),
        "the MTU of a link": (V4, 1350, r("ip link set r1 mtu 1300"), r("ip link set r1 mtu 1500"), "-"),
        "net.ipv6.conf.r1.mtu": (V6, 1350, r("sysctl -qw net.ipv6.conf.r1.mtu=1300"), r("sysctl -qw net.ipv6.conf.r1.mtu=1500"), "-"),
        "an address that is removed, and its network with it": (V4, 20, r("ip addr del 10.200.2.1/24 dev r1"),
                                                         r("ip addr add 10.200.2.1/24 dev r1", "ip route replace default via 10.200.2.2"), "-"),
    }


def carried(d, mode, talk, what):
    """Conntrack takes it for a stream, and the fast path has it."""
    end = time.monotonic() + GIVE_UP_S
    while time.monotonic() < end:
        answers = [talk.ask(2) for _ in range(3)]
        L.assure()
        before = stream.hits(d)
        answers += [talk.ask(2) for _ in range(5)]
        if "-" not in answers and (mode == "off" or stream.hits(d) - before >= 4):
            return answers[-1]
    return lab.check(f"{mode}: {what}: the fast path carries the conversation: {answers}", False)


def until(talk, want):
    """Answers until there is one as wanted, and four more are: (how many others came, whether it came to that)."""
    old, end = 0, time.monotonic() + GIVE_UP_S
    while time.monotonic() < end:
        if talk.ask() != want:
            old += 1
        elif all(talk.ask() == want for _ in range(4)):
            return old, True
    return old, False


def obeyed(mode, talk, what, want):
    most = LIMIT_MS // PACE_MS + SLACK
    old, came = until(talk, want)
    lab.check(f"{mode}: {what}: {old} packets as before, of at most {most}", came and (old <= most or what in BY_EVENT))


def expires(d, mode):
    """The kernel removes such a route up to half a minute after it stopped using it, and sends the event only then."""
    r(f"ip -6 route add {V6} via fd00:200:3::2 expires 4")()
    talk = Talk(V6, 20)
    lab.check(f"{mode}: a conversation by a route that expires", carried(d, mode, talk, "it") == "other")
    while "r2" in lab.sh(f"ip -n {L.router} -6 route get {V6} from fd00:200:1::2 iif r0"):
        talk.ask()
    obeyed(mode, talk, "a route that expired", "server")
    talk.close()
    lab.sh(f"ip -n {L.router} -6 route del {V6}", check=False)


def asked(d):
    return sum(p["misses"] for p in d.status()["ports"].values())


def seldom(d, mode):
    """Where events report what invalidates an entry it is looked up once a second in each direction; otherwise 11 times."""
    for host in (V4, V6):
        talk = Talk(host, 20)
        carried(d, mode, talk, "it")
        begun, before = time.monotonic(), asked(d)
        for _ in range(200):
            talk.ask(2)
        took, found = time.monotonic() - begun, asked(d) - before
        lab.check(f"{mode}: in {took:.1f} s conntrack is asked {found} times about {host}", found <= 2 * took + 8)
        talk.close()


def forgotten(d, mode, events):
    L.run(L.router, ["sysctl", "-qw", f"net.netfilter.nf_conntrack_events={events}"])
    for what in ("-D -p udp", "-F"):
        talk = Push()
        shown = carried(d, mode, talk, what)
        lab.sh(f"ip netns exec {L.router} conntrack {what}")
        obeyed(mode, talk, f"conntrack {what} ({shown} before, events {events})", "-")
        talk.close()


def short(d, mode):
    """A time-out that is shortened holds from the next packets on: the connection continues while packets are sent, and ends after."""
    talk = Push()
    carried(d, mode, talk, "a conversation with a short time-out")
    r("sysctl -qw net.netfilter.nf_conntrack_udp_timeout_stream=1")()
    end, lost = time.monotonic() + 3, 0
    while time.monotonic() < end:
        lost += talk.ask(0.3) == "-"
    lab.check(f"{mode}: it continues while the other end sends, {lost} lost", lost == 0)
    end = time.monotonic() + GIVE_UP_S
    while str(PUSHED) in lab.sh(f"ip netns exec {L.router} conntrack -L -p udp 2>/dev/null") and time.monotonic() < end:
        time.sleep(0.1)
    lab.check(f"{mode}: and conntrack forgets it soon after", talk.ask(0.3) == "-")
    talk.close()
    r("sysctl -qw net.netfilter.nf_conntrack_udp_timeout_stream=120")()


for number, mode in enumerate(sys.argv[2:] or ("off", "tcx", "xdp")):
    for family, via in (("-4", "10.200.{}.2"), ("-6", "fd00:200:{}::2")):
        lab.sh(f"ip -n {L.router} {family} route replace default via {via.format(2)}; "
               f"ip -n {L.router} {family} route replace default via {via.format(3)} table 100")
    d = L.dpctl("live")
    p = lab.policy(mode, RULES)
    p["ports"]["r2"] = {"fast-path": mode}
    p["zones"]["wan"]["interfaces"] = ["r1", "r2"]
    d.apply(p)
    for events in (0, 2):  # without them entries ask more often
        forgotten(d, mode, events)
    seldom(d, mode)
    short(d, mode)
    for what, (host, size, come, go, want) in kinds().items():
        talk = Talk(host, size)
        before = carried(d, mode, talk, what)
        lab.check(f"{mode}: {what}: answered by the first router before: {before}", before == "server")
        come()
        obeyed(mode, talk, what, want)
        go()
        lab.check(f"{mode}: {what}: and taken back", until(talk, "server")[1])
        talk.close()
    expires(d, mode)
    d.say("destroy")
    d.kill()
