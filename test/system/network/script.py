"""Steps of a script, as plain lists that print as JSON: conversations of packets, commits, and what other
programs, cables and cards do to the router. perform() does one in a world and returns what there was to see."""
import json
import random
import re
import time

import aim
import scenes
from foreign import HELPERS, HELPERS_IN, NO_ROUTER, UNDO, foreigner
from trees import DMZ4, DMZ6, LAN4, LAN6, NET4, NET6, OTHER, OWN, PORTS, destination_nat, tree, written
from world import OWN6, Failed
from talk import OBEY_S
import talk
import wire

# sent twice; a cable is pulled; a kernel without that; anything else is a fault of these words
MAY_FAIL = ("File exists", "unreachable", "is down", "invalid gateway", "Invalid argument", "Failed to load", "No such file", "Unknown device type", "No route to host", "can not be a member of", "Change operation not supported", "No such device")


def age(world):
    """UDP conversations go on until conntrack calls them streams."""
    live = [t for t in world.talks.values() if t.proto == wire.UDP]
    seen = sum((t.exchange(20) for t in live), [])
    world.assure()
    return seen + sum((t.exchange(24) + t.exchange(24) for t in live), [])


def config(world, tree):
    before = counted(world)  # a commit may end the rules they belong to
    refused = world.load(tree)
    world.refused += bool(refused)
    world.uncounted |= "could not apply" in refused  # rules that went meanwhile count anew, and in turns some have not gone
    time.sleep(OBEY_S)
    return before + [f"commit: {'refused' if refused else 'done'}"]


def foreign(world, command):
    if command == UNDO:
        world.programless()
    shell, _, program = command.rpartition("program ") if "program " in command else (command, "", "")
    failed = (shell and world.shell(shell)) or (program and world.program(*program.split()))
    if failed and not any(word in failed for word in MAY_FAIL):
        raise Failed(f"{command}: {failed}")
    world.dirty = command != UNDO
    world.learned |= "accept_redirects=1" in command
    world.uncounted |= "rp_filter=1" in command or "vx0" in command  # packets of the device itself go out at a time of its own
    world.vxlan = command != UNDO and (world.vxlan or "type vxlan" in command)
    world.moves += command == UNDO or any(word in command for word in (" route ", " rule ", " addr ", " mark "))
    time.sleep(OBEY_S)
    return [f"{command}: {'failed' if failed else 'done'}"]


def cable(world, host, how):
    world.cable(host, how)
    world.moves += 1
    time.sleep(OBEY_S)
    return []


def counted(world):
    """What each rule counted since the script began. What rules and the kernel's filter of reverse paths would both
    refuse, only the fast path counts (docs/dataplane.md)."""
    if world.uncounted:
        return []
    now, zero = world.counters(), (0, 0)
    return [f"{k}: {v[0] - world.before.get(k, zero)[0]} packets, {v[1] - world.before.get(k, zero)[1]} bytes" for k, v in sorted(now.items())]


STEPS = {"begin": talk.begin, "ftp": talk.ftp, "say": talk.say, "end": talk.end, "learn": talk.learn, "age": age, "config": config, "foreign": foreign, "cable": cable}
SLOW = {"age", "config", "foreign", "cable"}  # these wait: the worlds do them at the same time


def perform(world, step):
    return [world.plain(line) for line in STEPS[step[0]](world, *step[1:])]


ROUTE = re.compile(r" route (?:replace|append) (?:(?:throw|blackhole|unreachable|prohibit) )?(\S+)([^;\n]*)")


def settles(step, own):
    """Whether the appliance itself mends something afterwards, in its own time. own: where routes of its lead."""
    if step[0] != "foreign":
        return step[0] == "cable"
    if " addr " in step[1]:
        return True
    return any("table" not in rest and (to == "default" or to in own) for to, rest in ROUTE.findall(step[1]))


# ---- the random script ----

TOS = [0] * 5 + [0x10, 0xb8, 0x02]
ANY_HOW = ["port", "size", "ttl", "ttl", "ttl back", "tos", "tos", "options", "options", "unasked", "unasked"]
HOW = {"tcp": [""] * 6 + ANY_HOW + ["again", "ahead", "pieces", "pieces"] + [None] * 2, "udp": [""] * 4 + ANY_HOW + ["pieces"] * 3 + ["unsummed"], "other": [""] * 4 + ANY_HOW + ["pieces"] * 2}

def spec(r, n):
    proto = r.choice(["tcp", "tcp", "udp", "udp", "icmp", "tcp", "udp", r.choice(["icmp", *OTHER])])
    src, dst = r.choice([(LAN4, NET4), (LAN4, NET4), (LAN4, NET4), (LAN4, DMZ4), (LAN6, NET6), (LAN6, NET6), (LAN6, DMZ6), (DMZ4, NET4), (DMZ6, NET6),
                         (NET4, [OWN]), (NET4, [OWN]), (LAN4, [OWN]), (LAN4, ["10.1.0.1"]), ([OWN], NET4), (OWN6, NET6), ([OWN], DMZ4)])
    return {"proto": proto, "src": r.choice(src), "dst": r.choice(dst), "sport": 20000 + n,
            "dport": r.choice([8000, 8000, 8001, 8002, 53]) if dst == [OWN] else r.choice(PORTS), "tos": r.choice(TOS)}


def forwarded(r, n, entry):
    """A conversation that an entry of destination NAT may be for."""
    if entry["protocol"] == "icmpv6":
        return {"proto": "icmp", "src": r.choice(LAN6), "dst": NET6[0], "sport": 20000 + n, "dport": 80}
    proto = {"tcp_udp": r.choice(["tcp", "udp"]), "any": "tcp"}.get(entry["protocol"], entry["protocol"])
    src = OWN if entry["from"] == "local" else r.choice(LAN4 if entry["from"] == "lan" else NET4)
    return {"proto": proto, "src": src, "dst": r.choice(NET4) if entry["from"] == "local" else OWN, "sport": 20000 + n, "dport": r.choice([8000, 8001, 8001, 8002, 80, 53])}


def ftp(r, n):
    src, dst = r.choice([(LAN4, NET4), (LAN4, NET4), (LAN4, DMZ4), (LAN6, NET6), (NET4, [OWN])])
    return {"proto": "tcp", "src": r.choice(src), "dst": r.choice(dst), "sport": 20000 + n, "dport": 21}


class Writer:
    """A script that grows. Changes are about one conversation mostly, which sends right before and right after: what
    the fast path still has of it is then a moment old."""

    def __init__(self, seed):
        self.r = r = random.Random(seed)
        self.alone = r.random() < 0.35  # only the appliance changes anything
        self.lean = not self.alone and r.random() < 0.6  # others change one thing after the other, mostly beside nothing else
        self.clean = True  # nothing of others is left
        self.t = tree(r)
        self.t["rules"]["100"] = {"from": "lan", "action": "accept"}
        if r.random() < 0.4:
            self.t["dnat"] = destination_nat(r)
            self.t["rules"]["101"] = {"from": "wan", "to": "dmz", "action": "accept"}
        if r.random() < 0.6:
            self.t["snat"] = {"10": {"to": "wan"}}
        self.first = aim.spec(r, 0)
        for _ in range(r.randrange(0, 2 if self.lean else 4)):
            self.t = tree(r, self.t)
        for _ in range(r.choice([0, 0, 1, 2])):
            self.t = {**self.t, **aim.rule(r, self.t, self.first)}
        self.steps, self.specs, self.names, self.down = [["config", written(self.t)]], {}, [], None

    def begin(self, spec_=None):
        r, n = self.r, len(self.specs)
        self.names.append(n)
        if not spec_ and r.random() < 0.15:
            self.specs[n] = ftp(r, n)
            if r.random() < 0.75:
                self.steps.append(["foreign", r.choice([HELPERS, HELPERS_IN])])
            self.steps.append(["ftp", n, self.specs[n], r.choice(["active", "passive", "active alone", "active alone"]), 20100 + n])
            self.names.append(f"{n}d")
            return
        entry = self.t["dnat"].get("10")
        self.specs[n] = spec_ or (forwarded(r, n, entry) if entry and r.random() < 0.5 else spec(r, n))
        self.steps.append(["begin", n, self.specs[n]])

    def knock(self):
        """Conversations that only begin."""
        for _ in range(self.r.randrange(1, 4)):
            n = len(self.specs)
            self.specs[n] = aim.near(self.r, n, self.specs[self.aim])
            self.steps.append(["begin", n, self.specs[n]])

    def say(self, name, size, times=1, how=""):
        self.steps.append(["say", name, size, times, how])

    def odd(self, name):
        proto = self.specs[name]["proto"] if name in self.specs else "tcp"
        how = self.r.choice(HOW.get(proto, HOW["other"]))
        how = self.r.choice(sorted(talk.FLAGS)) if how is None else how
        self.say(name, self.r.choice([0, 20, 500, 800, 1300, 1370, 1410]), self.r.randrange(1, 3), how)

    def some(self):
        for _ in range(self.r.randrange(1, 4)):
            self.odd(self.r.choice(self.names))
        self.say(self.aim, 20)
        for _ in range(self.r.randrange(0, 3)):
            self.odd(self.aim)

    def commit(self):
        """One change, or two at once."""
        r = self.r
        for _ in range(r.choice([1, 1, 2])):
            if r.random() < 0.65:
                self.t = (aim.within_model if self.alone else aim.change)(r, self.t, self.specs[self.aim])
            elif not self.alone or r.random() < 0.4:
                self.t = tree(r, self.t)
        self.steps.append(["config", written(self.t)])

    def foreign(self):
        r = self.r
        self.steps.append(["foreign", foreigner(r, self.specs[self.aim], self.t["uplink"]) if r.random() < 0.85 or self.lean else UNDO])
        self.clean = self.steps[-1][1] == UNDO
        if "sysctl" in self.steps[-1][1] or r.random() < 0.05:
            self.steps.append(["learn", "isp0", r.choice(NET4), *r.choice([("redirect", NO_ROUTER), ("net redirect", NO_ROUTER), ("size", 1000)])])

    def tidy(self):
        """Takes back what others did, and the conversation is what the fast path carries."""
        if not self.clean:
            self.steps.append(["foreign", UNDO])
            self.clean = True
            if self.specs[self.aim]["proto"] == "udp":
                self.steps.append(["age"])
        self.say(self.aim, 20)
        if self.r.random() < 0.5:
            self.odd(self.aim)

    def change(self):
        r, kind = self.r, self.r.random()
        if self.lean and r.random() < 0.7:
            self.tidy()
        self.say(self.aim, 20)
        if kind < (0.15 if self.lean else 0.4) or self.alone:
            self.commit()
        elif kind < 0.95 if self.lean else kind < 0.9:
            self.foreign()
        elif self.down:
            self.steps.append(["cable", self.down, "up"])
            self.down = None
        else:
            host, how = r.choice([("isp0", "swap"), ("isp1", "swap"), ("lan", "swap"), ("dmz", "swap"), ("isp0", "down"), ("isp1", "down")])
            self.down = host if how == "down" else None
            self.steps.append(["cable", host, how])
        for size, times, how in aim.looks(json.dumps(self.steps[-1])):
            self.say(self.aim, size, times, how)

    def write(self):
        r = self.r
        for n in range(r.randrange(1, 3) if self.lean else r.randrange(2, 5)):
            self.begin(self.first if n == 0 else None)
        self.aim = 0
        if r.random() < 0.8 and any(s["proto"] == "udp" for s in self.specs.values()):
            self.steps.append(["age"])
        self.some()
        for _ in range(r.randrange(6, 10) if self.lean else r.randrange(3, 7)):
            if r.random() < 0.25 and not self.lean:
                self.aim = r.choice([n for n in self.names if n in self.specs])
            self.change()
            if self.lean and r.random() < 0.8:
                continue
            if r.random() < 0.7:
                self.knock()
            if r.random() < 0.5:  # the same begun anew meets what a first packet meets
                self.begin({**self.specs[self.aim], "sport": 20000 + len(self.specs)})
            elif r.random() < 0.3:
                self.begin()
            self.some()
        for n in self.names:
            self.say(n, 100)
            if r.random() < 0.3:
                self.steps.append(["end", n, r.choice(["fin", "rst"])])
        return self.steps


def generate(seed):
    """Each second one is a scene, in turn: so all are there however few scripts there is time for."""
    turn, random_one = divmod(seed, 2)
    if random_one:
        return Writer(seed).write()
    return scenes.ALL[turn % len(scenes.ALL)](random.Random(seed))
