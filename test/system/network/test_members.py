#!/usr/bin/env python3
"""The members of members.py, one after the other in three worlds: fast path off, tcx, xdp. Conversations that the fast path
carries must go on, end or change as they do with the kernel alone, and again when it is taken back.

    test_members.py BUILD [--keep-going] [--modes off,tcx,xdp] [NAME...]"""
import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from members import CONFIG, DST4, DST6, MEMBERS, MORE, PLAIN, SRC4, SRC6  # noqa: E402
from world import Failed  # noqa: E402
from appliance import Tap, expect, need_root  # noqa: E402
from worlds import Worlds, play  # noqa: E402

MASQUERADE = {**CONFIG, "firewall": {**CONFIG["firewall"], "nat": {"source": {"10": {"to": "wan"}}}}}
TALKS = [("tcp", SRC4, DST4), ("udp", SRC4, DST4), ("udp", SRC6, DST6), ("tcp", SRC6, DST6), ("udp", SRC4, "10.2.0.2")]


def script(member, config, talks=(), configs=()):
    do, undo, looks, *last = member
    specs = [{"proto": p, "src": s, "dst": d, "sport": 20000 + n, "dport": 80, "tos": 0} for n, (p, s, d) in enumerate(TALKS)] + list(talks)

    def sends(looks):
        return [["say", n, *look] for look in looks for n in range(len(specs))]

    def begun(first):
        return [["begin", first + n, {**s, "sport": s["sport"] + first}] for n, s in enumerate(specs)]
    steps = [["config", config], *begun(0), ["age"], *sends(PLAIN), ["foreign", do], *sends(looks), *begun(100), ["foreign", undo], *sends(PLAIN)]
    for n, c in enumerate(configs, 2):
        steps += [["config", c], *sends(PLAIN), *begun(50 * n + 10)]
    return steps + [["foreign", x] for x in last] + (sends(PLAIN) if last else [])


def played(worlds, name, config):
    more = MORE.get(name, {"member": MEMBERS.get(name)})
    text, _ = play(worlds, script(more["member"], more.get("config", config), more.get("talks", ()), more.get("configs", ())))
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
    names = a.names or [*MEMBERS, *MORE][part::of]
    with Worlds(a.build, modes, 0.01) as worlds:
        for config, some in ((CONFIG, names[::2]), (MASQUERADE, names[1::2])):  # one after the other is committed once
            for name in some:
                tap.test(name, played, worlds, name, config)

        def used():
            hits = [w.hits() for w in worlds.all[1:]]
            expect(all(n > 10 * len(names) for n in hits), f"packets the fast path carried: {hits}")
        tap.test("the fast path carried packets in every mode", used)
    tap.end()


if __name__ == "__main__":
    main()
