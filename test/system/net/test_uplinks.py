"""Uplinks that are missing, down, without cable or taken by another program: each next hop is independent, and one
that does not fit is reported and set when it fits. In a network namespace, checked with
iproute2."""
import json
import signal
import time

from host import eventually, main, refused
from routing_box import LINKS, Box, interfaces

UPLINKS = {**LINKS, "wan1": ["203.0.113.2/24", "2001:db8:3::2/64"]}
BOTH = {"0.0.0.0/0": {"next-hops": {"192.0.2.1": {}, "203.0.113.1": {}}},
        "::/0": {"next-hops": {"2001:db8:2::1": {}, "2001:db8:3::1": {}}}}
AT4, AT6 = "/routing/static/0.0.0.0~10/next-hops/", "/routing/static/::~10/next-hops/"


def ways(ns, family="-4", destination="default"):
    """The gateways of a route of ours, sorted: of all metrics."""
    found = []
    for route in json.loads(ns.ip(family, "-j", "route", "show", destination)):
        if route.get("protocol") == "201":
            found += [h["gateway"] for h in route.get("nexthops", [route]) if "gateway" in h]
    return sorted(found)


def both(ns):
    return ways(ns) == ["192.0.2.1", "203.0.113.1"] and \
        ways(ns, "-6") == ["2001:db8:2::1", "2001:db8:3::1"]


def only_wan0(ns):
    return ways(ns) == ["192.0.2.1"] and ways(ns, "-6") == ["2001:db8:2::1"]


def a_missing_uplink_leaves_the_other_at_start():
    box = Box(BOTH, UPLINKS, absent=["wan1"])
    with box as (ns, w):
        assert only_wan0(ns), ns.ip("route")
        problems = w.until_problems(lambda p: len(p) == 2)
        assert problems[AT4 + "203.0.113.1"]["what"] == (
            "route 0.0.0.0/0 does not use next hop 203.0.113.1: there is no interface \"wan1\""), problems
        assert problems[AT6 + "2001:db8:3::1"]["path"] == AT6 + "2001:db8:3::1"
        pending = w.call("list", {}, src=9)["pending"]
        assert pending[0] == {"destination": "0.0.0.0/0", "metric": 0, "next-hops": [
            {"gateway": "203.0.113.1", "reason": "there is no interface \"wan1\""}]}, pending
        box.plug("wan1")
        w.until_problems(lambda p: not p)
        assert both(ns) and w.call("list", {}, src=9)["pending"] == []
        w.stop()


def a_pulled_cable_takes_its_next_hop_away_until_it_is_back():
    with Box(BOTH, UPLINKS) as (ns, w):
        assert both(ns)
        ns.ip("link", "set", "pwan1", "down")
        eventually(lambda: only_wan0(ns), "a next hop without carrier is left out")
        problems = w.until_problems(lambda p: len(p) == 2)
        assert "wan1 has no carrier" in problems[AT4 + "203.0.113.1"]["what"], problems
        assert only_wan0(ns), ns.ip("route") + ns.ip("-6", "route")
        ns.ip("link", "set", "pwan0", "down")
        w.until_problems(lambda p: len(p) == 4)
        assert not ways(ns) and not ways(ns, "-6")
        for link in ("pwan0", "pwan1"):
            ns.ip("link", "set", link, "up")
        w.until_problems(lambda p: not p)
        assert both(ns), ns.ip("route") + ns.ip("-6", "route")
        w.stop()


def a_backup_route_takes_over_and_a_blackhole_follows_it():
    static = {"0.0.0.0/0": {"next-hops": {"192.0.2.1": {"metric": 10}, "203.0.113.1": {"metric": 20}},
                            "blackhole": True},
              "::/0": {"next-hops": {"2001:db8:2::1": {"metric": 10}, "2001:db8:3::1": {"metric": 20}},
                       "unreachable": True}}

    def way(ns, family, to):
        try:
            route = json.loads(ns.ip(family, "-j", "route", "get", to))[0]
        except RuntimeError as e:  # blackhole: EINVAL, unreachable: EHOSTUNREACH
            return str(e).split(": ")[-1]
        return route.get("gateway", route.get("type"))

    with Box(static, UPLINKS) as (ns, w):
        def now():
            return way(ns, "-4", "198.51.100.1"), way(ns, "-6", "2001:db8:99::1")

        assert now() == ("192.0.2.1", "2001:db8:2::1"), now()
        ns.ip("link", "set", "pwan0", "down")
        w.until_problems(lambda p: len(p) == 2)
        assert now() == ("203.0.113.1", "2001:db8:3::1"), now()
        ns.ip("link", "set", "pwan1", "down")
        w.until_problems(lambda p: len(p) == 4)
        assert now() == ("Invalid argument", "No route to host"), now()
        ns.ip("link", "set", "pwan0", "up")
        w.until_problems(lambda p: len(p) == 2)
        assert now() == ("192.0.2.1", "2001:db8:2::1"), now()
        w.commit(routing={"static": {"0.0.0.0/0": {"next-hops": {"192.0.2.1": {}}}}})
        assert len(ns.ip("route", "show", "default").splitlines()) == 1
        assert ns.ip("-6", "route", "show", "default") == ""
        w.stop()


def a_commit_beside_a_broken_uplink_is_taken():
    with Box({"0.0.0.0/0": {"next-hops": {"192.0.2.1": {}}},
              "198.51.100.0/24": {"next-hops": {"203.0.113.1": {}}}}, UPLINKS) as (ns, w):
        def add(destination, *hops, **more):
            w.patch([{"op": "set", "path": "/routing/static/" + destination.replace("/", "~1"),
                      "value": {"next-hops": {h: more for h in hops}}}])

        ns.ip("link", "set", "wan1", "down")
        add("10.9.0.0/16", "192.0.2.1")
        add("10.10.0.0/16", "203.0.113.1")  # the way is pending, and that is no reason to refuse
        ns.ip("link", "del", "wan1")
        add("10.8.0.0/16", "192.0.2.1")
        add("10.11.0.0/16", "192.0.2.1", "203.0.113.7")
        add("0.0.0.0/0", "203.0.113.1")  # a change of the default route to what is not there
        w.until_problems(lambda p: AT4 + "203.0.113.1" in p and len(p) == 4)
        assert sorted(ns.routes()) == ["10.11.0.0/16", "10.8.0.0/16", "10.9.0.0/16"], ns.routes()
        add("0.0.0.0/0", "192.0.2.1")
        assert ways(ns) == ["192.0.2.1"]
        # What the change itself brings must fit; what was broken before is no matter.
        refused(w, "/routing/static/10.7.0.0~116/next-hops/10.99.0.1", "10.99.0.1 is not reachable",
                routing={"static": {"10.7.0.0/16": {"next-hops": {"10.99.0.1": {}}}}})
        w.commit(interfaces=interfaces(wan1={"addresses": UPLINKS["wan1"]}, lan1={"mtu": 1400}))
        refused(w, "/routing/static/10.10.0.0~116/next-hops/203.0.113.1", "not reachable",
                interfaces=interfaces())
        w.stop()


def an_uplink_that_gets_its_address_by_others_may_be_away():
    links = {**LINKS, "wan1": []}
    box = Box({}, links, absent=["wan1"])
    with box as (ns, w):
        w.commit(routing={"static": {"0.0.0.0/0": {"next-hops": {"203.0.113.1": {"interface": "wan1"}}}}})
        assert "no interface \"wan1\"" in w.until_problems(bool)[AT4 + "203.0.113.1"]["what"]
        box.plug("wan1")
        ns.ip("addr", "add", "203.0.113.2/24", "dev", "wan1")
        w.until_problems(lambda p: not p)
        assert ways(ns) == ["203.0.113.1"]
        refused(w, AT4 + "203.0.114.1", "not reachable on wan1",
                routing={"static": {"0.0.0.0/0": {"next-hops": {"203.0.114.1": {"interface": "wan1"}}}}})
        w.stop()


def a_router_outside_of_the_network_is_reached_by_its_interface():
    links = {"wan0": ["203.0.113.7/32", "2001:db8:2::7/128"], "wan1": ["203.0.113.9/32"]}
    hop = {"interface": "wan0", "onlink": True}
    with Box({"0.0.0.0/0": {"next-hops": {"192.0.2.1": hop}},
              "::/0": {"next-hops": {"2001:db8:5::1": hop}}}, links) as (ns, w):
        assert ways(ns) == ["192.0.2.1"] and ways(ns, "-6") == ["2001:db8:5::1"]
        # The same by a route to the router, and two of them beside each other.
        w.commit(routing={"static": {
            "192.0.2.1/32": {"interface": "wan0"}, "192.0.3.0/24": {"interface": "wan1"},
            "2001:db8:5::1/128": {"interface": "wan0"},
            "0.0.0.0/0": {"next-hops": {"192.0.2.1": {}, "192.0.3.1": {"interface": "wan1"}}},
            "::/0": {"next-hops": {"2001:db8:5::1": {}}}}})
        assert ways(ns) == ["192.0.2.1", "192.0.3.1"] and ways(ns, "-6") == ["2001:db8:5::1"]
        assert ns.routes()["192.0.2.1"] == {"dst": "192.0.2.1", "dev": "wan0", "protocol": "201",
                                            "scope": "link", "flags": []}, ns.routes()
        assert ns.routes("-6")["2001:db8:5::1"]["dev"] == "wan0"
        refused(w, AT4 + "192.0.3.1", "not reachable on wan1", routing={"static": {
            "192.0.2.1/32": {"interface": "wan0"},
            "0.0.0.0/0": {"next-hops": {"192.0.2.1": {}, "192.0.3.1": {"interface": "wan1"}}}}})
        # A tunnel: everything is a neighbour; a router with a worse metric behind it.
        w.commit(routing={"static": {"0.0.0.0/0": {
            "interface": "wan1", "metric": 5, "next-hops": {"192.0.2.1": {**hop, "metric": 9}}}}})
        shown = ns.ip("route", "show", "default")
        assert "default dev wan1" in shown and "metric 5" in shown and "metric 9" in shown, shown
        ns.ip("link", "set", "pwan1", "down")
        w.until_problems(lambda p: "/routing/static/0.0.0.0~10/interface" in p)
        assert json.loads(ns.ip("-j", "route", "get", "9.9.9.9"))[0]["gateway"] == "192.0.2.1"
        w.stop()


def routes_that_refuse_say_how():
    with Box({"10.20.0.0/16": {"unreachable": True}, "10.21.0.0/16": {"reject": True},
              "2001:db8:20::/48": {"unreachable": True}, "2001:db8:21::/48": {"reject": True},
              "10.22.0.0/16": {"blackhole": True}}) as (ns, w):
        types = {d: r["type"] for d, r in {**ns.routes(), **ns.routes("-6")}.items()}
        assert types == {"10.20.0.0/16": "unreachable", "10.21.0.0/16": "prohibit",
                         "2001:db8:20::/48": "unreachable", "2001:db8:21::/48": "prohibit",
                         "10.22.0.0/16": "blackhole"}, types
        w.commit(routing={"static": {"10.20.0.0/16": {"next-hops": {"10.1.0.2": {}}},
                                     "2001:db8:20::/48": {"next-hops": {"2001:db8:1::2": {}}},
                                     "10.22.0.0/16": {"reject": True}}})
        assert ns.routes()["10.20.0.0/16"]["gateway"] == "10.1.0.2"
        assert ns.routes()["10.22.0.0/16"]["type"] == "prohibit"
        assert list(ns.routes("-6")) == ["2001:db8:20::/48"] and \
            ns.routes("-6")["2001:db8:20::/48"]["gateway"] == "2001:db8:1::2", ns.routes("-6")
        w.stop()


def a_foreign_route_in_the_place_of_ours_loses_it():
    with Box(BOTH, UPLINKS) as (ns, w):
        ns.ip("route", "replace", "default", "via", "192.0.2.66")
        eventually(lambda: both(ns), "the IPv4 route is back")
        ns.ip("-6", "route", "replace", "default", "via", "2001:db8:2::66", "metric", "512")
        eventually(lambda: both(ns), "the IPv6 route is back")
        ns.ip("route", "flush", "proto", "201")
        eventually(lambda: both(ns), "flushed routes are back")
        w.until_problems(lambda p: not p)
        # One that insists is not fought for ever.
        end = time.monotonic() + 60
        while "/routing/static/0.0.0.0~10/next-hops/192.0.2.1" not in w.problems:
            assert time.monotonic() < end, w.problems
            ns.ip("route", "replace", "default", "via", "192.0.2.66")
            w.ping()
        ns.ip("route", "del", "default", "via", "192.0.2.66")
        w.until_problems(lambda p: not p)
        assert both(ns)
        w.stop()


def a_route_whose_place_was_taken_while_its_link_was_down_is_put_back():
    with Box({"10.20.0.0/16": {"next-hops": {"192.0.2.1": {}}}}, UPLINKS) as (ns, w):
        ns.ip("link", "set", "pwan0", "down")
        eventually(lambda: not ns.routes(), "the route is removed with its link")
        ns.ip("route", "add", "10.20.0.0/16", "via", "10.1.0.66")
        ns.ip("link", "set", "pwan0", "up")
        eventually(lambda: ns.routes().get("10.20.0.0/16", {}).get("gateway") == "192.0.2.1", "the route is back")
        w.until_problems(lambda p: not p)
        w.stop()


def a_route_whose_place_is_taken_at_start_waits_for_it():
    box = Box({"10.20.0.0/16": {"next-hops": {"10.1.0.2": {}}}, "10.21.0.0/16": {"blackhole": True},
               "10.22.0.0/16": {"next-hops": {"10.1.0.2": {}}}})
    with box as (ns, w):
        w.kill()
        ns.ip("route", "flush", "proto", "201")
        ns.ip("route", "add", "10.20.0.0/16", "via", "192.0.2.9")
        ns.ip("route", "add", "10.21.0.0/16", "via", "192.0.2.9")
        w = box.start()
        problems = w.until_problems(lambda p: len(p) == 2)
        assert list(ns.routes()) == ["10.22.0.0/16"], ns.routes()
        assert all("not ours" in p["what"] for p in problems.values()), problems
        w.commit(routing={"static": {**box.tree["routing"]["static"],
                                     "10.23.0.0/16": {"next-hops": {"10.1.0.2": {}}}}})
        ns.ip("route", "del", "10.20.0.0/16")
        ns.ip("route", "del", "10.21.0.0/16")
        w.until_problems(lambda p: not p)
        assert len(ns.routes()) == 4
        w.stop()


def one_unreadable_route_stops_no_other_at_start():
    # As an older version may have stored it: what it took and this one refuses.
    with Box({"10.20.0.1/16": {"blackhole": True}, "10.21.0.0/16": {"blackhole": True},
              "10.22.0.0/16": {"next-hops": {"192.0.2.255": {}}}}) as (ns, w):
        assert list(ns.routes()) == ["10.21.0.0/16"], ns.routes()
        problems = w.until_problems(lambda p: len(p) == 2)
        assert "did you mean 10.20.0.0/16?" in problems["/routing/static/10.20.0.1~116"]["what"]
        assert "broadcast" in problems["/routing/static/10.22.0.0~116/next-hops/192.0.2.255"]["what"]
        w.patch([{"op": "set", "path": "/routing/static/10.23.0.0~116", "value": {"reject": True}}])
        assert sorted(ns.routes()) == ["10.21.0.0/16", "10.23.0.0/16"]
        w.stop()


def lost_events_are_made_up_for():
    with Box({"0.0.0.0/0": {"next-hops": {"192.0.2.1": {}}}}) as (ns, w):
        for n in range(2):
            w.signal(signal.SIGSTOP)
            batch = "".join(f"route {'add' if n == 0 else 'del'} 100.{64 + i // 250}.{i % 250}.0/24 "
                            "via 192.0.2.9\n" for i in range(3000))
            ns.batch("route del default\n" + batch)
            w.signal(signal.SIGCONT)
            w.logged("routing.events-lost")
            eventually(lambda: ways(ns) == ["192.0.2.1"], "the route is back after lost events", 2)
            ns.ip("route", "del", "default")
            eventually(lambda: ways(ns) == ["192.0.2.1"], "the kernel is followed after an overrun", 2)
        w.stop()


main([a_missing_uplink_leaves_the_other_at_start,
      a_pulled_cable_takes_its_next_hop_away_until_it_is_back,
      a_backup_route_takes_over_and_a_blackhole_follows_it,
      a_commit_beside_a_broken_uplink_is_taken,
      an_uplink_that_gets_its_address_by_others_may_be_away,
      a_router_outside_of_the_network_is_reached_by_its_interface, routes_that_refuse_say_how,
      a_foreign_route_in_the_place_of_ours_loses_it,
      a_route_whose_place_was_taken_while_its_link_was_down_is_put_back,
      a_route_whose_place_is_taken_at_start_waits_for_it,
      one_unreadable_route_stops_no_other_at_start, lost_events_are_made_up_for])
