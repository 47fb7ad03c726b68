"""The run itself: attempts and their results, the appliance and what no attack may change in it."""
import json
import os
import re
import shutil
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "..", "lib")]
from appliance import Failed, Tap, expect, need_root, run, seeded  # noqa: E402
from wire import Client, Control, Refused, quantile  # noqa: E402

need_root()
build = sys.argv[1]
only = sys.argv[2:]
tap = Tap()
chance = seeded()
attempts, successes = [], []

def attempt(name, fn, *args):
    """One attempt: fn raises Failed when the attacker got what it wanted or the host was hurt."""
    if only and not any(o in name for o in only):
        return

    def body():
        attempts.append(name)
        try:
            fn(*args)
        except Exception:
            successes.append(name)
            raise
    tap.test(name, body)


def conclude(name, main):
    """Runs main(a directory for packages), prints the number of attempts, exits."""
    base = tempfile.mkdtemp(prefix=f"orbt-{name}-{os.getpid()}.", dir="/run")
    os.chmod(base, 0o755)
    try:
        main(base)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print(f"# {len(attempts)} attempts, {len(successes)} successes{': ' + ', '.join(successes) if successes else ''}")
    tap.end()


# ---- the appliance and what must never change in it ----

# An answer comes within some milliseconds; under attack, on a busy machine, within this. What the host itself takes too
# long for is told by the processor time of its turns.
SANITIZED = b"__asan_init" in open(f"{build}/orbitald", "rb").read()  # slower, and its memory has borders and is kept a while
LONG_S, TURN_MS = (120, 6000) if SANITIZED else (20, 200)
MEMORY_TIMES = 4 if SANITIZED else 1
GOOD = ("config", "interfaces", "routing", "acme-probe")


class Watch:
    def __init__(self, box):
        self.box = box
        self.sock = f"{box.dir}/run/control.sock"
        self.pids = {n: box.service(n)["pid"] for n in GOOD}
        self.control = Control(self.sock)
        self.control.start()
        self.revision, self.mark = None, os.path.getsize(f"{box.dir}/log")
        time.sleep(1)  # how long things take while nothing happens: the quantity measured
        box.until(30, lambda: len(self.control.times) > 100 or self.control.errors, "a hundred answers while nothing happens")
        times, errors = self.control.take()
        expect(not errors, f"the quiet run: {len(times)} answers, longest {max(times):.3f} s, {errors[:3]}")
        self.quiet = quantile(times, 0.99)
        self.median = quantile(times, 0.5)
        self.ratios = []

    def fds(self):
        return len(os.listdir(f"/proc/{self.box.daemon.pid}/fd"))

    def memory_mb(self):
        text = open(f"/proc/{self.box.daemon.pid}/status").read()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) // 1024

    def sound(self, label=None):
        """No service but the attacker was hurt."""
        expect(self.box.daemon.poll() is None, "the daemon is dead: " + self.box.log_text()[-600:])
        begin = time.monotonic()
        while self.control.count == 0 or not self.control.times:
            expect(time.monotonic() - begin < LONG_S, "the host answers no client")
            time.sleep(0.01)
        times, errors = self.control.take()
        expect(not errors, f"{len(errors)} requests of others failed: {errors[:2]}")
        for name, pid in self.pids.items():
            s = self.box.service(name)
            expect(s["state"] == "Running" and s["pid"] == pid, f"{name} is {s['state']}, pid {s['pid']} was {pid}")
        worst = max(times)
        if label:
            p99 = quantile(times, 0.99)
            self.ratios.append((label, p99 / self.quiet))
            print(f"# {label}: others' p50 {quantile(times, .5) * 1e3:.2f} ms (quiet {self.median * 1e3:.2f}), "
                  f"p99 {p99 * 1e3:.2f} ms (quiet {self.quiet * 1e3:.2f}): ratio {p99 / self.quiet:.1f}, worst {worst * 1e3:.0f} ms", flush=True)
        expect(worst < LONG_S, f"an answer took {worst:.1f} s")
        self.computed(label)

    def computed(self, label):
        """Whatever an attacker does, the loop computes for a moment and turns to the others."""
        with open(f"{self.box.dir}/log", errors="replace") as f:
            f.seek(self.mark)
            shown = f.read()
            self.mark = f.tell()
        long = [int(ms) for ms in re.findall(r'loop\.stalled.*?"processor-ms":(\d+)', shown)]
        if long:
            print(f"# {label or 'meanwhile'}: turns of the loop with up to {max(long)} ms of processor time")
        expect(max(long, default=0) < TURN_MS, f"the loop computed for {long} ms at once")


def words_of(box, name):
    """The attacker's output on stderr, from the files: a flood soon leaves nothing of it in memory."""
    found, mark = [], f'"service":"{name}","event":"output"'.encode()
    for n in (4, 3, 2, 1, 0):
        path = f"{box.dir}/state/log.jsonl" + (f".{n}" if n else "")
        if os.path.exists(path):
            found += [json.loads(line)["kv"]["line"] for line in open(path, "rb") if mark in line and b"attack " in line]
    return found


def no_win(box, name, begun=True):
    words = words_of(box, name)
    if begun:
        expect(any("attack begins" in w for w in words), f"the attack never ran: {words[-3:]}")
    won = [w for w in words if "attack succeeded" in w]
    expect(not won, won[0] if won else "")
    odd = [w for w in words if "attack unexpected" in w]
    expect(not odd, odd[0] if odd else "")


def enable(box, name, enabled):
    """Who runs is the configuration's word; an attacker cannot hold that up."""
    c = Client(f"{box.dir}/run/control.sock", timeout=60)
    try:
        c.call("config@1", "edit", {"ops": [{"op": "set", "path": f"/services/{name}/enabled", "value": enabled}]})
        c.call("config@1", "commit")
    except Refused as e:
        expect("nothing to commit" in str(e), f"{name} enabled {enabled}: {e}")
        box.ctl("service", "start" if enabled else "stop", name)
    finally:
        c.close()


def start(box, name):
    enable(box, name, True)


def stop(box, name):
    enable(box, name, False)
    box.until(8, lambda: box.service(name)["pid"] == 0, f"{name} ends")


def ended(box, watch, name, reason, begun=True):
    """The worker is ended and its crash report has the reason."""
    start(box, name)
    report = box.until(10, lambda: box.json("service", "show", name, "crashes")["crashes"][:1], f"a report of {name}")[0]
    stop(box, name)
    told = f"{report['ended-because']} {report['fault-untrusted']} {report['sandbox-step']} status {report['status']}" \
           f"{' signal ' + report['signal'] if report['signaled'] else ''}"
    expect(re.search(reason, told), f"it ended because: {told}")
    no_win(box, name, begun)
    watch.sound()


def lives(box, watch, name, seconds=2.0, mark=None, label=None):
    """The worker may live: its request was refused, and no other client was affected."""
    start(box, name)
    if mark:
        box.until(20, lambda: any(mark in w for w in words_of(box, name)), f"{mark} of {name}")
    else:
        time.sleep(seconds)  # the attack lasts for this long
    no_win(box, name)
    watch.sound(label)
    stop(box, name)
