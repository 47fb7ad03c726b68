"""Interfaces on a real appliance: what a replaced card, a card that is missing or a machine with our
address costs, and what not."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../lib"))
from appliance import Appliance, Tap, expect, need_root, run  # noqa: E402

BUILD = sys.argv[1]


class Box(Appliance):
    """lan0 and wan0 go to a namespace of their own, "there"."""

    def __init__(self, name, dataplane=False):
        super().__init__(BUILD, name, dataplane=dataplane)
        self.there = f"{self.ns}-far"

    def __enter__(self):
        super().__enter__()
        try:
            run("ip", "netns", "add", self.there)
            for near, far in (("lan0", "far0"), ("wan0", "far1")):
                run("ip", "link", "add", near, "netns", self.ns, "type", "veth", "peer", "name", far,
                    "netns", self.there)
                self.far("link", "set", far, "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        super().__exit__()
        run("ip", "netns", "del", self.there, check=False)

    def far(self, *args):
        return run("ip", "-n", self.there, *args)

    def ip(self, *args):
        return run("ip", "-n", self.ns, *args).stdout

    def sysctl(self, name, value=None):
        return run(*self.inside("sysctl", "-n", name if value is None else f"{name}={value}")).stdout.strip()

    def problems(self):
        return {p["path"]: p["what"] for p in self.service("interfaces")["problems"]}

    def commit(self, **interfaces):
        self.ctl("config", "load", "-", "--replace", stdin=json.dumps({"interfaces": interfaces}))
        self.ctl("config", "commit")


def a_card_that_was_replaced_costs_its_own_mtu_and_nothing_else():
    with Box("card") as box:
        box.start()
        box.commit(lan0={"addresses": ["10.1.0.1/24"], "mtu": 9000}, wan0={"addresses": ["192.0.2.2/24"]})
        box.kill()
        box.ip("link", "del", "lan0")
        box.ip("link", "add", "lan0", "link", "wan0", "type", "macvlan")  # takes what wan0 takes
        box.ip("addr", "flush", "dev", "wan0")
        box.start()
        expect("10.1.0.1/24" in box.ip("addr", "show", "dev", "lan0"), "lan0 has its address")
        expect("192.0.2.2/24" in box.ip("addr", "show", "dev", "wan0"), "wan0 has its address")
        expect("MTU 9000" in box.problems()["/interfaces/lan0/mtu"], box.problems())
        expect(box.service("routing")["state"] == "Running", "what needs interfaces runs")
        box.commit(lan0={"addresses": ["10.1.0.1/24"], "mtu": 9000},
                   wan0={"addresses": ["192.0.2.2/24"], "description": "beside what does not fit"})
        box.ip("link", "set", "wan0", "mtu", "9000")
        box.until(10, lambda: not box.problems(), "the MTU is set when the card takes it")
        expect("mtu 9000" in box.ip("link", "show", "dev", "lan0"), "it is so in the kernel")


def another_machine_with_our_ipv4_address_is_reported_and_forgotten_when_it_is_gone():
    with Box("arp") as box:
        box.start()
        box.far("addr", "add", "10.1.0.1/24", "dev", "far0")
        box.commit(lan0={"addresses": ["10.1.0.1/24", "10.1.0.7/24"]}, wan0={"addresses": ["192.0.2.2/24"]})
        box.until(10, box.problems, "it is reported")
        expect(list(box.problems()) == ["/interfaces/lan0/addresses"], box.problems())
        text = box.problems()["/interfaces/lan0/addresses"]
        mac = json.loads(run("ip", "-n", box.there, "-j", "link", "show", "far0").stdout)[0]["address"]
        expect("10.1.0.1" in text and mac in text and "lan0" in text, text)
        box.far("addr", "del", "10.1.0.1/24", "dev", "far0")
        box.until(20, lambda: not box.problems(), "it is forgotten")
        # One that comes later announces itself.
        box.far("addr", "add", "10.1.0.7/24", "dev", "far0")
        box.far("neigh", "add", "10.1.0.99", "dev", "far0", "nud", "none")
        run("ip", "netns", "exec", box.there, "ping", "-c1", "-W1", "10.1.0.99", check=False)
        box.until(10, lambda: "10.1.0.7" in str(box.problems()), "a later one is reported")


FLOOD = """
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0x0806))
ours = socket.inet_aton(sys.argv[2])
for n in range(int(sys.argv[3])):
    mac = struct.pack("!HI", 0x0200, n)
    s.send(b"\\xff" * 6 + mac + b"\\x08\\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + ours +
           bytes(6) + ours)
"""


def claims_without_end_do_not_keep_the_host_busy():
    def used():
        with open(f"/proc/{box.daemon.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    with Box("flood") as box:
        run("ip", "-n", box.ns, "-batch", "-", input="".join(
            f"link add many{i} type veth peer name peer{i}\n" for i in range(100)))
        box.start()
        box.commit(lan0={"addresses": ["10.1.0.1/24"]})
        box.until(10, lambda: "LOWER_UP" in box.ip("link", "show", "lan0"), "lan0 is up")
        before = used()
        for _ in range(4):
            run("ip", "netns", "exec", box.there, sys.executable, "-Sc", FLOOD, "far0", "10.1.0.1", "1000")
            box.ctl("show", "services")
        expect(used() - before < 2, f"the host used {used() - before:.1f} s of processor for 4000 claims")
        box.until(10, lambda: "10.1.0.1" in str(box.problems()), "it is reported")
        shown = box.log_text().count("interfaces.address-conflict ")
        expect(0 < shown < 60, f"{shown} records of 4000 claims")


def a_router_keeps_accepting_advertisements_and_reports_who_stops_it():
    with Box("ra", dataplane=True) as box:
        for link in ("default", "lan0"):
            box.sysctl(f"net.ipv6.conf.{link}.accept_ra", "1")
        box.sysctl("net.ipv6.conf.wan0.accept_ra", "0")
        box.sysctl("net.ipv6.conf.all.forwarding", "0")
        box.start()
        box.ctl("config", "load", "-", "--replace", stdin=json.dumps({
            "interfaces": {"lan0": {"addresses": ["10.1.0.1/24"]}},
            "firewall": {"zones": {"lan": {"interfaces": ["lan0"]}}, "default": {"input": "accept"}}}))
        box.ctl("config", "commit")
        expect(box.sysctl("net.ipv6.conf.lan0.accept_ra") == "2", "lan0 took them before")
        expect(box.sysctl("net.ipv6.conf.wan0.accept_ra") == "0", "wan0 did not")
        expect(box.sysctl("net.ipv6.conf.lan0.ignore_routes_with_linkdown") == "1", "no way into a dead link")
        box.ip("link", "add", "usb0", "type", "veth", "peer", "name", "usb1")
        for link in ("lan0", "usb0"):
            box.sysctl(f"net.ipv6.conf.{link}.accept_ra", "1")
        box.until(15, lambda: all(box.sysctl(f"net.ipv6.conf.{link}.accept_ra") == "2"
                                  for link in ("lan0", "usb0")), "they are put back")
        box.until(5, lambda: "net/ipv6/conf/lan0/accept_ra" in box.log_text(), "there is a record")
        box.sysctl("net.ipv6.conf.lan0.accept_ra", "0")
        box.until(15, lambda: box.sysctl("net.ipv6.conf.lan0.accept_ra") == "2", "one switched off is put back, too")
        expect(box.sysctl("net.ipv6.conf.wan0.accept_ra") == "0", "wan0 still does not")


need_root()
tap = Tap()
for case in (a_card_that_was_replaced_costs_its_own_mtu_and_nothing_else,
             another_machine_with_our_ipv4_address_is_reported_and_forgotten_when_it_is_gone,
             claims_without_end_do_not_keep_the_host_busy,
             a_router_keeps_accepting_advertisements_and_reports_who_stops_it):
    tap.test(case.__name__.replace("_", " "), case)
tap.end()
