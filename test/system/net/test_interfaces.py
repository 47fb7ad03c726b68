"""The interfaces service against a kernel: in a network namespace, checked with iproute2."""
import sys

from host import Namespace, Worker, eventually, main, refused

RUNNER, MODULE = sys.argv[1:3]


class Box:
    """Namespace with veth pairs lan0-far0 and wan0-far1, and a worker in it."""

    def __init__(self, config=None):
        self.space = Namespace("if")
        self.tree = {"interfaces": config} if config is not None else {}

    def __enter__(self):
        self.space.__enter__()
        for near, far in (("lan0", "far0"), ("wan0", "far1")):
            self.space.ip("link", "add", near, "type", "veth", "peer", "name", far)
            self.space.ip("link", "set", far, "up")
        self.worker = self.start()
        return self.space, self.worker

    def start(self):
        self.worker = Worker(RUNNER, MODULE, ["interfaces"], self.tree, self.space, ["list"])
        try:
            return self.worker.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        self.worker.kill()
        self.space.__exit__()


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


def an_applied_change_goes_back():
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
        ({"lan1": {}}, "/interfaces/lan1", "no interface lan1", "did you mean lan0?"),
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
        assert "usb0" in w.ping()
        ns.ip("link", "add", "usb0", "type", "veth", "peer", "name", "far2")
        w.logged("interfaces.repaired")
        assert ns.addresses("usb0") == ["10.5.0.1/24"] and "UP" in ns.link("usb0")["flags"]
        assert w.ping() is None
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
        assert ns.addresses("lan0") == ["10.1.0.1/24"], "IPv6 goes with a link that is down"
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


main([addresses_mtu_and_state_follow_the_configuration, what_is_not_ours_stays,
      an_address_moves_between_links_and_lengths, an_applied_change_goes_back,
      a_restart_removes_what_left_meanwhile_and_nothing_else,
      wrong_configurations_are_refused_with_path_and_reason,
      an_absent_link_degrades_the_start_and_is_configured_when_it_appears,
      lost_addresses_come_back_and_link_events_are_published, list_shows_links])
