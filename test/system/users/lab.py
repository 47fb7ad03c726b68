"""A real orbitald in a network namespace of its own, orbctl beside it, curl and sockets inside."""
import ctypes
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
import machine  # noqa: E402

SKIP = 77
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def skip(why):
    print("1..0 # SKIP " + why)
    sys.exit(SKIP)


class Tap:
    """check() prints one line each; the plan comes at the end."""

    def __init__(self):
        self.count = self.failed = 0

    def check(self, holds, name, detail=""):
        self.count += 1
        if not holds:
            self.failed += 1
            print(f"# {name}: {str(detail)[:1500]}")
        print(f"{'ok' if holds else 'not ok'} {self.count} - {name}", flush=True)
        return bool(holds)

    def end(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failed or not self.count else 0)


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def problem(self):
        """The members of a problem, {} when it is none."""
        if self.headers.get("content-type") != "application/problem+json":
            return {}
        p = self.json()
        return p if p["status"] == self.status and p["type"] == "urn:orbital:" + p["code"] else {}

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:600]}"


def parse(raw):
    while True:
        head, _, rest = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        if not lines[0].startswith("HTTP/1."):
            return Reply(0, {}, raw.decode("utf-8", "replace"))
        status = int(lines[0].split()[1])
        if status != 100:
            break
        raw = rest
    headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
    return Reply(status, headers, rest.decode("utf-8", "replace"))


class Appliance:
    def __init__(self, build, test):
        machine.need("namespaces", "landlock", "settings")
        for tool in ("ip", "nsenter", "curl"):
            if not shutil.which(tool):
                skip(f"needs {tool}")
        self.build, self.name = build, f"orbt-users-{test}-{os.getpid()}"
        self.dir = tempfile.mkdtemp(prefix=self.name + "-")
        os.chmod(self.dir, 0o755)
        self.socket = self.dir + "/run/control.sock"
        self.lines, self.grew = [], threading.Condition()
        self.process = None
        self.base = "http://127.0.0.1:8080"

    def __enter__(self):
        try:
            subprocess.run(["ip", "netns", "add", self.name], check=True)
            self.ip("link", "set", "lo", "up")
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.reader.join(5)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)
        if os.environ.get("ORBT_LOG"):
            sys.stderr.write("\n".join(self.lines) + "\n")
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self):
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.name}", self.build + "/orbitald", "--state",
             self.dir + "/state", "--run", self.dir + "/run", "--packages",
             self.build + "/packages", "--no-dataplane", "--instance", f"users-{os.getpid()}",
             "--first-config", "/nonexistent", "--log-level", "debug", "--log-output", "stderr"],
            stderr=subprocess.PIPE, text=True, errors="replace")
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.wait_log(r'boot\.phase .*"operational"', 60)

    def read(self):
        for line in self.process.stderr:
            with self.grew:
                self.lines.append(line.rstrip("\n"))
                self.grew.notify_all()
        with self.grew:
            self.lines.append("(end of the log)")
            self.grew.notify_all()

    def wait_log(self, pattern, seconds=20, start=0):
        """Waits for a line of the daemon's log from index start on; returns its index."""
        found, at, until = re.compile(pattern), start, time.monotonic() + 8 * seconds  # a busy machine is slow
        with self.grew:
            while True:
                while at < len(self.lines):
                    if found.search(self.lines[at]):
                        return at
                    at += 1
                left = until - time.monotonic()
                if left <= 0 or self.lines[-1:] == ["(end of the log)"]:
                    raise RuntimeError(f"no line {pattern!r} in the log:\n" +
                                       "\n".join(self.lines[-15:]))
                self.grew.wait(left)

    def log_end(self):
        with self.grew:
            return len(self.lines)

    def ip(self, *args):
        return subprocess.run(["ip", "-n", self.name, *args], check=True, capture_output=True,
                              text=True).stdout

    # ---- orbctl ----

    def orbctl(self, *args, stdin=None, env=None):
        return subprocess.run([self.build + "/orbctl", *args], capture_output=True, text=True,
                              input=stdin, timeout=60, cwd=self.dir,
                              env={"ORBITAL_SOCKET": self.socket, "PATH": os.environ["PATH"],
                                   **(env or {})})

    def must(self, *args, **more):
        done = self.orbctl(*args, **more)
        if done.returncode:
            raise RuntimeError(f"orbctl {' '.join(args)}: {done.stderr}")
        return done.stdout

    def ask(self, *args):
        return json.loads(self.must("--json", *args))

    def service(self, name):
        return next(s for s in self.ask("show", "services")["services"] if s["name"] == name)

    def token(self, name, role):
        return self.must("token", "create", name, role).strip()

    # ---- HTTP ----

    def http(self, method, path, token=None, body=None, headers=(), options=()):
        command = ["nsenter", f"--net=/run/netns/{self.name}", "curl", "-s", "-S", "-i",
                   "--path-as-is", "-m", "30"]
        command += ["--head"] if method == "HEAD" else ["-X", method]
        if token:
            command += ["-H", f"Authorization: Bearer {token}"]
        if body is not None:
            if not isinstance(body, (str, bytes)):
                body = json.dumps(body)
            if not any(h.lower().startswith("content-type:") for h in headers):
                command += ["-H", "Content-Type: application/json"]
            command += ["--data-binary", "@-"]
        for header in headers:
            command += ["-H", header]
        if isinstance(body, str):
            body = body.encode()
        done = subprocess.run(command + list(options) + [self.base + path], capture_output=True,
                              input=body, timeout=60)
        if done.returncode:
            return Reply(0, {}, done.stderr.decode())
        return parse(done.stdout)

    def connect(self):
        """A TCP socket to the API from inside the namespace."""
        with open("/proc/thread-self/ns/net") as mine, open(f"/run/netns/{self.name}") as theirs:
            libc.setns(theirs.fileno(), CLONE_NEWNET)
            try:
                return socket.create_connection(("127.0.0.1", 8080), 20)
            finally:
                libc.setns(mine.fileno(), CLONE_NEWNET)


def receive(sock):
    """One response with Content-Length from a kept connection."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        piece = sock.recv(65536)
        if not piece:
            return parse(raw) if raw else Reply(0, {}, "closed")
        raw += piece
    reply = parse(raw)
    while len(reply.body.encode()) < int(reply.headers.get("content-length", 0)):
        piece = sock.recv(65536)
        if not piece:
            break
        raw += piece
        reply = parse(raw)
    return reply
