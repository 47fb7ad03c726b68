"""The routing service against a kernel: in a network namespace, checked with iproute2."""
from host import main, refused
from routing_box import Box, interfaces


def routes_of_both_families_follow_the_configuration():
    with Box({"0.0.0.0/0": {"next-hops": {"192.0.2.1": {"interface": "wan0"}}},
              "::/0": {"next-hops": {"2001:db8:2::1": {}}}}) as (ns, w):
        assert ns.routes()["default"]["gateway"] == "192.0.2.1", ns.routes()
        assert ns.routes("-6")["default"]["gateway"] == "2001:db8:2::1", ns.routes("-6")
        plan = w.patch([
            {"op": "set", "path": "/routing/static/0.0.0.0~10",
             "value": {"next-hops": {"192.0.2.9": {}}}},
            {"op": "set", "path": "/routing/static/10.20.0.0~116",
             "value": {"next-hops": {"10.1.0.2": {"weight": 3}, "192.0.2.7": {}}, "metric": 50}},
            {"op": "set", "path": "/routing/static/198.51.100.0~124", "value": {"blackhole": True}},
            {"op": "set", "path": "/routing/static/2001:db8:9::~148", "value": {"blackhole": True}},
            {"op": "set", "path": "/routing/static/2001:db8:a::~148",
             "value": {"next-hops": {"fe80::1": {"interface": "lan0"}, "2001:db8:2::7": {"weight": 2}}}}])
        four, six = ns.routes(), ns.routes("-6")
        assert four["default"]["gateway"] == "192.0.2.9" and len(four) == 3, four
        assert [(h["gateway"], h["weight"]) for h in four["10.20.0.0/16"]["nexthops"]] == [
            ("10.1.0.2", 3), ("192.0.2.7", 1)] and four["10.20.0.0/16"]["metric"] == 50
        assert four["198.51.100.0/24"]["type"] == "blackhole"
        assert six["2001:db8:9::/48"]["type"] == "blackhole", six
        assert sorted(h["gateway"] for h in six["2001:db8:a::/48"]["nexthops"]) == [
            "2001:db8:2::7", "fe80::1"], six
        assert "replace route 0.0.0.0/0" in plan and "add route 10.20.0.0/16" in plan, plan
        assert w.logged("routing.applied") and w.ping() is None
        w.commit(routing=None)
        assert ns.routes() == {} and ns.routes("-6") == {}
        w.stop()


def routes_of_others_stay():
    with Box({"10.20.0.0/16": {"next-hops": {"10.1.0.2": {}}}}) as (ns, w):
        ns.ip("route", "add", "10.30.0.0/16", "via", "10.1.0.9")
        ns.ip("route", "add", "10.20.0.0/16", "via", "10.1.0.9", "metric", "7")
        refused(w, "/routing/static/10.30.0.0~116", "protocol boot", "another metric",
                routing={"static": {"10.30.0.0/16": {"next-hops": {"10.1.0.2": {}}}}})
        w.commit(routing=None)
        left = ns.ip("route")
        assert "10.30.0.0/16 via 10.1.0.9" in left and "10.20.0.0/16 via 10.1.0.9" in left, left
        assert ns.routes() == {}
        w.stop()


def an_applied_change_is_undone():
    with Box({"0.0.0.0/0": {"next-hops": {"192.0.2.1": {}}}}) as (ns, w):
        w.commit(routing={"static": {"10.20.0.0/16": {"next-hops": {"10.1.0.2": {}}}}})
        assert list(ns.routes()) == ["10.20.0.0/16"]
        w.undo()
        assert list(ns.routes()) == ["default"] and ns.routes()["default"]["gateway"] == "192.0.2.1"
        w.stop()


def a_restart_removes_what_left_meanwhile():
    box = Box({"0.0.0.0/0": {"next-hops": {"192.0.2.1": {}}}, "10.20.0.0/16": {"blackhole": True}})
    with box as (ns, w):
        w.kill()
        assert len(ns.routes()) == 2, "a dead service does not cut the network"
        box.tree["routing"] = {"static": {"0.0.0.0/0": {"next-hops": {"192.0.2.1": {}}}}}
        w = box.start()
        assert list(ns.routes()) == ["default"]
        w.stop()


def routes_the_kernel_dropped_come_back():
    with Box({"0.0.0.0/0": {"next-hops": {"192.0.2.1": {"interface": "wan0"}}},
              "10.20.0.0/16": {"next-hops": {"10.1.0.2": {}}}}) as (ns, w):
        ns.ip("link", "set", "wan0", "down")
        w.logged("routing.missing")
        problem = w.until_problems(bool)["/routing/static/0.0.0.0~10/next-hops/192.0.2.1"]
        assert problem["what"] == ("route 0.0.0.0/0 does not use next hop 192.0.2.1: interface wan0 is "
                                   "down") and problem["level"] == "degraded" and problem["todo"]
        assert list(ns.routes()) == ["10.20.0.0/16"]
        ns.ip("link", "set", "wan0", "up")
        w.logged("routing.repaired")
        w.until_problems(lambda p: not p)
        assert ns.routes()["default"]["gateway"] == "192.0.2.1"
        ns.ip("route", "del", "10.20.0.0/16")
        w.logged("routing.repaired")
        assert "10.20.0.0/16" in ns.routes()
        ns.ip("addr", "del", "192.0.2.2/24", "dev", "wan0")
        w.logged("routing.missing")
        ns.ip("addr", "add", "192.0.2.2/24", "dev", "wan0")
        w.logged("routing.repaired")
        assert ns.routes()["default"]["gateway"] == "192.0.2.1"
        w.stop()


def an_unreachable_next_hop_at_start_degrades_and_is_made_later():
    with Box({"10.20.0.0/16": {"next-hops": {"10.1.0.2": {}}},
              "10.30.0.0/16": {"next-hops": {"10.7.0.2": {}}}}) as (ns, w):
        assert list(ns.routes()) == ["10.20.0.0/16"]
        assert "10.7.0.2 is in no connected network" in w.until_problems(bool)[
            "/routing/static/10.30.0.0~116/next-hops/10.7.0.2"]["what"]
        ns.ip("addr", "add", "10.7.0.1/24", "dev", "lan0")
        w.logged("routing.repaired")
        assert "10.30.0.0/16" in ns.routes()
        w.stop()


def wrong_configurations_are_refused_with_path_and_reason():
    def static(destination, **route):
        return {"static": {destination: route}}

    def via(*hops):
        return {"next-hops": {hop: {} for hop in hops}}

    default = "/routing/static/0.0.0.0~10"
    table = [
        (static("0.0.0.0/0", **via("192.0.3.1")), default + "/next-hops/192.0.3.1",
         "192.0.3.1 is not reachable", "10.1.0.0/24 on lan0", "192.0.2.0/24 on wan0"),
        (static("0.0.0.0/0", **{"next-hops": {"192.0.2.1": {"interface": "lan0"}}}),
         default + "/next-hops/192.0.2.1", "not reachable on lan0"),
        (static("0.0.0.0/0", **via("192.0.2.2")), default + "/next-hops/192.0.2.2", "this machine"),
        (static("0.0.0.0/0", **via("2001:db8:2::1")), default + "/next-hops/2001:db8:2::1", "IPv6"),
        (static("0.0.0.0/0", **via("192.0.2.256")), default + "/next-hops/192.0.2.256",
         "not an IPv4 or IPv6 address"),
        (static("0.0.0.0/0"), default, "next-hops", "blackhole"),
        (static("0.0.0.0/0", blackhole=True, reject=True), default, "at most one of"),
        (static("0.0.0.0/0", blackhole=True, metric=4278198272, **via("192.0.2.1")),
         default + "/next-hops/192.0.2.1", "metric below 4278198272"),
        (static("0.0.0.0/0", **via("192.0.2.255")), default + "/next-hops/192.0.2.255",
         "broadcast address"),
        (static("0.0.0.0/0", **via("255.255.255.255")), default + "/next-hops/255.255.255.255",
         "no router's address"),
        (static("0.0.0.0/0", **via("127.0.0.9")), default + "/next-hops/127.0.0.9",
         "no router's address"),
        (static("0.0.0.0/0", **{"next-hops": {"192.0.3.1": {"onlink": True}}}),
         default + "/next-hops/192.0.3.1", "interface"),
        (static("0.0.0.0/0", **{"next-hops": {"192.0.3.1": {"interface": "wan0"}}}),
         default + "/next-hops/192.0.3.1", "not reachable on wan0", 'onlink to true'),
        (static("0.0.0.0/0", **{"next-hops": {"192.0.3.1": {"interface": "wan00", "onlink": True}}}),
         default + "/next-hops/192.0.3.1", "no interface \"wan00\"", "wan0?"),
        (static("10.40.0.0/16", interface="wlan9"), "/routing/static/10.40.0.0~116/interface",
         "no interface \"wlan9\""),
        (static("2001:db8:9::/48", interface="lan0", **via("2001:db8:2::1")),
         "/routing/static/2001:db8:9::~148/interface", "another metric"),
        (static("10.20.0.1/16", **via("10.1.0.2")), "/routing/static/10.20.0.1~116",
         "did you mean 10.20.0.0/16?"),
        (static("10.20.0.0", **via("10.1.0.2")), "/routing/static/10.20.0.0", "prefix length"),
        (static("2001:db8:9::/48", **via("fe80::1")),
         "/routing/static/2001:db8:9::~148/next-hops/fe80::1", "needs its interface"),
        ({"static": {"2001:db8:9::/48": {"blackhole": True}, "2001:DB8:9::/48": {"blackhole": True}}},
         None, "same network"),
        (static("10.1.0.0/24", **via("10.1.0.2")), "/routing/static/10.1.0.0~124", "protocol kernel"),
    ]
    with Box({"10.20.0.0/16": {"blackhole": True}}) as (ns, w):
        for config, path, *words in table:
            if path is None:
                try:
                    w.commit(routing=config)
                    raise AssertionError("accepted")
                except Exception as e:
                    assert words[0] in str(e), e
                continue
            refused(w, path, *words, routing=config)
            assert list(ns.routes()) == ["10.20.0.0/16"]
        w.stop()


def a_change_of_interfaces_that_cuts_off_a_next_hop_is_refused():
    with Box({"0.0.0.0/0": {"next-hops": {"192.0.2.1": {}}}}) as (ns, w):
        # The kernel's own address of wan0 would still reach it; ours (by protocol) would not.
        ns.ip("addr", "del", "192.0.2.2/24", "dev", "wan0")
        at = "/routing/static/0.0.0.0~10/next-hops/192.0.2.1"
        refused(w, at, "not reachable", interfaces=interfaces(wan0={"addresses": ["192.0.3.2/24"]}))
        refused(w, at, "wan0 is switched off",
                interfaces=interfaces(wan0={"addresses": ["192.0.2.2/24"], "enabled": False}))
        w.stop()


def a_next_hop_may_be_on_a_network_of_the_same_commit():
    with Box({}) as (ns, w):
        # The interfaces service applies first; here the test does its part.
        ns.ip("addr", "add", "203.0.113.2/24", "dev", "wan0")
        w.commit(interfaces=interfaces(wan0={"addresses": ["192.0.2.2/24", "203.0.113.2/24"]}),
                 routing={"static": {"0.0.0.0/0": {"next-hops": {"203.0.113.1": {}}}}})
        assert ns.routes()["default"]["gateway"] == "203.0.113.1"
        w.stop()


def list_shows_routes_ours_first():
    with Box({"0.0.0.0/0": {"next-hops": {"192.0.2.1": {}}},
              "10.20.0.0/16": {"blackhole": True}}) as (ns, w):
        out = w.call("list", {}, src=9)
        ours = {r["destination"]: r for r in out["routes"] if r["ours"]}
        assert list(ours) == [r["destination"] for r in out["routes"][:2]], out["routes"]
        assert ours["0.0.0.0/0"]["next-hops"] == [
            {"gateway": "192.0.2.1", "interface": "wan0", "weight": 1}], ours
        assert ours["10.20.0.0/16"]["type"] == "blackhole"
        assert any(r["destination"] == "10.1.0.0/24" and r["protocol"] == "kernel"
                   for r in out["routes"])
        w.stop()


main([routes_of_both_families_follow_the_configuration, routes_of_others_stay,
      an_applied_change_is_undone, a_restart_removes_what_left_meanwhile,
      routes_the_kernel_dropped_come_back,
      an_unreachable_next_hop_at_start_degrades_and_is_made_later,
      wrong_configurations_are_refused_with_path_and_reason,
      a_change_of_interfaces_that_cuts_off_a_next_hop_is_refused,
      a_next_hop_may_be_on_a_network_of_the_same_commit, list_shows_routes_ours_first])
