"""Other programs at Orbital's routes: put before them, joined to them, changed, taken apart. In a network
namespace, checked with iproute2."""
import json
import time

from host import eventually, main, refused
from routing_box import LINKS, Box

UPLINKS = {**LINKS, "wan1": ["203.0.113.2/24", "2001:db8:3::2/64"]}
BOTH = {"0.0.0.0/0": {"next-hops": {"192.0.2.1": {}, "203.0.113.1": {"weight": 3}}},
        "::/0": {"next-hops": {"2001:db8:2::1": {}, "2001:db8:3::1": {}}}}
FOUR = {"0.0.0.0/0": {"next-hops": {"192.0.2.1": {}}}, "10.20.0.0/16": {"blackhole": True}}


def shown(ns, destination="default", family="-4"):
    """The kernel's routes to it, in the order in which it uses them."""
    return json.loads(ns.ip(family, "-j", "route", "show", destination))


def gateways(ns, destination="default", family="-4"):
    return sorted(hop["gateway"] for route in shown(ns, destination, family)
                  for hop in route.get("nexthops", [route]) if "gateway" in hop)


def is_ours_alone(ns, destination="default", family="-4"):
    return [route.get("protocol") for route in shown(ns, destination, family)] == ["201"]


def a_route_put_before_ours_loses_the_place():
    with Box(FOUR) as (ns, w):
        for before in (["default", "via", "192.0.2.66"], ["default", "dev", "lan0"],
                       ["unreachable", "default"]):
            ns.ip("route", "prepend", *before)
            eventually(lambda: is_ours_alone(ns) and gateways(ns) == ["192.0.2.1"],
                       f"{before} is gone", 2)
        ns.ip("route", "prepend", "10.20.0.0/16", "via", "10.1.0.66")
        eventually(lambda: is_ours_alone(ns, "10.20.0.0/16"), "the blackhole decides again", 2)
        assert shown(ns, "10.20.0.0/16")[0]["type"] == "blackhole"
        w.until_quiet()
        assert not w.problems, w.problems
        # Behind ours it decides nothing, and stays.
        ns.ip("route", "append", "default", "via", "192.0.2.66")
        w.until_quiet()
        assert [r["gateway"] for r in shown(ns)] == ["192.0.2.1", "192.0.2.66"], shown(ns)
        refused(w, "/routing/static/0.0.0.0~10", "not ours",
                routing={"static": {"0.0.0.0/0": {"next-hops": {"192.0.2.9": {}}}}})
        w.stop()


def one_before_ours_at_start_loses_the_place_too():
    box = Box(FOUR)
    with box as (ns, w):
        w.kill()
        ns.ip("route", "prepend", "default", "via", "192.0.2.66")
        w = box.start()
        assert is_ours_alone(ns) and gateways(ns) == ["192.0.2.1"], shown(ns)
        w.until_quiet()
        assert not w.problems, w.problems
        w.stop()


def of_two_routes_the_one_of_ours_is_removed():
    box = Box(FOUR)
    with box as (ns, w):
        w.kill()
        ns.ip("route", "prepend", "default", "via", "192.0.2.66")
        box.tree["routing"] = {"static": {}}
        w = box.start()
        assert gateways(ns) == ["192.0.2.66"] and shown(ns)[0].get("protocol") is None, shown(ns)
        w.stop()


def a_route_that_another_program_keeps_replacing_is_reported():
    at = "/routing/static/0.0.0.0~10/next-hops/192.0.2.1"
    with Box(FOUR) as (ns, w):
        end = time.monotonic() + 60
        while at not in w.problems:
            assert time.monotonic() < end, w.problems
            if not any(r.get("gateway") == "192.0.2.66" for r in shown(ns)):
                ns.ip("route", "prepend", "default", "via", "192.0.2.66")
            w.ping()
        assert "precedes it" in w.problems[at]["what"], w.problems[at]
        w.commit(interfaces={n: {"addresses": a} for n, a in LINKS.items()},
                 routing={"static": {**FOUR, "10.21.0.0/16": {"reject": True}}})
        assert at in w.problems, "a commit beside it does not make it right"
        ns.ip("route", "del", "default", "via", "192.0.2.66")
        w.until_problems(lambda p: not p)
        assert is_ours_alone(ns)
        w.stop()


def next_hops_that_are_taken_or_joined_are_put_right():
    with Box(BOTH, UPLINKS) as (ns, w):
        def right():
            hops = {h["gateway"]: h["weight"] for r in shown(ns) for h in r.get("nexthops", [])}
            return is_ours_alone(ns) and hops == {"192.0.2.1": 1, "203.0.113.1": 3} and \
                is_ours_alone(ns, family="-6") and \
                gateways(ns, family="-6") == ["2001:db8:2::1", "2001:db8:3::1"]

        assert right(), shown(ns)
        for words in (
                ["-6", "route", "del", "default", "via", "2001:db8:3::1"],
                ["-6", "route", "append", "default", "via", "2001:db8:2::66", "metric", "512"],
                ["-6", "route", "replace", "default", "via", "2001:db8:2::66", "metric", "512"],
                ["-4", "route", "replace", "default", "via", "192.0.2.66"],
                # One of ours, changed: weights, onlink, an MTU, a source that was not configured.
                ["-4", "route", "change", "default", "proto", "201", "nexthop", "via", "192.0.2.1",
                 "nexthop", "via", "203.0.113.1"],
                ["-4", "route", "change", "default", "proto", "201", "nexthop", "via", "192.0.2.1", "dev",
                 "wan0", "onlink", "nexthop", "via", "203.0.113.1", "weight", "3"],
                ["-4", "route", "change", "default", "proto", "201", "mtu", "1400", "nexthop", "via",
                 "192.0.2.1", "nexthop", "via", "203.0.113.1", "weight", "3"],
                ["-4", "route", "change", "default", "proto", "201", "src", "10.1.0.1", "nexthop", "via",
                 "192.0.2.1", "nexthop", "via", "203.0.113.1", "weight", "3"],
                ["-4", "route", "add", "default", "via", "192.0.2.9", "metric", "7", "proto", "201"]):
            ns.ip(*words)
            eventually(right, f"after ip {' '.join(words)}", 2)
        w.until_quiet()
        assert not w.problems, w.problems
        w.stop()


def a_nexthop_object_in_place_of_ours_loses_it():
    with Box(FOUR) as (ns, w):
        ns.ip("nexthop", "add", "id", "7", "via", "192.0.2.66", "dev", "wan0")
        ns.ip("route", "replace", "default", "nhid", "7", "proto", "201")
        eventually(lambda: is_ours_alone(ns) and gateways(ns) == ["192.0.2.1"] and
                   "nhid" not in shown(ns)[0], "our route without an object", 2)
        w.stop()


def routes_for_a_tos_or_a_source_conflict_with_none():
    with Box({**FOUR, "::/0": {"next-hops": {"2001:db8:2::1": {}}}}) as (ns, w):
        ns.ip("route", "add", "default", "via", "192.0.2.66", "tos", "0x10")
        ns.ip("-6", "route", "add", "default", "from", "2001:db8:1::/64", "via", "2001:db8:2::66",
              "metric", "512")
        w.commit(routing={"static": {"0.0.0.0/0": {"next-hops": {"192.0.2.9": {}}},
                                     "::/0": {"next-hops": {"2001:db8:2::9": {}}}}})
        assert not w.problems
        w.commit(routing={"static": {}})
        assert gateways(ns) == ["192.0.2.66"], shown(ns)
        assert "2001:db8:2::66" in ns.ip("-6", "route", "show", "default")
        w.stop()


def a_flushed_table_gets_the_networks_of_our_addresses_back():
    static = {**FOUR, "::/0": {"next-hops": {"2001:db8:2::1": {}}}}
    with Box(static, {**LINKS, "wan1": ["203.0.113.2/32"]}) as (ns, w):
        before = ns.ip("route"), ns.ip("-6", "route").replace("201", "orbital")
        for family in ("-4", "-6"):
            ns.ip(family, "route", "flush", "table", "main")
        eventually(lambda: is_ours_alone(ns) and is_ours_alone(ns, family="-6"), "our routes are back", 3)
        assert ns.ip("route") == before[0], ns.ip("route")
        for network in ("2001:db8:1::/64", "2001:db8:2::/64"):
            assert f"{network} dev" in ns.ip("-6", "route"), ns.ip("-6", "route")
        # They go with their addresses, as the kernel's own do.
        ns.ip("addr", "del", "10.1.0.1/24", "dev", "lan0")
        assert "10.1.0.0/24" not in ns.ip("route")
        w.until_quiet()
        assert "10.1.0.0/24" not in ns.ip("route") and not w.problems, w.problems
        w.stop()


def a_default_route_by_router_advertisement_follows_ours():
    box = Box({})
    with box as (ns, w):
        ns.ip("-6", "route", "add", "default", "via", "fe80::99", "dev", "lan0", "proto", "ra", "metric",
              "1024")
        w.commit(routing={"static": {"::/0": {"next-hops": {"2001:db8:2::1": {}}}}})
        assert json.loads(ns.ip("-6", "-j", "route", "get", "2001:db8:77::1"))[0]["gateway"] == "2001:db8:2::1"
        ns.ip("link", "set", "pwan0", "down")
        w.until_problems(bool)
        assert json.loads(ns.ip("-6", "-j", "route", "get", "2001:db8:77::1"))[0]["gateway"] == "fe80::99"
        w.stop()


def a_peer_of_a_foreign_address_may_be_a_next_hop():
    with Box({}, {**LINKS, "ppp0": []}) as (ns, w):
        ns.ip("addr", "add", "10.64.0.1", "peer", "10.64.0.2/32", "dev", "ppp0")
        w.commit(routing={"static": {"0.0.0.0/0": {"next-hops": {"10.64.0.2": {}}}}})
        assert gateways(ns) == ["10.64.0.2"]
        refused(w, "/routing/static/0.0.0.0~10/next-hops/10.64.0.1", "this machine itself (ppp0)",
                routing={"static": {"0.0.0.0/0": {"next-hops": {"10.64.0.1": {}}}}})
        ns.sysctl("net.ipv6.conf.ppp0.disable_ipv6", "1")
        w.commit(routing={"static": {"::/0": {"next-hops": {"fe80::1%ppp0": {}}}}})
        problem = w.until_problems(bool)["/routing/static/::~10/next-hops/fe80::1%ppp0"]
        assert "IPv6 is switched off on interface ppp0" in problem["what"], problem
        ns.sysctl("net.ipv6.conf.ppp0.disable_ipv6", "0")
        w.until_problems(lambda p: not p)
        assert gateways(ns, family="-6") == ["fe80::1"]
        w.stop()


main([a_flushed_table_gets_the_networks_of_our_addresses_back,
      a_default_route_by_router_advertisement_follows_ours,
      a_peer_of_a_foreign_address_may_be_a_next_hop, a_route_put_before_ours_loses_the_place, one_before_ours_at_start_loses_the_place_too,
      of_two_routes_the_one_of_ours_is_removed,
      a_route_that_another_program_keeps_replacing_is_reported, next_hops_that_are_taken_or_joined_are_put_right,
      a_nexthop_object_in_place_of_ours_loses_it,
      routes_for_a_tos_or_a_source_conflict_with_none])
