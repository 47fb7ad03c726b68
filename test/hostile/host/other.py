"""Another client while something is attacked: a process of its own calls the host and a well-behaved package all the
time and records the time of each answer. A second appliance, which is not attacked, gets the same calls at the same
moment from another process: delays that the machine causes for both are no finding. In the suite the
p99 counts the processor time that the daemon's loop took until it answered, which other work of the machine does not
change; as a benchmark it is the time that passed. A stretch is measured again until it fits, a few times."""
import contextlib
import functools
import json
import mmap
import os
import re
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Failed  # noqa: E402
from wire import Client, Closed, Refused, quantile  # noqa: E402

RECORD = struct.Struct("<ddd")  # begin; seconds, below 0: a wrong answer or none; of the loop's processor time
SANITIZED = len(sys.argv) > 1 and os.path.exists(f"{sys.argv[1]}/orbitald") and b"__asan_init" in open(f"{sys.argv[1]}/orbitald", "rb").read()
RATIO, GAP_S = 2.0, (0.5 if SANITIZED else 0.1)
FLOOR_S = 0.200 if SANITIZED else 0.020  # of the processor: two fifths of what a turn may take; the benchmark measures the ratio
STRETCH_S, ANSWERS, TRIES = 0.25, 60, 8  # a stretch: so many answers of both, or that long; as a benchmark, that long
PACE_S, IDLE_S = 0.001, 0.02  # between two questions: in a stretch, and before and behind it
MOMENT_S = 0.05  # after which it is checked whether a stretch of an attack that continues by itself is over


def processor(schedstat):
    """Seconds that a thread has run."""
    return int(os.pread(schedstat.fileno(), 64, 0).split()[0]) / 1e9


class Control:
    """Calls the host and a well-behaved package over the control socket."""

    def __init__(self, path):
        self.client = Client(path)

    def good(self, n):
        if n % 2:
            return self.client.call("host@1", "boot")["phase"] == "operational"
        return self.client.call("acme-probe@1", "echo", {"text": str(n)}) == {"text": str(n)}


class Config:
    """Calls the config service, as `orbctl show` and `orbctl config` do."""

    def __init__(self, path):
        self.client = Client(path)

    def good(self, n):
        if n % 3:
            return self.client.call("config@1", "get", {"path": "/system"})["path"] == "/system"
        changes = self.client.call("config@1", "edit", {"ops": [{"op": "set", "path": "/services/api/limits/ping-ms", "value": 2000 + n % 1000}]})["changes"]
        return changes == 1 and self.client.call("config@1", "discard") == {}


class Web:
    """Sends requests to the HTTP API, on an open and on a new connection, in turn."""

    def __init__(self, token):
        self.text = f"GET /api/v1/whoami HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        self.kept = self.connect()

    def connect(self):
        s = socket.create_connection(("127.0.0.1", 8080), timeout=30)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def ask(self, s):
        s.sendall(self.text)
        got = b""
        while True:
            piece = s.recv(65536)
            if not piece:
                raise Closed("end of file")
            got += piece
            head, _, body = got.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            if length and len(body) >= int(length[1]):
                return head.startswith(b"HTTP/1.1 200 ") and b'"name":"other"' in body

    def good(self, n):
        if n % 2:
            return self.ask(self.kept)
        with self.connect() as s:
            return self.ask(s)


def shared(path):
    """A byte of two processes: whether a stretch is on."""
    with open(path, "r+b") as f:
        return mmap.mmap(f.fileno(), 1)


def ask_on(make, out, pids):
    """The process: until it is ended."""
    stretch = shared(f"{out}.stretch")
    client, n = None, 0
    with contextlib.suppress(OSError):  # where it is allowed: what the answer waits for here is not the appliance's
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    with contextlib.ExitStack() as stack, open(out, "ab", buffering=0) as f:
        # The main threads are the loops; what other threads check meanwhile delays no other client.
        loops = [stack.enter_context(open(f"/proc/{pid}/task/{pid}/schedstat")) for pid in pids]
        while True:
            begin, used, n = time.monotonic(), sum(map(processor, loops)), n + 1
            try:
                client = client or make()
                good = client.good(n)
            except (Refused, Closed, OSError, ValueError, KeyError):
                good, client = False, None
            took = time.monotonic() - begin
            f.write(RECORD.pack(begin, took if good else -took, sum(map(processor, loops)) - used))
            time.sleep((PACE_S if stretch[0] else IDLE_S) if good else 0.05)


class Asker:
    """A process that calls one appliance, and its results. token: it calls the HTTP API; otherwise as kind selects."""

    def __init__(self, box, name, token=None, kind="control"):
        self.out = f"{box.dir}/{name}"
        for path, begun in ((self.out, b""), (f"{self.out}.stretch", b"\0")):
            with open(path, "wb") as f:
                f.write(begun)
        self.on = shared(f"{self.out}.stretch")
        service = {"web": "api", "config": "config"}.get("web" if token else kind)
        pids = [box.daemon.pid] + ([box.service(service)["pid"]] if service else [])
        if service == "config":
            # Else, where the daemon waits for a processor among other work, the service serves the attacker meanwhile.
            with contextlib.suppress(OSError):
                for pid in pids:
                    os.setpriority(os.PRIO_PROCESS, pid, -19)
        command = [sys.executable, os.path.abspath(__file__), "web" if token else kind, token or f"{box.dir}/run/control.sock",
                   self.out, *map(str, pids)]
        self.process = subprocess.Popen(box.inside(*command) if token else command)
        self.at = 0

    def end(self):
        self.process.kill()
        self.process.wait()

    def noted(self):
        return os.path.getsize(self.out) // RECORD.size

    def since(self, begin):
        """(answers, wrong ones) to calls since then; an answer: (seconds, of the processor). A pending one counts as
        long as it is awaited."""
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

    def __init__(self, box, beside, strict=False, tokens=(None, None), floor_s=FLOOR_S, kind="control", tries=TRIES):
        self.strict, self.floor_s, self.tries = strict, floor_s, tries
        self.attacked, self.quiet = Asker(box, "other", tokens[0], kind), Asker(beside, "other", tokens[1], kind)
        self.figures = []  # (what, ratio, longest, p99, that of the appliance beside, p99 of the processor)
        # Those who ask take a second to start: a stretch before their first answers would compare nothing.
        until = time.monotonic() + 30
        while not all(a.noted() for a in (self.attacked, self.quiet)):
            if time.monotonic() > until:
                raise Failed("who asks has no answer after 30 s, before anything is attacked")
            time.sleep(0.01)

    def end(self):
        self.attacked.end()
        self.quiet.end()

    def stretch(self, work):
        """work() again and again for a while: (answers, those of the appliance beside, wrong answers)."""
        both = (self.attacked, self.quiet)
        for a in both:
            a.since(0)
            a.on[0] = 1
        begin, had = time.monotonic(), [a.noted() for a in both]
        while True:
            work()
            if time.monotonic() - begin >= STRETCH_S or not self.strict and all(a.noted() - n >= ANSWERS for a, n in zip(both, had)):
                break
        for a in both:
            a.on[0] = 0
        answers, wrong = self.attacked.answered(begin)
        return answers, self.quiet.answered(begin)[0], wrong

    def compare(self, what, work):
        """None, or the words of a complaint: all stretches were too long."""
        best = None
        for _ in range(self.tries):
            answers, beside, wrong = self.stretch(work)
            if wrong:
                return f"{wrong} requests of another client failed"
            p99, quiet = ([quantile([a[i] for a in of], .99) for i in (0, 1)] for of in (answers, beside))
            longest, gap = max(a[0] for a in answers), max(a[0] for a in beside)
            over = p99[0] / (RATIO * quiet[0]) if self.strict else p99[1] / max(self.floor_s, RATIO * quiet[1])
            over = max(over, longest / (GAP_S if self.strict else max(GAP_S, RATIO * gap)))
            if best is None or over < best[0]:
                best = over, (p99[0] / quiet[0], longest, p99[0], quiet[0], p99[1]), (
                    f"others' p99 {p99[0] * 1e3:.1f} ms ({p99[1] * 1e3:.1f} of the processor), longest {longest * 1e3:.0f} ms; of an appliance "
                    f"beside that is not attacked {quiet[0] * 1e3:.1f} ({quiet[1] * 1e3:.1f}) and {gap * 1e3:.0f} ms")
            if over <= 1:
                break
        self.figures.append((what, *best[1]))
        self.measured = best[2]
        return best[2] if best[0] > 1 else None


def bench(figures, attempts, successes, step_s=None, least=0):
    """The figures for bench/run. least: so many attempts there should be; 0: no row of them. step_s: one thread answers both, so its p99 may be a step of the attacker's request and its own cost."""
    ratio = max(figures, key=lambda f: f[1], default=("none", 0, 0))
    gap = max(figures, key=lambda f: f[2], default=("none", 0, 0))
    rows = [("successes", successes, "", "attempts", "0", successes == 0, None),
            ("others' p99 under attack", ratio[1], "x quiet", ratio[0], f"<= {RATIO:g}", ratio[1] <= RATIO, ratio[1]),
            ("others' longest answer", gap[2] * 1e3, "ms", gap[0], f"<= {GAP_S * 1e3:g}", gap[2] <= GAP_S, None)]
    if step_s:
        p99 = max(figures, key=lambda f: f[3], default=("none", 0, 0, 0))
        rows.insert(2, ("others' p99 under attack", p99[3] * 1e3, "ms", p99[0], f"<= {step_s * 1e3:g}", p99[3] <= step_s, None))
    if least:
        rows.insert(0, ("attempts", attempts, "", "attempts", f">= {least}", attempts >= least, None))
    print(json.dumps({"figures": [{"name": f"hostile: {n}", "value": v, "unit": u, "versus": vs, "ratio": r, "target": t, "holds": h}
                                  for n, v, u, vs, t, h, r in rows]}))


if __name__ == "__main__":
    ask_on(functools.partial({"control": Control, "config": Config, "web": Web}[sys.argv[1]], sys.argv[2]), sys.argv[3], sys.argv[4:])
