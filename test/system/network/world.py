"""One appliance between four hosts, in namespaces of its own. The hosts' kernels answer ARP and neighbour
solicitations only; what they send and hear is packets the script made."""
import ctypes
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
NEIGHBOURS = ["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.2.0.2", "10.2.0.3", "192.0.2.1", "203.0.113.1",
              "fd00:1::2", "fd00:1::3", "fd00:2::2", "fd00:10::1", "fd00:11::1"]
SCRIPT_PORTS = {*range(20000, 20100), 1, 53, 80, 443, 8000, 9000}
GUARD = "table inet guard { chain in { type filter hook input priority -300; policy drop; icmpv6 type { 133-137 } accept; }; }"
ETH_P_ALL = 3
LATE_S = 1.0  # what the oracle heard of may come so late on a busy machine
made = itertools.count(1)  # worlds of one process have names of their own
libc = ctypes.CDLL(None, use_errno=True)


def socket_in(namespace, device):
    """A packet socket of a device in another namespace; this thread comes back to its own."""
    own, there = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(there, 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        s.bind((device, ETH_P_ALL))
    finally:
        libc.setns(own, 0x40000000)
        os.close(own)
        os.close(there)
    return s


class World:
    def __init__(self, build, mode, settle=0.004):
        self.mode, self.settle_s = mode, settle
        self.box = Appliance(build, f"n{mode}{next(made)}", dataplane=True)
        self.sockets, self.mac, self.port_mac = {}, {}, {}
        self.forget()

    def forget(self):
        self.numbers, self.number, self.talks, self.heard = set(), 0, {}, []
        self.chosen = {}  # ports the router chose at random: their names, in order of appearance
        self.counts, self.expected = [], None  # how much was heard of each packet: here, and in the oracle

    def __enter__(self):
        self.box.__enter__()
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for s in self.sockets.values():
            s.close()
        for host in HOSTS:
            run("ip", "netns", "del", self.name(host), check=False)
        self.box.__exit__()

    def name(self, host):
        return f"{self.box.ns}-{host}"

    def router(self, *command, check=True, stdin=None):
        return run(*self.box.inside(*command), check=check, input=stdin)

    def shell(self, text):
        done = self.router("sh", "-ec", text, check=False)
        return "" if not done.returncode else done.stderr.strip() or f"status {done.returncode}"

    def build(self):
        quiet = ["sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0"]
        self.router(*quiet, "net.ipv4.icmp_ratelimit=0", "net.ipv4.icmp_msgs_per_sec=100000", "net.ipv6.icmp.ratelimit=0",
                    "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        for host, (port, addresses) in HOSTS.items():
            name = self.name(host)
            run("ip", "netns", "add", name)
            inside = ["nsenter", f"--net=/run/netns/{name}", "--"]
            run("ip", "link", "add", "e0", "netns", name, "type", "veth", "peer", "name", port, "netns", self.box.ns)
            run(*inside, *quiet, "net.ipv6.conf.all.accept_ra=0", "net.ipv6.conf.e0.router_solicitations=0")
            run(*inside, "nft", "-f", "-", input=GUARD)
            run(*inside, "ethtool", "-K", "e0", "gro", "on", "tx", "off")
            for a in addresses:
                run(*inside, "ip", "addr", "add", a, "dev", "lo" if a.endswith(("/32", "/128")) else "e0")
            run(*inside, "ip", "link", "set", "e0", "up")
            self.sockets[host] = socket_in(name, "e0")
            self.mac[host] = self.sockets[host].getsockname()[4]
            self.port_mac[host] = bytes.fromhex(
                self.router("cat", f"/sys/class/net/{port}/address", check=False).stdout.strip().replace(":", "")
                or self.address_of(port))
        self.box.start()

    def address_of(self, port):
        words = self.router("ip", "-o", "link", "show", port).stdout.split()
        return words[words.index("link/ether") + 1].replace(":", "")

    # ---- configuration ----

    def load(self, tree):
        """"" or what the commit was refused for."""
        whole = {**tree, "interfaces": {p: {"addresses": a, "fast-path": self.mode} for p, a in ROUTER.items()}}
        done = self.box.ctl("config", "load", "-", "--replace", ok=False, stdin=json.dumps(whole))
        if not done.returncode:
            done = self.box.ctl("config", "commit", ok=False)
        if done.returncode and "nothing" not in done.stderr:
            self.box.ctl("config", "discard", ok=False)
            return done.stderr.strip()
        return ""

    def ready(self):
        """Addresses are no longer tentative, neighbours known: what a first packet would wait for."""
        self.box.until(10, lambda: not self.router("ip", "-6", "addr", "show", "tentative").stdout.strip(), "addresses")
        for mine, host in self.gateways():
            self.box.until(10, lambda m=mine, h=host: self.ask(h, m), f"{mine} answers ARP")
        self.box.until(20, self.known, "neighbours are known")
        for s in self.sockets.values():
            while select.select([s], [], [], 0)[0]:
                s.recv(65535)
        if self.mode != "off":
            self.box.until(10, self.accelerated, f"every port is {self.mode}")

    def accelerated(self):
        ports = self.box.json("show", "dataplane")["ports"]
        return all(ports[p]["mode"] == self.mode for p in ROUTER)

    def known(self):
        """The router learns of its neighbours as they ask for it; what it may send itself is the configuration's, and so is whether
        it answers a ping. So each address that is missing asks anew, alone: who knows the router does not ask."""
        there = self.neighbours()
        missing = [a for a in NEIGHBOURS if a not in there]
        for host, (port, addresses) in HOSTS.items():
            near = {wire.is6(a): a.split("/")[0] for a in ROUTER[port]}
            text = "".join(f"ip neigh flush dev e0; ping -c1 -W0.1 -I {a} {near[wire.is6(a)]}; "
                           for a in (x.split("/")[0] for x in addresses) if a in missing)
            if text:
                run("nsenter", f"--net=/run/netns/{self.name(host)}", "--", "sh", "-c", text, check=False)
        there = self.neighbours()
        return all(a in there for a in missing)

    def port_name(self, number):
        """A port of the script as it is; where a translation finds its port taken the kernel chooses another by chance."""
        if number in SCRIPT_PORTS:
            return str(number)
        return self.chosen.setdefault(number, f"chosen{len(self.chosen) + 1}")

    def plain(self, text):
        """A line about a packet without what is chance."""
        text = re.sub(r"(?<=:)[0-9]{4,5}(?= )", lambda m: self.port_name(int(m[0])), text)
        return re.sub(r"(?<= about )(.* )([0-9a-f]{4})([0-9a-f]{4})$", lambda m: m[1] + " ".join(
            self.port_name(int(x, 16)) for x in (m[2], m[3])), text)

    def neighbours(self):
        return [x["dst"] for x in json.loads(self.router("ip", "-j", "neigh").stdout or "[]") if "lladdr" in x]

    def hits(self):
        ports = self.box.json("show", "dataplane")["ports"]
        return sum(ports[p]["hits"] for p in ROUTER)

    @staticmethod
    def gateways():
        return [(ROUTER[port][0].split("/")[0], host) for host, (port, _) in HOSTS.items()]

    def counters(self):
        """Packets and bytes of each rule."""
        return {r["rule"]: (r["packets"], r["bytes"]) for r in self.box.json("show", "firewall")["rules"]}

    # ---- packets ----

    def next_number(self):
        self.number = self.number % 60000 + 1
        self.numbers.add(self.number)
        return self.number

    def ask(self, host, address):
        """An ARP request for the router's address: its answer comes behind everything sent before."""
        mine = HOSTS[host][1][0].split("/")[0]
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + self.mac[host] + wire.packed(mine) + b"\0" * 6 + wire.packed(address)
        self.sockets[host].send(b"\xff" * 6 + self.mac[host] + b"\x08\x06" + body)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            if self.drain(host, end - time.monotonic(), lambda f: f[12:14] == b"\x08\x06" and f[20:22] == b"\0\2"):
                return True
        return False

    def drain(self, host, wait, until):
        """Reads one frame of a host into self.heard. True: it is the one that was waited for."""
        s = self.sockets[host]
        if not select.select([s], [], [], max(0, wait))[0]:
            return False
        data, where = s.recvfrom(65535)
        if where[2] == socket.PACKET_OUTGOING:
            return False
        if until(data):
            return True
        if data[12:14] in (b"\x08\x00", b"\x86\xdd"):
            found = wire.seen(data[14:], self.numbers)
            if found:
                self.heard.append((host, found))
        return False

    def carry(self, host, packets):
        """Sends IP packets from a host; [(host, Seen)] is what came of them anywhere."""
        self.heard = []
        gateway = ROUTER[HOSTS[host][0]][0].split("/")[0]
        for p in packets:
            self.sockets[host].send(wire.frame(self.port_mac[host], self.mac[host], p))
        if not self.ask(host, gateway):
            raise Failed(f"{self.mode}: the router does not answer ARP for {gateway}")
        wanted = self.expected.pop(0) if self.expected else 0
        end = time.monotonic() + self.settle_s
        late = end + LATE_S
        while time.monotonic() < (end if len(self.heard) >= wanted else late):
            ready = select.select(list(self.sockets.values()), [], [], self.settle_s)[0]
            for h, s in self.sockets.items():
                if s in ready:
                    self.drain(h, 0, lambda f: False)
                    end = max(end, time.monotonic() + self.settle_s / 2)
        self.counts.append(len(self.heard))
        return sorted(self.heard, key=lambda x: x[0])
