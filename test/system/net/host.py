"""The host's end of a worker's socket, scripted, and a network namespace of its own."""
import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
import machine  # noqa: E402
import netspace  # noqa: E402

(HELLO, WELCOME, OPEN, OPENED, REQ, REP, ERR, CANCEL, SUB, UNSUB, PUB, EVENT, GAP, PING, PONG, READY,
 LOG, METRIC, STOP, FAIL, PEER, GONE, PROBLEMS, PROGRESS, APPLIED) = range(1, 26)
CONFIG, USER = 7, 9  # peers
SKIP = 77


def skip(why):
    print("1..0 # SKIP " + why)
    sys.exit(SKIP)


def sh(*args, check=True):
    done = netspace.run(args, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


class Refused(Exception):
    def __init__(self, err):
        super().__init__(f"{err.get('code')} {err.get('path')}: {err.get('text')}")
        self.code, self.path, self.text = err.get("code"), err.get("path", ""), err.get("text", "")


class Namespace:
    """ip netns with a name of this test's own; removed with everything in it on the way out."""

    def __init__(self, test):
        machine.need("namespaces", "settings", *(["landlock"] if "--sandboxed" in sys.argv else []))
        self.name = f"orbt-net-{test}-{os.getpid()}"

    def __enter__(self):
        sh("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        sh("ip", "netns", "del", self.name, check=False)

    def ip(self, *args):
        return sh("ip", "-n", self.name, *args)

    def addresses(self, link):
        found = json.loads(self.ip("-j", "addr", "show", "dev", link))
        return sorted(f"{a['local']}/{a['prefixlen']}" for a in found[0]["addr_info"]
                      if a["scope"] != "link")

    def listed(self, link):
        """IPv4 addresses in the order of the kernel."""
        found = json.loads(self.ip("-4", "-j", "addr", "show", "dev", link))
        return [f"{a['local']}/{a['prefixlen']}" for a in found[0]["addr_info"]]

    def pair(self, name):
        """A new link whose other end is up, too."""
        self.ip("link", "add", name, "type", "veth", "peer", "name", name + "-far")
        self.ip("link", "set", name + "-far", "up")

    def batch(self, lines):
        """Many ip commands at once, each with its newline; continues when one fails, and fails at the end."""
        subprocess.run(["ip", "-n", self.name, "-force", "-batch", "-"], input="".join(lines),
                       text=True, check=True, capture_output=True)

    def inside(self, *args):
        return ["nsenter", f"--net=/run/netns/{self.name}", *args]

    def sysctl(self, name, value=None):
        """Reads or writes one; the value."""
        done = sh(*self.inside("sysctl", "-n", name if value is None else f"{name}={value}"))
        return done.strip()

    @contextlib.contextmanager
    def running(self, *args):
        """A command in here that runs meanwhile, ended with what it started."""
        process = subprocess.Popen(self.inside(*args), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @contextlib.contextmanager
    def monitor(self, *what):
        """`ip monitor`; yields a function that returns the lines up to now."""
        process = subprocess.Popen(["ip", "-n", self.name, "monitor", *what], text=True,
                                   stdout=subprocess.PIPE, start_new_session=True)
        os.set_blocking(process.stdout.fileno(), False)
        seen = []

        def mark(address):
            self.ip("addr", "add", address, "dev", "lo")
            self.ip("addr", "del", address, "dev", "lo")
            eventually(lambda: collect() or any(l.startswith("Deleted") and address in l for l in seen),
                       "ip monitor reports")

        def collect():
            seen.extend(process.stdout.readlines())

        def lines():
            mark("127.77.0.2/32")
            return [line for line in seen if "127.77.0." not in line]

        try:
            while not any("127.77.0.1/32" in line for line in seen):
                self.ip("addr", "add", "127.77.0.1/32", "dev", "lo")
                self.ip("addr", "del", "127.77.0.1/32", "dev", "lo")
                select.select([process.stdout], [], [], 0.1)
                collect()
            yield lines
        finally:
            process.kill()
            process.wait()

    def link(self, name):
        return json.loads(self.ip("-j", "link", "show", "dev", name))[0]

    def routes(self, family="-4"):
        return {r["dst"]: r for r in json.loads(self.ip(family, "-j", "route", "show"))
                if r.get("protocol") == "201"}


class Worker:
    """One package on the real SDK. tree: the configuration, kept as the config service would."""

    def __init__(self, runner, module, parts, tree, namespace=None, methods=()):
        ours, theirs = socket.socketpair()
        module = os.path.abspath(module)
        command = [runner] + sys.argv[3:] + [module, str(theirs.fileno())]  # --sandboxed
        if namespace:
            command = ["nsenter", f"--net=/run/netns/{namespace.name}"] + command
        self.name = os.path.basename(module)[:-3]
        self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        theirs.close()
        self.socket, self.parts, self.tree = ours, parts, tree
        self.buffer, self.corr, self.tx, self.revision = b"", 100, 0, 1
        self.logs, self.events, self.calls, self.ready = [], [], [], False
        self.problems = {}
        self.watched = None  # the worker's calls of arp@1
        self.provider = None  # function(method, input) -> output, plays dataplane@1
        self.methods = ([f"{self.name}/{m}" for m in methods] +
                        [f"service.{self.name}/{m}" for m in ("prepare", "apply", "abort")])

    def start(self):
        """HELLO … READY."""
        self.until(lambda f: f[0] == HELLO)
        self.send(WELCOME, payload={
            "service": self.name, "peer": 3, "abi": 1, "interface": self.name, "version": "1.0",
            "methods": self.methods, "sockets": {}, "config": ["/" + p for p in self.parts],
            "limits": {}})
        self.send(PEER, payload={"id": CONFIG, "kind": "service", "name": "config", "role": "service"})
        self.send(PEER, payload={"id": USER, "kind": "user", "name": "eve", "role": "viewer"})
        self.until(lambda f: f[0] == READY)
        self.ready = True
        return self

    def send(self, kind, env=None, payload=None, route=0, corr=0, src=0, deadline=0):
        e = json.dumps(env).encode() if env is not None else b""
        p = json.dumps(payload).encode() if payload is not None else b""
        self.socket.sendall(struct.pack("<IHBBIIII", len(e) + len(p), len(e), kind, 0, route, corr,
                                        src, deadline) + e + p)

    def frame(self, deadline):
        while True:
            if len(self.buffer) >= 24:
                n, envlen, kind, _, route, corr, src, _ = struct.unpack("<IHBBIIII", self.buffer[:24])
                if len(self.buffer) >= 24 + n:
                    body, self.buffer = self.buffer[24:24 + n], self.buffer[24 + n:]
                    env = json.loads(body[:envlen]) if envlen else {}
                    return kind, route, corr, env, json.loads(body[envlen:] or b"{}")
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                raise TimeoutError(f"{self.name} sent nothing")
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(f"{self.name} ended; logs: {self.logs[-3:]}")
            self.buffer += data

    def until(self, wanted, seconds=10, patience=machine.patient):
        """Serves the worker's own requests until a frame is wanted."""
        deadline = time.monotonic() + patience(seconds)
        while True:
            f = self.frame(deadline)
            kind, route, corr, env, payload = f
            if kind == LOG:
                self.logs.append(payload)
            elif kind == PUB:
                self.events.append((env["topic"], payload))
            elif kind == PROBLEMS:
                self.problems = {p["key"]: p for p in payload["problems"]}
            elif kind == FAIL:
                raise Refused(payload)
            elif kind in (REQ, OPEN):
                self.serve(kind, corr, env, payload)
            if wanted(f):
                return f

    def serve(self, kind, corr, env, payload):
        if kind == OPEN:
            self.send(ERR, {"err": {"code": "busy", "text": "no routes in this test"}}, corr=corr)
        elif env["to"].startswith("config@"):
            data = json.dumps({p: self.tree[p] for p in self.parts if p in self.tree})
            self.send(REP, corr=corr, payload={"revision": self.revision, "bytes": len(data),
                                               "data": data})
        elif env["to"].startswith("arp@"):
            self.watched = payload["addresses"]
            self.send(REP, corr=corr, payload={"conflicts": []})
        else:
            self.calls.append((env["method"], payload))
            try:
                self.send(REP, corr=corr, payload=self.provider(env["method"], payload))
            except Refused as e:
                self.send(ERR, {"err": {"code": e.code, "text": e.text, "path": e.path}}, corr=corr)

    def call(self, method, payload, src=CONFIG):
        self.corr += 1
        corr = self.corr
        number = next(i for i, m in enumerate(self.methods) if m.endswith("/" + method)) + 1
        self.send(REQ, payload=payload, route=number, corr=corr, src=src, deadline=5000)
        kind, _, _, env, out = self.until(lambda f: f[0] in (REP, ERR) and f[2] == corr)
        if kind == ERR:
            raise Refused(env["err"])
        return out

    def commit(self, **parts):
        """One transaction that sets whole parts (None deletes); the plan."""
        patch = []
        for part, value in parts.items():
            op = {"op": "delete" if value is None else "set", "path": "/" + part}
            if value is not None:
                op["value"] = value
            if part in self.tree:
                op["old"] = self.tree[part]
            patch.append(op)
        return self.patch(patch)

    def patch(self, patch):
        self.tx += 1
        out = self.call("prepare", {"tx": self.tx, "revision": self.revision + 1, "patch": patch})
        try:
            self.call("apply", {"tx": self.tx})
        except Refused:
            self.undo()  # as the config service does
            raise
        self.revision += 1
        for op in patch:
            walk(self.tree, op)
        return [line["text"] for line in out["plan"]]

    def undo(self):
        """Aborts the transaction applied last; the caller restores self.tree."""
        self.call("abort", {"tx": self.tx, "applied": True})

    def signal(self, number):
        """To the worker, which is a descendant of the process we started when it is in a sandbox."""
        pids = [self.process.pid]
        for pid in pids:
            with open(f"/proc/{pid}/task/{pid}/children") as f:
                pids += [int(child) for child in f.read().split()]
        for pid in pids:
            os.kill(pid, number)

    def ping(self):
        self.send(PING)
        return self.until(lambda f: f[0] == PONG)[4].get("degraded")

    def until_problems(self, wanted, seconds=10):
        """Waits until wanted(the reported problems, by key) holds; returns them."""
        while not wanted(self.problems):
            self.until(lambda f: f[0] == PROBLEMS, seconds)
        return self.problems

    def until_quiet(self, seconds=0.3):
        """Until the worker has sent nothing for so long."""
        try:
            while True:
                self.until(lambda f: True, seconds, lambda s: s)
        except TimeoutError:
            pass

    def logged(self, event):
        """Waits for a log record."""
        for record in self.logs:
            if record["event"] == event:
                self.logs.remove(record)
                return record
        record = self.until(lambda f: f[0] == LOG and f[4]["event"] == event)[4]
        self.logs.remove(record)
        return record

    def stop(self):
        self.send(STOP)
        try:
            while True:
                self.until(lambda f: False, 5)
        except (EOFError, ConnectionResetError, BrokenPipeError):  # it ended before it read an answer of ours
            pass
        assert self.process.wait(machine.patient(5)) == 0, f"{self.name} ended with {self.process.returncode}"

    def kill(self):
        self.socket.close()
        if self.process.poll() is None:
            if "--sandboxed" not in sys.argv:  # else the runner clears away the sandbox first
                self.process.kill()
            self.process.wait(machine.patient(10))


def walk(tree, op):
    tokens = [t.replace("~1", "/").replace("~0", "~") for t in op["path"].split("/")[1:]]
    for token in tokens[:-1]:
        tree = tree.setdefault(token, {})
    if op["op"] == "delete":
        tree.pop(tokens[-1], None)
    else:
        tree[tokens[-1]] = op["value"]


def refused(worker, path, *words, **parts):
    """A commit that must be refused at this path with these words, and change nothing."""
    try:
        worker.commit(**parts)
    except Refused as e:
        assert e.path == path, f"path {e.path}, expected {path} ({e.text})"
        for word in words:
            assert word in e.text, f"\"{word}\" is not in \"{e.text}\""
        return
    raise AssertionError(f"{parts} was accepted; expected a refusal at {path}")


def eventually(check, what, seconds=5):
    """Waits for a state of the kernel that no event of the worker reports."""
    deadline = time.monotonic() + machine.patient(seconds)
    while not check():
        assert time.monotonic() < deadline, what
        select.select([], [], [], 0.02)


def main(tests):
    """Runs the functions in order, TAP output."""
    failed = 0
    print(f"1..{len(tests)}")
    for n, test in enumerate(tests, 1):
        name = test.__name__.replace("_", " ")
        try:
            test()
            print(f"ok {n} - {name}", flush=True)
        except Exception as e:  # the TAP line carries it
            failed += 1
            import traceback
            traceback.print_exc()
            print(f"not ok {n} - {name}: {type(e).__name__} {e}", flush=True)
    sys.exit(1 if failed else 0)
