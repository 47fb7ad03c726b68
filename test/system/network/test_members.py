#!/usr/bin/env python3
"""The members of members.py, one after the other in three worlds: fast path off, tcx, xdp. Conversations that the fast path
carries must go on, end or change as they do with the kernel alone, and again when it is taken back.

    test_members.py BUILD [--keep-going] [--modes off,tcx,xdp] [NAME...]"""
import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from members import DST4, DST6, MEMBERS, PLAIN, SRC4, SRC6  # noqa: E402
from world import Failed  # noqa: E402
from appliance import Tap, expect, need_root  # noqa: E402
from worlds import Worlds, play  # noqa: E402

CONFIG = {"firewall": {"zones": {"lan": {"interfaces": ["lan0"]}, "dmz": {"interfaces": ["dmz0"]}, "wan": {"interfaces": ["wan0", "wan1"]}},
                       "rules": {"10": {"from": "lan", "action": "accept"}}, "default": {"forward": "drop"}},
          "routing": {"static": {"0.0.0.0/0": {"next-hops": {"192.0.2.1": {}}}, "::/0": {"next-hops": {"fd00:10::1": {}}}}}}
MASQUERADE = {**CONFIG, "firewall": {**CONFIG["firewall"], "nat": {"source": {"10": {"to": "wan"}}}}}
TALKS = [("tcp", SRC4, DST4), ("udp", SRC4, DST4), ("udp", SRC6, DST6), ("tcp", SRC6, DST6), ("udp", SRC4, "10.2.0.2")]


def script(member, config):
    do, undo, looks, *last = member

    def says(looks):
        return [["say", n, *look] for look in looks for n in range(len(TALKS))]

    def begun(first):
        return [["begin", first + n, {"proto": p, "src": s, "dst": d, "sport": 20000 + first + n, "dport": 80, "tos": 0}] for n, (p, s, d) in enumerate(TALKS)]
    steps = [["config", config], *begun(0), ["age"], *says(PLAIN), ["foreign", do], *says(looks), *begun(10), ["foreign", undo], *says(PLAIN)]
    return steps + [["foreign", x] for x in last] + (says(PLAIN) if last else [])


def played(worlds, member, config):
    text, _ = play(worlds, script(member, config))
    if text:
        raise Failed(text)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--modes", default="off,tcx,xdp")
    p.add_argument("--part", default="0/1", help="which of how many parts")
    p.add_argument("names", nargs="*")
    a = p.parse_intermixed_args()
    need_root("bpf", "bpffs")
    tap, modes = Tap(), a.modes.split(",")
    part, of = map(int, a.part.split("/"))
    names = a.names or list(MEMBERS)[part::of]
    with Worlds(a.build, modes, 0.01) as worlds:
        for i, name in enumerate(names):
            tap.test(name, played, worlds, MEMBERS[name], MASQUERADE if i % 2 else CONFIG)

        def used():
            hits = [w.hits() for w in worlds.all[1:]]
            expect(all(n > 10 * len(names) for n in hits), f"packets the fast path carried: {hits}")
        tap.test("the fast path carried packets in every mode", used)
    tap.end()


if __name__ == "__main__":
    main()
