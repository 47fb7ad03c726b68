"""Another client while something is attacked: a process of its own asks the host and a good package all
the time and notes when each answer came. A second appliance, which nobody attacks, is asked the same at the
same moment by another process: what the machine itself makes both wait for is no finding. In the suite the
p99 counts the processor time that the daemon's loop took until it answered, which other work of the machine does not
change; as a benchmark it is the time that passed. A stretch is measured again until it fits, a few times."""
import json
import os
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Failed  # noqa: E402
from wire import Client, Closed, Refused, quantile  # noqa: E402

RECORD = struct.Struct("<ddd")  # begin; seconds, below 0: a wrong answer or none; of the loop's processor time
RATIO, GAP_S = 2.0, 0.1
FLOOR_S = 0.020  # of the processor: two fifths of what a turn may take; what the ratio is, the benchmark says
STRETCH_S, TRIES = 0.25, 8


def processor(schedstat):
    """Seconds that a thread has run."""
    return int(os.pread(schedstat.fileno(), 64, 0).split()[0]) / 1e9


def ask_on(path, out, pid):
    """The process: until it is ended."""
    client, n = None, 0
    # The main thread is the loop; what other threads check meanwhile delays no other client.
    with open(out, "ab", buffering=0) as f, open(f"/proc/{pid}/task/{pid}/schedstat") as loop:
        while True:
            begin, used, n = time.monotonic(), processor(loop), n + 1
            try:
                client = client or Client(path)
                if n % 2:
                    good = client.call("host@1", "boot")["phase"] == "operational"
                else:
                    good = client.call("acme-probe@1", "echo", {"text": str(n)}) == {"text": str(n)}
            except (Refused, Closed, OSError, ValueError, KeyError):
                good, client = False, None
            took = time.monotonic() - begin
            f.write(RECORD.pack(begin, took if good else -took, processor(loop) - used))
            time.sleep(0.001 if good else 0.05)


class Asker:
    """A process that asks one appliance, and what it noted."""

    def __init__(self, box, name):
        self.out = f"{box.dir}/{name}"
        open(self.out, "wb").close()
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), f"{box.dir}/run/control.sock", self.out,
                                         str(box.daemon.pid)])
        self.at = 0

    def end(self):
        self.process.kill()
        self.process.wait()

    def since(self, begin):
        """(answers, wrong ones) of what was asked since then, an answer: (seconds, of the processor). One that
        has not come counts as long as it is awaited."""
        if self.process.poll() is not None:
            raise Failed(f"who asks ended with {self.process.returncode}")
        with open(self.out, "rb") as f:
            f.seek(self.at)
            data = f.read()
        data = data[:len(data) // RECORD.size * RECORD.size]
        self.at += len(data)
        records = list(RECORD.iter_unpack(data))
        answers = [(abs(t), used) for b, t, used in records if b + abs(t) >= begin]
        last = max((b + abs(t) for b, t, _ in records), default=begin)
        waits = time.monotonic() - last
        return answers + ([(waits, 0)] if waits > GAP_S else []), sum(t < 0 for b, t, _ in records if b >= begin)

    def answered(self, begin):
        """since(), once there is an answer at all."""
        until, wrong = time.monotonic() + 3, 0
        while True:
            answers, more = self.since(begin)
            wrong += more
            if answers or time.monotonic() > until:
                return answers or [(time.monotonic() - begin, 0)], wrong
            time.sleep(0.01)


class Other:
    """box is attacked, beside is not."""

    def __init__(self, box, beside, strict=False):
        self.strict = strict
        self.attacked, self.quiet = Asker(box, "other"), Asker(beside, "other")
        self.figures = []  # (what, ratio, longest)

    def end(self):
        self.attacked.end()
        self.quiet.end()

    def stretch(self, work):
        """work() again and again for a while: (answers, those of the appliance beside, wrong answers)."""
        self.attacked.since(0)
        self.quiet.since(0)
        begin = time.monotonic()
        while True:
            work()
            if time.monotonic() - begin >= STRETCH_S:
                break
        answers, wrong = self.attacked.answered(begin)
        return answers, self.quiet.answered(begin)[0], wrong

    def judge(self, what, work):
        """None, or the words of a complaint: all stretches were too long."""
        best = None
        for _ in range(TRIES):
            answers, beside, wrong = self.stretch(work)
            if wrong:
                return f"{wrong} requests of another client failed"
            p99, quiet = ([quantile([a[i] for a in of], .99) for i in (0, 1)] for of in (answers, beside))
            longest, gap = max(a[0] for a in answers), max(a[0] for a in beside)
            over = p99[0] / (RATIO * quiet[0]) if self.strict else p99[1] / max(FLOOR_S, RATIO * quiet[1])
            over = max(over, longest / (GAP_S if self.strict else max(GAP_S, RATIO * gap)))
            if best is None or over < best[0]:
                best = over, p99[0] / quiet[0], longest, (
                    f"others' p99 {p99[0] * 1e3:.1f} ms ({p99[1] * 1e3:.1f} of the processor), longest {longest * 1e3:.0f} ms; of an appliance "
                    f"beside that nobody attacks {quiet[0] * 1e3:.1f} ({quiet[1] * 1e3:.1f}) and {gap * 1e3:.0f} ms")
            if over <= 1:
                break
        self.figures.append((what, best[1], best[2]))
        return best[3] if best[0] > 1 else None


def bench(figures, attempts, successes):
    """The figures for bench/run."""
    ratio = max(figures, key=lambda f: f[1], default=("none", 0, 0))
    gap = max(figures, key=lambda f: f[2], default=("none", 0, 0))
    rows = [("attempts", attempts, "", "attempts", ">= 100", attempts >= 100, None),
            ("successes", successes, "", "attempts", "0", successes == 0, None),
            ("others' p99 under attack", ratio[1], "x quiet", ratio[0], f"<= {RATIO:g}", ratio[1] <= RATIO, ratio[1]),
            ("others' longest answer", gap[2] * 1e3, "ms", gap[0], f"<= {GAP_S * 1e3:g}", gap[2] <= GAP_S, None)]
    print(json.dumps({"figures": [{"name": f"hostile: {n}", "value": v, "unit": u, "versus": vs, "ratio": r, "target": t, "holds": h}
                                  for n, v, u, vs, t, h, r in rows]}))


if __name__ == "__main__":
    ask_on(sys.argv[1], sys.argv[2], int(sys.argv[3]))
