"""Tables and the rules that choose one, preferred sources, and routers of one address on two links. In
a network namespace, checked with iproute2 and with packets that really leave."""
import json

from host import eventually, main, refused
from routing_box import LINKS, Box, interfaces

UPLINKS = {**LINKS, "wan1": ["203.0.113.2/24", "2001:db8:3::2/64"]}
GUESTS = {"id": 100, "static": {"0.0.0.0/0": {"next-hops": {"203.0.113.1": {}}},
                                "::/0": {"next-hops": {"2001:db8:3::1": {}}}}}
MAIN = {"0.0.0.0/0": {"next-hops": {"192.0.2.1": {}}}, "::/0": {"next-hops": {"2001:db8:2::1": {}}}}


def get(ns, to, *more):
    """Where the kernel sends a packet: (gateway, link, source) or the error's words."""
    try:
        route = json.loads(ns.ip("-6" if ":" in to else "-4", "-j", "route", "get", to, *more))[0]
    except RuntimeError as e:
        return str(e).split(": ")[-1]
    return route.get("gateway"), route["dev"], route.get("prefsrc")


def rules(ns, family="-4"):
    return [r for r in json.loads(ns.ip(family, "-j", "rule", "show")) if r.get("protocol") == "201"]


def table(ns, number, family="-4"):
    try:
        found = json.loads(ns.ip(family, "-j", "route", "show", "table", str(number)))
    except RuntimeError:  # there is none
        return {}
    return {r["dst"]: r for r in found}


def a_rule_selects_another_table():
    tree = {"static": MAIN, "tables": {"guests": GUESTS}, "policy": {
        "10": {"from": "10.1.0.128/25", "table": "guests"},
        "20": {"interface": "lan0", "mark": "0x10/0xf0", "table": "guests"},
        "30": {"to": "198.51.100.0/24", "reject": True}, "40": {"to": "2001:db8:99::/48", "blackhole": True}}}
    with Box({}, UPLINKS) as (ns, w):
        ns.sysctl("net.ipv4.ip_forward", "1")
        ns.sysctl("net.ipv6.conf.all.forwarding", "1")
        plan = w.commit(routing=tree)
        assert "add policy rule 10" in plan and "add route ::/0 of table guests" in plan, plan
        guest, other = ["from", "10.1.0.200", "iif", "lan0"], ["from", "10.1.0.7", "iif", "lan0"]
        assert get(ns, "9.9.9.9", *guest)[:2] == ("203.0.113.1", "wan1"), get(ns, "9.9.9.9", *guest)
        assert get(ns, "9.9.9.9", *other)[:2] == ("192.0.2.1", "wan0")
        assert get(ns, "9.9.9.9", *other, "mark", "0x1f")[:2] == ("203.0.113.1", "wan1")
        six = ["from", "2001:db8:1::7", "iif", "lan0"]
        assert get(ns, "2001:db8:77::1", *six)[:2] == ("2001:db8:2::1", "wan0"), get(ns, "2001:db8:77::1", *six)
        assert get(ns, "2001:db8:77::1", *six, "mark", "0x10")[:2] == ("2001:db8:3::1", "wan1")
        assert get(ns, "198.51.100.9", *other) == "Permission denied"
        assert get(ns, "2001:db8:99::1", *six) == "Invalid argument"
        assert [r["priority"] for r in rules(ns)] == [10, 20, 30]
        assert [r["priority"] for r in rules(ns, "-6")] == [20, 40]
        assert not w.problems
        w.commit(routing={"static": MAIN})
        assert not rules(ns) and not rules(ns, "-6") and not table(ns, 100) and not table(ns, 100, "-6")
        assert get(ns, "9.9.9.9", *guest)[:2] == ("192.0.2.1", "wan0")
        w.stop()


def a_changed_rule_is_never_missing():
    def tree(last):
        return {"tables": {"guests": {"id": 100, "static": {"0.0.0.0/0": {last: True}}}},
                "policy": {"10": {"from": "10.1.0.0/24", "table": "guests"},
                           "20": {"from": "10.1.0.0/24"}}}

    with Box({}, UPLINKS) as (ns, w):
        w.commit(routing=tree("blackhole"))
        with ns.monitor("rule", "address") as seen:
            changed = tree("blackhole")
            changed["policy"]["10"]["to"] = "9.0.0.0/8"
            changed["policy"]["20"] = {"from": "10.1.0.0/24", "ignore-default": True}
            w.commit(routing=changed)
            eventually(lambda: len([l for l in seen() if "10:" in l]) == 2, "both events of rule 10")
            lines = [l for l in seen() if "10:" in l]
        assert not lines[0].startswith("Deleted") and lines[1].startswith("Deleted"), lines
        assert rules(ns)[1].get("suppress_prefixlen") == 0, rules(ns)
        assert len(rules(ns)) == 2
        w.stop()


def rules_of_others_stay_and_ours_come_back():
    box = Box({}, UPLINKS)
    with box as (ns, w):
        ns.ip("rule", "add", "from", "10.9.0.0/16", "table", "100", "priority", "15")
        tree = {"static": MAIN, "tables": {"guests": GUESTS},
                "policy": {"10": {"from": "10.1.0.0/24", "table": "guests"}, "20": {"interface": "lan0"}}}
        w.commit(routing=tree)
        refused(w, "/routing/policy/15", "number 15", "not ours", "another number",
                routing={**tree, "policy": {**tree["policy"], "15": {"to": "10.0.0.0/8"}}})
        ns.ip("rule", "del", "priority", "10")
        eventually(lambda: len(rules(ns)) == 2, "a deleted rule is back", 2)
        ns.ip("-6", "rule", "del", "priority", "20")
        eventually(lambda: len(rules(ns, "-6")) == 1, "a deleted half is back", 2)
        ns.ip("rule", "add", "from", "10.66.0.0/16", "blackhole", "priority", "99", "protocol", "201")
        eventually(lambda: len(rules(ns)) == 2, "what is not configured is removed", 2)
        # One that uses a number of Orbital's is reported, and no more.
        ns.ip("rule", "add", "from", "10.8.0.0/16", "table", "main", "priority", "20")
        assert "number 20" in w.until_problems(bool)["/routing/policy/20"]["what"]
        ns.ip("rule", "del", "from", "10.8.0.0/16", "priority", "20")
        w.until_problems(lambda p: not p)
        w.kill()
        box.tree["routing"] = {"static": MAIN, "policy": {"20": {"interface": "lan0"}}}
        w = box.start()
        assert [r["priority"] for r in rules(ns)] == [20] and not table(ns, 100)
        assert "10.9.0.0/16" in ns.ip("rule", "show", "priority", "15").replace(" ", "/16 ", 1) or \
            "10.9.0.0/16" in ns.ip("rule", "show")
        w.stop()


def a_table_loses_a_next_hop_without_cable_and_falls_through():
    tree = {"static": MAIN, "tables": {"guests": GUESTS},
            "policy": {"10": {"interface": "lan0", "table": "guests"}}}
    with Box({}, UPLINKS) as (ns, w):
        ns.sysctl("net.ipv4.ip_forward", "1")
        w.commit(routing=tree)
        at = ["from", "10.1.0.7", "iif", "lan0"]
        assert get(ns, "9.9.9.9", *at)[1] == "wan1"
        ns.ip("link", "set", "pwan1", "down")
        problems = w.until_problems(lambda p: len(p) == 2)
        assert problems["/routing/tables/guests/static/0.0.0.0~10/next-hops/203.0.113.1"]["todo"], problems
        assert get(ns, "9.9.9.9", *at)[1] == "wan0"
        pending = w.call("list", {}, src=9)["pending"]
        assert [p["table"] for p in pending] == ["guests", "guests"], pending
        ns.ip("link", "set", "pwan1", "up")
        w.until_problems(lambda p: not p)
        assert get(ns, "9.9.9.9", *at)[1] == "wan1"
        out = w.call("list", {}, src=9)
        assert {"10.1.0.0/24", "0.0.0.0/0"} <= {r["destination"] for r in out["routes"]}
        assert sorted(r["table"] for r in out["routes"] if r["ours"]) == ["guests"] * 2 + ["main"] * 2
        assert [(r["number"], r["table"]) for r in out["policy"] if r["ours"]] == [(10, "guests")] * 2
        w.stop()


def wrong_policies_are_refused_with_path_and_reason():
    def tree(policy=None, tables=None):
        return {"tables": {"guests": GUESTS, **(tables or {})}, "policy": {"10": policy or {}}}

    at = "/routing/policy/10"
    table = [
        (tree({"table": "guets"}), at + "/table", "no table \"guets\"", "did you mean guests?"),
        (tree({"from": "10.1.0.1/24"}), at + "/from", "did you mean 10.1.0.0/24?"),
        (tree({"to": "10.1.0.0"}), at + "/to", "prefix length"),
        (tree({"from": "10.1.0.0/24", "to": "2001:db8::/32"}), at + "/to", "one family"),
        (tree({"mark": "0x10/0"}), at + "/mark", "mask 0"),
        (tree({"mark": "0x10/0x1"}), at + "/mark", "bits"),
        (tree({"mark": "4294967296"}), at + "/mark", "32 bits"),
        (tree({"table": "guests", "reject": True}), at + "/table", "either"),
        (tree({"blackhole": True, "reject": True}), at, "at most one of"),
        (tree({"interface": "wlan9"}), at + "/interface", "no interface \"wlan9\""),
        (tree(tables={"vpn": {"id": 100}}), "/routing/tables/vpn/id", "guests has number 100"),
        (tree(tables={"vpn": {"id": 254}}), "/routing/tables/vpn/id", "the kernel's"),
        (tree(tables={"main": {"id": 7}}), "/routing/tables/main", "another name"),
        (tree(tables={"vpn": {"id": 7, "static": {"10.9.0.0/16": {"next-hops": {"10.99.0.1": {}}}}}}),
         "/routing/tables/vpn/static/10.9.0.0~116/next-hops/10.99.0.1", "not reachable"),
        ({"policy": {"40000": {}}}, "/routing/policy/40000", "32765"),
    ]
    with Box({}, UPLINKS) as (ns, w):
        for config, path, *words in table:
            refused(w, path, *words, routing=config)
            assert not rules(ns) and not rules(ns, "-6")
        w.commit(routing=tree({"table": "guests"}))
        refused(w, at + "/table", "no table \"guests\"", routing={"policy": {"10": {"table": "guests"}}})
        w.stop()


def the_same_router_address_on_two_links():
    links = {"lan0": ["10.1.0.1/24"], "wan0": ["100.64.0.2/24"], "wan1": ["2001:db8:3::2/64"]}
    six = {"next-hops": {"fe80::1%wan0": {}, "fe80::1%wan1": {"weight": 2}}}
    floating = {"next-hops": {"fe80::1%wan0": {"metric": 10}, "fe80::1%wan1": {"metric": 20}}}
    four = {"next-hops": {"100.64.0.1%wan0": {}, "100.64.0.1%wan1": {"onlink": True}}}
    with Box({"::/0": six, "0.0.0.0/0": four}, links) as (ns, w):
        assert sorted((h["gateway"], h["dev"], h["weight"]) for h in ns.routes("-6")["default"]["nexthops"]) \
            == [("fe80::1", "wan0", 1), ("fe80::1", "wan1", 2)], ns.routes("-6")
        assert sorted((h["gateway"], h["dev"]) for h in ns.routes()["default"]["nexthops"]) == [
            ("100.64.0.1", "wan0"), ("100.64.0.1", "wan1")], ns.routes()
        ns.ip("link", "set", "pwan1", "down")
        w.until_problems(lambda p: sorted(p) == ["/routing/static/0.0.0.0~10/next-hops/100.64.0.1%wan1",
                                                 "/routing/static/::~10/next-hops/fe80::1%wan1"])
        assert ns.routes("-6")["default"]["dev"] == ns.routes()["default"]["dev"] == "wan0"
        ns.ip("link", "set", "pwan1", "up")
        w.until_problems(lambda p: not p)
        w.commit(routing={"static": {"::/0": floating}})
        shown = ns.ip("-6", "route", "show", "default")
        assert "via fe80::1 dev wan0 proto 201 metric 10" in shown.replace("static", "201") and \
            "via fe80::1 dev wan1 proto 201 metric 20" in shown, shown
        ns.ip("link", "set", "pwan0", "down")
        w.until_problems(bool)
        assert get(ns, "2001:db8:77::1")[:2] == ("fe80::1", "wan1")
        at = "/routing/static/::~10/next-hops/"
        refused(w, at + "fe80::1", "same router as fe80::1%wan0", "ADDRESS%INTERFACE", routing={"static": {
            "::/0": {"next-hops": {"fe80::1%wan0": {}, "fe80::1": {"interface": "wan0"}}}}})
        refused(w, at + "fe80::1%wan1", "two interfaces, \"wan1\" and \"wan0\"", routing={"static": {
            "::/0": {"next-hops": {"fe80::1%wan1": {"interface": "wan0"}}}}})
        refused(w, at + "fe80::1%wan9", "no interface \"wan9\"", routing={"static": {
            "::/0": {"next-hops": {"fe80::1%wan9": {}}}}})
        w.stop()


def the_preferred_source_is_used_and_its_absence_costs_no_route():
    links = {**UPLINKS, "lan0": ["10.1.0.1/24", "10.1.0.5/24", "2001:db8:1::1/64"]}
    tree = {"static": {
        "0.0.0.0/0": {"preferred-source": "10.1.0.5", "next-hops": {
            "192.0.2.1": {"metric": 10}, "203.0.113.1": {"metric": 20, "preferred-source": "10.1.0.1"}}},
        "::/0": {"next-hops": {"2001:db8:2::1": {"preferred-source": "2001:db8:1::1"}}}}}
    own, other = ("/routing/static/0.0.0.0~10/preferred-source",
                  "/routing/static/0.0.0.0~10/next-hops/203.0.113.1/preferred-source")
    with Box({}, links) as (ns, w):
        w.commit(routing=tree)
        assert get(ns, "9.9.9.9") == ("192.0.2.1", "wan0", "10.1.0.5"), get(ns, "9.9.9.9")
        assert get(ns, "2001:db8:77::1") == ("2001:db8:2::1", "wan0", "2001:db8:1::1")
        ns.ip("link", "set", "pwan0", "down")
        w.until_problems(lambda p: len(p) == 2)
        assert get(ns, "9.9.9.9") == ("203.0.113.1", "wan1", "10.1.0.1"), get(ns, "9.9.9.9")
        ns.ip("link", "set", "pwan0", "up")
        w.until_problems(lambda p: not p)
        # The kernel takes IPv4 routes with their source away, and IPv6 sources out of their routes.
        ns.ip("addr", "del", "10.1.0.5/24", "dev", "lan0")
        ns.ip("addr", "del", "2001:db8:1::1/64", "dev", "lan0")
        problems = w.until_problems(lambda p: len(p) == 2)
        assert "without its preferred source" in problems[own]["what"], problems
        assert get(ns, "9.9.9.9")[:2] == ("192.0.2.1", "wan0")
        assert get(ns, "2001:db8:77::1")[:2] == ("2001:db8:2::1", "wan0")
        ns.ip("addr", "add", "10.1.0.5/24", "dev", "lan0")
        ns.ip("addr", "add", "2001:db8:1::1/64", "dev", "lan0")  # being looked for at first
        w.until_problems(lambda p: not p)
        assert get(ns, "9.9.9.9")[2] == "10.1.0.5" and get(ns, "2001:db8:77::1")[2] == "2001:db8:1::1"
        ns.ip("addr", "del", "10.1.0.5/24", "dev", "lan0")  # the test's; the interfaces service's would count
        refused(w, own, "no address of this machine",
                interfaces=interfaces(wan1={"addresses": UPLINKS["wan1"]},
                                      lan0={"addresses": ["10.1.0.1/24", "2001:db8:1::1/64"]}))
        tree["static"]["0.0.0.0/0"]["next-hops"]["203.0.113.1"]["preferred-source"] = "10.1.0.77"
        refused(w, other, "10.1.0.77 is no address of this machine", routing=tree)
        tree["static"]["0.0.0.0/0"]["next-hops"]["203.0.113.1"]["preferred-source"] = "2001:db8:1::1"
        refused(w, other, "is IPv6", routing=tree)
        tree["static"]["0.0.0.0/0"]["next-hops"]["203.0.113.1"] = {"metric": 10, "preferred-source": "10.1.0.1"}
        refused(w, other.rsplit("/", 1)[0], "one preferred source", routing=tree)
        w.stop()


def what_no_router_can_be_is_refused_before_anything_changes():
    at = "/routing/static/{}/next-hops/"
    with Box({}, {**UPLINKS, "ptp0": ["10.9.9.0/31"]}) as (ns, w):
        for destination, hop, more, word in (
                ("0.0.0.0/0", "192.0.2.0", {}, "a connected network itself"),
                ("0.0.0.0/0", "192.0.2.255", {"interface": "wan0", "onlink": True}, "broadcast"),
                ("0.0.0.0/0", "192.0.2.2", {"interface": "wan0", "onlink": True}, "this machine itself (wan0)"),
                ("0.0.0.0/0", "192.0.2.2", {"interface": "wan1", "onlink": True}, "this machine itself (wan0)"),
                ("::/0", "2001:db8:2::", {}, "a connected network itself"),
                ("::/0", "2001:db8:2::2", {}, "this machine itself")):
            refused(w, at.format(destination.replace("/", "~1")) + hop, word,
                    routing={"static": {destination: {"next-hops": {hop: more}}}})
        w.commit(routing={"static": {"0.0.0.0/0": {"next-hops": {"10.9.9.1": {}}}}})
        assert ns.routes()["default"]["gateway"] == "10.9.9.1"
        # The same in a table, and at start: the rest works.
        refused(w, "/routing/tables/t/static/0.0.0.0~10/next-hops/203.0.113.0", "network itself", routing={
            "tables": {"t": {"id": 9, "static": {"0.0.0.0/0": {"next-hops": {"203.0.113.0": {}}}}}}})
        w.stop()


main([a_rule_selects_another_table, a_changed_rule_is_never_missing,
      rules_of_others_stay_and_ours_come_back, a_table_loses_a_next_hop_without_cable_and_falls_through,
      wrong_policies_are_refused_with_path_and_reason, the_same_router_address_on_two_links,
      the_preferred_source_is_used_and_its_absence_costs_no_route,
      what_no_router_can_be_is_refused_before_anything_changes])
