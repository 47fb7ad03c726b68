"""An appliance whose packages fail on request at the worst moment (wrapper.c), and the state of the kernel, the store
and the services."""
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "lib"))
from appliance import Appliance, Failed, Tap, expect, need_root, run  # noqa: E402,F401
import elf  # noqa: E402
import fastpath  # noqa: E402

SERVICES = ("interfaces", "routing", "firewall", "acme-probe")
PHASES = ("prepare", "apply", "abort")
LOOK = ("ip -j addr && echo ---- && ip -j -4 route show table all && echo ---- && ip -j -6 route show table all && "
        "echo ---- && nft -s list table inet orbital")
DEADLINE_S = {"prepare": 10, "apply": 20, "abort": 20}


def tree(new, text):
    """The old or the new configuration: each service, each kind of kernel state differs. text: the
    faults, or a note."""
    far = "10.1.0.2" if not new else "10.1.0.3"
    return {
        "interfaces": {
            "lo": {"description": text},
            "lan0": {"addresses": ["10.1.0.1/24", "2001:db8:1::1/64"] if not new else
                     ["10.1.0.1/24", "10.9.0.1/24", "2001:db8:9::1/64"], "mtu": 1400 if new else 1500},
            "wan0": {"addresses": ["192.0.2.2/24"]},
            "dmz0": {},
        },
        "routing": {"static": {
            "0.0.0.0/0": {"next-hops": {"192.0.2.1": {"interface": "wan0"}}},
            "10.50.0.0/16": {"next-hops": {far: {"interface": "lan0"}}},
            **({"10.60.0.0/16": {"next-hops": {"10.9.0.2": {"interface": "lan0"}}}} if new else {})}},
        "firewall": {
            "zones": {"lan": {"interfaces": ["lan0"] if not new else ["lan0", "dmz0"]},
                      "wan": {"interfaces": ["wan0"]}},
            "default": {"input": "drop", "forward": "drop"},
            "rules": {"10": {"from": "lan", "to": "wan", "protocol": "tcp", "action": "accept",
                             "destination-ports": [80 if not new else 443]},
                      **({"20": {"from": "wan", "to": "lan", "action": "drop"}} if new else {})},
            "nat": {"source": {"10": {"to": "wan"}} if not new else {}},
        },
        "acme-probe": {"greeting": text, "targets": {"new" if new else "old": {"address": "10.1.0.9"}}},
        "services": {"acme-probe": {"enabled": True, "grants": ["config.read:/acme-probe"]}},
    }


def wrap(library, wrapper, calls):
    """Puts the wrapper in the place of a package's library; it answers those of calls that there are."""
    real = os.path.join(os.path.dirname(library), "real.so")
    os.rename(library, real)
    shutil.copy(wrapper, library)
    for path in (library, real):
        os.chmod(path, 0o755)
    return elf.take_away(real, calls)


def without_counts(table):
    """The rules: chains and sets in the order of their names, without what is counted there."""
    text = re.sub(r'generation \d+|\t\telements = \{[^}]*counter[^}]*\}\n', "", table)
    return "\n\n".join(sorted(block.rstrip("}\n") for block in text.split("\n\n")))


class Lost(Failed):
    """The kernel, the store and the services do not agree."""


class Box(Appliance):
    def __init__(self, build, name, wrapper):
        super().__init__(build, name, dataplane=True,
                         links=[("lan0", "lan1"), ("wan0", "wan1"), ("dmz0", "dmz1")])
        self.wrapper, self.shipped = wrapper, self.packages
        self.seen = {}  # "old", "new": what the kernel looks like
        self.ordinary_s = 0.0  # what a commit without faults took last

    def __enter__(self):
        super().__enter__()
        try:
            self.lay_out()
            run(*self.inside("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0",
                             "net.ipv6.conf.default.accept_dad=0"))
            for link in ("lan0", "wan0", "dmz0"):
                run(*self.inside("sysctl", "-qw", f"net.ipv6.conf.{link}.accept_dad=0"))
        except Exception:
            self.__exit__()
            raise
        return self

    def lay_out(self):
        """The packages, with the wrapper in the place of each subscriber's library."""
        where = f"{self.dir}/packages"
        for folder in self.shipped:
            shutil.copytree(folder, where, dirs_exist_ok=True)
        for name in SERVICES:
            wrap(f"{where}/{name}/lib/{name}.so", self.wrapper, ["orb_config_done"])
        os.chmod(where, 0o755)
        self.packages = [where]

    def start(self, wait=True, env=None):
        """As an appliance starts, with more time: several at once, on a machine that does other things."""
        super().start(wait=False, env=env)
        if wait:
            self.until_operational(90)
        return self.daemon

    # ---- what is there ----

    def kernel(self):
        """Everything in the kernel that the configuration decides, one text a part."""
        done = run(*self.inside("sh", "-c", LOOK), check=False)
        if done.returncode:  # such as a table that another program has just removed
            raise Lost(f"the kernel cannot be read: {done.stderr.strip()}")
        text = done.stdout
        addresses, routes4, routes6, table = text.split("----\n")
        links = [(a["ifname"], a["mtu"], "UP" in a["flags"],
                  [(i["local"], i["prefixlen"]) for i in a["addr_info"] if i["scope"] != "link"])
                 for a in json.loads(addresses)]
        routes = sorted(json.dumps(r, sort_keys=True) for r in json.loads(routes4) + json.loads(routes6)
                        if not r["dst"].startswith("fe80"))
        return {"links": "\n".join(map(str, links)), "routes": "\n".join(routes),
                "nftables": without_counts(table), "fast path": fastpath.enforced(f"{self.dir}/bpf")}

    def matches(self, which):
        """What of the kernel is not as in which, and how; "" when all is."""
        now, seen = self.kernel(), self.seen[which]
        odd = [part for part in now if now[part] != seen[part]]
        lines = [line for part in odd for line in difflib.unified_diff(
            seen[part].split("\n"), now[part].split("\n"), lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))]
        return f"{', '.join(odd)}: {'; '.join(lines)[:900]}" if odd else ""

    def services(self):
        return {s["name"]: s for s in self.json("show", "services")["services"]}

    def running(self):
        got = self.call("config", "get", {"path": ""})
        return got["revision"], got["value"]["acme-probe"]["targets"]

    def agreed(self):
        """"old" or "new" by the state of the store, all services and the kernel; raises if they differ."""
        for name, service in self.services().items():
            if service["state"] != "Running":
                raise Lost(f"{name} is {service['state']}")
        for s in self.call("config", "subscribers")["subscribers"]:
            if s["state"] != "attached":
                raise Lost(f"{s['service']} is {s['state']} to the config service")
        revision, targets = self.running()
        which = next(iter(targets))
        probe = self.call("acme-probe", "status")
        if list(probe["targets"]) != [which] or probe["revision"] != revision:
            raise Lost(f"the store is on {revision} ({which}), acme-probe on {probe['revision']} "
                       f"({', '.join(probe['targets'])})")
        odd = self.matches(which)
        if odd:
            raise Lost(f"the store is on {which}, not so the kernel: {odd}")
        return which

    def settle(self, seconds):
        return self.until(seconds, self.agreed, "store, services and kernel agree")

    # ---- commits ----

    def edit(self, new, text):
        self.ctl("config", "load", "-", "--replace", stdin=json.dumps(tree(new, text)))

    def commit(self, new, text):
        begin = time.monotonic()
        self.edit(new, text)
        self.ctl("config", "commit")
        self.ordinary_s = time.monotonic() - begin

    def begin_commit(self):
        return subprocess.Popen([f"{self.build}/orbctl", "--wait", "0", "config", "commit"], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env={**os.environ, "ORBITAL_SOCKET": f"{self.dir}/run/control.sock"})

    def learn(self):
        """Both revisions as they look without any fault."""
        for new, which in ((False, "old"), (True, "new"), (False, "old")):
            self.commit(new, which)
            now = self.kernel()
            if which in self.seen:
                odd = [p for p in now if now[p] != self.seen[which][p]]
                expect(not odd, "the same configuration twice is not the same kernel:\n" + "\n".join(
                    line for p in odd for line in difflib.unified_diff(
                        self.seen[which][p].split("\n"), now[p].split("\n"), lineterm="", n=0)))
            self.seen[which] = now
        same = [p for p in self.seen["old"] if self.seen["old"][p] == self.seen["new"][p]]
        expect(not same, f"old and new do not differ in {same}")

    def reached(self, begin):
        """Was the fault reached, by the log behind the offset begin?"""
        with open(f"{self.dir}/log", errors="replace") as f:
            f.seek(begin)
            return re.search(r"fault\.reached", f.read())
