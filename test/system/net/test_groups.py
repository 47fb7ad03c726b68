"""Groups of 100 000 addresses: loaded, shared by rules, changed by one element, over a restart; what packets see, with the fast path
and without; and the limits."""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../lib"))
from appliance import Appliance, Tap, expect, need_root  # noqa: E402

BUILD = sys.argv[1]
MANY = 100000
IN, OUT, WAN = "10.1.0.2", "10.1.0.3", "192.0.2.9"
CONFIG = {
    "interfaces": {"lan0": {"addresses": ["10.1.0.1/24"]}, "wan0": {"addresses": ["192.0.2.1/24"]}},
    "firewall": {"zones": {"lan": {"interfaces": ["lan0"]}, "wan": {"interfaces": ["wan0"]}},
                 "rules": {"10": {"from": "lan", "to": "wan", "source": "@blocked", "action": "drop"},
                           "20": {"from": "wan", "to": "lan", "destination": "@blocked", "action": "drop"},
                           "30": {"from": "lan", "to": "wan", "protocol": "icmp", "action": "accept"}}}}


def blocked():
    """Single addresses with gaps, a network, IPv6."""
    return ([IN] + [f"172.{16 + (i >> 14)}.{i >> 6 & 255}.{(i & 63) * 4}" for i in range(MANY - 1002)]
            + [f"2001:db8:{i:x}::1" for i in range(1000)] + ["198.18.0.0/15"])


class Box(Appliance):
    def __init__(self):
        super().__init__(BUILD, "groups", dataplane=True)

    def build_up(self):
        self.lan = self.host("lan", "lan0", f"{IN}/24")
        subprocess.run(["ip", "-n", self.lan, "address", "add", f"{OUT}/24", "dev", "eth0"], check=True)
        subprocess.run(["ip", "-n", self.lan, "route", "add", "default", "via", "10.1.0.1"], check=True)
        self.wan = self.host("wan", "wan0", f"{WAN}/24")
        subprocess.run(["ip", "-n", self.wan, "route", "add", "default", "via", "192.0.2.1"], check=True)

    def load(self, config, ok=True):
        return self.ctl("config", "load", "--merge", "-", stdin=json.dumps(config), ok=ok)

    def elements(self, name):
        done = subprocess.run(self.inside("nft", "-j", "list", "set", "inet", "orbital", name), capture_output=True, text=True)
        if done.returncode:
            return None
        return json.loads(done.stdout)["nftables"][1]["set"].get("elem", [])

    def rules(self):
        """Handles of the rules in the chain, which change when it is written again."""
        done = subprocess.run(self.inside("nft", "-a", "list", "chain", "inet", "orbital", "forward"), capture_output=True, text=True, check=True)
        return re.findall(r"# handle (\d+)", done.stdout)

    def verdict(self, source):
        shown = self.json("firewall", "test", "--from", "lan", "--source", source, "--destination", WAN, "--protocol", "icmp")
        return shown["verdict"], shown.get("rule")

    def ping(self, source):
        return subprocess.run(["ip", "netns", "exec", self.lan, "ping", "-c", "1", "-W", "1", "-I", source, WAN],
                              stdout=subprocess.DEVNULL).returncode == 0

    def both(self, source, passes):
        expect(self.verdict(source) == (("accept", 30) if passes else ("drop", 10)), f"{source}: {self.verdict(source)}")
        if source in (IN, OUT):
            expect(self.ping(source) == passes, f"a ping from {source} {'is lost' if passes else 'passes'}")


def many_are_loaded(box):
    box.load(CONFIG | {"firewall": CONFIG["firewall"] | {"groups": {"blocked": {"addresses": blocked()}}}})
    box.ctl("config", "commit")
    expect(len(box.elements("hosts4_blocked")) == MANY - 1001, "the single IPv4 addresses are one set")
    expect(len(box.elements("hosts6_blocked")) == 1000, "the single IPv6 addresses are one set")
    expect(box.elements("nets4_blocked") == [{"prefix": {"addr": "198.18.0.0", "len": 15}}], "networks are another")
    box.both(IN, False)
    box.both(OUT, True)
    for source, passes in (("172.16.0.4", False), ("172.16.0.5", True), ("198.19.255.255", False), ("198.20.0.0", True)):
        box.both(source, passes)


def the_fast_path_changes_nothing(box):
    box.ctl("dataplane", "disable")
    box.both(IN, False)
    box.both(OUT, True)
    box.ctl("dataplane", "enable")


def one_element_is_changed(box):
    """By the whole list, of which only one element differs."""
    before = box.rules()
    box.load({"firewall": {"groups": {"blocked": {"addresses": [a for a in blocked() if a != IN] + [OUT]}}}})
    shown = box.ctl("config", "commit").stdout
    expect("group blocked changes" in shown and "rule" not in shown, shown)
    box.both(IN, True)
    box.both(OUT, False)
    expect(box.rules() == before, "the chain of the rules is the same one, untouched")
    expect(len(box.elements("hosts4_blocked")) == MANY - 1001, "one came, one went")


def elements_are_set_and_deleted_by_name(box):
    box.ctl("config", "set", "firewall", "groups", "blocked", "addresses", IN)
    box.ctl("config", "set", "firewall", "groups", "blocked", "addresses", IN)
    box.ctl("config", "delete", "firewall", "groups", "blocked", "addresses", OUT)
    done = box.ctl("config", "delete", "firewall", "groups", "blocked", "addresses", "9.9.9.9", ok=False)
    expect(done.returncode == 4 and "/firewall/groups/blocked/addresses/9.9.9.9" in done.stderr, f"{done.returncode} {done.stderr}")
    box.ctl("config", "commit")
    box.both(IN, False)
    box.both(OUT, True)
    box.ctl("config", "set", "firewall", "groups", "blocked", "addresses", OUT)
    box.ctl("config", "delete", "firewall", "groups", "blocked", "addresses", IN)
    box.ctl("config", "commit")


def a_restart_keeps_it(box):
    box.kill()
    box.start()
    box.both(IN, True)
    box.both(OUT, False)


def it_may_become_small_and_vanish(box):
    box.ctl("config", "set", "firewall", "groups", "blocked", "addresses", json.dumps([IN]))
    box.ctl("config", "commit")
    expect(box.elements("hosts4_blocked") is None, "a small group is written out")
    box.both(IN, False)
    box.both(OUT, True)
    box.ctl("config", "delete", "firewall", "groups", "blocked")
    done = box.ctl("config", "commit", ok=False)
    expect(done.returncode and "/firewall/rules/10/source" in done.stderr, f"a rule names it: {done.stderr}")
    box.ctl("config", "discard")
    box.both(IN, False)


def limits_are_refused_with_the_number(box):
    addresses = [f"10.{i >> 15 & 255}.{i >> 7 & 255}.{(i & 127) * 2}" for i in range(131073)]
    done = box.load({"firewall": {"groups": {"more": {"addresses": addresses}}}}, ok=False)
    expect(done.returncode and "/firewall/groups/more/addresses" in done.stderr and "131072" in done.stderr, done.stderr)
    box.both(OUT, True)


TESTS = [many_are_loaded, the_fast_path_changes_nothing, one_element_is_changed, elements_are_set_and_deleted_by_name, a_restart_keeps_it, it_may_become_small_and_vanish,
         limits_are_refused_with_the_number]


need_root()
tap = Tap()
with Box() as appliance:
    appliance.start()
    for test in TESTS:
        tap.test(test.__name__.replace("_", " "), test, appliance)
tap.end()
