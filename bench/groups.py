#!/usr/bin/env python3
"""groups.py BUILD [--json] [--rounds N] - what a group of 100 000 addresses costs the appliance.

Loading it with two rules that have it as their source, a commit that adds one address, and the host's memory; in turns
with nft(8), which loads the same addresses as a set of its own and adds one. The addresses are single ones with gaps, so
that none is joined with another.

"Processor" is the time all processes of the appliance together have computed (of nft: that process), which what else
the machine does changes little; "waited" is what passes for the one who waits."""
import argparse
import contextlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bed  # noqa: E402
import ruleset  # noqa: E402
import wire  # noqa: E402

MANY, MEMORY_MB, LOAD_MS, CHANGE_MS = 100000, 70, 1000, 10
FAMILIES = ("IPv4", "IPv6")
GROUP = "/firewall/groups/many/addresses"


def addresses(family):
    if family == "IPv4":
        return [f"10.{i >> 14}.{i >> 6 & 255}.{(i & 63) * 4}" for i in range(MANY)]
    return [f"2001:db8:{i >> 8:x}:{i & 255:x}::1" for i in range(MANY)]


def one_more(family, n):
    return f"203.0.113.{n * 2}" if family == "IPv4" else f"2001:db8:ffff::{n * 2 + 1:x}"


class Side(ruleset.Side):
    """An appliance with the group of one family. It has two rules."""

    def __init__(self, build, family):
        super().__init__(build, family, 2)
        self.family = family
        self.box = bed.Bed(build, f"g{family[-1]}", dataplane=True, links=ruleset.LINKS)
        self.given = {**ruleset.NONE, "firewall": {
            "zones": {"lan": {"interfaces": ["lan0"]}, "wan": {"interfaces": ["wan0"]}},
            "groups": {"many": {"addresses": addresses(family)}},
            "rules": {"10": {"from": "lan", "source": "@many", "action": "drop"},
                      "20": {"from": "wan", "source": "@many", "action": "drop"}}}}

    def add(self, n):
        self.wire = self.wire or wire.Wire(f"{self.box.dir}/run/control.sock")
        self.wire.call("config@1", "edit", {"ops": [{"op": "add", "path": GROUP, "value": one_more(self.family, n)}]})
        return self.timed(lambda: self.wire.call("config@1", "commit", {}))


def write_peer(side):
    """Files for nft(8): the set, and for each commit one more element."""
    path, kind = f"{side.box.dir}/set.nft", "ipv4_addr" if side.family == "IPv4" else "ipv6_addr"
    with open(path, "w") as f:
        f.write("flush ruleset\ntable inet many {\nset many { type " + kind + "; elements = { "
                + ", ".join(addresses(side.family)) + " }\n}\n}\n")
    return path


def write_more(side, n):
    path = f"{side.box.dir}/more.nft"
    with open(path, "w") as f:
        f.write(f"add element inet many many {{ {one_more(side.family, n)} }}\n")
    return path


def measure(sides, nft, rounds):
    rows = {}

    def add(what, who, row):
        rows.setdefault((what, who), []).append(row)

    for n in range(rounds):
        for side in sides[::-1 if n % 2 else 1]:
            add("load", side.family, side.load())
            add("load", f"{side.family} nft", nft.load(write_peer(side)))
            add("memory", side.family, ruleset.pss_mb(side.box.daemon.pid))
            for k in range(5):
                add("add", side.family, side.add(k))
                add("add", f"{side.family} nft", nft.load(write_more(side, k)))
    return rows


def figures(rows):
    def of(what, who, key):
        return bed.median(row[key] for row in rows[what, who])

    for family in FAMILIES:
        for what, name, most in (("load", f"{MANY} {family} addresses: load", LOAD_MS), ("add", f"{MANY} {family} addresses: commit of one more", CHANGE_MS)):
            for key in ("waited", "processor"):
                ours, peer = of(what, family, key), of(what, f"{family} nft", key)
                figure = bed.figure(f"{name}, {key}, / nft -f", ours, "ms", f"nft -f {peer:.0f} ms", ours / max(peer, 1e-9))
                yield ruleset.absolute(figure, most, ours) if key == "waited" else figure
        value = max(rows["memory", family])
        yield ruleset.absolute(bed.figure(f"{MANY} {family} addresses: the host's memory (PSS)", value, "MB", None), MEMORY_MB, value)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    bed.need_root("groups")
    bed.stop_cleanly()
    with contextlib.ExitStack() as stack:
        nft = stack.enter_context(ruleset.Nft())
        sides = [stack.enter_context(Side(args.build, family)) for family in FAMILIES]
        rows = measure(sides, nft, args.rounds)
    bed.show(list(figures(rows)), [f"{args.rounds} loads, {args.rounds * 5} commits on each side, in turns"], args.json)


if __name__ == "__main__":
    try:
        main()
    except (bed.Failed, wire.Refused) as e:
        sys.exit(f"bench groups: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
