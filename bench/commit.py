#!/usr/bin/env python3
"""commit.py BUILD [--json] [--commits N] - a commit of one entry, at 100 and at 10 000 rules.

Two whole appliances run side by side, each in a namespace of its own, with config, interfaces, firewall
and the data plane; commits take turns, so that a noisy machine hits both. The time is what a user
waits for: from `edit` to the answer of `commit`, over one open control socket."""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bed  # noqa: E402
import rules  # noqa: E402
import wire  # noqa: E402

SMALL, LARGE = 100, 10000
TARGET = 2.0


def config(count):
    return {"interfaces": {"lan0": {"addresses": ["172.16.0.1/24"], "description": "before"},
                           "wan0": {"addresses": ["192.0.2.1/24"]}},
            "firewall": rules.firewall(count, snat=True)}


class Side:
    """One appliance with so many rules."""

    def __init__(self, build, count):
        self.count = count
        self.middle = str(count // 2 * 10)
        self.given = config(count)
        self.box = bed.Bed(build, f"commit{count}", dataplane=True,
                           links=(("lan0", "lan0-peer"), ("wan0", "wan0-peer")))
        self.wire = None
        self.load_s = 0

    def __enter__(self):
        self.box.__enter__()
        try:
            self.box.start()
            self.wait_running()
            began = time.monotonic()
            self.box.load(self.given, f"{self.count} rules")
            self.load_s = time.monotonic() - began
            self.wire = wire.Wire(f"{self.box.dir}/run/control.sock")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.wire:
            self.wire.close()
        self.box.__exit__()

    def wait_running(self):
        self.box.until(20, lambda: all(s["state"] == "Running" for s in
                                       self.box.json("show", "services")["services"]),
                       "every service runs")

    def commit_ms(self, path, value):
        """Milliseconds until the change is in force."""
        began = time.perf_counter()
        self.wire.call("config@1", "edit", {"ops": [{"op": "set", "path": path, "value": value}]})
        self.wire.call("config@1", "commit", {})
        return (time.perf_counter() - began) * 1000

    def rule_ms(self, n):
        """The rule in the middle takes the action it has not."""
        given = self.given["firewall"]["rules"][self.middle]["action"]
        other = "drop" if given == "accept" else "accept"
        return self.commit_ms(f"/firewall/rules/{self.middle}/action", given if n % 2 else other)

    def note_ms(self, n):
        return self.commit_ms("/interfaces/lan0/description", f"office {n}")


def interleave(small, large, commits):
    """{what: (times at 100, times at 10 000)}"""
    times = {"rule": ([], []), "note": ([], [])}
    for n in range(commits):
        for what, method in (("rule", Side.rule_ms), ("note", Side.note_ms)):
            pair = [(small, 0), (large, 1)]
            for side, at in pair if n % 2 else reversed(pair):
                times[what][at].append(method(side, n))
    return times


def figure_of(name, times):
    small, large = bed.median(times[0]), bed.median(times[1])
    return bed.figure(f"{name}, {LARGE} / {SMALL} rules", large, "ms", f"at {SMALL} rules {small:.2f} ms",
                      large / small, most=TARGET)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--commits", type=int, default=21)
    args = parser.parse_args()
    bed.need_root("commit")
    bed.stop_cleanly()
    with Side(args.build, SMALL) as small, Side(args.build, LARGE) as large:
        times = interleave(small, large, args.commits)
        loads = (small.load_s, large.load_s)
    figures = [figure_of("commit of an interface's description", times["note"]),
               figure_of("commit of one firewall rule", times["rule"]),
               bed.figure(f"load and commit of {LARGE} rules", loads[1], "s",
                          f"{SMALL} rules {loads[0]:.2f} s")]
    notes = [f"{args.commits} commits of each kind on each side, in turns"]
    for what, pair in times.items():
        for count, values in zip((SMALL, LARGE), pair):
            notes.append(f"  {what:5} {count:6} rules  median {bed.median(values):8.2f} ms   "
                         f"{min(values):8.2f} to {max(values):8.2f}")
    bed.show(figures, notes, args.json)


if __name__ == "__main__":
    try:
        main()
    except (bed.Failed, wire.Refused) as e:
        sys.exit(f"bench commit: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
