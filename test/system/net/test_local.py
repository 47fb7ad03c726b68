"""What makes an address one of the machine's: local routes, the loopback link; and links that change their names."""

from host import eventually, main
from interfaces_box import Box

CONFIG = {"lan0": {"addresses": ["10.1.0.1/24", "10.1.0.2/24", "2001:db8::1/64"], "mtu": 1400}, "wan0": {"addresses": ["192.0.2.1/31"]}}


def local_routes(ns):
    """Without those of the far ends, which are not the service's."""
    lines = [" ".join(line.split()) for family in ("-4", "-6")
             for line in ns.ip(family, "route", "show", "table", "local").splitlines()]
    return sorted(line for line in lines if " dev far" not in line)


def flushed_local_routes_are_put_back():
    with Box(CONFIG) as (ns, w):
        eventually(lambda: "tentative" not in ns.ip("addr"), "no address is being tried")
        before = local_routes(ns)
        assert any("2001:db8::1 " in line for line in before) and any("10.1.0.255" in line for line in before), before
        listed = ns.listed("lan0")
        ns.ip("route", "flush", "table", "local")
        ns.ip("-6", "route", "flush", "table", "local")
        eventually(lambda: "tentative" not in ns.ip("addr") and local_routes(ns) == before, "all local routes are back", 20)
        assert ns.listed("lan0") == listed and ns.addresses("lan0") == sorted(CONFIG["lan0"]["addresses"])
        ns.ip("route", "del", "local", "10.1.0.2", "dev", "lan0", "table", "local")
        w.logged("interfaces.local-put-back")
        eventually(lambda: local_routes(ns) == before, "one local route is back", 20)
        w.until_problems(lambda p: not p)
        w.commit(interfaces={"lan0": {"mtu": 1400}})
        left = [line for line in local_routes(ns) if "10.1.0." in line or "2001:db8" in line]
        assert not left, f"local routes of addresses that are gone: {left}"
        w.stop()


def the_loopback_link_is_kept_up():
    with Box(CONFIG) as (ns, w):
        ns.ip("link", "set", "lo", "down")
        w.logged("interfaces.loopback-put-back")
        eventually(lambda: "UP" in ns.link("lo")["flags"] and "127.0.0.1/8" in ns.ip("addr", "show", "lo"), "lo is up", 20)
        w.commit(interfaces={**CONFIG, "lo": {"enabled": False}})
        eventually(lambda: "UP" not in ns.link("lo")["flags"], "lo is down where that is configured")
        w.stop()


def what_links_were_follows_them_to_another_name():
    with Box({"lan0": {"mtu": 1400}, "wan0": {"enabled": False}}) as (ns, w):
        lan, wan = ns.link("lan0")["ifindex"], ns.link("wan0")["ifindex"]

        def swap():
            for a, b in (("lan0", "other"), ("wan0", "lan0"), ("other", "wan0")):
                ns.ip("link", "set", a, "name", b)

        def are(first, second):  # flag and MTU of the links that were lan0 and wan0 at first
            found = {ns.link(name)["ifindex"]: ("UP" in ns.link(name)["flags"], ns.link(name)["mtu"]) for name in ("lan0", "wan0")}
            return found == {lan: first, wan: second}
        eventually(lambda: are((True, 1400), (False, 1500)), "as configured")
        swap()
        eventually(lambda: are((False, 1500), (True, 1400)), "MTU and state follow the names")
        swap()
        eventually(lambda: are((True, 1400), (False, 1500)), "and back")
        ns.ip("link", "set", "lan0", "name", "other")
        eventually(lambda: ns.link("other")["mtu"] == 1500 and "UP" not in ns.link("other")["flags"],
                   "one that left the configuration with its name is given back")
        w.stop()


main([flushed_local_routes_are_put_back, the_loopback_link_is_kept_up, what_links_were_follows_them_to_another_name])
