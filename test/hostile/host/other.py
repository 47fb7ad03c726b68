"""Another client while something is attacked: a process of its own asks the host and a good package all
the time and notes when each answer came. Its figures under attack are judged against those right before,
so that a busy machine finds nothing: a pair of stretches is measured again until it fits, a few times."""
import json
import os
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from wire import Client, Closed, Refused, quantile  # noqa: E402

RECORD = struct.Struct("<dd")  # begin; seconds, below 0: a wrong answer or none
RATIO, GAP_S = 2.0, 0.1
FLOOR_S = 0.005  # below that the p99 of a few hundred answers says nothing of the host
STRETCH_S, PAIRS = 0.25, 6


def ask_on(path, out):
    """The process: until it is ended."""
    client, n = None, 0
    with open(out, "ab", buffering=0) as f:
        while True:
            begin, n = time.monotonic(), n + 1
            try:
                client = client or Client(path)
                if n % 2:
                    good = client.call("host@1", "boot")["phase"] == "operational"
                else:
                    good = client.call("acme-probe@1", "echo", {"text": str(n)}) == {"text": str(n)}
            except (Refused, Closed, OSError, ValueError, KeyError):
                good, client = False, None
            took = time.monotonic() - begin
            f.write(RECORD.pack(begin, took if good else -took))
            time.sleep(0.001 if good else 0.05)


class Other:
    def __init__(self, box):
        self.out = f"{box.dir}/other"
        open(self.out, "wb").close()
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), f"{box.dir}/run/control.sock", self.out])
        self.at = 0
        self.wrong = 0
        self.figures = []  # (what, ratio, longest)

    def end(self):
        self.process.kill()
        self.process.wait()

    def since(self, begin):
        """What was asked since then; an answer that has not come counts as long as it is awaited."""
        with open(self.out, "rb") as f:
            f.seek(self.at)
            data = f.read()
        data = data[:len(data) // RECORD.size * RECORD.size]
        self.at += len(data)
        records = list(RECORD.iter_unpack(data))
        self.wrong += sum(t < 0 for b, t in records if b >= begin)
        times = [abs(t) for b, t in records if b + abs(t) >= begin]
        last = max((b + abs(t) for b, t in records), default=begin)
        return times + ([time.monotonic() - last] if time.monotonic() - last > GAP_S else [])

    def stretch(self, work):
        """work() again and again for a while; the times of the answers meanwhile."""
        self.since(0)
        begin = time.monotonic()
        while True:
            work()
            if time.monotonic() - begin >= STRETCH_S:
                break
        until = time.monotonic() + 3
        times = self.since(begin)
        while not times and time.monotonic() < until:
            time.sleep(0.01)
            times = self.since(begin)
        return times or [time.monotonic() - begin]

    def pair(self, work):
        quiet = self.stretch(lambda: time.sleep(STRETCH_S))
        times = self.stretch(work)
        return quantile(times, .99) / max(quantile(quiet, .99), 1e-6), quantile(times, .99), max(times), quantile(quiet, .99)

    def judge(self, what, work):
        """None, or the words of a complaint: all pairs were too long."""
        best = None
        for _ in range(PAIRS):
            ratio, p99, longest, quiet = self.pair(work)
            best = min(best or (9e9, 0, 0, 0), (max(ratio / RATIO, longest / GAP_S), ratio, longest, p99))
            if (ratio <= RATIO or p99 <= FLOOR_S) and longest <= GAP_S:
                best = (0, ratio, longest, p99)
                break
        self.figures.append((what, best[1], best[2]))
        if self.wrong:
            wrong, self.wrong = self.wrong, 0
            return f"{wrong} requests of another client failed"
        if best[0]:
            return f"others' p99 {best[3] * 1e3:.1f} ms, {best[1]:.1f} times quiet, longest {best[2] * 1e3:.0f} ms"
        return None


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
    ask_on(sys.argv[1], sys.argv[2])
