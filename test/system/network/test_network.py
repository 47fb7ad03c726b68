#!/usr/bin/env python3
"""The same random script in three worlds: fast path off, tcx, xdp. Every host must see the same packets.

    test_network.py BUILD [--seconds S] [--seed N] [--script FILE...] [--modes off,tcx,xdp]

A script that differs is red. It is run again in new worlds; if it differs there, too, it is made as short as it gets,
and printed."""
import argparse
import concurrent.futures
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from script import generate  # noqa: E402
from shrink import Shrinker  # noqa: E402
from world import Failed  # noqa: E402
from worlds import Worlds, play  # noqa: E402
from appliance import Tap, expect, need_root  # noqa: E402

FRESH = 12  # scripts after which the worlds are made anew


def fails(build, modes, steps, settle=0.03):
    with Worlds(build, modes, settle) as w:
        return play(w, steps)


def report(build, modes, steps, text, needed):
    wrong = [m for m in modes[1:] if f"\n    {m}:" in text] or modes[1:]
    begun = time.monotonic()
    shrinker = Shrinker(build, [modes[0], wrong[0]], steps[:needed], text)
    small, shown = shrinker.run()
    how = f"{len(steps)} steps became {len(small)} in {time.monotonic() - begun:.0f} s, {shrinker.tried} tries"
    if not shown:
        small, shown = steps, text
        how = "not made shorter: it differs so in all worlds together only"
    lines = "\n".join("  " + json.dumps(s) for s in small)
    return f"{shown}\nthe script ({how}; write it to a file, then --script FILE):\n{lines}"


def scripted(worlds, file):
    with open(file) as f:
        steps = [json.loads(x) for x in f if x.strip()]
    text, _ = play(worlds, steps)
    if text or worlds.refused:
        raise Failed(text or "the first configuration is refused")


def one(build, modes, worlds, steps, history, short):
    text, _ = play(worlds, steps)
    if not text:
        return
    again, needed = fails(build, modes, steps)
    if not again:
        raise Failed(f"not seen again in new worlds (before it ran {history}): {text}")
    raise Failed(report(build, modes, steps, again, needed) if short else again)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--seed", type=int)
    p.add_argument("--script", nargs="+", help="instead of random ones")
    p.add_argument("--count", type=int, default=10**9)
    p.add_argument("--keep-going", action="store_true")
    p.add_argument("--long", action="store_true", help="what differs is not made shorter")
    p.add_argument("--modes", default="off,tcx,xdp")
    a = p.parse_args()
    need_root("bpf", "bpffs")
    modes, tap = a.modes.split(","), Tap()
    if a.script:
        with Worlds(a.build, modes, 0.03) as worlds:
            for file in a.script:
                tap.test(os.path.basename(file), scripted, worlds, file)
        tap.end()
    hits, commits, idle = {}, [0, 0], 0
    seed, end, ran = a.seed if a.seed is not None else int(time.time()), time.monotonic() + a.seconds, 0

    def more():
        return time.monotonic() < end and ran < a.count and (a.keep_going or not tap.bad)
    while more():
        history = []
        with Worlds(a.build, modes, 0.004) as worlds:
            while more() and len(history) < FRESH and not any(w.learned for w in worlds.all):
                steps = generate(seed)
                tap.test(f"seed {seed}", one, a.build, modes, worlds, steps, list(history), not a.long)
                commits[0] += sum(s[0] == "config" for s in steps)
                history.append(seed)
                seed, ran = seed + 1, ran + 1
            for w in worlds.all[1:]:
                hits[w.mode] = hits.get(w.mode, 0) + w.hits()
            commits[1] += worlds.all[0].refused
            idle += worlds.refused

    print(f"# {ran} scripts ({idle} begin with what is refused), {commits[0]} configurations of which {commits[1]} were refused; packets the fast path carried: {hits}")

    def used():
        expect(all(n for n in hits.values()), f"packets the fast path carried: {hits}")
    tap.test("the fast path carried packets in every mode", used)
    tap.end()


if __name__ == "__main__":
    main()
