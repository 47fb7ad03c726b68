"""One appliance between four hosts, in namespaces of its own. The hosts' kernels answer ARP and neighbour
solicitations only; what they send and receive is packets the script made."""
import contextlib
import ctypes
import errno
import functools
import ipaddress
import itertools
import json
import os
import re
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Failed, run  # noqa: E402
import assured  # noqa: E402
import netspace  # noqa: E402
import programs  # noqa: E402
import wire  # noqa: E402

# host: port of the router, and the host's addresses; the first of each family lies on the link
HOSTS = {
    "lan": ("lan0", ["10.1.0.2/24", "10.1.0.3/24", "10.1.0.4/24", "fd00:1::2/64", "fd00:1::3/64"]),
    "dmz": ("dmz0", ["10.2.0.2/24", "10.2.0.3/24", "fd00:2::2/64"]),
    "isp0": ("wan0", ["192.0.2.1/24", "198.51.100.10/32", "198.51.100.11/32", "fd00:10::1/64", "2001:db8:100::10/128"]),
    "isp1": ("wan1", ["203.0.113.1/24", "198.51.100.10/32", "198.51.100.11/32", "fd00:11::1/64", "2001:db8:100::10/128"]),
}
ROUTER = {"lan0": ["10.1.0.1/24", "fd00:1::1/64"], "dmz0": ["10.2.0.1/24", "fd00:2::1/64"],
          "wan0": ["192.0.2.2/24", "fd00:10::2/64"], "wan1": ["203.0.113.2/24", "fd00:11::2/64"]}
OWN4, OWN6 = ["192.0.2.2", "192.0.2.7"], ["fd00:10::2"]  # what the appliance itself sends from: a host without a wire
# what a translation made, or was the appliance's: not asked for by ARP, which would take time to fail
NO_HOST = ["192.0.2.2", "192.0.2.7", "192.0.2.9", "192.0.2.77", "192.0.2.88", "fd00:10::77", "fd00:10::88"]
SCRIPT_PORTS = {*range(20000, 20300), *range(8000, 8005), *range(9000, 9005), 1, 20, 21, 53, 80, 443}
GUARD = "table inet guard { chain in { type filter hook input priority -300; policy drop; icmpv6 type { 133-137 } accept; }; }"
ETH_P_ALL = 3
# What a route refuses is answered five times at once, then once in a second, for each source (ip_error); for all
# namespaces together that is a setting, so it stays. In ten seconds without four answers one is never left away: but for
# icmp_ratemask 0, below. Any other ICMP error to that source counts in the same place (inet_peer_xrlim_allow), and with
# icmp_ratelimit 0 it leaves nothing there: what a route refuses within the next second is not answered.
UNROUTED = re.compile(r"icmp 3/(?:0|1|13) \S+ (\S+) > (\S+) about ")
UNROUTED_BURST, UNROUTED_S = 4, 10
# Five seconds after a neighbour was used without an answer the kernel would probe it: in one world before a step, in another
# behind it. What a bridge takes from the port meanwhile, an answer to such a probe, too, is forwarded, and counted.
UNPROBED_S = 3600
LATE_S = 1.0  # what the oracle received may come so late on a busy machine
made = itertools.count(1)  # worlds of one process have names of their own
libc = ctypes.CDLL(None, use_errno=True)


@functools.cache
def home(address):
    """The host that has an address, "box" for the appliance, None for no host."""
    if address in OWN4 + OWN6:
        return "box"
    return next((h for h, (_, a) in HOSTS.items() if any(x.split("/")[0] == address for x in a)), None)


def sockets_in(namespace, make):
    """What make() makes in another namespace; this thread comes back to its own."""
    with netspace.entered(namespace):
        return make()


@contextlib.contextmanager
def one_processor():
    """What this thread sends stays in its order: each processor has a queue of packets that came in, and on a busy machine
    the thread moves to another one between a packet and the question behind it, which is answered first then."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {libc.sched_getcpu()})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def packet_socket():
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind(("e0", ETH_P_ALL))
    return s


def raw_sockets():
    return {f: socket.socket(f, socket.SOCK_RAW, socket.IPPROTO_RAW) for f in (socket.AF_INET, socket.AF_INET6)}


ROUTE_GROUPS = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x40000  # links; addresses, routes and rules of both families


def route_events():
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    s.bind((0, ROUTE_GROUPS))
    return s


def unprobed(device):
    return [f"net.{family}.neigh.{device}.delay_first_probe_time={UNPROBED_S}" for family in ("ipv4", "ipv6")]


def link_local(mac):
    return ipaddress.ip_address(b"\xfe\x80" + b"\0" * 6 + bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]).compressed


class World:
    def __init__(self, build, mode, settle=0.004):
        self.mode, self.settle_s = mode, settle
        self.box = Appliance(build, f"n{mode}{next(made)}", dataplane=True)
        self.sockets, self.own, self.events, self.programs = {}, {}, None, []
        self.mac = {h: bytes([2, 0, 0, 0, i, 2]) for i, h in enumerate(HOSTS)}
        self.port_mac = {h: bytes([2, 0, 0, 0, i, 1]) for i, h in enumerate(HOSTS)}
        self.refused = 0  # commits
        self.wanted = {}  # port: mode
        self.routed = set()  # where its routes in table main lead
        self.leads = set()  # (destination, gateway, host) of each of them
        self.before = {}  # counters as the script began
        self.dirty = False  # others changed something
        self.learned = False  # gateways may have been: IPv4 is the kernel's for five minutes
        self.unrouted = []  # (when, to which host) the router answered that there is no way
        self.down = set()  # hosts whose cable is pulled
        self.off, self.on = set(), set()  # hosts whose port the configuration has switched off, and just on again
        self.forget()

    def forget(self):
        self.numbers, self.number, self.talks, self.received = set(), 0, {}, []
        self.moves, self.ways_reported = 0, None  # how often routes or addresses changed
        self.uncounted = False
        self.vxlan = False  # a foreign device that wraps packets
        self.chosen = {}  # ports the router chose at random: their names, in order of appearance
        self.counts, self.expected = [], None  # how much was received of each packet: here, and in the oracle

    def __enter__(self):
        self.box.__enter__()
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for s in [*self.sockets.values(), *self.own.values(), *([self.events] if self.events else [])]:
            s.close()
        self.programless()
        for host in HOSTS:
            run("ip", "netns", "del", self.name(host), check=False)
        self.box.__exit__()

    def name(self, host):
        return f"{self.box.ns}-{host}"

    def router(self, *command, check=True, stdin=None):
        return run(*self.box.inside(*command), check=check, input=stdin)

    def program(self, where, interface, port):
        """A BPF program of others, until programless()."""
        def made():
            return programs.attach(where, 0 if where == "netfilter" else socket.if_nametoindex(interface), int(port))
        try:
            self.programs.append(sockets_in(self.box.ns, made))
        except OSError as e:
            return str(e)
        return ""

    def assure(self):
        assured.there(self.box.ns)

    def programless(self):
        while self.programs:
            os.close(self.programs.pop())

    def shell(self, text):
        done = self.router("sh", "-ec", text, check=False)
        return "" if not done.returncode else done.stderr.strip() or f"status {done.returncode}"

    def shell_out(self, text):
        return self.router("sh", "-c", text).stdout

    def build(self):
        quiet = ["sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0"]
        self.router(*quiet, "net.ipv4.icmp_ratelimit=0", "net.ipv4.icmp_ratemask=0", "net.ipv4.icmp_msgs_per_sec=100000", "net.ipv6.icmp.ratelimit=0",
                    *(f"net.ipv4.conf.{x}.{y}=0" for x in ("all", "default") for y in ("rp_filter", "send_redirects")))
        for host, (port, addresses) in HOSTS.items():
            name = self.name(host)
            run("ip", "netns", "add", name)
            run("ip", "link", "add", "e0", "address", wire.mac(self.mac[host]), "netns", name, "type", "veth",
                "peer", "name", port, "address", wire.mac(self.port_mac[host]), "netns", self.box.ns)
            # a new namespace may have what the machine's own has: a host that forwards answers what it cannot deliver, late
            # and e0 was made before: while its addresses are tentative its neighbours are not told where they are, for seconds
            self.inside(host, *quiet, "net.ipv6.conf.e0.accept_dad=0", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0", "net.ipv6.conf.all.accept_ra=0", "net.ipv6.conf.e0.router_solicitations=0",
                        "net.ipv6.conf.all.keep_addr_on_down=1", "net.ipv6.conf.e0.keep_addr_on_down=1",
                        *unprobed("e0"))
            self.inside(host, "nft", "-f", "-", stdin=GUARD)
            self.inside(host, "ethtool", "-K", "e0", "gro", "on", "tx", "off")
            self.inside(host, "ip", "-batch", "-", stdin="".join(
                f"addr add {a} dev {'lo' if a.endswith(('/32', '/128')) else 'e0'}\n" for a in addresses) + "link set e0 up\n")
            self.sockets[host] = sockets_in(name, packet_socket)
        self.router("sysctl", "-qw", *(x for port in ROUTER for x in (f"net.ipv4.neigh.{port}.locktime=0", *unprobed(port))))
        self.settle_no_hosts()
        self.own = sockets_in(self.box.ns, raw_sockets)
        self.events = sockets_in(self.box.ns, route_events)
        self.box.start()

    def settle_no_hosts(self):
        """Who asks for them would be told after seconds that they are not there. A link that is set down forgets it."""
        self.router("ip", "-force", "-batch", "-", check=False, stdin="".join(
            f"neigh replace {a} lladdr {wire.mac(self.mac['isp0'])} dev wan0 nud permanent\n" for a in NO_HOST))

    def inside(self, host, *command, stdin=None, check=True):
        return run("nsenter", f"--net=/run/netns/{self.name(host)}", "--", *command, input=stdin, check=check)

    # ---- configuration ----

    def load(self, tree):
        """"" or what the commit was refused for."""
        shown = tree.get("interfaces", {})
        ports = {p: {"addresses": a, "fast-path": self.mode, **shown.get(p, {})} for p, a in ROUTER.items()}
        if self.mode == "off":
            ports = {p: {**i, "fast-path": "off"} for p, i in ports.items()}
        whole = {**tree, "interfaces": ports}
        done = self.box.ctl("config", "load", "-", "--replace", ok=False, stdin=json.dumps(whole))
        if not done.returncode:
            done = self.box.ctl("config", "commit", ok=False)
        if done.returncode and "nothing" not in done.stderr:
            self.box.ctl("config", "discard", ok=False)
            return done.stderr.strip()
        off = {h for h, (port, _) in HOSTS.items() if not ports[port].get("enabled", True)}
        self.off, self.on = off, self.off - off
        if "isp0" in self.on:
            self.settle_no_hosts()
        static = tree.get("routing", {}).get("static", {})
        self.routed = {to.removesuffix("/32").removesuffix("/128") for to in static}
        self.leads = {(to, via, home(via)) for to, route in static.items() if route.get("enabled", True) for via in route.get("next-hops", {})}
        self.wanted = {p: i["fast-path"] for p, i in ports.items()}
        shown = {"routing": tree.get("routing"), **{p: i["addresses"] for p, i in ports.items()}}
        self.moves, self.ways_reported = self.moves + (shown != self.ways_reported), shown
        return ""

    def ready(self):
        """Addresses are no longer tentative, neighbours known: what a first packet would wait for."""
        self.box.until(10, lambda: not self.router("ip", "-6", "addr", "show", "tentative").stdout.strip(), "addresses")
        self.settle_no_hosts()
        self.introduce()
        for host, s in self.sockets.items():
            while select.select([s], [], [], 0)[0]:
                self.drain(host, 0, lambda _: True)
        if self.mode != "off":
            self.box.until(10, self.accelerated, f"every port is {self.mode}")

    def accelerated(self):
        ports = self.box.json("show", "dataplane")["ports"]
        return all(ports[p]["mode"] == ("tcx" if mode == "auto" else mode) for p, mode in self.wanted.items())

    def unrouted_lately(self, address):
        return sum(to == address and time.monotonic() - when < UNROUTED_S for when, to in self.unrouted)

    def introduce(self, only=None):
        """The router learns of its neighbours as they ask for it; what it may send itself is the configuration's."""
        hosts = [h for h in HOSTS if h not in self.down | self.off and only in (None, h)]
        for host in hosts:
            try:
                self.box.until(10, lambda h=host: self.ask(h), f"the router answers {host}'s ARP")
            except Failed as e:
                looks = ("-br", "link"), ("-br", "addr"), ("-s", "link", "show", HOSTS[host][0]), ("neigh",), ("rule",), ("route", "show", "table", "all")
                there = [self.router("ip", *what).stdout for what in looks]
                there += [self.shell_out("grep . /proc/sys/net/ipv4/conf/*/rp_filter")]
                card = [self.inside(host, *what).stdout for what in (("ip", "-br", "addr"), ("ip", "-s", "-d", "link", "show", "e0"), ("tc", "-s", "qdisc", "show", "dev", "e0"))]
                raise Failed(f"{e}; {self.mode}; at the router {there}; {self.box.json('show', 'dataplane')['ports']}; the host's card {card}") from e
        wanted = {a.split("/")[0] for h in hosts for a in HOSTS[h][1] if not a.endswith(("/32", "/128"))}

        def known():
            for host in hosts:
                mac, (port, addresses) = self.mac[host], HOSTS[host]
                four, six = (a.split("/")[0] for a in ROUTER[port])
                for a in (x.split("/")[0] for x in addresses if not x.endswith(("/32", "/128"))):
                    self.sockets[host].send(wire.solicitation(mac, a, six) if wire.is6(a) else wire.arp_request(mac, a, four))
                self.sockets[host].send(wire.solicitation(mac, link_local(mac), six))
            there = self.neighbours()
            return all(there.get(a) == wire.mac(self.mac[home(a)]) for a in wanted)
        self.box.until(20, known, "neighbours are known")

    def cable(self, host, how):
        """Pulls a host's cable, plugs it in, or puts another card behind it that announces itself."""
        if how == "swap":
            mac = self.mac[host]
            self.mac[host] = mac[:3] + bytes([mac[3] ^ 1]) + mac[4:]
            self.inside(host, "ip", "link", "set", "e0", "address", wire.mac(self.mac[host]))
            self.inside(host, "ip", "neigh", "flush", "all")
        else:
            self.inside(host, "ip", "link", "set", "e0", how)
            (self.down.add if how == "down" else self.down.discard)(host)

    def tidy(self):
        """Cables and cards as they were, no programs of others."""
        self.programless()
        for host in HOSTS:
            if host in self.down:
                self.cable(host, "up")
            if self.mac[host][3]:
                self.cable(host, "swap")

    def still(self, seconds, end):
        """Waits until the kernel has reported no change of links, addresses, routes and rules for so long."""
        while select.select([self.events], [], [], max(0, min(seconds, end - time.monotonic())))[0]:
            with contextlib.suppress(OSError):  # more reports than it holds
                while self.events.recv(1 << 16):
                    pass

    def ways(self):
        """The kernel's routes and rules without what time alone changes."""
        text = "".join(self.router("ip", f, "-batch", "-", stdin="route show table all\nrule show\n").stdout for f in ("-4", "-6"))
        lines = (re.sub(r" (pref medium|expires \S+|error -?\d+|linkdown|dead)", "", x).strip() for x in text.splitlines())
        return sorted(x for x in lines if x and not x.startswith(("local", "broadcast", "multicast", "anycast")))

    def led(self):
        """Routes over ports that are up are there: the appliance puts them back by itself."""
        wanted = {(to, via) for to, via, host in self.leads if host in HOSTS and host not in self.down | self.off}
        there = set()
        for family in ("-4", "-6"):
            for x in json.loads(self.router("ip", family, "-j", "route").stdout or "[]"):
                to = x["dst"] if x["dst"] != "default" else "::/0" if family == "-6" else "0.0.0.0/0"
                to += "" if "/" in to else "/128" if family == "-6" else "/32"
                there |= {(to, hop.get("gateway")) for hop in [x, *x.get("nexthops", [])] if "linkdown" not in hop.get("flags", [])}
        return wanted <= there

    def port_name(self, number):
        """A port of the script as it is; where a translation finds its port taken the kernel chooses another by chance."""
        if number in SCRIPT_PORTS:
            return str(number)
        return self.chosen.setdefault(number, f"chosen{len(self.chosen) + 1}")

    def plain(self, text):
        """A line about a packet without what is chance."""
        text = re.sub(r"(?<=[0-9a-f]:)[0-9]{1,5}(?= )", lambda m: self.port_name(int(m[0])), text)
        return re.sub(r"(?<= about )(.* )([0-9a-f]{4})([0-9a-f]{4})$", lambda m: m[1] + " ".join(
            self.port_name(int(x, 16)) for x in (m[2], m[3])), text)

    def neighbours(self):
        return {x["dst"]: x["lladdr"] for x in json.loads(self.router("ip", "-j", "neigh").stdout or "[]") if "lladdr" in x}

    def hits(self):
        ports = self.box.json("show", "dataplane")["ports"]
        return sum(ports[p]["hits"] for p in ROUTER if p in ports)

    def counters(self):
        """Packets and bytes of each rule and default."""
        shown = self.box.json("show", "firewall")
        rows = {f"rule {r['rule']}": r for r in shown["rules"]} | {f"default {k}": v for k, v in shown["default"].items()}
        return {k: (v["packets"], v["bytes"]) for k, v in rows.items()}

    def connections(self):
        """What conntrack has, without time-outs."""
        text = self.shell_out("conntrack -L -f ipv4; conntrack -L -f ipv6")
        lines = (re.sub(r"^(\S+ +\d+) \d+ ", r"\1 ", re.sub(r" use=\d+", "", x)) for x in text.splitlines())
        # conntrack does not know the last number the fast path let through, so it may reject a reset
        lines = (re.sub(r" (ESTABLISHED|CLOSE) ", " ESTABLISHED|CLOSE ", x) for x in lines)
        lines = (re.sub(r"(?<=port=)\d+", lambda m: self.port_name(int(m[0])), re.sub(r" +", " ", x).strip()) for x in lines)
        return sorted(x for x in lines if "src=" in x)

    # ---- packets ----

    def next_number(self):
        self.number = self.number % 60000 + 1
        self.numbers.add(self.number)
        return self.number

    def ask(self, host):
        """ARP requests for what the router's address may be: an answer comes behind everything sent before."""
        mine = HOSTS[host][1][0].split("/")[0]
        for address in OWN4 if host == "isp0" else [ROUTER[HOSTS[host][0]][0].split("/")[0]]:
            self.sockets[host].send(wire.arp_request(self.mac[host], mine, address))
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            if self.drain(host, end - time.monotonic(), lambda f: f[12:14] == b"\x08\x06" and f[20:22] == b"\0\2"):
                return True
        return False

    def drain(self, host, wait, until):
        """Reads one frame of a host into self.received. True: it is the one that was waited for."""
        s = self.sockets[host]
        if wait > 0 and not select.select([s], [], [], wait)[0]:
            return False
        try:
            data, where = s.recvfrom(65535, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError as e:
            if e.errno != errno.ENETDOWN:  # sent once when the cable is pulled
                raise
            return False
        if where[2] == socket.PACKET_OUTGOING:
            return False
        if until(data):
            return True
        if data[12:14] in (b"\x08\x00", b"\x86\xdd"):
            found = wire.seen(data[14:], self.numbers)
            if found:
                if data[:12] != self.mac[host] + self.port_mac[host]:
                    found.text += f" in a frame {wire.mac(data[6:12])} > {wire.mac(data[:6])}"
                if no_way := UNROUTED.search(found.text):
                    self.unrouted.append((time.monotonic(), no_way[2]))
                    # such an answer counts for the rule of its connection, as long as what it is about
                    self.uncounted |= self.unrouted_lately(no_way[2]) >= UNROUTED_BURST
                self.received.append((host, found))
        return False

    def carry(self, host, packets):
        """Sends IP packets from a host; [(host, Seen)] is what came of them anywhere."""
        self.received = []
        beside = host if host in HOSTS else "lan"
        with one_processor():
            shown = self.send(host, packets)
            if beside not in self.down | self.off and not self.ask(beside):
                raise Failed(f"{self.mode}: the router does not answer {beside}'s ARP")
        wanted = self.expected.pop(0) if self.expected else 0
        end = time.monotonic() + self.settle_s
        late = end + LATE_S
        while time.monotonic() < (end if len(self.received) >= wanted else late):
            ready = select.select(list(self.sockets.values()), [], [], self.settle_s)[0]
            for h, s in self.sockets.items():
                if s in ready:
                    self.drain(h, 0, lambda f: False)
                    end = max(end, time.monotonic() + self.settle_s / 2)
        self.counts.append(len(self.received))
        return shown + sorted(self.received, key=lambda x: x[0])

    def send(self, host, packets):
        """[], or that it cannot be sent."""
        try:
            for p in packets:
                if host in HOSTS:
                    self.sockets[host].send(wire.frame(self.port_mac[host], self.mac[host], p))
                else:
                    six = p[0] >> 4 == 6
                    to = socket.inet_ntop(socket.AF_INET6, p[24:40]) if six else socket.inet_ntop(socket.AF_INET, p[16:20])
                    self.own[socket.AF_INET6 if six else socket.AF_INET].sendto(p, (to, 0))
        except OSError as e:
            return [(host, wire.Seen(None, None, "", "", None, None, f"nothing: {os.strerror(e.errno)}"))]
        return []
