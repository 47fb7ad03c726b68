"""Each kind of route where it is seldom seen: in a table, in IPv6, with the same metric twice, with uplinks that come and go. In a
network namespace, checked with iproute2."""
import json

from host import eventually, main
from routing_box import LINKS, Box

UPLINKS = {**LINKS, "wan1": ["203.0.113.2/24", "2001:db8:3::2/64"]}
GUEST4, GUEST6 = ["from", "10.1.0.7", "iif", "lan0"], ["from", "2001:db8:1::7", "iif", "lan0"]
OUTSIDE = {"interface": "wan1", "onlink": True}
TABLE = {"id": 100, "static": {
    "10.50.0.0/16": {"unreachable": True}, "10.51.0.0/16": {"reject": True}, "10.52.0.0/16": {"blackhole": True},
    "10.53.0.0/16": {"interface": "wan1"}, "10.54.0.0/16": {"next-hops": {"100.64.0.1": OUTSIDE}},
    "10.55.0.0/16": {"next-hops": {"192.0.2.1": {"metric": 10}, "203.0.113.1": {"metric": 20}}, "blackhole": True},
    "2001:db8:50::/48": {"unreachable": True}, "2001:db8:51::/48": {"reject": True}, "2001:db8:52::/48": {"blackhole": True},
    "2001:db8:53::/48": {"interface": "wan1"}, "2001:db8:54::/48": {"next-hops": {"2001:db8:99::1": OUTSIDE}},
    "2001:db8:55::/48": {"next-hops": {"fe80::1%wan0": {"metric": 10}, "fe80::1%wan1": {"metric": 20}}, "unreachable": True}}}
TREE = {"tables": {"guests": TABLE}, "policy": {"10": {"from": "10.1.0.0/24", "table": "guests"},
                                                "11": {"from": "2001:db8:1::/64", "table": "guests"}}}


def way(ns, to):
    """The gateway (or nothing) and the link of a guest's packet, or the kernel's error."""
    six = ":" in to
    try:
        route = json.loads(ns.ip("-6" if six else "-4", "-j", "route", "get", to, *(GUEST6 if six else GUEST4)))[0]
    except RuntimeError as e:
        return str(e).split(": ")[-1]
    return route.get("gateway"), route["dev"]


def ways(ns, *last):
    return [way(ns, f"10.{n}.0.9") for n in last] + [way(ns, f"2001:db8:{n}::9") for n in last]


REFUSED = ["No route to host", "Permission denied", "Invalid argument"]
UP = [(None, "wan1"), ("100.64.0.1", "wan1"), ("192.0.2.1", "wan0"),
      (None, "wan1"), ("2001:db8:99::1", "wan1"), ("fe80::1", "wan0")]


def each_kind_in_a_table_is_removed_and_added_with_its_uplink():
    with Box({}, UPLINKS) as (ns, w):
        ns.sysctl("net.ipv4.ip_forward", "1")
        ns.sysctl("net.ipv6.conf.all.forwarding", "1")
        w.commit(routing=TREE)
        assert ways(ns, 50, 51, 52) == REFUSED * 2, ways(ns, 50, 51, 52)
        assert ways(ns, 53, 54, 55) == UP, ways(ns, 53, 54, 55)
        ns.ip("link", "set", "pwan1", "down")
        # Nothing else has a way there: what is left in the table is the main one's, which has none.
        eventually(lambda: all(isinstance(x, str) for x in ways(ns, 53, 54)), "the routes of wan1 go")
        assert ways(ns, 55) == [UP[2], UP[5]], ways(ns, 55)
        ns.ip("link", "set", "pwan1", "up")
        eventually(lambda: ways(ns, 53, 54, 55) == UP, "they come back")
        ns.ip("link", "set", "pwan0", "down")
        eventually(lambda: ways(ns, 55) == [("203.0.113.1", "wan1"), ("fe80::1", "wan1")], "the backup is used")
        ns.ip("link", "set", "pwan1", "down")
        eventually(lambda: ways(ns, 55) == ["Invalid argument", "No route to host"], "the route after all others refuses in its own way")
        for link in ("pwan0", "pwan1"):
            ns.ip("link", "set", link, "up")
        eventually(lambda: ways(ns, 53, 54, 55) == UP, "all come back")
        w.until_problems(lambda p: not p)
        w.stop()


def the_same_metric_twice_is_one_route_of_two_next_hops():
    def shown(family):
        found = json.loads(ns.ip(family, "-j", "route", "show", "default"))
        return sorted((r.get("metric", 0), sorted(h["gateway"] for h in r.get("nexthops", [r]))) for r in found)

    def default(first, second, metric=10):
        """Of both families; metrics of the next hops, None: the route's."""
        def hops(*names):
            return {n: {} if m is None else {"metric": m} for n, m in zip(names, (first, second))}
        return {"static": {"0.0.0.0/0": {"metric": metric, "next-hops": hops("192.0.2.1", "203.0.113.1")},
                           "::/0": {"metric": metric, "next-hops": hops("2001:db8:2::1", "2001:db8:3::1")}}}

    def grouped(family):
        """IPv6 may list next hops of one metric as routes."""
        by = {}
        for metric, gateways in shown(family):
            by.setdefault(metric, []).extend(gateways)
        return {m: sorted(g) for m, g in by.items()}

    four, six = ["192.0.2.1", "203.0.113.1"], ["2001:db8:2::1", "2001:db8:3::1"]
    with Box({}, UPLINKS) as (ns, w):
        for first, second in ((None, 10), (10, 10), (None, None), (10, None)):
            w.commit(routing=default(first, second))
            assert grouped("-4") == {10: four} and grouped("-6") == {10: six}, (first, second, grouped("-4"), grouped("-6"))
            w.commit(routing=default(10, 20))
            assert grouped("-4") == {10: four[:1], 20: four[1:]} and grouped("-6") == {10: six[:1], 20: six[1:]}, grouped("-6")
        w.stop()


def a_next_hop_that_becomes_a_neighbour_is_used_then_and_left_when_it_is_none():
    with Box({"10.60.0.0/16": {"next-hops": {"198.51.100.1": {}}, "unreachable": True},
              "2001:db8:60::/48": {"next-hops": {"2001:db8:77::1": {}}}}, UPLINKS) as (ns, w):
        w.until_problems(lambda p: len(p) == 2)
        assert ns.routes()["10.60.0.0/16"]["type"] == "unreachable"
        for add, gateways in (("add", ["198.51.100.1", "2001:db8:77::1"]), ("del", []), ("add", ["198.51.100.1", "2001:db8:77::1"])):
            ns.ip("addr", add, "198.51.100.2/24", "dev", "wan1")
            ns.ip("addr", add, "2001:db8:77::2/64", "dev", "wan1", *(["nodad"] if add == "add" else []))
            eventually(lambda: [g for f, d in (("-4", "10.60.0.0/16"), ("-6", "2001:db8:60::/48"))
                                for r in json.loads(ns.ip(f, "-j", "route", "show", d)) if (g := r.get("gateway"))] == gateways,
                       f"{add}: the next hops are {gateways}")
        w.until_problems(lambda p: not p)
        w.stop()


main([each_kind_in_a_table_is_removed_and_added_with_its_uplink, the_same_metric_twice_is_one_route_of_two_next_hops,
      a_next_hop_that_becomes_a_neighbour_is_used_then_and_left_when_it_is_none])
