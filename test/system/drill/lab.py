"""A machine that was "rebooted" between an office and the Internet, for the cold-start drill.

Nothing of an earlier daemon is left in the kernel: no table, no pins, no addresses, links down, an empty run directory
(it is on a tmpfs). Forwarding is on already, as by sysctl.d. Only the state
directory is from before, with a configuration that accepts one flow and refuses all else."""
import contextlib
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "lib"))
from appliance import Appliance, Failed, Tap, expect, need_root, run  # noqa: E402,F401

CONFIG = {
    "interfaces": {
        "lan0": {"addresses": ["10.1.0.1/24", "2001:db8:1::1/64"]},
        "wan0": {"addresses": ["192.0.2.2/24", "2001:db8:2::2/64"]},
        "dmz0": {"addresses": ["10.3.0.1/24"], "mtu": 1500},
    },
    "routing": {"static": {"0.0.0.0/0": {"next-hops": {"192.0.2.1": {"interface": "wan0"}}}}},
    "firewall": {
        "zones": {"lan": {"interfaces": ["lan0"]}, "wan": {"interfaces": ["wan0"]}},
        "default": {"input": "drop", "forward": "drop"},
        "rules": {"10": {"from": "lan", "to": "wan", "action": "accept"}},
        "nat": {"source": {"10": {"to": "wan"}}},
    },
}


class Machine(Appliance):
    """The appliance, two hosts beside it and what they see."""

    def __init__(self, build, name):
        super().__init__(build, name, dataplane=True)
        self.packages = [f"{build}/packages"]
        self.hosts, self.traffic, self.mounts = {}, {}, []
        self.callback = None  # called with the machine once the daemon has ended

    def __enter__(self):
        super().__enter__()
        try:
            self.wire()
        except Exception:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for p in self.traffic.values():
            with contextlib.suppress(BrokenPipeError):  # not sent any more: it has ended
                p.stdin.close()
            p.wait(60)
        self.traffic = {}
        self.kill_quietly()
        if self.callback:
            self.callback(self)
        for path in reversed(self.mounts):
            run("umount", path, check=False)
        self.mounts = []
        for ns in self.hosts.values():
            run("ip", "netns", "del", ns, check=False)
        super().__exit__()

    def kill_quietly(self):
        try:
            self.kill(15)
        except Failed:
            pass  # it was killed hard

    def at(self, host, *args, **kw):
        return run("nsenter", f"--net=/run/netns/{self.hosts[host]}", "--", *args, **kw)

    def wire(self):
        for host in ("office", "inet"):
            self.hosts[host] = f"{self.ns}-{host}"
            run("ip", "netns", "add", self.hosts[host])
            self.at(host, "ip", "link", "set", "lo", "up")
        for ns in (self.ns, *self.hosts.values()):
            run("nsenter", f"--net=/run/netns/{ns}", "--", "sysctl", "-qw",
                "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
        for link, host, name in (("lan0", "office", "eth0"), ("wan0", "inet", "eth0")):
            run("ip", "link", "add", link, "netns", self.ns, "type", "veth", "peer", "name", name,
                "netns", self.hosts[host])
            self.at(host, "ethtool", "-K", name, "gro", "on", "tx", "off", check=False)
            self.at(host, "ip", "link", "set", name, "up")
        self.addresses()

    def addresses(self):
        for a in (("10.1.0.2/24",), ("2001:db8:1::2/64", "nodad")):
            self.at("office", "ip", "addr", "add", *a, "dev", "eth0")
        self.at("office", "ip", "route", "add", "default", "via", "10.1.0.1")
        for a in (("192.0.2.1/24",), ("2001:db8:2::1/64", "nodad")):
            self.at("inet", "ip", "addr", "add", *a, "dev", "eth0")
        self.at("inet", "ip", "addr", "add", "198.51.100.10/32", "dev", "lo")
        self.at("inet", "ip", "route", "add", "10.1.0.0/24", "via", "192.0.2.2")
        self.at("inet", "ip", "-6", "route", "add", "2001:db8:1::/64", "via", "2001:db8:2::2")

    def dmz(self, how="card"):
        """The third card: there, one that takes no large packets, or (None) not there at all."""
        link = ("ip", "link", "add")
        if how == "card":
            run(*self.inside(*link, "dmz0", "type", "veth", "peer", "name", "dmz0-far"))
            run(*self.inside("ip", "link", "set", "dmz0-far", "up"))
        elif how == "small":
            run(*self.inside(*link, "below", "mtu", "1280", "type", "veth", "peer", "name", "below-far"))
            run(*self.inside(*link, "dmz0", "link", "below", "type", "macvlan"))

    def state_on_tmpfs(self, size="64m"):
        os.makedirs(f"{self.dir}/state", exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "orbt-state", f"{self.dir}/state")
        self.mounts.append(f"{self.dir}/state")

    def switch_forwarding_on(self):
        run(*self.inside("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"))

    def begin_traffic(self):
        for role, ns in (("listener", self.ns), ("office", self.hosts["office"]), ("inet", self.hosts["inet"])):
            self.traffic[role] = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{ns}", "--", sys.executable, "-S", f"{HERE}/traffic.py", role],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def counts(self):
        """What all have counted so far, in one dictionary."""
        all_counts = {}
        for role, p in self.traffic.items():
            p.stdin.write("\n")
            p.stdin.flush()
            for key, value in json.loads(p.stdout.readline()).items():
                all_counts[f"{role}.{key}" if key == "sent" else key] = value
        return all_counts

    def probed(self, more):
        """Waits until each side was able to send so many more rounds of probes."""
        begin = self.counts()

        def enough():
            now = self.counts()
            return all(now[k] - begin[k] >= more for k in ("office.sent", "inet.sent"))
        self.until(60, enough, f"{more} more rounds of probes")


def make_template(build, where):
    """A state directory with CONFIG and some history, as the machine left it before the reboot."""
    with Machine(build, "drill-make") as box:
        box.dmz()
        box.start()
        for note in ("first", "second", "third"):
            box.ctl("config", "set", "interfaces", "lo", "description", note)
            box.ctl("config", "commit")
        box.ctl("config", "load", "-", stdin=json.dumps(CONFIG))
        box.ctl("config", "commit")
        for note in ("fourth", "fifth"):
            box.ctl("config", "set", "interfaces", "lan0", "description", note)
            box.ctl("config", "commit")
        box.ctl("token", "create", "anne", "operator")
        box.kill(15)
        run("cp", "-a", f"{box.dir}/state", where)
