#!/usr/bin/env python3
"""first.py BUILD [--json] [--rounds N] [--against BUILD] [--rules N...] - what the first packet of a flow costs.

The generator of dataplane.py gives every frame another source, so each is the first of its flow; the last of 10, 1000
and 10 000 rules accepts it, or forward's default drops it behind all of them. Through an orbitald with fast path (XDP,
tcx) and without, and, in turns on the same core, through a kernel that only tracks connections and through what one
writes by hand with nft(8) for the same rules: a verdict map by interfaces, then the rules of that pair. No address
translation. --against: the same through another build, taking turns. Values are processor time per packet."""
import argparse
import contextlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bed  # noqa: E402
import dataplane  # noqa: E402
import rules  # noqa: E402

SIZES = (10, 1000, 10000)
OURS, THEIRS = "ours", "against"
TRACK, HAND = "conntrack alone", "by hand"
MODES = ("xdp", "tcx", "off")
SIX = {dataplane.CLIENT: "fd00:1::2", dataplane.LAN: "fd00:1::1", dataplane.WAN: "2001:db8:ff::1",
       dataplane.SERVER: "2001:db8:ff::2"}
SENT = {("allowed", 4): ("172.16.0.0", dataplane.SERVER), ("allowed", 6): ("fd00:2::", SIX[dataplane.SERVER]),
        ("denied", 4): (dataplane.DENIED, dataplane.SERVER), ("denied", 6): ("2001:db9::", SIX[dataplane.SERVER])}
TRACKING = ("table inet hand {\nchain forward {\ntype filter hook forward priority filter; policy accept;\n"
            "ct state vmap { established : accept, related : accept, invalid : drop }\n}\n}\n")
MOST_US = 600  # of one packet at 10 000 rules, roughly: rows of many rules have fewer packets
ROW_S = 1.5


def config(count, mode):
    ports = {link: {"addresses": [f"{a}/24", f"{SIX[a]}/64"], "fast-path": mode}
             for link, a in (("lan0", dataplane.LAN), ("wan0", dataplane.WAN))}
    return {"interfaces": ports, "firewall": rules.firewall(count, six=True)}


def packets_of(count, who, mode):
    """Fewer where each packet may walk every rule."""
    walked = count if mode == "off" or who == HAND else count / 2
    return int(min(1 << 15, max(1 << 10, ROW_S * 1e6 / (MOST_US * walked / 10000 + 3))))


class Lab(dataplane.Lab):
    sinks = {}

    def sink(self, dev, kind):
        if self.sinks.get(dev) != kind:
            super().sink(dev, kind)
            self.sinks = {**self.sinks, dev: kind}

    def build_up(self):
        super().build_up()
        for ns, dev, a in ((self.client, "eth0", dataplane.CLIENT), (self.server, "eth0", dataplane.SERVER),
                           (self.plain, "lan0", dataplane.LAN), (self.plain, "wan0", dataplane.WAN)):
            bed.run("ip", "-n", ns, "addr", "add", f"{SIX[a]}/64", "dev", dev, "nodad")
        bed.run("ip", "-n", self.plain, "neigh", "replace", SIX[dataplane.SERVER], "lladdr", self.mac(self.server, "eth1"),
                "dev", "wan0", "nud", "permanent")
        self.inside(self.plain, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        for program in ("sink", "none"):  # a veth takes frames of the generator once it had a program
            self.gen("xdp", self.plain, "lan0", program)
        self.nft_text(self.plain, TRACKING)  # conntrack's settings are there from now on

    def nft_text(self, ns, text):
        bed.run("nsenter", f"--net=/run/netns/{ns}", "--", "nft", "-f", "-", input=text)

    def neighbours(self):
        """Permanent neighbour entries for both families at the ports of the appliance."""
        for dev, space, address in (("wan0", self.server, dataplane.SERVER), ("lan0", self.client, dataplane.CLIENT)):
            for to in (address, SIX[address]):
                bed.run("ip", "-n", self.box.ns, "neigh", "replace", to, "lladdr", self.mac(space, "eth0"), "dev", dev,
                        "nud", "permanent")

    def first(self, dev, what, six, packets):
        """Of packets that are each the first of a flow: all arrive, or none."""
        source, destination = SENT[what, six]
        ns = self.plain if dev == "eth1" else self.box.ns
        for _ in range(dataplane.ATTEMPTS):
            self.inside(ns, "conntrack", "-F")
            row = self.send(dev, packets, source=source, destination=destination, scan=1)
            if not row["wrong"] and row["good"] == (packets if what == "allowed" else 0):
                return row["cpu-ns"]
            self.repeated += 1
        raise bed.Failed(f"{what}, IPv{six}, {dev}: {row['good']} of {packets} packets arrived, {row['wrong']} wrong")


def switch(lab, mode):
    lab.fast_path("tcx" if mode == "off" else mode)
    lab.box.ctl("dataplane", "disable" if mode == "off" else "enable")
    lab.sink("eth0", "xdp" if mode == "xdp" else "tc")
    lab.neighbours()


def round_of(labs, count, backwards, rows):
    def add(*key):
        return rows.setdefault(key, []).append

    def each(who, mode, lab, dev):
        for what, six in SENT:
            if who != TRACK or what == "allowed":
                add(count, who, mode, what, six)(lab.first(dev, what, six, packets_of(count, who, mode)))

    for mode in MODES:
        for who, lab in list(labs.items())[::-1 if backwards else 1]:
            switch(lab, mode)
            each(who, mode, lab, "eth0")
            lab.box.ctl("dataplane", "enable")
    lab = labs[OURS]
    lab.sink("eth1", "tc")
    for who, text in ((TRACK, TRACKING), (HAND, rules.nft(count, six=True))):
        lab.nft_text(lab.plain, "flush ruleset\n" + text)
        each(who, "off", lab, "eth1")


def figures_of(rows):
    for (count, who, mode, what, six), values in rows.items():
        if who != OURS:
            continue
        path = {"xdp": "XDP", "tcx": "tcx", "off": "nftables alone"}[mode]
        name, value = f"first packet, {what}, IPv{six}, {count} rules, {path}", bed.median(values)
        track = rows[count, TRACK, "off", "allowed", six]
        hand = rows[count, HAND, "off", what, six]
        yield bed.figure(f"{name} / conntrack alone", value, "ns", f"conntrack alone {bed.median(track):.0f} ns",
                         bed.median(a / b for a, b in zip(values, track)), most=2 if what == "allowed" else None)
        yield bed.figure(f"{name} / nft by hand", value, "ns", f"by hand {bed.median(hand):.0f} ns",
                         bed.median(a / b for a, b in zip(values, hand)))
        other = rows.get((count, THEIRS, mode, what, six))
        if other:
            yield bed.figure(f"{name} / the other build", value, "ns", f"the other {bed.median(other):.0f} ns",
                             bed.median(a / b for a, b in zip(values, other)),
                             most=0.25 if mode == "off" and count >= 1000 else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", metavar="BUILD")
    parser.add_argument("--rules", type=int, nargs="+", default=SIZES)
    parser.add_argument("--cpu", type=int, default=os.cpu_count() - 1)
    args = parser.parse_args()
    bed.need_root("first")
    bed.stop_cleanly()
    rows, labs, repeated = {}, {}, 0
    with contextlib.ExitStack() as stack:
        for who, build in ((OURS, args.build), (THEIRS, args.against)):
            if build:
                box = stack.enter_context(bed.Bed(build, f"first{who[:1]}", dataplane=True))
                lab = labs[who] = stack.enter_context(Lab(args.build, box, args.cpu, name=who[:1]))
                box.start()
                lab.offload("off")
        for count in args.rules:
            for lab in labs.values():
                lab.box.load(config(count, "xdp"), f"{count} rules")
            for n in range(args.rounds):
                round_of(labs, count, n % 2, rows)
        repeated = sum(lab.repeated for lab in labs.values())
    notes = [f"{args.rounds} rounds on core {args.cpu}; {repeated} rows repeated because something was lost"]
    for (count, who, mode, what, six), values in rows.items():
        notes.append(f"  {count:6} rules {who:16} {mode:4} {what:8} IPv{six} " + " ".join(f"{v:.0f}" for v in values))
    bed.show(list(figures_of(rows)), notes, args.json)


if __name__ == "__main__":
    try:
        main()
    except bed.Failed as e:
        sys.exit(f"bench first: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
