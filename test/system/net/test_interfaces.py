"""The interfaces service against a kernel: in a network namespace, checked with iproute2."""
import json
import os
import signal
import sys

from host import Namespace, eventually, main, refused
from interfaces_box import Box

RUNNER, MODULE = sys.argv[1:3]


def addresses_mtu_and_state_follow_the_configuration():
    with Box({"lan0": {"addresses": ["10.1.0.1/24", "2001:db8:1::1/64"], "mtu": 1400}}) as (ns, w):
        assert ns.addresses("lan0") == ["10.1.0.1/24", "2001:db8:1::1/64"], ns.addresses("lan0")
        assert ns.link("lan0")["mtu"] == 1400 and "UP" in ns.link("lan0")["flags"]
        plan = w.commit(interfaces={"lan0": {"addresses": ["10.2.0.1/24", "2001:db8:1::1/64"]},
                                    "wan0": {"addresses": ["192.0.2.2/24"], "enabled": False}})
        assert ns.addresses("lan0") == ["10.2.0.1/24", "2001:db8:1::1/64"], ns.addresses("lan0")
        assert ns.link("lan0")["mtu"] == 1500, "the MTU it had before"
        assert ns.addresses("wan0") == ["192.0.2.2/24"] and "UP" not in ns.link("wan0")["flags"]
        assert any("lan0" in line for line in plan) and any("wan0" in line for line in plan), plan
        w.commit(interfaces=None)
        assert ns.addresses("lan0") == [] and ns.addresses("wan0") == []
        assert "UP" not in ns.link("lan0")["flags"], "down as it was before"
        w.stop()


def what_is_not_ours_stays():
    with Box({}) as (ns, w):
        ns.ip("addr", "add", "10.9.0.1/24", "dev", "lan0")
        ns.ip("addr", "add", "10.8.0.1/24", "dev", "far1")
        w.commit(interfaces={"lan0": {"addresses": ["10.1.0.1/24"]}})
        assert ns.addresses("lan0") == ["10.1.0.1/24", "10.9.0.1/24"]
        w.commit(interfaces={})
        assert ns.addresses("lan0") == ["10.9.0.1/24"] and ns.addresses("far1") == ["10.8.0.1/24"]
        w.stop()


def an_address_moves_between_links_and_lengths():
    with Box({"lan0": {"addresses": ["10.1.0.1/24", "10.1.0.9/24"]}}) as (ns, w):
        w.commit(interfaces={"lan0": {"addresses": ["10.1.0.9/16"]},
                             "wan0": {"addresses": ["10.3.0.1/24"]}})
        assert ns.addresses("lan0") == ["10.1.0.9/16"], ns.addresses("lan0")
        w.commit(interfaces={"lan0": {"addresses": ["10.3.0.1/24"]},
                             "wan0": {"addresses": ["10.1.0.9/16"]}})
        assert ns.addresses("lan0") == ["10.3.0.1/24"] and ns.addresses("wan0") == ["10.1.0.9/16"]
        w.stop()


def an_applied_change_is_undone():
    before = {"lan0": {"addresses": ["10.1.0.1/24"], "mtu": 1400}}
    with Box(dict(before)) as (ns, w):
        w.commit(interfaces={"wan0": {"addresses": ["10.1.0.1/24"]}})
        assert ns.addresses("wan0") == ["10.1.0.1/24"] and ns.link("lan0")["mtu"] == 1500
        w.undo()
        assert ns.addresses("lan0") == ["10.1.0.1/24"] and ns.addresses("wan0") == []
        assert ns.link("lan0")["mtu"] == 1400 and "UP" not in ns.link("wan0")["flags"]
        w.stop()


def a_restart_removes_what_left_meanwhile_and_nothing_else():
    box = Box({"lan0": {"addresses": ["10.1.0.1/24", "10.4.0.1/24", "2001:db8::1/64"]}})
    with box as (ns, w):
        ns.ip("addr", "add", "10.9.0.1/24", "dev", "lan0")
        w.kill()
        assert "10.1.0.1/24" in ns.addresses("lan0"), "a dead service does not cut the network"
        box.tree["interfaces"] = {"lan0": {"addresses": ["10.1.0.1/24"]}}
        w = box.start()
        assert ns.addresses("lan0") == ["10.1.0.1/24", "10.9.0.1/24"], ns.addresses("lan0")
        assert w.logged("interfaces.applied")["kv"]["added"] == 0, "what was there is not added again"
        w.stop()


def wrong_configurations_are_refused_with_path_and_reason():
    good = {"lan0": {"addresses": ["10.1.0.1/24"]}}
    table = [
        ({"lan1": {}}, "/interfaces/lan1", "no interface \"lan1\"", "did you mean lan0?"),
        ({"lan0": {"mtu": 20}}, "/interfaces/lan0/mtu", "at least 68"),
        ({"lan0": {"mtu": 70000}}, "/interfaces/lan0/mtu", "at most 65535"),
        ({"lan0": {"mtu": 1000, "addresses": ["2001:db8::1/64"]}}, "/interfaces/lan0/mtu", "1280"),
        ({"lan0": {"addresses": ["10.1.0.1"]}}, "/interfaces/lan0/addresses/0", "prefix length"),
        ({"lan0": {"addresses": ["10.1.0.1/33"]}}, "/interfaces/lan0/addresses/0", "0 and 32"),
        ({"lan0": {"addresses": ["10.1.0.300/24"]}}, "/interfaces/lan0/addresses/0", "not an IPv4"),
        ({"lan0": {"addresses": ["10.1.0.0/24"]}}, "/interfaces/lan0/addresses/0", "network itself"),
        ({"lan0": {"addresses": ["10.1.0.255/24"]}}, "/interfaces/lan0/addresses/0", "broadcast"),
        ({"lan0": {"addresses": ["224.0.0.1/24"]}}, "/interfaces/lan0/addresses/0", "multicast"),
        ({"lan0": {"addresses": ["10.1.0.1/24", "10.1.0.1/16"]}}, "/interfaces/lan0/addresses/1",
         "already an address of lan0"),
        ({"lan0": {"addresses": ["10.1.0.1/24"]}, "wan0": {"addresses": ["10.1.0.1/24"]}},
         "/interfaces/wan0/addresses/0", "already an address of lan0"),
        ({"lan0": {"addresses": ["10.1.0.1/24"]}, "wan0": {"addresses": ["10.1.0.2/25"]}},
         "/interfaces/wan0/addresses/0", "overlaps 10.1.0.1/24 of lan0"),
        ({"lan0": {"addresses": ["10.8.0.1/24"]}}, "/interfaces/lan0/addresses/0", "far0"),
    ]
    with Box(good) as (ns, w):
        ns.ip("addr", "add", "10.8.0.1/24", "dev", "far0")
        for config, path, *words in table:
            refused(w, path, *words, interfaces=config)
            assert ns.addresses("lan0") == ["10.1.0.1/24"] and ns.link("lan0")["mtu"] == 1500
        w.stop()


def an_absent_link_degrades_the_start_and_is_configured_when_it_appears():
    with Box({"lan0": {"addresses": ["10.1.0.1/24"]}, "usb0": {"addresses": ["10.5.0.1/24"]}}) as (ns, w):
        assert ns.addresses("lan0") == ["10.1.0.1/24"]
        problem = w.until_problems(lambda p: p)["link:usb0"]
        assert problem["path"] == "/interfaces/usb0" and "does not exist" in problem["what"]
        ns.ip("link", "add", "usb0", "type", "veth", "peer", "name", "far2")
        w.logged("interfaces.repaired")
        assert ns.addresses("usb0") == ["10.5.0.1/24"] and "UP" in ns.link("usb0")["flags"]
        w.until_problems(lambda p: not p)
        w.stop()


def lost_addresses_come_back_and_link_events_are_published():
    with Box({"lan0": {"addresses": ["10.1.0.1/24", "2001:db8::1/64"]}}) as (ns, w):
        ns.ip("addr", "del", "10.1.0.1/24", "dev", "lan0")
        w.logged("interfaces.repaired")
        assert "10.1.0.1/24" in ns.addresses("lan0")
        w.events.clear()
        ns.ip("link", "set", "far0", "down")
        w.until(lambda f: ("link", {"name": "lan0", "up": True, "carrier": False}) in w.events)
        ns.ip("link", "set", "far0", "up")
        w.until(lambda f: ("link", {"name": "lan0", "up": True, "carrier": True}) in w.events)
        ns.ip("link", "set", "lan0", "down")
        w.until(lambda f: ("link", {"name": "lan0", "up": False, "carrier": False}) in w.events)
        assert ns.addresses("lan0") == ["10.1.0.1/24"], "IPv6 addresses are lost with a link that is down"
        ns.ip("link", "set", "lan0", "up")
        w.logged("interfaces.repaired")
        assert ns.addresses("lan0") == ["10.1.0.1/24", "2001:db8::1/64"]
        w.stop()


def list_shows_links():
    with Box({"lan0": {"addresses": ["10.1.0.1/24"], "description": "office"}}) as (ns, w):
        eventually(lambda: ns.link("lan0")["operstate"] == "UP", "lan0 is up")
        out = w.call("list", {}, src=9)
        links = {link["name"]: link for link in out["links"]}
        assert out["total"] == len(links) == 5, out["total"]
        lan0 = links["lan0"]
        assert lan0["state"] == "up" and lan0["kind"] == "veth" and lan0["configured"]
        assert lan0["description"] == "office" and "10.1.0.1/24" in lan0["addresses"]
        assert lan0["mac"] == ns.link("lan0")["address"] and lan0["mtu"] == 1500
        assert not links["wan0"]["configured"] and links["wan0"]["state"] == "down"
        w.stop()


def each_thing_is_applied_by_itself_at_start_and_again_when_it_may_fit():
    box = Box({"aux0": {"mtu": 9000, "addresses": ["10.6.0.1/24"]},
               "gone0": {"addresses": ["10.7.0.1/24"]},
               "lan0": {"addresses": ["10.1.0.1/24", "10.8.0.1/24", "2001:db8:1::1/64"]},
               "wan0": {"addresses": ["192.0.2.2/24", "2001:db8:2::1/64"]}})
    with box as (ns, w):
        w.kill()
        ns.ip("addr", "flush", "dev", "lan0")
        ns.ip("addr", "flush", "dev", "wan0")
        ns.ip("link", "set", "wan0", "down")
        ns.ip("link", "add", "aux0", "link", "far1", "type", "macvlan")  # no more than far1 takes
        ns.ip("addr", "add", "10.8.0.1/24", "dev", "far0")
        ns.sysctl("net.ipv6.conf.wan0.disable_ipv6", "1")
        w = box.start()
        assert ns.addresses("lan0") == ["10.1.0.1/24", "2001:db8:1::1/64"], ns.addresses("lan0")
        assert ns.addresses("wan0") == ["192.0.2.2/24"] and ns.addresses("aux0") == ["10.6.0.1/24"]
        found = w.until_problems(lambda p: len(p) == 4)
        for key, path, word in (
                ("mtu:aux0", "/interfaces/aux0/mtu", "MTU 9000"),
                ("link:gone0", "/interfaces/gone0", "does not exist"),
                ("address:lan0:10.8.0.1/24", "/interfaces/lan0/addresses/1", "address of far0"),
                ("address:wan0:2001:db8:2::1/64", "/interfaces/wan0/addresses/1", "switched off")):
            assert found[key]["path"] == path and word in found[key]["what"], found[key]
            assert found[key]["todo"], found[key]
        ns.pair("gone0")
        ns.ip("addr", "del", "10.8.0.1/24", "dev", "far0")
        ns.sysctl("net.ipv6.conf.wan0.disable_ipv6", "0")
        ns.ip("link", "set", "far1", "mtu", "9000")
        w.until_problems(lambda p: not p)
        assert ns.link("aux0")["mtu"] == 9000 and ns.addresses("gone0") == ["10.7.0.1/24"]
        assert "10.8.0.1/24" in ns.addresses("lan0")
        assert "2001:db8:2::1/64" in ns.addresses("wan0")
        w.stop()


def a_stored_value_that_is_wrong_costs_itself_and_a_link_made_anew_gets_everything():
    wrong = {"addresses": ["10.1.0.0/24", "10.1.0.1/24"], "mtu": 1400}  # an older version let it pass
    with Box({"lan0": wrong, "wan0": {"addresses": ["10.1.0.7/24", "192.0.2.2/24"]}}) as (ns, w):
        assert ns.addresses("lan0") == ["10.1.0.1/24"] and ns.addresses("wan0") == ["192.0.2.2/24"]
        found = w.until_problems(lambda p: len(p) == 2)
        assert "network itself" in found["value:/interfaces/lan0/addresses/0"]["what"], found
        assert "overlaps" in found["value:/interfaces/wan0/addresses/0"]["what"], found
        ns.ip("link", "del", "lan0")
        w.until_problems(lambda p: "link:lan0" in p)
        ns.pair("lan0")
        w.until_problems(lambda p: "link:lan0" not in p)
        assert ns.addresses("lan0") == ["10.1.0.1/24"] and ns.link("lan0")["mtu"] == 1400
        assert "UP" in ns.link("lan0")["flags"]
        assert ns.sysctl("net.ipv4.conf.lan0.promote_secondaries") == "1"
        w.stop()


def a_link_on_top_of_another_may_come_first_in_a_commit():
    with Box({}) as (ns, w):
        ns.ip("link", "add", "above0", "link", "wan0", "type", "macvlan")
        w.commit(interfaces={"above0": {"addresses": ["10.6.0.1/24"], "mtu": 9000}, "wan0": {"mtu": 9000}})
        assert ns.link("above0")["mtu"] == 9000 and "UP" in ns.link("above0")["flags"]
        refused(w, "/interfaces/above0/mtu", "cannot set MTU 9100",
                interfaces={"above0": {"mtu": 9100}, "wan0": {"mtu": 9000}})
        assert ns.addresses("above0") == ["10.6.0.1/24"] and ns.link("above0")["mtu"] == 9000
        w.stop()


def a_commit_is_refused_only_for_what_it_changes():
    parts = {"lan0": {"addresses": ["10.1.0.1/24"]},
             "usb0": {"addresses": ["10.5.0.1/24", "2001:db8:5::1/64"], "mtu": 1400},
             "wan0": {"addresses": ["192.0.2.2/24", "2001:db8:2::1/64"]}}
    box = Box(parts)
    with box as (ns, w):
        ns.sysctl("net.ipv6.conf.wan0.disable_ipv6", "1")
        w.until_problems(lambda p: "link:usb0" in p and "address:wan0:2001:db8:2::1/64" in p)
        change = json.loads(json.dumps(parts))
        change["lan0"] = {"addresses": ["10.1.0.1/24", "10.1.1.1/24"], "mtu": 1450, "description": "x"}
        w.commit(interfaces=change)
        assert ns.addresses("lan0") == ["10.1.0.1/24", "10.1.1.1/24"] and ns.link("lan0")["mtu"] == 1450
        change["usb0"]["mtu"] = 1300  # configured before and missing now: it will be so
        plan = w.commit(interfaces=change)
        assert any("does not exist now" in line for line in plan), plan
        change["wan0"]["description"] = "dark"
        w.commit(interfaces=change)
        refused(w, "/interfaces/usb1", "no interface \"usb1\"", interfaces={**change, "usb1": {}})
        lost = {**change, "wan0": {"addresses": ["192.0.2.2/24", "2001:db8:2::1/64", "2001:db8:3::1/64"]}}
        refused(w, "/interfaces/wan0/addresses/2", "switched off", interfaces=lost)
        assert ns.addresses("wan0") == ["192.0.2.2/24"]
        ns.pair("usb0")
        w.until_problems(lambda p: "link:usb0" not in p)
        assert ns.link("usb0")["mtu"] == 1300 and "10.5.0.1/24" in ns.addresses("usb0")
        w.stop()


def the_order_of_addresses_is_the_configurations():
    def order():
        return [a.split("/")[0] for a in ns.listed("lan0")]

    with Box({"lan0": {"addresses": ["10.1.0.1/24", "10.1.0.9/24", "10.2.0.1/24"]}}) as (ns, w):
        assert order() == ["10.1.0.1", "10.2.0.1", "10.1.0.9"], order()
        with ns.monitor("address") as seen:
            w.commit(interfaces={"lan0": {"addresses": ["10.1.0.9/24", "10.2.0.1/24"]}})
            assert order() == ["10.1.0.9", "10.2.0.1"], order()
            w.commit(interfaces={"lan0": {"addresses": ["10.2.0.1/24"]}})
            lines = seen()
        gone = [line for line in lines if line.startswith("Deleted") and "10.1.0.9/24" in line]
        assert len(gone) == 1, f"a kept address went away: {lines}"
        w.commit(interfaces={"lan0": {"addresses": ["10.2.0.1/24", "10.2.0.2/24", "10.2.0.3/24"]}})
        w.commit(interfaces={"lan0": {"addresses": ["10.2.0.3/24", "10.2.0.1/24", "10.2.0.2/24"]}})
        assert order() == ["10.2.0.3", "10.2.0.1", "10.2.0.2"], order()
        assert "src 10.2.0.3" in ns.ip("route", "get", "10.2.0.77")
        ns.ip("addr", "del", "10.2.0.3/24", "dev", "lan0")
        eventually(lambda: order() == ["10.2.0.3", "10.2.0.1", "10.2.0.2"],
                   "a deleted primary address is the primary one again")
        w.stop()


def settings_of_links_are_kept_and_given_back():
    names = ["net.ipv4.conf.lan0.promote_secondaries", "net.ipv4.conf.lan0.ignore_routes_with_linkdown"]
    with Box({}) as (ns, w):
        for name in names:
            ns.sysctl(name, "0")
        w.commit(interfaces={"lan0": {"addresses": ["10.1.0.1/24"]}})
        assert [ns.sysctl(name) for name in names] == ["1", "1"]
        for name in names:
            ns.sysctl(name, "0")
            record = w.logged("interfaces.repaired")
            assert record["kv"]["settings"] == 1 and ns.sysctl(name) == "1"
        w.commit(interfaces={})
        assert [ns.sysctl(name) for name in names] == ["0", "0"], "as they were before"
        w.stop()


def a_flushed_link_gets_its_link_local_address_back():
    def own():
        found = json.loads(ns.ip("-j", "addr", "show", "dev", "lan0"))[0]["addr_info"]
        return [a["local"] for a in found if a["family"] == "inet6" and a["scope"] == "link"]

    with Box({"lan0": {"addresses": ["10.1.0.1/24", "2001:db8::1/64"]}}) as (ns, w):
        eventually(own, "lan0 has a link-local address")
        before = own()
        w.logged("interfaces.applied")
        w.until_quiet()
        ns.ip("addr", "flush", "dev", "lan0")
        eventually(lambda: own() == before, f"{before} comes back")
        eventually(lambda: ns.addresses("lan0") == ["10.1.0.1/24", "2001:db8::1/64"], "the others, too")
        w.stop()


def a_duplicate_ipv6_address_is_reported_and_used_when_it_is_free():
    with Box({}) as (ns, w), Namespace("ifd") as other:
        other.sysctl("net.ipv6.conf.default.accept_dad", "0")
        ns.ip("link", "add", "dup0", "type", "veth", "peer", "name", "there", "netns", other.name)
        other.ip("link", "set", "there", "up")
        other.ip("addr", "add", "2001:db8:9::1/64", "dev", "there", "nodad")
        w.commit(interfaces={"dup0": {"addresses": ["2001:db8:9::1/64", "10.9.9.1/24"]}})
        key = "duplicate:dup0:2001:db8:9::1/64"
        problem = w.until_problems(lambda p: key in p)[key]
        assert problem["path"] == "/interfaces/dup0/addresses/0", problem
        other.ip("addr", "del", "2001:db8:9::1/64", "dev", "there")
        w.until_problems(lambda p: not p, 20)
        assert "dadfailed" not in ns.ip("-6", "addr", "show", "dev", "dup0")
        w.stop()


def lost_events_do_not_end_the_following():
    if "--sandboxed" in sys.argv:
        return  # the process that is stopped would be the one that carries the bytes
    with Box({"lan0": {"addresses": ["10.1.0.1/24"]}}) as (ns, w):
        w.until_quiet()
        os.kill(w.process.pid, signal.SIGSTOP)
        ns.batch(f"addr {word} 100.64.{i // 250}.{i % 250 + 1}/32 dev far1\n"
                 for word in ("add", "del") for i in range(2500))
        ns.ip("link", "set", "far0", "down")
        os.kill(w.process.pid, signal.SIGCONT)
        w.logged("interfaces.events-lost")
        w.until(lambda f: ("link", {"name": "lan0", "up": True, "carrier": False}) in w.events)
        for _ in range(2):
            ns.ip("addr", "del", "10.1.0.1/24", "dev", "lan0")
            eventually(lambda: ns.addresses("lan0") == ["10.1.0.1/24"], "followed after an overrun")
        w.stop()


def links_that_come_and_go_refuse_no_commit_and_stop_no_repair():
    with Box({"lan0": {"addresses": ["10.1.0.1/24"]}}) as (ns, w):
        ns.batch(f"link add many{i} type veth peer name peer{i}\n" for i in range(50))
        churn = "while :; do ip link add churn0 type veth peer name churn1; ip link del churn0; done"
        with ns.running("sh", "-c", churn):
            for i in range(12):
                w.commit(interfaces={"lan0": {"addresses": [f"10.1.{i}.1/24"]}})
            ns.ip("addr", "del", "10.1.11.1/24", "dev", "lan0")
            eventually(lambda: ns.addresses("lan0") == ["10.1.11.1/24"], "repaired under events without end")
        w.stop()


main([addresses_mtu_and_state_follow_the_configuration, what_is_not_ours_stays,
      an_address_moves_between_links_and_lengths, an_applied_change_is_undone,
      a_restart_removes_what_left_meanwhile_and_nothing_else,
      wrong_configurations_are_refused_with_path_and_reason,
      an_absent_link_degrades_the_start_and_is_configured_when_it_appears,
      lost_addresses_come_back_and_link_events_are_published, list_shows_links,
      each_thing_is_applied_by_itself_at_start_and_again_when_it_may_fit,
      a_stored_value_that_is_wrong_costs_itself_and_a_link_made_anew_gets_everything,
      a_link_on_top_of_another_may_come_first_in_a_commit,
      a_commit_is_refused_only_for_what_it_changes, the_order_of_addresses_is_the_configurations,
      settings_of_links_are_kept_and_given_back, a_flushed_link_gets_its_link_local_address_back,
      a_duplicate_ipv6_address_is_reported_and_used_when_it_is_free,
      lost_events_do_not_end_the_following,
      links_that_come_and_go_refuse_no_commit_and_stop_no_repair])
