"""The worlds of one script, in step: the first is the oracle. play() returns the first difference of another one."""
import concurrent.futures
import json
import time

from foreign import UNDO
from model import Model
from scenes import STALE
from script import SLOW, counted, perform, settles
from world import UNROUTED, UNROUTED_BURST, Failed, World

STABLE_S, AGREE_S = 0.3, 6
FORGOTTEN = f"conntrack -F; {STALE}"


class Worlds:
    def __init__(self, build, modes, settle):
        self.all = [World(build, m, settle) for m in modes]
        self.refused = 0  # scripts, by their first configuration
        self.touched = False  # routes or addresses, by others
        self.pool = concurrent.futures.ThreadPoolExecutor(len(modes))

    def __enter__(self):
        begun = [self.pool.submit(w.__enter__) for w in self.all]
        failed = [f.exception() for f in begun]
        if any(failed):
            for w, e in zip(self.all, failed):
                if not e:
                    w.__exit__()
            raise next(e for e in failed if e)
        return self

    def __exit__(self, *_):
        list(self.pool.map(lambda w: w.__exit__(), self.all))
        self.pool.shutdown()

    def each(self, fn):
        return list(self.pool.map(fn, self.all))

    def step(self, step):
        seen = self.stepped(step)
        uncounted = any(w.uncounted for w in self.all)
        for w in self.all:
            w.uncounted = uncounted
        return seen

    def stepped(self, step):
        """What each world saw of it. Where it takes no waiting the first begins, and informs the others how much to wait for."""
        if step[0] in SLOW:
            off = self.all[0].off
            seen = self.each(lambda w: perform(w, step))
            switched = off != self.all[0].off
            return self.settled(step, seen) if self.mends(step) or switched else seen
        oracle, *others = self.all
        oracle.counts = []
        first = perform(oracle, step)

        def follow(w):
            w.expected = list(oracle.counts)
            seen = perform(w, step)
            w.expected = None
            return seen
        return [first, *self.pool.map(follow, others)]

    def mends(self, step):
        """Whether the appliances have something to mend after it."""
        if step != ["foreign", UNDO]:
            self.touched |= step[0] == "foreign" and any(x in step[1] for x in (" route ", " addr ", "nexthop"))
            return settles(step, self.all[0].routed)
        touched, self.touched = self.touched, False
        return touched

    def settled(self, step, seen):
        """What the appliances mend by themselves is mended in all of them, or it is a difference."""
        back = [step[1]] if step[0] == "cable" and step[2] != "down" else self.all[0].on if step[0] == "config" else []
        end = time.monotonic() + AGREE_S
        while True:
            self.each(lambda w: w.still(STABLE_S, end))
            last = self.each(lambda w: w.ways())
            if time.monotonic() >= end or all(w == last[0] for w in last) and (not back or all(self.each(lambda w: w.led()))):
                break
        for host in back:
            self.each(lambda w, h=host: w.introduce(h))
        return [s + [w.plain(x) for x in found] for s, w, found in zip(seen, self.all, last)]

    def reset(self, first):
        """False: the configuration is refused."""
        def one(w):
            w.tidy()
            if w.dirty:
                w.shell(UNDO)
            refused = w.load(first)
            if refused:
                return refused
            w.ready()
            w.box.until(10, w.led, "its routes lead to the expected next hops")
            w.shell(FORGOTTEN)
            w.forget()
            w.before = w.counters()
            return ""
        self.touched = False
        shown = self.each(one)
        if any(shown) and not all(shown):
            raise Failed(f"refused by some only: {shown}")
        return not any(shown)


def differ(a, b):
    """The first observation in which two lists differ."""
    for i in range(max(len(a), len(b))):
        x, y = (a[i] if i < len(a) else "nothing"), (b[i] if i < len(b) else "nothing")
        if x != y:
            return x, y
    return "", ""


def without_refused(worlds, lines):
    """Without the answers of refusing routes to hosts that got so many that time decides about more."""
    return [x for x in lines if not (found := UNROUTED.search(x)) or max(w.unrouted_lately(found[2]) for w in worlds) < UNROUTED_BURST]


def compared(worlds, seen, where):
    oracle = worlds.all[0]
    for w, found in zip(worlds.all[1:], seen[1:]):
        if found != seen[0] and without_refused([oracle, w], found) != without_refused([oracle, w], seen[0]):
            x, y = differ(seen[0], found)
            return f"{where}\n    {worlds.all[0].mode}: {x}\n    {w.mode}: {y}"
    return ""


def streams(world):
    """The connections, all of UDP that were answered as streams: two seconds after the first packet make them that, and one
    world may be slower than another."""
    world.assure()
    return world.connections()


def play(worlds, steps):
    """("", 0), or what differs, with words, and how many of the steps it took. The first world is the oracle."""
    if not steps or steps[0][0] != "config":
        return "", 0
    if not worlds.reset(steps[0][1]):
        worlds.refused += 1
        return "", 0
    model = Model(steps[0][1])
    for i, step in enumerate(steps[1:], 1):
        text = compared(worlds, worlds.step(step), f"step {i} {json.dumps(step)}:")
        model.follow(step)
        wrong = model.check(step, worlds.all[0])
        if wrong and not text:
            text = f"step {i} {json.dumps(step)}:\n    in every world: {wrong}"
        if text:
            return text, i + 1
    for what, look in (("counters", counted), ("connections", streams)):
        text = compared(worlds, worlds.each(look), f"{what} at the end:")
        if text:
            return text, len(steps)
    return "", 0
