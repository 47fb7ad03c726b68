"""What a storm does to an appliance: links, addresses, routes and neighbours that come and go, another program that flushes nftables, takes programs away and switches settings, services that die, commits meanwhile."""
import collections
import contextlib
import glob
import os
import random
import re
import signal

import fastpath
from lab import SERVICES, Failed, run


class Storm:
    def __init__(self, box, seed, hosts_too=False):
        self.box, self.random = box, random.Random(seed)
        self.done = {}
        self.actions = [(self.link_flaps, 4), (self.far_link_flaps, 4), (self.address_is_removed, 4),
                        (self.mtu_changes, 2), (self.route_is_removed, 4), (self.route_is_replaced, 2),
                        (self.neighbours_change, 3), (self.rules_are_flushed, 3), (self.program_is_removed, 2),
                        (self.setting_changes, 2), (self.service_dies, 2), (self.commits, 4)]
        if hosts_too:
            self.actions.append((self.host_dies, 1))

    def blow(self):
        """One action. A command of its own that fails (nothing there any more) is no fault."""
        action = self.random.choices([a for a, _ in self.actions], [w for _, w in self.actions])[0]
        self.done[action.__name__] = self.done.get(action.__name__, 0) + 1
        action()

    def ip(self, *args):
        run(*self.box.inside("ip", *args), check=False)

    def link_flaps(self):
        link = self.random.choice(("lan0", "wan0", "dmz0"))
        self.ip("link", "set", link, "down")
        self.ip("link", "set", link, "up")  # one that a user took down stays down

    def far_link_flaps(self):
        link = self.random.choice(("lan1", "wan1", "dmz1"))
        self.ip("link", "set", link, "down")
        self.ip("link", "set", link, "up")

    def address_is_removed(self):
        address, link = self.random.choice((("10.1.0.1/24", "lan0"), ("192.0.2.2/24", "wan0"),
                                            ("10.9.0.1/24", "lan0"), ("2001:db8:1::1/64", "lan0")))
        self.ip("addr", "del", address, "dev", link)

    def mtu_changes(self):
        self.ip("link", "set", "lan0", "mtu", str(self.random.choice((1280, 1492, 9000))))

    def route_is_removed(self):
        self.ip("route", "del", self.random.choice(("default", "10.50.0.0/16", "10.60.0.0/16")))

    def route_is_replaced(self):
        self.ip("route", "replace", "10.50.0.0/16", "via", "192.0.2.77", "dev", "wan0")

    def neighbours_change(self):
        for _ in range(20):
            n = self.random.randrange(2, 250)
            self.ip("neigh", "replace", f"10.1.0.{n}", "lladdr", f"02:00:00:00:00:{n:02x}", "dev", "lan0")
        self.ip("neigh", "flush", "dev", "lan0")

    def rules_are_flushed(self):
        what = self.random.choice((("flush", "ruleset"), ("delete", "table", "inet", "orbital"),
                                   ("flush", "chain", "inet", "orbital", "forward")))
        run(*self.box.inside("nft", *what), check=False)

    def program_is_removed(self):
        links = glob.glob(f"{self.box.dir}/bpf/link_*")
        if links:
            try:
                fastpath.detach(self.random.choice(links))
            except OSError:
                pass  # it has just been replaced

    def setting_changes(self):
        run(*self.box.inside("sysctl", "-qw", self.random.choice((
            "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0",
            "net.netfilter.nf_conntrack_tcp_be_liberal=0"))), check=False)

    def kill(self, name):
        pid = self.box.service(name).get("pid")
        if pid:
            os.kill(pid, signal.SIGKILL)

    def service_dies(self):
        try:
            self.kill(self.random.choice((*SERVICES, "config")))
        except (Failed, ProcessLookupError, KeyError):
            pass  # the service that would notify it is down, or it had ended already

    def commits(self):
        new = self.random.random() < 0.5
        try:
            self.box.commit(new, f"storm {self.random.random()}")
        except Failed:
            self.box.ctl("config", "discard", ok=False)  # refused in a storm: all stays as it was

    def host_dies(self):
        self.box.kill(signal.SIGKILL)
        self.box.start(wait=False)


def kinds_of_descriptors(pid):
    """What the descriptors of pid lead to, numbers left out, and how many of each."""
    kinds = collections.Counter()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            kinds[re.sub(r"[0-9]+", "", os.readlink(f"/proc/{pid}/fd/{fd}"))] += 1
    return kinds


class Belongings:
    """What the appliance holds of the machine."""

    def __init__(self, box):
        host = find_host(box)
        self.kinds = kinds_of_descriptors(host)
        self.descriptors = sum(self.kinds.values())
        self.zombies = sum(state_of(p) == "Z" for p in children(host))
        self.processes = len(children(host))
        self.cgroups = sorted(os.path.basename(p) for p in cgroups(box.instance, "*"))
        self.pins = sorted(box.pins())

    def more_than(self, before):
        """What is more than before in words, "" when nothing is."""
        found = []
        for name in ("descriptors", "zombies", "processes"):
            if getattr(self, name) > getattr(before, name):
                found.append(f"{getattr(self, name)} {name}, {getattr(before, name)} before")
        if self.descriptors > before.descriptors:
            found.append(f"of these {dict(self.kinds - before.kinds)}")
        for name in ("cgroups", "pins"):
            if getattr(self, name) != getattr(before, name):
                found.append(f"{name} {getattr(self, name)}, {getattr(before, name)} before")
        return "; ".join(found)


def find_host(box):
    """The daemon behind nsenter, which executes it in its own place."""
    return box.daemon.pid


def stat_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()


def state_of(pid):
    try:
        return stat_of(pid)[0]
    except FileNotFoundError:
        return ""


def children(pid):
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if stat_of(name)[1] == str(pid):
                found.append(int(name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def cgroups(instance, below=""):
    return [p for p in glob.glob(f"/sys/fs/cgroup/**/orbital-{instance}/{below}", recursive=True)
            if os.path.isdir(p)]
