"""A real appliance between two hosts, for what its filter does when others interfere."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Failed, Tap, expect, need_root, run  # noqa: E402,F401

CONFIG = {
    "interfaces": {"lan0": {"addresses": ["10.1.0.1/24"], "fast-path": "tcx"},
                   "wan0": {"addresses": ["192.0.2.2/24"], "fast-path": "tcx"}},
    "firewall": {"zones": {"lan": {"interfaces": ["lan0"]}, "wan": {"interfaces": ["wan0"]}},
                 "default": {"input": "drop", "forward": "drop"},
                 "rules": {"10": {"from": "lan", "to": "wan", "protocol": "icmp", "action": "accept"}},
                 "nat": {"source": {"10": {"to": "wan"}}}}}


class Box(Appliance):
    """lan0 and wan0, whose other ends are hosts in namespaces of their own."""

    def build_up(self):
        for name, link, address, other in (("lan", "lan0", "10.1.0.2/24", "10.1.0.1"),
                                           ("wan", "wan0", "192.0.2.1/24", "192.0.2.2")):
            run("ip", "-n", self.host(name, link, address), "route", "add", "default", "via", other)

    def pings(self, host, to, wait=1):
        return run("ip", "netns", "exec", f"{self.ns}-{host}", "ping", "-c1", f"-W{wait}", to,
                   check=False).returncode == 0

    def nft(self, *words, check=True):
        return run(*self.inside("nft", *words), check=check).stdout

    def table(self):
        return self.nft("list", "table", "inet", "orbital", check=False)

    def sysctl(self, name, value=None):
        if value is not None:
            run(*self.inside("sysctl", "-qw", f"{name}={value}"))
        return run(*self.inside("sysctl", "-n", name)).stdout.strip()

    def right(self):
        """The policy holds: what is allowed passes, on a busy machine late, what is refused does not."""
        return self.pings("lan", "192.0.2.1", 5) and not self.pings("wan", "192.0.2.2")

    def reboot(self):
        """Nothing of a daemon is left in the kernel: no table, pins or addresses."""
        self.nft("flush", "ruleset")
        run("umount", f"{self.dir}/bpf")
        run("mount", "-t", "bpf", "bpf", f"{self.dir}/bpf")
        for link in ("lan0", "wan0"):
            run(*self.inside("ip", "addr", "flush", "dev", link))
            run(*self.inside("ip", "link", "set", link, "down"))
        shutil.rmtree(f"{self.dir}/run", ignore_errors=True)
        if os.path.exists(f"{self.dir}/state/found-settings"):
            os.unlink(f"{self.dir}/state/found-settings")  # void: another boot has another boot_id

    def commit(self, config):
        """The whole configuration."""
        self.ctl("config", "load", "-", "--replace", stdin=json.dumps(config))
        if self.json("config", "diff")["changes"]:
            self.ctl("config", "commit")

    def configure(self, config=None):
        self.mark = 0
        self.start()
        self.commit(config or CONFIG)
        self.until(10, self.right, "the policy holds")
        self.seen()

    def logged(self):
        """What the log has since the last seen()."""
        return self.log_text()[self.mark:]

    def seen(self):
        self.mark = len(self.log_text())

    def file(self, text):
        with open(f"{self.dir}/given", "w") as f:
            f.write(text)
        return f.name

    def index(self, link):
        return json.loads(run(*self.inside("ip", "-j", "link", "show", "dev", link)).stdout)[0]["ifindex"]


def is_closed(box):
    return not (box.pings("lan", "192.0.2.1") or box.pings("wan", "192.0.2.2") or box.pings("lan", "10.1.0.1"))
