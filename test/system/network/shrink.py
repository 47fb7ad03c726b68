"""A script that differs, as short as it gets in a bounded time: steps that follow are left away, then steps (delta
debugging, Zeller 1999), then what the configurations say."""
import copy
import re
import time

from world import Failed
from worlds import Worlds, play

SHRINK_S = 240
KEPT = {"zones", "groups"}  # others refer to them


def shape(line):
    """Who received what kind of packet; of other lines what is no number."""
    m = re.match(r"(\w+) received (\S+)(?: (\d+/\d+))?", line)
    return m.groups() if m else re.sub(r"[0-9a-f.:]*\d[0-9a-f.:]*", "N", line)[:60]


def fields(line):
    """Source, destination, flags and numbers, TTL, TOS, length, payload of a packet."""
    m = re.search(r"(\S+) > (\S+) (.*?) ttl (\d+) tos (\S+) (\d+) bytes (.*)", line)
    return m.groups() if m else ()


def kind_of(text):
    """What differs, wherever in the script and of whichever conversation: host, kind of packet, fields."""
    where, *lines = text.split("\n")
    a, b = ([x.split(": ", 1)[-1] for x in lines] + ["", ""])[:2]
    if not where.startswith("step "):
        return where, "nothing" in (a, b)
    one, other = shape(a), shape(b)
    return one, other, tuple(x != y for x, y in zip(fields(a), fields(b))) if one == other else ()


class Shrinker:
    """Only what differs in the same way as in TEXT counts: a script made shorter may well differ in another one."""

    def __init__(self, build, modes, steps, text, seconds=SHRINK_S):
        self.build, self.modes, self.steps, self.kind = build, modes, steps, kind_of(text)
        self.end, self.tried, self.text = time.monotonic() + seconds, 0, ""

    def late(self):
        return time.monotonic() > self.end

    def differs(self, steps):
        """Whether these do; if so they are the script from now on, up to where it shows."""
        self.tried += 1
        try:
            text, needed = play(self.worlds, steps)
        except Failed:
            return False  # a configuration that is refused, a cable that is missing
        same = text and kind_of(text) == self.kind
        if same:
            self.steps, self.text = steps[:needed], text
        return bool(same)

    def fewer(self):
        size = max(1, (len(self.steps) - 1) // 2)
        while size:
            at, cut = len(self.steps) - size, False
            while at >= 1 - size and not self.late():
                first = max(1, at)
                if at + size > 1 and self.differs(self.steps[:first] + self.steps[at + size:]):
                    cut = True
                at = min(at, len(self.steps)) - size
            size = size if cut and size == 1 and not self.late() else size // 2

    def entries(self):
        """Paths of what the configurations say, entries before their members."""
        found = {}

        def walk(node, path):
            for key, value in node.items():
                if key in KEPT and path == ("firewall",):
                    continue
                if len(path) >= 2 or path == ("firewall",) and key == "notrack" or path == () and key == "interfaces":
                    found[(*path, key)] = True
                if isinstance(value, dict):
                    walk(value, (*path, key))
        for step in self.steps:
            if step[0] == "config":
                walk(step[1], ())
        return sorted(found, key=len)

    def plainer(self):
        gone = set()
        for path in self.entries():
            if self.late():
                return
            if any(path[:n] in gone for n in range(len(path))):
                continue
            steps = copy.deepcopy(self.steps)
            had = [cut(s[1], path) for s in steps if s[0] == "config"]
            if any(had) and self.differs(steps):
                gone.add(path)

    def run(self):
        """The script and what differs in it; in as few worlds as show it."""
        with Worlds(self.build, self.modes, 0.006) as self.worlds:
            if not self.differs(self.steps):
                return self.steps, ""
            self.fewer()
            self.plainer()
            self.fewer()
        return self.steps, self.text


def cut(tree, path):
    for key in path[:-1]:
        tree = tree.get(key)
        if not isinstance(tree, dict):
            return False
    return tree.pop(path[-1], None) is not None
