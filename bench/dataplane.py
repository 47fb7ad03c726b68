#!/usr/bin/env python3
"""dataplane.py BUILD [--json] [--rounds N] [--rules N...] - what forwarding costs, in CPU time per packet.

A generator (live frames, 1024 UDP flows, rewritten whole each time) sends through a router to a counting
sink, all on one core; CPU time of the sending thread and of that core's ksoftirqd is divided by the
packets. All rows take turns in each round; values are medians, ratios the median of those of neighbours
in time. Each row must deliver every packet, with
the right addresses, hop count and checksum; one that does not is repeated and, at the third time, ends the
run. So is one during which other processes had the core; the third is taken and noted.

Two routers with the same addresses: `edge`, a real orbitald with N rules and masquerade, and `plain`, which
runs the programs to compare with, and what one writes by hand with nft(8) for the same rules: a verdict map
by interfaces, no counters. "Router alone" is a row less what generator and sink cost when they are
neighbours."""
import argparse
import ctypes
import json
import os
import resource
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bed  # noqa: E402
import rules  # noqa: E402

FLOWS, FIRST_PORT, SERVER_PORT = 1024, 1024, 2000
CLIENT, LAN, WAN, SERVER = "172.16.0.2", "172.16.0.1", "192.0.2.1", "192.0.2.2"
DENIED = "100.64.0.0"  # no rule names it: forward's default drops it, behind every rule
PACKETS, WARM_UP = 1 << 19, 1 << 16
KERNEL_PACKETS = 1 << 18  # slower by a factor: the same time
REFUSED_PACKETS = 1 << 15  # through every rule one by one
ATTEMPTS = 3
OTHERS = 2, 0.1  # ticks of others on the core, and their share of a row: above both the row is disturbed
SIZES = (1000, 10000)
MASQUERADE = "chain post {\ntype nat hook postrouting priority srcnat;\noifname wan0 ip saddr 172.16.0.0/12 masquerade\n}\n"
CLONE_NEWNET = 0x40000000


def others(cpu):
    """(ticks so far of what is not the kernel's work on the core, all ticks). The generator and all routers are the
    kernel's."""
    with open("/proc/stat", encoding="ascii") as f:
        fields = next(line.split() for line in f if line.startswith(f"cpu{cpu} "))
    ticks = [int(t) for t in fields[1:]]
    return ticks[0] + ticks[1] + ticks[7], sum(ticks[:8])


class Lab(bed.Around):
    """client - edge | plain - server, and the programs of bench/dataplane/gen.bpf.c."""

    def __init__(self, build, box, cpu, flows=FLOWS, name=""):
        self.box, self.cpu, self.flows = box, cpu, flows
        self.gen_path = os.path.join(os.path.abspath(build), "bench", "gen")
        self.pin = f"{box.dir}/bpf/bench"
        tail = f"{name}{os.getpid()}"
        self.client, self.plain, self.server = self.spaces = [f"orbb-{n}-{tail}" for n in ("client", "plain", "server")]
        self.repeated = self.disturbed = 0

    def inside(self, ns, *args):
        return bed.run("nsenter", f"--net=/run/netns/{ns}", "--", *args)

    def link(self, ns_a, a, ns_b, b):
        bed.run("ip", "link", "add", a, "netns", ns_a, "type", "veth", "peer", "name", b, "netns", ns_b)
        for ns, dev in ((ns_a, a), (ns_b, b)):
            # Redirected frames reach a veth peer only when it polls; XDP cannot finish checksums.
            self.inside(ns, "ethtool", "-K", dev, "gro", "on")
            bed.run("ip", "-n", ns, "link", "set", dev, "up")

    def mac(self, ns, dev):
        return json.loads(self.inside(ns, "ip", "-j", "link", "show", "dev", dev).stdout)[0]["address"]

    def gen(self, word, *args):
        done = bed.run(self.gen_path, word, self.pin, *args, check=False)
        if done.returncode:
            raise bed.Failed(f"gen {word} {' '.join(map(str, args))}: {done.stderr.strip()}")
        return done.stdout

    def build_up(self):
        edge = self.box.ns
        for ns in (self.client, self.plain, self.server):
            bed.run("ip", "netns", "add", ns)
            bed.run("ip", "-n", ns, "link", "set", "lo", "up")
        self.link(self.client, "eth0", edge, "lan0")
        self.link(edge, "wan0", self.server, "eth0")
        self.link(self.client, "eth1", self.plain, "lan0")
        self.link(self.plain, "wan0", self.server, "eth1")
        for ns, dev, address in ((self.client, "eth0", CLIENT), (self.server, "eth0", SERVER),
                                 (self.plain, "lan0", LAN), (self.plain, "wan0", WAN)):
            bed.run("ip", "-n", ns, "addr", "add", f"{address}/24", "dev", dev)
        bed.run("ip", "-n", self.client, "route", "add", "default", "via", LAN)
        bed.run("ip", "-n", self.plain, "neigh", "replace", SERVER, "lladdr",
                self.mac(self.server, "eth1"), "dev", "wan0", "nud", "permanent")
        for ns in (self.plain, edge):
            self.inside(ns, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0",
                        "net.ipv4.conf.default.rp_filter=0", "net.ipv4.conf.lan0.rp_filter=0")
        self.gen("load", self.plain, "wan0", self.mac(self.server, "eth1"))
        self.macs = {"eth0": self.mac(edge, "lan0"), "eth1": self.mac(self.plain, "lan0")}

    def sink(self, dev, kind):
        """xdp, tc, or none: of the two the cheaper one for what arrives."""
        self.gen("xdp", self.server, dev, "sink" if kind == "xdp" else "none")
        self.gen("tc", self.server, dev, "on" if kind == "tc" else "off")

    def send(self, dev, packets, **keys):
        keys = {"cpu": self.cpu, "flows": self.flows, "mac": self.macs[dev], "source": CLIENT,
                "destination": SERVER, "port": SERVER_PORT, "packets": packets, **keys}
        return json.loads(self.gen("send", self.client, dev, *(f"{k}={v}" for k, v in keys.items())))

    def measure(self, what, dev, packets, **keys):
        """CPU nanoseconds per packet of a row that lost nothing, undisturbed if possible."""
        for left in reversed(range(ATTEMPTS)):
            self.send(dev, min(WARM_UP, packets), **keys)
            before = others(self.cpu)
            row = self.send(dev, packets, **keys)
            theirs, all_ticks = (now - then for now, then in zip(others(self.cpu), before))
            good = row["good"] == row["sent"] and not row["wrong"]
            disturbed = theirs > OTHERS[0] and theirs > OTHERS[1] * all_ticks
            self.disturbed += good and disturbed and not left
            if good and (not disturbed or not left):
                return row["cpu-ns"]
            self.repeated += 1
        raise bed.Failed(f"{what}: {row['good']} of {row['sent']} packets arrived as they should, "
                         f"{row['wrong']} wrong")

    # ---- the appliance ----

    def dropped(self):
        """Packets that met forward's default."""
        return self.box.call("dataplane@1", "counters")["default"]["forward"]["packets"]

    def measure_denied(self, what, packets):
        """As measure(), but every packet must have been refused and counted."""
        keys = {"source": DENIED, "scan": 1}
        for _ in range(ATTEMPTS):
            self.send("eth0", packets // 8, **keys)
            before = self.dropped()
            row = self.send("eth0", packets, **keys)
            refused = self.dropped() - before
            if refused == packets and not row["good"] and not row["wrong"]:
                return row["cpu-ns"]
            self.repeated += 1
        raise bed.Failed(f"{what}: of {packets} packets {refused} were refused and "
                         f"{row['good'] + row['wrong']} arrived")

    def measure_hits(self, what, packets, turn, add):
        """turn(add), whose packets are hits. A machine that did not run for half a second, or a program at netfilter of
        another namespace that came and went, gives some to the kernel: then it is repeated."""
        for _ in range(ATTEMPTS):
            found, before = [], self.hits()
            turn(lambda *row: found.append(row))
            hits = self.hits() - before
            if hits >= 0.99 * packets:
                for row in found:
                    add(*row)
                return
            self.repeated += 1
        raise bed.Failed(f"{what}: only {hits} of {packets} packets were hits")

    def fast_path(self, mode):
        if all(p["mode"] == mode for p in self.ports().values()):
            return
        for dev in ("lan0", "wan0"):
            self.box.ctl("config", "set", "interfaces", dev, "fast-path", mode)
        self.box.ctl("config", "commit")
        self.box.until(10, lambda: all(p["mode"] == mode for p in self.ports().values()),
                       f"both ports at {mode}: {self.ports()}")

    def ports(self):
        return self.box.json("show", "dataplane")["ports"]

    def hits(self):
        return sum(p["hits"] for p in self.ports().values())

    def offload(self, word):
        """Of the hosts: XDP cannot finish the checksums a socket left to the card."""
        for ns in (self.client, self.server):
            self.inside(ns, "ethtool", "-K", "eth0", "tx", word)

    # ---- what one writes by hand ----

    def by_hand(self, count):
        """In the router `plain`, with the flows as conntrack has them in the appliance: answered, assured, masqueraded."""
        text = rules.nft(count)
        text = text[:text.rindex("}")] + MASQUERADE + "}\n"
        bed.run("nsenter", f"--net=/run/netns/{self.plain}", "--", "nft", "-f", "-", input="flush ruleset\n" + text)
        path = f"{self.box.dir}/flows.conntrack"
        with open(path, "w", encoding="ascii") as f:
            for n in range(self.flows):
                f.write(f"-I -s {CLIENT} -d {SERVER} -p udp --sport {FIRST_PORT + n} --dport {SERVER_PORT} --src-nat {WAN} "
                        "-t 3600 -u SEEN_REPLY,ASSURED\n")
        self.inside(self.plain, "conntrack", "-F")
        self.inside(self.plain, "conntrack", "-R", path)

    def by_hand_end(self):
        bed.run("nsenter", f"--net=/run/netns/{self.plain}", "--", "nft", "flush", "ruleset")

    # ---- conntrack ----

    def in_namespace(self, ns):
        """This process's new sockets belong to ns from now on."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open(ns if "/" in ns else f"/run/netns/{ns}") as f:
            if libc.setns(f.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {ns}")

    def converse(self):
        """Every flow sends and is answered, again after two seconds: then conntrack marks it as assured."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.flows + 200, max(
            self.flows + 200, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
        here = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            self.in_namespace(self.server)
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.bind((SERVER, SERVER_PORT))
            self.in_namespace(self.client)
            clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(self.flows)]
        finally:
            self.in_namespace(f"/proc/self/fd/{here}")
            os.close(here)
        server.settimeout(2)
        for n, s in enumerate(clients):
            s.settimeout(2)
            s.bind((CLIENT, FIRST_PORT + n))
        for pause in (2.2, 0.1, 0):
            for s in clients:
                s.sendto(b"are you there?", (SERVER, SERVER_PORT))
                text, back = server.recvfrom(100)
                server.sendto(text, back)
                s.recv(100)
            time.sleep(pause)  # conntrack's clock, without an event
        for s in (server, *clients):
            s.close()


def close_race(lab, add):
    """The rows that differ by a few nanoseconds: several short turns, each begun by another row."""
    def plain(name, program, **keys):
        lab.gen("xdp", lab.plain, "lan0", program)
        add(name, lab.measure(name, "eth1", PACKETS, **keys))

    def ours():
        add("xdp", lab.measure("XDP", "eth0", PACKETS, expect=WAN))

    turns = [lambda: plain("direct", "sink", hops=64), lambda: plain("fixed", "fixed"),
             lambda: plain("fib", "fib"), ours]
    lab.sink("eth1", "xdp")
    for first in range(len(turns)):
        for turn in turns[first:] + turns[:first]:
            turn()
    lab.gen("xdp", lab.plain, "lan0", "none")


def round_of(lab, rows, count):
    """Measures every row, appended to rows."""
    def add(name, ns):
        rows.setdefault(name, []).append(ns)

    lab.fast_path("xdp")
    lab.sink("eth0", "xdp")
    lab.send("eth0", WARM_UP, expect=WAN)
    lab.measure_hits("XDP", 4 * PACKETS, lambda add_row: close_race(lab, add_row), add)
    add("xdp denied", lab.measure_denied("denied at XDP", PACKETS))
    lab.sink("eth1", "tc")
    add("bare kernel", lab.measure("bare kernel", "eth1", KERNEL_PACKETS))
    lab.by_hand(count)
    add("by hand", lab.measure("nft by hand", "eth1", KERNEL_PACKETS, expect=WAN))
    lab.by_hand_end()

    lab.box.ctl("dataplane", "disable")
    for kind in ("xdp", "tc"):
        lab.sink("eth0", kind)
        add(f"kernel, {kind} sink", lab.measure("kernel", "eth0", KERNEL_PACKETS, expect=WAN))
    add("kernel denied", lab.measure_denied("denied by nftables", REFUSED_PACKETS))
    lab.box.ctl("dataplane", "enable")

    lab.fast_path("tcx")
    lab.measure_hits("tcx", KERNEL_PACKETS,
                     lambda add_row: add_row("tcx", lab.measure("tcx", "eth0", KERNEL_PACKETS, expect=WAN)), add)


def throughput(lab, seconds=2):
    """Mbit/s of one TCP connection, ports as they are."""
    server = bed.subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{lab.server}", "--", "iperf3", "-s", "-1", "-B", SERVER],
        stdout=bed.subprocess.DEVNULL)
    try:
        lab.box.until(5, lambda: ":5201 " in lab.inside(lab.server, "ss", "-Hltn").stdout + " ",
                      "iperf3 listens")
        done = lab.inside(lab.client, "iperf3", "-c", SERVER, "-t", str(seconds), "-J")
        return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 1e6
    finally:
        server.kill()
        server.wait()


def tcp_round(lab, rows):
    lab.sink("eth0", "none")
    lab.fast_path("tcx")
    lab.offload("on")
    rows.setdefault("tcx TCP", []).append(throughput(lab))
    lab.box.ctl("dataplane", "disable")
    rows.setdefault("kernel TCP", []).append(throughput(lab))
    lab.box.ctl("dataplane", "enable")
    lab.offload("off")


def config(count):
    return {"interfaces": {"lan0": {"addresses": [f"{LAN}/24"], "fast-path": "xdp"},
                           "wan0": {"addresses": [f"{WAN}/24"], "fast-path": "xdp"}},
            "firewall": rules.firewall(count, snat=True)}


def paired(rows, ratio, *names):
    """The median of ratio() over what was measured side by side: load of others that changes hits
    both and cancels out. Rows with several turns a round give their median there."""
    count = min(len(rows[name]) for name in names)
    columns = []
    for name in names:
        each = len(rows[name]) // count
        columns.append([bed.median(rows[name][i * each:(i + 1) * each]) for i in range(count)])
    return bed.median(ratio(*values) for values in zip(*columns))


def figures_of(rows, count):
    kernel = min(("kernel, xdp sink", "kernel, tc sink"), key=lambda name: bed.median(rows[name]))
    m = {name: bed.median(values) for name, values in rows.items()}
    ours = f"XDP, {count} rules, masquerade"

    def row(name, key):
        return bed.figure(name, m[key], "ns", None, values=rows[key])

    def total(name, key, other, text, over=False, **target):
        """over: ours / theirs, else theirs / ours."""
        ratio = paired(rows, (lambda a, b: a / b) if over else (lambda a, b: b / a), key, other)
        return bed.figure(name, m[key], "ns", f"{text} {m[other]:.0f} ns", ratio, values=rows[key], **target)

    def router(name, key, other, text, **target):
        ratio = paired(rows, lambda a, b, base: (b - base) / (a - base), key, other, "direct")
        return bed.figure(name, m[key] - m["direct"], "ns",
                          f"{text} {m[other] - m['direct']:.0f} ns", ratio,
                          values=[value - m["direct"] for value in rows[key]], **target)

    same, hand = "our rules in nftables", "nft by hand"
    return [
        row(f"generator and sink alone ({count} rules beside it)", "direct"),
        row(f"kernel forwarding without rules ({count} beside it)", "bare kernel"),
        total(f"{ours}: total / fixed next hop", "xdp", "fixed", "fixed next hop", over=True,
              most=1.15),
        router(f"{ours}: router alone, nft by hand / ours", "xdp", "by hand", hand, least=8),
        router(f"{ours}: router alone, own nftables / ours", "xdp", kernel, same),
        total(f"{ours}: total, nft by hand / ours", "xdp", "by hand", hand),
        router(f"{ours}: router alone, FIB forwarder / ours", "xdp", "fib",
               "stateless FIB forwarder", least=1.8),
        total(f"tcx, {count} rules, masquerade: total, nft by hand / ours", "tcx", "by hand", hand, least=1.9),
        total(f"tcx, {count} rules, masquerade: total, own nftables / ours", "tcx", kernel, same),
        total(f"denied flood, {count} rules: total, nftables / ours", "xdp denied",
              "kernel denied", "nftables"),
        bed.figure(f"TCP throughput, {count} rules, tcx / kernel", m["tcx TCP"], "Mbit/s",
                   f"{same} {m['kernel TCP']:.0f} Mbit/s",
                   paired(rows, lambda a, b: a / b, "tcx TCP", "kernel TCP"), least=0.95, values=rows["tcx TCP"]),
    ]


def spread(rows):
    for name, values in rows.items():
        yield f"  {name:18} median {bed.median(values):8.1f}   {min(values):8.1f} to {max(values):8.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rules", type=int, nargs="+", default=SIZES)
    parser.add_argument("--cpu", type=int, default=os.cpu_count() - 1)
    args = parser.parse_args()
    bed.need_root("dataplane")
    bed.stop_cleanly()
    figures, notes = [], []
    with bed.Bed(args.build, "edge", dataplane=True) as box, Lab(args.build, box, args.cpu) as lab:
        box.start()
        for count in args.rules:
            rows = {}
            box.load(config(count), f"{count} rules")
            lab.offload("off")
            lab.converse()
            for _ in range(args.rounds):
                round_of(lab, rows, count)
                tcp_round(lab, rows)
            figures += figures_of(rows, count)
            notes += [f"{count} rules:", *spread(rows)]
        notes.insert(0, f"{args.rounds} rounds, a row is {PACKETS} packets ({KERNEL_PACKETS} through the kernel) on core "
                        f"{args.cpu}; {lab.repeated} rows repeated because something was lost or other processes had the "
                        f"core, {lab.disturbed} of them disturbed each time")
        notes.insert(1, f"no p99: a row has less than {bed.P99_MIN} values; the worst is in its line")
    bed.show(figures, notes, args.json)


if __name__ == "__main__":
    try:
        main()
    except bed.Failed as e:
        sys.exit(f"bench dataplane: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
