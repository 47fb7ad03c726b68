#!/usr/bin/env python3
"""The same random script in three worlds: fast path off, tcx, xdp. Every host must see the same packets.

    test_network.py BUILD [--seconds S] [--seed N] [--script FILE] [--modes off,tcx,xdp]

A script that differs is run again in new worlds; if it differs there, too, it is made as short as it gets,
printed, and the run fails."""
import argparse
import concurrent.futures
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from script import SLOW, UNDO, generate, perform  # noqa: E402
from world import Failed, World  # noqa: E402
from appliance import Tap, expect, need_root  # noqa: E402

FRESH = 6  # scripts after which the worlds are made anew
SHRINK_S = 240


class Worlds:
    def __init__(self, build, modes, settle):
        self.all = [World(build, m, settle) for m in modes]
        self.pool = concurrent.futures.ThreadPoolExecutor(len(modes))

    def __enter__(self):
        entered = []
        try:
            for w in self.all:
                entered.append(w.__enter__())
        except BaseException:
            for w in entered:
                w.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.pool.shutdown()
        for w in self.all:
            w.__exit__()

    def each(self, fn):
        return list(self.pool.map(fn, self.all))

    def step(self, step):
        """What each world saw of it. Where it takes no waiting the first goes ahead, and tells the others how much to wait for."""
        if step[0] in SLOW:
            return self.each(lambda w: perform(w, step))
        oracle, *others = self.all
        oracle.counts = []
        seen = [perform(oracle, step)]
        for w in others:
            w.expected = list(oracle.counts)
            seen.append(perform(w, step))
            w.expected = None
        return seen

    def reset(self, first):
        def one(w):
            w.forget()
            w.shell(UNDO)
            refused = w.load(first)
            if refused:
                raise Failed(f"{w.mode}: {refused}")
            w.ready()
            w.shell("conntrack -F")
            w.before = w.counters()
        self.each(one)


def differ(a, b):
    """The first observation in which two lists differ."""
    for i in range(max(len(a), len(b))):
        x, y = (a[i] if i < len(a) else "nothing"), (b[i] if i < len(b) else "nothing")
        if x != y:
            return f"{x}\n    but {y}"
    return ""


def counted(world):
    now = world.counters()
    return [f"rule {k}: {v[0] - world.before.get(k, (0, 0))[0]} packets, {v[1] - world.before.get(k, (0, 0))[1]} bytes" for k, v in sorted(now.items())]


def play(worlds, steps):
    """"" or the first step that differs, with words. The first world is the oracle."""
    if not steps or steps[0][0] != "config":
        return ""
    worlds.reset(steps[0][1])
    for i, step in enumerate(steps[1:], 1):
        seen = worlds.step(step)
        for w, found in zip(worlds.all[1:], seen[1:]):
            if found != seen[0]:
                return f"step {i} {json.dumps(step)}:\n  {worlds.all[0].mode}: {differ(seen[0], found).replace('but', f'{w.mode}:', 1)}"
    seen = worlds.each(counted)
    for w, found in zip(worlds.all[1:], seen[1:]):
        if found != seen[0]:
            return f"counters at the end:\n  {worlds.all[0].mode}: {differ(seen[0], found).replace('but', f'{w.mode}:', 1)}"
    return ""


def fails(build, modes, steps, settle=0.03):
    with Worlds(build, modes, settle) as w:
        return play(w, steps)


def shorter(build, modes, steps):
    """Leaves steps away as long as it still differs (delta debugging, Zeller 1999)."""
    end, size = time.monotonic() + SHRINK_S, max(1, (len(steps) - 1) // 2)
    with Worlds(build, modes, 0.01) as worlds:
        while size and time.monotonic() < end:
            at, cut = 1, False
            while at < len(steps) and time.monotonic() < end:
                less = steps[:at] + steps[at + size:]
                if play(worlds, less):
                    steps, cut = less, True
                else:
                    at += size
            size = size if cut and size == 1 else size // 2
    return steps


def report(build, modes, steps, text):
    wrong = [m for m in modes[1:] if f"\n    {m}:" in text] or modes[1:]
    small = shorter(build, [modes[0], wrong[0]], steps)
    again = fails(build, [modes[0], wrong[0]], small)
    steps, text = (small, again) if again else (steps, text)
    lines = "\n".join("  " + json.dumps(s) for s in steps)
    return f"{text}\nthe script (write it to a file, then --script FILE):\n{lines}"


def one(build, modes, worlds, steps, history):
    text = play(worlds, steps)
    if not text:
        return
    again = fails(build, modes, steps)
    if again:
        raise Failed(report(build, modes, steps, again))
    print(f"# not seen again in new worlds (before it ran {history}): {text}".replace("\n", "\n# "), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--seed", type=int)
    p.add_argument("--script")
    p.add_argument("--count", type=int, default=10**9)
    p.add_argument("--keep-going", action="store_true")
    p.add_argument("--modes", default="off,tcx,xdp")
    a = p.parse_args()
    need_root("bpf", "bpffs")
    modes, tap = a.modes.split(","), Tap()
    if a.script:
        steps = [json.loads(x) for x in open(a.script) if x.strip()]

        def scripted():
            text = fails(a.build, modes, steps)
            if text:
                raise Failed(text)
        tap.test(a.script, scripted)
        tap.end()
    hits = {}
    seed, end, ran = a.seed if a.seed is not None else int(time.time()), time.monotonic() + a.seconds, 0
    while time.monotonic() < end and ran < a.count and (a.keep_going or not tap.bad):
        history = []
        with Worlds(a.build, modes, 0.004) as worlds:
            while time.monotonic() < end and len(history) < FRESH and ran < a.count and (a.keep_going or not tap.bad):
                tap.test(f"seed {seed}", one, a.build, modes, worlds, generate(seed), list(history))
                history.append(seed)
                seed, ran = seed + 1, ran + 1
            for w in worlds.all[1:]:
                hits[w.mode] = hits.get(w.mode, 0) + w.hits()
    def used():
        expect(all(n for n in hits.values()), f"packets the fast path carried: {hits}")
    tap.test("the fast path carried packets in every mode", used)
    tap.end()


main()
