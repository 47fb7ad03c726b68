#!/usr/bin/env python3
"""The cold-start drill: a rebooted machine with one thing wrong, or two, comes up closed.

    test_cold_start.py BUILD FAULT_OBJECTS [--pairs]

In every row the probes run from before the daemon's start until it has settled: no packet that the
configuration refuses gets through, what the damage does not touch works, and health names the
damage. Alone each fault is a row; --pairs adds each pair of faults that can be combined."""
import itertools
import os
import shutil
import stat
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Machine, Tap, expect, make_template, need_root, run  # noqa: E402

LEVELS = {0: "ok", 1: "degraded", 2: "failed"}
SETTLED_ROUNDS = 300


class Fault:
    """One thing that is wrong. level: the least bad verdict; words: one of them is in it. breaks:
    what cannot work any more, of "flow" (LAN to WAN), "lan", "dmz", "commit" ("perhaps commit": while
    there is room it may). told_by: the services without which it is not reported."""

    def __init__(self, name, level, words, breaks=(), kind=None, apply=lambda box: None, told_by=()):
        self.name, self.level, self.words, self.breaks = name, level, words, set(breaks)
        self.kind, self.apply, self.told_by = kind or name, apply, told_by

    def is_told(self, text, beside):
        """Does text name this fault, or is the service that would report it broken by another fault of the row?"""
        return (not self.words or any(w in text for w in self.words) or
                any(f.kind in self.told_by for f in beside))


def journals(box):
    folder = f"{box.dir}/state/services/config"
    return sorted(f"{folder}/{f}" for f in os.listdir(folder) if f.startswith("journal-"))


def flip_bit(box):
    path = max(journals(box), key=os.path.getsize)
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        f.seek(size * 2 // 5)
        byte = f.read(1)[0]
        f.seek(size * 2 // 5)
        f.write(bytes([byte ^ 4]))


def fill(box):
    with open(f"{box.dir}/state/filler", "wb") as f:
        try:
            while True:
                f.write(b"\0" * 65536)
                f.flush()
        except OSError:
            pass


def read_only(box):
    box.read_only_state()


def half_tokens(box):
    path = f"{box.dir}/state/auth/tokens.json"
    os.truncate(path, os.path.getsize(path) // 2)


def spoil_package(name, how):
    """Lays a package directory beside the shipped ones in which one library is spoilt."""
    def apply(box):
        if box.packages[0] == f"{box.build}/packages":
            shutil.copytree(box.packages[0], f"{box.dir}/packages")
            os.chmod(f"{box.dir}/packages", 0o755)
            box.packages = [f"{box.dir}/packages"]
        library = f"{box.dir}/packages/{name}/lib/{name}.so"
        os.unlink(library)
        if how == "text":
            with open(library, "w") as f:
                f.write("this is no shared object\n")
        else:
            shutil.copy(objects[how], library)
        os.chmod(library, stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IXUSR | stat.S_IROTH)
    return apply


def faults():
    closed = ("flow",)
    return [
        Fault("nothing", 0, []),
        Fault("firewall-does-not-load", 2, ["firewall"], closed, "firewall", spoil_package("firewall", "text")),
        Fault("firewall-aborts", 2, ["firewall"], closed, "firewall", spoil_package("firewall", "aborts")),
        Fault("firewall-hangs", 2, ["firewall"], closed, "firewall", spoil_package("firewall", "hangs")),
        Fault("interfaces-aborts", 2, ["interfaces"], ("flow", "lan", "dmz"), "interfaces",
              spoil_package("interfaces", "aborts")),
        Fault("routing-aborts", 2, ["routing"], ("flow",), "routing", spoil_package("routing", "aborts")),
        Fault("config-aborts", 2, ["config"], ("flow", "lan", "dmz", "commit"), "config",
              spoil_package("config", "aborts")),
        Fault("journal-bit", 2, ["damaged"], kind="store", apply=flip_bit, told_by=("config",)),
        Fault("state-read-only", 1, ["read-only", "Read-only"], ("commit",), "disk", read_only),
        Fault("state-full", 1, ["full", "space"], ("perhaps commit",), "disk", fill),
        Fault("tokens-half", 1, ["tokens"], kind="tokens", apply=half_tokens),
        Fault("card-missing", 1, ["dmz0"], ("dmz",), "card", lambda box: setattr(box, "card", None),
              ("interfaces", "config")),
        Fault("card-too-small", 1, ["dmz0"], (), "card", lambda box: setattr(box, "card", "small"),
              ("interfaces", "config")),
    ]


ORDER = ["card", "interfaces", "routing", "firewall", "config", "tokens", "store", "disk", "nothing"]


def prepare(box, chosen):
    """Damage that is written before what makes the state directory unwritable."""
    box.card = "card"
    box.state_on_tmpfs()
    run("cp", "-a", f"{template}/.", f"{box.dir}/state")
    for fault in sorted(chosen, key=lambda f: ORDER.index(f.kind)):
        fault.apply(box)
    box.dmz(box.card)
    box.switch_forwarding_on()
    os.makedirs(f"{box.dir}/run", exist_ok=True)


def health(box):
    done = box.ctl("show", "health", ok=False)
    return done.returncode, done.stdout + done.stderr


def check_refused(box):
    now = box.counts()
    slipped = {k: now[k] for k in ("leaked_in", "untranslated", "input_answered", "accepted") if now[k]}
    expect(not slipped, f"refused packets got through: {slipped} of {now}")


def check_commit(box, broken):
    """A commit works, or is refused with a reason; the answer comes in either case."""
    box.ctl("config", "set", "interfaces", "lo", "description", "after", ok=not broken)
    done = box.ctl("config", "commit", ok=False)
    expect((done.returncode != 0) == broken or broken is None, f"commit: status {done.returncode}: {done.stderr.strip()}")
    expect(done.returncode == 0 or len(done.stderr.strip()) > 20, "a refused commit gives no reason")
    if done.returncode:
        box.ctl("config", "discard", ok=False)


def check_works(box, broken):
    if "lan" not in broken:
        box.until(20, lambda: "10.1.0.1/24" in run(*box.inside("ip", "-br", "addr", "show", "lan0")).stdout,
                  "the address of lan0")
    if "dmz" not in broken:
        box.until(20, lambda: "10.3.0.1/24" in run(*box.inside("ip", "-br", "addr", "show", "dmz0")).stdout,
                  "the address of dmz0")
    if "flow" not in broken:
        box.until(20, lambda: box.counts()["answered"] > 0, "the allowed flow is answered")


def check_verdict(box, chosen):
    worst = max(f.level for f in chosen)

    def right():
        code, text = health(box)
        return code == worst and all(f.is_told(text, chosen) for f in chosen)
    try:
        box.until(20, right, f"health {LEVELS[worst]}")
    except Exception as e:
        code, text = health(box)
        raise type(e)(f"{e}: it is {LEVELS.get(code, code)}: {text.strip()}") from None


def drill(*chosen):
    broken = set().union(*(f.breaks for f in chosen))
    with Machine(build, "drill") as box:
        prepare(box, chosen)
        box.callback = keep_log
        box.begin_traffic()
        box.probed(20)
        box.start(wait=False)
        check_works(box, broken)
        check_verdict(box, chosen)
        box.probed(SETTLED_ROUNDS)
        check_refused(box)
        check_commit(box, True if "commit" in broken else None if "perhaps commit" in broken else False)
        box.probed(50)
        check_refused(box)


def keep_log(box):
    """The daemon's log, for examining a failed row (DRILL_LOG names the file)."""
    if os.environ.get("DRILL_LOG"):
        shutil.copy(f"{box.dir}/log", os.environ["DRILL_LOG"])


def rows(pairs):
    single = faults()
    for fault in single:
        yield (fault,)
    if pairs:
        for a, b in itertools.combinations(single[1:], 2):
            if a.kind != b.kind:
                yield a, b


need_root("bpf", "bpffs")
build = sys.argv[1]
objects = dict(zip(("aborts", "hangs"), sys.argv[2].split(",")))
only = [a for a in sys.argv[3:] if not a.startswith("--")]
tap = Tap()
work = tempfile.mkdtemp(prefix="orbt-drill-template.", dir="/run")
template = f"{work}/state"
try:
    make_template(build, template)
    for row in rows("--pairs" in sys.argv):
        title = " and ".join(f.name for f in row)
        if not only or title in only:
            tap.test(f"cold start with {title}", drill, *row)
finally:
    shutil.rmtree(work, ignore_errors=True)
tap.end()
