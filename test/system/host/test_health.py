#!/usr/bin/env python3
"""The table of faults: each is injected into a running or a starting appliance, must be named by
`show health` with its level, and must be gone from it once it is mended.

    test_health.py BUILD OLD-CLOCK-LIBRARY [ROW]..."""
import json
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Failed, Tap, expect, need_root, run  # noqa: E402

need_root()
build, clock = sys.argv[1:3]
only = sys.argv[3:]
tap = Tap()

CONFIG = {
    "interfaces": {
        "lan0": {"addresses": ["10.1.0.1/24", "2001:db8:1::1/64"], "description": "office"},
        "wan0": {"addresses": ["192.0.2.2/24"]},
        "wan1": {"addresses": ["203.0.113.2/24"]},
    },
    "routing": {"static": {
        "0.0.0.0/0": {"next-hops": {"192.0.2.1": {"interface": "wan0"}}},
        "198.51.100.0/24": {"next-hops": {"203.0.113.1": {"interface": "wan1"}}}}},
    "firewall": {"zones": {"lan": {"interfaces": ["lan0"]}, "wan": {"interfaces": ["wan0", "wan1"]}},
                 "default": {"input": "accept", "forward": "drop"},
                 "rules": {"10": {"from": "lan", "to": "wan", "action": "accept"}}},
    "services": {"acme-probe": {"enabled": True, "grants": ["config.read:/acme-probe"]}},
}


class Box(Appliance):
    def __init__(self, name):
        super().__init__(build, name, dataplane=True)
        self.far = f"{self.ns}-far"
        self.more = []
        self.prefix = []  # of the daemon's command, inside the namespace

    def command(self, *more):
        command = super().command(*more, *self.more)
        at = command.index("--") + 1
        return command[:at] + self.prefix + command[at:]

    def __enter__(self):
        super().__enter__()
        try:
            run("ip", "netns", "add", self.far)
            for link in ("lan0", "wan0", "wan1"):
                self.wire(link)
            os.makedirs(f"{self.dir}/state")
            run("mount", "-t", "tmpfs", "-o", "size=48m,nr_inodes=4000,mode=0755", "orbt-state", f"{self.dir}/state")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.kill(signal.SIGTERM)
        run("umount", f"{self.dir}/state", check=False)
        run("ip", "netns", "del", self.far, check=False)
        super().__exit__()

    def wire(self, link):
        run("ip", "link", "add", link, "netns", self.ns, "type", "veth", "peer", "name", f"far-{link}", "netns", self.far)
        run("ip", "-n", self.far, "link", "set", f"far-{link}", "up")

    def sh(self, *args, check=True):
        return run(*self.inside(*args), check=check).stdout

    def health(self):
        done = self.ctl("--json", "show", "health", ok=False)
        report = json.loads(done.stdout)
        expect(done.returncode == ["ok", "degraded", "failed"].index(report["verdict"]),
               f"exit status {done.returncode} of {report['verdict']}")
        return report

    def reason(self, level, *words):
        """The first reason of that level that contains all words."""
        for r in self.health()["reasons"]:
            if r["level"] == level and all(w in json.dumps(r) for w in words):
                return r
        return None

    def load(self, config):
        self.ctl("config", "load", "-", "--replace", stdin=json.dumps(config))
        self.ctl("config", "commit")

    def fine(self, seconds=20):
        try:
            self.until(seconds, lambda: self.health()["verdict"] == "ok", "health ok")
        except Failed as e:
            raise Failed(f"{e}: {json.dumps(self.health()['reasons'])}") from None

    def pid(self, service):
        return self.service(service)["pid"]

    def logged(self, start, *words):
        with open(f"{self.dir}/log", errors="replace") as f:
            f.seek(start)
            return any(all(w in line for w in words) for line in f)

    def log_end(self):
        return os.path.getsize(f"{self.dir}/log")


# ---- faults of a running appliance: (name, level, words of the reason, inject, heal) ----

def stop(name):
    return (lambda box: box.ctl("service", "stop", name), lambda box: box.ctl("service", "start", name))


def stopped(name, level):
    return (f"{name} is stopped by a user", level, [f"{name} was stopped by root"], *stop(name))


def fill(box):
    with open(f"{box.dir}/state/filler", "wb") as f:
        f.write(b"\0" * (45 << 20))


def unfill(box):
    os.unlink(f"{box.dir}/state/filler")


def fill_all(box):
    """Not one byte is left: records of the log are lost as well."""
    fd = os.open(f"{box.dir}/state/filler", os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(fd, b"\0" * 4096):
            pass
    except OSError:
        os.close(fd)
    box.until(20, lambda: box.ctl("service", "restart", "api") and box.reason("degraded", "% full"), "the disk is full")


def many_files(box):
    os.makedirs(f"{box.dir}/state/many")
    for n in range(3800):
        try:
            open(f"{box.dir}/state/many/{n}", "w").close()
        except OSError:
            return


def passed_by(box):
    """A commit changes the rules while the firewall is stopped: what the kernel has is another revision's."""
    box.ctl("service", "stop", "firewall")
    box.until(5, lambda: box.service("firewall")["state"] == "Disabled", "the firewall is stopped")
    box.ctl("config", "set", "firewall", "rules", "10", "action", "drop")
    box.ctl("config", "commit")


def caught_up(box):
    box.ctl("config", "set", "firewall", "rules", "10", "action", "accept")
    box.ctl("config", "commit")
    box.ctl("service", "start", "firewall")


def switched_off(value):
    def commit(box):
        box.ctl("config", "set", "services", "firewall", "enabled", value)
        box.ctl("config", "commit")
    return commit


def probe_fails(box):
    box.ctl("config", "set", "acme-probe", "crash-after-ms", "10")
    box.ctl("config", "commit")


def probe_mended(box):
    box.ctl("config", "delete", "acme-probe", "crash-after-ms")
    box.ctl("config", "commit")
    box.ctl("service", "start", "acme-probe")


def link_gone(link):
    def back(box):
        box.wire(link)
    return (lambda box: box.sh("ip", "link", "del", link), back)


def link_renamed(box):
    box.sh("ip", "link", "set", "wan1", "down")
    box.sh("ip", "link", "set", "wan1", "name", "ens9")


def link_renamed_back(box):
    box.sh("ip", "link", "set", "ens9", "down")
    box.sh("ip", "link", "set", "ens9", "name", "wan1")
    box.sh("ip", "link", "set", "wan1", "up")  # taken up again by who took it down


def ipv6(value):
    return lambda box: box.sh("sysctl", "-qw", f"net.ipv6.conf.lan0.disable_ipv6={value}")


def small_card(box):
    """wan1 is now a card that takes less than its configured MTU."""
    box.ctl("config", "set", "interfaces", "wan1", "mtu", "1400")
    box.ctl("config", "commit")
    box.sh("ip", "link", "del", "wan1")
    box.sh("ip", "link", "add", "below", "mtu", "1300", "type", "veth", "peer", "name", "below-far")
    box.sh("ip", "link", "add", "wan1", "link", "below", "type", "macvlan")


def old_card(box):
    box.sh("ip", "link", "del", "wan1")
    box.sh("ip", "link", "del", "below", check=False)
    box.wire("wan1")
    box.ctl("config", "delete", "interfaces", "wan1", "mtu")
    box.ctl("config", "commit")


def twin(family, address):
    """Another machine on the LAN answers for our address."""
    def inject(box):
        run("ip", "-n", box.far, *family, "addr", "add", address, "dev", "far-lan0", *(["nodad"] if family else []))
        if family:
            box.sh("ip", "-6", "addr", "del", address, "dev", "lan0")  # put back, and checked by DAD

    def heal(box):
        run("ip", "-n", box.far, *family, "addr", "del", address, "dev", "far-lan0")
        if family:
            box.sh("ip", "-6", "addr", "del", address, "dev", "lan0", check=False)
    return inject, heal


def twin4(box):
    """As above for IPv4: the other machine is noticed when it sends ARP requests."""
    run("ip", "-n", box.far, "addr", "add", "10.1.0.1/24", "dev", "far-lan0")
    run("ip", "netns", "exec", box.far, "ping", "-c1", "-W1", "10.1.0.99", check=False)


def twin4_gone(box):
    run("ip", "-n", box.far, "addr", "del", "10.1.0.1/24", "dev", "far-lan0")


def lock_in_the_way(box):
    """An administrator put something where the lock is; noticed by the next start."""
    box.kill(signal.SIGTERM)
    os.unlink(f"{box.dir}/state/lock")
    os.mkdir(f"{box.dir}/state/lock")
    box.start()


def lock_out_of_the_way(box):
    os.rmdir(f"{box.dir}/state/lock")


LIVE = [
    stopped("config", "failed"),
    stopped("interfaces", "degraded"),
    stopped("routing", "degraded"),
    stopped("firewall", "degraded"),
    stopped("api", "degraded"),
    stopped("acme-probe", "degraded"),
    ("the configuration moves on while the firewall is stopped", "failed",
     ["firewall was stopped by root", "follows revision", "changed it", "service start firewall"], passed_by, caught_up),
    ("the configuration switches off what it configures", "degraded", ["firewall is switched off"],
     switched_off("false"), switched_off("true")),
    ("a feature fails again and again", "degraded", ["acme-probe has failed"], probe_fails, probe_mended),
    ("the state directory is full", "degraded", ["% full"], fill, unfill),
    ("records of the log are lost", "degraded", ["are lost with the next restart"], fill_all, unfill),
    ("the data plane is taken away by a user", "failed", ["detached", "dataplane enable"],
     lambda box: box.ctl("dataplane", "detach", "--yes"), lambda box: box.ctl("dataplane", "enable")),
    ("the lock cannot be taken any more", "degraded", ["state/lock"], lock_in_the_way, lock_out_of_the_way),
    ("the state directory has no inodes", "degraded", ["(inodes)"], many_files,
     lambda box: shutil.rmtree(f"{box.dir}/state/many")),
    ("a link is gone", "degraded", ["interfaces", "wan1"], *link_gone("wan1")),
    ("the link of a next hop is gone", "degraded", ["routing", "198.51.100.0"], *link_gone("wan1")),
    ("a link has another name", "degraded", ["interfaces", "wan1"], link_renamed, link_renamed_back),
    ("a card takes no such MTU", "degraded", ["wan1", "mtu"], small_card, old_card),
    ("IPv6 is off on a link with such an address", "degraded", ["2001:db8:1::1"], ipv6(1), ipv6(0)),
    ("both links of the outside are gone", "degraded", ["interfaces", "wan0"],
     lambda box: (box.sh("ip", "link", "del", "wan0"), box.sh("ip", "link", "del", "wan1")),
     lambda box: (box.wire("wan0"), box.wire("wan1"))),
    ("the rule that leads to table main is gone", "degraded", ["routing", "table main"],
     lambda box: box.sh("ip", "rule", "del", "pref", "32766"), lambda box: box.sh("ip", "rule", "add", "pref", "32766", "lookup", "main")),
    ("the IPv6 rule that leads to table main is gone", "degraded", ["routing", "ip -6 rule", "table main"],
     lambda box: box.sh("ip", "-6", "rule", "del", "pref", "32766"),
     lambda box: box.sh("ip", "-6", "rule", "add", "pref", "32766", "lookup", "main")),
    ("the appliance does not find its own addresses", "degraded", ["routing", "table local"],
     lambda box: box.sh("ip", "rule", "del", "pref", "0"), lambda box: box.sh("ip", "rule", "add", "pref", "0", "lookup", "local")),
    ("a rule of others refuses everything", "degraded", ["routing", "policy rule 77", "refuses"],
     lambda box: box.sh("ip", "rule", "add", "pref", "77", "blackhole"), lambda box: box.sh("ip", "rule", "del", "pref", "77")),
    ("a port asks for no neighbours", "degraded", ["interfaces", "wan0", "NOARP"],
     lambda box: box.sh("ip", "link", "set", "wan0", "arp", "off"), lambda box: box.sh("ip", "link", "set", "wan0", "arp", "on")),
    ("another machine has our IPv4 address", "degraded", ["10.1.0.1"], twin4, twin4_gone),
    ("another machine has our IPv6 address", "degraded", ["2001:db8:1::1"], *twin(["-6"], "2001:db8:1::1/64")),
]


def live(box, level, words, inject, heal):
    try:
        inject(box)
        found = box.until(20, lambda: box.reason(level, *words), f"a reason of level {level} with {words}")
        expect(found["what"] and found["since-us"] > 0, f"{found}")
    except Failed as e:
        raise Failed(f"{e}: {json.dumps(box.health()['reasons'])}") from None
    finally:
        heal(box)
    try:
        box.until(20, lambda: not box.reason(level, *words), "the reason is removed")
    except Failed as e:
        raise Failed(f"{e}: {json.dumps(box.health()['reasons'])}") from None
    box.fine()


# ---- faults that are put right within a moment: (name, words of the records, inject) ----

MENDED = [
    ("the table of rules is flushed by another program", ["dataplane.", "table"], ["nft", "flush", "ruleset"]),
    ("the table of rules is deleted", ["dataplane.", "table"], ["nft", "delete", "table", "inet", "orbital"]),
    ("a rule is added to ours", ["dataplane.", "table"],
     ["nft", "insert", "rule", "inet", "orbital", "forward", "accept"]),
    ("forwarding is switched off", ["ip_forward"], ["sysctl", "-qw", "net.ipv4.ip_forward=0"]),
    ("an address is taken away", ["interfaces."], ["ip", "addr", "del", "10.1.0.1/24", "dev", "lan0"]),
    ("a route is taken away", ["routing."], ["ip", "route", "del", "default"]),
]


# ---- processes that are stopped: (service, level, words of the health report in the log meanwhile) ----

STILL = [
    ("config", "failed", ["health.changed", "failed: config is being restarted: no answer to ping"]),
    ("routing", "degraded", ["health.changed", "degraded: routing is being restarted: no answer to ping"]),
    ("firewall", "degraded", ["health.changed", "degraded: firewall is being restarted: no answer to ping"]),
]


def still(box, service, words):
    """Too short to be polled: the log record of the change is checked."""
    end, pid = box.log_end(), box.pid(service)
    os.kill(pid, signal.SIGSTOP)
    box.until(20, lambda: box.logged(end, *words), f"a record with {words}")
    box.until(20, lambda: box.service(service)["state"] == "Running" and box.pid(service) != pid, "it runs again")
    box.fine()


def picture(box):
    """What the kernel is to hold."""
    table = "\n".join(line for line in box.sh("nft", "-s", "list", "table", "inet", "orbital", check=False).splitlines()
                      if "generation" not in line)
    return (table, box.sh("sysctl", "-n", "net.ipv4.ip_forward"),
            sorted(box.sh("ip", "-br", "-4", "addr").split()), box.sh("ip", "route", "show", "default"))


def mended(box, words, command):
    before, end = picture(box), box.log_end()
    box.sh(*command)
    try:
        box.until(10, lambda: picture(box) == before, "the kernel is as before")
    except Failed as e:
        raise Failed(f"{e}: {picture(box)}, expected {before}") from None
    box.until(5, lambda: box.logged(end, *words), f"a record with {words}")
    box.fine()


# ---- faults at the start: one start may have several ----

def package(box, name, manifest=None, library=None):
    """A copy of a shipped package below the first package directory, spoilt."""
    folder = f"{box.dir}/packages"
    if not os.path.isdir(folder):
        shutil.copytree(f"{build}/packages", folder)
        box.packages = [folder, f"{build}/third-party", f"{box.dir}/extra"]
        os.makedirs(f"{box.dir}/extra", exist_ok=True)
    where = f"{folder}/{name}"
    if manifest is not None:
        with open(f"{where}/manifest.json", "w") as f:
            f.write(manifest)
    if library is not None:
        with open(f"{where}/lib/{name}.so", "w") as f:
            f.write(library)
    return where


def third_party(box, manifest=None, library=None):
    """As package(), of a package that is not shipped."""
    folder = f"{box.dir}/theirs"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(f"{build}/third-party", folder)
    for text, path in ((manifest, "manifest.json"), (library, "lib/acme-probe.so")):
        if text is not None:
            with open(f"{folder}/acme-probe/{path}", "w") as f:
                f.write(text)
    box.packages = [f"{build}/packages", folder]


PROBE = {"name": "acme-probe", "version": "1.0.0", "description": "fails when told to", "library": "lib/acme-probe.so",
         "phase": "features", "requires": ["config"], "uses": {"config": "1.0"}, "capabilities": ["config.read:/acme-probe"]}


def directory(path):
    """A directory is in the place of a file of the state."""
    def make(box):
        where = f"{box.dir}/state/{path}"
        if os.path.exists(where):
            os.unlink(where)
        os.makedirs(where)
    return make


def start(box, expected, prepare):
    """Stops, prepares, starts, and expects each (level, words) among the reasons."""
    box.kill(signal.SIGTERM)
    prepare(box)
    box.start(wait=False)
    try:
        for level, words in expected:
            box.until(30, lambda: box.reason(level, *words), f"a reason of level {level} with {words}")
    except Failed as e:
        raise Failed(f"{e}: {json.dumps(box.health()['reasons'])}") from None


def tokens(text):
    def write(box):
        with open(f"{box.dir}/state/auth/tokens.json", "w") as f:
            f.write(text)
    return write


def flipped(box):
    folder = f"{box.dir}/state/services/config"
    path = max((f"{folder}/{f}" for f in os.listdir(folder) if f.startswith("journal-")), key=os.path.getsize)
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 3)
        byte = f.read(1)[0]
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte ^ 1]))


def read_only(box):
    box.read_only_state()


def empty_packages(box):
    os.makedirs(f"{box.dir}/none", exist_ok=True)
    box.packages = [f"{box.dir}/none"]


def without(*names):
    def take(box):
        package(box, "api")
        for name in names:
            shutil.rmtree(f"{box.dir}/packages/{name}")
    return take


def safe_and_older(box):
    """The last revision known to run well is not the last one committed."""
    with open(f"{box.dir}/state/good-revision", "w") as f:
        f.write("1\n")
    box.more.append("--safe-mode")


def again(box):
    """All as it was."""
    shutil.rmtree(f"{box.dir}/packages", ignore_errors=True)
    box.packages = [f"{build}/packages", f"{build}/third-party"]
    box.more = []
    box.prefix = []


def crowd(box):
    """More packages than there may be."""
    folder = f"{box.dir}/crowd"
    shutil.rmtree(folder, ignore_errors=True)
    for n in range(150):
        where = f"{folder}/crowd-{n:03}"
        os.makedirs(f"{where}/lib")
        for file, key in (("manifest.json", "name"), ("schema.json", "interface")):
            with open(f"{build}/third-party/acme-probe/{file}") as f:
                tree = json.load(f)
            tree[key] = f"crowd-{n:03}"
            tree.pop("config", None)
            if key == "name":
                tree["capabilities"] = []
            with open(f"{where}/{file}", "w") as f:
                json.dump(tree, f)
    box.packages = [f"{build}/packages", folder]


def few_files(box):
    box.prefix = ["setpriv", "--bounding-set=-sys_resource", "prlimit", "--nofile=520:520"]


BOOT = [
    ("no package at all", [("failed", ["no package was found"])], empty_packages),
    ("no configuration service", [("failed", ["configuration service"])], without("config")),
    ("a configured firewall whose package is not there", [("failed", ["/firewall is configured", "no installed package"])],
     without("firewall")),
    ("neither interfaces nor routing", [("failed", ["/interfaces is configured"]), ("failed", ["/routing is configured"])],
     without("interfaces", "routing")),
    ("a shipped package with a manifest that is none", [("failed", ["routing", "refused"])],
     lambda box: package(box, "routing", manifest="{")),
    ("more packages than there may be", [("degraded", ["crowd-123", "more than 128 packages"]),
                                         ("degraded", ["more packages were refused", "crowd-149"])], crowd),
    ("few open files", [("degraded", ["files open"])], few_files),
    ("a firewall that does not load", [("failed", ["firewall has failed"])],
     lambda box: package(box, "firewall", library="nonsense")),
    ("interfaces that do not load", [("failed", ["interfaces has failed"])],
     lambda box: package(box, "interfaces", library="nonsense")),
    ("routing that does not load", [("failed", ["routing has failed"])],
     lambda box: package(box, "routing", library="nonsense")),
    ("an API that does not load", [("failed", ["api has failed"])],
     lambda box: package(box, "api", library="nonsense")),
    ("a firewall whose library is missing", [("failed", ["firewall has failed"])],
     lambda box: os.unlink(package(box, "firewall") + "/lib/firewall.so")),
    ("a third-party package that does not load", [("degraded", ["acme-probe has failed"])],
     lambda box: third_party(box, library="nonsense")),
    ("a package that requires a sandbox the machine lacks", [("degraded", ["acme-probe", "requires sandbox tier 3"])],
     lambda box: third_party(box, manifest=json.dumps({**PROBE, "min-tier": 3}))),
    ("a third-party package without a manifest", [("degraded", ["acme-probe", "refused"])],
     lambda box: third_party(box, manifest="")),
    ("tokens.json is a directory", [("degraded", ["tokens.json"])], directory("auth/tokens.json")),
    ("the log file is a directory", [("degraded", ["log.jsonl"])], directory("log.jsonl")),
    ("two faults at once", [("failed", ["firewall has failed"]), ("degraded", ["tokens.json"])],
     lambda box: (package(box, "firewall", library="nonsense"), tokens("[1]")(box))),
    ("a config service that does not load", [("failed", ["config has failed"])],
     lambda box: package(box, "config", library="nonsense")),
    ("half a file of tokens", [("degraded", ["tokens.json"])], tokens('{"tokens": [')),
    ("tokens.json is another file", [("degraded", ["tokens.json"])], tokens("[1]")),
    ("safe mode", [("degraded", ["safe mode"])], lambda box: box.more.append("--safe-mode")),
    ("safe mode runs an older revision", [("degraded", ["safe mode was requested"]),
                                          ("failed", ["safe mode runs revision 1 instead of"])], safe_and_older),
    ("no data plane", [("degraded", ["--no-dataplane"])], lambda box: box.more.append("--no-dataplane")),
    ("a bit of the journal is another", [("failed", ["damaged"])], flipped),
    ("the state directory is read-only", [("degraded", ["read-only"])], read_only),
]


def boot(box, expected, prepare):
    keep = f"{box.dir}/keep"
    shutil.rmtree(keep, ignore_errors=True)
    box.kill(signal.SIGTERM)
    run("cp", "-a", f"{box.dir}/state", keep)
    again(box)
    try:
        start(box, expected, prepare)
    finally:
        box.kill(signal.SIGTERM)
        run("mount", "-o", "remount,rw", f"{box.dir}/state")
        again(box)
        for entry in os.listdir(f"{box.dir}/state"):
            path = f"{box.dir}/state/{entry}"
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        run("cp", "-a", f"{keep}/.", f"{box.dir}/state")
        if os.path.exists(f"{box.dir}/run/enforced"):  # else an older state would be held back, rightly
            os.unlink(f"{box.dir}/run/enforced")


# ---- what others get ----

def readyz(box):
    """The answer of /readyz, requested inside the namespace."""
    done = run(*box.inside("curl", "-s", "-o", "-", "-w", "\n%{http_code}", "http://127.0.0.1:8080/readyz"), check=False)
    body, _, code = done.stdout.rpartition("\n")
    return int(code or 0), body


def told(box):
    box.fine()
    expect(readyz(box)[0] == 200, f"/readyz while ok: {readyz(box)}")
    begin = box.log_end()
    box.ctl("service", "stop", "config")
    box.until(10, lambda: readyz(box)[0] == 503 and "config" in readyz(box)[1], "/readyz is 503 and reports config")
    text = box.ctl("show", "health", ok=False)
    expect(text.returncode == 2 and text.stdout.startswith("failed\n") and "do: " in text.stdout, text.stdout)
    box.until(5, lambda: box.logged(begin, "health.changed", "failed"), "a record of the change")
    box.ctl("service", "start", "config")
    box.fine()
    box.until(10, lambda: readyz(box)[0] == 200, "/readyz is 200 when mended")  # an answer is kept for a fifth of a second


def lists_what_is_missing(box):
    """A machine without cgroups to use, BPF's type information and files: all of it is named, with the reason."""
    box.ctl("dataplane", "detach", "--yes")  # else the programs of before are used as they are
    box.kill(signal.SIGTERM)
    again(box)
    few_files(box)
    box.prefix = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh", *box.prefix]
    box.more = ["--cgroup", "/nonexistent"]
    try:
        box.start()
        box.until(10, lambda: any(g["feature"] == "fast path" for g in box.json("show", "boot")["given-up"]), "the fast path is listed")
        listed = {g["feature"]: g["reason"] for g in box.json("show", "boot")["given-up"]}
        expect("/nonexistent" in listed["limits by cgroup"] and listed["fast path"] and "520" in listed["65536 open files"], f"{listed}")
        text = box.ctl("show", "boot").stdout
        expect(all(f"  {feature}: {reason}" in text for feature, reason in listed.items()), text)
    finally:
        box.kill(signal.SIGTERM)
        again(box)
        box.start()
    box.until(10, lambda: "fast path" not in {g["feature"] for g in box.json("show", "boot")["given-up"]},
              "the fast path is back")


def on_trial(box):
    """A service that failed often runs again, and is not trusted yet."""
    manifest = {**PROBE,
                "restart": {"policy": "always", "backoff-ms": 10, "backoff-max-ms": 20,
                            "breaker": {"failures": 3, "window-s": 60, "cooldown-s": 1, "cooldown-max-s": 1, "healthy-s": 6}}}
    box.kill(signal.SIGTERM)
    third_party(box, manifest=json.dumps(manifest))
    box.start()
    try:
        probe_fails(box)
        box.until(30, lambda: box.reason("degraded", "acme-probe has failed"), "the breaker is open")
        box.ctl("config", "delete", "acme-probe", "crash-after-ms")
        box.ctl("config", "commit")
        box.until(30, lambda: box.reason("degraded", "acme-probe failed often and runs on trial"), "it runs on trial")
        box.fine()
    finally:
        box.kill(signal.SIGTERM)
        again(box)
        box.start()


def connections_full(box):
    """More than 90 % of the connections there may be; the limit is the machine's, so another one is shown to the daemon."""
    limit = f"{box.dir}/limit"
    path = "/proc/sys/net/netfilter/nf_conntrack_max"

    def allow(number):
        with open(limit, "w") as f:
            f.write(f"{number}\n")

    allow(1000000)
    box.kill(signal.SIGTERM)
    box.prefix = ["unshare", "-m", "sh", "-c", f'mount --bind {limit} {path} && exec "$@"', "sh"]
    box.start()
    try:
        box.fine()
        run("ip", "-n", box.far, "addr", "add", "10.1.0.9/24", "dev", "far-lan0")
        run("ip", "netns", "exec", box.far, "ping", "-c1", "-W1", "10.1.0.1", check=False)
        box.until(30, lambda: int(box.sh("sysctl", "-n", "net.netfilter.nf_conntrack_count")) > 0 or
                  run("ip", "netns", "exec", box.far, "ping", "-c1", "-W1", "10.1.0.1", check=False) and False, "a connection")
        allow(1)
        box.until(30, lambda: box.reason("degraded", "table of connections is"), "show health reports it")
        allow(1000000)
        box.until(30, lambda: not box.reason("degraded", "table of connections is"), "the reason is removed")
    finally:
        run("ip", "-n", box.far, "addr", "del", "10.1.0.9/24", "dev", "far-lan0", check=False)
        box.kill(signal.SIGTERM)
        again(box)
        box.start()


def clock_unset(box):
    """A machine whose clock has no battery: it shows 2020 until it is set."""
    old = f"{box.dir}/old-clock"
    open(old, "w").close()
    box.kill(signal.SIGTERM)
    box.start(env={"LD_PRELOAD": clock, "OLD_CLOCK": old, "ASAN_OPTIONS": "verify_asan_link_order=0"})
    try:
        box.until(30, lambda: box.reason("degraded", "the clock is not set", "set the clock"), "show health reports it")
        os.unlink(old)
        box.until(30, lambda: not box.reason("degraded", "the clock is not set"), "the reason is removed")
        box.fine()
    finally:
        box.kill(signal.SIGTERM)
        box.start()


def names_all_it_refused(box):
    box.kill(signal.SIGTERM)
    again(box)
    crowd(box)
    box.start()
    services = box.json("show", "services")
    expect(len(services["services"]) == 128, f"{len(services['services'])} services")
    names = [r["name"] for r in services["refused"]]
    expect(len(names) + services["refused-more"] == 27 and "crowd-123" in names, f"{names}, and {services['refused-more']}")
    expect("crowd-123" in box.ctl("show", "services").stdout, "show services does not name it")
    expect(len(box.health()["reasons"]) < 25, "each of them is a reason")
    box.kill(signal.SIGTERM)
    again(box)
    box.start()


def alone(function, box):
    try:
        function(box)
    except Failed as e:
        raise Failed(f"{e}: {json.dumps(box.health()['reasons'])}") from None


def wanted(name):
    return not only or any(o in name for o in only)


with Box("health") as box:
    box.start()
    box.load(CONFIG)
    box.until(20, lambda: box.service("acme-probe")["state"] == "Running", "acme-probe runs")
    for note in ("one", "two", "three"):
        box.ctl("config", "set", "interfaces", "lan0", "description", note)
        box.ctl("config", "commit")
    box.ctl("token", "create", "anne", "operator")
    tap.test("all is well to begin with", box.fine)
    if wanted("told"):
        tap.test("HTTP, the log and systemd show the health", told, box)
    for name, level, words, inject, heal in LIVE:
        if wanted(name):
            tap.test(f"{level}: {name}", live, box, level, words, inject, heal)
    for name, words, command in MENDED:
        if wanted(name):
            tap.test(f"put right at once: {name}", mended, box, words, command)
    for name, expected, prepare in BOOT:
        if wanted(name):
            tap.test(f"{expected[0][0]}: {name}", boot, box, expected, prepare)
    box.kill(signal.SIGTERM)
    box.start()
    for service, level, words in STILL:
        if wanted(f"{service} is stopped"):
            tap.test(f"{level}: {service} is stopped, and is restarted", still, box, service, words)
    for name, function in (("degraded: a service runs on trial", on_trial),
                           ("degraded: the table of connections is full", connections_full),
                           ("degraded: the clock is not set", clock_unset)):
        if wanted(name):
            tap.test(name, alone, function, box)
    if wanted("does without"):
        tap.test("show boot lists what the machine does not give", lists_what_is_missing, box)
    if wanted("crowd"):
        tap.test("packages above the limit are named", names_all_it_refused, box)
    box.kill(signal.SIGTERM)
    box.start()
    tap.test("all is well in the end", box.fine)
tap.end()
