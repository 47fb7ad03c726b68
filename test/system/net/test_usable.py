"""Links, changed by other programs: configured state is restored, unusable links are reported."""
import os

from host import eventually, main, sh
from interfaces_box import Box

BOTH = {"lan0": {"addresses": ["10.1.0.1/24", "2001:db8::1/64"], "mtu": 1400}}


def an_mtu_changed_by_another_program_is_put_back():
    with Box(BOTH) as (ns, w):
        for mtu in ("1500", "1300", "1000"):  # without 1280 there is no IPv6
            ns.ip("link", "set", "lan0", "mtu", mtu)
            w.logged("interfaces.repaired")
            eventually(lambda: ns.link("lan0")["mtu"] == 1400 and ns.addresses("lan0") ==
                       ["10.1.0.1/24", "2001:db8::1/64"], f"all is as before MTU {mtu}")
        w.until_problems(lambda p: not p)
        w.stop()


def a_link_taken_down_or_up_by_another_program_is_a_problem():
    with Box({**BOTH, "wan0": {"enabled": False}}) as (ns, w):
        ns.ip("link", "set", "lan0", "down")
        problem = w.until_problems(bool)["state:lan0"]
        assert problem["path"] == "/interfaces/lan0/enabled" and "took interface lan0 down" in problem["what"]
        ns.ip("link", "set", "lan0", "up")
        w.until_problems(lambda p: not p)
        ns.ip("link", "set", "wan0", "up")
        assert "took it up" in w.until_problems(bool)["state:wan0"]["what"]
        w.commit(interfaces={**BOTH, "wan0": {"enabled": True}})
        w.until_problems(lambda p: not p)
        w.stop()


def a_link_that_was_elsewhere_is_taken_up_again():
    with Box(BOTH) as (ns, w):
        other = f"orbt-net-else-{os.getpid()}"
        sh("ip", "netns", "add", other)
        try:
            index = ns.link("lan0")["ifindex"]
            for wait in (True, False):  # back before anything looked, and after
                ns.ip("link", "set", "lan0", "netns", other)
                if wait:
                    w.until_problems(lambda p: "link:lan0" in p)
                sh("ip", "-n", other, "link", "set", "lan0", "netns", ns.name)
                eventually(lambda: ns.link("lan0")["ifindex"] == index and "UP" in ns.link("lan0")["flags"] and
                           ns.addresses("lan0") == ["10.1.0.1/24", "2001:db8::1/64"], "it is as before")
                w.until_problems(lambda p: not p)
        finally:
            sh("ip", "netns", "del", other, check=False)
        w.stop()


def an_address_given_an_end_lasts():
    with Box(BOTH) as (ns, w):
        for address in BOTH["lan0"]["addresses"]:
            ns.ip("addr", "change", address, "dev", "lan0", "valid_lft", "900", "preferred_lft", "0")
            eventually(lambda: "900sec" not in ns.ip("addr") and "deprecated" not in ns.ip("addr"),
                       f"{address} lasts")
        assert "expires" not in ns.ip("-6", "route", "show", "dev", "lan0")
        w.stop()


def addresses_on_a_member_of_a_bridge_are_reported():
    with Box(BOTH) as (ns, w):
        ns.ip("link", "add", "br0", "type", "bridge")
        ns.ip("link", "set", "lan0", "master", "br0")
        problem = w.until_problems(bool)["member:lan0"]
        assert "bridge br0" in problem["what"] and problem["path"] == "/interfaces/lan0/addresses", problem
        w.commit(interfaces={"lan0": {"mtu": 1400}})
        w.until_problems(lambda p: not p)
        w.commit(interfaces=BOTH)
        w.until_problems(bool)
        ns.ip("link", "set", "lan0", "nomaster")
        w.until_problems(lambda p: not p)
        w.stop()


def two_cards_with_one_hardware_address_are_reported():
    with Box({**BOTH, "wan0": {"addresses": ["192.0.2.2/24"]}}) as (ns, w):
        ns.ip("link", "set", "wan0", "address", ns.link("lan0")["address"])
        ns.ip("addr", "del", "10.1.0.1/24", "dev", "lan0")
        shown = w.logged("interfaces.same-mac")
        assert shown["kv"] == {"interface": "lan0", "other": "wan0"}, shown
        assert not w.problems, w.problems
        w.stop()


main([an_mtu_changed_by_another_program_is_put_back, a_link_taken_down_or_up_by_another_program_is_a_problem,
      a_link_that_was_elsewhere_is_taken_up_again, an_address_given_an_end_lasts,
      addresses_on_a_member_of_a_bridge_are_reported, two_cards_with_one_hardware_address_are_reported])
