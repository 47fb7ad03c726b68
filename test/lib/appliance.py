"""A real orbitald in a network namespace of its own, for system tests.

    with Appliance(build, "name") as box:
        box.start()
        box.ctl("show", "services")

Everything made is named orbt-NAME-PID and removed again, also when the test fails."""
import json
import os
import random
import shutil
import select
import signal
import socket
import subprocess
import tempfile
import time

import machine
import netspace


def need_root(*more):
    """Skips the test where the machine forbids what every appliance needs, and more (machine.NEEDS)."""
    machine.need("namespaces", "landlock", "settings", *more)


def run(*args, check=True, **kw):
    return netspace.run(args, check=check, capture_output=True, text=True, **kw)


def processor_s(pid, loop_only=False):
    """Processor time a process has used, its threads together or the first alone: what the machine does beside it
    counts little."""
    with open(f"/proc/{pid}/task/{pid}/stat" if loop_only else f"/proc/{pid}/stat") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def seeded():
    """Random numbers whose seed is printed; SEED=N in the environment gives the same ones again."""
    seed = int(os.environ.get("SEED") or time.time_ns() % 1_000_000_000)
    print(f"# random: SEED={seed}", flush=True)
    return random.Random(seed)


def pause(seconds, ready=None):
    """That long; longer, but only until it is reported, with the socket that a daemon reports to that it is ready."""
    if not ready:
        time.sleep(seconds)
        return
    end = time.monotonic() + 5 * seconds
    while select.select([ready], [], [], max(0, end - time.monotonic()))[0]:
        if b"READY=1" in ready.recv(4096):
            return


class Failed(Exception):
    pass


class Ended(Exception):
    """The daemon is not there any more: nothing is waited for."""


class Appliance:
    def __init__(self, build, name, packages=(), dataplane=False, links=()):
        self.build, self.dataplane, self.links = build, dataplane, links
        self.ns = f"orbt-{name}-{os.getpid()}"
        self.dir = None
        self.instance = self.ns[-24:].lstrip("-")  # a longer one is refused; the end has the process id
        self.daemon = None
        self.packages = [f"{build}/packages", f"{build}/third-party", *packages]
        self.ready = None  # the socket that the daemon reports to
        self.bpffs = None  # DIR/bpf
        self.env = {}  # more environment of orbctl
        self.spaces, self.children = [], []  # more namespaces; processes to be ended

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
        try:
            self.build_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def build_up(self):
        """What a test needs around its appliance."""

    def __exit__(self, *_):
        for child in self.children:
            child.kill()
            child.wait()
        self.kill(signal.SIGTERM)
        for space in (self.ns, *self.spaces):
            run("ip", "netns", "del", space, check=False)
        if self.dataplane:
            run("umount", f"{self.dir}/bpf", check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def host(self, name, link, address):
        """A host behind a link of the appliance, in a namespace of its own; the namespace."""
        space = f"{self.ns}-{name}"
        run("ip", "netns", "add", space)
        self.spaces.append(space)
        run("ip", "link", "add", link, "netns", self.ns, "type", "veth", "peer", "name", "eth0", "netns", space)
        for dev in ("lo", "eth0"):
            run("ip", "-n", space, "link", "set", dev, "up")
        run("ip", "-n", space, "addr", "add", address, "dev", "eth0")
        return space

    def pins(self):
        """What the appliance pinned, by name. `ip` and `tc` of iproute2, in whatever test they load a program,
        make directories in the first bpf file system of the machine, which may be this one; .debug is the kernel's."""
        return {e.name for e in os.scandir(f"{self.dir}/bpf") if e.is_file() and not e.name.endswith(".debug")}

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
        self.listen()
        self.daemon = subprocess.Popen(self.command(), stdout=self.log, stderr=self.log,
                                       env={**os.environ, "NOTIFY_SOCKET": f"{self.dir}/ready", **(env or {})})
        if wait:
            self.until_operational(60)
        return self.daemon

    def listen(self):
        """Where the daemon reports that it is ready: nothing of an earlier one is there."""
        if self.ready:
            self.ready.close()
            os.unlink(f"{self.dir}/ready")
        self.ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.ready.bind(f"{self.dir}/ready")

    def until_operational(self, seconds):
        """Waits for the daemon's report instead of asking again and again; one whose health is failed becomes
        operational without a report, so it is asked now and then."""
        self.until(seconds, self.is_operational, "operational", self.ready)

    def is_operational(self):
        if self.daemon.poll() is not None:
            raise Ended(f"orbitald ended with {self.daemon.returncode}: {self.log_text()[-600:].strip()}")
        return self.json("show", "boot")["phase"] == "operational"

    def kill(self, number=signal.SIGKILL, wait=20):
        if not self.daemon or self.daemon.poll() is not None:
            return None
        self.daemon.send_signal(number)
        try:
            return self.daemon.wait(machine.patient(wait))
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

    def until(self, seconds, condition, what, ready=None):
        """Calls condition() until it is true, for machine.patient(seconds); an exception counts as false. It is
        called more and more rarely, and with ready, the socket that the daemon reports to, at once when it is ready."""
        seconds = machine.patient(seconds)
        begun = time.monotonic()
        end = begun + seconds
        last = None
        while time.monotonic() < end:
            try:
                value = condition()
                if value:
                    return value
            except (Failed, OSError, ValueError, LookupError, StopIteration) as e:
                last = e
            pause(max(0.02, min((time.monotonic() - begun) / 4, 0.1)), ready)
        raise Failed(f"not within {seconds} s: {what}{f' ({last})' if last else ''}")

    def read_only_state(self):
        """The file system that DIR/state is the root of becomes read-only, once no process writes there any more:
        workers of a killed daemon end a moment after it."""
        self.until(10, lambda: run("mount", "-o", "remount,ro", f"{self.dir}/state", check=False).returncode == 0,
                   "the state directory can be made read-only")

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
