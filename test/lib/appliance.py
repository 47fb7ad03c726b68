"""A real orbitald in a network namespace of its own, for system tests.

    with Appliance(build, "name") as box:
        box.start()
        box.ctl("show", "services")

Everything made is named orbt-NAME-PID and removed again, also when the test fails."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import machine


def need_root(*more):
    """Skips the test where the machine forbids what every appliance needs, and more (machine.NEEDS)."""
    machine.need("namespaces", "landlock", "settings", *more)


def run(*args, check=True, **kw):
    return subprocess.run([str(a) for a in args], check=check, capture_output=True, text=True, **kw)


class Failed(Exception):
    pass


class Appliance:
    def __init__(self, build, name, packages=(), dataplane=False, links=()):
        self.build, self.dataplane, self.links = build, dataplane, links
        self.ns = f"orbt-{name}-{os.getpid()}"
        self.dir = None
        self.instance = self.ns
        self.daemon = None
        self.packages = [f"{build}/packages", f"{build}/third-party", *packages]
        self.notify = None
        self.bpffs = None  # DIR/bpf
        self.env = {}  # more environment of orbctl

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix=f"{self.ns}.", dir="/run")
        os.chmod(self.dir, 0o755)
        run("ip", "netns", "add", self.ns)
        run(*self.inside("ip", "link", "set", "lo", "up"))
        for a, b in self.links:
            run(*self.inside("ip", "link", "add", a, "type", "veth", "peer", "name", b))
            run(*self.inside("ip", "link", "set", b, "up"))
        if self.dataplane:
            os.mkdir(f"{self.dir}/bpf")
            run("mount", "-t", "bpf", "bpf", f"{self.dir}/bpf")
        return self

    def __exit__(self, *_):
        self.kill(signal.SIGTERM)
        run("ip", "netns", "del", self.ns, check=False)
        if self.dataplane:
            run("umount", f"{self.dir}/bpf", check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def inside(self, *args):
        return ["nsenter", f"--net=/run/netns/{self.ns}", "--", *args]

    def command(self, *more):
        args = [f"{self.build}/orbitald", "--state", f"{self.dir}/state", "--run", f"{self.dir}/run",
                "--instance", self.instance, "--first-config", "/nonexistent", "--log-level", "debug",
                "--log-output", "stderr"]
        for p in self.packages:
            args += ["--packages", p]
        args += ["--bpffs", self.bpffs or f"{self.dir}/bpf"] if self.dataplane else ["--no-dataplane"]
        return self.inside(*args, *more)

    def start(self, wait=True, env=None):
        self.log = open(f"{self.dir}/log", "ab")
        self.daemon = subprocess.Popen(self.command(), stdout=self.log, stderr=self.log,
                                       env={**os.environ, **(env or {})})
        if wait:
            self.until(60, lambda: self.json("show", "boot")["phase"] == "operational", "operational")
        return self.daemon

    def kill(self, number=signal.SIGKILL, wait=20):
        if not self.daemon or self.daemon.poll() is not None:
            return None
        self.daemon.send_signal(number)
        try:
            return self.daemon.wait(wait)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
            raise Failed("the daemon did not stop in time") from None

    def ctl(self, *args, ok=True, stdin=None):
        done = run(f"{self.build}/orbctl", *args, check=False, input=stdin,
                   env={**os.environ, "ORBITAL_SOCKET": f"{self.dir}/run/control.sock", **self.env})
        if ok and done.returncode:
            raise Failed(f"orbctl {' '.join(args)}: status {done.returncode}: {done.stderr.strip()}")
        return done

    def json(self, *args):
        return json.loads(self.ctl("--json", *args).stdout)

    def call(self, interface, method, given=None, ok=True):
        done = self.ctl("--json", "ipc", "call", interface, method, json.dumps(given or {}), ok=ok)
        return json.loads(done.stdout) if done.returncode == 0 else done

    def service(self, name):
        return self.json("service", "show", name)

    def until(self, seconds, condition, what):
        """Asks again until condition() is true; errors on the way count as not yet."""
        end = time.monotonic() + seconds
        last = None
        while time.monotonic() < end:
            try:
                value = condition()
                if value:
                    return value
            except (Failed, OSError, ValueError, KeyError, StopIteration) as e:
                last = e
            time.sleep(0.02)
        raise Failed(f"not within {seconds} s: {what}{f' ({last})' if last else ''}")

    def log_text(self):
        return open(f"{self.dir}/log", errors="replace").read()


class Tap:
    """Runs functions as TAP tests; a run in which nothing ran fails."""

    def __init__(self):
        self.count = self.bad = 0

    def test(self, name, fn, *args):
        self.count += 1
        try:
            fn(*args)
            print(f"ok {self.count} - {name}", flush=True)
        except Exception as e:  # a test reports whatever went wrong, and the next one runs
            self.bad += 1
            print(f"not ok {self.count} - {name}", flush=True)
            for line in f"{type(e).__name__}: {e}".splitlines():
                print("#", line, flush=True)

    def skip(self, name, why):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {why}", flush=True)

    def end(self):
        print(f"1..{self.count}")
        raise SystemExit(1 if self.bad or not self.count else 0)


def expect(condition, text):
    if not condition:
        raise Failed(text)
