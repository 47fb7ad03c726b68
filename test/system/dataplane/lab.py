"""Three namespaces, client - router - server, and dpctl in the router. Everything made here is named
orbt-PID and is removed at the end, also after a failure."""
import atexit
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
import assured  # noqa: E402
import machine  # noqa: E402
import netspace  # noqa: E402

SKIP = 77
ASSURED = os.path.join(os.path.dirname(machine.__file__), "assured.py")


# Linux 6.6 and later; before that every tcx is a filter at clsact.
HAS_TCX = tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2]) >= (6, 6)


def sh(command, check=True, **more):
    r = subprocess.run(command, shell=True, capture_output=True, text=True, **more)
    if check and r.returncode:
        raise RuntimeError(f"{command}: {r.stderr}{r.stdout}")
    return r.stdout


def need(*tools):
    machine.need("namespaces", "settings", "bpf", "bpffs")
    for tool in tools:
        if not shutil.which(tool):
            print(f"skipped: {tool} is missing")
            sys.exit(SKIP)


class Dpctl:
    """One daemon's life; kill() ends it as a crash would."""

    def __init__(self, lab, *options, before=()):
        self.lab, self.options = lab, options
        self.process = subprocess.Popen(
            [*before, lab.program, f"/run/netns/{lab.router}", lab.bpffs, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hello = self.process.stdout.readline().strip()
        if not self.hello.startswith("ready"):
            raise RuntimeError(self.hello)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer.startswith("ok"):
            raise RuntimeError(f"{line}: {answer}")
        return answer[3:]

    def apply(self, policy, command="apply"):
        path = os.path.join(self.lab.directory, "policy.json")
        with open(path, "w") as f:
            json.dump(policy, f)
        self.say(f"{command} {path}")
        if "no-tcx" in self.options:  # Orbital's filters at clsact are noticed, too, and read
            self.say("tend")

    def status(self):
        return json.loads(self.say("status"))

    def counters(self):
        return json.loads(self.say("counters"))

    def rule(self, number):
        return self.counters()["rules"][str(number)]

    def kill(self):
        self.process.kill()
        self.process.wait()


class Lab:
    def __init__(self, program):
        tag = f"orbt-{os.getpid()}"
        self.program = program
        self.client, self.router, self.server = f"{tag}-c", f"{tag}-r", f"{tag}-s"
        self.directory = tempfile.mkdtemp(prefix=f"{tag}-")
        self.bpffs = f"/run/{tag}/bpf"
        self.children = []
        self.extra = []  # namespaces of a test's own
        atexit.register(self.close)
        for name in (self.client, self.router, self.server):
            sh(f"ip netns add {name}; ip -n {name} link set lo up; ip netns exec {name} sysctl -qw "
               "net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0")
        self.wire("c0", self.client, "r0", 1)
        self.wire("s0", self.server, "r1", 2)
        sh(f"ip netns exec {self.router} sysctl -qw net.ipv4.ip_forward=1 "
           "net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000 "
           "net.ipv6.icmp.ratelimit=0")  # a refusal each time, however quick the next one comes

    def wire(self, host, namespace, port, net):
        sh(f"ip link add {host} netns {namespace} type veth peer name {port} netns {self.router}")
        for name, dev, end in ((namespace, host, 2), (self.router, port, 1)):
            sh(f"ip -n {name} addr add 10.200.{net}.{end}/24 dev {dev}; "
               f"ip -n {name} addr add fd00:200:{net}::{end}/64 dev {dev} nodad; "
               f"ip -n {name} link set {dev} up")
        sh(f"ip -n {namespace} route add default via 10.200.{net}.1; "
           f"ip -n {namespace} -6 route add default via fd00:200:{net}::1")
        for _ in range(100):  # carrier comes first, IPv6 a little later
            if all(sh(f"ip netns exec {namespace} ping -c1 -W0.2 {a} >/dev/null && echo yes", check=False)
                   for a in (f"10.200.{net}.1", f"fd00:200:{net}::1")):
                return
        raise RuntimeError(f"{host} does not reach the router")

    def has_vlans(self):
        name = f"ip -n {self.client} link"
        return "added" in sh(f"{name} add link c0 name c0.9 type vlan id 9 && "
                             f"{name} del c0.9 && echo added", check=False)

    def offload(self, on):
        """XDP does not see that a local sender left the checksum to the card."""
        for name, dev in ((self.client, "c0"), (self.server, "s0")):
            sh(f"nsenter --net=/run/netns/{name} ethtool -K {dev} tx {'on' if on else 'off'} gro on")

    def inside(self, name):
        return ["nsenter", f"--net=/run/netns/{name}"]

    def run(self, name, command, check=True, text=None):
        r = netspace.run(self.inside(name) + command, input=text, capture_output=True, text=True)
        if check and r.returncode:
            raise RuntimeError(f"{command}: {r.stdout}{r.stderr}")
        return r.stdout

    def python(self, name, code, *arguments):
        return self.run(name, [sys.executable, "-Sc", "import socket, struct, sys, time\n" + code,
                               *map(str, arguments)])

    def start(self, name, command, **more):
        child = subprocess.Popen(self.inside(name) + command, text=True, **more)
        self.children.append(child)
        return child

    def echo(self, protocol, port, family=4, name=None):
        """A server that sends back what it gets, after saying that it listens."""
        child = self.start(name or self.server,
                           [sys.executable, "-S", __file__, "echo", protocol, str(port), str(family)],
                           stdout=subprocess.PIPE)
        assert child.stdout.readline() == "ready\n"
        return child

    def assure(self):
        assure(self.router)

    def talk(self, protocol, host, port, count=20, pause=0.0, size=200, name=None, wait=5.0, assured=False):
        """Sends count messages and returns how many came back, and the source the server saw. assured: UDP is a stream to
        conntrack after the first of them."""
        out = self.run(name or self.client,
                       [sys.executable, "-S", __file__, "talk", protocol, host, str(port), str(count),
                        str(pause), str(size), str(wait), self.router if assured else ""])
        answer = json.loads(out)
        return answer["got"], answer["seen"]

    def dpctl(self, *options, before=()):
        child = Dpctl(self, *options, before=before)
        self.children.append(child.process)
        return child

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        for name in (self.client, self.router, self.server, *self.extra):
            sh(f"ip netns del {name}", check=False)
        sh(f"umount {self.bpffs}; rmdir {self.bpffs} {os.path.dirname(self.bpffs)}", check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


def policy(mode, rules, **more):
    base = {
        "ports": {"r0": {"fast-path": mode}, "r1": {"fast-path": mode}},
        "zones": {"lan": {"interfaces": ["r0"]}, "wan": {"interfaces": ["r1"]}},
        "default": {"forward": "drop", "input": "accept", "output": "accept"},
        "rules": rules,
    }
    base.update(more)
    return base


def lost(ping_output):
    """(sent, received) of ping's last lines."""
    m = re.search(r"(\d+) packets transmitted, (\d+) received", ping_output)
    return int(m[1]), int(m[2])


def check(what, holds):
    print(("ok - " if holds else "not ok - ") + what, flush=True)
    if not holds:
        sys.exit(1)


def serve_echo(protocol, port, family):
    import socket
    import threading
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    s = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::" if family == 6 else "0.0.0.0", port))
    if protocol == "tcp":
        s.listen(16)
    print("ready", flush=True)

    def one(c, peer):
        try:
            c.sendall((peer[0] + "\n").encode())
            while data := c.recv(65536):
                c.sendall(data)
        except OSError:
            pass  # the client was cut off, which is what some tests want
        c.close()

    while True:
        if protocol == "tcp":
            threading.Thread(target=one, args=s.accept(), daemon=True).start()
        else:
            data, peer = s.recvfrom(65536)
            s.sendto(peer[0].encode().ljust(len(data), b" "), peer)


def assure(router):
    """UDP conversations of the router become streams to conntrack at once, not after two seconds of talking."""
    if not assured.there(router, 5):
        raise RuntimeError("no UDP conversation was answered")


def talk(protocol, host, port, count, pause, size, wait, router=""):
    import socket
    got, seen = 0, ""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(wait)
    try:
        s.connect((host, port))
        if protocol == "tcp":
            while not seen.endswith("\n"):
                seen += s.recv(1).decode()
        for number in range(count):
            if number == 1 and router and protocol == "udp":
                assure(router)
            s.send(b"x" * size)
            data = b""
            while len(data) < size:
                more = s.recv(65536)
                if not more:
                    raise OSError
                data += more
            if protocol == "udp":
                seen = data.decode()
            got += 1
            time.sleep(pause)
    except OSError:
        pass
    print(json.dumps({"got": got, "seen": seen.strip()}))


if __name__ == "__main__":
    if sys.argv[1] == "echo":
        serve_echo(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        a = sys.argv
        talk(a[2], a[3], int(a[4]), int(a[5]), float(a[6]), int(a[7]), float(a[8]), *a[9:])
