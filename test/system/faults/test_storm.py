#!/usr/bin/env python3
"""A storm (storm.py), and what is left when it is over: the kernel matches the configuration,
commits work, and nothing is held that was not held before.

    test_storm.py BUILD WRAPPER [--seconds N] [--seed N]

From 60 s on the host itself dies as well. FAULTS_LOG names a directory for the daemon's log."""
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cells  # noqa: E402
import matrix  # noqa: E402
from lab import Box, Tap, expect, need_root, run  # noqa: E402
from storm import Belongings, Storm, cgroups  # noqa: E402

SETTLE_S = 40
LEAST = 10  # gusts, however slow the machine is


def option(name, fallback):
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else fallback


def rage(box, seconds, seed):
    storm = Storm(box, seed, hosts_too=seconds >= 60)
    end = time.monotonic() + seconds
    calm = time.monotonic() + 30
    while time.monotonic() < end or sum(storm.done.values()) < LEAST:
        storm.blow()
        if time.monotonic() > calm:  # one that died often is not what is tried here
            matrix.forgive(box)
            calm = time.monotonic() + 30
    print(f"# --seed {seed}:", ", ".join(f"{n} {name}" for name, n in sorted(storm.done.items())), flush=True)


def place_is_free(box):
    """A route that replaced Orbital's while routing was dead stays, and is reported: the test removes it, as a user
    would."""
    problems = json.loads(box.ctl("--json", "show", "health", ok=False).stdout)
    if "not ours" in json.dumps(problems):
        run(*box.inside("ip", "route", "del", "10.50.0.0/16", "via", "192.0.2.77", "dev", "wan0"), check=False)
        return False
    return True


def calm(box):
    """The services that a breaker holds are started, as a user would."""
    box.until(SETTLE_S, lambda: matrix.forgive(box) is None, "the host answers")
    # routing reports which place is taken once it has read the kernel, possibly after the other services agree
    which = box.until(SETTLE_S, lambda: place_is_free(box) and box.agreed(), "store, services and kernel agree")
    for new in (which == "old", which != "old"):
        box.commit(new, f"after the storm {new}")
        expect(box.settle(SETTLE_S) == ("new" if new else "old"), "commits do not run")
    box.until(SETTLE_S, lambda: box.ctl("show", "health", ok=False).returncode == 0, "health is ok")


def holds_no_more(box, before):
    def same():
        more = Belongings(box).more_than(before)
        if more:
            raise ValueError(more)
        return True
    box.until(20, same, "nothing is held that was not held before")


def leaves_nothing(box):
    expect(cgroups(box.instance), "no cgroup was seen while it ran: is there no cgroup2 here?")
    box.kill(signal.SIGTERM)
    expect(not cgroups(box.instance), f"cgroups are left: {cgroups(box.instance)}")


need_root("bpf", "bpffs")
build, wrapper = sys.argv[1:3]
seconds, number = option("--seconds", 6), option("--seed", int(os.environ.get("SEED") or time.time()))
tap = Tap()
print(f"# random: --seed {number}", flush=True)
with Box(build, "storm", wrapper) as box:
    box.start()
    box.learn()
    first = Belongings(box)
    tap.test(f"{seconds} seconds of storm, seed {number}", rage, box, seconds, number)
    tap.test("afterwards store, services and kernel agree, and commits work", calm, box)
    tap.test("nothing is held that was not held before", holds_no_more, box, first)
    if tap.bad:
        cells.keep_log(box, f"storm {number}")
    tap.test("after the end no cgroup is left", leaves_nothing, box)
tap.end()
