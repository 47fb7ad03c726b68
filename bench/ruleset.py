#!/usr/bin/env python3
"""ruleset.py BUILD [--json] [--rounds N] [--commits N] [--against BUILD] - what many firewall rules cost the appliance.

An appliance for each number of rules, each in a namespace of its own: loading all rules at once, a commit of one of
them, the host's memory afterwards, and a start after SIGKILL. In between, in turns, nft(8) loads what the appliance has
put, and what one writes by hand for the same rules: a verdict map by interfaces, then the rules of that pair.
--against: the same through another build, taking turns.

"Processor" is the time all processes of the appliance together have computed (of nft: that process), which what else
the machine does changes little; "waited" is what passes for the one who waits."""
import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bed  # noqa: E402
import rules  # noqa: E402
import start  # noqa: E402
import wire  # noqa: E402

LOADS, COMMITS, KILLS, MEMORY = (10, 1000, 10000), (100, 10000, 16000), {10000: 1000, 16000: 1500}, {10000: 70}
SMALL, LARGE = 100, 10000
COMMIT_MS = {10000: 60, 16000: 100}
OURS, THEIRS = "ours", "against"
LINKS = (("lan0", "lan0-peer"), ("wan0", "wan0-peer"))
NONE = {"interfaces": {"lan0": {"addresses": ["172.16.0.1/24"]}, "wan0": {"addresses": ["192.0.2.1/24"]}}}


def pss_mb(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Pss:")) / 1024


class Side:
    """One appliance with so many rules."""

    def __init__(self, build, who, count):
        self.who, self.count, self.wire = who, count, None
        self.rule = f"/firewall/rules/{count // 2 * 10}/action"
        self.given = {**NONE, "firewall": rules.firewall(count, snat=True)}
        self.first = self.given["firewall"]["rules"][str(count // 2 * 10)]["action"]
        self.box = bed.Bed(build, f"r{who[:1]}{count}", dataplane=True, links=LINKS)

    def __enter__(self):
        self.box.__enter__()
        try:
            self.box.start()
            self.running()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.disconnect()
        self.box.__exit__()

    def disconnect(self):
        if self.wire:
            self.wire.close()
        self.wire = None

    def running(self):
        self.box.until(start.GIVE_UP_S, lambda: all(s["state"] == "Running" for s in
                                                    self.box.json("show", "services")["services"]), "every service runs")

    def timed(self, work):
        """What work() took: {"waited", "processor"} in milliseconds."""
        before, began = start.cpu_ms(self.box.daemon.pid), time.perf_counter()
        work()
        waited = (time.perf_counter() - began) * 1000
        return {"waited": waited, "processor": start.cpu_ms(self.box.daemon.pid) - before}

    def load(self):
        self.box.load(NONE, "no rules")
        return self.timed(lambda: self.box.load(self.given, f"{self.count} rules"))

    def change(self, n):
        """The rule in the middle takes the action it has not."""
        other = "drop" if self.first == "accept" else "accept"
        self.wire = self.wire or wire.Wire(f"{self.box.dir}/run/control.sock")
        self.wire.call("config@1", "edit", {"ops": [{"op": "set", "path": self.rule, "value": self.first if n % 2 else other}]})
        return self.timed(lambda: self.wire.call("config@1", "commit", {}))

    def again(self):
        """From exec after SIGKILL until every service runs."""
        self.disconnect()
        self.box.kill(signal.SIGKILL)
        began = time.perf_counter()
        self.box.start(wait=False)
        self.running()
        return {"waited": (time.perf_counter() - began) * 1000, "processor": start.cpu_ms(self.box.daemon.pid)}


class Nft:
    """nft(8) in a namespace of its own, with files to load."""

    def __init__(self):
        self.ns = f"orbb-nft-{os.getpid()}"

    def __enter__(self):
        bed.run("ip", "netns", "add", self.ns)
        return self

    def __exit__(self, *_):
        bed.run("ip", "netns", "del", self.ns, check=False)

    def load(self, path):
        began, before = time.perf_counter(), os.times()
        subprocess.run(["nsenter", f"--net=/run/netns/{self.ns}", "--", "nft", "-f", path], check=True)
        after = os.times()
        return {"waited": (time.perf_counter() - began) * 1000,
                "processor": (after.children_user + after.children_system - before.children_user - before.children_system) * 1000}


def write_peers(side):
    """Files: the text the appliance put, and the same rules as one writes them by hand."""
    paths = {"same": f"{side.box.dir}/same.nft", "hand": f"{side.box.dir}/hand.nft"}
    with open(paths["same"], "w") as f:
        f.write("flush ruleset\n" + bed.run(*side.box.inside("nft", "-s", "list", "table", "inet", "orbital")).stdout)
    with open(paths["hand"], "w") as f:
        f.write("flush ruleset\n" + rules.nft(side.count))
    return paths


def measure(sides, nft, args):
    rows = {}

    def add(what, count, who, row):
        rows.setdefault((what, count, who), []).append(row)

    for n in range(args.rounds):
        for (who, count), side in list(sides.items())[::-1 if n % 2 else 1]:
            add("load", count, who, side.load())
            if who == OURS:
                for peer, path in write_peers(side).items():
                    add("load", count, peer, nft.load(path))
    for (who, count), side in sides.items():
        add("memory", count, who, pss_mb(side.box.daemon.pid))
    for n in range(args.commits):
        for (who, count), side in list(sides.items())[::-1 if n % 2 else 1]:
            if count in COMMITS:
                add("commit", count, who, side.change(n))
    for n in range(args.rounds):
        for (who, count), side in list(sides.items())[::-1 if n % 2 else 1]:
            if count in KILLS:
                add("kill", count, who, side.again())
    return rows


def of(rows, what, count, who, key):
    return bed.median(row[key] for row in rows[what, count, who])


def absolute(figure, most, value):
    return {**figure, "target": f"<= {most:g} {figure['unit']}", "holds": value <= most}


def load_figures(rows):
    for count in LOADS:
        for key in ("processor", "waited"):
            ours, same, hand = (of(rows, "load", count, who, key) for who in (OURS, "same", "hand"))
            yield bed.figure(f"{count} rules: load, {key}, / nft -f of the same", ours, "ms",
                             f"nft -f of the same text {same:.0f} ms, by hand with a map of zone pairs {hand:.0f} ms",
                             ours / same, most=1.0 if count == LARGE else None)
    for count, most in MEMORY.items():
        value = rows["memory", count, OURS][0]
        yield absolute(bed.figure(f"{count} rules: the host's memory (PSS) after the load", value, "MB", None), most, value)


def change_figures(rows):
    small = of(rows, "commit", SMALL, OURS, "waited")
    for count in COMMITS[1:]:
        value = of(rows, "commit", count, OURS, "waited")
        yield bed.figure(f"commit of one rule, waited, {count} / {SMALL} rules", value, "ms", f"at {SMALL} rules {small:.1f} ms",
                         value / small, most=2 if count == LARGE else None)
    for count in COMMITS:
        value, peer = (of(rows, what, count, who, "processor") for what, who in (("commit", OURS), ("load", "same")))
        figure = bed.figure(f"{count} rules: commit of one, processor, / nft -f of all", value, "ms", f"nft -f {peer:.0f} ms",
                            value / peer)
        yield absolute(figure, COMMIT_MS[count], value) if count in COMMIT_MS else figure
    for count, most in KILLS.items():
        for key in ("waited", "processor"):
            value = of(rows, "kill", count, OURS, key)
            figure = bed.figure(f"{count} rules: SIGKILL until all run, {key}", value, "ms", None)
            yield absolute(figure, most, value) if key == "waited" else figure


def against_figures(rows):
    for (what, count, who), values in rows.items():
        if who != THEIRS:
            continue
        if what == "memory":
            ours, theirs = rows[what, count, OURS][0], values[0]
            yield bed.figure(f"{count} rules: memory, ours / the other build", ours, "MB", f"the other {theirs:.0f} MB", ours / theirs)
            continue
        for key in ("processor", "waited"):
            ours, theirs = of(rows, what, count, OURS, key), of(rows, what, count, who, key)
            yield bed.figure(f"{count} rules: {what}, {key}, ours / the other build", ours, "ms", f"the other {theirs:.0f} ms",
                             ours / max(theirs, 1e-9))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--commits", type=int, default=11)
    parser.add_argument("--against", metavar="BUILD")
    args = parser.parse_args()
    bed.need_root("rules")
    bed.stop_cleanly()
    with contextlib.ExitStack() as stack:
        nft = stack.enter_context(Nft())
        sides = {(who, count): stack.enter_context(Side(build, who, count))
                 for count in sorted({*LOADS, *COMMITS}) for who, build in ((OURS, args.build), (THEIRS, args.against)) if build}
        rows = measure(sides, nft, args)
    notes = [f"{args.rounds} loads and starts, {args.commits} commits on each side, in turns"]
    for (what, count, who), values in rows.items():
        if what != "memory":
            for key in ("processor", "waited"):
                notes.append(f"  {what:7} {count:6} {who:8} {key:10} " + " ".join(f"{row[key]:.0f}" for row in values))
    bed.show([*load_figures(rows), *change_figures(rows), *against_figures(rows)], notes, args.json)


if __name__ == "__main__":
    try:
        main()
    except (bed.Failed, wire.Refused) as e:
        sys.exit(f"bench rules: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
