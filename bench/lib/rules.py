#!/usr/bin/env python3
"""Firewall configurations of N rules for benchmarks, the same for every run of one seed.

The mix follows ClassBench's firewall seeds: destinations are mostly hosts and /24s of a few networks,
sources wider, nine rules of ten name a protocol and a destination port, a few are wide. No rule but
the last one touches the networks of the measured traffic (172.16.0.0/12 and fd00::/8), so that a
packet of it is decided by the last rule: the worst place for a linear search.

  rules.py put N        payloads of dataplane@1 `put`, one JSON text a line (without "tx")
  rules.py firewall N   the value of /firewall in the configuration
  rules.py nft N        the rules as one writes them for nft(8) by hand: a verdict map by interfaces,
                        then the rules of that pair
  rules.py last N       the last rule's number
Options: --seed S, --six (a third of the rules IPv6), --lan IF, --wan IF, --snat.
"""
import argparse
import json
import random

PORTS = ["22", "25", "53", "80", "110", "123", "143", "443", "445", "993", "3306", "3389", "8080",
         "1024-65535", "5060-5061", "6000-6063", "137-139", "33434-33523"]
CHUNK = 500  # rules in one put: far below the limit of keys in a frame


def address4(rng, wide):
    net = rng.choice([10 << 24, 10 << 24 | 1 << 16, 192 << 24 | 168 << 16, 203 << 24 | 113 << 8,
                      198 << 24 | 18 << 16, rng.randrange(1, 100) << 24])
    prefix = rng.choice([8, 12, 16, 16, 20, 24] if wide else [24, 24, 28, 30, 32, 32, 32, 32])
    value = (net | rng.randrange(1 << 16)) >> (32 - prefix) << (32 - prefix)
    text = ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))
    return f"{text}/{prefix}"


def address6(rng, wide):
    prefix = rng.choice([32, 48, 48, 56] if wide else [64, 64, 128, 128])
    words = [0x2001, 0xDB8, rng.randrange(16), rng.randrange(64), 0, 0, 0, rng.randrange(4096)]
    for i in range(8):
        keep = min(16, max(0, prefix - 16 * i))
        words[i] &= 0xFFFF >> (16 - keep) << (16 - keep) if keep else 0
    return ":".join(f"{w:x}" for w in words) + f"/{prefix}"


def rule(rng, six):
    address = address6 if six else address4
    entry = {"from": rng.choice(["lan", "lan", "wan"]), "action": rng.choice(["accept", "drop"])}
    entry["to"] = "wan" if entry["from"] == "lan" else "lan"
    entry["source"] = [address(rng, rng.random() < 0.6)]
    entry["destination"] = [address(rng, rng.random() < 0.1)]
    if rng.random() < 0.9:
        entry["protocol"] = rng.choice(["tcp", "tcp", "tcp", "udp"])
        entry["destination-ports"] = [rng.choice(PORTS)]
        if rng.random() < 0.1:
            entry["source-ports"] = ["1024-65535"]
    return entry


def rules(count, seed=1, six=False):
    """{number as text: rule}; the last accepts what the benchmarks send from lan to wan."""
    rng = random.Random(seed)
    made = {str((i + 1) * 10): rule(rng, six and i % 3 == 0) for i in range(count - 1)}
    made[str(count * 10)] = {"from": "lan", "to": "wan", "action": "accept",
                             "source": ["172.16.0.0/12", "fd00::/8"]}
    return made


def base(lan, wan, snat):
    """Everything but the rules."""
    config = {"zones": {"lan": {"interfaces": [lan]}, "wan": {"interfaces": [wan]}},
              "default": {"forward": "drop", "input": "accept", "output": "accept"}}
    if snat:
        config["source-nat"] = {"10": {"to": "wan", "action": "masquerade",
                                       "source": ["172.16.0.0/12"]}}
    return config


def puts(count, seed=1, six=False, lan="lan0", wan="wan0", snat=False, fast_path="auto"):
    """The payloads of `put`, in order."""
    first = base(lan, wan, snat)
    first["ports"] = {lan: {"fast-path": fast_path}, wan: {"fast-path": fast_path}}
    yield first
    items = list(rules(count, seed, six).items())
    for at in range(0, len(items), CHUNK):
        yield {"rules": dict(items[at:at + CHUNK])}


def firewall(count, seed=1, six=False, lan="lan0", wan="wan0", snat=False):
    """The value of /firewall."""
    config = base(lan, wan, snat)
    config["rules"] = rules(count, seed, six)
    if snat:
        config["nat"] = {"source": config.pop("source-nat")}
    return config


def nft_lines(entry):
    """The lines of one rule, one for each family it has."""
    for word, sign in (("ip", "."), ("ip6", ":")):
        lists = {key: [a for a in entry.get(key, []) if sign in a] for key in ("source", "destination")}
        if any(entry.get(key) and not lists[key] for key in lists):
            continue
        parts = [f"{word} {name} {{ {', '.join(lists[key])} }}" if len(lists[key]) > 1 else f"{word} {name} {lists[key][0]}"
                 for key, name in (("source", "saddr"), ("destination", "daddr")) if lists[key]]
        for key, name in (("source-ports", "sport"), ("destination-ports", "dport")):
            if entry.get(key):
                parts.append(f"{entry['protocol']} {name} {entry[key][0]}")
        yield " ".join((*parts, entry["action"]))


def nft(count, seed=1, six=False, lan="lan0", wan="wan0"):
    """A table of nft(8) that decides as these rules do, without counters."""
    chains = {"lan": [], "wan": []}
    for entry in rules(count, seed, six).values():
        chains[entry["from"]] += nft_lines(entry)
    text = "".join(f"chain from_{zone} {{\n" + "\n".join(lines) + "\n}\n" for zone, lines in chains.items())
    return (f"table inet hand {{\n{text}chain forward {{\ntype filter hook forward priority filter; policy drop;\n"
            "ct state vmap { established : accept, related : accept, invalid : drop }\n"
            f"iifname . oifname vmap {{ {lan} . {wan} : jump from_lan, {wan} . {lan} : jump from_wan }}\n}}\n}}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("form", choices=["put", "firewall", "nft", "last"])
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--six", action="store_true")
    parser.add_argument("--lan", default="lan0")
    parser.add_argument("--wan", default="wan0")
    parser.add_argument("--snat", action="store_true")
    args = parser.parse_args()
    if args.count < 1:
        parser.error("count must be at least 1")
    if args.form == "last":
        print(args.count * 10)
    elif args.form == "nft":
        print(nft(args.count, args.seed, args.six, args.lan, args.wan), end="")
    elif args.form == "firewall":
        print(json.dumps(firewall(args.count, args.seed, args.six, args.lan, args.wan, args.snat)))
    else:
        for payload in puts(args.count, args.seed, args.six, args.lan, args.wan, args.snat):
            print(json.dumps(payload))


if __name__ == "__main__":
    main()
