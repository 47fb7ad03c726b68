"""One cell of the matrix of faults: a service, a phase of the commit, before or after its work, and
what happens there. See docs/operations.md, Transactions: whatever happens, all is old or all is new."""
import os
import signal
import time

from lab import DEADLINE_S, SERVICES, Failed, expect

PHASES = ("prepare", "apply", "abort", "taken-back")
WHENS = ("before", "after")
# orphaned: silent, and the config service that would notice is killed
KINDS = ("error", "kill", "stop", "hang", "silent", "config-killed", "host-killed", "orphaned")
LATE = ("stop", "hang", "silent", "orphaned")  # these end by a deadline
SETTLE_S = 20
LATE_COMMITS = 10  # past a deadline a refused commit may be live for as long as so many commits take


class Cell:
    def __init__(self, service, phase, when, kind):
        self.service, self.phase, self.when, self.kind = service, phase, when, kind

    @property
    def name(self):
        return f"{self.service} {self.phase} {self.when} {self.kind}"

    @property
    def text(self):
        """The fault for wrapper.c. abort: the service's own apply failed; taken-back: another's. The last word makes
        the text unique: the same text does not act twice."""
        kind = self.kind if self.kind in ("error", "hang", "silent", "lie") else "hold"
        if self.kind == "orphaned":
            kind = "silent"
        if self.phase in ("prepare", "apply"):
            return f"fault {self.service} {self.phase} {self.when} {kind}; {self.kind}"
        other = self.service if self.phase == "abort" else "routing" if self.service == "acme-probe" else "acme-probe"
        return f"fault {other} apply after error; {self.service} abort {self.when} {kind}; {self.kind}"

    @property
    def deadline_s(self):
        return DEADLINE_S["abort" if self.phase == "taken-back" else self.phase]


def controls():
    return [Cell(s, "apply", "before", "lie") for s in ("interfaces", "routing")]


def cells():
    return controls() + [Cell(s, p, w, k) for s in SERVICES for p in PHASES for w in WHENS for k in KINDS]


def selection():
    """What every run of the suite tries: each service in each phase, each kind at least once."""
    few = [Cell(s, p, WHENS[(i + j) % 2], ("error", "kill")[(i + j // 2) % 2])
           for i, s in enumerate(SERVICES) for j, p in enumerate(PHASES)]
    return controls() + few + [
        Cell("firewall", "apply", "after", "config-killed"),
        Cell("interfaces", "taken-back", "before", "config-killed"),
        Cell("routing", "apply", "after", "host-killed"),
        Cell("interfaces", "prepare", "after", "stop"),
        Cell("firewall", "apply", "before", "hang"),
        Cell("routing", "prepare", "after", "silent"),
        Cell("firewall", "prepare", "after", "orphaned")]


def strike(box, cell):
    """What comes from outside while the service waits at the point of the fault."""
    if cell.kind in ("kill", "stop"):
        os.kill(box.service(cell.service)["pid"], signal.SIGKILL if cell.kind == "kill" else signal.SIGSTOP)
    elif cell.kind in ("config-killed", "orphaned"):
        os.kill(box.service("config")["pid"], signal.SIGKILL)
    elif cell.kind == "host-killed":
        box.kill(signal.SIGKILL)
        box.start(wait=False)


def forgive(box):
    """A start by a user clears earlier failures: the breaker must not count those of the matrix."""
    for name, service in box.services().items():
        if service["restarts"] >= 3:
            box.ctl("service", "restart", name)


def spoilt_commit(box, cell):
    """Commits with the fault. Returns orbctl's status, its output, and the duration."""
    reached = len(box.log_text())
    begin = time.monotonic()
    commit = box.begin_commit()
    try:
        box.until(15, lambda: box.reached(reached) or commit.poll() is not None, "the fault is reached")
        expect(box.reached(reached), f"the fault was not reached: {cell.text}")
        strike(box, cell)
        shown = commit.communicate(timeout=60)[0].strip()
    finally:
        if commit.poll() is None:
            commit.kill()
            commit.wait()
    took = time.monotonic() - begin
    return commit.returncode, shown, took, begin


def lateness(box, cell, begin, took):
    """Seconds after the deadline until the answer was there and the refused commit was live no longer."""
    if box.matches("old"):
        box.until(SETTLE_S, lambda: not box.matches("old"), "the refused commit is live no longer")
        took = time.monotonic() - begin
    return took - cell.deadline_s


def check_time(late_s, ordinary_s):
    """A refused commit is not live for longer than a deadline and what follows from it, which is compared with commits
    without a fault before and after it: on a busy machine both take long."""
    expect(late_s <= LATE_COMMITS * ordinary_s,
           f"the refused commit ended {late_s:.2f} s after the deadline; a commit without a fault takes {ordinary_s:.2f} s")


def try_lie(box, cell):
    """The control: state left behind by a service that reports a false result is detected."""
    box.commit(True, cell.text)
    odd = box.matches("new")
    expect(odd, "a service that applied nothing was not noticed")
    box.ctl("service", "restart", cell.service)
    box.settle(SETTLE_S)
    after(box, "new")
    return f"seen: {odd}"


def try_cell(box, cell):
    if cell.kind == "lie":
        return try_lie(box, cell)
    box.edit(True, cell.text)
    status, shown, took, begin = spoilt_commit(box, cell)
    before_s, late_s = box.ordinary_s, lateness(box, cell, begin, took) if cell.kind in LATE else 0
    if not cell.kind.endswith("-killed"):
        expect(status != 0, f"the commit was accepted: {shown}")
    which = box.settle(SETTLE_S + (cell.deadline_s if cell.kind == "orphaned" else 0))
    expect(which == "old" or cell.kind.endswith("-killed"), f"refused, and yet it runs: {shown}")
    expect(which == "new" or status != 0, f"accepted, and yet it does not run: {shown}")
    after(box, which)
    check_time(late_s, max(before_s, box.ordinary_s))
    return f"{which}, answered after {took:.1f} s ({late_s:.2f} s late, a commit {box.ordinary_s:.2f} s): {shown}"


def after(box, which):
    """Commits work, there and back."""
    forgive(box)
    box.settle(SETTLE_S)
    for new in ("old", "new", "old") if which == "new" else ("new", "old"):
        box.commit(new == "new", "there and back")
        expect(not box.matches(new), f"the next commit ({new}) does not run: {box.matches(new)}")
    box.settle(SETTLE_S)

